"""The command line: its commands by name, and how it ends."""

from __future__ import annotations

from harness.commands import comparing, evaluation, exporting, gating, grading, looking, tasks
from harness.commands.beginning import command_line
from harness.commands.ending import run

app = command_line(
    "harness", "Evaluate a checkpoint, and learn whether the number may be believed."
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


def main() -> None:
    """Run the command line."""
    run(app)


if __name__ == "__main__":
    main()
