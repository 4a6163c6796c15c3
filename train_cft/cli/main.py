"""The command line of ``train-cft``: its commands by name."""

from __future__ import annotations

from harness.cli.app import command_line
from harness.cli.exits import run
from train_cft.cli import build, report, review, select, train

app = command_line(
    "train-cft", "Critique Fine-Tuning: from a model's own mistakes to a better checkpoint."
)
app.command("build")(build.build_data)
app.command("train")(train.train)
app.command("select")(select.select)
app.command("report")(report.report)
app.command("review")(review.review)


def main() -> None:
    """Run the command line."""
    run(app)
