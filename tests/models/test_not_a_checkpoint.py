"""A folder that is no checkpoint is called what it is, with what makes a checkpoint of it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.models.resolve import resolve_model


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["adapter_config.json", "adapter_model.safetensors"], "adapter .*of org/base.*merge"),
        (["adapter_config.json", "adapter_model.safetensors", "config.json"], "adapter .*org/base"),
        (["config.json", "zero_to_fp32.py", "latest"], "DeepSpeed.*zero_to_fp32.py .*safe_ser"),
        (["config.json", "model_0/__0_0.distcp"], "FSDP.*merge-weights .*/model_0 OUTPUT"),
        (
            ["checkpoint-5/config.json", "checkpoint-5/model.safetensors", "trainer_state.json"],
            r"none itself.*--model '.*/checkpoint-\*'",
        ),
        (
            ["step_1/actor/hf/config.json", "step_1/actor/hf/model.safetensors"],
            r"none itself.*/step_\*/actor/hf'",
        ),
        (["notes.txt"], "no config.json.*Name the folder that holds"),
    ],
)
def test_the_remedy_fits_what_was_named(tmp_path: Path, files: list[str], said: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    with pytest.raises(HarnessError) as refused:
        resolve_model(str(tmp_path))
    assert re.search(said, str(refused.value)), str(refused.value)


def test_a_folder_without_a_checkpoint_is_said_to_be_none_whatever_lies_in_it(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(HarnessError, match=r"no config\.json"):
        resolve_model(str(tmp_path))
