"""Thoughts, budgets and loops on the real engine, with a template that opens a thought."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import run_harness

BUDGET, THOUGHT = 160, 12


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> list[dict[str, Any]]:
    """A small model that is made to think, its thought bounded and its loops ended."""
    root = tmp_path_factory.mktemp("thinking")
    folder = root / "thinker"
    shutil.copytree(model_folder, folder)
    template = folder / "chat_template.jinja"
    opened = "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}"
    if template.is_file():
        template.write_text(template.read_text() + opened)
    else:
        config = json.loads((folder / "tokenizer_config.json").read_text())
        config["chat_template"] += opened
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    results = root / "results.duckdb"
    command = ["eval", "--model", folder, "--tasks", "quick", "--limit", "16", "--json"]
    command += ["--max-tokens", str(BUDGET), "--results", str(results)]
    bounded = ["--thinking-budget", str(THOUGHT), "--stop-loops", "--thinking"]
    done = run_harness(*command, *bounded)
    assert done.code == 0, done.err
    with duckdb.connect(str(results), read_only=True) as connection:
        found = connection.execute(
            "SELECT g.*, r.chat, r.protocol FROM generation g JOIN request q USING (key)"
            " JOIN run r ON r.id = q.run_id"
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_the_engine_ends_a_thought_at_its_budget(rows: list[dict[str, Any]]) -> None:
    assert len(rows) == 16
    closing = 8  # the tag is plain text to this tokenizer
    for row in rows:
        assert row["thought"] and "</think>" not in row["thought"] + row["answer"]
        assert 0 < row["thought_tokens"] <= THOUGHT + closing
        assert row["completion_tokens"] <= BUDGET
    ended = [row for row in rows if row["answer"]]
    assert len(ended) > 8
    assert all(row["thought_tokens"] < row["completion_tokens"] for row in ended)
    # Some stop within the thought by themselves, which is no answer whatever it says, and some say
    # nothing behind it.
    for row in rows:
        silent = row["finish_reason"] == "stop" and row["thought_tokens"] < row["completion_tokens"]
        assert row["answer"] or row["truncated"] or silent


def test_the_engine_ends_a_loop_and_it_counts_as_cut_off(rows: list[dict[str, Any]]) -> None:
    looped = [row for row in rows if row["finish_reason"] == "repetition"]
    assert looped, "this model loops on some of these items"
    for row in looped:
        assert row["loop"] and row["truncated"]
        assert row["completion_tokens"] < BUDGET


def test_a_run_says_what_its_template_was_asked_for(rows: list[dict[str, Any]]) -> None:
    assert json.loads(rows[0]["chat"])["thinking"] is True
    sampling = json.loads(rows[0]["protocol"])["sampling"]
    assert (sampling["thinking_budget"], sampling["stop_loops"]) == (THOUGHT, True)
