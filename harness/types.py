"""The vocabulary of the harness as frozen dataclasses.

Every other module speaks in these words: an *item* becomes a *request*, a request comes back as a
*generation*, a generation gets a *grade*, and one model on one task under one *protocol*
is a *run*. See ``docs/design.md`` for the vocabulary.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Literal, TypedDict

# The grading profile that scores are shown by unless another is asked for; the views of the same
# name in store/views.sql take it too.
DEFAULT_PROFILE = "strict"
# The profile of the verdicts that an imported log came with; its rules are not known.
SOURCE_PROFILE = "source"

# What a drop is about: questions like those of the task, or the very items of the task.
NEW_ITEMS: Final = "new items"
THESE_ITEMS: Final = "these items"


@dataclass(frozen=True, slots=True)
class ThoughtTags:
    """What opens and closes a thought in a model's text.

    Attributes:
        opening: Begins the thought.
        closing: Ends it; what follows is the answer.
        closing_ids: The closing tag as tokens, where it always stands for the same ones; empty
            where it is ordinary text to the tokenizer.
    """

    opening: str = "<think>"
    closing: str = "</think>"
    closing_ids: tuple[int, ...] = ()


# Many other arguments end in "token" or "key", and are none of these.
_CREDENTIAL = re.compile(
    r"(?i)^token$|(^|[_-])(hf_?token|(api|access|auth|secret)[_-]?(key|token)|password|secret"
    r"|credentials?|authorization)$"
)
_NOT_STORED = "(not stored)"
RESOLVED_DTYPE = "resolved_dtype"
"""Beside a run's stored engine arguments: what ``auto`` came to."""


class AnswerType(StrEnum):
    """How a reference answer is compared; ``auto`` infers it from that answer alone."""

    AUTO = "auto"
    INTEGER = "integer"
    NUMBER = "number"
    EXPRESSION = "expression"
    EQUATION = "equation"
    TUPLE = "tuple"
    LIST = "list"
    SET = "set"
    INTERVAL = "interval"
    MATRIX = "matrix"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    TEXT = "text"


class Status(StrEnum):
    """What became of one grading.

    ``ok`` was compared. ``truncated`` (ran out of budget before an answer), ``no_answer`` and
    ``unparsed`` are wrong answers of the model. ``timeout``, ``memory`` and ``crash`` are
    failures of the grader's infrastructure: counted wrong *and* shown as bounds of the score.
    """

    OK = "ok"
    TRUNCATED = "truncated"
    NO_ANSWER = "no_answer"
    UNPARSED = "unparsed"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"


INFRASTRUCTURE_FAILURES = frozenset({Status.TIMEOUT, Status.MEMORY, Status.CRASH})


