"""A sweep goes on past a model that cannot be evaluated, and says so at its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.backends.fake_server import Answer, FakeServer, completion
from tests.backends.openai_calls import arguments
from tests.conftest import Finished

CARDS = [("good", 4096), ("tight", 70), ("better", 4096)]


def serve_cards(server: FakeServer) -> None:
    cards = [{"id": name, "max_model_len": context} for name, context in CARDS]
    server.pages = {
        "/v1/models": Answer(body={"data": cards}),
        "/tokenize": Answer(body={"count": 10}),
    }
    server.answer = lambda body, number: completion(model=body["model"])


def named(command: list[str], *models: str) -> list[str]:
    at = command.index("--model")
    return [
        *command[:at],
        *(word for name in models for word in ("--model", name)),
        *command[at + 2 :],
    ]


def test_the_other_models_of_a_sweep_are_evaluated_and_the_failed_ones_named(
    server: FakeServer, harness: Callable[..., Finished], tmp_path: Path
) -> None:
    serve_cards(server)
    command = arguments(server, tmp_path / "results.duckdb", "--limit", "2")
    # One is refused before anything starts, one when the engine is to start with it.
    swept = harness(*named(command, "unheard", "good", "tight", "better"))
    assert swept.code == 2
    assert [run["model"] for run in swept.json["runs"]] == ["good", "better"]
    assert all(run["complete"] for run in swept.json["runs"])
    failed = {one["model"]: one["error"] for one in swept.json["failed"]}
    assert set(failed) == {"unheard", "tight"} and len(swept.json["models"]) == 2
    error = swept.err.splitlines()[-1]
    assert "2 of 4 models could not be evaluated" in error
    for name, sentence in failed.items():
        assert f"{name}: {sentence}" in error
    assert "--max-tokens 60 or less" in failed["tight"]

    table = harness(*(word for word in named(command, "tight", "good") if word != "--json"))
    assert table.code == 2 and "good" in table.out and "from the store" in table.out

    alone = harness(*named(command, "tight"))
    assert (alone.code, alone.out) == (2, "") and "None of" not in alone.err
    none = harness(*named(command, "tight", "unheard"))
    assert (none.code, none.out) == (2, "") and "None of the 2 models" in none.err


def test_everything_from_the_store_has_phases_for_each_model(
    server: FakeServer, harness: Callable[..., Finished], tmp_path: Path
) -> None:
    serve_cards(server)
    command = arguments(server, tmp_path / "results.duckdb", "--limit", "2")
    for expected in (2, 0):
        done = harness(*named(command, "good", "better"))
        assert [one["generated"] for one in done.json["models"]] == [expected, expected]
