"""Comparability of two runs: what differs between them, and whether that is of the protocol.

*Refused* differences are of the protocol: the two runs answer different questions. *Shown* ones are
of the model (its template, its dtype, whether it thinks), which is what one compares. *Warned* ones
(engine, hardware, libraries) should change nothing, and sometimes do. The number of samples of an
item, the seed and the replicate do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from harness.environment import libraries, machine
from harness.errors import HarnessError
from harness.run.plan import TaskPlan
from harness.store import Store, queries
from harness.store.queries import MadeWith, RunSummary
from harness.types import Sampling, canonical_json, without_credentials

UNKNOWN = "unknown"
_REMEDY = "Evaluate both alike, or give --allow-different to compare them all the same."
_HASH_DIGITS = 12
# Engine arguments that are sampling parameters.
_SAMPLING_ARGS = frozenset(
    {
        "bad_words", "frequency_penalty", "generation_config", "length_penalty", "logit_bias",
        "min_p", "min_tokens", "override_generation_config", "presence_penalty",
        "repetition_penalty", "stop", "stop_token_ids", "top_k",
    }
)  # fmt: skip
_MODEL_ARGS = frozenset(
    {
        "dtype", "hf_overrides", "hf_token", "model_impl", "quantization", "rope_scaling",
        "tokenizer", "tokenizer_mode", "tokenizer_revision",
    }
)  # fmt: skip
# Our own runs always record these; ``None`` is an import's that does not.
_ALWAYS_RECORDED = frozenset({"temperature", "top_p", "max_tokens", "stop"})
# They change neither generation nor grading.
_IRRELEVANT_LIBRARIES = frozenset({"duckdb", "streamlit"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two runs differ, in words.

    Attributes:
        what: What it is.
        first: Its value in the first run.
        second: Its value in the second.
    """

    what: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.what}: {self.first} against {self.second}"


@dataclass(frozen=True, slots=True)
class Comparability:
    """What differs between two runs, by what it means.

    Attributes:
        refused: Of the protocol: these two numbers answer different questions.
        shown: Of the model.
        warned: Of the engine, the hardware and the libraries.
    """

    refused: tuple[Difference, ...] = ()
    shown: tuple[Difference, ...] = ()
    warned: tuple[Difference, ...] = ()

    @property
    def comparable(self) -> bool:
        """Nothing of the protocol differs."""
        return not self.refused

    def check(self, first: str, second: str, remedy: str = _REMEDY) -> None:
        """Refuse a comparison that would mislead.

        Args:
            first: What to call the first run in the message.
            second: What to call the second.
            remedy: What to do about it.

        Raises:
            HarnessError: The protocol differs; every difference is named.
        """
        if self.refused:
            raise HarnessError(
                f"{first} and {second} were not measured under one protocol: "
                f"{'; '.join(map(str, self.refused))}.",
                remedy,
            )


@dataclass(frozen=True, slots=True)
class _Setup:
    """How a run was made, or is about to be."""

    protocol: Mapping[str, Any]
    engine: str
    device: str
    made_with: MadeWith


def differences(first: RunSummary | TaskPlan, second: RunSummary | TaskPlan) -> Comparability:
    """Return the differences of two runs, stored or only planned.

    The grader's version is not looked at here: see :func:`grader_differences`.
    """
    one, other = _setup(first), _setup(second)
    sampling_args, model_args, engine_args = _argument_differences(one.made_with, other.made_with)
    return Comparability(
        refused=(*protocol_differences(one.protocol, other.protocol), *sampling_args),
        shown=(*_model_differences(one.made_with, other.made_with), *model_args),
        warned=(
            *_different("engine", one.engine, other.engine),
            *_different("device", one.device, other.device),
            *engine_args,
            *_machine_differences(one.made_with, other.made_with),
        ),
    )


