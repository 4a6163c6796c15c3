"""Keys, run ids and protocol hashes stay what they are: results files made before hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import cast

import pytest

from harness.analysis.protocol import differences
from harness.backends.base import Backend
from harness.run.plan import Settings, TaskPlan, plan_task
from harness.task import Task
from harness.types import Chat, EngineIdentity, Item, Message, Model, Prompt, Sampling

TASK = Task(
    "sums",
    "1",
    lambda: iter([Item("a", "1 + 1?", "2")]),
    lambda item: [{"role": "user", "content": item.question}],
)
MODEL = Model("made-up", "folder", "f" * 64)
WARM = Settings(temperature=0.7, top_p=0.9, max_tokens=64, thinking_budget=5, stop_loops=True)


class _Backend:
    """Names an engine and renders; starts nothing."""

    def identity(self, model: Model) -> EngineIdentity:
        return EngineIdentity("vllm", "0.32.0", "cpu", {"dtype": "auto"}, "bfloat16")

    def render(self, model: Model, messages: Sequence[Message], chat: Chat) -> Prompt:
        return Prompt(token_ids=(1, 2, 3))


def planned(settings: Settings) -> TaskPlan:
    return plan_task(TASK, MODEL, cast(Backend, _Backend()), settings)


@pytest.mark.parametrize(
    ("settings", "key", "run_id", "protocol"),
    [
        (
            Settings(),
            "a28c964af2d6b25c708728c73a2adba6",
            "98ee4ada1e32",
            "60f73cf78fdc097e7ffa9789b90453f0f868d9e727bc0ec243dd933c64e30e57",
        ),
        (
            WARM,
            "4a24a41e7580e786cf4be3cda9be042c",
            "1ead091cfcc4",
            "ab5746de50cf46bfd8835ace2b22cc93cac39f40a55822cc9abfa7e77e716fc0",
        ),
    ],
)
def test_a_run_keeps_the_key_the_id_and_the_protocol_that_it_was_stored_under(
    settings: Settings, key: str, run_id: str, protocol: str
) -> None:
    plan = planned(settings)
    row = dict(plan.rows())["run"]
    assert [request.key for request in plan.requests] == [key]
    assert (plan.run.id, row["id"]) == (run_id, run_id)
    assert (plan.run.protocol.sha256, row["protocol_sha256"]) == (protocol, protocol)


@pytest.mark.parametrize("name", [field.name for field in fields(Sampling)])
def test_no_sampling_parameter_may_differ_unseen(name: str) -> None:
    other = {
        "temperature": 0.5,
        "top_p": 0.5,
        "max_tokens": 5,
        "stop": ("\n",),
        "thinking_budget": 7,
        "stop_loops": True,
    }[name]
    one = planned(Settings())
    protocol = one.run.protocol
    changed = replace(protocol, sampling=replace(protocol.sampling, **{name: other}))
    two = replace(one, run=replace(one.run, protocol=changed))
    assert changed.sha256 != protocol.sha256
    assert not differences(one, two).comparable
