"""Weight files of a checkpoint: safetensors headers, hashes, search for NaN and infinity."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

from harness.errors import HarnessError
from harness.models.not_a_checkpoint import not_a_checkpoint
from harness.models.resolve import cache_dir

# As in the format itself: https://github.com/huggingface/safetensors.
_LARGEST_HEADER = 100 * 10**6
_LARGEST_JSON = 64 << 20
_LARGEST_BESIDE_WEIGHTS = 1 << 30
_BITS = {
    **{"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8},
    **{"U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32},
    **{"U64": 64, "I64": 64, "F64": 64, "C64": 64},
}
# Width, all bits but the sign, and the smallest of these that is infinite or not a number.
_FLOATS = {
    "BF16": ("<u2", 0x7FFF, 0x7F80),
    "F16": ("<u2", 0x7FFF, 0x7C00),
    "F32": ("<u4", 0x7FFFFFFF, 0x7F800000),
    "F64": ("<u8", 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000),
}
# Old attention masks were stored among the weights; in half precision they are infinite.
_MASKS = "masked_bias"
# A multiple of every width; stays in a core's cache while it is hashed and searched.
_CHUNK = 1 << 20
_CACHE_NAME = "checkpoint_files.json"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the header of its file describes it; offsets in bytes of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class FileScan:
    """Result of reading all bytes of a file.

    Attributes:
        sha256: Its hash.
        not_finite: Names of its tensors that hold an infinity or a NaN.
    """

    sha256: str
    not_finite: tuple[str, ...] = ()


def refuse_special_files(folder: Path) -> None:
    """Refuse a folder with a FIFO, socket or device in it: reading one may never end.

    Raises:
        HarnessError: There is one.
    """
    for place in (folder, folder / "additional_chat_templates"):
        if not place.is_dir():
            continue
        for file in sorted(place.iterdir()):
            if file.exists() and not (file.is_file() or file.is_dir()):
                raise HarnessError(
                    f"{file} is neither a file nor a folder.",
                    "Copy or download the checkpoint again.",
                )


def read_json(file: Path, folder: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a checkpoint.

    Raises:
        HarnessError: It is missing, too large or nested too deeply, or no JSON object.
    """
    if not file.exists():
        raise not_a_checkpoint(folder, f"it has no {file.name}")
    try:
        if file.stat().st_size > _LARGEST_JSON:
            raise ValueError(f"it has more than {_LARGEST_JSON >> 20} MiB")
        content = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise HarnessError(
            f"{file} cannot be read: it is nested too deeply.", "Save the checkpoint again."
        ) from error
    except (OSError, ValueError) as error:
        raise HarnessError(
            f"{file} cannot be read: {error}.", "Save the checkpoint again."
        ) from error
    if not isinstance(content, dict):
        raise HarnessError(f"{file} does not hold a JSON object.", "Save the checkpoint again.")
    return content


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files that belong to a checkpoint.

    Raises:
        HarnessError: There is none, one is missing, or they are pickled.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = read_json(index, folder).get("weight_map")
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
    if not found or [file.name for file in found] == ["adapter_model.safetensors"]:
        raise not_a_checkpoint(folder, "it holds no weights (*.safetensors)")
    folders = [file.name for file in found if not file.is_file()]
    if folders:
        raise HarnessError(
            f"{folder / folders[0]} is not a file.", "Copy or download the checkpoint again."
        )
    return found


def read_header(file: Path) -> list[Tensor]:
    """Return the tensors of one safetensors file, in the order of their bytes.

    The format is eight bytes of header length, a JSON header, then the tensors without gaps.

    Raises:
        HarnessError: Header, shapes and length of the file do not fit together.
    """
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if not 0 < length <= min(size, _LARGEST_HEADER):
                raise ValueError("its header is damaged")
            header = json.loads(stream.read(length))
        start = 8 + length
        tensors = [
            _tensor(name, value, start) for name, value in header.items() if name != "__metadata__"
        ]
        tensors.sort(key=lambda tensor: (tensor.begin, tensor.end))
        end = start
        for tensor in tensors:
            if tensor.begin != end:
                raise ValueError(f"the bytes of {tensor.name} do not follow those before them")
            end = tensor.end
        if not tensors:
            raise ValueError("it holds no tensors")
        if end != size:
            raise ValueError(f"it has {size:,} bytes where its header promises {end:,}")
    except (
        *(ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error),
        RecursionError,
    ) as error:
        why = "its header is nested too deeply" if isinstance(error, RecursionError) else error
        raise HarnessError(
            f"{file} is not a valid safetensors file: {why}.",
            "Copy or download the checkpoint again.",
        ) from error
    return tensors


