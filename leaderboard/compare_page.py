"""The Compare page: paired differences of runs or models, with intervals and p-values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import streamlit as st

from harness.analysis.compare import BaselineComparisons, TaskComparison, compare_with_baseline
from harness.analysis.completeness import WHY, describe_progress
from harness.analysis.protocol import differences
from harness.analysis.select import display_name, match_runs
from harness.errors import HarnessError
from harness.statistics import ranking
from harness.store import Store, queries
from harness.store.queries import RunSummary
from leaderboard import cached_queries, compare_flips, compare_tables, formatted_text, source
from leaderboard.error_card import problem_card
from leaderboard.html_table import bullets, heading
from leaderboard.samples_page import run_label, unknown
from leaderboard.source import Snapshot
from leaderboard.text import escaped

MOST_RUNS = 8
_RUNS, _MODELS = "runs of one task", "two models, all tasks"
_TRIED = 20
_LISTED = 3


def draw(snapshot: Snapshot) -> None:
    """Draw the selectors and the comparison, and keep them up to date."""
    _draw(snapshot)
    cached_queries.watch(snapshot)


def _draw(snapshot: Snapshot) -> None:
    by_task = _by_task(snapshot.runs)
    _list_incomplete(snapshot.runs)
    if not by_task:
        st.html(
            problem_card(
                "There are no two complete runs of one task yet.",
                "Evaluate a second model, for instance with `harness eval --model NAME --suite "
                "quick` on this results file; it appears here by itself.",
            )
        )
        return
    formatted_text.style()
    if snapshot.stale:
        st.html(f'<p class="note">Not the newest state: {escaped(snapshot.stale)}</p>')
    if _choose_mode(snapshot.runs) == _RUNS:
        _compare_runs(by_task)
    else:
        _compare_models(snapshot.runs)


def _by_task(runs: Sequence[RunSummary]) -> dict[str, list[RunSummary]]:
    """Return the complete runs by task, where there are two or more."""
    found: dict[str, list[RunSummary]] = {}
    for run in runs:
        if run.graded and run.complete:
            found.setdefault(run.task, []).append(run)
    several = {task: of_it for task, of_it in found.items() if len(of_it) > 1}
    return dict(sorted(several.items(), key=lambda entry: (-len(entry[1]), entry[0])))


def _list_incomplete(runs: Sequence[RunSummary]) -> None:
    incomplete = [run for run in runs if not run.complete]
    if incomplete:
        notes = [
            f"{display_name(run)} on {run.task}, {describe_progress(run)}"
            for run in incomplete[:_LISTED]
        ]
        notes += [f"{len(incomplete) - _LISTED} more"] * (len(incomplete) > _LISTED)
        listed = escaped("; ".join(notes))
        st.html(f'<p class="note">Incomplete, so not compared ({WHY}): {listed}.</p>')


def _choose_mode(runs: Sequence[RunSummary]) -> str:
    if "compare_mode" not in st.session_state:
        wanted = st.query_params.get("a", "")
        of_runs = not wanted or any(run.id == wanted for run in runs)
        st.session_state["compare_mode"] = _RUNS if of_runs else _MODELS
    mode = st.segmented_control(
        "Compare",
        [_RUNS, _MODELS],
        required=True,
        format_func=str.capitalize,
        key="compare_mode",
        label_visibility="collapsed",
        on_change=compare_flips.forget_cell,
        persist_state="session",
    )
    return str(mode)


def _compare_runs(by_task: dict[str, list[RunSummary]]) -> None:
    first, others = _choose_runs(by_task)
    if not others:
        st.html(problem_card("Nothing is chosen to compare with.", "Choose one or more runs as B."))
        return
    kept = _comparable([first, *others])
    if len(kept) < 2:
        return
    compared = _compared(kept)
    focus = compared.comparisons[0]
    if len(compared.comparisons) > 1:
        st.html(compare_tables.against_first_table(compared))
        dots = [
            compare_tables.dot(
                _run_name(one),
                one.paired,
                one.p_adjusted,
                differs=not one.differences.comparable,
            )
            for one in compared.comparisons
        ]
        _chart(dots, "Run", f"Differences of {len(dots)} runs from A; the table holds the numbers.")
        labels = {one.second.run: _run_name(one) for one in compared.comparisons}
        chosen = _look_closer("Look closer at B =", labels)
        focus = next(one for one in compared.comparisons if one.second.run == chosen)
    _closer(compared, focus, len(compared.comparisons))


def _look_closer(title: str, labels: dict[str, str]) -> str:
    """Choose one of several comparisons; the choice is in the URL."""
    if st.session_state.get("closer") not in labels:
        wanted = st.query_params.get("closer", "")
        st.session_state["closer"] = wanted if wanted in labels else next(iter(labels))
    chosen = str(
        st.selectbox(
            title,
            list(labels),
            format_func=labels.__getitem__,
            key="closer",
            on_change=compare_flips.forget_cell,
            persist_state="session",
        )
    )
    st.query_params["closer"] = chosen
    return chosen


def _choose_runs(
    by_task: dict[str, list[RunSummary]],
) -> tuple[RunSummary, list[RunSummary]]:
    state, url = st.session_state, st.query_params
    wanted = [url.get("a", ""), *url.get("b", "").split(",")]
    if state.get("compare_task") not in by_task:
        of_wanted = (
            task for task, runs in by_task.items() if any(run.id == wanted[0] for run in runs)
        )
        state["compare_task"] = next(of_wanted, next(iter(by_task)))
    task_column, first_column = st.columns([1, 2])
    task = task_column.selectbox(
        "Task",
        list(by_task),
        key="compare_task",
        on_change=compare_flips.forget_cell,
        persist_state="session",
    )
    runs = {run.id: run for run in by_task[task]}
    default = _default_pair(list(runs.values()))
    if state.get("compare_a") not in runs:
        state["compare_a"] = wanted[0] if wanted[0] in runs else default[0]
        state["compare_b"] = [name for name in wanted[1:] if name in runs] or [default[1]]
    first = first_column.selectbox(
        "A, the baseline",
        list(runs),
        key="compare_a",
        format_func=lambda run_id: run_label(runs[run_id]),
        on_change=compare_flips.forget_cell,
        persist_state="session",
    )
    state["compare_b"] = [
        name for name in state.get("compare_b", ()) if name in runs and name != first
    ]
    others = st.multiselect(
        "B, compared with it",
        [run_id for run_id in runs if run_id != first],
        key="compare_b",
        format_func=lambda run_id: run_label(runs[run_id]),
        max_selections=MOST_RUNS,
        on_change=compare_flips.forget_cell,
        persist_state="session",
    )
    url["a"], url["b"] = first, ",".join(others)
    return runs[first], [runs[run_id] for run_id in others]


def _default_pair(runs: Sequence[RunSummary]) -> tuple[str, str]:
    """Return the two newest runs that may be compared, the older one first."""
    pairs = list(combinations(runs[:_TRIED], 2))
    comparable = (
        (one, other)
        for one, other in pairs
        if one.grader_versions == other.grader_versions and differences(one, other).comparable
    )
    newer, older = next(comparable, pairs[0])
    return older.id, newer.id


def _compare_models(runs: Sequence[RunSummary]) -> None:
    chosen = _choose_models(runs)
    if chosen is None:
        return
    try:
        lines, left_out = match_runs(source.store(), chosen, allow_different=True)
    except HarnessError as error:
        st.html(problem_card(error.message, error.remedy))
        return
    kept = [line for line in lines if all(run.graded and run.complete for run in line)]
    of_task, obstacles = compare_tables.task_by_task(kept, _compared)
    shared = set.intersection(*({run.task for run in runs_of} for runs_of in chosen))
    only_one = [one.task for one in left_out if one.task not in shared]
    notes = [f"{task} is not compared: {why}" for task, why in obstacles.items()]
    notes += [f"{one.task} is not compared: {one.reason}" for one in left_out if one.task in shared]
    notes += [
        f"{line[0].task} is not compared: a run is not judged to the end"
        for line in lines
        if line not in kept
    ]
    refused = compare_tables.refusals(of_task)
    if refused and not _compare_anyway():
        of_task = {task: one for task, one in of_task.items() if task not in refused}
        notes += [
            f"{task} is not compared, since the protocols differ: {'; '.join(map(str, found))}"
            for task, found in refused.items()
        ]
    if notes:
        st.html(bullets("Not compared", notes))
    if only_one:
        names = ", ".join(only_one)
        st.html(
            f'<p class="note">Left out, since only one of the two has a run: {escaped(names)}</p>'
        )
    if not of_task:
        st.html(
            problem_card(
                "No task can be compared.",
                "Evaluate both models under one protocol, or tick “Compare anyway”.",
            )
        )
        return
    comparisons = [compared.comparisons[0] for compared in of_task.values()]
    adjusted = ranking.holm([one.paired.p for one in comparisons])
    comparisons = [replace(one, p_adjusted=p) for one, p in zip(comparisons, adjusted, strict=True)]
    st.html(compare_tables.tasks_table(comparisons, adjusted))
    dots = [
        compare_tables.dot(
            one.task, one.paired, one.p_adjusted, differs=not one.differences.comparable
        )
        for one in comparisons
    ]
    _chart(dots, "Benchmark", f"Differences on {len(dots)} tasks; the table holds the numbers.")
    task = next(iter(of_task))
    if len(of_task) > 1:
        task = _look_closer("Look closer at", {task: task for task in of_task})
    focus = next(one for one in comparisons if one.task == task)
    _closer(of_task[task], focus, len(comparisons))


def _choose_models(
    runs: Sequence[RunSummary],
) -> tuple[list[RunSummary], list[RunSummary]] | None:
    of_model: dict[str, list[RunSummary]] = {}
    for run in runs:
        of_model.setdefault(run.fingerprint, []).append(run)
    if len(of_model) < 2:
        st.html(problem_card("There is only one model here.", "Evaluate a second one."))
        return None
    known_as = Counter(found[0].model for found in of_model.values())
    by_name = {}
    for fingerprint, found in of_model.items():
        name = found[0].model
        by_name[name if known_as[name] == 1 else f"{name} ({fingerprint[:8]})"] = fingerprint
    state, url = st.session_state, st.query_params
    listed = sorted(by_name)
    for place, letter in enumerate("ab"):
        if state.get(f"compare_model_{letter}") not in by_name:
            wanted = url.get(letter, "")
            if wanted and wanted not in by_name:
                st.html(unknown(wanted, "a run or a model"))
            state[f"compare_model_{letter}"] = wanted if wanted in by_name else listed[place]
    chosen = []
    for column, letter, title in zip(
        st.columns(2), "ab", ("A, the baseline", "B, compared with it"), strict=True
    ):
        chosen.append(
            column.selectbox(
                title,
                listed,
                key=f"compare_model_{letter}",
                on_change=compare_flips.forget_cell,
                persist_state="session",
            )
        )
        url[letter] = chosen[-1]
    if chosen[0] == chosen[1]:
        st.html(problem_card("A and B are the same model.", "Choose another one as B."))
        return None
    return of_model[by_name[chosen[0]]], of_model[by_name[chosen[1]]]


def _comparable(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Return the runs that may be compared with the first, after saying why others may not."""
    refused = {
        one.second.run: one.differences.refused
        for one in _compared(runs).comparisons
        if one.differences.refused
    }
    if not refused or _compare_anyway():
        return list(runs)
    by_id = {run.id: run for run in runs}
    for run_id, found in refused.items():
        st.html(
            problem_card(
                f"{display_name(runs[0])} and {display_name(by_id[run_id])} were not "
                f"measured under one protocol: {'; '.join(map(str, found))}.",
                "Their difference would be one of the protocols as much as of the models. "
                "Evaluate both under one protocol, or tick “Compare anyway”.",
            )
        )
    return [run for run in runs if run.id not in refused]


