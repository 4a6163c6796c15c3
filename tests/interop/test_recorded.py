"""Logs that other projects published: each imports by a documented command, or is one sentence.

They lie in ``recorded/logs`` beside the folder of the benchmark files. Of long files the first rows
are taken; the whole of them is for ``make test-slow``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.interop.logs import Harness, take_in

FIRST_ROWS = 25
ABEL = ("--model", "abel", "--map", "question=prompt,correct=result")
QWEN = ("--model", "qwen", "--task", "gsm8k", "--map",
        "response=model_output,gold=ground_truth_answer")  # fmt: skip
GPT3 = "gold=ground_truth,response={0}.solution,correct={0}.is_correct"
GSM8K = ("--model", "m", "--task", "gsm8k")
MATCH = ("--model", "m", "--match", "--task")

# Format, file, options; then of the first rows: responses, share on which we and the source agree
# at least (None: the source has no judgement).
LOGS: list[tuple[str, str, tuple[str, ...], int, float | None]] = [
    ("lm-eval", "pyfade", ("--only", "gsm8k"), 3, 1.0),
    ("lm-eval", "pyfade/mmlu", ("--only", "mmlu_pro_plus_chemistry"), 3, 0.66),
    ("lm-eval", "nnz", (), 30, 0.6),
    ("lm-eval", "pmemoli", ("--filter", "flexible-extract"), 1, 1.0),
    ("evalscope", "evalscope/old_reviews_gsm8k.jsonl", ("--task", "g", "--no-match"), 10, 1.0),
    ("evalscope", "evalscope/qwen-plus_predictions_gsm8k.jsonl", ("--task", "gsm8k"), 10, None),
    ("evalscope", "evalscope/qwen-plus_reviews_gsm8k.jsonl", GSM8K, 10, 1.0),
    ("jsonl", "abel/gsm8k_7b.jsonl", (*ABEL, "--task", "gsm8k", "--match"), FIRST_ROWS, 0.99),
    ("jsonl", "abel/mathgpt_70b.jsonl", (*ABEL, "--task", "mathgpt"), FIRST_ROWS, 0.9),
    ("jsonl", "gsm/example_model_solutions.jsonl",
     (*GSM8K, "--map", GPT3.format("6b_finetuning")), FIRST_ROWS, 1.0),
    ("jsonl", "qwen06/zero_shot_model_outputs.jsonl", QWEN, FIRST_ROWS, None),
    ("qwen_math", "tora/gsm8k_70b.jsonl", (*MATCH, "gsm8k"), FIRST_ROWS, None),
    ("qwen_math", "skythought/gemma27_amc23.jsonl", (*MATCH, "amc23"), FIRST_ROWS, 1.0),
    ("qwen_math", "skythought/q14_aime24.jsonl", (*MATCH, "aime24"), FIRST_ROWS, 1.0),
    ("qwen_math", "skythought/q14_math500.jsonl", (*MATCH, "math500"), FIRST_ROWS, 0.9),
    # Its texts are full of special tokens, which is for the extraction to read.
    ("qwen_math", "skythought/skyt1_amc23.jsonl", (*MATCH, "amc23"), FIRST_ROWS, 0.0),
    ("qwen_math", "skythought/skyt1_math500.jsonl", (*MATCH, "math500"), FIRST_ROWS, 0.9),
    ("qwen_math", "prime/llama31_minerva_math.jsonl", (*MATCH, "minerva_math"), FIRST_ROWS, 0.8),
    ("qwen_math", "prime/llama31_olympiadbench.jsonl", (*MATCH, "olympiadbench"), FIRST_ROWS, 0.8),
]  # fmt: skip
# All others, and the whole of those that have more rows.
WHOLE: list[tuple[str, str, tuple[str, ...], int, float | None]] = [
    ("jsonl", "abel/gsm8k_7b.jsonl", (*ABEL, "--task", "gsm8k", "--match"), 1319, 0.99),
    ("jsonl", "abel/mathgpt_70b.jsonl", (*ABEL, "--task", "mathgpt"), 2000, 0.99),
    *(
        ("jsonl", "gsm/example_model_solutions.jsonl", (*GSM8K, "--map", GPT3.format(which), *more),
         1319, 1.0)
        for which, more in (("175b_finetuning", ()), ("175b_verification", ("--match",)))
    ),
    *(
        ("jsonl", f"qwen06/{name}.jsonl", QWEN, 1319, None)
        for name in ("Qwen3-GSM8k-SFT-BF16-temp0", "cot_model_outputs", "zero_shot_model_outputs")
    ),
    ("lm-eval", "pyfade/mmlu", (), 3, 0.66),
    ("evalscope", "evalscope/qwen3-max_predictions_gsm8k.jsonl", ("--task", "gsm8k"), 10, None),
    ("evalscope", "evalscope/qwen3-max_reviews_gsm8k.jsonl", GSM8K, 10, 1.0),
    ("lm-eval", "pmemoli", ("--no-match", "--metric", "strict-match"), 1, 0.0),
    ("evalscope", "evalscope/old_reviews_gsm8k.jsonl", ("--task", "gsm8k"), 10, 1.0),
    ("qwen_math", "tora/gsm8k_70b.jsonl", (*MATCH, "gsm8k"), 1319, None),
    ("qwen_math", "skythought/q14_math500.jsonl", (*MATCH, "math500"), 500, 0.99),
    ("qwen_math", "skythought/skyt1_math500.jsonl", (*MATCH, "math500"), 500, 0.98),
    ("qwen_math", "prime/llama31_minerva_math.jsonl", (*MATCH, "minerva_math"), 272, 0.93),
    ("qwen_math", "prime/llama31_olympiadbench.jsonl", (*MATCH, "olympiadbench"), 675, 0.98),
    ("qwen_math", "prime/qwen25math_minerva_math.jsonl", (*MATCH, "minerva_math"), 272, 0.88),
    ("qwen_math", "prime/qwen25math_olympiadbench.jsonl", (*MATCH, "olympiadbench"), 675, 0.95),
]  # fmt: skip
REFUSED: list[tuple[str, str, tuple[str, ...], str]] = [
    ("inspect", "inspect/log_tool_call_error.json", (), "no sample that a model answered"),
    ("opencompass", "opencompass/pred.json", ("--model", "m", "--task", "t"), "no reference"),
    ("evalscope", "evalscope/qwen-plus_reviews_gsm8k.jsonl", ("--task", "gsm8k"), "--model"),
    ("evalscope", "evalscope/qwen-plus_predictions_gsm8k.jsonl",
     ("--task", "gsm8k", "--no-match"), "no reference"),
    ("jsonl", "opencompass/pred.json", ("--model", "m", "--task", "t"), "over several lines"),
    ("jsonl", "abel/mathgpt_70b.jsonl", (*ABEL, "--task", "gsm8k", "--match"), "None of the file"),
]  # fmt: skip


@pytest.fixture
def logs(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_DATA_DIR", str(data_dir))
    folder = data_dir.parent / "recorded" / "logs"
    if not folder.is_dir():
        pytest.skip("the published logs are not here: they lie beside the benchmark files")
    return folder


def _beginning(path: Path, into: Path) -> Path:
    """Return a file of a long file's first rows, or the path itself."""
    if path.is_dir() or path.suffix != ".jsonl":
        return path
    with path.open(encoding="utf-8") as lines:
        first = list(islice(lines, FIRST_ROWS))
    into = into / path.name
    into.write_text("".join(first), encoding="utf-8")
    return into


