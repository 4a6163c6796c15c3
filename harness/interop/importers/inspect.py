"""Logs of Inspect (inspect_ai): ``.eval`` archives and ``.json`` files, or a folder of them.

An archive is a zip with ``header.json`` (``_journal/start.json`` while it is being written) and one
``samples/<id>_epoch_<n>.json`` a sample; the JSON format holds the same in one object. A sample has
``id``, ``epoch``, ``input``, ``target``, ``messages``, ``output`` (``choices`` with message and
``stop_reason``, ``usage``) and ``scores`` by scorer. Texts may stand under ``attachments``.

Current versions compress with Zstandard, which Python's zip reader does not know before 3.14;
pyarrow reads it where it is installed. Sizes are bounded: an archive is a stranger's.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from harness.errors import HarnessError
from harness.interop.imported import (
    ImportedRun,
    ImportedSample,
    called,
    grade_notes,
    hash_of_prompts,
    logged_sampling,
    model_name,
    right_or_wrong,
)
from harness.interop.untrusted import (
    as_count,
    as_sample_index,
    as_seconds,
    file_sha256,
    files_in,
    mapping,
    most_unpacked,
    opened,
    parsed,
)

#: Of one member once unpacked, of a whole log, and of the number of its samples.
MOST_MEMBER_BYTES = 256 << 20
MOST_BYTES = 8 << 30
MOST_SAMPLES = 2_000_000

_ZSTANDARD = 93
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_ATTACHMENT = "attachment://"
_CONVERT = "Run `inspect log convert LOG --to json --output-dir DIR` and import what it writes."
_VERDICTS: Mapping[object, bool] = {
    "C": True, "I": False, "N": False,
    "yes": True, "true": True, "no": False, "false": False, "1": True, "0": False,
}  # fmt: skip
_FINISH = {"max_tokens": "length", "length": "length", "model_length": "length"}


def read_log(path: Path, metric: str | None, only: str | None) -> list[ImportedRun]:
    """Read one log, or those of a folder.

    Args:
        path: The log, or the folder of logs.
        metric: Name of the scorer whose judgement to keep; the first if not given.
        only: Only the logs of this task.

    Raises:
        HarnessError: Nothing is there, it is not a log of Inspect, or it is too large.
    """
    if not path.is_dir():
        return [_read_file(path, metric)]
    files = files_in(path, "*.eval")
    if not files:
        raise HarnessError(f"{path} holds no .eval log.", "Name a log, or another folder.")
    return [_read_file(file, metric) for file in called(only, files, _named_in)]


def _named_in(path: Path) -> str:
    """Return the task as a log's file name has it: ``<time>_<task>_<id>.eval``."""
    return path.stem.partition("_")[2].rpartition("_")[0]


def _read_file(path: Path, metric: str | None) -> ImportedRun:
    try:
        opened(path, MOST_BYTES).close()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, path.open("rb") as raw:
                return _run(path, *_unpacked(path, archive, raw), metric)
        if path.stat().st_size > MOST_MEMBER_BYTES:
            raise _too_large(path, "log", MOST_MEMBER_BYTES)
        log = _json(path, path.read_bytes(), "")
        return _run(path, log, iter(log.get("samples") or []), metric)
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise HarnessError(f"{path} cannot be read: {error}.", "Name a whole log.") from error
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise HarnessError(
            f"{path} is not a log that Inspect writes: {type(error).__name__}: {error}.",
            "Choose another FORMAT.",
        ) from error


def _unpacked(
    path: Path, archive: zipfile.ZipFile, raw: IO[bytes]
) -> tuple[Mapping[str, Any], Iterator[Mapping[str, Any]]]:
    """Return the header of an archive, and its samples one by one."""
    members = {info.filename: info for info in archive.infolist()}
    header = members.get("header.json") or members.get("_journal/start.json")
    if header is None:
        raise HarnessError(
            f"{path} is a zip, but not a log of Inspect: it has no header.json.",
            "Name a .eval file.",
        )
    chunked = [name for name in members if name.startswith("samples/") and name.count("/") > 1]
    if chunked:
        raise HarnessError(
            f"{path} holds samples in pieces, which this reader does not know.", _CONVERT
        )
    listed = [info for name, info in members.items() if name.startswith("samples/")]
    if len(listed) > MOST_SAMPLES:
        raise HarnessError(f"{path} holds more than {MOST_SAMPLES:,} samples.")
    most = min(MOST_BYTES, most_unpacked(path))

    def samples() -> Iterator[Mapping[str, Any]]:
        left = most
        for info in listed:
            content = _member(path, archive, raw, info)
            # Counted as it comes: what an archive says of its sizes is a stranger's word.
            left -= len(content)
            if left < 0:
                raise _too_large(path, "log", most)
            yield _json(path, content, f"The member {info.filename!r} of ")

    return _json(path, _member(path, archive, raw, header), "The header of "), samples()


