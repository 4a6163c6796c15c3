"""A checkpoint folder: its files, their checks, and the fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.weight_files import (
    Tensor,
    read_header,
    read_json,
    refuse_special_files,
    scan_files,
    weight_files,
)
from harness.types import Model, digest

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
_TOKENIZER_FILES = (
    *("tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "chat_template", "tekken"),
    "processor_config",
)
# Where AWQ, GPTQ and ModelOpt say how they packed the weights, if not in config.json.
_QUANTISERS_FILES = ("quant_config.json", "quantize_config.json", "hf_quant_config.json")
# Other files that a loader reads; by name, and by suffix where tokenizers of many kinds
# name their vocabulary as they like.
_READ_NAMES = (
    *("config.json", "generation_config.json", "params.json", "model.safetensors.index.json"),
    *("consolidated.safetensors.index.json", "preprocessor_config.json"),
    "video_preprocessor_config.json",
    *_QUANTISERS_FILES,
)
_READ_SUFFIXES = (".model", ".tiktoken", ".jinja")
# What earlier versions hashed: every file of these kinds, whether a loader reads it or not.
_LEGACY_SUFFIXES = {".json", ".jinja", ".model", ".py", ".tiktoken", ".txt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Model):
    """A model on disk, checked.

    Attributes:
        path: Its folder.
        config: Its ``config.json``.
        weights: Its weight files.
        tokenizer_sha256: Hash over all that a tokenizer and a chat template are read from.
        contents_sha256: Hash over all that a loader reads. The fingerprint, unless results are
            stored under the one that earlier versions would have taken.
        layout_sha256: Hash over what a loader reads without the values of the weights.
        not_finite: Names of the tensors that hold an infinity or a NaN.
        notices: Sentences for the user, for instance that it has no chat template.
    """

    path: Path
    config: dict[str, Any]
    weights: tuple[Path, ...]
    tokenizer_sha256: str
    contents_sha256: str
    layout_sha256: str
    not_finite: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: Path, *, name: str, source: str) -> Checkpoint:
        """Check a folder's files and take its fingerprint.

        Raises:
            HarnessError: No ``config.json``, no safetensors (pickled weights are refused), a shard
                missing or damaged, or no tokenizer.
        """
        if (path / "config.json").exists():  # else it is no checkpoint, whatever lies there
            refuse_special_files(path)
        config = read_json(path / "config.json", path)
        weights = weight_files(path)
        tensors = [tensor for file in weights for tensor in read_header(file)]
        _refuse_more_layers_than_tensors(path, config, len(tensors))
        if not any((path / name).is_file() for name in _TOKENIZERS):
            raise HarnessError(
                f"{path} has no tokenizer (tokenizer.json or tokenizer.model).",
                "Save the tokenizer beside the weights: tokenizer.save_pretrained(folder).",
            )
        loaded = [file for file in _read_by_loaders(path, config) if file not in weights]
        legacy = {
            file for file in path.iterdir() if file.suffix in _LEGACY_SUFFIXES and file.is_file()
        }
        facts = scan_files([*weights, *sorted(legacy.union(loaded))])
        hashes = {file: known.sha256 for file, known in facts.items()}
        contents = _digest_of({file: hashes[file] for file in [*weights, *loaded]}, path)
        earlier = _digest_of({file: hashes[file] for file in [*weights, *legacy]}, path)
        named = config.get("architectures")
        return cls(
            path=path,
            name=name,
            source=source,
            config=config,
            weights=tuple(weights),
            fingerprint=contents,
            earlier_fingerprint=earlier if earlier != contents else None,
            contents_sha256=contents,
            layout_sha256=digest([_layout(tensors), sorted(hashes[file] for file in loaded)]),
            not_finite=tuple(name for found in facts.values() for name in found.not_finite),
            tokenizer_sha256=_digest_of(
                {file: hashes[file] for file in loaded if _of_the_tokenizer(file)}, path
            ),
            architecture=str(named[0]) if isinstance(named, list) and named else "unknown",
            parameters=sum(prod(tensor.shape) for tensor in tensors),
            chat_template_sha256=hashes.get(path / "chat_template.jinja") or _own_template(path),
            max_context=_max_context(config),
        )

    @property
    def is_quantised(self) -> bool:
        """Whether the weights are packed: their names, shapes and dtype are the quantiser's."""
        parts = [self.config, self.config.get("text_config")]
        return any((self.path / name).is_file() for name in _QUANTISERS_FILES) or any(
            isinstance(part, Mapping)
            and bool(part.get("quantization_config") or part.get("compression_config"))
            for part in parts
        )

    def same_files(self, other: Checkpoint) -> bool:
        """Return whether a loader would read the same from both."""
        return self.contents_sha256 == other.contents_sha256


def _read_by_loaders(folder: Path, config: Mapping[str, Any]) -> list[Path]:
    """Return the files other than weights that an engine or a tokenizer reads.

    A log, a report or a note that is written into the folder does not make it another model.
    """
    own_code = _names_own_code(config) or _names_own_code(
        _json_if_there(folder / "tokenizer_config.json", folder)
    )
    found = [
        file
        for file in folder.iterdir()
        if file.is_file()
        and (
            file.name in _READ_NAMES
            or file.suffix in _READ_SUFFIXES
            or file.match("consolidated*.safetensors")  # vLLM takes them before all others
            or (file.suffix in (".json", ".txt") and file.name.startswith(_TOKENIZER_FILES))
            or (own_code and file.suffix == ".py")
        )
    ]
    templates = (folder / "additional_chat_templates").glob("*.jinja")
    return sorted([*found, *(file for file in templates if file.is_file())])


def _names_own_code(config: Mapping[str, Any]) -> bool:
    return bool(config.get("auto_map"))


def _of_the_tokenizer(file: Path) -> bool:
    return (
        file.name.startswith(_TOKENIZER_FILES)
        or file.suffix in _READ_SUFFIXES
        or file.parent.name == "additional_chat_templates"
    )


def _digest_of(hashes: Mapping[Path, str], folder: Path) -> str:
    return digest(sorted((str(file.relative_to(folder)), hashes[file]) for file in hashes))


def _layout(tensors: list[Tensor]) -> list[Any]:
    return sorted([tensor.name, tensor.dtype, list(tensor.shape)] for tensor in tensors)


def _refuse_more_layers_than_tensors(path: Path, config: Mapping[str, Any], tensors: int) -> None:
    """A loader makes every layer that is promised before it looks for its weights."""
    for part in (config, config.get("text_config")):
        layers = part.get("num_hidden_layers") if isinstance(part, Mapping) else None
        if isinstance(layers, int) and layers > tensors:
            raise HarnessError(
                f"{path / 'config.json'} promises {layers:,} layers, and the weight files hold "
                f"{tensors:,} tensors.",
                "Copy or download the checkpoint again.",
            )


def _max_context(config: Mapping[str, Any]) -> int | None:
    nested = config.get("text_config")
    value = (nested if isinstance(nested, dict) else config).get("max_position_embeddings")
    return value if isinstance(value, int) and value > 0 else None


def _own_template(folder: Path) -> str | None:
    """Hash the chat template that older checkpoints keep inside the tokenizer's config."""
    template = _json_if_there(folder / "tokenizer_config.json", folder).get("chat_template")
    return digest(template) if template else None


def _json_if_there(file: Path, folder: Path) -> dict[str, Any]:
    return read_json(file, folder) if file.is_file() else {}