def _runs(found: Any) -> Iterator[Any]:
    yield from found if isinstance(found, list) else [found]


def _check(done: Any, responses: int, agreed: float | None) -> None:
    assert done.code == 0, done.err
    for found in _runs(done.json):
        assert found["responses"] == responses and found["run"]["complete"]
        share = found["agreement"]["share"]
        assert share is None if agreed is None else share >= agreed


@pytest.mark.parametrize(("form", "name", "options", "responses", "agreed"), LOGS)
def test_a_published_log_is_imported(
    harness: Harness, logs: Path, tmp_path: Path,
    form: str, name: str, options: tuple[str, ...], responses: int, agreed: float | None,
) -> None:  # fmt: skip
    done = take_in(harness, tmp_path, form, _beginning(logs / name, tmp_path), *options)
    _check(done, responses, agreed)


@pytest.mark.slow
@pytest.mark.parametrize(("form", "name", "options", "responses", "agreed"), WHOLE)
def test_a_long_published_log_is_imported(
    harness: Harness, logs: Path, tmp_path: Path,
    form: str, name: str, options: tuple[str, ...], responses: int, agreed: float | None,
) -> None:  # fmt: skip
    _check(take_in(harness, tmp_path, form, logs / name, *options), responses, agreed)


def test_published_logs_of_inspect_are_imported(
    harness: Harness, logs: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="some of them are compressed with Zstandard")
    done = take_in(harness, tmp_path, "inspect", logs / "inspect")
    assert done.code == 0, done.err
    assert len(done.json) == len(list((logs / "inspect").glob("*.eval")))
    assert sum(found["responses"] for found in done.json) == 31
    # One question has no gold, and that is said; of all others the two agree.
    without = [found for found in done.json if found["agreement"]["share"] not in (1.0, None)]
    assert {found["run"]["task"] for found in without} == {"input_task"}
    assert all("no gold" in " ".join(found["notes"]) for found in without)


@pytest.mark.parametrize(("form", "name", "options", "said"), REFUSED)
def test_a_published_log_that_cannot_be_judged_is_refused_in_one_sentence(
    harness: Harness, logs: Path, tmp_path: Path,
    form: str, name: str, options: tuple[str, ...], said: str,
) -> None:  # fmt: skip
    done = take_in(harness, tmp_path, form, _beginning(logs / name, tmp_path), *options)
    assert done.code == 2 and said in done.err and "Traceback" not in done.err
    assert not (tmp_path / "r.duckdb").exists()


def test_empty_responses_and_other_filters_are_mentioned(
    harness: Harness, logs: Path, tmp_path: Path
) -> None:
    done = take_in(harness, tmp_path, "lm-eval", logs / "nnz")
    assert "17 of 30 responses are empty." in done.json["notes"]
    done = take_in(harness, tmp_path, "lm-eval", logs / "pmemoli")
    assert done.json["run"]["model"] == "microsoft/Phi-3-mini-4k-instruct"
    (note,) = done.json["notes"]
    assert "--metric exact_match,flexible-extract" in note
