"""Connect to a Ray cluster, and plan how many replicas fit."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.errors import EngineError, HarnessError

_KNOCK_SECONDS = 5.0
_PROBE_SECONDS = 15.0
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
_PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False)"
_NO_RAY = "Start one with `ray start --head`, or leave out --address for one on this machine."


def connect(address: str | None) -> tuple[Any, bool]:
    """Join the cluster at an address, or start one on this machine.

    Returns:
        The module ``ray``, and whether to leave the cluster in the end: one that the caller had
        joined before is used as it is.

    Raises:
        HarnessError: There is no cluster at the address, or none can be started.
    """
    import ray
    from ray.job_config import JobConfig

    if ray.is_initialized():
        return ray, False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Other jobs have their workers look for modules in the driver's current folder first.
    job = JobConfig(_client_job=True)
    with _own_handler_kept():
        if address is not None:
            _refuse_unless_ray(address)
            ray.init(address=address, job_config=job, **_QUIET)
            return ray, True
        try:
            ray.init(address="local", include_dashboard=False, job_config=job, **_QUIET)
        except Exception as error:
            raise EngineError(
                f"Ray cannot start on this machine: {last_line(str(error))}.",
                "`ray start --head` may say more.",
            ) from error
    return ray, True


@contextmanager
def _own_handler_kept() -> Iterator[None]:
    """Restore the SIGTERM handler that Ray replaces; ours keeps what is finished."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        ours = callable(before) and threading.current_thread() is threading.main_thread()
        if ours:
            signal.signal(signal.SIGTERM, before)


def _refuse_unless_ray(address: str) -> None:
    """Make sure that there is a cluster: Ray itself tries for two minutes, then ends the process.

    Raises:
        HarnessError: There is none, or none of this version of Ray.
    """
    host, _, port = address.rpartition(":")
    if address != "auto":
        if not host or "/" in host or not port.isdigit():
            raise HarnessError(
                f"--address {address} is no HOST:PORT of a Ray cluster.",
                "Run on a node of the cluster and give its head's, usually with port 6379.",
            )
        try:
            socket.create_connection((host, int(port)), _KNOCK_SECONDS).close()
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise EngineError(
                f"There is no Ray at {address}: {reason or error}.", _NO_RAY
            ) from None
    try:
        probe = subprocess.run(
            [sys.executable, "-P", "-c", _PROBE, address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"What is at {address} does not answer as a Ray cluster within {_PROBE_SECONDS:.0f} s.",
            _NO_RAY,
        ) from None
    if probe.returncode:
        raise EngineError(
            f"The Ray cluster at {address} cannot be joined: {last_line(probe.stderr)}.",
            "Run on one of its nodes, with the same versions of Ray and Python.",
        )


def last_line(text: str) -> str:
    """Return the end of what a program said, without its full stop."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".")[:200] if lines else "it does not say why"


@dataclass(frozen=True, slots=True)
class Placement:
    """How many replicas to start, and the resources of each actor.

    Attributes:
        replicas: Engines.
        resources: Ray's resources of one actor.
        shares_node: Several engines use the cores of one node.
    """

    replicas: int
    resources: Mapping[str, Any]
    shares_node: bool = False


def plan_placement(
    nodes: Sequence[Mapping[str, float]],
    *,
    on_gpus: bool,
    together: int,
    wanted: int | None,
    per_actor: int,
) -> Placement:
    """Choose the number of replicas, as many as fit unless given, and the resources of each.

    Args:
        nodes: Resources of each living node.
        on_gpus: The engine needs GPUs.
        together: How many devices one engine takes.
        wanted: How many replicas were asked for.
        per_actor: How many share an actor.

    Raises:
        HarnessError: The cluster has not got that.
    """
    if on_gpus:
        devices = [int(node.get("GPU", 0)) for node in nodes]
        largest = max(devices, default=0)
        if largest < together:
            raise HarnessError(
                f"An engine over {together} GPUs does not fit: the largest node of the cluster has "
                f"{largest}.",
                "Give a smaller --tensor-parallel; an engine does not span nodes.",
            )
        room = sum(count // together for count in devices)
        _refuse_more(wanted, room * per_actor)
        return Placement(wanted or room, {"num_gpus": together, "num_cpus": 1})
    if together > 1:
        raise HarnessError(
            f"An engine over {together} devices does not fit: it runs on the CPU, of which a node "
            "has one.",
            "Leave out --tensor-parallel.",
        )
    cores = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    _refuse_more(wanted, sum(cores) * per_actor)
    replicas = wanted or len(cores)
    on_a_node = math.ceil(math.ceil(replicas / per_actor) / len(cores))
    share = max(1, min(cores) // on_a_node)
    return Placement(replicas, {"num_cpus": share}, shares_node=on_a_node > 1)


def _refuse_more(wanted: int | None, room: int) -> None:
    if room < (wanted or 1):
        raise HarnessError(
            f"The cluster has room for {room} of {wanted or 1} replicas.",
            "Add nodes, or give a smaller --replicas.",
        )


def cause_of(error: BaseException) -> HarnessError | None:
    """Return the HarnessError that a replica itself raised, if one ended it."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, HarnessError) else None


def as_engine_error(what: str, error: BaseException) -> HarnessError:
    """Return the error to raise where a call to a replica failed."""
    cause = cause_of(error)
    if cause is not None:
        return type(cause)(cause.message, cause.remedy)
    return EngineError(
        f"{what}: {describe_failure(error)}.", "`ray status` and Ray's logs may say more."
    )


def describe_failure(error: BaseException) -> str:
    """Describe in a few words why a replica was lost."""
    harness_error = cause_of(error)
    if harness_error is not None:
        return harness_error.message.rstrip(".")
    cause = getattr(error, "cause", None)
    if cause is not None:
        return f"{type(cause).__name__}: {last_line(str(cause))}"
    name = type(error).__name__
    return "its process or node died" if name == "ActorDiedError" else name
