# mypy: disable-error-code="import-untyped,import-not-found"
"""Judges responses by one lm-eval task's own filters and metric; runs in a grader's worker.

Importing this module imports lm-eval, so that its time is not counted as the first answer's.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
from typing import Any

import lm_eval.api.metrics  # noqa: F401  (registers what configurations name)
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

from harness.types import Status, Verdict
from tasks._lm_eval_config import accepting_antlr, configuration, quiet, task_files

# Once a worker, before any answer's clock runs: SymPy's parsers, and the index of task files.
task_files()
with accepting_antlr():
    pass

#: What lm-eval's filters put in the place of an answer that they did not find.
_NOTHING = "[invalid]"
_MAX_SHOWN = 500


class _OneDocument(list[dict[str, Any]]):
    """What lm-eval asks of a split."""

    @property
    def features(self) -> dict[str, Any]:
        return self[0]


class _Judge(ConfigurableTask):  # type: ignore[misc]
    """A task without its data: filters and metric are all that is needed of it here."""

    def __init__(self, config: dict[str, Any], document: dict[str, Any]) -> None:
        self._document = document
        super().__init__(config=config)

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **_: Any) -> None:
        self.dataset: dict[str, Any] = {}

    def fewshot_docs(self) -> None:
        return None

    @property
    def eval_docs(self) -> _OneDocument:
        return _OneDocument([self._document])


def score(reference: str, response: str, truncated: bool = False) -> Verdict:
    """Filter and judge one response.

    Args:
        reference: JSON of task, filter, metric and document.
        response: What the model wrote.
        truncated: Makes no difference, as it makes none to lm-eval.

    Raises:
        ValueError: The metric is neither 0 nor 1.
    """
    started = time.process_time()
    known = json.loads(reference)
    document = known["document"]
    with contextlib.redirect_stdout(io.StringIO()), quiet(), accepting_antlr():
        task = _task(known["task"], reference)
        task.multiple_target = known["targets"]
        instance = Instance("generate_until", document, ("", {}), 0, resps=[response])
        ensemble = next(f for f in task._filters if f.name == known["filter"])
        ensemble.apply([instance])
        filtered = instance.filtered_resps[known["filter"]]
        value = float(task.process_results(document, [filtered])[known["metric"]])
    if value not in (0.0, 1.0):
        raise ValueError(f"{known['metric']} is {value}, neither 0 nor 1")
    answer = filtered if isinstance(filtered, str) else " ".join(map(str, filtered))
    missed = value == 0 and answer in (_NOTHING, "")
    return Verdict(
        correct=value == 1,
        status=Status.NO_ANSWER if missed else Status.OK,
        extracted="" if missed else answer[:_MAX_SHOWN],
        extraction=known["filter"],
        method=f"lm-eval {known['metric']}",
        seconds=time.process_time() - started,
    )


_tasks: dict[str, _Judge] = {}


def _task(name: str, reference: str) -> _Judge:
    """Make a task once a worker, with the first document that is judged as its example."""
    if name not in _tasks:
        document = json.loads(reference)["document"]
        _tasks[name] = _Judge(configuration(name) | {"process_docs": None}, document)
    return _tasks[name]
