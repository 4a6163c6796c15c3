"""Child process that validates a checkpoint under limits on CPU time and memory.

    python -P -m harness.models.validate_worker FOLDER TRUST_REMOTE_CODE COMPARE

Writes a JSON object a line: what it is about to do as ``{"stage": …}``, then ``{"result": …}``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import resource
import sys
from pathlib import Path
from typing import IO, Any

from harness.errors import HarnessError
from harness.types import Message

_MEMORY_BYTES = 8 << 30
# CPU seconds beyond what was used before; `harness.models.validate` names them to the user.
CPU_SECONDS = {"start": 120, "comparison": 120, "tokenizer": 60, "template": 5}
# Layers that only guess at later tokens (multi-token prediction), and buffers of old checkpoints.
_NOT_LOADED = re.compile(
    r"(^|\.)mtp(_layers)?\.|\.attn\.(masked_)?bias$|rotary_emb\.(inv_freq|cos_cached|sin_cached)$"
)
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")
_TEXT = "What is 2 + 3?\n\n" + "aaaa 0123456789 \\(x^{2}\\) {{ }} \u4f60\u597d  \t " * 400


def main(folder: Path, *, trust_remote_code: bool, comparing: bool) -> None:
    """Write what validation finds to standard output."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print what they like
    _limit_memory()
    _enter("start", output)
    logging.disable(logging.CRITICAL)
    found: dict[str, Any] = {}
    try:
        found |= _check(folder, output, trust_remote_code=trust_remote_code, comparing=comparing)
    except HarnessError as error:
        if isinstance(error.__cause__, MemoryError):
            found["memory"] = True
        else:
            found["refused"] = [error.message, error.remedy]
    except MemoryError:
        found["memory"] = True
    _write({"result": found}, output)
    os._exit(0)  # skip the teardown of what was loaded


def _check(
    folder: Path, output: IO[str], *, trust_remote_code: bool, comparing: bool
) -> dict[str, Any]:
    from harness.models.prompts import PromptRenderer

    found: dict[str, Any] = {}
    if comparing:
        _enter("comparison", output)
        found |= compare(folder)
        if found.get("own_code"):
            if not trust_remote_code:
                return found
            found = {"not_compared": "it is code of its own"}
    _enter("tokenizer", output)
    renderer = PromptRenderer(folder, trust_remote_code=trust_remote_code)
    renderer.count(_TEXT)
    _enter("template", output)
    found["template"] = renderer.template_fault()
    system: Message = {"role": "system", "content": "Be brief."}
    user: Message = {"role": "user", "content": _TEXT}
    for messages in ([user], [system, user]):
        try:
            renderer.render(messages)
        except HarnessError as error:
            # A template may refuse this prompt; a real one that it refuses is an error later.
            if isinstance(error.__cause__, MemoryError):
                raise
    return found


def compare(folder: Path) -> dict[str, Any]:
    """Compare the tensors of a checkpoint with those that its architecture has.

    Nothing is loaded: the model and the tensors are on the device `meta`, which holds only shapes.
    """
    import torch
    import transformers

    from harness.models.weight_files import read_header, weight_files

    transformers.utils.logging.set_verbosity(logging.CRITICAL)
    transformers.utils.logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - a configuration may hold anything
        own = "trust_remote_code" in str(error) and not _engine_knows(folder)
        return {"own_code": True} if own else {"not_compared": _first_line(error)}
    kind = _model_class(config)
    if kind is None:
        named = ", ".join(map(str, config.architectures or ()))
        return {"not_compared": f"Transformers has no {named}" if named else "it names none"}
    files = {tensor: file for file in weight_files(folder) for tensor in read_header(file)}
    stored = {
        tensor.name: torch.empty(tensor.shape, dtype=torch.bfloat16, device="meta")
        for tensor in files
    }
    try:
        _, keys = kind.from_pretrained(
            None,
            config=config,
            state_dict=stored,
            device_map={"": "meta"},
            dtype=torch.bfloat16,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - what Transformers cannot build, an engine may
        if "conversion of the weights" in str(error):
            return {"not_joined": True}
        return {"not_compared": _first_line(error)}
    left_over = sorted(name for name in keys["unexpected_keys"] if not _engines_skip(name, config))
    in_files = {tensor.name: file.name for tensor, file in files.items()}
    return {
        "missing": sorted(keys["missing_keys"]),
        "left_over": [
            f"{name} ({in_files[name]})" if name in in_files else name for name in left_over
        ],
        "mismatched": sorted(
            f"{name} ({list(had)} where {list(wanted)} is needed)"
            for name, had, wanted in keys["mismatched_keys"]
        ),
    }


def _engines_skip(name: str, config: Any) -> bool:
    """Return whether vLLM skips a tensor of this name, which Transformers does not know."""
    if _NOT_LOADED.search(name):
        return True
    text = config.get_text_config()
    layer = _LAYER.search(name)
    return (
        layer is not None
        and bool(getattr(text, "num_nextn_predict_layers", 0))
        and int(layer[1]) >= text.num_hidden_layers
    )


def _engine_knows(folder: Path) -> bool:
    """Return whether vLLM has its own configuration class for a model type."""
    from harness.models.weight_files import read_json

    try:
        from vllm.transformers_utils.config import _CONFIG_REGISTRY
    except Exception:  # noqa: BLE001 - an engine that does not load knows nothing
        return False
    return read_json(folder / "config.json", folder).get("model_type") in _CONFIG_REGISTRY


def _model_class(config: Any) -> Any:
    """Return the class of Transformers that the configuration names, as an engine takes it."""
    import transformers

    for name in config.architectures or ():
        kind = getattr(transformers, str(name), None)
        if isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel):
            return kind
    return None


def _first_line(error: Exception) -> str:
    """Return the first sentence of an error, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0].partition(". ")[0].rstrip(".")[:200]


def _limit_memory() -> None:
    """Limit this process to 8 GiB, and make it the OOM killer's first choice."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    _, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY or hard > _MEMORY_BYTES:
        with contextlib.suppress(ValueError, OSError):  # not every system has this limit
            resource.setrlimit(kind, (_MEMORY_BYTES, _MEMORY_BYTES))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _enter(stage: str, output: IO[str]) -> None:
    """Report the next stage, and set its CPU time limit."""
    _write({"stage": stage}, output)
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU_SECONDS[stage]
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _write(line: object, output: IO[str]) -> None:
    output.write(json.dumps(line) + "\n")
    output.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), trust_remote_code=sys.argv[2] == "1", comparing=sys.argv[3] == "1")
