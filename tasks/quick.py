r"""Fresh arithmetic and word problems from trivial to hard, made on the spot (200 items).

Eight generators of reasoning-gym (https://github.com/open-thought/reasoning-gym, Apache-2.0), 25
different questions each, so that nothing is downloaded, no model has seen them, and a small model
scores neither 0 nor 100. A row: ``{"question": "Solve the following multiplication: 6 * 2. Give
only the result as your final answer.", "answer": "12"}``.

The items depend on the seed below and on the version of reasoning-gym; the data hash tells
versions apart, so two runs on different items are never taken for comparable.
"""

from collections.abc import Iterator, Sequence

from harness.task import Task
from harness.types import AnswerType, Item, Message

SEED = 2501_17703
ITEMS_PER_GENERATOR = 25

# From what a 135M model mostly solves to what it does not.
GENERATORS: dict[str, tuple[AnswerType, dict[str, int]]] = {
    "products": (
        AnswerType.INTEGER,
        {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1},
    ),
    "chain_sum": (
        AnswerType.INTEGER,
        {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2},
    ),
    "basic_arithmetic": (
        AnswerType.NUMBER,
        {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2},
    ),
    "gcd": (AnswerType.INTEGER, {}),
    "letter_counting": (AnswerType.INTEGER, {}),
    "simple_equations": (AnswerType.INTEGER, {}),
    "gsm_symbolic": (AnswerType.NUMBER, {}),
    "decimal_arithmetic": (AnswerType.NUMBER, {}),
}


def load() -> Iterator[Item]:
    import reasoning_gym

    for name, (answer_type, config) in GENERATORS.items():
        # More than are needed, because small ranges give the same question twice.
        rows = reasoning_gym.create_dataset(name, seed=SEED, size=4 * ITEMS_PER_GENERATOR, **config)
        questions: dict[str, str] = {}
        for row in rows:
            questions.setdefault(row["question"], row["answer"])
        for number, (question, gold) in enumerate(list(questions.items())[:ITEMS_PER_GENERATOR]):
            yield Item(f"{name}-{number:02d}", question, gold, answer_type, subject=name)


def prompt(item: Item) -> Sequence[Message]:
    return [
        {
            "role": "system",
            "content": "Please reason step by step, and put your final answer within \\boxed{}.",
        },
        {"role": "user", "content": item.question},
    ]


TASK = Task("quick", "1", load, prompt, max_tokens=256, requires=("reasoning_gym", "fresh"))
