"""Taking in logs such as lighteval and Inspect write, and files that are none."""

from __future__ import annotations

import csv
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.interop.logs import APPLES, PEARS, SUMS, Harness, protocol_of, rows_of, take_in


def _lighteval(folder: Path, select: str, task: str = "my_sums|0") -> Path:
    date = "2026-01-02T03-04-05.000006"
    details = folder / "details" / "org" / "model-x" / date
    details.mkdir(parents=True)
    file = details / f"details_{task}_{date}.parquet"
    duckdb.sql(f"COPY ({select}) TO '{file}' (FORMAT parquet)")
    results = folder / "results" / "org" / "model-x"
    results.mkdir(parents=True)
    settings = {"temperature": 0.6, "top_p": 0.95, "max_new_tokens": 4}
    config = {"model_name": "org/model-x", "model_config": {"generation_parameters": settings}}
    (results / f"results_{date}.json").write_text(json.dumps({"config_general": config}))
    return file


LIGHTEVAL_NEW = f"""
SELECT {{'query': 'Solve this. {APPLES} Think.', 'choices': ['5'], 'gold_index': 0, 'id': '0',
         'instruction': NULL, 'generation_size': 99, 'stop_sequences': []}} AS doc,
       {{'text': ['so \\boxed{{5}}'], 'input_tokens': [1, 2, 3], 'output_tokens': [[1, 2, 3, 4]],
         'reasonings': ['hm']}} AS model_response,
       {{'extractive_match': 1.0::DOUBLE}} AS metric
UNION ALL
SELECT {{'query': 'Solve this. {PEARS} Think.', 'choices': ['9'], 'gold_index': 0, 'id': '1',
         'instruction': NULL, 'generation_size': 99, 'stop_sequences': []}},
       {{'text': ['8'], 'input_tokens': [1, 2], 'output_tokens': [[1, 2]], 'reasonings': [NULL]}},
       {{'extractive_match': 0.0::DOUBLE}}
"""
LIGHTEVAL_OLD = f"""
SELECT '{APPLES}' AS example, 'Solve. {APPLES}' AS full_prompt, '' AS instruction,
       '[''so \\\\boxed{{5}}'']' AS predictions, '[''5'']' AS gold, '[[1, 2, 3]]' AS input_tokens,
       '[[4, 5]]' AS cont_tokens, '{{''qem'': 1}}' AS metrics
"""


def test_details_of_lighteval_are_read_with_tokens_thought_and_settings(
    harness: Harness, tmp_path: Path
) -> None:
    (tmp_path / "my_sums.py").write_text(SUMS)
    _lighteval(tmp_path / "log", LIGHTEVAL_NEW)
    done = take_in(harness, tmp_path, "lighteval", tmp_path / "log", "--tasks-dir", tmp_path)
    assert done.code == 0, done.err
    run = done.json["run"]
    assert (run["model"], run["task"], run["score"]["value"]) == ("org/model-x", "my_sums", 0.5)
    assert done.json["unmatched"] == [] and done.json["agreement"]["share"] == 1
    assert protocol_of(tmp_path)["sampling"] == {
        "temperature": 0.6, "top_p": 0.95, "max_tokens": 4, "stop": [],
    }  # fmt: skip
    rows = rows_of(
        tmp_path,
        "SELECT item_id, thought, finish_reason, truncated, prompt_tokens, completion_tokens"
        " FROM sample ORDER BY ALL",
    )
    assert rows == [
        ("apples", "hm", "length", True, 3, 4),
        ("pears", "", "unknown", False, 2, 2),
    ]


def test_old_details_of_lighteval_hold_python_texts(harness: Harness, tmp_path: Path) -> None:
    file = _lighteval(tmp_path / "log", LIGHTEVAL_OLD, "lighteval|gsm8k_like|5")
    done = take_in(harness, tmp_path, "lighteval", file)
    assert done.code == 0, done.err
    assert (done.json["run"]["task"], done.json["run"]["score"]["value"]) == ("gsm8k_like", 1)
    assert done.json["agreement"]["both_right"] == 1


def _inspect_sample(
    question: str, epoch: int, content: object, value: object, **more: Any
) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "source": "generate"}
    return {
        "id": "pears" if question == PEARS else "apples",
        "epoch": epoch,
        "input": question,
        "target": "5" if question == APPLES else "9",
        "messages": [{"role": "user", "content": f"Solve. {question}"}, message],
        "output": {
            "model": "m",
            "choices": [{"message": message, "stop_reason": more.pop("stop_reason", "stop")}],
            "usage": {"input_tokens": 7, "output_tokens": 9, "reasoning_tokens": 4},
            "time": 0.5,
        },
        "scores": {"match": {"value": value, "answer": "?"}},
    } | more


