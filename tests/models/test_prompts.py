"""One rendering by the model's own template, with exactly one beginning-of-sequence token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.models import template_limits
from harness.models.prompts import PromptRenderer
from harness.types import Chat, Message

MESSAGES: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 2 + 3?"},
]
TURNS = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
)


def make_tokenizer(
    folder: Path, *, template: str | None, adds_bos: bool, tags: tuple[str, ...] = ()
) -> Path:
    """Make a byte-level tokenizer whose special tokens are <s>, number 0, and ``tags``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0} | {letter: number + 1 for number, letter in enumerate(alphabet)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<s>", *tags])
    if adds_bos:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 0)]
        )
    wrapped: Any = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>")
    wrapped.chat_template = template
    wrapped.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("template_writes", ["", "<s>", "<s><s>"])
def test_exactly_one_bos_whoever_adds_it(tmp_path: Path, template_writes: str) -> None:
    folder = make_tokenizer(tmp_path, template=template_writes + TURNS, adds_bos=True)
    ids = PromptRenderer(folder).render(MESSAGES).token_ids
    assert ids.count(0) == 1 and ids[0] == 0


def test_a_model_without_bos_gets_none(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, template=TURNS, adds_bos=False)
    assert 0 not in PromptRenderer(folder).render(MESSAGES).token_ids


def test_a_base_model_without_template_gets_the_plain_text(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, template=None, adds_bos=True)
    ids = PromptRenderer(folder).render(MESSAGES).token_ids
    assert ids[0] == 0
    assert len(ids) == 1 + len("Be brief.\n\nWhat is 2 + 3?\n")


def test_a_template_without_system_turns_gets_its_text_in_the_users(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, template=NO_SYSTEM + TURNS, adds_bos=False)
    ids = PromptRenderer(folder).render(MESSAGES).token_ids
    assert len(ids) == len("<user>Be brief.\n\nWhat is 2 + 3?")


def test_a_template_that_prints_the_date_gives_the_same_prompt_every_day(tmp_path: Path) -> None:
    folder = make_tokenizer(
        tmp_path, template="{{ strftime_now('%d %b %Y') }}" + TURNS, adds_bos=False
    )
    ids = PromptRenderer(folder).render(MESSAGES).token_ids
    dated = make_tokenizer(tmp_path / "dated", template="26 Jul 2024" + TURNS, adds_bos=False)
    assert ids == PromptRenderer(dated).render(MESSAGES).token_ids


@pytest.mark.parametrize("template", ["{{ messages[7]['x'] }}", "{{ 1 + 'a' }}", "{% if %}"])
def test_a_broken_template_is_reported_in_one_sentence(tmp_path: Path, template: str) -> None:
    folder = make_tokenizer(tmp_path, template=template, adds_bos=False)
    with pytest.raises(HarnessError, match="chat template refuses"):
        PromptRenderer(folder).render(MESSAGES)


def test_a_thought_opened_by_the_template_is_noticed(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, template=TURNS + "<assistant><think>\n", adds_bos=False)
    assert PromptRenderer(folder).render(MESSAGES).starts_in_thought


def test_the_built_in_model_gets_its_own_template(model_folder: Path) -> None:
    from transformers import AutoTokenizer

    rendered = PromptRenderer(model_folder).render(MESSAGES)
    expected = AutoTokenizer.from_pretrained(model_folder).apply_chat_template(
        MESSAGES, add_generation_prompt=True, return_dict=False
    )
    assert list(rendered.token_ids) == list(expected)
    assert not rendered.starts_in_thought


THINKING = TURNS + (
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>"
    "{% else %}<think>{% endif %}"
)


def test_thinking_is_switched_by_the_template_s_own_variable(tmp_path: Path) -> None:
    renderer = PromptRenderer(make_tokenizer(tmp_path, template=THINKING, adds_bos=False))
    on, off, default = (
        renderer.render(MESSAGES, Chat(thinking)) for thinking in (True, False, None)
    )
    assert on == default and on.starts_in_thought
    assert not off.starts_in_thought
    assert len(off.token_ids) == len(on.token_ids) + len("</think>")


def test_what_a_template_does_not_know_is_refused_not_ignored(tmp_path: Path) -> None:
    renderer = PromptRenderer(make_tokenizer(tmp_path, template=TURNS, adds_bos=False))
    with pytest.raises(HarnessError, match="no switch for thinking"):
        renderer.render(MESSAGES, Chat(thinking=False))
    with pytest.raises(HarnessError, match="no variable 'reasoning_effort'"):
        renderer.render(MESSAGES, Chat(template_args={"reasoning_effort": "high"}))


