"""Reading a completion: where the thought ends, whether it was cut off, whether it loops."""

from __future__ import annotations

from collections.abc import Sequence

from harness.types import THOUGHT_TAGS, Completion, Generation, Request

LONGEST_PERIOD = 128
FEWEST_COPIES = 3
FEWEST_LOOP_TOKENS = 48


def read_completion(request: Request, completion: Completion) -> Generation:
    """Make a generation of what the engine returned for ``request``."""
    thought, answer = split_thought(completion.text, starts_in_thought=request.starts_in_thought)
    return Generation(
        key=request.key,
        thought=thought,
        answer=answer or "",
        finish_reason=completion.finish_reason,
        truncated=completion.finish_reason == "length" or answer is None,
        loop=ends_in_loop(completion.token_ids),
        prompt_tokens=len(request.prompt_token_ids),
        completion_tokens=len(completion.token_ids),
        seconds=completion.seconds,
    )


def split_thought(text: str, *, starts_in_thought: bool) -> tuple[str, str | None]:
    """Split a completion at the end of its thought.

    Args:
        text: The completion.
        starts_in_thought: The prompt itself opened the thought.

    Returns:
        Thought and answer; the answer is ``None`` where a thought was opened and never ended. A
        lone end tag ends a thought too: some templates open it out of the model's sight.
    """
    opening, closing = THOUGHT_TAGS
    before, closed, after = text.rpartition(closing)
    if closed:
        return before.strip().removeprefix(opening).strip(), after.strip()
    if starts_in_thought or text.lstrip().startswith(opening):
        return text.strip().removeprefix(opening).strip(), None
    return "", text


def ends_in_loop(token_ids: Sequence[int]) -> bool:
    """Say whether the tokens end in a repetition.

    A loop is a pattern of at most 128 tokens, repeated exactly at least 3 times and over at least
    48 tokens, up to the end. A pattern cut off within its last copy counts as well, since the
    comparison is of each token with the one a period before it.
    """
    total = len(token_ids)
    for period in range(1, LONGEST_PERIOD + 1):
        needed = max(FEWEST_COPIES * period, FEWEST_LOOP_TOKENS)
        if needed > total:
            break
        start = total - needed
        if all(token_ids[i] == token_ids[i + period] for i in range(start, total - period)):
            return True
    return False