def _tensor(name: str, value: dict[str, Any], start: int) -> Tensor:
    shape, dtype = value["shape"], str(value["dtype"])
    begin, end = value["data_offsets"]
    sizes = [*shape, begin, end]
    if any(type(number) is not int or not 0 <= number < 1 << 63 for number in sizes):
        raise ValueError(f"shape or place of {name} is no list of sizes")
    bits = _BITS.get(dtype)
    if begin > end or (bits and prod(shape) * bits != 8 * (end - begin)):
        raise ValueError(f"{name} does not have the bytes that its shape {shape} takes")
    return Tensor(name, dtype, tuple(shape), start + begin, start + end)


def scan_files(files: Sequence[Path]) -> dict[Path, FileScan]:
    """Return the hash of each file, and the tensors in it that are not finite.

    All bytes are read once; the result is cached for as long as a file is unchanged.

    Raises:
        HarnessError: A file is not a valid safetensors file, or too large for what it is.
    """
    cache = cache_dir() / _CACHE_NAME
    known: dict[str, FileScan] = {}
    try:
        for name, entry in json.loads(cache.read_text()).items():
            known[name] = FileScan(str(entry["sha256"]), tuple(map(str, entry["not_finite"])))
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        known = {}

    names = {file: _identity(file) for file in files}
    unknown = [file for file in files if names[file] not in known]
    # Hashing and looking for NaN release the interpreter's lock.
    with ThreadPoolExecutor(4) as pool:
        for file, facts in zip(unknown, pool.map(_scan, unknown), strict=True):
            known[names[file]] = facts
    if unknown:
        write_cache(
            cache,
            {
                name: {"sha256": facts.sha256, "not_finite": list(facts.not_finite)}
                for name, facts in known.items()
            },
        )
    return {file: known[names[file]] for file in files}


def _identity(file: Path) -> str:
    stat = file.stat()
    return f"{file.resolve()}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}"


def write_cache(file: Path, content: object) -> None:
    """Write a cache file; failure is ignored, the content is then computed again."""
    fresh = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(content))
        fresh.replace(file)
    except OSError:
        fresh.unlink(missing_ok=True)


def _scan(file: Path) -> FileScan:
    if file.suffix != ".safetensors":
        if file.stat().st_size > _LARGEST_BESIDE_WEIGHTS:
            raise HarnessError(
                f"{file} has more than {_LARGEST_BESIDE_WEIGHTS >> 30} GiB.",
                "Copy or download the checkpoint again.",
            )
        with file.open("rb") as stream:
            return FileScan(hashlib.file_digest(stream, "sha256").hexdigest())
    tensors = read_header(file)
    not_finite = []
    hashed = hashlib.sha256()
    with file.open("rb") as stream:
        hashed.update(stream.read(tensors[0].begin))
        for tensor in tensors:
            finite = True
            for chunk in _chunks(file, stream, tensor.end - tensor.begin):
                hashed.update(chunk)
                finite = finite and _is_finite(chunk, tensor.dtype)
            if not finite and not tensor.name.endswith(_MASKS):
                not_finite.append(tensor.name)
    return FileScan(hashed.hexdigest(), tuple(not_finite))


def _chunks(file: Path, stream: IO[bytes], length: int) -> Iterator[bytes]:
    while length > 0:
        wanted = min(_CHUNK, length)
        chunk = stream.read(wanted)
        if len(chunk) < wanted:
            raise HarnessError(
                f"{file} was changed while it was being read.",
                "Evaluate a folder that nobody writes to.",
            )
        length -= wanted
        yield chunk


def _is_finite(chunk: bytes, dtype: str) -> bool:
    if dtype not in _FLOATS:
        return True
    import numpy as np

    width, magnitude, smallest_bad = _FLOATS[dtype]
    values = np.frombuffer(chunk, width)
    return bool((values & values.dtype.type(magnitude)).max(initial=0) < smallest_bad)
