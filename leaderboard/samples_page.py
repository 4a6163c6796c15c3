"""Draws the samples of one run: what was asked, what came back, how it was judged.

Whatever a model wrote goes through ``st.text`` or ``prose``, which read neither Markdown nor HTML;
elsewhere it is escaped.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from harness.analysis.completeness import WHY, describe_progress
from harness.errors import HarnessError, StoreLocked
from harness.store import Store, annotation_queue, samples
from harness.store import labels as store_labels
from harness.store.labels import Label, SampleJudgements, SampleName
from harness.store.queries import RunSummary
from harness.store.samples import Sample
from harness.text import interval, percent
from harness.types import Status, digest
from leaderboard import cached_queries, formatted_text, source
from leaderboard.error_card import problem_card
from leaderboard.source import Snapshot
from leaderboard.text import escaped, plain, shortened

PAGE_SIZE = 5
LONGEST_NOTE = 2000
LONGEST_NAME = 80
_KEEP = {
    "all": "All",
    "right": "Right",
    "wrong": "Wrong",
    "truncated": "Truncated",
    "loop": "Loop",
    "no_answer": "No answer",
    "unparsed": "Not decided",
    "grader_failed": "Grader failed",
    "disagree": "Profiles disagree",
    "labelled": "Labelled",
}
_WRITE_WAIT_SECONDS = 0.5
_ANY_STATUS = "any"
_SOURCE = "source"
_PROFILE_NAMES = {_SOURCE: "its source's own"}


def draw(snapshot: Snapshot) -> None:
    """Draw the choice of a run, and below it a page of its samples, kept up to date."""
    _draw(snapshot)
    cached_queries.watch(snapshot)


def _draw(snapshot: Snapshot) -> None:
    if not snapshot.runs:
        st.html(
            problem_card(
                "There is no run yet.", "Run `harness eval --model smollm2-135m --suite quick`."
            )
        )
        return
    formatted_text.style()
    run = _choose_run(snapshot.runs)
    st.html(run_facts(run))
    if run.restricted:
        st.html(
            problem_card(
                "This task's texts are restricted.",
                "Its questions and what models answered to them are not shown, so that they do "
                "not leak into training data.",
            )
        )
    results = source.store(patient=not snapshot.stale)
    _settle_labels()
    _browse(run, results)


def _choose_run(runs: list[RunSummary]) -> RunSummary:
    by_id = {run.id: run for run in runs}
    if st.session_state.get("run") not in by_id:
        wanted = st.query_params.get("run", "")
        if wanted and wanted not in by_id:
            st.html(unknown(wanted, "a run"))
        st.session_state["run"] = wanted if wanted in by_id else runs[0].id
    task = by_id[st.session_state["run"]].task
    task_column, run_column = st.columns([1, 3])
    # A list of thousands of runs would take the browser seconds: one task's at a time.
    st.session_state["samples_task"] = task
    task_column.selectbox(
        "Task",
        list(dict.fromkeys(run.task for run in runs)),
        key="samples_task",
        on_change=_newest_of_task,
        args=(runs,),
    )
    chosen = run_column.selectbox(
        "Run",
        [run.id for run in runs if run.task == task],
        key="run",
        format_func=lambda run_id: run_label(by_id[run_id]),
        persist_state="session",
    )
    st.query_params["run"] = chosen
    return by_id[chosen]


def _newest_of_task(runs: list[RunSummary]) -> None:
    task = st.session_state["samples_task"]
    st.session_state["run"] = next(run.id for run in runs if run.task == task)


def _browse(run: RunSummary, results: Store) -> None:
    search_column, item_column, status_column = st.columns([3, 2, 2], vertical_alignment="top")
    search = search_column.text_input(
        "Search",
        key="q",
        type="search",
        placeholder="text in question, answer, gold or item id",
        bind="query-params",
    )
    item_id = item_column.text_input(
        "Item",
        key="item",
        type="search",
        placeholder="whole id: all samples of it",
        bind="query-params",
    )
    status = status_column.selectbox(
        "Grading came to",
        [_ANY_STATUS, *(status.value for status in Status)],
        key="status",
        format_func=lambda value: value.replace("_", " "),
        bind="query-params",
    )
    keep = st.segmented_control(
        "Show",
        list(_KEEP),
        default="all",
        required=True,
        format_func=_KEEP.__getitem__,
        key="show",
        wrap=True,
        bind="query-params",
    )
    # What is narrowed otherwise has a page number of its own, and begins at its first page.
    narrowing = [run.id, keep, search, item_id, status]
    number_key = f"page-{digest(narrowing)[:12]}"
    page_number = int(st.session_state.get(number_key, 1))
    ask = partial(
        samples.page,
        results,
        run.id,
        keep=keep or "all",
        search=search or "",
        item_id=item_id or "",
        status="" if status == _ANY_STATUS else status,
        limit=PAGE_SIZE,
    )
    page = ask(offset=(page_number - 1) * PAGE_SIZE)
    if not page.samples and page_number > 1:  # fewer match now than when the page was chosen
        page = ask(offset=0)
    total = page.counts[keep or "all"]
    narrowed = bool(search or item_id or status != _ANY_STATUS)
    st.caption(
        " · ".join(
            f"{title} {page.counts[name]:,}"
            for name, title in _KEEP.items()
            if page.counts[name] or name in ("all", keep)
        )
        + (" of what was searched for" if narrowed else "")
    )
    if not total:
        st.html(problem_card("No sample matches.", "Choose another filter or search text."))
        return
    page_column, view_column = st.columns([3, 2], vertical_alignment="center")
    rendered = False
    if not run.restricted:
        with view_column:
            rendered = view_toggle()
    with page_column:
        st.pagination(-(-total // PAGE_SIZE), key=number_key)
    # What there is to read comes first; what was said of it is asked for meanwhile.
    below = [
        _draw_sample(run, sample, str(place), rendered=rendered)
        for place, sample in enumerate(page.samples)
    ]
    names = [SampleName(sample.item_id, sample.sample_index) for sample in page.samples]
    judgements = store_labels.judgements(results, run.id, names)
    for place, (sample, name, rest) in enumerate(zip(page.samples, names, below, strict=True)):
        said = judgements.get(name)
        if said is not None:
            with rest:
                st.html(said_list(said))
                if not run.restricted:
                    _label_form(sample, said, str(place))


def view_toggle() -> bool:
    """Draw the choice between formulas and their source; tell whether formulas are wanted."""
    view = st.segmented_control(
        "Formulas",
        ["rendered", "source"],
        default="rendered",
        required=True,
        format_func=str.capitalize,
        key="view",
        bind="query-params",
        help="Rendered: formulas of questions and answers are drawn, where they are short and "
        "hold nothing but mathematics. Source: every character as it was written. Thoughts are "
        "always shown as source.",
    )
    return bool(view != "source")


def _draw_sample(run: RunSummary, sample: Sample, place: str, *, rendered: bool) -> DeltaGenerator:
    """Draw a sample, and return the place below it for what was said of it."""
    with st.container(border=True, gap="xsmall"):
        st.html(sample_head(run, sample))
        if not run.restricted:
            draw_texts(sample, place, rendered=rendered)
        st.html(answer_pair(run, sample))
        st.html(grade_facts(sample))
        return st.container(gap="xsmall")


def draw_texts(sample: Sample, place: str, *, rendered: bool) -> None:
    """Draw question, thought and answer of a sample; ``place`` is unique on the page."""
    draw_question(sample, place, rendered=rendered)
    draw_answer(sample, place, rendered=rendered)


def draw_question(sample: Sample, place: str, *, rendered: bool) -> None:
    """Draw what was asked."""
    st.html('<span class="label">Question</span>')
    formatted_text.draw(sample.question or "", f"question-{place}", rendered=rendered)


def draw_answer(sample: Sample, place: str, *, rendered: bool) -> None:
    """Draw what came back, the thought folded."""
    if sample.thought:
        with st.expander(f"Thought ({len(sample.thought):,} characters)"):
            formatted_text.source(sample.thought)
    st.html('<span class="label">Answer</span>')
    formatted_text.draw(sample.answer, f"answer-{place}", rendered=rendered)


def _label_form(sample: Sample, said: SampleJudgements, place: str) -> None:
    """Offer to say what the grade should be; what was typed is gone once it is stored."""
    own_key = f"{said.key}-{said.gold_id}-{len(said.labels)}"
    reviewer = st.session_state.get("reviewer", "")
    # Another name makes another field: one that is there already keeps what it holds.
    name_key = f"by-{own_key}-{reviewer}"
    open_key = f"label-open-{own_key}"
    # Not a popover: the keyboard would reach what is in it last of all on the page.
    st.button("Grade is wrong …", key=f"label-{place}-{own_key}", on_click=_turn, args=[open_key])
    if not st.session_state.get(open_key):
        return
    with st.form(f"form-{own_key}"):
        st.caption("Kept beside the grades, never over them: no score changes.")
        st.segmented_control(
            "The answer is",
            ["right", "wrong"],
            default="wrong" if sample.correct else "right",
            required=True,
            key=f"verdict-{own_key}",
        )
        st.text_area("Why", key=f"note-{own_key}", max_chars=LONGEST_NOTE, height=90)
        st.text_input(
            "Your name",
            value=reviewer,
            key=name_key,
            max_chars=LONGEST_NAME,
            placeholder="asked once, kept until this tab is closed",
        )
        # A callback, since it is run before the page is drawn, which needs a file nobody holds.
        st.form_submit_button(
            "Store label", type="primary", on_click=_store_label, args=[said, own_key, name_key]
        )


def _turn(key: str) -> None:
    st.session_state[key] = not st.session_state.get(key)


def _store_label(said: SampleJudgements, own_key: str, name_key: str) -> None:
    state = st.session_state
    by = str(state[name_key]).strip()
    if not by:
        st.toast("Not stored: say who you are.")
        return
    state["reviewer"] = by
    try:
        stored = store_labels.label(
            _writable(),
            said.key,
            said.gold_id,
            correct=state[f"verdict-{own_key}"] == "right",
            note=state[f"note-{own_key}"],
            by=by,
        )
    except HarnessError as error:
        state["label_problem"] = error
        return
    if not stored:
        st.toast("The results file is in use: the label waits beside it and is not lost.")


def _writable() -> Store:
    # Taking in a journal needs more memory than reading a page does, for a moment.
    return Store(source.results_path(), wait_seconds=_WRITE_WAIT_SECONDS)


def _settle_labels() -> None:
    """Move labels that had to wait; they are on disk meanwhile, whatever comes."""
    problem = st.session_state.pop("label_problem", None)
    if isinstance(problem, HarnessError):
        st.html(problem_card(f"The label is not stored. {problem.message}", problem.remedy))
    try:
        with contextlib.suppress(StoreLocked):
            annotation_queue.flush(_writable())
    except HarnessError as error:
        st.html(problem_card(f"What waits cannot be stored yet. {error.message}", error.remedy))


def sample_link(run_id: str, item_id: str) -> str:
    """Return the address of all samples of an item of a run, relative to any page."""
    return f"samples?{urlencode({'run': run_id, 'item': item_id})}"


def unknown(name: str, what: str) -> str:
    """Return that an address names what is not here, as HTML."""
    return problem_card(
        f"{shortened(name, 60)} is not {what} of this results file.",
        "What is shown instead is the first that there is; choose another below.",
    )


def run_label(run: RunSummary) -> str:
    """Name a run in a list."""
    score = f"{percent(run.score.value)} %" if run.score else "no score"
    if run.so_far:
        score = f"incomplete, {percent(run.so_far.value)} % of {run.graded:,} of {run.requests:,}"
    return f"{run.model} · {run.task} · {score} · {run.created_at:%Y-%m-%d %H:%M} · {run.id}"


def run_facts(run: RunSummary) -> str:
    """Return what a run amounts to as HTML; every text in it is escaped."""
    score = "–"
    if run.score:
        score = f"{percent(run.score.value)} % {interval(run.score.low, run.score.high)}"
    if run.so_far:
        score = f"{percent(run.so_far.value)} % so far"
    incomplete = {} if run.complete else {f"Incomplete: {WHY}": describe_progress(run)}
    facts = {
        "Score, 95 % interval" if run.complete else "Score": score,
        **(incomplete or {"Judged": f"{run.graded:,} of {run.requests:,}"}),
        "Truncated": f"{percent(run.truncated)} %",
        "No answer": f"{percent(run.no_answer)} %",
        "Loops": f"{percent(run.loops)} %",
        "Sampling": _sampling(run.protocol.get("sampling")),
        "Engine": run.computed_by,
    }
    return _facts(facts)


def _sampling(sampling: dict[str, Any] | None) -> str:
    if sampling is None:
        return "not known: the run was imported"
    temperature, budget = sampling.get("temperature"), sampling.get("max_tokens")
    heat = "temperature not known" if temperature is None else f"temperature {temperature}"
    return f"{heat}, " + (
        "token budget not known" if budget is None else f"at most {budget} tokens"
    )


def verdict_badge(correct: bool | None) -> str:
    """Return a verdict as HTML, marked by word and mark as well as by colour."""
    word, style, mark = {
        True: ("right", "right", "✓"),
        False: ("wrong", "wrong", "✗"),
        None: ("not judged", "warning", "?"),
    }[correct]
    return f'<span class="badge {style}">{mark} {word}</span>'


def sample_head(run: RunSummary, sample: Sample) -> str:
    """Return the heading of a sample as HTML; every text in it is escaped."""
    parts = [sample.subject, sample.level]
    if run.samples > 1:
        parts.append(f"sample {sample.sample_index + 1} of {run.samples}")
    if sample.completion_tokens is not None:
        parts.append(f"{sample.completion_tokens:,} tokens")
    parts += [word for word, so in (("truncated", sample.truncated), ("loop", sample.loop)) if so]
    about = " · ".join(escaped(part) for part in parts if part)
    link = escaped(sample_link(run.id, sample.item_id))
    title = "All samples of this item" if run.samples > 1 else "Link to this sample"
    return (
        f'<div class="sample-head">{verdict_badge(sample.correct)}'
        f'<a class="name" href="{link}" target="_self" title="{title}">'
        f"{escaped(sample.item_id)}</a>"
        f'<span class="note">{about}</span></div>'
    )


def answer_pair(run: RunSummary, sample: Sample, *, hidden: bool = False) -> str:
    """Return extracted and gold answer beside each other as HTML; every text is escaped.

    Args:
        run: Whose sample it is; of a restricted one neither is shown.
        sample: The sample.
        hidden: Neither is shown whatever the run says.
    """
    hidden = hidden or run.restricted
    extracted, gold = ("", "") if hidden else (sample.extracted, sample.gold)
    nothing = "not shown" if hidden else "–"
    found_by = f"found by {sample.extraction}" if sample.extraction else "nothing found"
    return (
        '<div class="pair">'
        f'<div><span class="label">Extracted answer</span>'
        f"<b>{escaped(plain(extracted or nothing, longest=300))}</b>"
        f'<span class="note">{escaped(found_by)}</span></div>'
        f'<div><span class="label">Gold answer</span>'
        f"<b>{escaped(plain(gold or nothing, longest=300))}</b>"
        f'<span class="note">{escaped(sample.answer_type)}</span></div></div>'
    )


def grade_facts(sample: Sample) -> str:
    """Return how a sample ended and how its grading went as HTML; every text in it is escaped."""
    return _facts(
        {
            "Grading came to": (sample.status or "not judged").replace("_", " "),
            "Compared by": sample.method or "–",
            "Finish reason": sample.finish_reason,
        }
    )


def said_list(said: SampleJudgements) -> str:
    """Return the grades of all profiles and people's labels as HTML; every text is escaped."""
    entries = []
    # The profile of the page is named above; it is repeated where there is another beside it.
    if len(said.opinions) > 1:
        for opinion in said.opinions:
            extracted = f"extracted {plain(opinion.extracted, longest=120)}"
            about = [opinion.status.replace("_", " "), opinion.method, opinion.grader_version]
            about += [extracted] if opinion.extracted else []
            name = _PROFILE_NAMES.get(opinion.profile, opinion.profile)
            entries.append(
                f'<li><span class="who">{escaped(name)}</span>{verdict_badge(opinion.correct)}'
                f'<span class="note">{escaped(" · ".join(filter(None, about)))}</span></li>'
            )
    entries += [_said_by(label) for label in said.labels]
    if not entries:
        return '<ul class="said" hidden></ul>'
    return f'<ul class="said" aria-label="Grades and labels">{"".join(entries)}</ul>'


def _said_by(label: Label) -> str:
    note = f" “{escaped(plain(label.note, longest=LONGEST_NOTE))}”" if label.note else ""
    return (
        f'<li><span class="badge warning">human</span>'
        f'<span class="who">{escaped(label.by)}</span>{verdict_badge(label.correct)}'
        f'<span class="note">{label.at:%Y-%m-%d %H:%M}</span>{note}</li>'
    )


def _facts(facts: dict[str, str]) -> str:
    pairs = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="facts">{pairs}</dl>'
