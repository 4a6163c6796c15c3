"""The command line: its commands by name, and how it ends."""

from __future__ import annotations

from harness.cli import compare, evaluate, export, gate, grade, results, tasks
from harness.cli.app import command_line
from harness.cli.exits import run

app = command_line(
    "harness", "Evaluate checkpoints of reasoning models, compare them, and gate regressions."
)
app.command("eval")(evaluate.evaluate)
app.command("gate")(gate.gate)
app.add_typer(tasks.tasks_app, name="tasks", invoke_without_command=True)
app.command("grade")(grade.grade_file)
app.command("regrade")(grade.regrade)
app.command("score")(grade.score)
app.command("import")(grade.import_file)
app.command("export")(export.export)
app.command("compare")(compare.compare)
app.command("power")(compare.power)
app.command("models")(results.list_models)
app.command("runs")(results.list_runs)
app.command("show")(results.show)
app.command("doctor")(results.doctor)
app.command("leaderboard")(results.leaderboard)


def main() -> None:
    """Run the command line."""
    run(app)


if __name__ == "__main__":
    main()
