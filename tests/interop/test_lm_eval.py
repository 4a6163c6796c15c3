"""Taking in logs that lm-eval wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from tests.interop.logs import APPLES, OTHER, PEARS, SUMS, Harness, protocol_of, rows_of, take_in

# Runs lm-eval itself on a local file, with a model that says what it is given.
LM_EVAL = """
import json, sys
from pathlib import Path
from typing import Any
import lm_eval
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

folder = Path(sys.argv[1])
said = json.loads((folder / "said.json").read_text())

class FixedAnswers(LM):
    def generate_until(self, requests, disable_tqdm=False):
        return [said[request.doc_id] for request in requests]
    def loglikelihood(self, requests): raise NotImplementedError
    def loglikelihood_rolling(self, requests): raise NotImplementedError

tracker = EvaluationTracker(output_path=str(folder / "out"))
tracker.general_config_tracker.log_experiment_args(
    model_source="given", model_args="pretrained=/models/given-model", system_instruction=None,
    chat_template=None, fewshot_as_multiturn=False)
found = lm_eval.simple_evaluate(
    model=FixedAnswers(), tasks=[str(folder / "sums.yaml")], bootstrap_iters=0,
    task_manager=TaskManager(include_defaults=False), gen_kwargs={"max_gen_toks": 7})
samples = found.pop("samples")
tracker.save_results_aggregated(results=found, samples=samples)
for task, rows in samples.items():
    tracker.save_results_samples(task_name=task, samples=rows)
"""
LM_EVAL_TASK = {
    "task": "my_sums",
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "Sum up. {{question}} Say it in a box.",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n\n"], "do_sample": False, "max_gen_toks": 7},
    "repeats": 2,
    "filter_list": [
        {
            "name": name,
            "filter": [{"function": "regex", "regex_pattern": rule}, {"function": "take_first"}],
        }
        for name, rule in (("boxed", r"boxed\{(\d+)\}"), ("any", r"(\d+)"))
    ],
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}


@pytest.fixture(scope="module")
def lm_eval_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that the installed lm-eval wrote: three documents, two filters, two repeats."""
    pytest.importorskip("lm_eval", reason="lm-eval is not installed")
    folder = tmp_path_factory.mktemp("lm_eval")
    rows = [(APPLES, "5"), (PEARS, "9"), (OTHER, "0")]
    lines = [json.dumps({"question": asked, "answer": gold, "level": "2"}) for asked, gold in rows]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    files = {"data_files": {"test": str(folder / "rows.jsonl")}, "cache_dir": str(folder / "c")}
    (folder / "sums.yaml").write_text(json.dumps(LM_EVAL_TASK | {"dataset_kwargs": files}))
    (folder / "said.json").write_text(json.dumps(["\\boxed{5}", "The answer is 9.", "7"]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LM_EVAL, str(folder)],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "c")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "out"


def test_a_log_of_lm_eval_keeps_one_response_of_several_filters(
    harness: Harness, lm_eval_log: Path, tmp_path: Path
) -> None:
    done = take_in(harness, tmp_path, "lm-eval", lm_eval_log)
    assert done.code == 0, done.err
    run = done.json["run"]
    assert (run["model"], run["task"], run["items"]) == ("given-model", "my_sums", 3)
    assert (run["samples"], run["requests"]) == (2, 6)
    # The first filter's verdict, which is of the first repeat alone.
    found = rows_of(
        tmp_path,
        "SELECT item_id, sample_index, correct, extracted FROM sample_by('source') ORDER BY ALL",
    )
    assert [row[2] for row in found] == [True, None, False, None, False, None]
    assert found[0][3] == "5"
    protocol = protocol_of(tmp_path)
    assert protocol["made_by"].startswith("lm-eval 0.")
    assert protocol["sampling"] == {
        "temperature": 0.0, "top_p": None, "max_tokens": 7, "stop": ["\n\n"],
    }  # fmt: skip
    judged_by = rows_of(
        tmp_path, "SELECT DISTINCT grader_version FROM grade WHERE profile = 'source'"
    )
    assert [version for (version,) in judged_by] == [f"{protocol['made_by']}, exact_match,boxed"]
    assert done.json["agreement"]["only_ours"] == 1, "9 without a box is right to us alone"


