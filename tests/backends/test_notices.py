"""What a user should know before anything is generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from harness.backends.openai.backend import OpenAIBackend
from harness.store import Store
from harness.types import Chat, Message, Model, Prompt
from tests.backends.fake_server import FakeServer
from tests.backends.openai_calls import arguments
from tests.conftest import Finished
from tests.store.rows import generation, left_by_an_earlier_version

THOUGHTS = "budgets of new tokens may cut its thoughts off (256 for quick): --max-tokens"
INSTRUCTION = "--system takes the place of the instruction that quick would give"


@pytest.fixture
def notices(
    server: FakeServer, harness: Callable[..., Finished], tmp_path: Path
) -> Callable[..., str]:
    """Evaluate with these options; return what was said before generation."""
    command = arguments(server, tmp_path / "results.duckdb", "--limit", "1")
    at = command.index("--max-tokens")
    del command[at : at + 2]

    def call(*options: str) -> str:
        done = harness(*command, *options)
        assert done.code == 0, done.err
        return " ".join(done.err.partition("generating")[0].split())

    return call


def test_a_budget_that_nobody_chose_for_a_model_that_thinks(
    notices: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert THOUGHTS not in notices()
    assert THOUGHTS in notices("--thinking")

    def opens_thought(
        backend: OpenAIBackend, model: Model, messages: Sequence[Message], chat: Chat
    ) -> Prompt:
        return Prompt(messages=tuple(messages), starts_in_thought=True)

    monkeypatch.setattr(OpenAIBackend, "render", opens_thought)
    assert THOUGHTS in notices()
    for chosen in (("--max-tokens", "300"), ("--no-thinking",)):
        assert THOUGHTS not in notices(*chosen)


def test_what_waits_for_another_results_file_is_said_once(
    notices: Callable[..., str], tmp_path: Path
) -> None:
    store = Store(tmp_path / "results.duckdb")
    rows = left_by_an_earlier_version(store, ("generation", generation(1)))
    rows.with_name("owner.lock").write_text("0" * 32)
    with store.write():
        pass
    assert notices().count("wait for another results file") == 1


def test_an_instruction_that_another_system_prompt_replaces(notices: Callable[..., str]) -> None:
    assert INSTRUCTION not in notices()
    assert INSTRUCTION in notices("--system", "You are a helpful assistant.")
