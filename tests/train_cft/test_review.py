"""Reviewing critiques at the terminal, on a real results file."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from harness.store import Journal, Store
from harness.store.training import critiques_to_review
from tests.conftest import Finished
from tests.store.test_training import critique
from tests.train_cft.conftest import TrainCft


@pytest.fixture
def queue(results: Path) -> Store:
    """Hold three critiques; the critic and our grader take the first and last for right."""
    store = Store(results)
    with Journal(store) as journal:
        journal.append("critique", critique(1, critique="\x1b[31mRight\x07.", gold="4"))
        journal.append("critique", critique(2, reason="conflict", graded_right=False))
        journal.append("critique", critique(3, critique="All steps hold."))
    return store


@pytest.fixture
def typing(train_cft: TrainCft, monkeypatch: pytest.MonkeyPatch) -> TrainCft:
    def call(*lines: object) -> Finished:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return train_cft("review", "--reviewer", "somebody")

    return call


def test_what_is_typed_is_stored_and_the_rest_still_waits(queue: Store, typing: TrainCft) -> None:
    done = typing("r", "y", "well read", "skip", "what?", "w", "s", "")
    assert done.code == 0, done.err
    assert "2 reviewed, 1 still wait" in done.out
    reviewed, _ = critiques_to_review(queue, reviewed=True)
    said = [(row.human_right, row.human_sound, row.human_note) for row in reviewed]
    assert said == [(True, True, "well read"), (False, None, "")]
    assert {row.reviewed_by for row in reviewed} == {"somebody"}
    (waiting,), _ = critiques_to_review(queue)
    assert waiting.reason == "conflict"


def test_who_stops_half_way_keeps_what_was_answered(queue: Store, typing: TrainCft) -> None:
    done = typing("r", "y", "", "w", "q")
    assert (done.code, done.out.splitlines()[-1]) == (0, "1 reviewed, 2 still wait")
    assert "1 reviewed, 1 still wait" in typing("w", "n", "").out  # and then the input ends


def test_the_verdict_on_the_response_comes_before_what_others_say(
    queue: Store, typing: TrainCft
) -> None:
    asked = typing("q").out
    assert "question 1" in asked and "The answer is 4." in asked
    assert "Right" not in asked and "grader" not in asked
    answered = typing("r", "y", "").out
    assert "our grader said right" in answered


def test_why_a_critique_was_queued_does_not_tell_the_graders_verdict(
    queue: Store, typing: TrainCft
) -> None:
    shown = typing("s", "s", "s").out + typing("r", "q").out
    assert "conflict" not in shown and "audit" not in shown
    answered = typing("r", "y", "", "w", "n", "", "r", "y", "").out
    assert "queued as conflict, our grader said wrong" in answered


def test_a_critique_cannot_steer_the_terminal(queue: Store, typing: TrainCft) -> None:
    shown = typing("r", "q").out
    assert "Right" in shown
    assert "\x1b" not in shown and "\x07" not in shown


def test_a_script_gets_the_queue_and_what_was_found(
    queue: Store, typing: TrainCft, train_cft: TrainCft
) -> None:
    listed = train_cft("review", "--json", "--reason", "audit", "--limit", 1).json
    assert (listed["total"], len(listed["critiques"])) == (2, 1)
    assert listed["critiques"][0]["question"] == "question 1"

    # The human: right and sound; right against the grader; wrong, and the critique has a mistake.
    typing("r", "y", "", "r", "y", "", "w", "n", "")
    assert train_cft("review", "--json").json == {"total": 0, "critiques": []}
    audit, conflict, together = train_cft("review", "--stats", "--json").json
    assert (audit["reason"], audit["reviewed"]) == ("audit", 2)
    assert audit["misjudged"]["value"] == audit["unsound"]["value"] == 0.5
    assert 0 < audit["misjudged"]["low"] < 0.5 < audit["misjudged"]["high"] < 1
    assert (audit["wrongly_accepted"], audit["wrongly_rejected"]) == (1, 0)
    assert (conflict["misjudged"]["value"], conflict["wrongly_rejected"]) == (0, 1)
    assert (together["reviewed"], together["agreement"]["items"]) == (3, 3)
    assert together["agreement"]["value"] == pytest.approx(1 / 3)

    shown = train_cft("review", "--stats")
    assert "conclusion wrong" in shown.out and "no row is the critic's error rate" in shown.out


def test_an_empty_queue_and_an_unknown_reason_are_told(queue: Store, train_cft: TrainCft) -> None:
    assert "nothing waits" in train_cft("review", "--reason", "bare").out
    refused = train_cft("review", "--reason", "audits")
    assert (refused.code, refused.err) == (
        2,
        "error: --reason 'audits' is not known. Did you mean audit?\n",
    )