def test_a_log_is_matched_to_our_task_by_question_and_the_rest_is_listed(
    harness: Harness, lm_eval_log: Path, tmp_path: Path
) -> None:
    (tmp_path / "my_sums.py").write_text(SUMS)
    done = take_in(
        harness, tmp_path, "lm-eval", lm_eval_log, "--metric", "any", "--tasks-dir", tmp_path
    )
    assert done.code == 0, done.err
    assert done.json["matched"] and done.json["unmatched"] == [OTHER]
    assert done.json["agreement"]["share"] == 1
    assert {row[0] for row in rows_of(tmp_path, "SELECT id FROM item")} == {"apples", "pears"}


def test_another_metric_of_the_same_log_is_another_judgement_of_the_same_run(
    harness: Harness, tmp_path: Path
) -> None:
    row = {
        "doc_id": 0, "doc": {"question": APPLES}, "target": "5", "filter": "none",
        "metrics": ["harsh", "mild"], "arguments": {}, "resps": [["\\boxed{5}"]],
        "harsh": 0.0, "mild": 1.0,
    }  # fmt: skip
    file = tmp_path / "samples_t_2026-01-01T00-00-00.jsonl"
    file.write_text(json.dumps(row) + "\n")
    first = take_in(harness, tmp_path, "lm-eval", file, "--model", "m")
    assert first.code == 0, first.err
    again = take_in(harness, tmp_path, "lm-eval", file, "--model", "m", "--metric", "mild")
    assert again.code == 0, again.err
    assert first.json["run"]["id"] == again.json["run"]["id"]
    assert (first.json["agreement"]["only_ours"], again.json["agreement"]["both_right"]) == (1, 1)
    assert rows_of(tmp_path, "SELECT count(*) FROM generation") == [(1,)]


def test_a_metric_or_task_that_a_log_lacks_is_named(
    harness: Harness, lm_eval_log: Path, tmp_path: Path
) -> None:
    done = take_in(harness, tmp_path, "lm-eval", lm_eval_log, "--metric", "bleu")
    assert done.code == 2 and "exact_match,any" in done.err
    done = take_in(harness, tmp_path, "lm-eval", lm_eval_log, "--only", "my_sum")
    assert done.code == 2 and "my_sums" in done.err
    assert not (tmp_path / "r.duckdb").exists()


def _old_rows(listed: bool) -> list[dict[str, Any]]:
    """Rows as lm-eval wrote them before 0.4.4: one a filter, neither filter nor metrics named."""
    settings = {"until": ["Q:"], "do_sample": False, "temperature": 0.0}
    rows = []
    for number, (asked, gold) in enumerate([(APPLES, "5"), (PEARS, "9")]):
        prompt = f"Q: {asked}"
        named = {"gen_args_0": {"arg_0": prompt, "arg_1": settings}}
        for right in (0.0, 1.0):
            rows.append({
                "doc_id": number, "doc": {"question": asked}, "target": gold, "resps": [[gold]],
                "arguments": [[prompt, settings]] if listed else named, "filtered_resps": [gold],
                "exact_match": right,
            })  # fmt: skip
    return rows