def _member(path: Path, archive: zipfile.ZipFile, raw: IO[bytes], info: zipfile.ZipInfo) -> bytes:
    """Unpack one member, and never more of it than it may hold."""
    if info.file_size > MOST_MEMBER_BYTES:
        raise _too_large(path, f"member {info.filename!r}", MOST_MEMBER_BYTES)
    if info.compress_type == _ZSTANDARD:
        content = _zstandard(path, raw, info)
    else:
        with archive.open(info) as member:
            content = member.read(MOST_MEMBER_BYTES + 1)
    if len(content) > MOST_MEMBER_BYTES:
        raise _too_large(path, f"member {info.filename!r}", MOST_MEMBER_BYTES)
    return content


def _zstandard(path: Path, raw: IO[bytes], info: zipfile.ZipInfo) -> bytes:
    try:
        import pyarrow
    except ImportError:
        raise HarnessError(
            f"{path} is compressed with Zstandard, which this Python does not unpack.",
            f"pip install pyarrow, or: {_CONVERT}",
        ) from None
    raw.seek(info.header_offset)
    signature, *_, name_length, extra_length = _LOCAL_HEADER.unpack(raw.read(_LOCAL_HEADER.size))
    if signature != b"PK\x03\x04":
        raise ValueError("a member's header is damaged")
    raw.seek(name_length + extra_length, 1)
    packed = pyarrow.BufferReader(raw.read(info.compress_size))
    with pyarrow.CompressedInputStream(packed, "zstd") as stream:
        content: bytes = stream.read(MOST_MEMBER_BYTES + 1)
    return content


def _run(
    path: Path,
    header: Mapping[str, Any],
    logged: Iterator[Mapping[str, Any]],
    metric: str | None,
) -> ImportedRun:
    about = header["eval"]
    plan = mapping(header.get("plan"))
    # What a solver sets goes before what the model was given.
    config: dict[str, Any] = {}
    for source in (about.get("model_generate_config"), plan.get("config")):
        config |= {name: value for name, value in mapping(source).items() if value is not None}
    samples: list[ImportedSample] = []
    asked: dict[str, str] = {}
    seen: set[str] = set()
    failed = 0
    for row in logged:
        scores = mapping(row.get("scores"))
        seen |= set(scores)
        if not metric and scores:
            metric = next(iter(scores))
        found = _sample(row, scores.get(metric or ""))
        if found is None:
            failed += 1
            continue
        asked[found.item_id] = found.question
        samples.append(found)
    if not samples:
        raise HarnessError(
            f"{path} holds no sample that a model answered.",
            "Let the evaluation finish, or name another log.",
        )
    if metric and metric not in seen:
        raise HarnessError(
            f"Nothing in {path.name} was judged by {metric!r}.",
            f"Its scorers: {', '.join(sorted(seen)) or 'none'}.",
        )
    samples = sorted(_placed(samples), key=lambda sample: sample.sample_index)
    version = mapping(about.get("packages")).get("inspect_ai")
    steps = [[step.get("solver"), step.get("params")] for step in plan.get("steps") or []]
    errors = (f"{failed} samples ended in an error and were left out.",) if failed else ()
    return ImportedRun(
        samples=samples,
        sha256=file_sha256(path),
        task=str(about.get("task") or "").rpartition("/")[2],
        model=model_name(str(about.get("model") or "")),
        made_by=f"inspect_ai {version}" if version else "inspect_ai",
        sampling=logged_sampling(
            temperature=config.get("temperature"),
            top_p=config.get("top_p"),
            max_tokens=config.get("max_tokens"),
            stop=config.get("stop_seqs"),
        ),
        prompts_sha256=hash_of_prompts(steps, config.get("system_message"), asked),
        metric=metric or "",
        facts={"task_version": str(about.get("task_version", "")) or None}
        | ({"status": header["status"]} if header.get("status", "success") != "success" else {}),
        notes=(*errors, *grade_notes(samples, metric or "")),
    )


