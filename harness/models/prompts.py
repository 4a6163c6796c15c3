"""Messages to token ids, once, by the model's own chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.types import THOUGHT_TAGS, Message

# Templates that print today's date would make another prompt, and another score, every day. This is
# the date that Llama's templates fall back on.
_DATE = datetime(2024, 7, 26, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt as the engine gets it.

    Attributes:
        token_ids: With exactly one beginning-of-sequence token where the model uses one.
        starts_in_thought: The template left the prompt inside an opened thought.
    """

    token_ids: tuple[int, ...]
    starts_in_thought: bool


class PromptRenderer:
    """Renders chat messages with one model's template and tokenizer.

    Args:
        folder: The checkpoint's folder.
        trust_remote_code: Whether the checkpoint's own Python may be run; off unless asked for.

    Raises:
        HarnessError: The tokenizer cannot be loaded.
    """

    def __init__(self, folder: Path, *, trust_remote_code: bool = False) -> None:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise HarnessError(
                "Rendering prompts needs the package `transformers`, which comes with an engine.",
                "pip install 'cft-harness[cpu]' (or [cuda]).",
            ) from error
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(
                str(folder), trust_remote_code=trust_remote_code
            )
        except Exception as error:
            raise HarnessError(
                f"The tokenizer in {folder} cannot be loaded ({type(error).__name__}: "
                f"{(str(error).splitlines() or [''])[0]}).",
                "Save it again beside the weights: tokenizer.save_pretrained(folder).",
            ) from error
        self._adds_bos = self._tokenizer_adds_bos()

    def render(self, messages: Sequence[Message]) -> RenderedPrompt:
        """Render and tokenize one conversation, ready for the model's turn."""
        if self._tokenizer.chat_template is None:
            # A base model has no turns: the messages stand one under the other.
            text = "\n\n".join(message["content"] for message in messages) + "\n"
        else:
            text = self._apply_template(list(messages))
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        opened = text.rstrip().endswith(THOUGHT_TAGS[0])
        return RenderedPrompt(tuple(self._with_one_bos(ids)), opened)

    def _apply_template(self, messages: list[Message]) -> str:
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    messages,
                    tokenize=False,
                    add_generation_prompt=True,
                    strftime_now=_DATE.strftime,
                )
            )
        except Exception as error:
            if len(messages) < 2 or messages[0]["role"] != "system":
                raise HarnessError(
                    "The model's chat template refuses the prompt "
                    f"({type(error).__name__}: {error}).",
                    "Correct chat_template in the checkpoint.",
                ) from error
            # Some templates know no system turn: its text then opens the user's.
            first, second, *rest = messages
            joined: Message = {
                "role": second["role"],
                "content": f"{first['content']}\n\n{second['content']}",
            }
            return self._apply_template([joined, *rest])

    def _tokenizer_adds_bos(self) -> bool:
        bos = self._tokenizer.bos_token_id
        return bos is not None and self._tokenizer("a")["input_ids"][:1] == [bos]

    def _with_one_bos(self, ids: list[int]) -> list[int]:
        bos = self._tokenizer.bos_token_id
        if bos is None:
            return ids
        while len(ids) > 1 and ids[0] == ids[1] == bos:
            ids = ids[1:]
        return ids if not self._adds_bos or ids[:1] == [bos] else [bos, *ids]
