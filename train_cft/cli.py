"""The command line of ``train-cft``: its commands by name."""

from __future__ import annotations

from harness.commands.beginning import command_line
from harness.commands.ending import run
from train_cft.commands import build, reporting, review, selecting, train

app = command_line(
    "train-cft", "Critique Fine-Tuning: from a model's own mistakes to a better checkpoint."
)
app.command("build")(build.build_data)
app.command("train")(train.train)
app.command("select")(selecting.select)
app.command("report")(reporting.report)
app.command("review")(review.review)


def main() -> None:
    """Run the command line."""
    run(app)


if __name__ == "__main__":
    main()
