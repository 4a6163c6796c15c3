"""Data-parallel replicas on a Ray cluster: one engine per actor, one request queue in the driver.

This process renders, hands out, and is the only one to write; actors turn tokens into completions.
Requests of a lost replica go to the front of the queue, and other replicas do them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import pickle
import queue
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from harness.backends.base import RESUME_REMEDY, EngineOptions, Notify, OnProgress, ignore
from harness.backends.ray.cluster import (
    Placement,
    as_engine_error,
    cause_of,
    connect,
    describe_failure,
    plan_placement,
)
from harness.backends.ray.replica import Job, ReplicaActor, Started, engine_class, files_of
from harness.errors import EngineError, HarnessError
from harness.types import Chat, Completion, EngineIdentity, Message, Model, Prompt, Request

_ENGINE = "harness.backends.vllm.backend:VllmBackend"
# A message costs the driver far more than one more completion in it, so the more replicas there
# are, the longer each gathers.
_MESSAGES_PER_SECOND = 250
_POLL_SECONDS = 1.0
# Where an engine does not say how many it runs at once: vLLM's default on the largest devices.
_SEQUENCES = 1024
# Engines are set up by how much there is to do; beyond this many requests nothing changes.
_ENOUGH_REQUESTS = 10_000
_RESTARTS = 3
_MAX_LOSSES = 3
_START_SECONDS = 1800.0
_RECOVERY_SECONDS = 600.0
_NOTICE_SECONDS = 30.0
_CLOSE_SECONDS = 10.0
_ABORT_SECONDS = 10.0


@dataclass(eq=False, slots=True)
class _Replica:
    """One engine in the cluster, as it is seen from here.

    Attributes:
        number: Which of the replicas; a restarted one keeps it.
        actor: Its actor.
        slot: Which of the actor's engines.
        returning: Restarted after a loss: the others do not wait for it.
        node: Where it is, once it serves.
        window: Most requests it may have.
        serving: It has said that it is ready.
        call: What it was asked and has not answered; other answers of its do not count.
        outstanding: What it has been given and not given back.
    """

    number: int
    actor: Any
    slot: int
    returning: bool
    node: str = ""
    window: int = 0
    serving: bool = False
    call: Future[Any] | None = None
    outstanding: dict[str, Request] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"Replica {self.number}" + (f" on {self.node}" if self.node else "")


class _RequestQueue:
    """Requests still to be generated, taken from the front.

    Args:
        requests: As :meth:`harness.backends.base.Backend.generate` takes them.
    """

    def __init__(self, requests: Iterable[Request | None]) -> None:
        self._source = iter(requests)
        self._ready: deque[Request] = deque()
        self._losses: dict[str, int] = {}
        self._outstanding = 0
        self.dry = False

    @property
    def unfinished(self) -> bool:
        return bool(self._outstanding or self._ready) or not self.dry

    def fill(self, room: int) -> int:
        """Take more from the source, up to ``room`` in all; return how many are unfinished.

        Once the source is dry, that is all that is left.
        """
        while self._outstanding + len(self._ready) < room:
            request = next(self._source, None)
            self.dry = request is None
            if request is None:
                break
            self._ready.append(request)
        return self._outstanding + len(self._ready)

    def take(self, most: int, replica: _Replica) -> list[Request]:
        """Give up to ``most`` requests to a replica.

        Of requests that two replicas died with it gets one at a time: if a third dies, it is
        known which one is to blame.
        """
        taken: list[Request] = []
        held_back: list[Request] = []
        has_suspect = bool(self._losses) and any(map(self._suspect, replica.outstanding))
        while self._ready and len(taken) < most:
            request = self._ready.popleft()
            suspect = self._suspect(request.key)
            (held_back if suspect and has_suspect else taken).append(request)
            has_suspect |= suspect
        self._ready.extendleft(reversed(held_back))
        replica.outstanding.update((request.key, request) for request in taken)
        self._outstanding += len(taken)
        return taken

    def finish(self, key: str, replica: _Replica) -> None:
        """Note that a replica has done a request."""
        del replica.outstanding[key]
        self._outstanding -= 1
        if self._losses:
            self._losses.pop(key, None)

    def requeue(self, replica: _Replica) -> int:
        """Put a lost replica's requests back to the front; return how many.

        Raises:
            EngineError: One of them has been lost with its replica once too often.
        """
        lost = list(replica.outstanding.values())
        replica.outstanding.clear()
        self._outstanding -= len(lost)
        self._ready.extendleft(reversed(lost))
        for request in lost:
            self._losses[request.key] = self._losses.get(request.key, 0) + 1
            if self._losses[request.key] >= _MAX_LOSSES:
                raise EngineError(
                    f"{_MAX_LOSSES} engines died one after another with item {request.item_id} "
                    f"(sample {request.sample_index}, request {request.key}).",
                    f"{RESUME_REMEDY} A smaller --max-tokens or --engine-arg max_num_seqs may "
                    "help it.",
                )
        return len(lost)

    def _suspect(self, key: str) -> bool:
        return self._losses.get(key, 0) >= _MAX_LOSSES - 1


class RayBackend:
    """Replicas of one engine on a Ray cluster; see :class:`harness.backends.base.Backend`."""

    def __init__(
        self, options: EngineOptions, *, notify: Notify = ignore, on_progress: OnProgress = ignore
    ) -> None:
        # Only Python can set the second row: which engine, how many of them share an actor (in a
        # simulation), and how long to wait for a replica when there is none left.
        known = ["address", "replicas", "tensor_parallel"]
        known += ["engine", "engines_per_actor", "comeback_seconds"]
        options.refuse_unknown("ray", known)
        if importlib.util.find_spec("ray") is None:
            raise HarnessError(
                "The backend ray needs the package `ray`.", "pip install 'cft-harness[ray]'."
            )
        named = dict(options.backend_options)
        self._address: str | None = named.get("address")
        self._wanted: int | None = named.get("replicas")
        if self._wanted is not None and self._wanted < 1:
            raise HarnessError(f"--replicas {self._wanted} leaves no engine.", "Give 1 or more.")
        self._engine = str(named.get("engine", _ENGINE))
        self._per_actor = int(named.get("engines_per_actor", 1))
        self._comeback_seconds = float(named.get("comeback_seconds", _RECOVERY_SECONDS))
        self._notify = notify
        of_the_engine = {k: v for k, v in named.items() if k == "tensor_parallel"}
        self._options = replace(options, backend_options=of_the_engine)
        # Opens and renders here, as the same engine does without a cluster.
        self._local = engine_class(self._engine)(self._options, notify=notify)
        self._ray: Any = None
        self._joined = False
        self._placement: Placement | None = None
        self._job: Any = None
        self._replicas: list[_Replica] = []
        self._serving = 0
        self._events: queue.SimpleQueue[tuple[_Replica, Future[Any]]] = queue.SimpleQueue()
        self._restarts: Counter[int] = Counter()
        self._counts: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._aborted: dict[_Replica, int] = {}
        self._opened = 0
        self._device = ""

    def open(self, name: str, revision: str | None) -> Model:
        self._opened += 1
        return self._local.open(name, revision)

    def identity(self, model: Model) -> EngineIdentity:
        # The engine's own, so that results are shared with the same engine without a cluster.
        return self._local.identity(model)

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        return self._local.render(model, messages, chat)

    def count_tokens(self, model: Model, text: str) -> int | None:
        return self._local.count_tokens(model, text)

    def start(
        self, model: Model, requests: Sequence[Request], *, longest: int
    ) -> Mapping[str, Any]:
        engine = self.identity(model)
        self._device = engine.device
        if self._placement is None:
            self._ray, self._joined = connect(self._address)
            self._placement = self._plan_placement()
        count = self._placement.replicas
        share = requests[: min(_ENOUGH_REQUESTS, math.ceil(len(requests) / count))]
        job = Job(model, share, longest, engine, files_of(model))
        first = self._job is None
        self._job = self._ray.put(job)
        for replica in list(self._replicas):
            if replica.serving:
                self._begin(replica)
            else:
                self._remove(replica)
        there = {replica.number for replica in self._replicas}
        missing = [number for number in range(count) if number not in there]
        self._spawn(missing, returning=not first)
        return self._wait_for_start() | {"replicas": count}

    def _together(self) -> int:
        """Return how many devices one engine takes."""
        given, own = self._options.engine_args, self._options.backend_options
        tensor = own.get("tensor_parallel", given.get("tensor_parallel_size", 1))
        return int(tensor) * int(given.get("pipeline_parallel_size", 1))

    def _plan_placement(self) -> Placement:
        return plan_placement(
            [node["Resources"] for node in self._ray.nodes() if node["Alive"]],
            on_gpus=self._device == "cuda",
            together=self._together(),
            wanted=self._wanted,
            per_actor=self._per_actor,
        )

    def _engine_args(self) -> dict[str, Any]:
        """Return the engine arguments with defaults for a cluster, none of which enters a key."""
        given = dict(self._options.engine_args)
        if self._together() > 1:
            # One node, one actor: vLLM must not spread its workers over the cluster by itself.
            return {"distributed_executor_backend": "mp"} | given
        if self._opened > 1 and self._device == "cpu":
            # Compiled code holds on to its weights, and within an actor the engine does not know
            # that more checkpoints are to come.
            return {"enforce_eager": True} | given
        return given

    def _spawn(self, numbers: Sequence[int], *, returning: bool) -> None:
        """Ask for actors that hold these replicas; Ray makes each where there is room for it."""
        assert self._placement is not None, "found before anything is started"
        actor_class = self._ray.remote(ReplicaActor)
        options = replace(self._options, engine_args=self._engine_args())
        environment = {k: v for k, v in os.environ.items() if k.startswith("VLLM_")}
        for at in range(0, len(numbers), self._per_actor):
            together = numbers[at : at + self._per_actor]
            actor = actor_class.options(
                max_concurrency=len(together) + 1,
                scheduling_strategy="SPREAD",
                **self._placement.resources,
            ).remote(self._engine, options, len(together), environment, self._placement.shares_node)
            for slot, number in enumerate(together):
                replica = _Replica(number, actor, slot, returning)
                self._replicas.append(replica)
                self._begin(replica)

    def _begin(self, replica: _Replica) -> None:
        self._serving -= replica.serving
        replica.serving = False
        self._call(replica, replica.actor.start.remote(replica.slot, self._job))

    def _call(self, replica: _Replica, reference: Any) -> None:
        """Queue a call's answer among the events once it arrives."""
        call = replica.call = reference.future()
        call.add_done_callback(lambda done: self._events.put((replica, done)))

    def _wait_for_start(self) -> dict[str, Any]:
        """Wait until every replica serves that is not merely to return; return one's settings."""
        deadline = time.monotonic() + _START_SECONDS
        settings: dict[str, Any] = {}
        while any(not (replica.serving or replica.returning) for replica in self._replicas):
            try:
                replica, done = self._events.get(timeout=_NOTICE_SECONDS)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise EngineError(
                        f"After {_START_SECONDS:.0f} s only {self.status()} serve.",
                        "`ray status` on a node shows what the cluster is short of.",
                    ) from None
                self._notify(f"{self.status()} serve; the others are being started.")
                continue
            if done is not replica.call:
                continue
            error = done.exception()
            if error is None:
                settings = self._serves(replica, done.result())
            elif replica.returning or (replica.node and cause_of(error) is None):
                self._handle_loss(replica, error, 0)
            else:
                raise as_engine_error(f"{replica.name} cannot start", error) from error
        return settings

    def _serves(self, replica: _Replica, started: Started) -> dict[str, Any]:
        for notice in started.notices:
            self._notify(f"{replica.name}: {notice}")
        if replica.returning:
            self._notify(f"Replica {replica.number} serves again, on {started.node}.")
        replica.node, replica.call = started.node, None
        replica.serving, replica.returning = True, False
        self._serving += 1
        replica.window = 2 * int(started.settings.get("max_num_seqs") or _SEQUENCES)
        return dict(started.settings)

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        waiting = _RequestQueue(requests)
        try:
            self._dispatch_all(waiting)
            while waiting.unfinished:
                replica, done = self._next_event()
                error = done.exception()
                if error is not None:
                    self._handle_loss(replica, error, waiting.requeue(replica))
                elif replica.serving:
                    replica.call = None
                    completions: list[Completion] = pickle.loads(done.result())
                    self._done[replica.name] += len(completions)
                    for completion in completions:
                        waiting.finish(completion.key, replica)
                    self._dispatch(replica, waiting)
                    yield from _all_of(completions)
                else:
                    self._serves(replica, done.result())
                    self._dispatch(replica, waiting)
                if error is not None or waiting.dry:
                    self._dispatch_all(waiting)
        finally:
            self._abort()

    def _dispatch_all(self, waiting: _RequestQueue) -> None:
        for replica in self._replicas:
            self._dispatch(replica, waiting)

    def _dispatch(self, replica: _Replica, waiting: _RequestQueue) -> None:
        """Send a replica as many requests as it has room for, and ask for its completions."""
        if replica.call or not replica.serving:
            return
        left = waiting.fill(self._serving * replica.window)
        # Towards the end each gets an equal share, so that none is left with all of the rest.
        window = min(replica.window, math.ceil(left / self._serving))
        more = waiting.take(window - len(replica.outstanding), replica)
        if replica.outstanding:
            gather = self._serving / _MESSAGES_PER_SECOND
            patience = max(_POLL_SECONDS, 5 * gather)
            message = pickle.dumps(more)
            exchange = replica.actor.exchange
            self._call(replica, exchange.remote(replica.slot, message, gather, patience))

    def _abort(self) -> None:
        """Abort all requests in flight; drop replicas that do not answer."""
        busy = [replica for replica in self._replicas if replica.outstanding]
        calls = [replica.actor.abort.remote(replica.slot) for replica in busy]
        if calls:
            self._ray.wait(calls, num_returns=len(calls), timeout=_ABORT_SECONDS)
        for replica, call in zip(busy, calls, strict=True):
            replica.call = None
            replica.outstanding.clear()
            try:
                self._aborted[replica] = self._ray.get(call, timeout=0)
            except Exception:  # noqa: BLE001 - dead or too slow
                self._remove(replica)

    def _next_event(self) -> tuple[_Replica, Future[Any]]:
        """Return the next answer of a replica that is not lost.

        Raises:
            EngineError: None is left, and none has returned in time.
        """
        deadline = time.monotonic() + self._comeback_seconds
        while True:
            if not self._replicas:
                raise EngineError("Every replica is lost and was restarted in vain.", RESUME_REMEDY)
            try:
                replica, done = self._events.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if not self._serving and time.monotonic() > deadline:
                    raise EngineError(
                        f"Every replica is lost, and none returned within "
                        f"{self._comeback_seconds:.0f} s.",
                        RESUME_REMEDY,
                    ) from None
                continue
            if done is replica.call:
                return replica, done

    def _handle_loss(self, replica: _Replica, error: BaseException, requeued: int) -> None:
        """Remove a replica; restart it unless that was done often enough."""
        self._remove(replica)
        self._counts["lost"] += 1
        self._counts["requeued"] += requeued
        again = self._restarts[replica.number] < _RESTARTS
        what = (
            f"{replica.name} is lost ({describe_failure(error)})"
            if replica.node
            else (f"{replica.name} could not be restarted ({describe_failure(error)})")
        )
        parts = [f"{requeued} requests go to others"] if requeued else []
        parts += ["it is restarted where there is room"] if again else ["it is given up"]
        self._notify(f"{what}: {', '.join(parts)}; {self.status()} serve.")
        if again:
            self._restarts[replica.number] += 1
            self._spawn([replica.number], returning=True)

    def _remove(self, replica: _Replica) -> None:
        self._serving -= replica.serving
        replica.serving, replica.call = False, None
        self._replicas.remove(replica)
        with contextlib.suppress(Exception):  # it may well be dead
            self._ray.kill(replica.actor)

    def status(self) -> str:
        return f"{self._serving} of {self._placement.replicas if self._placement else 0} replicas"

    def usage(self) -> Mapping[str, Any]:
        replicas = self._placement.replicas if self._placement else 0
        return {
            "replicas": replicas,
            "lost": self._counts["lost"],
            "requeued": self._counts["requeued"],
            "completions": dict(self._done),
            "aborted_tokens": sum(self._aborted.values()),
        }

    def close(self) -> None:
        if self._ray is None:
            return
        # Engines over several GPUs have processes of their own, which are to end in order.
        actors = list({id(replica.actor): replica.actor for replica in self._replicas}.values())
        calls = [actor.close.remote() for actor in actors]
        with contextlib.suppress(Exception):
            self._ray.wait(calls, num_returns=len(calls), timeout=_CLOSE_SECONDS)
        for replica in list(self._replicas):
            self._remove(replica)
        if self._joined:
            self._ray.shutdown()
        self._ray = self._placement = self._job = None


def _all_of(completions: Iterable[Completion]) -> Generator[Completion, None, None]:
    """Yield the completions of one message, all of them even after a KeyboardInterrupt."""
    left = iter(completions)
    try:
        yield from left
    except KeyboardInterrupt:
        yield from left
        raise


BACKEND = RayBackend