def _placed(samples: Sequence[ImportedSample]) -> Iterator[ImportedSample]:
    """Give samples whose epoch is no number that counts one the first free place of their item."""
    taken: dict[str, set[int]] = defaultdict(set)
    for sample in samples:
        taken[sample.item_id].add(sample.sample_index)
    for sample in samples:
        if sample.sample_index < 0:
            free = next(i for i in range(len(samples) + 1) if i not in taken[sample.item_id])
            taken[sample.item_id].add(free)
            sample = replace(sample, sample_index=free)  # noqa: PLW2901
        yield sample


def _sample(row: Mapping[str, Any], score: object) -> ImportedSample | None:
    """Make a sample of a row; ``None`` where the model never answered."""
    output = mapping(row.get("output"))
    choices = output.get("choices") or []
    if not choices:
        return None
    attachments = mapping(row.get("attachments"))
    thought, answer = _content(choices[0]["message"].get("content", ""), attachments)
    usage = mapping(output.get("usage"))
    target = row.get("target", "")
    scored = mapping(score)
    return ImportedSample(
        item_id=str(row["id"]),
        question=_question(row, attachments),
        gold=str(target[0] if isinstance(target, list) and target else target or "").strip(),
        response=answer,
        sample_index=as_sample_index(row.get("epoch", 1), 0) - 1,
        correct=_verdict(scored.get("value")) if scored else None,
        subject=_named(row, "subject", "category"),
        level=_named(row, "level", "difficulty").removeprefix("Level "),
        prompt=_prompt(row, attachments),
        thought=thought or None,
        extracted=str(scored.get("answer") or ""),
        finish_reason=_finish(choices[0].get("stop_reason")),
        prompt_tokens=_prompt_tokens(usage),
        completion_tokens=as_count(usage.get("output_tokens")),
        thought_tokens=as_count(usage.get("reasoning_tokens")),
        seconds=as_seconds(output.get("time")),
    )


def _content(content: object, attachments: Mapping[str, Any]) -> tuple[str, str]:
    """Return thought and answer of a message: plain text, or a list of typed parts."""
    if isinstance(content, str):
        return "", _resolved(content, attachments)
    thoughts, answers = [], []
    for part in content if isinstance(content, list) else []:
        if part.get("type") == "reasoning":
            thoughts.append(_resolved(part.get("reasoning") or "", attachments))
        elif part.get("type") == "text":
            answers.append(_resolved(part.get("text") or "", attachments))
    return "\n".join(thoughts), "\n".join(answers)


def _question(row: Mapping[str, Any], attachments: Mapping[str, Any]) -> str:
    asked = row.get("input", "")
    if isinstance(asked, str):
        return _resolved(asked, attachments)
    users = [message for message in asked if message.get("role") == "user"]
    return _content(users[-1].get("content"), attachments)[1] if users else ""


def _prompt(row: Mapping[str, Any], attachments: Mapping[str, Any]) -> str:
    users = [each for each in row.get("messages") or [] if each.get("role") == "user"]
    return _content(users[-1].get("content"), attachments)[1] if users else ""


def _resolved(text: str, attachments: Mapping[str, Any]) -> str:
    if text.startswith(_ATTACHMENT):
        return str(attachments.get(text.removeprefix(_ATTACHMENT), text))
    return text


def _verdict(value: object) -> bool | None:
    """Read a score as right or wrong; partial credit and "not scored" are neither."""
    if isinstance(value, str):
        return _VERDICTS.get(value, _VERDICTS.get(value.lower()))
    if isinstance(value, float) and math.isnan(value):
        return None
    return right_or_wrong(value)


def _named(row: Mapping[str, Any], *names: str) -> str:
    metadata = mapping(row.get("metadata"))
    return next((str(metadata[name]) for name in names if metadata.get(name)), "")


def _finish(reason: object) -> str:
    return _FINISH.get(str(reason), str(reason or "unknown"))


def _prompt_tokens(usage: Mapping[str, Any]) -> int | None:
    """Add up the prompt, which is counted apart from what a cache had of it."""
    names = ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
    counts = [as_count(usage.get(name)) for name in names]
    return None if counts[0] is None else as_count(sum(count or 0 for count in counts))


def _json(path: Path, content: bytes, which: str) -> Mapping[str, Any]:
    found = parsed(content, f"{which}{path}")
    if not isinstance(found, dict):
        raise HarnessError(f"{path} is not a log of Inspect.", "Choose another FORMAT.")
    return found


def _too_large(path: Path, what: str, most: int) -> HarnessError:
    return HarnessError(
        f"The {what} of {path} is larger than {most >> 20} MiB once unpacked.",
        "Import it in parts, if it is what it says.",
    )
