"""``gate.toml``: every key is known and every value makes sense, or the gate does not start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.gate import config as module
from harness.gate.config import GateConfig, Guards, Tier, margin_of, read_config, task_names
from tests.conftest import REPOSITORY

WHOLE = """
tasks = ["gsm8k", "aime24"]
margin = 2.0
samples = 1
alpha = 0.05
undecided = "neutral"

[guards]
loop = 1.0

[task.aime24]
margin = 5
samples = 8
temperature = 0.7
guards = { truncation = 4.0 }
"""


def _read(tmp_path: Path, text: str) -> GateConfig:
    path = tmp_path / "gate.toml"
    path.write_text(text)
    return read_config(path)


def test_a_task_takes_what_it_does_not_say_from_the_top(tmp_path: Path) -> None:
    config = _read(tmp_path, WHOLE)
    assert config.of("gsm8k").margin == 2.0 and config.of("gsm8k").guards == Guards(loop=1.0)
    own = config.of("aime24")
    assert (own.margin, own.samples, own.temperature) == (5, 8, 0.7)
    assert own.guards == Guards(truncation=4.0, loop=1.0)
    assert config.undecided == "neutral" and config.suite_margin is None
    assert task_names(config, [], None) == (("gsm8k", "aime24"), None)
    assert task_names(config, ["quick"], None) == (["quick"], None)


def test_nothing_needs_to_be_said() -> None:
    assert read_config(None) == GateConfig()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("margn = 2", "no key 'margn'. Did you mean margin"),
        ("[guards]\ntruncated = 1", "no key 'truncated'. Did you mean truncation"),
        ('tasks = ["a"]\n[task.a]\nalpha = 0.1', "[task.a] has no key 'alpha'"),
        ('tasks = ["gsm8k"]\n[task.gms8k]\nmargin = 1', "Did you mean gsm8k"),
        ("[task]\nquick = 3", "[task.quick] is not a table"),
        ("margin = 0", "margin = 0 is not a number of points above 0"),
        ("margin = true", "margin = True is not a number of points above 0, or a text like"),
        ("margin = nan", "margin = nan is not a number of points above 0, or a text like"),
        ("alpha = 0.6", "alpha = 0.6 is not less than or equal to 0.5"),
        ("samples = 1.5", "samples = 1.5 is not a whole number"),
        ("samples = 0", "samples = 0 is not greater than 0"),
        ("power = 1", "power = 1 is not less than 1"),
        ("window = -1", "window = -1 is not greater than 0"),
        ("order_seed = -1", "is not greater than or equal to 0"),
        ('undecided = "pass"', '"fail" or "neutral"'),
        ('target = "those"', '"new items" or "these items"'),
        ('tasks = "gsm8k"', "a list of names"),
        ("[guards]\nloop = -1", "guards: loop = -1 is not greater than or equal to 0"),
        ("guards = 3", "a table"),
        ('margin = "0%"', "a share of the baseline's score"),
        ('margin = "100%"', "a share of the baseline's score"),
        ('margin = "-5%"', "a share of the baseline's score"),
        ('margin = "5"', "a share of the baseline's score"),
        ('tier = "optional"', '"required", "suite" or "advisory"'),
        ('better = "less"', '"higher" or "lower"'),
        ("baseline_fixed = 1", "true or false"),
        ('tasks = ["gsm8k", ""]', "tasks = '' is not"),
        ('defaults = "none"', "no key 'defaults'"),
        ('task = "quick"', "task = 'quick' is not a table"),
        ("temperature = inf", "temperature = inf is not a finite number"),
        ("seed = 9223372036854775808", "is not less than 9223372036854775808"),
        ("system = 2026-01-01", "2026-01-01'} is not a text"),
        ('[task."a.b"]\nguards = { loop = "x" }', "[task.a.b] guards: loop = 'x' is not a number"),
        ("margin = ", "is not TOML"),
    ],
)
def test_a_slip_is_refused_with_what_was_meant(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(HarnessError) as refused:
        _read(tmp_path, text)
    assert said in str(refused.value) and refused.value.remedy


def test_a_margin_may_be_a_share_of_the_baselines_score(tmp_path: Path) -> None:
    config = _read(tmp_path, 'margin = "5%"\nsuite_margin = "2.5 %"\n[task.aime24]\nmargin = 8')
    assert margin_of(config.of("gsm8k").margin, 0.6) == pytest.approx(0.03)
    assert margin_of(config.of("aime24").margin, 0.6) == pytest.approx(0.08)
    assert config.suite_margin is not None
    assert margin_of(config.suite_margin, 0.4) == pytest.approx(0.01)


def test_a_gate_of_advisory_tasks_alone_is_refused_and_a_suite_needs_two(tmp_path: Path) -> None:
    config = _read(tmp_path, 'tier = "advisory"\n[task.b]\ntier = "suite"')
    assert config.tiers(["a", "b"]) == {"a": Tier.ADVISORY, "b": Tier.REQUIRED}
    with pytest.raises(HarnessError, match="a, c"):
        config.tiers(["a", "c"])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"none\.toml cannot be read"):
        read_config(tmp_path / "none.toml")


def test_the_documentation_names_every_key_and_its_default() -> None:
    text = (REPOSITORY / "docs" / "gate.md").read_text()
    documented = set(re.findall(r"^\| `([a-z_.]+)`", text, flags=re.MULTILINE))
    guards = {f"guards.{name}" for name in module._GUARD_KEYS}
    assert documented == ({*module._GATE_KEYS, *module._TASK_KEYS} - {"guards"}) | guards


def test_the_example_in_the_documentation_is_valid(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / "gate.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    assert examples
    for example in examples:
        _read(tmp_path, example)
