"""The command that a gate prints to go on with its baseline makes that very run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from harness.backends.base import EngineOptions
from harness.run.command import CommandOptions
from harness.store import Store, queries
from tests.backends.fake_server import FakeServer, completion, refusal
from tests.backends.openai_calls import KEY, arguments
from tests.conftest import Finished


def test_the_printed_command_goes_on_with_the_baseline(
    server: FakeServer, harness: Callable[..., Finished], tmp_path: Path
) -> None:
    results, config = tmp_path / "my results.duckdb", tmp_path / "gate.toml"
    system = 'It\'s a test: say "7" & `stop`.\nOn two lines.'
    config.write_text(f"thinking_budget = 0\nstop_loops = true\nsystem = '''{system}'''\n")
    server.pages["/openapi.json"] = completion(
        knows={"thinking_token_budget": 1, "repetition_detection": 1}
    )
    baseline = arguments(
        server, results, "--limit", "4", "--n", "2", "--temperature", "0.123456789"
    )
    baseline += ["--top-p", "0.95", "--seed", "3", "--replicate", "2", "--no-thinking"]
    baseline += ["--thinking-budget", "0", "--stop-loops", "--system", system]
    baseline += ["--template-arg", 'effort="high"', "--template-arg", 'level="2"']
    baseline += ["--engine-arg", "top_k=5", "--engine-arg", 'logit_bias={"1": -100}']
    server.answer = lambda body, number: completion() if number <= 3 else refusal(503, "busy")
    assert harness(*baseline).code == 2
    (run,) = queries.runs(Store(results))
    assert 0 < run.graded < run.requests == 8

    gate = ["gate", "--results", str(results), "--baseline", run.id, "--config", str(config)]
    gate += ["--candidate", "other", "--backend", "openai", "--base-url", server.url]
    refused = harness(*gate)
    assert refused.code == 2 and "is not complete" in refused.err
    assert KEY not in refused.err
    printed = re.search(r"`(harness eval .*)` goes on with it", refused.err, re.DOTALL)
    assert printed is not None, refused.err

    server.answer = lambda body, number: completion()
    _, *words = shlex.split(printed[1])
    done = harness(*words, "--json")
    assert [one["id"] for one in done.json["runs"]] == [run.id], done.err
    assert (done.json["stored"], done.json["runs"][0]["complete"]) == (run.generated, True)


def test_a_secret_among_the_engines_arguments_is_never_printed() -> None:
    args = {"hf_token": "hf_abc", "api_key": 12345678, "max_num_batched_tokens": 5}
    secrets = {"extra_headers": {"authorization": "Bearer abc"}}
    words = CommandOptions(EngineOptions(engine_args=args | secrets)).words()
    assert words[1::2] == [
        "hf_token=YOUR_HF_TOKEN",
        "api_key=YOUR_API_KEY",
        "max_num_batched_tokens=5",
        'extra_headers={"authorization": "(not stored)"}',
    ]