HEADER = {
    "version": 2,
    "status": "success",
    "eval": {
        "task": "inspect_evals/my_sums", "task_version": 3, "model": "openai/some-model",
        "packages": {"inspect_ai": "0.3.999"}, "model_generate_config": {"temperature": 0.5},
    },
    "plan": {"steps": [{"solver": "generate", "params": {}}], "config": {"max_tokens": 9}},
}  # fmt: skip
REASONED = [
    {"type": "reasoning", "reasoning": "attachment://t"},
    {"type": "text", "text": "\\boxed{5}"},
]
INSPECT = [
    _inspect_sample(APPLES, 1, REASONED, "C", attachments={"t": "two and three"}),
    _inspect_sample(APPLES, 2, "\\boxed{6}", "I"),
    _inspect_sample(PEARS, 1, "so it is", 0.0, stop_reason="max_tokens"),
    _inspect_sample(PEARS, 2, "\\boxed{9}", "P"),
    {"id": "failed", "epoch": 1, "input": "?", "target": "", "output": {"choices": []}},
]


def _eval(path: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("header.json", json.dumps(HEADER))
        for row in INSPECT:
            name = f"samples/{row['id']}_epoch_{row['epoch']}.json"
            archive.writestr(name, json.dumps(row))
    return path


@pytest.mark.parametrize("form", ["eval", "json"])
def test_a_log_of_inspect_is_read_with_epochs_thought_and_usage(
    harness: Harness, tmp_path: Path, form: str
) -> None:
    (tmp_path / "my_sums.py").write_text(SUMS)
    log = tmp_path / f"log.{form}"
    if form == "eval":
        _eval(log)
    else:
        log.write_text(json.dumps(HEADER | {"samples": INSPECT}))
    done = take_in(harness, tmp_path, "inspect", log, "--tasks-dir", tmp_path)
    assert done.code == 0, done.err
    run = done.json["run"]
    assert (run["model"], run["task"], run["samples"]) == ("openai/some-model", "my_sums", 2)
    assert len(done.json["notes"]) == 2, "one sample failed, one has partial credit"
    protocol = protocol_of(tmp_path)
    assert protocol["sampling"] == {
        "temperature": 0.5, "top_p": None, "max_tokens": 9, "stop": None,
    }  # fmt: skip
    rows = rows_of(
        tmp_path,
        "SELECT item_id, sample_index, thought, finish_reason, truncated, completion_tokens,"
        " correct FROM sample ORDER BY ALL",
    )
    assert rows == [
        ("apples", 0, "two and three", "stop", False, 9, True),
        ("apples", 1, "", "stop", False, 9, False),
        ("pears", 0, "", "length", True, 9, False),
        ("pears", 1, "", "stop", False, 9, True),
    ]
    source = rows_of(
        tmp_path, "SELECT correct FROM sample_by('source') ORDER BY item_id, sample_index"
    )
    assert [row[0] for row in source] == [True, False, False, None]


def test_what_a_log_says_is_no_formula_to_a_spreadsheet(harness: Harness, tmp_path: Path) -> None:
    sample = _inspect_sample(APPLES, 1, "5", "C", stop_reason="=HYPERLINK(1)")
    log = tmp_path / "log.json"
    log.write_text(json.dumps(HEADER | {"samples": [sample]}))
    assert take_in(harness, tmp_path, "inspect", log).code == 0
    out = tmp_path / "out.csv"
    done = harness("export", "--format", "csv", "--out", out, "--results", tmp_path / "r.duckdb")
    assert done.code == 0, done.err
    with out.open(newline="") as table:
        (row,) = csv.DictReader(table)
    assert row["finish_reason"] == "'=HYPERLINK(1)"


def _as_zstandard(path: Path) -> Path:
    """Recompress a log's members as current versions of Inspect do."""
    pyarrow = pytest.importorskip("pyarrow")
    codec = pyarrow.Codec("zstd")
    packed: list[tuple[str, bytes, int]] = []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            content = archive.read(info)
            packed.append((info.filename, codec.compress(content, asbytes=True), len(content)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content, _ in packed:
            archive.writestr(name, content)
        for info, (_, _, size) in zip(archive.infolist(), packed, strict=True):
            # Written into the directory at its end; what precedes a member is only skipped.
            info.compress_type, info.file_size = 93, size
    return path


def test_zstandard_is_unpacked_or_the_remedy_is_said(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = _as_zstandard(_eval(tmp_path / "log.eval"))
    done = take_in(harness, tmp_path, "inspect", log)
    assert done.code == 0, done.err
    assert done.json["run"]["requests"] == 4
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = take_in(harness, tmp_path, "inspect", log)
    assert done.code == 2 and "inspect log convert" in done.err


def test_a_log_that_would_not_fit_is_refused(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.interop.importers import inspect

    log = _eval(tmp_path / "log.eval")
    monkeypatch.setattr(inspect, "MOST_MEMBER_BYTES", 100)
    done = take_in(harness, tmp_path, "inspect", log)
    assert done.code == 2 and "larger than" in done.err
    assert not (tmp_path / "r.duckdb").exists()


@pytest.mark.parametrize("form", ["inspect", "lighteval", "lm-eval"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b'{"eval": 1}', b"\xff\xfe", b"[]"])
def test_a_file_that_is_no_log_is_one_sentence(
    harness: Harness, tmp_path: Path, form: str, content: bytes
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    done = take_in(harness, tmp_path, form, file, "--model", "m", "--task", "t")
    assert done.code == 2 and done.err.startswith("error: ") and "Traceback" not in done.err
