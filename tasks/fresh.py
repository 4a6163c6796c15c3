r"""Fresh items of any reasoning-gym generator, judged by its own scorer (100 items each).

``fresh:chain_sum`` takes the generator of that name with the seed below; ``fresh:chain_sum@7``
takes another seed and is another task. A row of it: ``{"question": "State the final answer to the
following arithmetic problem: 17 - 52 + 6 =", "answer": "-29", "metadata": {…}}``. The generators
are listed in https://github.com/open-thought/reasoning-gym (Apache-2.0); an unknown name is
answered with the nearest ones.

The answer is found by the harness's own extraction; an item is right where the generator's scorer
gives full marks. Scorers that would evaluate the answer see it only through ``_fresh_guard``.

Oddities of reasoning-gym 0.1.25, and what is done about each:

- Seven generators and more depend on Python's hash seed: items are made in a process of its own
  with a fixed one. list_functions and codeio draw from shared random numbers: seeded for them.
- Small generators repeat themselves (tower_of_hanoi, coin_flip): repeated questions are left out,
  so that some have fewer than 100 items.
- ab has empty reference answers, which cannot be distinguished from no answer: such items are left
  out.
- Five give no reference, since many answers are right (``NO_GOLD``): their scorers simulate the
  answer.
- complex_arithmetic gives full marks to "nan", calendar_arithmetic more than full marks to wrong
  answers where the reference is negative: neither counts here.
- puzzle24 accepts any four numbers that make 24, not only those of the question; number_sorting
  accepts numbers that are off by up to 1. These are their own rules and are kept.
- What cannot be asked is in ``REFUSED``, with the reason.

The items depend on the seed and on the version of reasoning-gym; the data hash tells versions
apart. There is no published protocol.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial

from harness.errors import HarnessError, nearest
from harness.task import Family, Task
from harness.types import AnswerType, Item, Message

SEED = 2501_17703
ITEMS = 100

REFUSED = {
    "composite": "it mixes other generators and has none of its own",
    "game_of_life_halting": "its scorer takes every answer for right",
}
NO_GOLD = frozenset({"boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"})


def make(argument: str) -> Task:
    generator, _, seed_text = argument.partition("@")
    if "@" in argument and not seed_text.isdecimal():
        raise HarnessError(
            f"{seed_text!r} is not a seed.", f"Write fresh:{generator}@7, or fresh:{generator}."
        )
    seed = int(seed_text) if seed_text else SEED
    known = generators()
    if generator in REFUSED:
        raise HarnessError(
            f"fresh:{generator} cannot be asked: {REFUSED[generator]}.",
            f"{len(known)} others can; fresh:chain_sum is one.",
        )
    if generator not in known:
        raise HarnessError(
            f"reasoning-gym has no generator {generator!r}. {nearest(generator, known)}"
        )
    return Task(
        f"fresh:{generator}" if seed == SEED else f"fresh:{generator}@{seed}",
        "1",
        partial(load, generator, seed),
        prompt,
        requires=("reasoning_gym", "fresh"),
    )


def generators() -> list[str]:
    """List the generators that can be asked."""
    try:
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise HarnessError(
            "Fresh items need the package `reasoning_gym`.", "pip install 'cft-harness[fresh]'."
        ) from error
    return sorted(set(DATASETS) - set(REFUSED))


def load(generator: str, seed: int, count: int = ITEMS) -> Iterator[Item]:
    from tasks._fresh_rows import rows

    for row in rows(generator, seed, count):
        judged_by = {"generator": generator, "seed": seed}
        judged_by |= {"answer": row["answer"], "metadata": row["metadata"]}
        yield Item(
            id=f"{row['index']:04d}",
            question=row["question"],
            gold=row["answer"] or "",
            answer_type=AnswerType.TEXT,
            subject=row["category"],
            scorer="tasks._fresh_scorer:score",
            reference=json.dumps(judged_by, ensure_ascii=False, sort_keys=True),
        )


def prompt(item: Item) -> Sequence[Message]:
    return [
        {
            "role": "system",
            "content": "Please reason step by step, and put your final answer within \\boxed{}.",
        },
        {"role": "user", "content": item.question},
    ]


FAMILY = Family(make)
