"""Validate a checkpoint before an engine is started.

Names and shapes of the tensors are compared with those of the architecture, and tokenizer and chat
template are tried, in a child process (``validate_worker.py``) with a deadline and a memory cap: a
checkpoint is untrusted input. Passed validations are cached by all that the result depends on.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import Checkpoint
from harness.models.resolve import cache_dir
from harness.models.validate_worker import CPU_SECONDS
from harness.models.weight_files import write_cache
from harness.types import digest

# Incremented whenever the child checks more.
_VERSION = 1
# The libraries alone may take a minute from a slow network disk.
_WALL_SECONDS = 600.0
_LISTED = 3
_SAVE_AGAIN = "Save it again with model.save_pretrained(folder), or copy it again."
_CACHE_NAME = "inspected.json"
_FAULTS = {
    "none": "has no chat template: its prompts are plain text, without turns.",
    "empty": "has an empty chat template: its prompts are plain text, without turns.",
    "no generation prompt": "has a chat template that ignores the generation prompt: no prompt "
    "opens the model's turn.",
}
_DOING = {
    "start": "loading the libraries for it",
    "comparison": "comparing its weights with its architecture",
    "tokenizer": "loading its tokenizer and making tokens of a text",
    "template": "rendering a prompt with its chat template",
}


def validated(checkpoint: Checkpoint, *, trust_remote_code: bool = False) -> Checkpoint:
    """Validate a checkpoint; return it with notices for the user.

    Raises:
        HarnessError: Its weights are not those that its architecture needs, or not finite; its
            tokenizer cannot be loaded; or validating it takes too much time or memory.
    """
    _refuse_not_finite(checkpoint)
    found = _cached_or_checked(checkpoint, trust_remote_code=trust_remote_code)
    notices = []
    if "not_compared" in found:
        notices.append(
            f"The weights of {checkpoint.name} were not compared with what its architecture "
            f"needs: {found['not_compared']}."
        )
    if _has_both_formats(checkpoint):
        notices.append(
            f"{checkpoint.name} has weights in consolidated*.safetensors, which vLLM reads in "
            "place of its other weight files: remove them if they are of another model."
        )
    fault = found.get("template")
    if fault in _FAULTS:
        notices.append(f"{checkpoint.name} {_FAULTS[fault]}")
    return replace(checkpoint, notices=tuple(notices), chat_template_fault=fault)


def _refuse_not_finite(checkpoint: Checkpoint) -> None:
    names = checkpoint.not_finite
    if names:
        raise HarnessError(
            f"{checkpoint.path} has weights that are infinite or not a number (NaN): "
            f"{_listed(names)}.",
            "The training diverged or a file was damaged: take an earlier checkpoint, or copy it "
            "again.",
        )


def _cached_or_checked(checkpoint: Checkpoint, *, trust_remote_code: bool) -> Mapping[str, Any]:
    try:
        version = importlib.metadata.version("transformers")
    except importlib.metadata.PackageNotFoundError:
        return {}  # without it nothing can be loaded, and loading says so
    cache = cache_dir() / _CACHE_NAME
    key = digest([_VERSION, version, trust_remote_code, checkpoint.layout_sha256])[:32]
    known = _read_cache(cache).get(key)
    if isinstance(known, dict):
        return known
    found = _run_worker(checkpoint, trust_remote_code=trust_remote_code)
    refuse(checkpoint, found)
    kept: dict[str, Any] = {
        name: found[name] for name in ("not_compared", "template") if name in found
    }
    if not found.get("ended_early"):
        write_cache(cache, _read_cache(cache) | {key: kept})
    return kept


def _read_cache(cache: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(cache.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _run_worker(checkpoint: Checkpoint, *, trust_remote_code: bool) -> dict[str, Any]:
    """Run the child process and return its result."""
    compare = not checkpoint.is_quantised and not _consolidated(checkpoint)
    command = [sys.executable, "-P", "-m", "harness.models.validate_worker", str(checkpoint.path)]
    command += [str(int(trust_remote_code)), str(int(compare))]
    quiet = {
        **{"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        **{"TRANSFORMERS_VERBOSITY": "error", "CUDA_VISIBLE_DEVICES": ""},
    }
    if not trust_remote_code:  # remote code may be of another repository
        quiet["HF_HUB_OFFLINE"] = "1"
    try:
        child = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=os.environ | quiet,
            timeout=_WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        stage = _stage(expired.stdout or b"")
        raise _too_much(checkpoint, stage, f"{_WALL_SECONDS:.0f} seconds") from None
    stage = _stage(child.stdout)
    results = (line["result"] for line in _objects(child.stdout) if "result" in line)
    result = next(results, None)
    if isinstance(result, dict):
        if result.get("memory"):
            raise _too_much(checkpoint, stage, "the memory that it may take")
        return result
    if child.returncode == -signal.SIGXCPU:
        raise _too_much(checkpoint, stage, f"{CPU_SECONDS[stage]} seconds")
    if child.returncode == -signal.SIGKILL:
        raise HarnessError(
            f"{checkpoint.path} was not validated: the system ended the process that does it, "
            f"most likely for want of memory ({_DOING[stage]}).",
            "Free some memory and try again; where there is enough, do not trust the checkpoint.",
        )
    if child.returncode < 0:
        raise HarnessError(
            f"{checkpoint.path} ends the process that validates it "
            f"({signal.Signals(-child.returncode).name}): {_DOING[stage]}.",
            "Copy or download the checkpoint again.",
        )
    said = [
        line.strip() for line in child.stderr.decode(errors="replace").splitlines() if line.strip()
    ]
    why = (said or [f"exit code {child.returncode}"])[-1][:200].rstrip(".")
    return {"ended_early": True, "not_compared": why}


def _objects(written: bytes) -> list[dict[str, Any]]:
    found = []
    for line in written.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _stage(written: bytes) -> str:
    stages = [str(line["stage"]) for line in _objects(written) if "stage" in line]
    return stages[-1] if stages and stages[-1] in _DOING else "start"


def _too_much(checkpoint: Checkpoint, stage: str, limit: str) -> HarnessError:
    what = {"tokenizer": "tokenizer.json", "template": "chat template"}.get(stage, "config.json")
    return HarnessError(
        f"{checkpoint.path} cannot be used: {_DOING[stage]} takes more than {limit}.",
        f"Correct its {what}, or do not trust it.",
    )


def refuse(checkpoint: Checkpoint, found: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that an engine would run with missing or wrong weights.

    Raises:
        HarnessError: What was found is such a fault.
    """
    if "refused" in found:
        message, remedy = found["refused"]
        raise HarnessError(str(message), str(remedy))
    if found.get("own_code"):
        raise HarnessError(
            f"{checkpoint.path} brings code of its own (auto_map in config.json), which is not run "
            "unless you say so.",
            "If you trust it, add --trust-remote-code.",
        )
    folder, kind = checkpoint.path, checkpoint.architecture
    if found.get("missing"):
        missing = found["missing"]
        head = all("lm_head" in name for name in missing)
        raise HarnessError(
            f"{folder} lacks weights that {kind} needs: {_listed(missing)}.",
            'If the head is tied to the embedding, set "tie_word_embeddings": true in config.json; '
            "else save the checkpoint again."
            if head
            else _SAVE_AGAIN,
        )
    if found.get("mismatched"):
        raise HarnessError(
            f"{folder} has weights of other shapes than its config.json promises: "
            f"{_listed(found['mismatched'])}.",
            _SAVE_AGAIN,
        )
    if found.get("not_joined"):
        raise HarnessError(
            f"{folder} has weights that cannot be joined to those that {kind} needs (experts, for "
            "instance, of which one is missing or has another shape).",
            _SAVE_AGAIN,
        )
    if found.get("left_over"):
        raise HarnessError(
            f"{folder} has weights that {kind} does not know: {_listed(found['left_over'])}.",
            "Remove what does not belong to the model (an adapter, a value head, a prefix such as "
            "_orig_mod.) and save it again with model.save_pretrained(folder).",
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _consolidated(checkpoint: Checkpoint) -> list[Path]:
    """Return the files that vLLM prefers to all others; their tensors have names of their own."""
    return list(checkpoint.path.glob("consolidated*.safetensors"))


def _has_both_formats(checkpoint: Checkpoint) -> bool:
    preferred = _consolidated(checkpoint)
    return bool(preferred) and not set(checkpoint.weights) <= set(preferred)
