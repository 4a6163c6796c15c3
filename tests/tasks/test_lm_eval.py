"""lm-eval's tasks on our path say what lm-eval itself says; what cannot be asked says why.

The comparison runs in a process of its own and reports numbers only: documents of GPQA must not
appear in an assertion.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="tasks of lm-eval need lm-eval")

from harness.errors import HarnessError
from harness.grading import GraderPool
from harness.registry import load_task
from harness.task import Task, data_sha256
from harness.types import Item, Status, Verdict
from tasks._lm_eval_config import task_files

# What lm-eval's tasks and its data library warn of when they are imported.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::SyntaxWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

BENCH = Path(__file__).resolve().parents[2] / "bench" / "lm_eval_scores.py"
NEEDED = ("gsm8k.jsonl", "math500.jsonl", "aime24.jsonl", "gpqa_dataset.zip")
QUESTIONS = [
    {"question": f"What is {number} plus {number}?", "answer": f"It is.\n#### {2 * number}"}
    for number in range(1, 13)
]


@pytest.fixture
def mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local file in the place of GSM8K."""
    rows = "".join(json.dumps(row) + "\n" for row in QUESTIONS)
    (tmp_path / "sums.jsonl").write_text(rows)
    mapping = tmp_path / "data.json"
    splits = {"train": "sums.jsonl", "test": "sums.jsonl"}
    entries: dict[str, Any] = {name: {"files": splits} for name in ("gsm8k", "gsm8k_cot")}
    entries["gsm8k_cot_self_consistency"] = {"files": splits}
    mapping.write_text(json.dumps(entries))
    monkeypatch.setenv("HARNESS_LM_EVAL_DATA", str(mapping))
    return mapping


def judge(item: Item, *responses: str) -> list[Verdict]:
    with GraderPool(workers=1, scorers=[item.scorer]) as pool:
        futures = [
            pool.submit(
                gold=item.gold,
                response=response,
                truncated=False,
                scorer=item.scorer,
                reference=item.reference,
            )
            for response in responses
        ]
        return [future.result() for future in futures]


def test_scores_verdicts_and_prompts_are_lm_evals(data_dir: Path) -> None:
    missing = [name for name in NEEDED if not (data_dir / name).is_file()]
    if missing:
        pytest.skip(f"not in the folder of benchmark files: {', '.join(missing)}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(BENCH), "--docs", "100", "--json"],
        env=os.environ | {"HARNESS_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, "the comparison itself failed; run bench/lm_eval_scores.py"
    rows = json.loads(done.stdout)
    assert len(rows) == 8
    for row in rows:
        assert row["ours"] == row["lm_eval"]
        assert not row["other_verdicts"] and not row["other_prompts"] and not row["failures"]
        assert 0 < row["ours"] < 1
        assert row["docs"] == (30 if row["task"].startswith("aime24") else 100)


@pytest.mark.usefixtures("mapped")
def test_a_task_takes_lm_evals_settings() -> None:
    task = load_task("lm_eval:gsm8k")
    assert task.name == "lm_eval:gsm8k"
    assert task.stop == ("Question:", "</s>", "<|im_end|>")
    assert (task.max_tokens, task.samples, task.temperature) == (256, 1, 0.0)
    item = task.items()[0]
    (message,) = task.prompt(item)
    assert message["role"] == "user" and message["content"].count("Question: What is") == 6
    assert message["content"].endswith("Question: What is 1 plus 1?\nAnswer:")
    assert item.gold == "It is.\n#### 2"


@pytest.mark.usefixtures("mapped")
def test_items_and_prompts_are_the_same_every_time() -> None:
    def made() -> tuple[str, list[Any]]:
        task: Task = load_task("lm_eval:gsm8k")
        items = task.items()
        return data_sha256(items), [task.prompt(item) for item in items]

    assert made() == made()


@pytest.mark.usefixtures("mapped")
def test_another_filter_judges_by_its_own_rule() -> None:
    strict = load_task("lm_eval:gsm8k").items()[0]
    flexible = load_task("lm_eval:gsm8k/flexible-extract").items()[0]
    right, missed = judge(strict, "1 + 1 = 2\n#### 2", "It is 2")
    assert right.correct and right.extracted == "2" and right.status is Status.OK
    assert not missed.correct and missed.status is Status.NO_ANSWER
    assert [verdict.correct for verdict in judge(flexible, "It is 2", "It is 3")] == [True, False]
    assert right.seconds < 1, "what imports take is not part of an answer's time"


@pytest.mark.usefixtures("mapped")
def test_repeats_become_samples() -> None:
    task = load_task("lm_eval:gsm8k_cot_self_consistency/score-first")
    assert (task.samples, task.temperature) == (64, 0.2)


def test_the_index_is_lm_evals_own_for_what_it_names() -> None:
    files = task_files()
    assert len(files) > 10_000
    assert files["aime24"].name == "aime24.yaml"
    assert files["gpqa_diamond_cot_zeroshot"].parent.name == "cot_zeroshot"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gsm8kk", "gsm8k"),
        ("mmlu", "is a group"),
        ("gsm8k/flexible", "flexible-extract"),
        ("hellaswag", "log-likelihoods"),
        ("humaneval", "code that the model wrote"),
        ("wmt14-en-fr", "bleu"),
        ("arc_challenge_chat", "begins the model's answer"),
        ("squadv2", "Python class"),
        ("mmmu_val_art", "pictures"),
        ("gsm8k_cot_self_consistency/maj@64", "several samples"),
        ("global_piqa_nonparallel_generation_acm_arab", "top_p|bleu|exact|begins"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(name: str, said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        load_task(f"lm_eval:{name}")


def test_scoring_code_that_evaluates_is_refused() -> None:
    # Its own module is harmless; the one that it imports beside it is not.
    with pytest.raises(HarnessError, match=r"uses parse_expr\(\), and nothing that a model wrote"):
        load_task("lm_eval:non_greedy_robustness_math_algebra")


def test_missing_data_is_said_in_a_sentence(mapped: Path) -> None:
    mapping = json.loads(mapped.read_text())
    mapping["gsm8k"]["files"] = {"test": "sums.jsonl"}
    mapping["gsm8k_cot"]["files"] = {"test": "nowhere.jsonl"}
    mapped.write_text(json.dumps(mapping))
    with pytest.raises(HarnessError, match="no 'train'"):
        load_task("lm_eval:gsm8k").items()
    with pytest.raises(HarnessError, match=r"nowhere\.jsonl"):
        load_task("lm_eval:gsm8k_cot").items()
    mapped.write_text("not JSON")
    with pytest.raises(HarnessError, match="cannot be read"):
        load_task("lm_eval:gsm8k").items()


def test_gpqa_is_restricted() -> None:
    assert load_task("lm_eval:gpqa_diamond_cot_zeroshot").restricted
    assert not load_task("lm_eval:gsm8k").restricted
