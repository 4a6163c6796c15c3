"""The command line of ``train-cft``: its commands by name."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from harness.commands.ending import run
from train_cft.commands import build, reporting, review, selecting, train

app = typer.Typer(
    name="train-cft",
    help="Critique Fine-Tuning: from a model's own mistakes to a better checkpoint.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("build")(build.build_data)
app.command("train")(train.train)
app.command("select")(selecting.select)
app.command("report")(reporting.report)
app.command("review")(review.review)


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
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def main() -> None:
    """Run the command line."""
    run(app)


if __name__ == "__main__":
    main()
