"""Describe a run's protocol in one line, and group runs of equal protocols."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.protocol import differences
from harness.store.queries import RunSummary

_UNKNOWN = "unknown"


def in_words(run: RunSummary) -> str:
    """Say how a run was asked and judged, in one line."""
    sampling = run.protocol.get("sampling") or {}
    imported = run.protocol.get("imported")
    parts = [
        f"task version {run.protocol.get('task_version') or _UNKNOWN}",
        f"temperature {_said(sampling.get('temperature'))}",
        f"top-p {_said(sampling.get('top_p'))}",
        f"at most {_said(sampling.get('max_tokens'))} new tokens",
        f"{run.samples} sample{'s' if run.samples > 1 else ''} an item",
        f"grader {' and '.join(run.grader_versions) or _UNKNOWN}",
        f"engine {run.computed_by}",
    ]
    if imported:
        parts.append(f"responses imported ({imported})")
    return ", ".join(parts)


def kind(run: RunSummary) -> str:
    """Say who generated a run's responses: us, or somebody whose responses we judged."""
    return "imported" if run.protocol.get("imported") else "measured"


def truncation(run: RunSummary) -> float | None:
    """Return the share that was cut off; ``None`` where an import's source may not say so."""
    return run.truncated if run.truncated or kind(run) == "measured" else None


def groups(runs: Sequence[RunSummary]) -> list[list[RunSummary]]:
    """Put runs of one task together where nothing of their protocols differs.

    What other versions of the grader judged stands apart too: nothing is judged again here.
    """
    found: list[list[RunSummary]] = []
    for run in runs:
        for group in found:
            judged_by = {each.grader_versions for each in (*group, run) if each.grader_versions}
            if len(judged_by) < 2 and differences(group[0], run).comparable:
                group.append(run)
                break
        else:
            found.append([run])
    return found


def _said(value: object) -> str:
    return _UNKNOWN if value is None else str(value)
