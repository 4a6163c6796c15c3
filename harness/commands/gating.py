"""The regression gate."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options import (
    RESULTS,
    AddressOption,
    BackendOption,
    BaseUrlOption,
    ConcurrencyOption,
    EngineArgOption,
    JsonOption,
    PriceOption,
    ReplicasOption,
    ResultsOption,
    RevisionOption,
    SuiteOption,
    TasksDirOption,
    TasksOption,
    TensorParallelOption,
    TimeoutOption,
    TrustOption,
    engine_args,
    given,
    listed,
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
    from harness.gate.pairing import Gate
    from harness.gate.report import GateReport


def gate(
    baseline: Annotated[
        list[str],
        typer.Option(
            help="A stored run, or a model with stored runs; may be given several times, for runs "
            "of several tasks."
        ),
    ],
    candidate: Annotated[
        str | None,
        typer.Option(help="A checkpoint folder, a built-in name or a hub id."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="gate.toml; docs/gate.md lists its keys.")
    ] = None,
    tasks: TasksOption = "",
    suite: SuiteOption = None,
    tasks_dir: TasksDirOption = None,
    aa: Annotated[
        bool,
        typer.Option("--aa", help="Sample the baseline's own model anew: what is noise here?"),
    ] = False,
    replicate: Annotated[
        int | None, typer.Option(help="Another number asks for fresh samples of the candidate.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Where to write the report for people.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Where to write it for a CI server.")] = None,
    results: ResultsOption = RESULTS,
    backend: BackendOption = "vllm",
    engine_arg: EngineArgOption = None,
    tensor_parallel: TensorParallelOption = None,
    base_url: BaseUrlOption = None,
    max_concurrency: ConcurrencyOption = None,
    timeout: TimeoutOption = None,
    price: PriceOption = None,
    address: AddressOption = None,
    replicas: ReplicasOption = None,
    revision: RevisionOption = None,
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say whether a checkpoint is worse than a stored baseline: pass, fail or undecided.

    Ends with 0 for pass, 1 for fail, 3 for undecided, 2 for a mistake in the question, and 4 where
    the machinery failed.
    """
    with _told_to_ci(markdown, junit), _verdict_or_machinery():
        from harness.gate.config import read_config
        from harness.gate.pairing import Gate
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
            backend=backend,
            engine_args=engine_args(engine_arg),
            backend_options=given(
                tensor_parallel=tensor_parallel,
                base_url=base_url,
                max_concurrency=max_concurrency,
                timeout=timeout,
                price=price,
                address=address,
                replicas=replicas,
            ),
            trust_remote_code=trust_remote_code,
        )
        report = _carry_out(asked)
        _publish(report, markdown, junit, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _carry_out(asked: Gate) -> GateReport:
    from harness.commands.stopping import stoppable
    from harness.gate.driver import carry_out
    from harness.progress import EvaluationProgress

    def sentence() -> str:
        return f"Stopped before there was a verdict. {progress.kept} finished generations are kept."

    with EvaluationProgress() as progress, stoppable(sentence, NoVerdict):
        return carry_out(asked, progress)


def _publish(
    report: GateReport, markdown: Path | None, junit: Path | None, *, as_json: bool
) -> None:
    from harness.gate import junit as xml
    from harness.gate import markdown as text
    from harness.gate.terminal import print_report

    _write(markdown, text.markdown(report))
    _write(junit, xml.junit(report))
    if as_json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        print_report(report)


@contextlib.contextmanager
def _told_to_ci(markdown: Path | None, junit: Path | None) -> Iterator[None]:
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
def _verdict_or_machinery() -> Iterator[None]:
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
