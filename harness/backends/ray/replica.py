"""The Ray actor of a replica: an engine, and the thread that steps it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import os
import pickle
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backends.base import Backend, EngineOptions
from harness.errors import EngineError
from harness.models.checkpoint import Checkpoint
from harness.types import Completion, EngineIdentity, Model, Request

_SMALL_FILE = 64 << 20
# What a driver that falls behind has waiting is at most this for each replica.
_MOST_IN_A_MESSAGE = 64


@dataclass(frozen=True, slots=True)
class Job:
    """What a replica is to serve.

    Attributes:
        model: The model.
        requests: About what one replica will generate, to set up its engine by.
        longest: The longest prompt with its budget, in tokens.
        engine: What was planned with.
        files: What the model's folder must hold, on every node.
    """

    model: Model
    requests: Sequence[Request]
    longest: int
    engine: EngineIdentity
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Started:
    """What a replica says of itself once it serves.

    Attributes:
        node: Where it is.
        settings: The engine's settings in force.
        notices: What the engine would have the user know.
    """

    node: str
    settings: Mapping[str, Any]
    notices: Sequence[str]


class EngineThread:
    """Runs an engine in one thread of its own, so that polling for completions never stalls it.

    Args:
        engine: A backend that is not started yet.
    """

    def __init__(self, engine: Backend) -> None:
        self._engine = engine
        # One for starting and for generating: vLLM on the CPU binds the thread it is made in.
        self._thread = ThreadPoolExecutor(1, "engine")
        self._changed = threading.Condition()
        self._inbox: deque[Request] = deque()
        self._finished: list[Completion] = []
        self._in_engine = 0
        self._serving = False
        # Incremented by abort: calls that wait for an earlier epoch return empty-handed.
        self._epoch = 0
        self._failure: Exception | None = None

    def identity(self, model: Model) -> EngineIdentity:
        """Return which engine would serve a model on this node, and in which dtype."""
        return self._engine.identity(model)

    def start(self, job: Job) -> Mapping[str, Any]:
        """Make the engine serve a model; return its settings."""
        start = functools.partial(self._engine.start, longest=job.longest)
        return self._thread.submit(start, job.model, job.requests).result()

    def exchange(
        self, requests: Sequence[Request], gather: float, patience: float
    ) -> list[Completion]:
        """Submit requests and return finished completions, at most as many as a message holds.

        Args:
            requests: More to do.
            gather: How long to gather further completions after the first, in seconds.
            patience: How long to wait for the first, in seconds.

        Raises:
            Exception: What ended the engine, once all that it had finished was returned.
        """
        with self._changed:
            epoch = self._epoch
            self._inbox.extend(requests)
            if self._inbox and not self._serving and not self._failure:
                self._serving = True
                self._thread.submit(self._serve, epoch)

            def over() -> bool:
                return bool(self._failure) or self._epoch != epoch

            def done() -> bool:
                return over() or self._is_idle() or len(self._finished) >= _MOST_IN_A_MESSAGE

            if self._changed.wait_for(lambda: self._finished or over(), patience):
                self._changed.wait_for(done, gather)
            if self._epoch != epoch:
                return []
            if self._failure and not self._finished:
                raise self._failure
            finished = self._finished[:_MOST_IN_A_MESSAGE]
            del self._finished[:_MOST_IN_A_MESSAGE]
            return finished

    def abort(self) -> int:
        """Abort what is in flight; return how many tokens the engine has discarded so far."""
        with self._changed:
            self._epoch += 1
            self._inbox.clear()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._serving)
            self._finished.clear()
            self._in_engine = 0
        return int(self._engine.usage().get("aborted_tokens", 0))

    def close(self) -> None:
        """Stop the engine."""
        self._thread.submit(self._engine.close).result()

    def _is_idle(self) -> bool:
        return not (self._inbox or self._in_engine)

    def _serve(self, epoch: int) -> None:
        try:
            while self._goes_on(epoch):
                with contextlib.closing(
                    self._engine.generate(self._arriving(epoch))
                ) as completions:
                    for completion in completions:
                        with self._changed:
                            self._in_engine -= 1
                            self._finished.append(completion)
                            # Nothing in between changes what the other side waits for.
                            if len(self._finished) in (1, _MOST_IN_A_MESSAGE) or self._is_idle():
                                self._changed.notify_all()
                        if self._epoch != epoch:
                            break
        except _Aborted:
            self._stop(None)
        except Exception as error:  # noqa: BLE001 - whoever asks next must hear of it
            self._stop(error)

    def _goes_on(self, epoch: int) -> bool:
        with self._changed:
            if self._inbox and self._epoch == epoch:
                return True
            self._stop(None)
            return False

    def _stop(self, failure: Exception | None) -> None:
        with self._changed:
            self._failure, self._serving = failure, False
            self._changed.notify_all()

    def _arriving(self, epoch: int) -> Iterator[Request | None]:
        """Yield requests as they come, until the engine has nothing left to do."""
        while True:
            with self._changed:
                if self._epoch != epoch:
                    raise _Aborted
                if not self._inbox and not self._in_engine:
                    return
                request = self._inbox.popleft() if self._inbox else None
                self._in_engine += request is not None
            yield request


class _Aborted(BaseException):
    """Ends an engine's generation from within; no Exception, which the engine would wrap."""


