"""A checkpoint folder: what is in it, whether it is sound, and its fingerprint."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models import cache_dir
from harness.types import Model, digest

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
_TOKENIZER_FILES = (
    *("tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "chat_template", "tekken"),
    "processor_config",
)
# Everything small that a loader may read: configuration, tokenizer, template, the model's own code.
_READ_SUFFIXES = {".json", ".jinja", ".model", ".py", ".tiktoken", ".txt"}
_ONE_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Model):
    """A model on disk, checked.

    Attributes:
        path: Its folder.
        config: Its ``config.json``.
        weights: Its weight files.
        tokenizer_sha256: Hash over all that a tokenizer and a chat template are read from.
    """

    path: Path
    config: dict[str, Any]
    weights: tuple[Path, ...]
    tokenizer_sha256: str

    @classmethod
    def open(cls, path: Path, *, name: str, source: str) -> Checkpoint:
        """Check a folder and take its fingerprint.

        Raises:
            HarnessError: No ``config.json``, no safetensors (pickled weights are refused), a shard
                missing or cut short, or no tokenizer.
        """
        config = _read_json(path / "config.json", path)
        weights = _weight_files(path)
        parameters = sum(_check_safetensors(file) for file in weights)
        if not any((path / name).is_file() for name in _TOKENIZERS):
            raise HarnessError(
                f"{path} has no tokenizer (tokenizer.json or tokenizer.model).",
                "Save the tokenizer beside the weights: tokenizer.save_pretrained(folder).",
            )
        read = (file for file in path.iterdir() if file.suffix in _READ_SUFFIXES)
        hashes = _hashes([*weights, *sorted(file for file in read if file.is_file())])
        named = config.get("architectures")
        return cls(
            path=path,
            name=name,
            source=source,
            config=config,
            weights=tuple(weights),
            fingerprint=_digest_of(hashes),
            tokenizer_sha256=_digest_of(
                {file: v for file, v in hashes.items() if file.name.startswith(_TOKENIZER_FILES)}
            ),
            architecture=str(named[0]) if isinstance(named, list) and named else "unknown",
            parameters=parameters,
            chat_template_sha256=hashes.get(path / "chat_template.jinja") or _own_template(path),
            max_context=_max_context(config),
        )


def _digest_of(hashes: dict[Path, str]) -> str:
    return digest(sorted((file.name, value) for file, value in hashes.items()))


def _max_context(config: dict[str, Any]) -> int | None:
    nested = config.get("text_config")
    value = (nested if isinstance(nested, dict) else config).get("max_position_embeddings")
    return value if isinstance(value, int) and value > 0 else None


def _own_template(folder: Path) -> str | None:
    """Hash the chat template that older checkpoints keep inside the tokenizer's config."""
    file = folder / "tokenizer_config.json"
    template = _read_json(file, folder).get("chat_template") if file.is_file() else None
    return digest(template) if template else None


def _read_json(file: Path, folder: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HarnessError(
            f"{folder} is not a checkpoint: it has no {file.name}.",
            "Name the folder that holds config.json and *.safetensors.",
        ) from error
    except (OSError, ValueError) as error:
        raise HarnessError(
            f"{file} cannot be read: {error}.", "Save the checkpoint again."
        ) from error
    if not isinstance(content, dict):
        raise HarnessError(f"{file} does not hold a JSON object.", "Save the checkpoint again.")
    return content


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = _read_json(index, folder).get("weight_map")
        shards = sorted({str(shard) for shard in named.values()} if isinstance(named, dict) else ())
        # A shard is named by a file of the checkpoint's author: it must stay inside the folder.
        if not shards or any(Path(shard).name != shard for shard in shards):
            raise HarnessError(
                f"{index} names no weight files, or some outside its folder.",
                "Copy or download the checkpoint again.",
            )
        missing = [shard for shard in shards if not (folder / shard).is_file()]
        if missing:
            raise HarnessError(
                f"{folder} lacks {len(missing)} of {len(shards)} weight files, for instance "
                f"{missing[0]}.",
                "Copy or download the checkpoint again.",
            )
        return [folder / shard for shard in shards]
    found = sorted(folder.glob("*.safetensors"))
    if found:
        return found
    pickled = sorted(file.name for file in folder.iterdir() if file.suffix in (".bin", ".pt"))
    if pickled:
        raise HarnessError(
            f"{folder} holds pickled weights ({pickled[0]}), which can run code when loaded.",
            "Convert them: model.save_pretrained(folder, safe_serialization=True).",
        )
    raise HarnessError(
        f"{folder} holds no weights (*.safetensors).", "Copy or download the checkpoint again."
    )


def _check_safetensors(file: Path) -> int:
    """Return the number of stored values, after checking header and length of one file.

    The format is eight bytes of header length, a JSON header, then the tensors
    (https://github.com/huggingface/safetensors).
    """
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if not 0 < length <= min(size, 100 * _ONE_MIB):
                raise ValueError("its header is damaged")
            header = json.loads(stream.read(length))
        tensors = [value for key, value in header.items() if key != "__metadata__"]
        end = 8 + length + max(int(tensor["data_offsets"][1]) for tensor in tensors)
        if end != size:
            raise ValueError(f"it has {size:,} bytes where its header promises {end:,}")
        return sum(prod(tensor["shape"]) for tensor in tensors)
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise HarnessError(
            f"{file} is not a sound safetensors file: {error}.",
            "Copy or download the checkpoint again.",
        ) from error


def _hashes(files: list[Path]) -> dict[Path, str]:
    """Return the sha256 of each file, remembered for as long as the file is untouched."""
    memory = cache_dir() / "fingerprints.json"
    try:
        known = {str(name): str(value) for name, value in json.loads(memory.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        known = {}

    def identity(file: Path) -> str:
        stat = file.stat()
        return f"{file.resolve()}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}"

    names = {file: identity(file) for file in files}
    unknown = [file for file in files if names[file] not in known]
    with ThreadPoolExecutor(4) as pool:  # hashing releases the interpreter's lock
        for file, value in zip(unknown, pool.map(_sha256, unknown), strict=True):
            known[names[file]] = value
    if unknown:
        # Only a memory: where it cannot be kept, the files are read again next time.
        with contextlib.suppress(OSError):
            memory.parent.mkdir(parents=True, exist_ok=True)
            fresh = memory.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(known))
            fresh.replace(memory)
    return {file: known[names[file]] for file in files}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
