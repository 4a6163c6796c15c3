"""`harness compare` and `harness power`, on a real results file filled through the journal."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analysis.power import Question
from harness.analysis.protocol import differences
from harness.errors import HarnessError
from harness.grading import GRADER_VERSION
from harness.run.plan import TaskPlan
from harness.store import Store, queries
from harness.task import Task
from harness.types import Chat, EngineIdentity, Model, Protocol, Run, Sampling
from tests.compared_store import SAMPLED, Made, store_of
from tests.conftest import Finished

Harness = Callable[..., Finished]

ITEMS = 120
_random = np.random.default_rng(5)
_easiness = _random.beta(1.2, 1.5, ITEMS)


def drawn(samples: int, drop: float = 0.0) -> list[list[bool]]:
    """Return samples of a model that is worse by ``drop`` on every item."""
    chances = np.clip(_easiness - drop, 0, 1)
    return [[bool(_random.random() < chance) for _ in range(samples)] for chance in chances]


OLD = Made("old", drawn(1), output_args={"dtype": "bfloat16"})
NEW = Made("new", drawn(1, 0.15), template="b" * 64, cut_off=60, tokens=35, engine="0.33.0")
OLD_SAMPLED = Made("old", drawn(4), sampling=SAMPLED, task="more sums")
NEW_SAMPLED = Made("new", drawn(3, 0.1), sampling=SAMPLED, task="more sums")
LATE = Made("late", drawn(4, 0.4), sampling=SAMPLED, task="more sums", shift=30)
LONGER = Made("longer", drawn(1), sampling=Sampling(0.7, 0.9, 2048, ("Q:",), 100, True))
ALONE = Made("run_lock", drawn(1), task_version="2")
IMPORTED = Made("imported", drawn(1), imported=True)
RUNS = [OLD, NEW, OLD_SAMPLED, NEW_SAMPLED, LATE, LONGER, ALONE, IMPORTED]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of(tmp_path_factory.mktemp("compared") / "results.duckdb", RUNS)


@pytest.fixture
def compared(harness: Harness, results: Path) -> Callable[..., Any]:
    """Compare and return the JSON."""

    def call(*arguments: object) -> Any:
        done = harness("compare", *arguments, "--results", results, "--json")
        assert done.code == 0, done.err
        return done.json

    return call


def scores(run: Made) -> np.ndarray[Any, Any]:
    return np.array([np.mean(samples) for samples in run.right])


def test_greedy_runs_are_compared_by_mcnemars_exact_test(compared: Callable[..., Any]) -> None:
    from scipy.stats import binomtest

    (task,) = compared(OLD.id, NEW.id[:8])["tasks"]
    change = scores(NEW) - scores(OLD)
    better, worse = int((change > 0).sum()), int((change < 0).sum())
    paired = task["paired"]
    assert (paired["better"], paired["worse"], paired["items"]) == (better, worse, ITEMS)
    assert paired["effect"] == pytest.approx(change.mean(), abs=1e-12)
    assert paired["p"] == pytest.approx(binomtest(better, better + worse).pvalue, abs=1e-9)
    assert paired["low"] < paired["effect"] < paired["high"] and paired["method"] == "mcnemar"
    assert 0.02 < paired["detectable"] < 0.3
    assert task["first"]["score"]["value"] == pytest.approx(scores(OLD).mean())
    assert (task["first"]["tokens_per_sample"], task["second"]["tokens_per_item"]) == (20, 35)
    assert task["first"]["noise"]["within"] is None


def test_sampled_runs_are_compared_by_the_means_of_their_items(
    harness: Harness, results: Path, compared: Callable[..., Any]
) -> None:
    from scipy.stats import ttest_rel

    (task,) = compared(OLD_SAMPLED.id, NEW_SAMPLED.id)["tasks"]
    first, second = scores(OLD_SAMPLED), scores(NEW_SAMPLED)
    theirs = ttest_rel(second, first)
    interval = theirs.confidence_interval()
    paired = task["paired"]
    assert paired["method"] == "sign-flip"
    assert paired["effect"] == pytest.approx((second - first).mean(), abs=1e-12)
    # Ours adds half an item each way to the differences that SciPy takes as they are.
    assert paired["low"] == pytest.approx(interval.low, abs=0.01)
    assert paired["high"] == pytest.approx(interval.high, abs=0.01)
    assert paired["p"] == pytest.approx(theirs.pvalue, rel=0.5)
    these = paired["on_these_items"]
    assert paired["low"] < these["low"] < paired["effect"] < these["high"] < paired["high"]
    printed = harness("compare", OLD_SAMPLED.id, NEW_SAMPLED.id, "--results", results).out
    assert "points over new items, p " in printed and "points on these items, p " in printed
    assert task["first"]["samples"] == 4 * ITEMS
    assert 0 < task["first"]["noise"]["within"] < 0.25
    assert task["differences"]["refused"] == task["differences"]["warned"] == []


def test_exchanging_the_two_turns_the_sign(compared: Callable[..., Any]) -> None:
    for one, other in ((OLD, NEW), (OLD_SAMPLED, LATE)):
        (there,) = compared(one.id, other.id)["tasks"]
        (back,) = compared(other.id, one.id)["tasks"]
        forth, return_ = there["paired"], back["paired"]
        assert forth["effect"] == pytest.approx(-return_["effect"])
        assert forth["low"] == pytest.approx(-return_["high"])
        assert forth["p"] == pytest.approx(return_["p"])
        assert (forth["better"], forth["worse"]) == (return_["worse"], return_["better"])
        assert there["first"] == back["second"]


def test_other_budgets_are_refused_and_named(harness: Harness, results: Path) -> None:
    done = harness("compare", OLD.id, LONGER.id, "--results", results)
    assert done.code == 2 and not done.out
    for named in (
        "temperature: 0.0 against 0.7", "top-p: 1.0 against 0.9",
        "token budget: 512 tokens against 2048 tokens",
        "thinking budget: none against 100 tokens", "stop strings: none against 'Q:'",
        "ending of loops: off against on", "--allow-different",
    ):  # fmt: skip
        assert named in done.err
    done = harness("compare", OLD.id, ALONE.id, "--results", results)
    assert done.code == 2 and "task version: 1 against 2" in done.err
    done = harness("compare", OLD.id, OLD_SAMPLED.id, "--results", results)
    assert done.code == 2 and "task: sums against more sums" in done.err
    done = harness("compare", OLD.id, IMPORTED.id, "--results", results)
    assert done.code == 2 and "unknown (imported)" in done.err


def test_different_protocols_are_marked_where_they_are_allowed(
    harness: Harness, results: Path, compared: Callable[..., Any]
) -> None:
    arguments = ("compare", OLD.id, LONGER.id, "--allow-different", "--results", results)
    assert "NOT ONE PROTOCOL: temperature: 0.0 against 0.7" in harness(*arguments).out
    (task,) = compared(OLD.id, LONGER.id, "--allow-different")["tasks"]
    budget = {"what": "token budget", "first": "512 tokens", "second": "2048 tokens"}
    assert budget in task["differences"]["refused"]
    done = harness("compare", OLD.id, OLD_SAMPLED.id, "--allow-different", "--results", results)
    assert done.code == 0, "the two tasks ask the same here"


def test_what_belongs_to_the_model_is_shown_and_the_engine_warned_of(
    harness: Harness, results: Path, compared: Callable[..., Any]
) -> None:
    (task,) = compared(OLD.id, NEW.id)["tasks"]
    found = task["differences"]
    assert found["refused"] == []
    assert [row["what"] for row in found["shown"]] == ["chat template", "dtype"]
    assert found["shown"][0]["first"] == "a" * 12
    assert found["warned"] == [{"what": "engine", "first": "vllm 0.32.0", "second": "vllm 0.33.0"}]
    printed = harness("compare", OLD.id, NEW.id, "--results", results).out
    assert "dtype: bfloat16 against auto" in printed and "warning: engine" in printed


def test_a_planned_run_is_compared_with_a_stored_protocol(results: Path) -> None:
    stored = queries.find_run(Store(results), OLD.id)
    task = Task("sums", "1", lambda: iter(()), lambda item: [])
    values = stored.protocol | {"sampling": Sampling(max_tokens=256)}
    engine = EngineIdentity("vllm", "0.32.0", "cpu", {"dtype": "bfloat16"})
    run = Run("r", "f", Protocol(**values), (), 1, 0, 0, engine)
    model = Model("planned", "made up", "f", "MadeUpForCausalLM", None, "a" * 64)
    found = differences(stored, TaskPlan(run, task, model, (), (), Chat(thinking=False), ()))
    assert list(map(str, found.refused)) == ["token budget: 512 tokens against 256 tokens"]
    assert list(map(str, found.shown)) == ["thinking: the template's default against off"]
    assert {row.what for row in found.warned} >= {"processor"}
    assert differences(stored, TaskPlan(run, task, model, (), (), Chat(), ())).shown == ()


def test_an_older_grader_is_matched_by_regrading(harness: Harness, tmp_path: Path) -> None:
    right = [[number % 3 > 0] for number in range(12)]
    nothing = [[False]] * 12
    judged = Made("judged", right)
    older = Made("older", nothing, answers_from=right, grader="0")
    results = store_of(tmp_path / "r.duckdb", [judged, older])
    regraded = harness("compare", judged.id, older.id, "--results", results, "--json").json
    (task,) = regraded["tasks"]
    assert task["regraded"] == {older.id: 12} and task["differences"]["refused"] == []
    assert task["paired"]["effect"] == 0, "the same answers by the same grader"
    again = harness("compare", judged.id, older.id, "--results", results, "--json").json
    assert again["tasks"][0]["regraded"] == {}
    unknown = harness("compare", judged.id, older.id, "--profile", "source", "--results", results)
    assert unknown.code == 2 and "source has judged nothing" in unknown.err


def test_a_grader_that_cannot_be_made_equal_is_a_difference(
    harness: Harness, tmp_path: Path
) -> None:
    right = drawn(1)[:9]
    made = [Made("a", right, restricted=True), Made("b", right, restricted=True, grader="0")]
    results = store_of(tmp_path / "r.duckdb", made)
    names = [run.id for run in made]
    refused = harness("compare", *names, "--results", results)
    assert refused.code == 2, "no stored reference answers, and nobody knows the task `sums`"
    assert "grader version" in refused.err and "'sums'" in refused.err
    marked = harness("compare", *names, "--allow-different", "--results", results)
    assert marked.code == 0 and f"{GRADER_VERSION} against 0" in marked.out


def test_flips_lead_to_commands_that_work(
    harness: Harness, results: Path, compared: Callable[..., Any]
) -> None:
    (task,) = compared(OLD.id, NEW.id)["tasks"]
    flips = task["flips"]
    assert len(flips) == 10
    assert [flip["change"] for flip in flips[:4]] == [-1, 1, -1, 1], "losses and gains take turns"
    assert not any(flip["second"]["truncated"] for flip in flips[:4]), "cut off ones go last"
    for flip in flips[:2]:
        for command, side in zip(flip["show"], (flip["first"], flip["second"]), strict=True):
            shown = harness(*shlex.split(command)[1:], "--json").json
            assert [sample["item_id"] for sample in shown] == [flip["item_id"]]
            assert [sample["correct"] for sample in shown] == [side["correct"] == 1]
    printed = harness("compare", OLD.id, NEW.id, "--results", results).out
    assert " && ".join(flips[0]["show"]) in printed
    (sampled,) = compared(OLD_SAMPLED.id, NEW_SAMPLED.id)["tasks"]
    changes = [abs(flip["change"]) for flip in sampled["flips"]]
    assert changes == sorted(changes, reverse=True)
    absent = harness("show", OLD.id, "--item", "nowhere", "--results", results)
    assert absent.code == 2 and "'nowhere'" in absent.err


def test_failure_rates_and_groups_are_compared_too(
    harness: Harness, results: Path, compared: Callable[..., Any]
) -> None:
    (task,) = compared(OLD.id, NEW.id)["tasks"]
    assert list(task["rates"]) == ["truncated", "no_answer", "loops", "grader_failures"]
    cut_off = sum(not right for (right,) in NEW.right[: NEW.cut_off]) / ITEMS
    assert task["rates"]["truncated"]["second"] == pytest.approx(cut_off)
    assert task["rates"]["truncated"]["paired"]["low"] > 0
    groups = task["groups"]
    assert [group["name"] for group in groups["subject"]] == ["even", "odd"]
    assert [group["paired"]["items"] for group in groups["level"]] == [40, 40, 40]
    assert groups["subject"][0]["first"] == pytest.approx(scores(OLD)[::2].mean())
    assert all(group["p_adjusted"] >= group["paired"]["p"] for group in groups["level"])
    printed = harness("compare", OLD.id, NEW.id, "--by", "level", "--results", results).out
    assert "Level 2" in printed and "Holm" in printed


def test_only_shared_items_are_compared(compared: Callable[..., Any]) -> None:
    (task,) = compared(OLD_SAMPLED.id, LATE.id)["tasks"]
    assert task["items"] == 90, "items 30 to 119"
    assert task["first"]["score"]["value"] == pytest.approx(scores(OLD_SAMPLED)[30:].mean())


def test_models_are_compared_on_every_task_that_both_have(
    harness: Harness, results: Path, compared: Callable[..., Any]
) -> None:
    found = compared("old", NEW.fingerprint[:10])
    assert [task["task"] for task in found["tasks"]] == ["more sums", "sums"]
    effects = [task["paired"]["effect"] for task in found["tasks"]]
    average = found["average"]
    assert average["effect"]["value"] == pytest.approx(np.mean(effects))
    assert average["effect"]["low"] < average["effect"]["value"] < average["effect"]["high"]
    below = [task["paired"]["effect"] - task["paired"]["uncut"][0] for task in found["tasks"]]
    assert average["effect"]["value"] - average["effect"]["low"] == pytest.approx(
        np.hypot(*below) / 2
    )
    assert all(task["p_adjusted"] >= task["paired"]["p"] for task in found["tasks"])
    printed = harness("compare", "old", "/checkpoints/new", "--results", results).out
    assert "average" in printed and f"harness compare {OLD.id} {NEW.id}" in printed
    only = compared("old", "new", "--tasks", "sums")
    assert [task["task"] for task in only["tasks"]] == ["sums"]
    partly = compared("old", "late")
    assert partly["left_out"][0]["task"] == "sums"


def test_several_are_ranked(harness: Harness, results: Path, compared: Callable[..., Any]) -> None:
    found = compared("late", "old", "new", "--tasks", "more sums")
    (task,) = found["tasks"]
    assert task["items"] == 90
    standings = {place["side"]["model"]: place["standing"] for place in task["placed"]}
    assert (standings["late"]["best_rank"], standings["late"]["worst_rank"]) == (3, 3)
    assert task["placed"][-1]["side"]["model"] == "late"
    pair = compared("old", "new", "--tasks", "more sums")["tasks"][0]["second"]["score"]
    all_at_once = standings["new"]["score"]
    assert all_at_once["high"] - all_at_once["low"] > pair["high"] - pair["low"]
    printed = harness("compare", "late", "old", "new", "--results", results).out
    assert re.search(r"^3 ", printed, re.M) and "sums is left out" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("old",), "Name two"),
        (("old", "older"), "Did you mean old"),
        (("old", ""), "Nothing in results.duckdb"),
        ((OLD.id, OLD.id), "with itself"),
        (("old", "new", "--tasks", "sum"), "Did you mean sums"),
        (("old", "new", "--by", "size"), "neither subject nor level"),
        (("old", "new", "--profile", "strikt"), "strict"),
    ],
)
def test_what_cannot_be_compared_is_said(
    harness: Harness, results: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = harness("compare", *arguments, "--results", results)
    assert done.code == 2 and message in done.err and "This should not" not in done.err


def test_a_name_of_two_models_is_refused(harness: Harness, tmp_path: Path) -> None:
    twins = [Made("twin", drawn(1)), Made("twin", drawn(1), template=None)]
    results = store_of(tmp_path / "r.duckdb", twins)
    assert harness("compare", *[run.id for run in twins], "--results", results).code == 0
    assert harness("power", "--baseline", "twin", "--drop", 2, "--results", results).code == 2


def test_power_prints_sample_sizes(harness: Harness, results: Path) -> None:
    arguments = ("power", "--baseline", OLD_SAMPLED.id, "--drop", 5, "--results", results)
    found = harness(*arguments, "--json").json
    assert (found["basis"], found["items"], found["samples"]) == ("measured", ITEMS, 4)
    one, two, four = found["needs"]
    assert one["gate_items"] > two["gate_items"] > four["gate_items"] > four["fixed_items"]
    assert four["gate_tokens"] == pytest.approx(four["gate_items"] * 4 * 20)
    assert 0 < one["equal"]["items"] <= ITEMS
    now, *more = found["savings"]
    assert (now["saved"], now["extra_tokens"]) == (0, 0)
    assert 0 < more[0]["saved"] < more[1]["saved"] < more[2]["saved"] < 1
    assert more[0]["extra_tokens"] == pytest.approx(4 * ITEMS * 20)
    large = harness(*arguments[:4], 30, "--samples", 8, "--results", results, "--json").json
    assert large["needs"][0]["gate_items"] < ITEMS
    printed = harness(*arguments).out
    assert "measured on its own samples" in printed and f"{ITEMS} items are too few" in printed


def test_power_estimates_changes_from_earlier_comparisons(
    harness: Harness, results: Path, tmp_path: Path
) -> None:
    """Of single samples the whole disagreement; of several what sampling does not explain."""
    arguments = ("--drop", 5, "--results", results, "--json")
    greedy = harness("power", "--baseline", OLD.id, *arguments).json
    change = scores(NEW) - scores(OLD)
    assert (greedy["basis"], greedy["earlier_runs"]) == ("earlier", 1), "of this protocol"
    assert greedy["within"] == pytest.approx(change.var(ddof=1) / 2)

    random = np.random.default_rng(3)
    easiness = random.beta(0.5, 0.5, 600)
    runs = [Made("base", (random.random((4, 600)) < easiness).T.tolist(), sampling=SAMPLED)]
    for number in range(3):
        redrawn = np.where(random.random(600) < 0.2, random.beta(0.5, 0.5, 600), easiness)
        right = (random.random((4, 600)) < redrawn).T.tolist()
        runs.append(Made(f"tuned {number}", right, sampling=SAMPLED))
    store = store_of(tmp_path / "r.duckdb", runs)
    asked = ("power", "--baseline", "base", "--drop", 5, "--samples", 4, "--results", store)
    found = harness(*asked, "--json").json
    assert (found["changes_basis"], found["earlier_runs"]) == ("earlier", 3)
    assert found["changes"] == pytest.approx(0.2 * 2 * 0.125, abs=0.015)
    assert "median of 3 earlier comparisons" in harness(*asked).out
    given = harness(*asked, "--discordance", 30, "--json").json
    assert given["changes"] == pytest.approx(0.3 - 2 * given["within"])
    assert given["changes_basis"] == "given"


def test_power_takes_the_worst_case_of_a_greedy_run(harness: Harness, tmp_path: Path) -> None:
    results = store_of(tmp_path / "r.duckdb", [OLD, OLD_SAMPLED])
    arguments = ("power", "--baseline", OLD.id, "--drop", 5, "--results", results)
    worst = harness(*arguments, "--json").json
    score = scores(OLD).mean()
    assert (worst["basis"], worst["changes_basis"]) == ("worst case", "noise")
    assert worst["within"] == pytest.approx(score * (1 - score), abs=0.002)
    assert len(worst["needs"]) == 1 and worst["savings"] == []
    guessed = harness(*arguments, "--discordance", 10, "--json").json
    assert guessed["needs"][0]["fixed_items"] < worst["needs"][0]["fixed_items"]
    refused = harness(*arguments, "--samples", 4)
    assert refused.code == 2 and "greedy" in refused.err
    several = harness("power", "--baseline", "old", "--drop", 5, "--results", results)
    assert several.code == 2 and OLD.id in several.err


@pytest.mark.parametrize(
    "wrong",
    [
        {"drop": 0.0},
        {"drop": 1.0},
        {"alpha": 1.0},
        {"power": 0.0},
        {"discordance": 1.01},
        {"samples": 0},
    ],
)
def test_power_refuses_what_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(HarnessError):
        Question(**{"drop": 0.02} | wrong).check()


def test_all_of_k_samples_is_a_reducer(harness: Harness, results: Path) -> None:
    arguments = ("score", OLD_SAMPLED.id, "--reducer", "all@4", "--results", results, "--json")
    assert harness(*arguments).json["value"] == pytest.approx((scores(OLD_SAMPLED) == 1).mean())


def test_a_checkpoint_is_named_by_its_step_where_that_names_one_model(
    harness: Harness, tmp_path: Path
) -> None:
    names = ("sft/step-100", "sft/step-200", "cft/step-200")
    results = store_of(tmp_path / "r.duckdb", [Made(name, drawn(1)) for name in names])
    done = harness("compare", "step-100", "cft/step-200", "--results", results, "--json")
    assert done.code == 0, done.err
    several = harness("compare", "step-100", "step-200", "--results", results)
    assert several.code == 2
    assert "2 models" in several.err and all(name in several.err for name in names[1:])