def test_a_template_variable_reaches_the_template(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path, template=TURNS + "{{ effort }}", adds_bos=False)
    plain = PromptRenderer(folder).render(MESSAGES)
    high = PromptRenderer(folder).render(MESSAGES, Chat(template_args={"effort": "high"}))
    assert len(high.token_ids) == len(plain.token_ids) + 4


@pytest.mark.parametrize(
    ("tokens", "template", "expected"),
    [
        ((), TURNS, ("<think>", "</think>")),
        (("<think>", "</think>"), TURNS, ("<think>", "</think>")),
        (("[THINK]", "[/THINK]"), TURNS, ("[THINK]", "[/THINK]")),
        (("<seed:think>", "</seed:think>"), TURNS, ("<seed:think>", "</seed:think>")),
        (
            ("<|START_THINKING|>", "<|END_THINKING|>"),
            TURNS,
            ("<|START_THINKING|>", "<|END_THINKING|>"),
        ),
        (
            ("<|begin_of_thought|>", "<|end_of_thought|>"),
            TURNS,
            ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ),
        (
            ("<|channel|>", "<|message|>"),
            TURNS + "{# <|channel|>analysis #}",
            ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
        ),
        (
            ("<think>", "</think>", "<thought>", "</thought>"),
            TURNS + "<thought>{# </thought> #}",
            ("<thought>", "</thought>"),
        ),
    ],
)
def test_the_tags_are_those_of_the_tokenizer(
    tmp_path: Path, tokens: tuple[str, ...], template: str, expected: tuple[str, str]
) -> None:
    folder = make_tokenizer(tmp_path, template=template, adds_bos=False, tags=tokens)
    tags = PromptRenderer(folder).tags
    assert (tags.opening, tags.closing) == expected
    # Text of which any part is a special token would be lost where those are left out.
    assert bool(tags.closing_ids) == bool(tokens)


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        (None, "none"),
        ("", "empty"),
        ("  ", "empty"),
        (TURNS, "no generation prompt"),
        (TURNS + "{% if add_generation_prompt %}<assistant>{% endif %}", None),
    ],
)
def test_a_template_that_opens_no_turn_is_noticed(
    tmp_path: Path, template: str | None, fault: str | None
) -> None:
    folder = make_tokenizer(tmp_path, template=template, adds_bos=False)
    assert PromptRenderer(folder).template_fault() == fault


@pytest.mark.parametrize(
    ("template", "switch"),
    [
        ("{# thinking #}You are thinking. " + TURNS, None),
        ("{% set ns = namespace(thinking=true) %}{{ ns.thinking }}" + TURNS, None),
        ("{% if not thinking is defined %}{% set thinking = false %}{% endif %}{{ thinking }}", 1),
        (
            "{% generation %}{% endgeneration %}{% set enable_thinking = enable_thinking | "
            "default(true) %}{{ enable_thinking }}",
            1,
        ),
    ],
)
def test_a_switch_is_a_variable_not_a_word(tmp_path: Path, template: str, switch: object) -> None:
    renderer = PromptRenderer(make_tokenizer(tmp_path, template=template, adds_bos=False))
    if switch:
        on, off = (renderer.render(MESSAGES, Chat(thinking)) for thinking in (True, False))
        assert on != off
        return
    with pytest.raises(HarnessError, match="no switch for thinking"):
        renderer.render(MESSAGES, Chat(thinking=False))


@pytest.mark.parametrize("cost", ["{{ 'a' * 10**11 }}", "{% for i in range(10**9) %}{% endfor %}"])
def test_a_template_that_costs_too_much_for_one_question_alone_is_refused(
    tmp_path: Path, cost: str
) -> None:
    template = "{% if 'What' in messages[1].content %}" + cost + "{% endif %}" + TURNS
    folder = make_tokenizer(tmp_path, template=template, adds_bos=False)
    with pytest.raises(HarnessError, match="chat template refuses"):
        PromptRenderer(folder).render(MESSAGES)


def test_a_template_that_does_not_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template_limits, "CPU_SECONDS", 0.3)
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    folder = make_tokenizer(tmp_path, template=loops + TURNS, adds_bos=False)
    with pytest.raises(HarnessError, match="takes more than"):
        PromptRenderer(folder).render(MESSAGES)