class Message(TypedDict):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may be from the reference answer.

    An answer counts where ``|answer - gold| <= absolute + relative * |gold|``.
    """

    absolute: float = 0.0
    relative: float = 0.0


@dataclass(frozen=True, slots=True)
class Item:
    r"""One question of a task.

    Attributes:
        id: Unique within the task, and a pure function of the source row.
        question: The question as the task's source has it, before any prompt is made of it.
        gold: The reference answer, bare (no ``$`` and no ``\boxed``).
        answer_type: How answers are compared with it.
        tolerance: For numbers; ``None`` compares exactly.
        subject: The source's own topic, for break-downs; empty where it has none.
        level: The source's own difficulty, as text; empty where it has none.
        option_order: For multiple choice: which of the source's options (0 is the right one) each
            letter stands for. A pure function of the item, kept with the run.
        note: What a reader should know of the item, for instance that its picture is missing.
        scorer: ``module:function`` where the benchmark brings its own grading: called in a
            grader's worker with ``reference``, the response and whether that was truncated, it
            returns a :class:`Verdict`.
        reference: What that function grades against.
    """

    id: str
    question: str
    gold: str
    answer_type: AnswerType = AnswerType.AUTO
    tolerance: Tolerance | None = None
    subject: str = ""
    level: str = ""
    option_order: tuple[int, ...] = ()
    note: str = ""
    scorer: str = ""
    reference: str = ""

    @property
    def gold_id(self) -> str:
        """Id of what an answer is graded against: a grade is of one generation and one of these."""
        return _gold_id(self)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling and stop parameters of a request; all of them are part of its key.

    Attributes:
        temperature: 0 is greedy.
        top_p: Nucleus sampling, in (0, 1].
        max_tokens: Budget of new tokens, thought included.
        stop: Stop strings; chat tasks carry none. They act on the answer, never on the thought.
        thinking_budget: Tokens after which the engine ends the thought; ``None`` for no limit.
        stop_loops: End a generation that repeats itself.
    """

    # A new parameter goes last, and `as_dict` leaves it out at its default: results files made
    # before must find their requests and runs under the same hashes.
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 2048
    stop: tuple[str, ...] = ()
    thinking_budget: int | None = None
    stop_loops: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is hashed and stored: in request keys, run ids and protocols."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Chat:
    """How a conversation is put to a model; what the model's own template understands.

    Attributes:
        thinking: Asks a template that has such a switch for a thought, or for none; ``None``
            leaves the template its default.
        template_args: Further variables of the chat template.
    """

    thinking: bool | None = None
    template_args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, in the form that its engine takes.

    Attributes:
        token_ids: Rendered by the model's template and tokenized, with exactly one
            beginning-of-sequence token where the model uses one; empty for a server, which renders
            by itself.
        messages: The conversation, for a server; empty otherwise.
        template_args: Template variables, for a server; empty otherwise.
        starts_in_thought: The template itself opened the thought at the end of the prompt.
        tags: What will close it.
    """

    token_ids: tuple[int, ...] = ()
    messages: tuple[Message, ...] = ()
    template_args: Mapping[str, Any] = field(default_factory=dict)
    starts_in_thought: bool = False
    tags: ThoughtTags = ThoughtTags()

    @property
    def identity(self) -> object:
        """What makes it another prompt, as a request's key holds it."""
        if not self.messages:
            return self.token_ids
        return [list(self.messages), dict(self.template_args)]


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to be completed once.

    Attributes:
        key: 32 hexadecimal digits; equal keys mean the same completion is asked for.
        item_id: The item it asks about.
        sample_index: 0-based among the samples of one item.
        prompt: What is asked, shared by the samples of an item.
        sampling: How to sample, and when to stop.
        seed: The engine's seed for this request alone (never of a batch), 63 bits.
    """

    key: str
    item_id: str
    sample_index: int
    prompt: Prompt
    sampling: Sampling
    seed: int


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine returns for one request, before anything is read into it.

    Attributes:
        key: The request's key.
        text: Decoded new text; special tokens are left in where thought tags are among them.
        token_ids: The new tokens; empty where a server does not return them.
        finish_reason: ``stop``, ``length``, ``repetition`` … as the engine says.
        seconds: From handing the request to the engine until its last token.
        thought: The thought, where a server separates it from the text; else ``None``.
        prompt_tokens: As a server counts them; ``None`` where the prompt is tokens anyway.
        completion_tokens: As a server counts them; ``None`` where ``token_ids`` are there.
        thought_tokens: As a server counts them; ``None`` where it does not.
    """

    key: str
    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    seconds: float
    thought: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    thought_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """One finished completion, split into thought and answer.

    Attributes:
        key: The request's key.
        thought: Text before the end-of-thought tag; empty for models that do not think.
        answer: Text after the thought; empty where the thought never ended.
        finish_reason: As the engine says.
        truncated: The budget ran out (finish reason ``length``), a repetition was cut off, or the
            thought never ended.
        loop: The new tokens end in a repetition.
        prompt_tokens: Length of the prompt; ``None`` where nobody counted.
        completion_tokens: Number of new tokens, thought included; ``None`` where nobody counted.
        thought_tokens: How many of those the thought took, its closing tag included; ``None``
            where nobody counted.
        seconds: From handing the request to the engine until its last token; ``None`` where nobody
            measured.
    """

    key: str
    thought: str
    answer: str
    finish_reason: str
    truncated: bool
    loop: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    thought_tokens: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The grade of one response against one reference answer.

    Attributes:
        correct: Whether the answer equals the reference answer. Always false unless ``status`` is
            ``ok``.
        status: What became of the grading.
        extracted: The answer that was compared; empty where none was found.
        extraction: The rule that found it: ``boxed``, ``phrase``, ``last_line``, ``last_number`` …
        method: The comparison that decided: ``text``, ``rational``, ``symbolic`` …
        seconds: CPU time the grading took.
    """

    correct: bool
    status: Status
    extracted: str = ""
    extraction: str = ""
    method: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Protocol:
    """What must be equal before two numbers may be compared.

    Attributes:
        task: Name of the task.
        task_version: Raised whenever its prompt or its reading of the data changes.
        data_sha256: Hash of the canonical (id, question, gold) rows.
        messages_sha256: Hash of every item's messages before templating.
        sampling: Sampling, token budget and stop rules.
    """

    task: str
    task_version: str
    data_sha256: str
    messages_sha256: str
    sampling: Sampling

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is hashed and stored."""
        return asdict(self) | {"sampling": self.sampling.as_dict()}

    @property
    def sha256(self) -> str:
        """Hash of all fields."""
        return digest(self.as_dict())


