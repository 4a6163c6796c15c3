"""The critic that needs no model writes only what it can show."""

from __future__ import annotations

from dataclasses import replace

from train_cft.critic import conclusions, reference_critic
from train_cft.data.examples import Example


def _example(
    response: str, *, right: bool | None, extracted: str = "", solution: str = ""
) -> Example:
    return Example(
        "What is 17 * 3?",
        response,
        "s",
        gold="51",
        right=right,
        extracted=extracted,
        solution=solution,
    )


def test_a_wrong_step_is_quoted_and_put_right() -> None:
    example = _example("3 + 4 = 7. Then 17 * 3 = 41, so 41.", right=False, extracted="41")
    critique, reason = reference_critic.criticise(example)
    assert not reason
    assert "`17 * 3 = 41` is wrong: `17 * 3` is 51." in critique
    assert "should be `51`, but the solution gives `41`" in critique
    assert critique.endswith("Conclusion: wrong [END]")


def test_the_reference_solution_stands_in_for_a_step() -> None:
    critique, _ = reference_critic.criticise(
        _example("41.", right=False, solution="Take 50 and 1.")
    )
    assert "Take 50 and 1." in critique and "does not give one" in critique


def test_a_sentence_where_an_answer_should_be_is_not_repeated() -> None:
    found = "sides, including the triangle itself, which is"
    critique, _ = reference_critic.criticise(
        _example("…", right=False, extracted=found, solution="Take 50 and 1.")
    )
    assert found not in critique and "does not arrive at it" in critique


def test_a_number_that_merely_stands_last_is_not_called_the_answer() -> None:
    last = replace(
        _example("17 * 3 = 41, by adding 2.", right=False, extracted="2"), extraction="last_number"
    )
    critique, _ = reference_critic.criticise(last)
    assert "does not arrive at it" in critique and "gives" not in critique


def test_steps_that_hold_speak_for_a_right_response() -> None:
    critique, _ = reference_critic.criticise(_example("17 * 3 = 51", right=True, extracted="51"))
    assert "`17 * 3 = 51`" in critique
    found = conclusions.read(critique)
    assert found is not None and found.right and found.reasons


def test_a_bare_verdict_is_no_critique() -> None:
    assert reference_critic.criticise(_example("41", right=False)) == (
        "",
        reference_critic.NO_MATERIAL,
    )
    assert reference_critic.criticise(_example("51", right=True)) == (
        "",
        reference_critic.NO_MATERIAL,
    )
    # Steps that hold say nothing about why an answer is wrong.
    holding = _example("3 + 4 = 7, so 41", right=False)
    assert reference_critic.criticise(holding) == ("", reference_critic.NO_MATERIAL)


def test_a_right_answer_through_a_wrong_step_is_left_out() -> None:
    example = _example("17 * 3 = 41, no matter: 51", right=True)
    assert reference_critic.criticise(example) == ("", reference_critic.LUCKY)
    assert reference_critic.criticise(_example("51", right=None)) == (
        "",
        reference_critic.NO_VERDICT,
    )
