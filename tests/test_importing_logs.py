"""Taking in logs of other harnesses: one lm-eval wrote, and such as lighteval and Inspect write."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import Finished

Harness = Callable[..., Finished]

SUMS = '''
"""Sums."""
from harness.tasks_api import Task
from harness.types import AnswerType, Item

def load():
    asked = "How many apples are two apples and three apples?"
    yield Item("apples", asked, "5", AnswerType.INTEGER)
    asked = "How many pears are four pears and five pears?"
    yield Item("pears", asked, "9", AnswerType.INTEGER)

def prompt(item):
    return [{"role": "user", "content": item.question}]

TASK = Task("my_sums", "1", load, prompt)
'''
APPLES = "How many apples are two apples and three apples?"
PEARS = "How many pears are four pears and five pears?"
OTHER = "How many plums are left of none?"

# Runs lm-eval itself on a local file, with a model that says what it is told.
LM_EVAL = """
import json, sys
from pathlib import Path
import lm_eval
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

folder = Path(sys.argv[1])
said = json.loads((folder / "said.json").read_text())

class Told(LM):
    def generate_until(self, requests, disable_tqdm=False):
        return [said[request.doc_id] for request in requests]
    def loglikelihood(self, requests): raise NotImplementedError
    def loglikelihood_rolling(self, requests): raise NotImplementedError

tracker = EvaluationTracker(output_path=str(folder / "out"))
tracker.general_config_tracker.log_experiment_args(
    model_source="told", model_args="pretrained=/models/told-model", system_instruction=None,
    chat_template=None, fewshot_as_multiturn=False)
