"""Explain what a folder is that is no checkpoint (LoRA, DeepSpeed, FSDP), and how to convert it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from harness.errors import HarnessError

_COUNTED = re.compile(r"(.*?)\d+")
_LARGEST_ADAPTER_CONFIG = 1 << 20


def not_a_checkpoint(folder: Path, lack: str) -> HarnessError:
    """Return the error that says what the folder is, with what makes a checkpoint of it.

    Args:
        folder: What was named.
        lack: What it lacks, as the end of a sentence.
    """
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        base = _base_of(adapter)
        return HarnessError(
            f"{folder} is an adapter (LoRA) of {base or 'another model'}, not a whole model.",
            "Merge it into its base and name the result: "
            "PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(folder).",
        )
    if (folder / "zero_to_fp32.py").is_file():
        return HarnessError(
            f"{folder} is a DeepSpeed checkpoint, whose weights are spread over its processes.",
            f"Gather them beside config.json: python {folder}/zero_to_fp32.py {folder} OUTPUT "
            "--safe_serialization, then copy config.json and the tokenizer to OUTPUT.",
        )
    if any(folder.glob("*.distcp")) or any(folder.glob("*/*.distcp")):
        return HarnessError(
            f"{folder} is a distributed checkpoint (FSDP), whose weights are spread over its "
            "processes.",
            "Gather them beside config.json: accelerate merge-weights "
            f"{_place_of_distcp(folder)} OUTPUT, then copy config.json and the tokenizer to "
            "OUTPUT.",
        )
    pattern = _pattern_of_checkpoints(folder)
    if pattern:
        return HarnessError(
            f"{folder} holds checkpoints in its folders and is none itself.",
            f"Name one, or all: --model '{pattern}'.",
        )
    pickled = sorted(file.name for file in folder.iterdir() if file.suffix in (".bin", ".pt"))
    if pickled and (folder / "config.json").is_file():
        return HarnessError(
            f"{folder} holds pickled weights ({pickled[0]}), which can run code when loaded.",
            "Convert them: model.save_pretrained(folder, safe_serialization=True).",
        )
    if (folder / "config.json").is_file():
        return HarnessError(f"{folder}: {lack}.", "Copy or download the checkpoint again.")
    return HarnessError(
        f"{folder} is not a checkpoint: {lack}.",
        "Name the folder that holds config.json and *.safetensors.",
    )


def _base_of(adapter: Path) -> str | None:
    try:
        if adapter.stat().st_size > _LARGEST_ADAPTER_CONFIG:
            return None
        base = json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return base if isinstance(base, str) and base.isprintable() else None


def _place_of_distcp(folder: Path) -> Path:
    found = next(iter(sorted(folder.glob("*/*.distcp"))), None)
    return found.parent if found else folder


def _pattern_of_checkpoints(folder: Path) -> str | None:
    """Return the pattern that the checkpoints directly below, or two levels below, match."""
    for below in ("*", "*/*", "*/*/*"):
        found = sorted(folder.glob(f"{below}/config.json"))
        whole = [file.parent for file in found if any(file.parent.glob("*.safetensors"))]
        if whole:
            relative = whole[0].relative_to(folder).parts
            counted = _COUNTED.fullmatch(relative[0])
            first = f"{counted[1]}*" if counted else relative[0] if len(whole) == 1 else "*"
            return str(folder.joinpath(first, *relative[1:]))
    return None
