"""Resolve a model name (built-in, folder or hub id) to a checked checkpoint on disk."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, nearest

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint

# Folders that trainers number: step-100, checkpoint-100, global_step100, iter_0000100.
_NUMBERED = re.compile(r"(?:step|checkpoint|global_?step|epoch|iter)[-_]?\d+")

BUILTIN_MODELS = {"smollm2-135m": "SmolLM2-135M-Instruct, 135M parameters, Apache-2.0"}


def cache_dir() -> Path:
    """Return the folder for what can be made again: ``HARNESS_CACHE_DIR``, else the user's."""
    named = os.environ.get("HARNESS_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cft-harness"


def expand(names: Sequence[str]) -> list[str]:
    """Return the models that the names and patterns stand for, ``step-2`` before ``step-10``.

    Raises:
        HarnessError: A pattern matches no folder.
    """
    found: dict[str, None] = {}
    for name in names:
        if not glob.has_magic(name) or Path(name).exists():
            found[name] = None
            continue
        folders = [path for path in glob.glob(os.path.expanduser(name)) if os.path.isdir(path)]
        if not folders:
            raise HarnessError(
                f"No folder matches --model {name!r}.",
                "Quote the pattern and check it with `ls -d`.",
            )
        found |= dict.fromkeys(sorted(folders, key=_natural_order))
    return list(found)


def _natural_order(name: str) -> list[tuple[str, int]]:
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]


def _display_name(folder: Path) -> str:
    """Return what to call a checkpoint; ``step-100`` alone would be any training's."""
    if not _NUMBERED.fullmatch(folder.name):
        return folder.name
    training = folder.parent.parent if folder.parent.name == "checkpoints" else folder.parent
    return f"{training.name}/{folder.name}"


def resolve_model(
    name: str, *, revision: str | None = None, trust_remote_code: bool = False
) -> Checkpoint:
    """Find the checkpoint that ``name`` means, and check that it can be loaded safely.

    Args:
        name: A built-in name, a local folder, or the id of a model on the Hugging Face hub.
        revision: Commit, tag or branch on the hub.
        trust_remote_code: Whether the checkpoint's own code may run.

    Raises:
        HarnessError: There is no such model, or its files are unusable.
    """
    from harness.models.checkpoint import Checkpoint
    from harness.models.validate import validated

    def opened(path: Path, called: str, source: str) -> Checkpoint:
        checkpoint = Checkpoint.open(path, name=called, source=source)
        return validated(checkpoint, trust_remote_code=trust_remote_code)

    if name in BUILTIN_MODELS:
        from harness.models.builtin import build

        return opened(build(name), name, f"builtin:{name}")
    folder = Path(name).expanduser()
    if folder.is_dir():
        resolved = folder.resolve()
        return opened(resolved, _display_name(resolved), str(resolved))
    if folder.exists():
        raise HarnessError(
            f"{name} is a file, not a checkpoint folder.",
            "Name the folder that holds config.json and *.safetensors.",
        )
    looks_like_hub_id = name.count("/") == 1 and not name.startswith((".", "/", "~"))
    if not looks_like_hub_id:
        close = [*BUILTIN_MODELS, *_sibling_folders(folder)]
        raise HarnessError(
            f"There is no model {name!r}: not a folder, not built in, not a hub id (owner/name).",
            nearest(name, close),
        )
    path, commit = _download(name, revision, trust_remote_code=trust_remote_code)
    return opened(path, name, f"hub:{name}@{commit}")


def _sibling_folders(folder: Path) -> list[str]:
    parent = folder.parent
    if not parent.is_dir():
        return []
    return [str(child) for child in parent.iterdir() if (child / "config.json").is_file()]


_SAFE_FILES = (
    *("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt", "*.tiktoken"),
    "additional_chat_templates/*.jinja",
)


def _download(name: str, revision: str | None, *, trust_remote_code: bool) -> tuple[Path, str]:
    """Fetch a model's safe files from the hub into the hub's own cache; its code if trusted."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise HarnessError(
            f"Fetching {name} from the hub needs the package `huggingface_hub`.",
            "pip install huggingface_hub, or name a local checkpoint folder.",
        ) from error
    try:
        # Never *.bin: an unpickled checkpoint runs whatever its author wrote into it.
        path = Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=[*_SAFE_FILES, *(["*.py"] if trust_remote_code else [])],
            )
        )
    except Exception as error:  # noqa: BLE001 - the library raises whatever its transports do
        raise HarnessError(
            f"{name} is neither a local folder nor to be had from the hub "
            f"({type(error).__name__}). {nearest(name, BUILTIN_MODELS)}",
            "Check the name and the network; a gated model needs HF_TOKEN.",
        ) from error
    return path, path.name
