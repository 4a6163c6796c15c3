"""The regression gate."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.backends.base import EngineOptions
from harness.cli.options import (
    RESULTS,
    JsonOption,
    ResultsOption,
    RevisionOption,
    SuiteOption,
    TasksDirOption,
    TasksOption,
    listed,
    with_engine_options,
)
from harness.errors import (
    DiskFull,
    EngineError,
    HarnessError,
    JournalRejected,
    NoVerdict,
    StoreLocked,
)

if TYPE_CHECKING:
    from harness.gate.plan import Gate
    from harness.gate.report import GateReport


@with_engine_options
def gate(
    baseline: Annotated[
        list[str],
        typer.Option(
            help="A stored run, or a model with stored runs; repeatable, for runs of several tasks."
        ),
    ],
    candidate: Annotated[
        str | None,
        typer.Option(help="A checkpoint folder, a built-in name or a hub id."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Configuration file; docs/gate.md lists its keys.")
    ] = None,
    tasks: TasksOption = "",
    suite: SuiteOption = None,
    tasks_dir: TasksDirOption = None,
    aa: Annotated[
        bool,
        typer.Option(
            "--aa",
            help="A/A test: sample the baseline's own model again, to measure the noise floor.",
        ),
    ] = False,
    replicate: Annotated[
        int | None,
        typer.Option(help="Replicate number: another one draws new samples of the candidate."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report as Markdown to this file.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write the report as JUnit XML to this file.")
    ] = None,
    results: ResultsOption = RESULTS,
    revision: RevisionOption = None,
    *,
    engine: EngineOptions,
    as_json: JsonOption = False,
) -> None:
    """Say whether a checkpoint is worse than a stored baseline: pass, fail or undecided.

    Exit codes: 0 pass, 1 fail, 3 undecided, 2 usage error, 4 the engine or the harness failed.
    """
    with _errors_in_reports(markdown, junit), _exit_codes():
        from harness.gate.config import read_config
        from harness.gate.plan import Gate
        from harness.registry import TaskRegistry

        if candidate is None and not aa:
            raise HarnessError("There is no --candidate.", "Name a checkpoint, or give --aa.")
        asked = Gate(
            candidate=candidate,
            baselines=baseline,
            config=read_config(config),
            results=results,
            registry=TaskRegistry(tasks_dir),
            tasks=listed(tasks),
            suite=suite,
            aa=aa,
            replicate=replicate,
            revision=revision,
            engine=engine,
        )
        report = _carry_out(asked)
        _publish(report, markdown, junit, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _carry_out(asked: Gate) -> GateReport:
    from harness.cli.progress import EvaluationProgress
    from harness.cli.signals import stoppable
    from harness.gate.run import carry_out

    def sentence() -> str:
        return f"Stopped before there was a verdict. {progress.kept} finished generations are kept."

    with EvaluationProgress() as progress, stoppable(sentence, NoVerdict):
        return carry_out(asked, progress)


def _publish(
    report: GateReport, markdown: Path | None, junit: Path | None, *, as_json: bool
) -> None:
    from harness.cli.render_gate import print_report
    from harness.gate import junit as xml
    from harness.gate import markdown as text

    _write(markdown, text.markdown(report))
    _write(junit, xml.junit(report))
    if as_json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        print_report(report)


@contextlib.contextmanager
def _errors_in_reports(markdown: Path | None, junit: Path | None) -> Iterator[None]:
    """Write into the files, too, why there is no verdict."""
    try:
        yield
    except HarnessError as error:
        from harness.gate.junit import junit_of_error
        from harness.gate.markdown import markdown_of_error

        with contextlib.suppress(HarnessError):  # the first error is the one to tell
            _write(markdown, markdown_of_error(str(error)))
            _write(junit, junit_of_error(str(error)))
        raise


@contextlib.contextmanager
def _exit_codes() -> Iterator[None]:
    """Keep the exit codes of verdicts for verdicts: whatever breaks on the way ends with 4."""
    try:
        yield
    except (EngineError, StoreLocked, JournalRejected, DiskFull) as error:
        raise NoVerdict(error.message, error.remedy) from error
    except HarnessError:
        raise
    except KeyboardInterrupt:
        raise NoVerdict("Stopped before there was a verdict.") from None
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise NoVerdict(f"This should not have happened ({found}).", "--debug shows where.") from (
            error
        )


def _write(path: Path | None, content: str) -> None:
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise NoVerdict(
            f"{path} cannot be written: {error.strerror}.", "Name another file."
        ) from error
