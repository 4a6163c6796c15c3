"""Human labels: beside the machine's grades, on disk at once, also while the file is held."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import StoreLocked
from harness.store import Journal, Store, annotation_queue, queries, recovery, samples
from harness.store.labels import SampleName, judgements, label, labels
from tests.leaderboard.made_store import HOSTILE_NAME, SECRET, made_runs, run_id, write

RUN = run_id("made-up-small", "math500")
NAME = SampleName("item-004", 0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a results file of made-up runs."""
    store = Store(tmp_path / "results.duckdb", wait_seconds=0.2)
    with Journal(store) as journal:
        for run in made_runs():
            write(journal, run)
    return store


def test_a_label_stands_beside_the_grade_and_changes_no_score(store: Store) -> None:
    before = queries.runs(store, [RUN])[0].score
    said = judgements(store, RUN, [NAME])[NAME]
    assert [(opinion.profile, opinion.correct) for opinion in said.opinions] == [("strict", False)]
    assert said.labels == ()

    assert label(store, said.key, said.gold_id, correct=True, note=" two forms ", by=" Ada ")
    assert label(store, said.key, said.gold_id, correct=False, note="", by="Bob")

    again = judgements(store, RUN, [NAME])[NAME]
    assert again.opinions == said.opinions
    assert [(one.by, one.correct, one.note) for one in again.labels] == [
        ("Bob", False, ""),
        ("Ada", True, "two forms"),
    ]
    assert queries.runs(store, [RUN])[0].score == before
    assert [one.by for one in labels(store, RUN)] == ["Bob", "Ada"]
    assert labels(store, run_id("made-up-small", "gsm8k")) == []
    assert samples.page(store, RUN, keep="labelled").counts["labelled"] == 1


def test_a_label_waits_while_another_process_holds_the_file(store: Store) -> None:
    said = judgements(store, RUN, [NAME])[NAME]
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True);"
    hold += "input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            assert not label(store, said.key, said.gold_id, correct=True, note="kept", by="Ada")
            with pytest.raises(StoreLocked):
                annotation_queue.flush(store)
        finally:
            holder.kill()
    assert labels(store, RUN) == []
    (file,) = recovery.annotation_files(store)
    annotation_queue.flush(store)
    # As by a process that listed the file before this one took it in.
    assert recovery.take_annotation(store, file, None) == recovery.Taken()
    assert [one.note for one in labels(store, RUN)] == ["kept"]
    assert not store.journal_dir.exists()


def test_all_samples_asked_for_come_with_their_own_judgements(store: Store) -> None:
    run = run_id(HOSTILE_NAME, "quick")
    names = [SampleName(f"item-{number:03d}", 0) for number in (0, 1, 99)]
    found = judgements(store, run, names)
    assert list(found) == names[:2]
    assert [found[name].opinions[0].status for name in names[:2]] == ["ok", "truncated"]


def test_what_was_extracted_of_a_restricted_run_stays_in_the_file(store: Store) -> None:
    run = run_id("made-up-large", "gpqa_diamond")
    (said,) = judgements(store, run, [SampleName("item-000", 0)]).values()
    assert said.opinions[0].correct
    assert SECRET not in str(said)