@dataclass(frozen=True, slots=True)
class Model:
    """A model as far as the store and the plan of a run need to know it.

    Attributes:
        name: What the leaderboard calls it.
        source: Where it came from: ``builtin:…``, ``hub:…@commit``, a folder, or
            ``server:… (weights unverified)``.
        fingerprint: 64 hexadecimal digits: over weights, config and tokenizer, or for a server
            over its URL and the name it serves.
        earlier_fingerprint: What earlier versions took for the fingerprint, where that differs;
            results may be stored under it.
        architecture: The model class its config names, or ``unknown``.
        parameters: Number of stored weights; tied ones count once. ``None`` where unknown.
        chat_template_sha256: ``None`` where the model has no chat template, or none is known.
        chat_template_fault: Why the template gives no turns: ``none``, ``empty``, or
            ``no generation prompt``; ``None`` where it does, or where that is not known.
        max_context: Longest prompt and answer together, in tokens; ``None`` where unknown.
    """

    name: str
    source: str
    fingerprint: str
    architecture: str = "unknown"
    parameters: int | None = None
    chat_template_sha256: str | None = None
    chat_template_fault: str | None = None
    max_context: int | None = None
    earlier_fingerprint: str | None = None

    def is_known_by(self, fingerprint: object) -> bool:
        """Say whether this version or an earlier one gives the model this fingerprint."""
        return fingerprint in (self.fingerprint, self.earlier_fingerprint)


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What generates, as far as it can change what is generated.

    Attributes:
        backend: Name of the backend, for instance ``vllm``.
        version: Version of the engine.
        device: Kind of device, for instance ``cpu`` or ``cuda``.
        output_args: Engine arguments that affect the output, as request keys spell them: a dtype of
            ``auto`` there is the one that the checkpoint itself names.
        dtype: What is computed in, resolved; empty where that is not known.
    """

    backend: str
    version: str
    device: str
    output_args: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = ""

    @property
    def identity(self) -> object:
        """What makes it another engine, as keys of requests and ids of runs hold it.

        The resolved dtype follows from the checkpoint where the arguments do not give it.
        """
        return {
            "backend": self.backend,
            "version": self.version,
            "device": self.device,
            "output_args": dict(self.output_args),
        }


@dataclass(frozen=True, slots=True)
class Run:
    """One model on one task under one protocol.

    Attributes:
        id: 12 hexadecimal digits, a pure function of everything that defines the run, so that
            the same command goes on with the same run.
        model: Fingerprint of the model.
        protocol: What makes it comparable.
        item_ids: The items asked for, in the task's order.
        samples: Samples per item.
        seed: Base seed.
        replicate: Another set of samples of the same model is a new replicate.
        engine: What generates.
    """

    id: str
    model: str
    protocol: Protocol
    item_ids: tuple[str, ...]
    samples: int
    seed: int
    replicate: int
    engine: EngineIdentity


@lru_cache(maxsize=1 << 16)  # asked for with every grade
def _gold_id(item: Item) -> str:
    tolerance = asdict(item.tolerance or Tolerance())
    return digest([item.gold, item.answer_type, tolerance, item.scorer, item.reference])[:32]


def is_credential(name: str) -> bool:
    """Say whether an engine argument of this name is a token or a password."""
    return _CREDENTIAL.search(name) is not None


def without_credentials(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return engine arguments as they may be stored and shown: without tokens and passwords."""
    return {name: _shown(name, value) for name, value in arguments.items()}


def _shown(name: str, value: Any) -> Any:
    if is_credential(name) and not isinstance(value, bool | None):
        return _NOT_STORED
    if isinstance(value, Mapping):
        return without_credentials(value)
    return [_shown(name, one) for one in value] if isinstance(value, list) else value


def canonical_json(value: object) -> str:
    """Serialize so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> str:
    """Return the sha256 of a value's canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()
