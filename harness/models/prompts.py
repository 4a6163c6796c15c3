"""Render messages to token ids with the model's own chat template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.template_limits import TemplateTooSlow, resource_limits
from harness.models.think_tags import find_think_tags
from harness.types import Chat, Message, Prompt

# Templates that print today's date would make another prompt, and another score, every day. This is
# the date that Llama's templates fall back on.
_DATE = datetime(2024, 7, 26, tzinfo=UTC)


_DEFAULT_CHAT = Chat()
# What templates call the switch between thinking and not.
_THINKING_SWITCHES = ("enable_thinking", "thinking")


def load_tokenizer(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """Load a checkpoint's tokenizer.

    Raises:
        HarnessError: It cannot be loaded.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise HarnessError(
            "Rendering prompts needs the package `transformers`, which comes with an engine.",
            "pip install 'cft-harness[cpu]' (or [cuda]).",
        ) from error
    try:
        return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=trust_remote_code)
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise HarnessError(
                f"The tokenizer in {folder} is code of its own (auto_map), which is not run unless "
                "you say so.",
                "If you trust it, add --trust-remote-code.",
            ) from error
        raise HarnessError(
            f"The tokenizer in {folder} cannot be loaded ({type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0]}).",
            "Save it again beside the weights: tokenizer.save_pretrained(folder).",
        ) from error


def _refused(error: Exception) -> HarnessError:
    why = f"{type(error).__name__}: {error}".removesuffix(": ")
    return HarnessError(
        f"The model's chat template refuses the prompt ({why}).",
        "Correct chat_template in the checkpoint.",
    )


class PromptRenderer:
    """Renders chat messages with one model's template and tokenizer.

    Args:
        folder: The checkpoint's folder.
        trust_remote_code: Whether the checkpoint's own Python may be run; off unless asked for.
        tokenizer: One that is loaded already, for callers that change it first.

    Raises:
        HarnessError: The tokenizer cannot be loaded.
    """

    def __init__(
        self, folder: Path, *, trust_remote_code: bool = False, tokenizer: Any = None
    ) -> None:
        if tokenizer is None:
            tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)
        self._tokenizer: Any = tokenizer
        self._adds_bos = self._tokenizer_adds_bos()
        # A tokenizer may carry several templates by name; the default one is meant then.
        template = self._tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default") or str(template)
        self._has_template = template is not None
        self._template = str(template or "")
        self._variables_of_template: frozenset[str] | None = None
        self.tags = find_think_tags(self._tokenizer.get_added_vocab(), self._template, self._encode)

    def render(self, messages: Sequence[Message], chat: Chat = _DEFAULT_CHAT) -> Prompt:
        """Render and tokenize one conversation, ready for the model's turn.

        Raises:
            HarnessError: The template refuses it, or has no switch for what is asked.
        """
        variables = self._variables(chat)
        if not self._template:
            # A base model has no turns: the messages stand one under the other.
            text = "\n\n".join(message["content"] for message in messages) + "\n"
        else:
            text = self._apply_template(list(messages), variables)
        return Prompt(
            token_ids=tuple(self._with_one_bos(self._encode(text))),
            starts_in_thought=text.rstrip().endswith(self.tags.opening),
            tags=self.tags,
        )

    def template_fault(self) -> str | None:
        """Return what is wrong with the chat template, as ``Model`` has it; ``None`` if nothing.

        A template that refuses the test question is judged by the real prompts.
        """
        if not self._template.strip():
            return "empty" if self._has_template else "none"
        question: list[Message] = [{"role": "user", "content": "What is 2 + 3?"}]
        try:
            asked = self._apply_template(question, {})
            answered = self._apply_template(question, {}, add_generation_prompt=False)
        except HarnessError as error:
            if isinstance(error.__cause__, MemoryError):
                raise
            return None
        if not asked.strip():
            return "empty"
        return "no generation prompt" if asked == answered else None

    def completion(self, messages: Sequence[Message], answer: Message) -> tuple[int, ...] | None:
        """Return the token ids of an answer after its prompt, to the end of the turn.

        ``None`` where the template renders the prompt itself differently then.
        """
        asked = self._apply_template(list(messages), {})
        answered = self._apply_template([*messages, answer], {}, add_generation_prompt=False)
        if not answered.startswith(asked):
            return None
        return tuple(self._encode(answered.removeprefix(asked)))

    def count(self, text: str) -> int:
        """Return the number of tokens of a text."""
        return len(self._encode(text))

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _variables(self, chat: Chat) -> dict[str, Any]:
        variables = dict(chat.template_args)
        for name in variables:
            if name not in self._known_variables():
                raise HarnessError(
                    f"The model's chat template has no variable {name!r}.",
                    "Leave out --template-arg, or look it up in the template.",
                )
        if chat.thinking is not None:
            switches = [name for name in _THINKING_SWITCHES if name in self._known_variables()]
            if not switches:
                raise HarnessError(
                    "The model's chat template has no switch for thinking "
                    f"({' or '.join(_THINKING_SWITCHES)}).",
                    "Leave out --thinking and --no-thinking; --template-arg sets other variables.",
                )
            variables[switches[0]] = chat.thinking
        return variables

    def _known_variables(self) -> frozenset[str]:
        """Return the template's undeclared variables."""
        if self._variables_of_template is None:
            from jinja2 import TemplateError
            from jinja2.ext import loopcontrols
            from jinja2.meta import find_undeclared_variables
            from jinja2.sandbox import ImmutableSandboxedEnvironment

            # As Transformers parses it, which knows one tag more.
            marked = re.sub(r"{%-?\s*(end)?generation\s*-?%}", "", self._template)
            environment = ImmutableSandboxedEnvironment(extensions=[loopcontrols])
            try:
                found = find_undeclared_variables(environment.parse(marked))
            except TemplateError as error:
                raise _refused(error) from error
            self._variables_of_template = frozenset(found)
        return self._variables_of_template

    def _apply_template(
        self,
        messages: list[Message],
        variables: dict[str, Any],
        *,
        add_generation_prompt: bool = True,
    ) -> str:
        try:
            with resource_limits():
                return str(
                    self._tokenizer.apply_chat_template(
                        messages,
                        tokenize=False,
                        add_generation_prompt=add_generation_prompt,
                        strftime_now=_DATE.strftime,
                        **variables,
                    )
                )
        except Exception as error:
            costly = isinstance(error, TemplateTooSlow | MemoryError)
            if costly or len(messages) < 2 or messages[0]["role"] != "system":
                raise _refused(error) from error
            # Some templates know no system turn: its text then opens the user's.
            first, second, *rest = messages
            joined: Message = {
                "role": second["role"],
                "content": f"{first['content']}\n\n{second['content']}",
            }
            return self._apply_template(
                [joined, *rest], variables, add_generation_prompt=add_generation_prompt
            )

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
