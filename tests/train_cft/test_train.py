"""Real trainings of a tiny model: loss, checkpoints, resuming and refusals."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import environment
from harness.models.prompts import PromptRenderer
from harness.models.resolve import resolve_model
from harness.store import Store
from harness.store.training import training_checkpoints, trainings
from tests.train_cft.conftest import FinishedTraining, TrainCft
from tests.train_cft.tiny_training import (
    SAMPLES,
    data_folder,
    examples,
    recipe_file,
    steps_of,
    train_arguments,
    train_process,
)
from train_cft.data.examples import Example
from train_cft.train import batch_plan, manifest
from train_cft.train.encoding import Encoder, encode_all
from train_cft.train.objectives import collect, read_data
from train_cft.train.recipe import read_recipe

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def recipe(tmp_path: Path, tiny: Path) -> Path:
    return recipe_file(tmp_path, tiny)


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    tensors: dict[str, Any] = load_file(folder / "model.safetensors")
    return tensors


def _logits(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return model(torch.arange(40, 80)[None]).logits


def test_only_the_completion_is_learnt_and_the_prompt_is_the_evaluations(
    tiny: Path, data: Path, tmp_path: Path
) -> None:
    from train_cft.train.trl_setup import make_trainer

    read = read_recipe(str(recipe_file(tmp_path, tiny)))
    base = resolve_model(str(tiny))
    encoder = Encoder(base, read.model)
    samples = collect(read_data(data), read.objective.mix, seed=0).samples
    encodings = encode_all(encoder, samples, read.length)
    plan = batch_plan.arrange(
        batch_plan.as_rows(encodings.samples),
        batch=4,
        micro_batch=2,
        epochs=1,
        seed=0,
        by_length=True,
        blank=2,
    )
    trainer = make_trainer(
        read, base, plan, encoder.tokenizer, scratch=tmp_path / "scratch", callbacks=[]
    )
    renderer = PromptRenderer(tiny)
    of_prompt = {renderer.render([one.messages[0]]).token_ids: one for one in samples}
    seen = []
    for batch in trainer.get_train_dataloader():
        for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
            if all(label == -100 for label in labels):
                continue  # a blank of the last step
            first = next(place for place, label in enumerate(labels) if label != -100)
            sample = of_prompt[tuple(ids[:first])]
            learnt = [label for label in labels if label != -100]
            assert learnt == ids[first : first + len(learnt)]
            text = encoder.tokenizer.decode(learnt)
            assert text == f"{sample.completion}<|im_end|>\n"
            seen.append(sample)
    assert sorted(one.row for one in seen) == list(range(1, SAMPLES + 1))


def test_a_training_leaves_checkpoints_a_manifest_and_its_metrics_in_the_store(
    uninterrupted: tuple[Path, Path, str], tiny: Path, data: Path
) -> None:
    out, results, training = uninterrupted
    read = manifest.read(out)
    assert [one.step for one in read.checkpoints] == [4, 8, 12, 16, 20, 21]
    assert read.id == training and read.objective == "cft" and read.seed == 0
    assert read.base == resolve_model(str(tiny)).fingerprint
    assert read.exempt == {"math500": ("a", "b")}
    assert not (out / "resume").exists() and not (out / ".making").exists()
    for saved in read.checkpoints:
        assert resolve_model(str(saved.path)).fingerprint == saved.fingerprint
        assert not [file for file in saved.path.iterdir() if file.suffix in (".bin", ".pt")]
        for name in ("tokenizer.json", "chat_template.jinja"):
            assert (saved.path / name).read_bytes() == (tiny / name).read_bytes()
        config = manifest.read_json(saved.path / "config.json")
        assert config["use_cache"] is manifest.read_json(tiny / "config.json")["use_cache"] is True
    beside = json.loads((out / "checkpoints" / "step-21.json").read_text())
    assert beside["base"] == read.base and beside["libraries"]["trl"]
    assert beside["recipe"]["optimiser"]["learning_rate"] == 0.001
    commit = beside["git_commit"]
    if environment.git_commit() is None:
        assert commit is None, "not from a checkout"
    else:
        assert re.fullmatch("[0-9a-f]{40}(-dirty)?", commit)
    steps = steps_of(results, training)
    assert [row[0] for row in steps] == list(range(1, 22))
    assert steps[-1][1] < steps[0][1] - 0.5, "it learns"
    assert max(row[2] for row in steps) == pytest.approx(0.001, rel=0.01)
    with Store(results).read() as connection:
        stored = connection.execute(
            "SELECT t.base, t.objective, count(c.step) FROM training t"
            " JOIN training_checkpoint c ON c.training_id = t.id WHERE t.id = ? GROUP BY ALL",
            [training],
        ).fetchall()
    assert stored == [(read.base, "cft", 6)]
    assert list((out / "tensorboard").glob("events.*"))


def test_a_stopped_training_resumes_with_the_same_results(
    uninterrupted: tuple[Path, Path, str],
    tiny: Path,
    data: Path,
    tmp_path: Path,
    train_cft: TrainCft,
    results: Path,
) -> None:
    """Stopped by a signal, then by a disk that takes no more, it ends with the same weights."""
    arguments = train_arguments(
        recipe_file(tmp_path, tiny), data, tmp_path / "out", "--set", "schedule.epochs=3"
    )
    running = train_process(results, *arguments)
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("step "):
            running.send_signal(signal.SIGTERM)
            break
    stderr = running.stderr.read()
    assert running.wait(timeout=300) == 2, stderr
    assert "Stopped after step" in stderr and "same command" in stderr
    before = manifest.read(tmp_path / "out")
    (state,) = (tmp_path / "out" / "resume").iterdir()

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, hard))
    try:
        full = train_cft(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert full.code == 2 and "cannot be written" in full.err and "same command" in full.err
    assert manifest.read(tmp_path / "out").checkpoints == before.checkpoints
    assert list((tmp_path / "out" / "resume").iterdir()) == [state]

    finished = train_cft(*arguments)
    assert finished.code == 0, finished.err
    out, other_results, training = uninterrupted
    assert finished.json["training"] == training
    assert steps_of(results, training) == steps_of(other_results, training)
    last = [one.fingerprint for one in manifest.read(tmp_path / "out").checkpoints]
    assert last == [one.fingerprint for one in manifest.read(out).checkpoints]

    (tmp_path / "out" / "resume" / "step-20").mkdir(parents=True)  # a kill came before it was gone
    again = train_cft(*arguments)
    assert again.code == 0 and "nothing is left to do" in again.err
    assert not (tmp_path / "out" / "resume").exists()
    other = train_cft(*arguments, "--set", "optimiser.learning_rate=0.002")
    assert other.code == 2 and "optimiser.learning_rate (0.001 is now 0.002)" in other.err


def test_a_checkpoint_that_is_whole_stays_though_its_step_is_computed_again(
    tiny: Path, data: Path, tmp_path: Path, train_cft: TrainCft, results: Path
) -> None:
    """Killed behind its last state, and moved: what was measured of a checkpoint stays true."""
    changes = ("schedule.epochs=3", "save.resume_every=10")
    more = [part for change in changes for part in ("--set", change)]
    recipe = recipe_file(tmp_path, tiny)
    arguments = train_arguments(recipe, data, tmp_path / "out", *more)
    running = train_process(results, *arguments)
    while not (tmp_path / "out" / "checkpoints" / "step-12.json").exists():
        assert running.poll() is None, running.communicate()[1]
        time.sleep(0.01)
    running.kill()
    running.communicate(timeout=300)
    (state,) = (tmp_path / "out" / "resume").iterdir()
    assert state.name == "step-10"
    kept = manifest.read(tmp_path / "out").checkpoints[-1]
    # Weights computed again would differ in their last bits on another machine; here these do.
    config = kept.path / "config.json"
    config.write_text(config.read_text() + "\n")
    fingerprint = resolve_model(str(kept.path)).fingerprint
    beside = kept.path.with_name(f"{kept.path.name}.json")
    changed = json.loads(beside.read_text()) | {"fingerprint": fingerprint}
    beside.write_text(json.dumps(changed | {"libraries": {"trl": "0.1"}}))
    facts = manifest.read_facts(tmp_path / "out")
    assert facts is not None
    manifest.write_json(tmp_path / "out" / manifest.TRAINING, facts | {"libraries": {"trl": "0.1"}})

    moved = (tmp_path / "out").rename(tmp_path / "moved")
    finished = train_cft(*train_arguments(recipe, data, moved, *more))
    assert finished.code == 0, finished.err
    read = manifest.read(moved)
    assert {one.step: one.fingerprint for one in read.checkpoints}[kept.step] == fingerprint
    assert json.loads((moved / "checkpoints" / beside.name).read_text())["libraries"] == {
        "trl": "0.1"
    }
    last = json.loads((moved / "checkpoints" / "step-21.json").read_text())
    assert last["libraries"]["trl"] != "0.1", "each checkpoint names the libraries that made it"
    assert last["started_at"] == facts["started_at"]
    (row,) = trainings(Store(results))
    assert row.output == str(moved) and row.id == facts["id"]


def test_the_store_names_where_the_checkpoints_are_now_and_keeps_others_of_the_same_training(
    finished: FinishedTraining,
    recipe: Path,
    data: Path,
    tmp_path: Path,
    train_cft: TrainCft,
    results: Path,
) -> None:
    def places() -> dict[str, list[str]]:
        """Return the folders by fingerprint of the store's checkpoints."""
        found: dict[str, list[str]] = {}
        for one in training_checkpoints(Store(results)):
            found.setdefault(one.fingerprint, []).append(one.path)
        return found

    (first, _), second = finished("cft"), tmp_path / "second"
    shutil.copyfile(first.parent / "results.duckdb", results)
    # The same step computed again elsewhere may differ in its last bits.
    with Store(results).write() as connection:
        connection.execute("UPDATE training_checkpoint SET fingerprint = 'other' WHERE step = 4")
    assert train_cft(*train_arguments(recipe, data, second)).code == 0
    made = {one.fingerprint: str(one.path) for one in manifest.read(second).checkpoints}
    assert places() == {name: [path] for name, path in made.items()} | {
        "other": [str(manifest.checkpoint_path(first, 4))]
    }
    (row,) = trainings(Store(results))
    assert row.output == str(second) and row.checkpoints == len(made)

    # A finished training that was moved tells of it when it is called again.
    third = second.rename(tmp_path / "third")
    again = train_cft(*train_arguments(recipe, data, third))
    assert again.code == 0 and "nothing is left to do" in again.err
    assert {path for name in made for path in places()[name]} == {
        str(manifest.checkpoint_path(third, step)) for step in (4, 7)
    }
    (row,) = trainings(Store(results))
    assert row.output == str(third)


