"""What an engine would run on weights that nobody trained is refused before one starts."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.models.checkpoint import Checkpoint
from harness.models.resolve import resolve_model
from harness.models.validate import refuse
from harness.models.validate_worker import compare
from tests.models.test_prompts import TURNS, make_tokenizer

TINY: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
ROUTED = {
    **{"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    **{"n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
}
ASKS = TURNS + "{% if add_generation_prompt %}<assistant>{% endif %}"
Change = Callable[[dict[str, Any], dict[str, Any]], None]


def _save(folder: Path, kind: str, change: Change | None = None, **more: Any) -> Path:
    """Write a tiny checkpoint; ``change`` alters its tensors and its configuration."""
    import torch
    import transformers
    from safetensors.torch import load_file, save_file

    shards = {"max_shard_size": more.pop("max_shard_size", "1GB")}
    config = getattr(transformers, f"{kind}Config")(**{**TINY, **more})
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder, **shards)
    if change is not None:
        file, described = folder / "model.safetensors", folder / "config.json"
        tensors, content = load_file(file), json.loads(described.read_text())
        change(tensors, content)
        save_file(tensors, file, metadata={"format": "pt"})
        described.write_text(json.dumps(content))
    return folder


def _refusal(folder: Path) -> str | None:
    found = compare(folder)
    assert "not_compared" not in found, found
    (folder / "tokenizer.json").write_text("{}")
    try:
        refuse(Checkpoint.open(folder, name="tiny", source=""), found)
    except HarnessError as error:
        return str(error)
    return None


def _head_of_its_own(tensors: dict[str, Any], _: dict[str, Any]) -> None:
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()


def _old_buffers(tensors: dict[str, Any], _: dict[str, Any]) -> None:
    import torch

    for layer in range(2):
        for name in ("inv_freq", "cos_cached"):
            tensors[f"model.layers.{layer}.self_attn.rotary_emb.{name}"] = torch.ones(4)


def _guesses_ahead(tensors: dict[str, Any], config: dict[str, Any]) -> None:
    """Add a layer for multi-token prediction, which an engine leaves out."""
    config["num_nextn_predict_layers"] = 1
    for name in list(tensors):
        if name.startswith("model.layers.1."):
            tensors[name.replace(".1.", ".2.", 1)] = tensors[name].clone()
    tensors["model.layers.2.eh_proj.weight"] = tensors["model.norm.weight"].clone()


@pytest.mark.parametrize(
    ("kind", "more", "change"),
    [
        ("Qwen2", {}, None),
        ("Qwen3", {"max_shard_size": "20KB"}, None),
        ("Llama", {"dtype": "float16"}, None),
        ("Llama", {}, _old_buffers),
        ("Mistral", {}, None),
        ("Phi3", {}, None),
        ("Gemma2", {}, None),
        ("Gemma3Text", {}, None),
        ("Qwen3Moe", EXPERTS, None),
        ("Glm4Moe", ROUTED, _guesses_ahead),
        ("Qwen2", {"tie_word_embeddings": True}, None),
        ("Qwen2", {"tie_word_embeddings": True}, _head_of_its_own),
        ("Qwen2", {"vocab_size": 320}, None),
    ],
)
def test_a_sound_checkpoint_of_any_kind_is_taken(
    tmp_path: Path, kind: str, more: dict[str, Any], change: Change | None
) -> None:
    assert _refusal(_save(tmp_path, kind, change, **more)) is None


def _without(*names: str) -> Change:
    def change(tensors: dict[str, Any], _: dict[str, Any]) -> None:
        for name in names:
            del tensors[name]

    return change


def _value_head(tensors: dict[str, Any], _: dict[str, Any]) -> None:
    tensors["v_head.summary.weight"] = tensors["model.norm.weight"].clone()


def _compiled(tensors: dict[str, Any], _: dict[str, Any]) -> None:
    for name in list(tensors):
        tensors[f"_orig_mod.{name}"] = tensors.pop(name)


def _another_vocabulary(_: dict[str, Any], config: dict[str, Any]) -> None:
    config["vocab_size"] = 200


_EXPERT = "model.layers.1.mlp.experts.2"


@pytest.mark.parametrize(
    ("kind", "more", "change", "said"),
    [
        ("Llama", {}, _without("lm_head.weight"), "lacks .* needs: lm_head.weight. .*tie_word_"),
        ("Llama", {}, _without("model.embed_tokens.weight"), "lacks .*model.embed_tokens.weight"),
        (
            "Llama",
            {},
            _without(
                "model.layers.0.self_attn.q_proj.weight",
                "model.layers.0.self_attn.k_proj.weight",
                "model.layers.1.mlp.up_proj.weight",
                "model.layers.1.mlp.down_proj.weight",
            ),
            "q_proj.weight, model.layers.1.mlp.down_proj.weight and 1 more",
        ),
        ("Qwen3Moe", EXPERTS, _without(f"{_EXPERT}.up_proj.weight"), "joined|other shapes|lacks"),
        ("Llama", {}, _value_head, "does not know: v_head.summary.weight"),
        ("Llama", {}, _compiled, "lacks .*and 18 more"),
        ("Llama", {}, _another_vocabulary, r"other shapes .*\[300, 16\] where \[200, 16\]"),
    ],
)
def test_weights_that_are_not_those_of_the_architecture_are_named(
    tmp_path: Path, kind: str, more: dict[str, Any], change: Change, said: str
) -> None:
    refused = _refusal(_save(tmp_path, kind, change, **more))
    assert refused is not None and re.search(said, refused), refused


def test_code_of_its_own_is_asked_for_unless_an_engine_knows_the_model(tmp_path: Path) -> None:
    _save(tmp_path, "Llama")
    described = tmp_path / "config.json"
    own = {"auto_map": {"AutoConfig": "own.Config"}, "architectures": ["Own"]}
    for model_type, found in (("own", "own_code"), ("kimi_linear", "not_compared")):
        described.write_text(json.dumps(own | {"model_type": model_type}))
        assert found in compare(tmp_path)


LOOPS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
TEMPLATES = {"plain": None, "loops": LOOPS + ASKS, "headless": ASKS}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> dict[str, tuple[Path, Checkpoint | HarnessError]]:
    """Open checkpoints as the command line does, in processes of their own."""
    made = _save(tmp_path_factory.mktemp("models") / "made", "Llama")
    folders = {name: made.with_name(name) for name in TEMPLATES}
    for name, folder in folders.items():
        shutil.copytree(made, folder)
        make_tokenizer(folder, template=TEMPLATES[name], adds_bos=False)
    _save(folders["headless"], "Llama", _without("lm_head.weight"))

    def look(folder: Path) -> Checkpoint | HarnessError:
        try:
            return resolve_model(str(folder))
        except HarnessError as error:
            return error

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(3) as pool:
        patch.setenv("HARNESS_CACHE_DIR", str(cache))
        found = list(pool.map(look, folders.values()))
    return {name: (folders[name], one) for name, one in zip(folders, found, strict=True)}


def test_a_forgotten_chat_template_is_said(opened: dict[str, Any]) -> None:
    checkpoint = opened["plain"][1]
    assert isinstance(checkpoint, Checkpoint), checkpoint
    assert checkpoint.chat_template_fault == "none"
    (said,) = checkpoint.notices
    assert "has no chat template" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("headless", "lacks weights .*: lm_head.weight"),
        ("loops", "rendering a prompt .* more than 5 seconds"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(
    opened: dict[str, Any], name: str, said: str
) -> None:
    refused = opened[name][1]
    assert isinstance(refused, HarnessError) and re.search(said, str(refused)), refused


def test_what_was_found_sound_is_not_looked_into_again(
    opened: dict[str, Any], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(cache))
    monkeypatch.setattr(sys, "executable", "/nowhere")  # no process can be started
    again = resolve_model(str(opened["plain"][0]))
    assert again == opened["plain"][1]


def test_a_machine_without_memory_does_not_make_a_checkpoint_damaged(
    opened: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = tmp_path / "python"
    ended.write_text("#!/bin/sh\nkill -9 $$\n")
    ended.chmod(0o755)
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "executable", str(ended))
    with pytest.raises(HarnessError, match="for want of memory .* Free some memory"):
        resolve_model(str(opened["plain"][0]))