class ReplicaActor:
    """A Ray actor: one engine, or in a simulation several.

    Args:
        engine: ``module:Class`` of the backend whose engine it holds.
        options: Options of that backend.
        count: How many engines.
        environment: Variables of the driver's that engines read.
        shares_node: Other engines use the same cores.
    """

    def __init__(
        self,
        engine: str,
        options: EngineOptions,
        count: int,
        environment: Mapping[str, str],
        shares_node: bool,
    ) -> None:
        os.environ.update(environment)
        if shares_node:
            # Else each would bind every core; Ray has set OMP_NUM_THREADS to this actor's share.
            os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        self._name = engine
        self._notices: list[str] = []
        self._options = options
        self._threads: list[EngineThread | None] = [None] * count

    def start(self, slot: int, job: Job) -> Started:
        """Make an engine serve a model, starting it if need be.

        Raises:
            HarnessError: This node has another engine or other files than were planned with, or
                the engine cannot start.
        """
        node = socket.gethostname()
        _refuse_other_files(node, job)
        thread = self._threads[slot]
        if thread is None:
            thread = EngineThread(
                engine_class(self._name)(self._options, notify=self._notices.append)
            )
        _refuse_other_engine(node, thread.identity(job.model), job.engine)
        self._threads[slot] = thread
        settings = thread.start(job)
        notices = list(self._notices)
        self._notices.clear()
        return Started(node, dict(settings), notices)

    def exchange(self, slot: int, requests: bytes, gather: float, patience: float) -> bytes:
        """Hand requests to an engine, and return what it has finished; both pickled.

        Ray would pickle them itself, at several times the cost. And where the driver falls behind,
        messages wait there as they are: a fifth of what their tokens take as Python's numbers.
        """
        thread = self._threads[slot]
        assert thread is not None, "only an engine that was started is handed requests"
        return pickle.dumps(thread.exchange(pickle.loads(requests), gather, patience))

    def abort(self, slot: int) -> int:
        """Abort an engine's requests; return how many tokens it has discarded so far."""
        thread = self._threads[slot]
        assert thread is not None, "only an engine that was started has requests in flight"
        return thread.abort()

    def close(self) -> None:
        """Stop the engines."""
        for thread in self._threads:
            if thread is not None:
                thread.close()


def engine_class(name: str) -> type[Backend]:
    """Import a backend's class by ``module:Class``."""
    module, _, attribute = name.partition(":")
    found: type[Backend] = getattr(importlib.import_module(module), attribute)
    return found


def files_of(model: Model) -> dict[str, str]:
    """Return what identifies each file of a model's folder: sizes of weights, hashes of others."""
    if not isinstance(model, Checkpoint):
        return {}
    return {
        file.name: _content(file)
        for file in sorted(model.path.iterdir())
        if file.is_file() and not file.name.startswith(".")
    }


def _content(file: Path) -> str:
    size = file.stat().st_size
    if size > _SMALL_FILE or file.suffix == ".safetensors":
        return f"{size} bytes"
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _refuse_other_files(node: str, job: Job) -> None:
    if not isinstance(job.model, Checkpoint):
        return
    path = job.model.path
    remedy = "Put the checkpoint on a file system that every node sees under the same path."
    if not path.is_dir():
        raise EngineError(f"The node {node} has no {path}.", remedy)
    here = files_of(job.model)
    for name, content in job.files.items():
        if name not in here:
            raise EngineError(f"The node {node} lacks {path / name}.", remedy)
        if here[name] != content:
            raise EngineError(f"{path / name} on the node {node} is another file.", remedy)


def _refuse_other_engine(node: str, here: EngineIdentity, planned: EngineIdentity) -> None:
    if here == planned:
        return
    if here.dtype != planned.dtype and here.version == planned.version:
        raise EngineError(
            f"The node {node} computes in {here.dtype}, and {planned.dtype} was planned with.",
            f"Give --engine-arg dtype={planned.dtype}, which every node then uses.",
        )
    raise EngineError(
        f"The node {node} has {here.backend} {here.version} for {here.device}, and "
        f"{planned.backend} {planned.version} for {planned.device} was planned with.",
        "Install the same engine on every node and where the command runs.",
    )