def test_other_solutions_are_another_training(
    finished: FinishedTraining, recipe: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    rows = [replace(one, solution=f"{one.solution} Indeed.") for one in examples(SAMPLES)]
    other = data_folder(tmp_path / "other", rows)
    out, _ = finished("sft-reference")
    refused = train_cft(*train_arguments(recipe, other, out, "--objective", "sft-reference"))
    assert refused.code == 2 and "holds another training: data_sha256." in refused.err


def test_an_adapters_checkpoint_is_a_whole_model_with_the_template_that_the_recipe_names(
    tiny: Path, data: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(tiny, plain)
    template = tmp_path / "turns.jinja"
    (plain / "chat_template.jinja").rename(template)
    recipe = recipe_file(tmp_path, plain, "[lora]\nrank = 4\n")
    refused = train_cft(*train_arguments(recipe, data, tmp_path / "out"))
    assert refused.code == 2 and "has no chat template" in refused.err
    named = train_cft(
        *train_arguments(recipe, data, tmp_path / "out", "--set", f"model.chat_template={template}")
    )
    assert named.code == 0, named.err
    last = manifest.read(tmp_path / "out").checkpoints[-1].path
    assert (last / "chat_template.jinja").read_text() == template.read_text()
    before, after = _weights(tiny), _weights(last)
    assert before.keys() == after.keys()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed and all("proj" in name for name in changed)
    assert not _logits(tiny).equal(_logits(last))


def test_packed_samples_have_the_loss_of_single_ones(
    tiny: Path, data: Path, tmp_path: Path, train_cft: TrainCft, results: Path
) -> None:
    """One step over all samples, packed or not, has the same loss and gradient."""
    losses = []
    for name, changes in (
        ("single", ["batch.global_batch=26", "batch.micro_batch=1"]),
        ("packed", ["batch.global_batch=20", "batch.micro_batch=1", "length.packing=true"]),
    ):
        more = [part for change in changes for part in ("--set", change)]
        out = tmp_path / name
        done = train_cft(*train_arguments(recipe_file(tmp_path, tiny), data, out, *more))
        assert done.code == 0, done.err
        rows = steps_of(results, done.json["training"])
        losses.append((rows[0][1], rows[0][3]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.parametrize(
    ("objective", "samples"), [("sft", 26), ("sft-verified", 13), ("sft-reference", 17)]
)
def test_each_objective_trains(objective: str, samples: int, finished: FinishedTraining) -> None:
    out, report = finished(objective)
    assert manifest.read(out).objective == objective
    assert report.samples == samples


def test_long_samples_are_counted_whatever_becomes_of_them(
    tiny: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    rows = examples(8)
    rows[3] = replace(rows[3], critique="so " * 400)
    rows[5] = replace(rows[5], question="why " * 400)
    data = data_folder(tmp_path / "data", rows)
    recipe = recipe_file(tmp_path, tiny)
    dropped = train_cft(*train_arguments(recipe, data, tmp_path / "a", "--on-long", "drop"))
    assert dropped.json["too_long"] == {"dropped": 2, "truncated": 0}
    assert "2 samples of more than 256 tokens are left out" in dropped.err
    cutting = read_recipe(str(recipe), {"length.on_long": "truncate"})
    encoder = Encoder(resolve_model(str(tiny)), cutting.model)
    samples = collect(read_data(data), cutting.objective.mix, seed=0).samples
    cut = encode_all(encoder, samples, cutting.length)
    assert (cut.dropped, cut.truncated) == (1, 1)
    failed = train_cft(*train_arguments(recipe, data, tmp_path / "c", "--on-long", "fail"))
    assert failed.code == 2 and "Row 4 of the data (cft)" in failed.err
    assert not (tmp_path / "c").exists()


def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    tiny: Path, data: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    recipe, out = recipe_file(tmp_path, tiny), tmp_path / "out"
    uneven = train_cft(*train_arguments(recipe, data, out, "--set", "batch.global_batch=5"))
    assert "A batch of 5 does not divide into 2" in uneven.err
    beyond = train_cft(*train_arguments(recipe, data, out, "--set", "length.max_tokens=4096"))
    assert "has a context of 512 tokens" in beyond.err
    often = ("--set", "schedule.epochs=20000", "--set", "save.checkpoint_every=1")
    often += ("--set", "batch.global_batch=2")
    huge = train_cft(*train_arguments(recipe, data, out, *often))
    assert "The checkpoints take" in huge.err and "free" in huge.err
    assert not (out / "training.json").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": " "}, "row 2: column 'question' is empty"),
        ({"critique": None}, "row 2: column 'critique' is NoneType, not text"),
    ],
)
def test_a_faulty_row_is_named(
    row: dict[str, Any], message: str, tiny: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    rows: list[Example] = examples(4)
    rows[1] = replace(rows[1], **row)
    data = data_folder(tmp_path / "data", rows)
    done = train_cft(*train_arguments(recipe_file(tmp_path, tiny), data, tmp_path / "out"))
    assert done.code == 2 and message in done.err


def test_data_that_was_changed_after_its_build_is_refused(
    tiny: Path, tmp_path: Path, train_cft: TrainCft
) -> None:
    data = data_folder(tmp_path / "data", examples(4))
    other = data_folder(tmp_path / "other", examples(5))
    (other / "examples.parquet").replace(data / "examples.parquet")
    done = train_cft(*train_arguments(recipe_file(tmp_path, tiny), data, tmp_path / "out"))
    assert done.code == 2 and "is not the file that the build wrote" in done.err