@pytest.mark.parametrize(
    ("name", "results", "as_array"),
    [
        ("samples_my_sums_2024-07-09T13-31-53.431753.jsonl",
         "results_2024-07-09T13-31-53.431753.json", False),
        ("samples_my_sums_2024-06-08T05-42-41.351110.json",
         "mine_2024-06-08T05-42-41.351110.json", True),
        ("pretrained__org__tiny_my_sums.jsonl", "results.json", True),
    ],
)  # fmt: skip
def test_older_logs_are_read_with_their_model_task_and_both_filters(
    harness: Harness, tmp_path: Path, name: str, results: str, as_array: bool
) -> None:
    rows = _old_rows(listed=as_array)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_text(json.dumps(rows, indent=1) if as_array else lines)
    described = {
        "results": {"my_sums": {}, "sums": {}},
        "configs": {"my_sums": {}},
        "config": {"model": "hf", "model_args": "pretrained=org/tiny,dtype=float16"},
    }
    (folder / results).write_text(json.dumps(described))
    done = take_in(harness, tmp_path, "lm-eval", folder / name)
    assert done.code == 0, done.err
    run = done.json["run"]
    assert (run["model"], run["task"], run["requests"]) == ("org/tiny", "my_sums", 2)
    assert done.json["agreement"]["only_ours"] == 2
    (note,) = done.json["notes"]
    assert "--metric exact_match,filter-2" in note
    assert protocol_of(tmp_path)["sampling"]["temperature"] == 0
    done = take_in(harness, tmp_path, "lm-eval", folder / name, "--filter", "filter-2")
    assert done.json["agreement"]["both_right"] == 2


def test_logged_likelihoods_are_no_responses(harness: Harness, tmp_path: Path) -> None:
    row = {
        "doc_id": 0, "doc": {"question": "?"}, "target": "1", "filter": "none", "metrics": ["acc"],
        "arguments": {}, "resps": [[["-1.5", "False"]], [["-0.5", "True"]]], "acc": 1.0,
    }  # fmt: skip
    file = tmp_path / "samples_arc_2026-01-01T00-00-00.jsonl"
    file.write_text(json.dumps(row) + "\n")
    done = take_in(harness, tmp_path, "lm-eval", file, "--model", "m")
    assert done.code == 2 and "log-likelihoods" in done.err and "Traceback" not in done.err


def test_a_log_of_a_restricted_benchmark_is_only_taken_matched(
    harness: Harness, tmp_path: Path
) -> None:
    row = {
        "doc_id": 0, "doc": {"Question": "kept to itself"}, "target": "(A)", "filter": "none",
        "metrics": ["exact_match"], "arguments": {}, "resps": [["(A)"]], "exact_match": 1.0,
    }  # fmt: skip
    file = tmp_path / "samples_gpqa_main_n_shot_2026-01-01T00-00-00.jsonl"
    file.write_text(json.dumps(row) + "\n")
    done = take_in(harness, tmp_path, "lm-eval", file, "--model", "m")
    assert done.code == 2 and "--match" in done.err and "kept to itself" not in done.out
    assert not (tmp_path / "r.duckdb").exists()


@pytest.mark.parametrize("more", [[], ["--match"]])
def test_a_log_of_a_restricted_benchmark_stays_one_by_another_name(
    harness: Harness, tmp_path: Path, more: list[str]
) -> None:
    """Neither stored as open text nor printed as what an open task does not have."""
    (tmp_path / "my_sums.py").write_text(SUMS)
    asked = [{"Question": APPLES}, {"Question": "kept to itself"}]
    rows = [
        {
            "doc_id": number, "doc": doc, "target": "5", "filter": "none",
            "metrics": ["exact_match"], "arguments": {}, "resps": [["5"]], "exact_match": 1.0,
        }
        for number, doc in enumerate(asked)
    ]  # fmt: skip
    file = tmp_path / "samples_gpqa_main_n_shot_2026-01-01T00-00-00.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = take_in(
        harness, tmp_path, "lm-eval", file, "--model", "m", "--tasks-dir", tmp_path,
        "--task", "my_sums", *more,
    )  # fmt: skip
    assert done.code == 2 and "gpqa_main_n_shot" in done.err
    assert "kept to itself" not in done.out + done.err.replace("is kept to itself", "")
    assert not (tmp_path / "r.duckdb").exists()


