"""A model that writes critiques and solutions, through the harness's own engines and store.

Each response to be criticised becomes an item of a task whose gold is our grader's verdict: the
harness plans, sends, resumes and stores the teacher's critiques as it does any generation, and its
score is how often the teacher's conclusion is our grader's. Asking again is a new replicate for
those items alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.backends.base import EngineOptions
from harness.errors import HarnessError
from harness.models.resolve import expand
from harness.run.callbacks import Callbacks
from harness.run.evaluate import Evaluation, evaluate
from harness.run.plan import Settings
from harness.store import Store, samples
from harness.store.samples import Sample
from harness.task import Task
from harness.types import AnswerType, Item, Message
from train_cft.critic import conclusions
from train_cft.data.examples import Example

TASK = "critique"
# As the paper made its critiques.
TEMPERATURE = 0.3
MAX_TOKENS = 3200

_SYSTEM = (
    "You are an expert in science and mathematics who marks a student's work. Judge whether the "
    "student's solution to the question is correct. Go through it briefly: where it is wrong, name "
    "the first mistake and put it right; where it is right, say why each step holds. Finish with "
    "a line that reads 'Conclusion: right [END]' or 'Conclusion: wrong [END]'."
)


@dataclass(frozen=True, slots=True)
class Teacher:
    """Which model is asked, and how.

    Attributes:
        model: As ``harness eval --model`` takes it.
        settings: Sampling.
        results: The results file, which keeps what it wrote.
        engine: Which engine generates, and its options.
    """

    model: str
    settings: Settings
    results: Path
    engine: EngineOptions


@dataclass(frozen=True, slots=True)
class Answer:
    """What a teacher wrote about one example.

    Attributes:
        text: The critique, without the teacher's thought.
        run_id: The run it is of, which ``harness show`` shows.
        conclusion: What it concludes and why; ``None`` where that cannot be read.
    """

    text: str
    run_id: str
    conclusion: conclusions.Conclusion | None


def ask(
    teacher: Teacher, examples: Sequence[Example], callbacks: Callbacks, *, attempt: int = 0
) -> dict[str, Answer]:
    """Have every example criticised, or what is missing of it; return the answers by example.

    Args:
        teacher: Who is asked.
        examples: What about.
        callbacks: Hears of progress.
        attempt: Asking again is another attempt, which gets an answer of its own.

    Raises:
        HarnessError: As :func:`put` does.
    """
    run_id, written = put(teacher, critique_task(examples), callbacks, attempt=attempt)
    return {
        sample.item_id: Answer(sample.answer, run_id, conclusions.read(sample.answer))
        for sample in written
    }


def put(
    teacher: Teacher, task: Task, callbacks: Callbacks, *, attempt: int = 0
) -> tuple[str, list[Sample]]:
    """Put a task to a teacher, or what is missing of it; return the run and what was written.

    Args:
        teacher: Who is asked.
        task: What about.
        callbacks: Hears of progress.
        attempt: Asking again is another attempt, which gets an answer of its own.

    Raises:
        HarnessError: The teacher stopped answering, or a prompt does not fit. What it wrote is
            kept, and the same call resumes.
    """
    if len(models := expand([teacher.model])) != 1:
        raise HarnessError(f"--teacher {teacher.model} names {len(models)} models.", "Name one.")
    settings = replace(teacher.settings, replicate=teacher.settings.replicate + attempt)
    evaluation = Evaluation(
        models=[teacher.model],
        tasks=[task],
        results=teacher.results,
        settings=settings,
        engine=teacher.engine,
    )
    (run_id,) = evaluate(evaluation, callbacks).run_ids
    return run_id, samples.of_run(Store(teacher.results), run_id)


def critique_task(examples: Sequence[Example]) -> Task:
    """Return the task of criticising these examples."""
    items = [
        Item(
            example.id,
            example.input,
            gold=_verdict(example),
            answer_type=AnswerType.TEXT,
            subject=example.task,
            scorer="train_cft.conclusions:score",
            reference=_verdict(example),
        )
        for example in examples
    ]
    return Task(
        TASK,
        "1",
        lambda: iter(items),
        _prompt,
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE,
    )


def _verdict(example: Example) -> str:
    return "" if example.right is None else conclusions.word(example.right)


def _prompt(item: Item) -> Sequence[Message]:
    return [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": item.question},
    ]
