"""Encode samples with the model's tokenizer and chat template; every cut is counted.

The prompt is rendered exactly as an evaluation renders it, so that the model is trained on the
context it will see. What the template puts after it, with the end of the turn, is the completion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.checkpoint import Checkpoint
from harness.models.prompts import PromptRenderer, load_tokenizer
from train_cft.train.objectives import Sample
from train_cft.train.recipe import LengthPart, ModelPart

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Encoded:
    """One sample as tokens.

    Attributes:
        ids: Of the prompt, then of the completion.
        prompt_tokens: How many of them are the prompt's.
    """

    ids: tuple[int, ...]
    prompt_tokens: int

    @property
    def labels(self) -> list[int]:
        """The completion's tokens; the prompt's count for nothing in the loss."""
        return [IGNORED] * self.prompt_tokens + list(self.ids[self.prompt_tokens :])


@dataclass(slots=True)
class Encodings:
    """All samples as tokens.

    Attributes:
        samples: Those that are trained on.
        dropped: How many were left out as too long.
        truncated: How many were cut at the end.
        completion_tokens: Over all that are trained on.
    """

    samples: list[Encoded] = field(default_factory=list)
    dropped: int = 0
    truncated: int = 0
    completion_tokens: int = 0


class Encoder:
    """Renders and tokenizes samples for one model.

    Args:
        base: The model.
        part: The recipe's ``[model]``.

    Raises:
        HarnessError: The model has no chat template, or does not know the token that ends a turn.
    """

    def __init__(self, base: Checkpoint, part: ModelPart) -> None:
        self.tokenizer = _tokenizer(base.path, part)
        if not self.tokenizer.chat_template:
            raise HarnessError(
                f"{base.name} has no chat template: how its turns begin and end is not known.",
                'Name a Jinja file in the recipe: [model] chat_template = "FILE".',
            )
        self._renderer = PromptRenderer(base.path, tokenizer=self.tokenizer)
        self.changed = part.chat_template is not None or part.eos_token is not None

    def encode(self, sample: Sample) -> Encoded:
        """Return one sample as tokens.

        Raises:
            HarnessError: The template renders the prompt differently where an answer follows.
        """
        user, assistant = sample.messages
        prompt = self._renderer.render([user])
        completion = self._renderer.completion([user], assistant)
        if completion is None:
            raise HarnessError(
                "The chat template renders a prompt differently where an answer follows, so the "
                "model would be trained on another context than it is asked in.",
                'Name a template that does not in the recipe: [model] chat_template = "FILE".',
            )
        return Encoded((*prompt.token_ids, *completion), len(prompt.token_ids))

    def ends_turns(self, encoded: Encoded) -> bool:
        """Return whether the completion teaches the token at which generation ends."""
        return self.tokenizer.eos_token_id in encoded.ids[encoded.prompt_tokens :]


def _tokenizer(folder: Path, part: ModelPart) -> Any:
    """Load the base's tokenizer, with the template and the end of turns that the recipe names."""
    tokenizer = load_tokenizer(folder)
    if part.chat_template is not None:
        try:
            tokenizer.chat_template = Path(part.chat_template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise HarnessError(
                f"The chat template {part.chat_template} cannot be read: {error}.",
                "Correct model.chat_template in the recipe.",
            ) from error
    if part.eos_token is not None:
        if part.eos_token not in tokenizer.get_vocab():
            raise HarnessError(
                f"The tokenizer has no token {part.eos_token!r}.",
                "Correct model.eos_token in the recipe.",
            )
        tokenizer.eos_token = part.eos_token
    return tokenizer


def encode_all(
    encoder: Encoder,
    samples: Sequence[Sample],
    length: LengthPart,
) -> Encodings:
    """Encode all samples; those that are too long are dropped, cut or refused, and counted.

    Args:
        encoder: The model's.
        samples: What to encode.
        length: The most tokens, and what happens beyond.

    Raises:
        HarnessError: One is too long and ``on_long`` is ``fail``, or all are.
    """
    found = Encodings()
    for sample in samples:
        encoded = encoder.encode(sample)
        if len(encoded.ids) > length.max_tokens:
            shortened = _shortened(encoded, sample, length, found)
            if shortened is None:
                continue
            encoded = shortened
        found.samples.append(encoded)
        found.completion_tokens += len(encoded.ids) - encoded.prompt_tokens
    if not found.samples:
        raise HarnessError(
            f"All {len(samples):,} samples are longer than {length.max_tokens:,} tokens.",
            "Raise length.max_tokens in the recipe.",
        )
    return found


def _shortened(
    encoded: Encoded, sample: Sample, length: LengthPart, found: Encodings
) -> Encoded | None:
    if length.on_long == "fail":
        raise HarnessError(
            f"Row {sample.row} of the data ({sample.objective}) has {len(encoded.ids):,} tokens, "
            f"more than length.max_tokens = {length.max_tokens:,}.",
            "Raise that, or give --on-long drop or truncate.",
        )
    # Where the prompt alone fills it, there would be nothing left to learn.
    if length.on_long == "drop" or encoded.prompt_tokens >= length.max_tokens:
        found.dropped += 1
        return None
    found.truncated += 1
    return Encoded(encoded.ids[: length.max_tokens], encoded.prompt_tokens)