GUARDED = '''
"""Kept to itself."""
from harness.task import Task
from harness.types import AnswerType, Item

def load():
    text = "Which of these planets is the largest one?"
    text += "\\n\\nAnswer Choices:\\n(A) Mars\\n(B) Jupiter"
    yield Item("planet", text, "B", AnswerType.CHOICE, option_order=(1, 0))
    yield Item("sum", "How much is it if you add one and one?", "2", AnswerType.INTEGER)

def prompt(item):
    return [{"role": "user", "content": item.question}]

TASK = Task("guarded", "1", load, prompt, restricted=True)
'''


def test_options_in_the_sources_order_are_judged_by_the_sources_letter(
    harness: Harness, tmp_path: Path
) -> None:
    """Ours has the right answer at B, the source at A; nothing of the question is stored."""
    (tmp_path / "guarded.py").write_text(GUARDED)
    asked = [
        ("Which of these planets is the largest one?", "(A)", "It is \\boxed{A}."),
        ("How much is it if you add one and one?", "2", "The answer is 2."),
    ]
    rows = [
        {
            "doc_id": number, "doc": {"Question": question}, "target": gold, "filter": "none",
            "metrics": ["exact_match"], "arguments": {}, "resps": [[said]], "exact_match": 1.0,
        }
        for number, (question, gold, said) in enumerate(asked)
    ]  # fmt: skip
    file = tmp_path / "samples_guarded_2026-01-01T00-00-00.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = take_in(
        harness, tmp_path, "lm-eval", file, "--model", "m", "--tasks-dir", tmp_path, "--match"
    )
    assert done.code == 0, done.err
    assert done.json["run"]["score"]["value"] == 1
    stored = rows_of(tmp_path, "SELECT id, question, gold FROM item ORDER BY ALL")
    assert stored == [("planet", None, "A"), ("sum", None, None)]
    again = harness(
        "regrade", done.json["run"]["id"], "--profile", "math-verify", "--tasks-dir", tmp_path,
        "--results", tmp_path / "r.duckdb", "--json",
    )  # fmt: skip
    assert again.json["judged"] == 2
    found = rows_of(tmp_path, "SELECT item_id, correct FROM sample_by('math-verify') ORDER BY ALL")
    assert found == [("planet", True), ("sum", True)], "by the source's letter then too"


def _two_logs(harness: Harness, tmp_path: Path, asked: str, settings: dict[str, Any]) -> Finished:
    """Take in a log of each of two models, asked so, and compare them."""
    for name, text in (("one", "5"), ("two", "6")):
        row = {
            "doc_id": 0, "doc": {"question": APPLES}, "target": "5", "filter": "none",
            "metrics": ["exact_match"], "resps": [[text]], "exact_match": 1.0,
            "arguments": {"gen_args_0": {"arg_0": asked.format(name), "arg_1": settings}},
        }  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        file = folder / "samples_t_2026-01-01T00-00-00.jsonl"
        file.write_text(json.dumps(row) + "\n")
        assert take_in(harness, tmp_path, "lm-eval", file, "--model", name).code == 0
    return harness("compare", "one", "two", "--results", tmp_path / "r.duckdb")


def test_two_logs_that_do_not_tell_their_sampling_are_not_taken_for_equal(
    harness: Harness, tmp_path: Path
) -> None:
    done = _two_logs(harness, tmp_path, APPLES, {"until": []})
    assert done.code == 2 and "temperature: unknown against unknown" in done.err


def test_two_logs_that_do_not_tell_their_prompts_are_not_taken_for_equal(
    harness: Harness, tmp_path: Path
) -> None:
    arguments = {"until": ["Q:"], "temperature": 0.0, "top_p": 1.0, "max_gen_toks": 9}
    done = _two_logs(harness, tmp_path, f"{{}} {APPLES}", arguments)
    assert done.code == 2 and "temperature" not in done.err
    assert "messages before templating: unknown against unknown" in done.err
