"""Bad checkpoints are refused with one sentence, before any engine starts."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.models.builtin import checked
from harness.models.checkpoint import Checkpoint
from harness.models.resolve import resolve_model
from harness.run.plan import with_stored_fingerprint
from harness.store import Journal, Store
from harness.store.rows import model_row
from harness.types import digest
from tests.store.test_training import training


def _safetensors(path: Path, values: int = 4) -> None:
    _written(path, {"w": ("BF16", [values], 0, 2 * values)}, bytes(2 * values))


def _written(path: Path, tensors: dict[str, tuple[str, list[int], int, int]], data: bytes) -> None:
    described = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
        for name, (dtype, shape, begin, end) in tensors.items()
    }
    header = json.dumps(described).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


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
    with pytest.raises(HarnessError, match="not a valid safetensors file"):
        _open(checkpoint)


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 64, struct.pack("<Q", 4) + b"oops", struct.pack("<Q", 2) + b"[]"]
)
def test_garbage_in_place_of_weights_is_refused(checkpoint: Path, content: bytes) -> None:
    (checkpoint / "model.safetensors").write_bytes(content)
    with pytest.raises(HarnessError, match="not a valid safetensors file"):
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
    config = {"auto_map": {"AutoConfig": "modeling.Config"}}
    (checkpoint / "config.json").write_text(json.dumps(config))
    before = _open(checkpoint).fingerprint
    (checkpoint / "modeling.py").write_text("x = 1")
    assert _open(checkpoint).fingerprint != before


def test_what_no_loader_reads_does_not_make_it_another_model(checkpoint: Path) -> None:
    before = _open(checkpoint)
    assert before.earlier_fingerprint is None
    for name in ("trainer_state.json", "eval_results.json", "notes.txt", "convert.py"):
        (checkpoint / name).write_text("{}")
    after = _open(checkpoint)
    assert after.fingerprint == before.fingerprint and after.same_files(before)
    # Results of earlier versions are stored under what they hashed.
    assert after.earlier_fingerprint not in (None, before.fingerprint)


@pytest.mark.parametrize("stored_as", ["measured", "trained from"])
def test_results_stored_under_the_earlier_fingerprint_are_gone_on_with(
    checkpoint: Path, tmp_path: Path, stored_as: str
) -> None:
    (checkpoint / "trainer_state.json").write_text("{}")
    model = _open(checkpoint)
    assert model.earlier_fingerprint is not None
    store = Store(tmp_path / "results.duckdb")
    assert with_stored_fingerprint(model, store) == model and not store.path.exists()
    with Journal(store) as journal:
        if stored_as == "measured":
            earlier = replace(model, fingerprint=model.earlier_fingerprint)
            journal.append("model", model_row(earlier))
        else:
            journal.append("training", training(base=model.earlier_fingerprint))
    known = with_stored_fingerprint(model, store)
    assert isinstance(known, Checkpoint)
    assert known.fingerprint == model.earlier_fingerprint
    # The engine still finds it unchanged while a trainer writes its log.
    (checkpoint / "trainer_state.json").write_text("[]")
    assert _open(checkpoint).same_files(known)
    with Journal(store) as journal:
        journal.append("model", model_row(model))
    assert with_stored_fingerprint(model, store) == model


@pytest.mark.parametrize(
    "name",
    ["generation_config.json", "chat_template.jinja", "chat_template.json", "merges.txt"]
    + ["spiece.model", "qwen.tiktoken", "additional_chat_templates/tool_use.jinja"],
)
def test_what_a_loader_reads_makes_it_another_model(checkpoint: Path, name: str) -> None:
    before = _open(checkpoint).fingerprint
    file = checkpoint / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("{}")
    assert _open(checkpoint).fingerprint != before


def test_weights_that_an_engine_prefers_to_those_of_the_index_are_looked_at(
    checkpoint: Path,
) -> None:
    index = {"weight_map": {"w": "model.safetensors"}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    before = _open(checkpoint)
    preferred = checkpoint / "consolidated.safetensors"
    _written(preferred, {"norm": ("BF16", [1], 0, 2)}, bytes([0xC0, 0x7F]))
    opened = _open(checkpoint)
    assert opened.fingerprint != before.fingerprint == opened.earlier_fingerprint
    assert opened.not_finite == ("norm",) and opened.parameters == before.parameters


def test_the_built_in_model_keeps_the_fingerprint_that_results_are_stored_under(
    model_folder: Path,
) -> None:
    opened = _open(model_folder)
    assert opened.earlier_fingerprint is None
    read = sorted((file.name, file) for file in model_folder.iterdir())
    hashed = [(name, hashlib.sha256(file.read_bytes()).hexdigest()) for name, file in read]
    assert opened.fingerprint == digest(hashed)


@pytest.mark.parametrize(
    ("dtype", "bad"),
    [
        ("BF16", b"\xc0\x7f"),
        ("BF16", b"\x80\xff"),
        ("F16", b"\x00\x7c"),
        ("F32", b"\x00\x00\xc0\x7f"),
        ("F64", bytes(6) + b"\xf0\xff"),
    ],
)
def test_weights_that_are_not_finite_are_found_by_name(
    checkpoint: Path, dtype: str, bad: bytes
) -> None:
    many = 3_000_000 // len(bad)  # more than is read at a time
    size = many * len(bad)
    tensors = {
        "sound": (dtype, [many], 0, size),
        "broken": (dtype, [many], size, 2 * size),
        "attn.masked_bias": (dtype, [1], 2 * size, 2 * size + len(bad)),
    }
    data = bytes(size) + bytes(size - len(bad)) + bad + bad
    _written(checkpoint / "model.safetensors", tensors, data)
    assert _open(checkpoint).not_finite == ("broken",)
    assert _open(checkpoint).not_finite == ("broken",)  # as remembered
    with pytest.raises(HarnessError, match="not a number .*: broken"):
        resolve_model(str(checkpoint))


@pytest.mark.parametrize(
    "tensors",
    [
        {"a": ("BF16", [2], 0, 4), "b": ("BF16", [2], 2, 6)},
        {"a": ("BF16", [2], 0, 4), "b": ("BF16", [2], 6, 10)},
        {"a": ("BF16", [2], -4, 0)},
        {"a": ("BF16", [10**18], 0, 4)},
        {"a": ("BF16", [10**400], 0, 4)},
        {"a": ("BF16", [-2, -1], 0, 4)},
        {"a": ("BF16", [[]], 0, 4)},
    ],
)
def test_headers_that_promise_nonsense_are_refused(
    checkpoint: Path, tensors: dict[str, tuple[str, list[int], int, int]]
) -> None:
    end = max(tensor[3] for tensor in tensors.values())
    _written(checkpoint / "model.safetensors", tensors, bytes(end))
    with pytest.raises(HarnessError, match="not a valid safetensors file"):
        _open(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["fifo", "loop", "folder"])
def test_what_is_no_file_is_refused_and_never_waited_for(
    checkpoint: Path, name: str, kind: str
) -> None:
    file = checkpoint / name
    file.unlink(missing_ok=True)
    make: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(file),
        "loop": lambda: file.symlink_to(file),
        "folder": file.mkdir,
    }
    make[kind]()
    if name == "tokenizer_config.json" and kind != "fifo":
        _open(checkpoint)  # such a one is as good as none
        return
    with pytest.raises(HarnessError):
        _open(checkpoint)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer_config.json"])
def test_json_nested_without_end_is_refused(checkpoint: Path, name: str) -> None:
    deep = b"[" * 200_000
    framed = struct.pack("<Q", len(deep)) + deep if name == "model.safetensors" else deep
    (checkpoint / name).write_bytes(framed)
    with pytest.raises(HarnessError, match="nested too deeply"):
        _open(checkpoint)


def test_more_layers_than_weights_are_refused_before_they_are_made(checkpoint: Path) -> None:
    (checkpoint / "config.json").write_text('{"num_hidden_layers": 1000000000}')
    with pytest.raises(HarnessError, match="promises 1,000,000,000 layers"):
        _open(checkpoint)


@pytest.mark.parametrize("name", ["quant_config.json", "hf_quant_config.json", None])
def test_weights_are_known_to_be_quantised_wherever_that_is_said(
    checkpoint: Path, name: str | None
) -> None:
    assert not _open(checkpoint).is_quantised
    if name is None:
        config = json.loads((checkpoint / "config.json").read_text())
        config["text_config"] = {"quantization_config": {"quant_method": "fp8"}}
        (checkpoint / "config.json").write_text(json.dumps(config))
    else:
        (checkpoint / name).write_text("{}")
    assert _open(checkpoint).is_quantised


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
