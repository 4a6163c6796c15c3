"""The command line: its commands by name, and how it ends."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from harness.commands import comparing, evaluation, exporting, gating, grading, looking, tasks
from harness.commands.ending import run

app = typer.Typer(
    name="harness",
    help="Evaluate a checkpoint, and learn whether the number may be believed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("eval")(evaluation.evaluate)
app.command("gate")(gating.gate)
app.add_typer(tasks.tasks_app, name="tasks", invoke_without_command=True)
app.command("grade")(grading.grade_file)
app.command("regrade")(grading.regrade)
app.command("score")(grading.score)
app.command("import")(grading.import_file)
app.command("export")(exporting.export)
app.command("compare")(comparing.compare)
app.command("power")(comparing.power)
app.command("models")(looking.list_models)
app.command("runs")(looking.list_runs)
app.command("show")(looking.show)
app.command("doctor")(looking.doctor)
app.command("leaderboard")(looking.leaderboard)


@app.callback()
def _common(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and the engine's own messages.")
    ] = False,
) -> None:
    if debug:
        os.environ["HARNESS_DEBUG"] = "1"
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "INFO")
    else:
        # Read once, when torch is loaded, which rendering prompts may already do.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def main() -> None:
    """Run the command line."""
    run(app)


if __name__ == "__main__":
    main()
