"""Parse a completion: split thought from answer, detect truncation and repetition loops."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from harness.types import Completion, Generation, Request, ThoughtTags

LONGEST_PERIOD = 128
FEWEST_COPIES = 3
FEWEST_LOOP_TOKENS = 48
# What a 32-bit column holds.
_MOST_TOKENS = 2**31 - 1
# The engine cut the text off; what it would have said next is not known.
_CUT_OFF = ("length", "repetition")
_PIECE = re.compile(r"\w+|[^\w\s]|\s+")

CountTokens = Callable[[str], int | None]


def read_completion(request: Request, completion: Completion, count: CountTokens) -> Generation:
    """Make a generation of what the engine returned for ``request``.

    Args:
        request: What was asked.
        completion: What came back.
        count: Counts the tokens of a text, where the tokens themselves do not show the thought's
            end.
    """
    tags = request.prompt.tags
    if completion.thought is None:
        thought, answer = split_thought(
            completion.text, tags, starts_in_thought=request.prompt.starts_in_thought
        )
    else:
        unfinished = not completion.text and completion.finish_reason in _CUT_OFF
        thought, answer = completion.thought, None if unfinished else completion.text
    stopped = False
    if answer is not None:
        answer, stopped = _cut_at_stop(answer, request.sampling.stop)
    total = len(completion.token_ids) or _plausible(completion.completion_tokens)
    return Generation(
        key=request.key,
        thought=thought,
        answer=answer or "",
        finish_reason="stop" if stopped else completion.finish_reason,
        truncated=answer is None or (completion.finish_reason in _CUT_OFF and not stopped),
        loop=not stopped and _loops(completion),
        prompt_tokens=len(request.prompt.token_ids) or _plausible(completion.prompt_tokens),
        completion_tokens=total,
        thought_tokens=_plausible(_thought_tokens(completion, thought, answer, tags, total, count)),
        seconds=completion.seconds,
    )


def _plausible(tokens: int | None) -> int | None:
    """Return a count, ``None`` for one that no text can have: servers report anything."""
    return tokens if tokens is not None and 0 <= tokens <= _MOST_TOKENS else None


def split_thought(
    text: str, tags: ThoughtTags, *, starts_in_thought: bool
) -> tuple[str, str | None]:
    """Split a completion at the end of its thought.

    Args:
        text: The completion.
        tags: What opens and closes a thought.
        starts_in_thought: The prompt itself opened the thought.

    Returns:
        Thought and answer; the answer is ``None`` where a thought was opened and never ended. A
        lone end tag ends a thought too: some templates open it out of the model's sight.
    """
    before, closed, after = text.rpartition(tags.closing)
    if closed:
        return before.strip().removeprefix(tags.opening).strip(), after.strip()
    if starts_in_thought or text.lstrip().startswith(tags.opening):
        return text.strip().removeprefix(tags.opening).strip(), None
    return "", text


def _cut_at_stop(answer: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Cut an answer at the first stop string, where the engine was not asked to."""
    ends = [at for text in stop if (at := answer.find(text)) >= 0]
    return (answer[: min(ends)], True) if ends else (answer, False)


def _thought_tokens(
    completion: Completion,
    thought: str,
    answer: str | None,
    tags: ThoughtTags,
    total: int | None,
    count: CountTokens,
) -> int | None:
    if completion.thought_tokens is not None:
        return completion.thought_tokens
    if answer is None:
        return total
    if tags.closing not in completion.text:
        return 0 if not thought else count(thought)
    ids, closing = completion.token_ids, tags.closing_ids
    if closing:
        for at in range(len(ids) - len(closing), -1, -1):
            if ids[at : at + len(closing)] == closing:
                return at + len(closing)
    return count(completion.text[: completion.text.rfind(tags.closing) + len(tags.closing)])


def _loops(completion: Completion) -> bool:
    if completion.finish_reason == "repetition":
        return True
    if completion.token_ids:
        return ends_in_loop(completion.token_ids)
    return text_loops((completion.thought or "") + completion.text)


def text_loops(text: str) -> bool:
    """Say whether a text ends in a repetition, where its tokens are not known.

    Words and marks stand in for tokens.
    """
    return ends_in_loop(_PIECE.findall(text))


def ends_in_loop(tokens: Sequence[object]) -> bool:
    """Say whether the tokens end in a repetition.

    A loop is a pattern of at most 128 tokens, repeated exactly at least 3 times and over at least
    48 tokens, up to the end. A pattern cut off within its last copy counts as well, since the
    comparison is of each token with the one a period before it.
    """
    total = len(tokens)
    for period in range(1, LONGEST_PERIOD + 1):
        needed = max(FEWEST_COPIES * period, FEWEST_LOOP_TOKENS)
        if needed > total:
            break
        start = total - needed
        # Hardly any period passes the last token, so hardly any costs more than this comparison.
        if tokens[-1] == tokens[-1 - period] and all(
            tokens[i] == tokens[i + period] for i in range(start, total - period)
        ):
            return True
    return False