def _compare_anyway() -> bool:
    """Return whether runs under different protocols are to be compared too."""
    return bool(
        st.checkbox("Compare anyway, although the protocols differ", key="any", bind="query-params")
    )


def _closer(compared: BaselineComparisons, focus: TaskComparison, among: int) -> None:
    """Draw one comparison, whose p-value is adjusted for that many."""
    place = next(number for number, run in enumerate(compared.runs) if run.id == focus.second.run)
    if focus.differences.refused:
        st.html(
            problem_card(
                "These two runs were not measured under one protocol.",
                "What follows compares the protocols as much as the models; it was requested "
                "anyway.",
            )
        )
    st.html(compare_tables.verdict(focus, among=among, runs=len(compared.runs)))
    st.html(compare_tables.sides_table([("A", focus.first), ("B", focus.second)], focus))
    st.html(compare_tables.differing(focus.differences))
    first, second = compared.items[0], compared.items[place]
    compare_flips.draw(
        compared.runs[0], compared.runs[place], compare_tables.cells(first, second), focus
    )
    _groups(focus)


def _groups(focus: TaskComparison) -> None:
    if not focus.groups:
        return
    st.html(heading("By subject and level"))
    kinds = list(focus.groups)
    by = kinds[0]
    if len(kinds) > 1:
        by = st.segmented_control(
            "Break down by", kinds, default=by, required=True, format_func=str.capitalize
        )
    groups = focus.groups[by]
    st.caption(
        f"{len(groups)} slices of {focus.items:,} items: exploratory. With so many looks some "
        "differ by chance; p is adjusted for that (Holm), the intervals are not."
    )
    largest = sorted(groups, key=lambda group: -group.paired.items)[: compare_tables.MOST_DRAWN]
    dots = [
        compare_tables.dot(group.name, group.paired, group.p_adjusted)
        for group in groups
        if group in largest
    ]
    if len(dots) < len(groups):
        st.caption(f"Drawn: the {len(dots)} largest slices. The table holds all.")
    _chart(dots, by.capitalize(), f"Differences by {by}; the table below holds the numbers.")
    st.html(compare_tables.groups_table(focus, by))


def _chart(dots: Sequence[compare_tables.Dot], what: str, alt: str) -> None:
    st.html(compare_tables.legend(dots))
    st.plotly_chart(
        compare_tables.differences_chart(dots, what),
        key=f"chart-{what}",
        config={"displayModeBar": False},
        alt=alt,
    )


def _run_name(comparison: TaskComparison) -> str:
    return f"{comparison.second.model} · {comparison.second.run}"


def _compared(runs: Sequence[RunSummary]) -> BaselineComparisons:
    return cached_queries.ask(_compare_stored, tuple(run.id for run in runs)).value


def _compare_stored(results: Store, run_ids: tuple[str, ...]) -> BaselineComparisons:
    found = {run.id: run for run in queries.runs(results, run_ids)}
    return compare_with_baseline(results, [found[run_id] for run_id in run_ids])
