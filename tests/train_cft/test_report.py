"""Reports on stored runs: what is counted, what is left out, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import ttest_1samp

from harness.statistics import paired, ranking
from harness.store import Store
from harness.store.training import choose
from tests.compared_store import Made, store_of
from tests.train_cft.conftest import TrainCft
from tests.train_cft.stored_training import MadeTraining, leave

ITEMS = 60
# The questions of the made-up runs are "What is N + 0?", whatever their task.
SUMS = '''"""Sums of the tests' own."""
from harness.task import Task
from harness.types import Item

def load():
    for number in {numbers}:
        yield Item(f"{prefix}{{number}}", f"What is {{number}} + 0?", str(number))

def prompt(item):
    return [{{"role": "user", "content": item.question}}]

TASK = Task("{name}", "1", load, prompt)
'''


def right(*places: range) -> list[list[bool]]:
    """Return a run that is right on the items in these ranges."""
    chosen = {place for chosen_range in places for place in chosen_range}
    return [[place in chosen] for place in range(ITEMS)]


BASE = Made("tiny", right(range(20)))
SFT = Made("sft/step-2", right(range(10), range(20, 32)))
CFT = Made("cft/step-4", right(range(18), range(20, 50)))


@pytest.fixture
def tasks_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "own-tasks"
    folder.mkdir()
    (folder / "sums.py").write_text(
        SUMS.format(name="sums", prefix="item ", numbers=f"range({ITEMS})")
    )
    (folder / "chosen_on.py").write_text(
        SUMS.format(name="chosen_on", prefix="another id ", numbers="range(55, 80)")
    )
    return folder


@pytest.fixture
def stored(results: Path) -> Path:
    """Hold a base with an SFT and a CFT of it on one task; two items were trained on."""
    return store_of(results, [BASE, SFT, CFT])


@pytest.fixture
def folders(stored: Path, tmp_path: Path) -> Sequence[Path]:
    exempt = {"sums": ["item 0", "item 59"], "elsewhere": ["item 5"]}
    sft = MadeTraining("an-sft", "sft", BASE, {2: SFT})
    cft = MadeTraining("a-cft", "cft", BASE, {4: CFT}, exempt=exempt)
    return [leave(tmp_path, stored, one) for one in (sft, cft)]


def report_on(train_cft: TrainCft, *models: Made, more: Sequence[object] = ()) -> dict[str, Any]:
    names = ",".join(model.fingerprint for model in models)
    done = train_cft("report", "--base", "tiny", "--models", names, "--json", *more)
    assert done.code == 0, done.err
    found: dict[str, Any] = done.json
    return found


def scores(run: Made, *, without: Sequence[int]) -> list[float]:
    return [float(one[0]) for place, one in enumerate(run.right) if place not in without]


@pytest.mark.usefixtures("folders")
def test_every_number_is_without_what_one_of_them_was_trained_on(train_cft: TrainCft) -> None:
    found = report_on(train_cft, SFT, CFT)
    (task,) = found["tasks"]
    assert (task["items"], task["trained"], task["selected"]) == (ITEMS - 2, 2, 0)
    left = [scores(run, without=[0, 59]) for run in (BASE, SFT, CFT)]
    assert [side["score"]["value"] for side in task["sides"]] == [sum(s) / len(s) for s in left]
    assert [entry["objective"] for entry in found["entries"]] == [None, "sft", "cft"]

    pairs = {(pair["first"], pair["second"]): pair for pair in found["pairs"]}
    base, sft, cft = "tiny", "an-sft step 2", "a-cft step 4"
    assert list(pairs) == [(base, sft), (base, cft), (sft, cft)]
    expected = [paired.compare(left[i], left[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    adjusted = ranking.holm([one.p for one in expected])
    for pair, one, p in zip(pairs.values(), expected, adjusted, strict=True):
        assert pair["paired"]["effect"] == pytest.approx(one.effect)
        assert pair["p_adjusted"] == pytest.approx(p)
        # One of three is judged at a third of the level, if need be; that takes a larger drop.
        assert one.detectable is not None and pair["detectable"] > one.detectable
        assert pair["detectable"] == pytest.approx(one.detectable_at(alpha=0.05 / 3))


@pytest.mark.usefixtures("folders")
def test_it_says_what_was_shown_and_what_could_have_been(train_cft: TrainCft) -> None:
    words = [pair["words"] for pair in report_on(train_cft, SFT, CFT)["pairs"]]
    assert words[0].startswith("No difference is shown between tiny and an-sft step 2: ")
    assert "minimum detectable drop (80 % power) is" in words[0]
    assert words[1].startswith("a-cft step 4 is better than tiny on these 58 items by +")
    assert "after Holm over 3 comparisons" in words[1]


@pytest.mark.usefixtures("folders")
def test_one_training_says_nothing_of_the_method(train_cft: TrainCft) -> None:
    methods = report_on(train_cft, SFT, CFT)["methods"]
    assert [(one["first"], one["second"]) for one in methods] == [
        ("tiny", "sft"),
        ("tiny", "cft"),
        ("sft", "cft"),
    ]
    assert all(one["effect"] is None for one in methods)
    assert all("Nothing is said about the method" in one["words"] for one in methods)


def test_three_seeds_give_an_interval_between_seeds(
    stored: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    runs = {}
    for seed in range(3):
        for objective, begin in (("sft", 20), ("cft", 30)):
            made = Made(f"{objective}-{seed}", right(range(begin + 2 * seed)))
            store_of(stored, [made])
            trained = MadeTraining(made.model, objective, BASE, {4: made}, seed=seed)
            leave(tmp_path, stored, trained)
            runs[objective, seed] = made
    methods = report_on(train_cft, *runs.values())["methods"]
    between = {(one["first"], one["second"]): one for one in methods}[("sft", "cft")]
    differences = [10 / ITEMS] * 3
    assert between["seeds"] == [0, 1, 2]
    assert between["effect"]["value"] == pytest.approx(differences[0])

    of_cft = {(one["first"], one["second"]): one for one in methods}[("tiny", "cft")]
    expected = ttest_1samp([(10 + 2 * seed) / ITEMS for seed in range(3)], 0)
    low, high = expected.confidence_interval(0.95)
    assert (of_cft["effect"]["low"], of_cft["effect"]["high"]) == pytest.approx((low, high))
    assert "with this recipe and this data cft is better" in of_cft["words"]

    # All three seeds differ by the same ten items: that is known to an item, and no better.
    ends = (between["effect"]["low"], between["effect"]["high"])
    assert ends == pytest.approx((9 / ITEMS, 11 / ITEMS))


def test_equal_differences_of_one_item_show_nothing_of_the_method(
    stored: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    made = [Made(f"cft-{seed}", right(range(21))) for seed in range(3)]
    store_of(stored, made)
    for seed, one in enumerate(made):
        leave(tmp_path, stored, MadeTraining(one.model, "cft", BASE, {4: one}, seed=seed))
    (method,) = report_on(train_cft, *made)["methods"]
    assert method["effect"]["low"] <= 0 < method["effect"]["high"]
    assert "no difference between the methods is shown" in method["words"]


def test_other_recipes_are_no_seeds(stored: Path, tmp_path: Path, train_cft: TrainCft) -> None:
    made = [Made(f"cft-{seed}", right(range(30 + seed))) for seed in range(3)]
    store_of(stored, made)
    for seed, one in enumerate(made):
        recipe = {"optimiser": {"learning_rate": 1e-5 * (1 + seed)}}
        trained = MadeTraining(one.model, "cft", BASE, {4: one}, seed=seed, recipe=recipe)
        leave(tmp_path, stored, trained)
    methods = report_on(train_cft, *made)["methods"]
    assert len(methods) == 3
    assert all(one["effect"] is None for one in methods)


@pytest.mark.usefixtures("folders")
def test_items_by_which_one_was_chosen_are_left_out(
    stored: Path, tasks_dir: Path, train_cft: TrainCft
) -> None:
    cft = MadeTraining("a-cft", "cft", BASE)
    choose(
        Store(stored),
        cft.id,
        task="chosen_on",
        rule="best",
        step=4,
        runs={4: CFT.id},
        warnings=[],
    )
    more = ["--tasks-dir", tasks_dir]
    found = report_on(train_cft, CFT, more=more)
    (task,) = found["tasks"]
    # Items 55 to 59 ask what the selection task asks, under other ids; 59 was trained on too.
    assert (task["items"], task["trained"], task["selected"]) == (ITEMS - 6, 2, 4)
    assert found["entries"][1]["chosen"] == ["best on chosen_on"]

    kept = report_on(train_cft, CFT, more=[*more, "--keep-selection"])
    assert (kept["tasks"][0]["items"], kept["tasks"][0]["selected"]) == (ITEMS - 2, 0)
    assert any("too good" in warning for warning in kept["warnings"])


def test_items_by_which_an_ancestor_was_chosen_are_left_out(
    stored: Path, tmp_path: Path, tasks_dir: Path, train_cft: TrainCft
) -> None:
    first = MadeTraining("first", "sft", BASE, {2: SFT})
    for one in (first, MadeTraining("second", "cft", SFT, {4: CFT})):
        leave(tmp_path, stored, one)
    runs = {2: SFT.id}
    choose(Store(stored), first.id, task="chosen_on", rule="best", step=2, runs=runs, warnings=[])
    (task,) = report_on(train_cft, CFT, more=["--tasks-dir", tasks_dir])["tasks"]
    assert (task["items"], task["selected"]) == (ITEMS - 5, 5)


def test_what_the_base_was_trained_on_is_left_out_too(
    stored: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    first = MadeTraining("first", "sft", BASE, {2: SFT}, exempt={"sums": ["item 7"]})
    second = MadeTraining("second", "cft", SFT, {4: CFT}, exempt={"sums": ["item 8"]})
    for one in (first, second):
        leave(tmp_path, stored, one)
    assert report_on(train_cft, CFT)["tasks"][0]["trained"] == 2


def test_without_a_trainings_folder_its_data_must_be_named(
    folders: Sequence[Path], tmp_path: Path, train_cft: TrainCft
) -> None:
    (folders[1] / "training.json").unlink()
    refused = train_cft("report", "--base", "tiny", "--models", CFT.fingerprint)
    assert refused.code == 2
    assert "It is not known what a-cft step 4 was trained on" in refused.err
    assert "--exempt" in refused.err
    facts = tmp_path / "build.json"
    build = {"data_sha256": "d" * 64, "exempt": {"sums": ["item 3"]}}
    facts.write_text(json.dumps(build))
    found = report_on(train_cft, CFT, more=["--exempt", facts])
    assert (found["tasks"][0]["trained"], found["warnings"]) == (1, [])
    facts.write_text(json.dumps(build | {"data_sha256": "e" * 64}))
    others = train_cft("report", "--base", "tiny", "--models", CFT.fingerprint, "--exempt", facts)
    assert (others.code, "It is not known what a-cft step 4" in others.err) == (2, True)
    facts.write_text("[]")
    refused = train_cft("report", "--base", "tiny", "--models", "sft/step-2", "--exempt", facts)
    assert (refused.code, "is no build.json" in refused.err) == (2, True)


def test_the_data_of_one_training_does_not_stand_for_that_of_another(
    stored: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    for made in (
        MadeTraining("an-sft", "sft", BASE, {2: SFT}, data_sha256="a" * 64),
        MadeTraining("a-cft", "cft", BASE, {4: CFT}, data_sha256="b" * 64),
    ):
        (leave(tmp_path, stored, made) / "training.json").unlink()
    files = []
    for letter, item in (("a", "item 1"), ("b", "item 2")):
        files.append(tmp_path / f"build-{letter}.json")
        facts = {"data_sha256": letter * 64, "exempt": {"sums": [item]}}
        files[-1].write_text(json.dumps(facts))
    command = ["report", "--base", "tiny", "--models", f"{SFT.fingerprint},{CFT.fingerprint}"]
    refused = train_cft(*command, "--exempt", files[0])
    assert refused.code == 2
    assert "It is not known what a-cft step 4 was trained on" in refused.err
    found = train_cft(*command, "--exempt", files[0], "--exempt", files[1], "--json").json
    assert found["tasks"][0]["trained"] == 2


def test_a_stranger_is_warned_of_also_where_data_is_named(
    stored: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    leave(tmp_path, stored, MadeTraining("a-cft", "cft", BASE, {4: CFT}))
    facts = tmp_path / "build.json"
    facts.write_text(json.dumps({"data_sha256": "d" * 64, "exempt": {}}))
    (warning,) = report_on(train_cft, SFT, CFT, more=["--exempt", facts])["warnings"]
    assert warning.startswith("It is not known what sft/step-2 was trained on, so nothing was left")

    build = {"data_sha256": "f" * 64, "exempt": {"sums": ["item 3"]}}
    facts.write_text(json.dumps(build))
    found = report_on(train_cft, SFT, CFT, more=["--exempt", facts])
    assert found["tasks"][0]["trained"] == 1
    assert f"only what {facts} names was left out" in found["warnings"][0]
    (warning,) = report_on(train_cft, CFT, more=["--exempt", facts])["warnings"]
    assert "is not of the data of any training here" in warning


def test_a_training_is_found_where_it_was_moved_to(
    folders: Sequence[Path], tmp_path: Path, train_cft: TrainCft
) -> None:
    (folders[1] / "chosen.json").write_text(json.dumps({"fingerprint": CFT.fingerprint}))
    moved = folders[1].rename(tmp_path / "moved")
    refused = train_cft("report", "--base", "tiny", "--models", CFT.fingerprint)
    assert (refused.code, "Name the training's folder" in refused.err) == (2, True)
    done = train_cft("report", "--base", "tiny", "--models", moved, "--json")
    assert done.code == 0, done.err
    assert done.json["tasks"][0]["trained"] == 2


def test_a_folder_that_holds_another_training_now_is_not_believed(
    folders: Sequence[Path], tmp_path: Path, train_cft: TrainCft
) -> None:
    folders[1].rename(tmp_path / "moved")
    folders[0].rename(folders[1])
    refused = train_cft("report", "--base", "tiny", "--models", CFT.fingerprint)
    assert refused.code == 2
    assert "now holds another training (an-sft)" in refused.err


def test_a_task_that_was_wholly_trained_on_is_not_reported(
    stored: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    every = [f"item {number}" for number in range(ITEMS)]
    leave(tmp_path, stored, MadeTraining("all", "cft", BASE, {4: CFT}, exempt={"sums": every}))
    refused = train_cft("report", "--base", "tiny", "--models", CFT.fingerprint)
    assert refused.code == 2
    assert "sums: none of the 60 items that they share counts" in refused.err


@pytest.mark.usefixtures("stored")
def test_a_model_of_unknown_origin_is_said_to_be_one(train_cft: TrainCft) -> None:
    found = report_on(train_cft, CFT)
    assert any("not known what cft/step-4 was trained on" in one for one in found["warnings"])
    assert found["methods"] == []


def test_a_trainings_folder_stands_for_what_was_chosen_of_it(
    folders: Sequence[Path], train_cft: TrainCft
) -> None:
    refused = train_cft("report", "--base", "tiny", "--models", folders[1])
    assert (refused.code, "Run `train-cft select` first" in refused.err) == (2, True)
    (folders[1] / "chosen.json").write_text(json.dumps({"fingerprint": CFT.fingerprint}))
    done = train_cft("report", "--base", "tiny", "--models", folders[1], "--json")
    assert [entry["model"] for entry in done.json["entries"]] == ["tiny", "cft/step-4"]
    done = train_cft("report", "--base", folders[1], "--models", "tiny", "--json")
    assert [entry["model"] for entry in done.json["entries"]] == ["cft/step-4", "tiny"]

    # What is proposed can be run: `harness eval` takes a checkpoint, not a training.
    missing = ["--tasks", "products"]
    refused = train_cft("report", "--base", "tiny", "--models", folders[1], *missing)
    assert f"--model tiny --model {folders[1]}/checkpoints/step-4 --tasks" in refused.err


def test_published_rows_stand_apart(results: Path, tmp_path: Path, train_cft: TrainCft) -> None:
    name = "Qwen2.5-Math-7B"
    store_of(results, [Made(name, BASE.right, "gsm8k"), Made("mine", CFT.right, "gsm8k")])
    out = tmp_path / "report.md"
    command = ["report", "--base", name, "--models", "mine", "--published", "--out", out]
    found = train_cft(*command, "--json").json
    assert {row["model"] for row in found["published"]} == {
        name,
        *(f"{name}+WebInstruct-{kind}" for kind in ("SFT", "verified-SFT", "GPT4o-SFT", "CFT")),
    }
    assert len(found["tasks"][0]["sides"]) == 2
    measured, published = out.read_text().split("## Published, not measured here")
    assert "WebInstruct" not in measured
    assert "| Qwen2.5-Math-7B+WebInstruct-CFT | cft | 90.9 |" in published
    # The paper's own base row is a figure with examples in the prompt; another source is shown.
    assert "Qwen2.5-Math-7B on gsm8k is not the paper's own number: SimpleRL-Zoo" in published

    without = train_cft(*command[:5]).out
    assert "WebInstruct" not in without


def test_tasks_that_not_all_have_are_named(stored: Path, train_cft: TrainCft) -> None:
    store_of(stored, [Made("tiny", right(range(9)), "products")])
    found = report_on(train_cft, CFT, more=["--tasks", "sums,products,differences"])
    assert [task["task"] for task in found["tasks"]] == ["sums"]
    assert {one["task"] for one in found["left_out"]} == {"products", "differences"}
    refused = train_cft("report", "--base", "tiny", "--models", "sft/step-2", "--suite", "core")
    assert "harness eval --model tiny --model sft/step-2 --tasks gsm8k" in refused.err


@pytest.mark.usefixtures("folders")
def test_several_tasks_are_averaged_and_adjusted_together(
    stored: Path, train_cft: TrainCft
) -> None:
    store_of(stored, [Made(run.model, run.right, "products") for run in (BASE, CFT)])
    found = report_on(train_cft, CFT)
    assert [task["task"] for task in found["tasks"]] == ["products", "sums"]
    effects = [pair["paired"]["effect"] for pair in found["pairs"]]
    assert found["average_effects"][0]["effect"]["value"] == pytest.approx(sum(effects) / 2)
    assert all("Holm over 2" in pair["words"] for pair in found["pairs"])
    assert len(found["averages"]) == 2


def test_names_do_nothing_in_markdown_nor_in_the_figure(
    results: Path, tmp_path: Path, train_cft: TrainCft, browser: Any
) -> None:
    hostile = "<img src=x onerror='window.hacked=1'>|[a](http://b.invalid)*\x1b[31m"
    store_of(results, [BASE, Made(hostile, CFT.right)])
    out, plot = tmp_path / "report.md", tmp_path / "report.html"
    fingerprint = Made(hostile, CFT.right).fingerprint
    command = ["report", "--base", "tiny", "--models", fingerprint, "--out", out, "--plot", plot]
    done = train_cft(*command)
    assert done.code == 0, done.err
    assert "\x1b" not in done.out
    text = out.read_text()
    assert "<img" not in text and "](http" not in text and "\x1b" not in text
    assert "| task | model |" in text

    seen = _in_a_browser(browser, plot)
    assert seen["requests"] == [plot.as_uri()]
    assert seen["hacked"] is None
    assert "less the base" in seen["text"] and "onerror" in seen["text"]


def _in_a_browser(browser: Any, page_file: Path) -> dict[str, object]:
    requests: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    page.wait_for_selector(".js-plotly-plot .xtick")
    text = page.locator(".js-plotly-plot").inner_text()
    hacked = page.evaluate("window.hacked ?? null")
    page.close()
    return {"requests": requests, "hacked": hacked, "text": text}


def test_a_figure_that_cannot_be_written_is_refused_first(train_cft: TrainCft) -> None:
    refused = train_cft("report", "--base", "a", "--models", "b", "--plot", "report.png")
    assert refused.code == 2
    assert "Let its name end in .html" in refused.err
