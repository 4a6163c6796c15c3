"""One example of critique data, and how the paper writes it down."""

from __future__ import annotations

from dataclasses import dataclass

from harness.types import AnswerType, digest

# The columns and texts of the paper's data set, which LLaMA-Factory and others read as they are.
INSTRUCTION = "Please critique whether the following solution to the question is correct."


@dataclass(frozen=True, slots=True)
class Example:
    """A question, a noisy response to it, and what is known about both.

    Attributes:
        question: As its source has it.
        response: What is to be criticised.
        source: What the data card calls the source.
        critique: Of the response, with its conclusion; empty until there is one.
        critic: Who wrote it; empty until there is one.
        instruction: What the model is asked to do.
        gold: The reference answer; empty where the source has none.
        answer_type: How answers are compared with the gold.
        solution: The data set's own reference solution, or a teacher's; empty where there is none.
        solution_by: ``source`` or ``teacher``; empty where there is no solution.
        right: Whether the response is right as our grader has it; ``None`` where that is unknown.
        extracted: The answer that the grader found in the response.
        extraction: By which rule it was found, as in :class:`harness.types.Verdict`.
        task: The task that the question was asked for; empty for a file.
        item_id: Its item.
        run_id: The run that the response is of.
        flagged: The critique's conclusion is not our grader's, and it was kept all the same.
    """

    question: str
    response: str
    source: str
    critique: str = ""
    critic: str = ""
    instruction: str = INSTRUCTION
    gold: str = ""
    answer_type: AnswerType = AnswerType.AUTO
    solution: str = ""
    solution_by: str = ""
    right: bool | None = None
    extracted: str = ""
    extraction: str = ""
    task: str = ""
    item_id: str = ""
    run_id: str = ""
    flagged: bool = False

    @property
    def id(self) -> str:
        """Names question and response, 32 hexadecimal digits."""
        return digest([self.question, self.response])[:32]

    @property
    def input(self) -> str:
        """Question and response, as the paper's column of that name has them."""
        return f"Question:\n{self.question}\n\nSolution:\n{self.response}"

    @property
    def prompt(self) -> str:
        """Instruction and input in one turn, joined as LLaMA-Factory joins them."""
        return f"{self.instruction}\n{self.input}"


def split_input(text: str) -> tuple[str, str] | None:
    """Return question and response of the paper's ``input`` column; ``None`` if it is not one."""
    before, mark, response = text.partition("\n\nSolution:\n")
    opening = "Question:\n"
    if not mark or not before.startswith(opening):
        return None
    return before.removeprefix(opening), response
