"""Commands that show what is stored or installed: models, runs, samples, doctor, leaderboard."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import (
    RESULTS,
    JsonOption,
    ProfileOption,
    ResultsOption,
    known_profile,
    recovered,
)
from harness.errors import HarnessError
from harness.text import harness_command
from harness.types import DEFAULT_PROFILE

_LOOPBACK = "127.0.0.1"


def list_models(results: ResultsOption = RESULTS, as_json: JsonOption = False) -> None:
    """List the built-in models and those the results file knows."""
    from harness.cli import render
    from harness.models.resolve import BUILTIN_MODELS
    from harness.store import Store, queries

    rows = [(name, "built in", about, "") for name, about in BUILTIN_MODELS.items()]
    if results.exists():
        store = Store(results)
        measured = queries.models(store)
        rows += measured
        first = {fingerprint: (name, source) for name, source, _, fingerprint in measured}
        rows += [
            (name, source, f"the same weights as {first[fingerprint][0]}", fingerprint)
            for fingerprint, name, source in queries.aliases(store)
            if fingerprint in first and first[fingerprint] != (name, source)
        ]
    if as_json:
        names = ("name", "source", "about", "fingerprint")
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
    else:
        shown = [(name, source, about, finger[:12]) for name, source, about, finger in rows]
        render.print_table(("model", "source", "what", "fingerprint"), shown)


def list_runs(results: ResultsOption = RESULTS, as_json: JsonOption = False) -> None:
    """List the runs in the results file with their scores."""
    from harness.cli import render
    from harness.store import queries

    summaries = queries.runs(recovered(results))
    if as_json:
        print(json.dumps([render.run_json(summary) for summary in summaries], indent=2))
    else:
        render.print_runs(summaries, results)


def show(
    run: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.")],
    item: Annotated[str | None, typer.Option(help="Only the samples of this item.")] = None,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only samples graded wrong.")] = False,
    disagree: Annotated[
        str | None, typer.Option(help="Two profiles: only samples that they grade differently.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of samples.")] = 10,
    profile: ProfileOption = DEFAULT_PROFILE,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Show a run's samples: question, thought, answer, extracted and gold answer, grade."""
    from harness.cli import render
    from harness.store import item_results, queries, samples

    known_profile(profile)
    store = recovered(results)
    summary = queries.find_run(store, run)
    if disagree is None:
        found = samples.of_run(
            store, summary.id, item_id=item, only_wrong=wrong, limit=limit, profile=profile
        )
        if item is not None and not found and not wrong:
            raise HarnessError(
                f"Run {summary.id} has no sample of an item {item!r}.",
                f"`{harness_command('show', summary.id, results=results)}` lists item ids.",
            )
    elif item is not None:
        raise HarnessError("--item and --disagree each choose the samples.", "Give one of them.")
    else:
        first, comma, second = (part.strip() for part in disagree.partition(","))
        if not comma or not second:
            raise HarnessError("--disagree takes two profiles, as in strict,cft-paper.")
        found = samples.disagreements(store, summary.id, first, second, limit=limit)
    if as_json:
        print(json.dumps(render.samples_json(summary, found), indent=2))
    else:
        unparsed = item_results.unparsed(store, [summary.id], profile)[summary.id]
        (summary,) = queries.runs(store, [summary.id], profile=profile)
        render.print_samples(summary, found, unparsed, results)


def doctor(
    recount: Annotated[
        bool,
        typer.Option("--recount", help="Recompute the summaries of all runs first."),
    ] = False,
    results: ResultsOption = RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Check the installation, backends and results file; print how to fix what is missing."""
    from harness.cli import render
    from harness.cli.doctor import examine
    from harness.store import summaries

    if recount and results.exists():
        summaries.rebuild(recovered(results), on_progress=_print_progress)
    findings = examine(results)
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        render.print_findings(findings)
    if any(finding.level == "broken" for finding in findings):
        raise typer.Exit(1)


def leaderboard(
    results: ResultsOption = RESULTS,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
    address: Annotated[
        str,
        typer.Option(
            help="Address to listen on; 0.0.0.0 gives access to everybody on the network."
        ),
    ] = _LOOPBACK,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the browser.")
    ] = True,
) -> None:
    """Serve the leaderboard and open it in the browser; by default on this machine only."""
    from importlib.util import find_spec

    spec = find_spec("leaderboard")
    if find_spec("streamlit") is None or spec is None or not spec.submodule_search_locations:
        raise HarnessError(
            "The leaderboard needs the package `streamlit`.",
            "pip install 'cft-harness[leaderboard]'.",
        )
    app_file = Path(next(iter(spec.submodule_search_locations))) / "app.py"
    arguments = [sys.executable, "-P", "-m", "leaderboard", "run", str(app_file)]
    arguments += ["--server.address", address, "--server.port", str(port)]
    arguments += ["--server.headless", "false" if open_browser else "true"]
    arguments += ["--browser.gatherUsageStats", "false"]
    local = _is_local(address, port)
    _refuse_port_in_use(address, port)
    if not local:
        print(
            f"The leaderboard has no password: everybody who reaches {address}, port {port}, reads "
            "all of it, and can store labels and reviews.",
            file=sys.stderr,
        )
    os.environ["HARNESS_RESULTS"] = str(results.absolute())
    _refresh_summaries(results)
    # Streamlit takes settings (who may connect, what to fetch) and secrets from `.streamlit` in the
    # current folder, which may be somebody else's.
    os.chdir(app_file.parent)
    os.execv(sys.executable, arguments)


def _refuse_port_in_use(address: str, port: int) -> None:
    """Refuse a port that cannot be listened on, which Streamlit would tell without a remedy."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server itself does, so that one that has just ended is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise HarnessError(
                f"The leaderboard cannot listen on port {port} of {address or 'this machine'}: "
                f"{reason}.",
                f"Give another --port, for instance --port {port + 1 if port < 65535 else 8501}.",
            ) from error


def _is_local(address: str, port: int) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        # No address at all is every address, to Streamlit as to this.
        found = socket.getaddrinfo(
            address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise HarnessError(
            f"{address} is no address of this machine: {error}.",
            f"Leave --address out for {_LOOPBACK}, or give 0.0.0.0 for all there are.",
        ) from error
    return all(ipaddress.ip_address(str(at[4][0]).split("%")[0]).is_loopback for at in found)


def _refresh_summaries(results: Path) -> None:
    """Count the runs that no writer has counted; the pages report what prevents it."""
    from harness.store import Store, summaries

    with contextlib.suppress(HarnessError):
        summaries.refresh(Store(results, wait_seconds=1.0), on_progress=_print_progress)


def _print_progress(done: int, of: int) -> None:
    end = "\n" if done == of else ""
    print(f"\rcounted {done:,} of {of:,} runs", end=end, file=sys.stderr, flush=True)
