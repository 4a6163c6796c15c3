"""The report as JUnit XML, which most CI servers draw."""

from __future__ import annotations

from xml.etree import ElementTree

from harness.gate.report import (
    GateReport,
    GuardReport,
    RuleReport,
    TaskReport,
    guard_state,
    not_counted,
    would_take,
)
from harness.text import clean, percent, trimmed

_NAME = "harness gate"


def junit(report: GateReport) -> str:
    """Return the report; every task is a suite of tests, with its guards among them.

    Undecided is a failure or skipped, as the configuration says of it.
    """
    attempt = report.budget.attempt
    name = f"{_NAME}, attempt {attempt}" if attempt > 1 else _NAME
    root = ElementTree.Element("testsuites", name=name, time=f"{report.seconds:.3f}")
    for task in report.tasks:
        suite = ElementTree.SubElement(root, "testsuite", name=_legal(task.task))
        name = f"no {task.change} of {trimmed(task.margin)} points {task.about}"
        _result(_case(suite, task.task, name), task, report, would_take(report, task))
        for guard in task.guards:
            rises = f"{guard.title} is not shown to rise by more than its tolerance"
            case = _case(suite, task.task, rises)
            said = _guard_said(guard)
            if guard.breached:
                kind = "failure" if task.guards_count else "skipped"
                ElementTree.SubElement(case, kind, message=guard_state(task, said))
            else:
                ElementTree.SubElement(case, "system-out").text = said
    if report.suite is not None:
        suite = ElementTree.SubElement(root, "testsuite", name="all tasks together")
        name = f"no drop of {trimmed(report.suite.margin)} points {report.suite.about}"
        _result(_case(suite, "all tasks together", name), report.suite, report, "")
    if report.outcome == "error":
        suite = ElementTree.SubElement(root, "testsuite", name=_NAME)
        case = _case(suite, _NAME, "the verdict is certain")
        ElementTree.SubElement(case, "error", message=_legal(report.reason))
    return _written(root)


def junit_of_error(message: str) -> str:
    """Return what there is to say where no verdict was reached."""
    root = ElementTree.Element("testsuites", name=_NAME)
    suite = ElementTree.SubElement(root, "testsuite", name=_NAME)
    case = _case(suite, _NAME, "a verdict is reached")
    ElementTree.SubElement(case, "error", message=_legal(message))
    return _written(root)


def _case(suite: ElementTree.Element, of: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_legal(of), name=name)


def _result(case: ElementTree.Element, test: RuleReport, report: GateReport, more: str) -> None:
    between = f"{test.change} between {trimmed(test.least)} and {trimmed(test.most)} points"
    said = f"{between}, {test.extent} read"
    if not test.counts and test.outcome != "pass":
        message = f"{not_counted(test)}: {test.outcome}, {said}"
        ElementTree.SubElement(case, "skipped", message=message)
    elif test.outcome == "fail":
        ElementTree.SubElement(case, "failure", message=said)
    elif test.outcome == "undecided" and report.outcome != "fail":
        kind = "failure" if report.blocks else "skipped"
        ElementTree.SubElement(case, kind, message=f"undecided: {said}").text = _legal(more)
    elif test.outcome == "undecided":
        message = f"stopped when the gate had failed: {said}"
        ElementTree.SubElement(case, "skipped", message=message)
    if isinstance(test, TaskReport):
        output = ElementTree.SubElement(case, "system-out")
        runs = f"baseline run {test.baseline_run}, candidate run {test.candidate_run}"
        output.text = _legal(f"{runs}; {said}")


def _guard_said(guard: GuardReport) -> str:
    return (
        f"{guard.title}: {percent(guard.baseline)} % to {percent(guard.candidate)} %, a rise of "
        f"{trimmed(guard.rise)} points, between {trimmed(guard.at_least)} and "
        f"{trimmed(guard.at_most)}; {trimmed(guard.tolerance)} tolerated: {guard.state}"
    )


def _written(root: ElementTree.Element) -> str:
    for suite in root:
        cases = suite.findall("testcase")
        suite.set("tests", str(len(cases)))
        for kind in ("failure", "error", "skipped"):
            count = sum(case.find(kind) is not None for case in cases)
            suite.set({"failure": "failures", "error": "errors"}.get(kind, kind), str(count))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _legal(text: str) -> str:
    """Return text without what XML cannot hold."""
    allowed = (c for c in clean(text) if c in "\t\n" or (c >= " " and not _surrogate(c)))
    return "".join(c for c in allowed if c not in "\ufffe\uffff")


def _surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"
