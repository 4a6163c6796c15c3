"""Bad checkpoints are refused with one sentence, before any engine starts."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.models import resolve_model
from harness.models.builtin import checked
from harness.models.checkpoint import Checkpoint


def _safetensors(path: Path, values: int = 4) -> None:
    header = json.dumps(
        {"w": {"dtype": "BF16", "shape": [values], "data_offsets": [0, 2 * values]}}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(2 * values))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    (folder / "tokenizer.json").write_text("{}")
    _safetensors(folder / "model.safetensors")
    return folder


def _open(folder: Path) -> Checkpoint:
    return Checkpoint.open(folder, name="tiny", source=str(folder))


def test_a_sound_checkpoint_counts_its_parameters(checkpoint: Path) -> None:
    assert _open(checkpoint).parameters == 4


def test_the_fingerprint_follows_weights_config_and_tokenizer(checkpoint: Path) -> None:
    seen = {_open(checkpoint).fingerprint}
    (checkpoint / "tokenizer_config.json").write_text('{"x": 1}')
    seen.add(_open(checkpoint).fingerprint)
    (checkpoint / "config.json").write_text("{}")
    seen.add(_open(checkpoint).fingerprint)
    content = bytearray((checkpoint / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (checkpoint / "model.safetensors").write_bytes(content)
    seen.add(_open(checkpoint).fingerprint)
    assert len(seen) == 4


def test_a_copy_has_the_same_fingerprint(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "copy")
    assert _open(copy).fingerprint == _open(checkpoint).fingerprint


def test_weights_changed_within_one_second_are_noticed(checkpoint: Path) -> None:
    before = _open(checkpoint).fingerprint
    file = checkpoint / "model.safetensors"
    stat = file.stat()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert _open(checkpoint).fingerprint != before


@pytest.mark.parametrize(
    ("remove", "said"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_a_missing_part_is_named(checkpoint: Path, remove: str, said: str) -> None:
    (checkpoint / remove).unlink()
    with pytest.raises(HarnessError, match=said):
        _open(checkpoint)


def test_pickled_weights_are_refused_and_never_loaded(checkpoint: Path, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "pytorch_model.bin").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(HarnessError, match="pickled weights.*safe_serialization"):
        _open(checkpoint)
    assert not (tmp_path / "ran").exists()


def test_weights_cut_short_are_refused(checkpoint: Path) -> None:
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(HarnessError, match="not a sound safetensors file"):
        _open(checkpoint)


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 64, struct.pack("<Q", 4) + b"oops", struct.pack("<Q", 2) + b"[]"]
)
def test_garbage_in_place_of_weights_is_refused(checkpoint: Path, content: bytes) -> None:
    (checkpoint / "model.safetensors").write_bytes(content)
    with pytest.raises(HarnessError, match="not a sound safetensors file"):
        _open(checkpoint)


def test_a_missing_shard_is_named(checkpoint: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(HarnessError, match="lacks 1 of 2 weight files"):
        _open(checkpoint)


@pytest.mark.parametrize("weights", [{"a": "../elsewhere.safetensors"}, {}, [], None, "model"])
def test_an_index_that_names_no_file_of_its_folder_is_refused(
    checkpoint: Path, weights: object
) -> None:
    index = {"weight_map": weights}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(HarnessError, match="outside its folder"):
        _open(checkpoint)


@pytest.mark.parametrize(
    "config",
    [
        {"max_position_embeddings": "8k", "architectures": {}},
        {"text_config": [1], "architectures": []},
        {},
    ],
)
def test_a_config_of_another_shape_does_not_break_the_check(
    checkpoint: Path, config: object
) -> None:
    (checkpoint / "config.json").write_text(json.dumps(config))
    opened = _open(checkpoint)
    assert (opened.max_context, opened.architecture) == (None, "unknown")


def test_the_checkpoints_own_code_is_part_of_its_fingerprint(checkpoint: Path) -> None:
    before = _open(checkpoint).fingerprint
    (checkpoint / "modeling.py").write_text("x = 1")
    assert _open(checkpoint).fingerprint != before


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(HarnessError, match="smollm2-135m"):
        resolve_model("smollm-135m")


def test_a_file_is_no_checkpoint_folder(checkpoint: Path) -> None:
    with pytest.raises(HarnessError, match="is a file"):
        resolve_model(str(checkpoint / "model.safetensors"))


def test_a_download_with_the_wrong_checksum_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"changed on the way")
    with pytest.raises(HarnessError, match="not the file that is meant"):
        checked(file)
