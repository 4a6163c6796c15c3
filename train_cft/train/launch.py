"""Launcher for several processes on one machine, one for each device.

Each runs the same command line with its place in the environment, as `torchrun` and `accelerate
launch` set it; a training that one of those starts, on several machines for instance, is the same.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from harness.environment import usable_cores
from harness.errors import HarnessError
from train_cft.train.recipe import ParallelismPart

_POLL_SECONDS = 0.1
# A process that lost its peers waits for them in vain; the first may be writing what is to be kept.
_GRACE_SECONDS = 5.0
_GRACE_SECONDS_OF_THE_FIRST = 60.0
_DECIDED_BY_THE_RECIPE = {
    "ACCELERATE_USE_FSDP": "false",
    "ACCELERATE_USE_DEEPSPEED": "false",
    "ACCELERATE_USE_MEGATRON_LM": "false",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "false",
    "ACCELERATE_MIXED_PRECISION": "no",
    "ACCELERATE_DYNAMO_BACKEND": "no",
}
_SIZES_BY_MPI = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def is_launched() -> bool:
    """Return whether a launcher has given this process its place already."""
    return "WORLD_SIZE" in os.environ


def world_size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return which of the processes this is, over all machines."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Return which of this machine's processes this is, and so which of its devices it has."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first() -> bool:
    """Return whether this is the process that reports and writes."""
    return rank() == 0


def refuse_launcher_overrides() -> None:
    """Refuse settings of `accelerate launch` or `mpirun` that would override the recipe.

    Raises:
        HarnessError: A launcher sets what the recipe decides, or started one process for several.
    """
    for name, harmless in _DECIDED_BY_THE_RECIPE.items():
        value = os.environ.get(name, harmless)
        if value.lower() != harmless:
            raise HarnessError(
                f"`accelerate launch` was asked for {name}={value}, which the recipe decides.",
                "Start it without that option, or without its configuration file: `torchrun`, or "
                "`accelerate launch --config_file` with a plain one.",
            )
    if is_launched():
        return
    by_mpi = any(int(os.environ.get(name, "1")) > 1 for name in _SIZES_BY_MPI)
    # For a CPU it names an address for several processes and starts one.
    alone = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_ADDR" in os.environ
    if by_mpi or alone:
        who = "mpirun" if by_mpi else "`accelerate launch` on a CPU"
        raise HarnessError(
            f"{who} does not give its processes their places.",
            "Give --processes to `train-cft train` itself, or start it with "
            "`torchrun --nproc-per-node N -m train_cft.cli train …`.",
        )


def refuse_missing_devices(part: ParallelismPart) -> None:
    """Refuse what this machine has not the devices for.

    Raises:
        HarnessError: There are too few.
    """
    if part.strategy == "ddp" and (part.device == "cpu" or part.processes == 1):
        return
    import torch

    there = 0 if part.device == "cpu" else torch.cuda.device_count()
    if part.strategy == "fsdp" and not there:
        raise HarnessError(
            "Sharing a model out (fsdp) takes GPUs: on a CPU each process would hold all of it.",
            "Choose another recipe, or give --set parallelism.strategy=ddp.",
        )
    if there and is_launched() and local_rank() >= there:
        raise HarnessError(
            f"This is process {local_rank() + 1} of a machine with {there} devices.",
            f"Start at most {there} on it.",
        )
    if there and not is_launched() and part.processes > there:
        raise HarnessError(
            f"The recipe is for {part.processes} devices and this machine has {there}.",
            f"Give --processes {there}, or start it on several machines with torchrun.",
        )


def run(arguments: Sequence[str], processes: int) -> int:
    """Run a command line in several processes; return the exit code that counts.

    A signal goes to all of them, and they are waited for: they save before they end. Where one
    fails, the others are ended.
    """
    common = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    if "OMP_NUM_THREADS" not in os.environ:
        common["OMP_NUM_THREADS"] = str(max(1, usable_cores() // processes))
    started: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in started:
            if process.poll() is None:
                process.send_signal(number)

    # Ctrl-C reaches the whole group by itself; here it must only not end the one that waits.
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on),
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
    }
    try:
        for number in range(processes):
            place = {"RANK": str(number), "LOCAL_RANK": str(number)}
            started.append(
                subprocess.Popen(
                    [sys.executable, "-P", "-m", "train_cft.cli", *arguments],
                    env=os.environ | common | place,
                )
            )
        return _wait(started)
    finally:
        for process in started:
            process.kill()
            process.wait()
        for name, handler in before.items():
            signal.signal(name, handler)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait until all have ended, or for a moment after one has failed."""
    failed_at = 0.0
    while any(process.poll() is None for process in processes):
        if not failed_at and any(process.poll() for process in processes):
            failed_at = time.monotonic()
        writing = processes[0].poll() is None
        grace = _GRACE_SECONDS_OF_THE_FIRST if writing else _GRACE_SECONDS
        if failed_at and time.monotonic() - failed_at > grace:
            break
        time.sleep(_POLL_SECONDS)
    # The first process reports what went wrong, so its code counts before the others'.
    return next((code for code in (process.poll() for process in processes) if code), 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