found = lm_eval.simple_evaluate(
    model=Told(), tasks=[str(folder / "sums.yaml")], bootstrap_iters=0,
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


def _import(harness: Harness, tmp_path: Path, *arguments: object) -> Finished:
    return harness("import", *arguments, "--results", tmp_path / "r.duckdb", "--json")


def _rows(tmp_path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(tmp_path / "r.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def _protocol(tmp_path: Path) -> Any:
    ((protocol,),) = _rows(tmp_path, "SELECT protocol FROM run")
    return json.loads(protocol)


def test_a_log_of_lm_eval_keeps_one_response_of_several_filters(
    harness: Harness, lm_eval_log: Path, tmp_path: Path
) -> None:
    done = _import(harness, tmp_path, "lm-eval", lm_eval_log)
    assert done.code == 0, done.err
    run = done.json["run"]
    assert (run["model"], run["task"], run["items"]) == ("told-model", "my_sums", 3)
    assert (run["samples"], run["requests"]) == (2, 6)
    # The first filter's verdict, which is of the first repeat alone.
    found = _rows(
        tmp_path,
        "SELECT item_id, sample_index, correct, extracted FROM sample_by('source') ORDER BY ALL",
    )
    assert [row[2] for row in found] == [True, None, False, None, False, None]
    assert found[0][3] == "5"
    protocol = _protocol(tmp_path)
    assert protocol["made_by"].startswith("lm-eval 0.")
    assert protocol["sampling"] == {
        "temperature": 0.0, "top_p": None, "max_tokens": 7, "stop": ["\n\n"],
    }  # fmt: skip
    judged_by = _rows(
        tmp_path, "SELECT DISTINCT grader_version FROM grade WHERE profile = 'source'"
    )
    assert [version for (version,) in judged_by] == [f"{protocol['made_by']}, exact_match,boxed"]
    assert done.json["agreement"]["only_ours"] == 1, "9 without a box is right to us alone"


def test_a_log_is_matched_to_our_task_by_question_and_the_rest_is_listed(
    harness: Harness, lm_eval_log: Path, tmp_path: Path
) -> None:
    (tmp_path / "my_sums.py").write_text(SUMS)
    done = _import(
        harness, tmp_path, "lm-eval", lm_eval_log, "--metric", "any", "--tasks-dir", tmp_path
    )
    assert done.code == 0, done.err
    assert done.json["matched"] and done.json["unmatched"] == [OTHER]
    assert done.json["agreement"]["share"] == 1
    assert {row[0] for row in _rows(tmp_path, "SELECT id FROM item")} == {"apples", "pears"}


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
    first = _import(harness, tmp_path, "lm-eval", file, "--model", "m")
    assert first.code == 0, first.err
    again = _import(harness, tmp_path, "lm-eval", file, "--model", "m", "--metric", "mild")
    assert again.code == 0, again.err
    assert first.json["run"]["id"] == again.json["run"]["id"]
    assert (first.json["agreement"]["only_ours"], again.json["agreement"]["both_right"]) == (1, 1)
    assert _rows(tmp_path, "SELECT count(*) FROM generation") == [(1,)]


def test_a_metric_or_task_that_a_log_lacks_is_named(
    harness: Harness, lm_eval_log: Path, tmp_path: Path
) -> None:
    done = _import(harness, tmp_path, "lm-eval", lm_eval_log, "--metric", "bleu")
    assert done.code == 2 and "exact_match,any" in done.err
    done = _import(harness, tmp_path, "lm-eval", lm_eval_log, "--only", "my_sum")
    assert done.code == 2 and "my_sums" in done.err
    assert not (tmp_path / "r.duckdb").exists()


def test_logged_likelihoods_are_no_responses(harness: Harness, tmp_path: Path) -> None:
    row = {
        "doc_id": 0, "doc": {"question": "?"}, "target": "1", "filter": "none", "metrics": ["acc"],
        "arguments": {}, "resps": [[["-1.5", "False"]], [["-0.5", "True"]]], "acc": 1.0,
    }  # fmt: skip
    file = tmp_path / "samples_arc_2026-01-01T00-00-00.jsonl"
    file.write_text(json.dumps(row) + "\n")
    done = _import(harness, tmp_path, "lm-eval", file, "--model", "m")
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
    done = _import(harness, tmp_path, "lm-eval", file, "--model", "m")
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
    done = _import(
        harness, tmp_path, "lm-eval", file, "--model", "m", "--tasks-dir", tmp_path,
        "--task", "my_sums", *more,
    )  # fmt: skip
    assert done.code == 2 and "gpqa_main_n_shot" in done.err
    assert "kept to itself" not in done.out + done.err.replace("is kept to itself", "")
    assert not (tmp_path / "r.duckdb").exists()


GUARDED = '''
"""Kept to itself."""
from harness.tasks_api import Task
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
    done = _import(
        harness, tmp_path, "lm-eval", file, "--model", "m", "--tasks-dir", tmp_path, "--match"
    )
    assert done.code == 0, done.err
    assert done.json["run"]["score"]["value"] == 1
    stored = _rows(tmp_path, "SELECT id, question, gold FROM item ORDER BY ALL")
    assert stored == [("planet", None, "A"), ("sum", None, None)]
    again = harness(
        "regrade", done.json["run"]["id"], "--profile", "math-verify", "--tasks-dir", tmp_path,
        "--results", tmp_path / "r.duckdb", "--json",
    )  # fmt: skip
    assert again.json["judged"] == 2
    found = _rows(tmp_path, "SELECT item_id, correct FROM sample_by('math-verify') ORDER BY ALL")
    assert found == [("planet", True), ("sum", True)], "by the source's letter then too"


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
    done = _import(harness, tmp_path, "lighteval", tmp_path / "log", "--tasks-dir", tmp_path)
    assert done.code == 0, done.err
    run = done.json["run"]
    assert (run["model"], run["task"], run["score"]["value"]) == ("org/model-x", "my_sums", 0.5)
    assert done.json["unmatched"] == [] and done.json["agreement"]["share"] == 1
    assert _protocol(tmp_path)["sampling"] == {
        "temperature": 0.6, "top_p": 0.95, "max_tokens": 4, "stop": [],
    }  # fmt: skip
    rows = _rows(
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
    done = _import(harness, tmp_path, "lighteval", file)
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
    done = _import(harness, tmp_path, "inspect", log, "--tasks-dir", tmp_path)
    assert done.code == 0, done.err
    run = done.json["run"]
    assert (run["model"], run["task"], run["samples"]) == ("openai/some-model", "my_sums", 2)
    assert len(done.json["notes"]) == 2, "one sample failed, one has partial credit"
    protocol = _protocol(tmp_path)
    assert protocol["sampling"] == {
        "temperature": 0.5, "top_p": None, "max_tokens": 9, "stop": None,
    }  # fmt: skip
    rows = _rows(
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
    source = _rows(
        tmp_path, "SELECT correct FROM sample_by('source') ORDER BY item_id, sample_index"
    )
    assert [row[0] for row in source] == [True, False, False, None]


def test_what_a_log_says_is_no_formula_to_a_spreadsheet(harness: Harness, tmp_path: Path) -> None:
    sample = _inspect_sample(APPLES, 1, "5", "C", stop_reason="=HYPERLINK(1)")
    log = tmp_path / "log.json"
    log.write_text(json.dumps(HEADER | {"samples": [sample]}))
    assert _import(harness, tmp_path, "inspect", log).code == 0
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
    done = _import(harness, tmp_path, "inspect", log)
    assert done.code == 0, done.err
    assert done.json["run"]["requests"] == 4
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = _import(harness, tmp_path, "inspect", log)
    assert done.code == 2 and "inspect log convert" in done.err


def test_a_log_that_would_not_fit_is_refused(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.importers import inspect

    log = _eval(tmp_path / "log.eval")
    monkeypatch.setattr(inspect, "MOST_MEMBER_BYTES", 100)
    done = _import(harness, tmp_path, "inspect", log)
    assert done.code == 2 and "larger than" in done.err
    assert not (tmp_path / "r.duckdb").exists()


@pytest.mark.parametrize("form", ["inspect", "lighteval", "lm-eval"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b'{"eval": 1}', b"\xff\xfe", b"[]"])
def test_a_file_that_is_no_log_is_one_sentence(
    harness: Harness, tmp_path: Path, form: str, content: bytes
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    done = _import(harness, tmp_path, form, file, "--model", "m", "--task", "t")
    assert done.code == 2 and done.err.startswith("error: ") and "Traceback" not in done.err


def test_two_logs_that_do_not_tell_their_sampling_are_not_taken_for_equal(
    harness: Harness, tmp_path: Path
) -> None:
    for name, text in (("one", "5"), ("two", "6")):
        row = {
            "doc_id": 0, "doc": {"question": APPLES}, "target": "5", "filter": "none",
            "metrics": ["exact_match"], "resps": [[text]], "exact_match": 1.0,
            "arguments": {"gen_args_0": {"arg_0": APPLES, "arg_1": {"until": []}}},
        }  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        file = folder / "samples_t_2026-01-01T00-00-00.jsonl"
        file.write_text(json.dumps(row) + "\n")
        assert _import(harness, tmp_path, "lm-eval", file, "--model", name).code == 0
    done = harness("compare", "one", "two", "--results", tmp_path / "r.duckdb")
    assert done.code == 2 and "temperature: unknown against unknown" in done.err


def test_two_logs_that_do_not_tell_their_prompts_are_not_taken_for_equal(
    harness: Harness, tmp_path: Path
) -> None:
    told = {"until": ["Q:"], "temperature": 0.0, "top_p": 1.0, "max_gen_toks": 9}
    for name, text in (("one", "5"), ("two", "6")):
        row = {
            "doc_id": 0, "doc": {"question": APPLES}, "target": "5", "filter": "none",
            "metrics": ["exact_match"], "resps": [[text]], "exact_match": 1.0,
            "arguments": {"gen_args_0": {"arg_0": f"{name} {APPLES}", "arg_1": told}},
        }  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        file = folder / "samples_t_2026-01-01T00-00-00.jsonl"
        file.write_text(json.dumps(row) + "\n")
        assert _import(harness, tmp_path, "lm-eval", file, "--model", name).code == 0
    done = harness("compare", "one", "two", "--results", tmp_path / "r.duckdb")
    assert done.code == 2 and "temperature" not in done.err
    assert "messages before templating: unknown against unknown" in done.err
