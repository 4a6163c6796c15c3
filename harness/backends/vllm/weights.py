"""Reload another checkpoint's weights into a running vLLM engine, and verify them bit for bit.

vLLM's ``reload_weights`` is not enough on the CPU: an output head tied to the embedding keeps the
copy that was packed for its kernel when the engine started. Here each tied layer is packed again,
then every tensor in the engine is compared with the checkpoint's file. A caller that gets
:class:`Refused` starts a new engine: that is slower, never wrong.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from harness.models.weight_files import read_header, weight_files

# For EngineArgs(worker_extension_cls=…): a method name then travels to the workers, where a
# function would have to be pickled (VLLM_ALLOW_INSECURE_SERIALIZATION).
WORKER_EXTENSION = f"{__name__}.WeightExchange"

# Keys of config files that do not change what is computed.
_IGNORED_CONFIG_KEYS = frozenset(
    {"_name_or_path", "_model_name_or_path", "name_or_path", "transformers_version"}
    | {"dtype", "torch_dtype"}  # the engine gets its dtype as an argument
)
_CONFIGS = ("config.json", "generation_config.json", "tokenizer_config.json")
_SAME_BYTES = (
    "*.py",
    "*.tiktoken",
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tekken.json",
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
)
# Old checkpoints store this buffer; every loader computes it instead.
_NEVER_LOADED = ".rotary_emb.inv_freq"
# Tensors that layers keep beside parameters and buffers, and that follow from the config alone:
# scales of a quantised cache (refused above, and in the file if they were trained).
_NOT_WEIGHTS = frozenset(
    {"kv_cache", "_q_scale_cpu", "_k_scale_cpu", "_v_scale_cpu", "_prob_scale_cpu"}
)
# Columns read back from a packed weight. Each reads every row, so a stale part of any layer shows.
_COLUMNS = 32


class Refused(Exception):
    """The engine may not, or may no longer, be used for the other checkpoint: start a new one."""


def exchange(engine: Any, current: Path, folder: Path) -> None:
    """Make an idle engine serve another checkpoint.

    Args:
        engine: An ``LLMEngine`` started with ``worker_extension_cls=WORKER_EXTENSION``.
        current: The checkpoint it serves now.
        folder: The one it is to serve.

    Raises:
        Refused: It cannot be proven that the engine now equals a new one. It must not be used.
    """
    _refuse_engine(engine)
    _refuse_folder(current, folder)
    try:
        engine.collective_rpc("harness_exchange_weights", args=(str(folder),))
        # Keys and values of the old weights; False where a block is still held.
        if not engine.reset_prefix_cache():
            raise Refused("vLLM kept cached prefixes of the old weights")
        engine.reset_mm_cache()
        engine.reset_encoder_cache()
        mismatches: list[list[str]] = engine.collective_rpc(
            "harness_verify_weights", args=(str(folder),)
        )
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"vLLM could not exchange the weights: {error}") from error
    wrong = [name for names in mismatches for name in names]
    if wrong:
        raise Refused(f"{len(wrong)} differ from the file, the first: {wrong[0]}")


def _refuse_engine(engine: Any) -> None:
    config = engine.vllm_config
    parallel = config.parallel_config
    compiled = int(config.compilation_config.mode or 0) != 0
    on_cpu = config.device_config.device_type == "cpu"
    for unproven, why in (
        (engine.has_unfinished_requests(), "requests are running"),
        (parallel.worker_extension_cls != WORKER_EXTENSION, "it lacks the worker extension"),
        (on_cpu and compiled, "compiled CPU code may hold on to packed weights"),
        (config.quant_config is not None, "the weights are quantised"),
        (config.offload_config.uva.cpu_offload_gb > 0, "some weights are off the device"),
        (config.offload_config.prefetch.offload_group_size > 0, "some weights are off the device"),
        (config.lora_config is not None, "it serves adapters"),
        (config.speculative_config is not None, "it has a draft model"),
        (config.kv_transfer_config is not None, "it shares its cache with other engines"),
        (parallel.pipeline_parallel_size > 1, "its layers are spread over a pipeline"),
        (parallel.data_parallel_size > 1, "it is one of several replicas"),
        (config.model_config.is_multimodal_model, "the model is multimodal"),
        (config.cache_config.cache_dtype != "auto", "its cache is quantised"),
        (str(config.load_config.load_format) not in ("auto", "safetensors"), "load_format is set"),
    ):
        if unproven:
            raise Refused(why)


def _refuse_folder(current: Path, folder: Path) -> None:
    for name in _CONFIGS:
        if _settings(current / name) != _settings(folder / name):
            raise Refused(f"{name} differs")
    for pattern in _SAME_BYTES:
        if _contents(current, pattern) != _contents(folder, pattern):
            raise Refused(f"{pattern} differs")
    # Whether vLLM ties the head depends on the tensors present, not only on the config.
    if _shapes(current) != _shapes(folder):
        raise Refused("the checkpoints hold different tensors")


def _settings(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    # The engine is given token ids: whoever renders the prompt reads the template.
    return {
        key: value
        for key, value in read.items()
        if key not in _IGNORED_CONFIG_KEYS | {"chat_template"}
    }


def _contents(folder: Path, pattern: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob(pattern)}


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    return {
        tensor.name: tensor.shape for file in weight_files(folder) for tensor in read_header(file)
    }


class WeightExchange:
    """Methods that vLLM adds to its workers, one worker per device."""

    model_runner: Any

    def harness_exchange_weights(self, folder: str) -> None:
        """Load another checkpoint in place."""
        model = self.model_runner.get_model()
        _refuse_model(model)
        before = _storages(model)
        # Weak: the old packed weights must be freed one by one, not at the end.
        packed = [
            (name, layer, weakref.ref(layer.cpu_linear))
            for name, layer in model.named_modules()
            if hasattr(layer, "cpu_linear")
        ]
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        self.reload_weights(weights_path=folder)  # type: ignore[attr-defined]
        for layer in _tied_layers(model):
            layer.quant_method.process_weights_after_loading(layer)
        for name, layer, old in packed:
            if layer.cpu_linear is old():
                raise Refused(f"{name} was not packed again")
        # A captured CUDA graph reads the old addresses.
        if _storages(model) != before:
            raise Refused("vLLM moved weights to other addresses")
        for name, buffer in model.named_buffers():
            if not torch.equal(buffer, buffers[name]):
                raise Refused(f"the buffer {name} changed")

    def harness_verify_weights(self, folder: str) -> list[str]:
        """Return which of this worker's tensors differ from the checkpoint's file."""
        with torch.inference_mode(), ExitStack() as stack:
            tensors: dict[str, Any] = {}
            for file in weight_files(Path(folder)):
                opened = stack.enter_context(safe_open(file, framework="pt", device="cpu"))
                tensors |= dict.fromkeys(opened.keys(), opened)
            return _verify(self.model_runner.get_model(), tensors)


def _refuse_model(model: torch.nn.Module) -> None:
    """Refuse what holds weights in a form the check cannot see."""
    from vllm.model_executor.layers.linear import UnquantizedLinearMethod
    from vllm.model_executor.layers.quantization.base_config import QuantizeMethodBase
    from vllm.model_executor.layers.vocab_parallel_embedding import UnquantizedEmbeddingMethod

    plain = (UnquantizedLinearMethod, UnquantizedEmbeddingMethod)
    for name, layer in model.named_modules():
        method = getattr(layer, "quant_method", None)
        if isinstance(method, QuantizeMethodBase) and type(method) not in plain:
            raise Refused(f"{name} processes its weights ({type(method).__name__})")
        for attribute, value in vars(layer).items():
            if isinstance(value, torch.Tensor) and attribute not in _NOT_WEIGHTS:
                raise Refused(f"{name}.{attribute} may be derived from weights")


def _storages(model: torch.nn.Module) -> dict[str, int]:
    return {
        name: tensor.data_ptr()
        for named in (model.named_parameters(remove_duplicate=False), model.named_buffers())
        for name, tensor in named
    }


def _tied_layers(model: torch.nn.Module) -> list[Any]:
    """Return the layers that share a weight, of which vLLM processes only the first."""
    owners: dict[int, list[Any]] = {}
    for layer in model.modules():
        weight = layer._parameters.get("weight")
        if weight is not None and hasattr(layer, "quant_method"):
            owners.setdefault(id(weight), []).append(layer)
    return [layer for layers in owners.values() if len(layers) > 1 for layer in layers]


def _verify(model: torch.nn.Module, tensors: Mapping[str, Any]) -> list[str]:
    found: set[str] = set()
    wrong: list[str] = []
    for name, layer, key in _parameters(model):
        sources = _sources(model, f"{name}.{key}", tensors)
        if not sources:
            wrong.append(f"{name}.{key} (not in the file)")
            continue
        found |= set(sources)
        parameter = layer._parameters[key]
        parts = [tensors[source].get_tensor(source) for source in sources]
        expected = _own_part(layer, key, parts).to(parameter.dtype)
        packed = getattr(layer, "cpu_linear", None) if key == "weight" else None
        if parameter.numel():
            if not _equal(parameter, expected):
                wrong.append(f"{name}.{key}")
        elif packed is None:
            wrong.append(f"{name}.{key} (not readable)")
        if packed is not None and not _packed_equal(packed, parameter, expected):
            wrong.append(f"{name}.{key} (packed)")
    return wrong + [
        f"{name} (not in the engine)"
        for name in tensors
        if name not in found and not name.endswith(_NEVER_LOADED)
    ]


def _parameters(model: torch.nn.Module) -> Iterator[tuple[str, Any, str]]:
    for name, layer in model.named_modules():
        for key, parameter in layer._parameters.items():
            if parameter is not None:
                yield name, layer, key


def _sources(model: Any, name: str, tensors: Mapping[str, Any]) -> list[str]:
    """Return which tensors of the file make up a parameter; none where that is not known."""
    if name in tensors:
        return [name]
    owner, _, key = name.rpartition(".")
    parent, _, layer = owner.rpartition(".")
    parts = getattr(model, "packed_modules_mapping", {}).get(layer, ())
    names = [f"{parent}.{part}.{key}" for part in parts]
    if names and all(part in tensors for part in names):
        return names
    parameter = model.get_submodule(owner)._parameters[key]
    aliases = (
        f"{other}.{other_key}"
        for other, other_layer, other_key in _parameters(model)
        if other_layer._parameters[other_key] is parameter
    )
    return [alias for alias in aliases if alias in tensors][:1]


def _own_part(layer: Any, key: str, parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Cut out what this worker holds of a layer. A wrong cut is refused, never accepted."""
    from vllm.model_executor.layers.linear import (
        ColumnParallelLinear,
        QKVParallelLinear,
        RowParallelLinear,
    )
    from vllm.model_executor.layers.vocab_parallel_embedding import VocabParallelEmbedding

    rank, size = getattr(layer, "tp_rank", 0), getattr(layer, "tp_size", 1)
    if isinstance(layer, VocabParallelEmbedding):
        shard = layer.shard_indices
        (part,) = parts
        return part[shard.org_vocab_start_index : shard.org_vocab_end_index]
    if size == 1:
        return torch.cat(tuple(parts))
    if isinstance(layer, QKVParallelLinear):
        copies = layer.num_kv_head_replicas
        cuts = [(rank, size), *[(rank // copies, size // copies)] * 2]
        return torch.cat([part.chunk(n)[i] for part, (i, n) in zip(parts, cuts, strict=True)])
    if isinstance(layer, ColumnParallelLinear):
        return torch.cat([part.chunk(size)[rank] for part in parts])
    if isinstance(layer, RowParallelLinear) and key == "weight":
        return torch.cat([part.chunk(size, dim=1)[rank] for part in parts])
    return torch.cat(tuple(parts))


def _equal(parameter: torch.Tensor, expected: torch.Tensor) -> bool:
    """Compare bit for bit; rows beyond the file's, the padding of a vocabulary, must be zero."""
    rows = expected.shape[0]
    real, padding = parameter[:rows], parameter[rows:]
    return torch.equal(real, expected.to(parameter.device)) and not bool(padding.any())


def _packed_equal(packed: Any, parameter: torch.Tensor, expected: torch.Tensor) -> bool:
    """Compare some columns of a packed weight: times a unit vector, a column comes out exactly."""
    rows, width = expected.shape
    generator = torch.Generator().manual_seed(rows * width)
    columns = torch.randperm(width, generator=generator)[:_COLUMNS]
    units = torch.zeros(len(columns), width, dtype=expected.dtype)
    units[torch.arange(len(columns)), columns] = 1
    read = packed(units, parameter, None)[:, :rows]
    return bool(torch.equal(read, expected[:, columns].t()))