def protocol_differences(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """Return the differences of two protocols, as ``asdict(Protocol)`` or as stored.

    What is unknown of a run (an imported one has no record of its sampling) is a difference too,
    unless both are the same import.
    """
    if dict(first) == dict(second):
        return ()
    data, messages = "data_sha256", "messages_sha256"
    return (
        *_different("task", first.get("task"), second.get("task")),
        *_different("task version", first.get("task_version"), second.get("task_version")),
        *_different("data", first.get(data), second.get(data), _short),
        *_message_differences(first.get(messages), second.get(messages)),
        *_sampling_differences(first.get("sampling"), second.get("sampling")),
    )


def grader_differences(
    store: Store,
    runs: Sequence[RunSummary],
    profile: str,
    obstacles: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Difference]:
    """Say, by run, how the grader's version differs from the first run's.

    Args:
        store: The results file.
        runs: The runs.
        profile: The grading profile.
        obstacles: Why a run could not be graded again, by run.
    """
    versions = queries.grader_versions(store, [run.id for run in runs], profile)
    named = {run_id: " and ".join(found) for run_id, found in versions.items()}
    first = named[runs[0].id]
    why = next((f" ({obstacles[run.id]})" for run in reversed(runs) if run.id in obstacles), "")
    return {
        run_id: Difference(f"grader version{why}", first, version)
        for run_id, version in named.items()
        if version != first
    }


def _setup(made: RunSummary | TaskPlan) -> _Setup:
    if isinstance(made, RunSummary):
        # An imported run's protocol names its file only; the hash of its data is known beside it.
        protocol = {"data_sha256": made.data_sha256} | made.protocol
        return _Setup(protocol, made.engine, made.device, made.made_with)
    engine = made.run.engine
    made_with = MadeWith(
        architecture=made.model.architecture,
        chat_template_sha256=made.model.chat_template_sha256,
        chat=asdict(made.chat),
        output_args=without_credentials(engine.output_args),
        dtype=engine.dtype,
        libraries=libraries(),
        machine=machine(),
    )
    protocol = asdict(made.run.protocol)
    return _Setup(protocol, f"{engine.backend} {engine.version}", engine.device, made_with)


def _message_differences(first: str | None, second: str | None) -> tuple[Difference, ...]:
    what = "messages before templating"
    if first is None and second is None:
        # Two imports without a record may have sent different messages.
        return (Difference(what, UNKNOWN, UNKNOWN),)
    return _different(what, first, second, _short)


def _sampling_differences(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None
) -> tuple[Difference, ...]:
    if not first or not second:
        both = [_sampling_words(sampling) for sampling in (first, second)]
        return (Difference("sampling, budget and stop rules", *both),)
    # What an older run does not name was at its default, since it did not exist.
    one, other = asdict(Sampling()) | dict(first), asdict(Sampling()) | dict(second)
    words: dict[str, tuple[str, Callable[[Any], str]]] = {
        "temperature": ("temperature", str),
        "top_p": ("top-p", str),
        "max_tokens": ("token budget", _tokens),
        "thinking_budget": ("thinking budget", _tokens),
        "stop": ("stop strings", _listed),
        "stop_loops": ("ending of loops", _switch),
    }
    found: list[Difference] = []
    for name, (what, say) in words.items():
        # Of an import it may be unknown, and two unknown values are not known to be equal.
        unknown = name in _ALWAYS_RECORDED and None in (one[name], other[name])
        first_value, second_value = (
            UNKNOWN if unknown and sampling[name] is None else say(sampling[name])
            for sampling in (one, other)
        )
        if unknown:
            found.append(Difference(what, first_value, second_value))
        else:
            found += _different(what, first_value, second_value)
    return tuple(found)


def _sampling_words(sampling: Mapping[str, Any] | None) -> str:
    if not sampling:
        return f"{UNKNOWN} (imported)"
    temperature, budget = sampling["temperature"], sampling["max_tokens"]
    value = UNKNOWN if temperature is None else temperature
    return f"temperature {value}, {UNKNOWN if budget is None else _tokens(budget)}"


def _argument_differences(
    first: MadeWith, second: MadeWith
) -> tuple[list[Difference], list[Difference], list[Difference]]:
    """Return the engine arguments that differ: those of sampling, of the model, and the others."""
    sampling: list[Difference] = []
    model: list[Difference] = []
    engine: list[Difference] = []
    one, other = (
        {**made.output_args, **({"dtype": made.dtype} if made.dtype else {})}
        for made in (first, second)
    )
    for name in sorted({*one, *other}):
        kind = sampling if name in _SAMPLING_ARGS else model if name in _MODEL_ARGS else engine
        kind += _different(name.replace("_", " "), _value(one.get(name)), _value(other.get(name)))
    return sampling, model, engine


def _model_differences(first: MadeWith, second: MadeWith) -> list[Difference]:
    rows: list[tuple[str, Callable[[MadeWith], str]]] = [
        ("architecture", lambda made: made.architecture),
        ("chat template", lambda made: _short(made.chat_template_sha256 or "none")),
        ("thinking", lambda made: _thinking(made.chat.get("thinking"))),
        ("template arguments", lambda made: _value(made.chat.get("template_args") or None)),
    ]
    found: list[Difference] = []
    for what, say in rows:
        found += _different(what, say(first), say(second))
    return found


def _machine_differences(first: MadeWith, second: MadeWith) -> list[Difference]:
    found: list[Difference] = []
    for name, what in (("cpu", "processor"), ("gpus", "GPUs"), ("system", "system")):
        found += _different(what, first.machine.get(name), second.machine.get(name))
    one, other = first.libraries, second.libraries
    if one and other:
        for name in sorted({*one, *other} - _IRRELEVANT_LIBRARIES):
            found += _different(name, one.get(name, "none"), other.get(name, "none"))
    return found


def _different(
    what: str, first: str | None, second: str | None, say: Callable[[str], str] = str
) -> tuple[Difference, ...]:
    """Return the difference if there is one; ``None`` and nothing are not known."""
    if (first or UNKNOWN) == (second or UNKNOWN):
        return ()
    return (Difference(what, *(say(value) if value else UNKNOWN for value in (first, second))),)


def _short(sha256: str) -> str:
    return sha256[:_HASH_DIGITS]


def _tokens(count: int | None) -> str:
    return "none" if count is None else f"{count} tokens"


def _listed(stop: Sequence[str]) -> str:
    return ", ".join(map(repr, stop)) or "none"


def _switch(on: bool) -> str:
    return "on" if on else "off"


def _thinking(asked: bool | None) -> str:
    return "the template's default" if asked is None else _switch(asked)


def _value(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else canonical_json(value)
