"""Files of a training: checkpoints (the model alone) and one state to resume from.

Each is written under another name and renamed when it is on disk, so that a full disk or a kill
leaves what was there before. Checkpoints are safetensors. The resume state is the Trainer's
own: its optimiser and random states are files of ``torch.save``, read back with ``weights_only``,
which runs no code.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import Checkpoint
from train_cft.train import manifest

SCRATCH = ".making"
_PROGRESS = "progress.json"
_TOKENIZER_FILES = (
    *("tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "chat_template", "tekken"),
)


def resume_state(out: Path) -> Path | None:
    """Return the newest resume state; ``None`` without one."""
    states = [path for path in (out / manifest.RESUME).glob("step-*") if path.is_dir()]
    return max(states, key=step_of, default=None)


def seconds_of_resume(state: Path) -> float:
    """Return how long the training had taken when a state was saved."""
    return float(manifest.read_json(state / _PROGRESS)["seconds"])


def step_of(path: Path) -> int:
    """Return after how many steps a state was saved; -1 for another folder."""
    digits = path.name.removeprefix("step-")
    return int(digits) if digits.isdigit() else -1


def clear_unfinished(out: Path) -> None:
    """Remove what a killed training was writing."""
    making = out / SCRATCH
    if making.is_symlink():
        making.unlink()  # it would be written through
    shutil.rmtree(making, ignore_errors=True)


def drop_resume_state(out: Path) -> None:
    """Remove the resume state: the training has ended."""
    shutil.rmtree(out / manifest.RESUME, ignore_errors=True)


@contextmanager
def explain_write_errors(out: Path) -> Iterator[None]:
    """Turn what goes wrong while writing into one sentence.

    Raises:
        HarnessError: Something could not be written.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        # torch.save reports a full disk by a RuntimeError of its zip writer.
        if isinstance(error, RuntimeError) and "PytorchStreamWriter" not in str(error):
            raise
        with contextlib.suppress(OSError):
            clear_unfinished(out)
        kept = manifest.saved(out)
        whole = f"the checkpoint of step {kept[-1].step} is whole" if kept else "none was there yet"
        why = getattr(error, "strerror", None) or (str(error).splitlines() or ["unknown"])[0]
        raise HarnessError(
            f"{out} cannot be written ({why}); {whole}.",
            "Free some space and run the same command again: it resumes from its last state.",
        ) from error


def publish_resume_state(made: Path, out: Path, step: int, seconds: float) -> None:
    """Let a state that is written whole take the place of the one before."""
    manifest.write_json(made / _PROGRESS, {"step": step, "seconds": seconds})
    _sync(made)
    target = out / manifest.RESUME / f"step-{step}"
    _make_real_folder(target.parent)
    shutil.rmtree(target, ignore_errors=True)
    made.rename(target)
    for other in target.parent.glob("step-*"):
        if other != target and step_of(other) >= 0:
            shutil.rmtree(other, ignore_errors=True)


def publish_checkpoint(
    made: Path, out: Path, step: int, name: str, facts: Mapping[str, Any]
) -> manifest.SavedCheckpoint:
    """Rename a complete checkpoint to its final name, and write its manifest next to it."""
    _sync(made)
    target = manifest.checkpoint_path(out, step)
    _make_real_folder(target.parent)
    shutil.rmtree(target, ignore_errors=True)
    made.rename(target)
    opened = Checkpoint.open(target, name=f"{name}/step-{step}", source=str(target))
    own = {"step": step, "fingerprint": opened.fingerprint}
    manifest.write_json(target.with_name(f"{target.name}.json"), {**own, **facts})
    return manifest.SavedCheckpoint(step, target, opened.fingerprint)


def _make_real_folder(folder: Path) -> None:
    """Make a folder in which old steps are removed, and which therefore must not be a link.

    Raises:
        HarnessError: It is a link.
    """
    if folder.is_symlink():
        raise HarnessError(
            f"{folder} is a link, and what a training keeps is not written through links.",
            "Name the folder itself with --out, or remove the link.",
        )
    folder.mkdir(exist_ok=True)


def write_model(
    model: Any,
    folder: Path,
    *,
    state: Mapping[str, Any] | None,
    dtype: str,
    base: Path,
    tokenizer: Any,
    tokenizer_changed: bool,
) -> None:
    """Write a checkpoint that any loader reads: weights, configuration, tokenizer, template.

    Args:
        model: The model, perhaps with an adapter, which is merged into what is written.
        folder: Where to.
        state: Its weights, where they had to be gathered from several processes.
        dtype: What the weights are written as.
        base: The checkpoint that the training started from.
        tokenizer: What the model was trained with.
        tokenizer_changed: Whether that differs from the base's files, which are copied otherwise.
    """
    import torch

    plain, tensors = _without_adapter(model, state)
    wanted = getattr(torch, dtype)
    # Tied weights are one tensor under two names, and must stay one.
    cast: dict[tuple[int, Any], Any] = {}
    ready = {}
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.shape)
        if key not in cast:
            to = wanted if tensor.is_floating_point() else tensor.dtype
            cast[key] = tensor.detach().to("cpu", to)
        ready[name] = cast[key]
    folder.mkdir(parents=True, exist_ok=True)
    plain.save_pretrained(folder, state_dict=ready)
    config = folder / "config.json"
    content = json.loads(config.read_text(encoding="utf-8"))
    content["dtype"] = dtype
    # The Trainer turns the cache off for itself; generation uses the base's setting.
    content.pop("use_cache", None)
    asked = json.loads((base / "config.json").read_text(encoding="utf-8"))
    if "use_cache" in asked:
        content["use_cache"] = asked["use_cache"]
    config.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if tokenizer_changed:
        tokenizer.save_pretrained(folder)
        return
    for file in base.iterdir():
        if file.name.startswith(_TOKENIZER_FILES) and file.is_file():
            shutil.copyfile(file, folder / file.name)


def _without_adapter(model: Any, state: Mapping[str, Any] | None) -> tuple[Any, dict[str, Any]]:
    """Return the plain model and its weights; an adapter's part is added to copies of them."""
    if not hasattr(model, "peft_config"):
        return model, dict(state if state is not None else model.state_dict())
    from peft.tuners.lora import LoraLayer

    plain = model.get_base_model()
    layers = {name: part for name, part in plain.named_modules() if isinstance(part, LoraLayer)}
    merged: dict[str, Any] = {}
    for name, tensor in plain.state_dict().items():
        owner, _, leaf = name.rpartition(".")
        layer = layers.get(owner.removesuffix(".base_layer"))
        if ".lora_" in name:
            continue
        if layer is None:
            merged[name] = tensor
            continue
        if leaf == "weight":
            (adapter,) = layer.active_adapters
            # In single precision: a small change would be lost in bfloat16 before it is added.
            tensor = tensor.float() + layer.get_delta_weight(adapter).float()
        merged[f"{owner.removesuffix('.base_layer')}.{leaf}"] = tensor
    return plain, merged


def _sync(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(root) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
