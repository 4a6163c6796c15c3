"""Details of lighteval: ``details_<task>_<date>.parquet``, or a folder with several.

Since 0.10 a row is one document with three structs: ``doc`` (``query``, ``choices``,
``gold_index``, ``id`` …), ``model_response`` (``text`` with one entry a sample, ``reasonings``,
``input_tokens``, ``output_tokens``) and ``metric`` (name to value). Before that the columns were
flat: ``example``, ``full_prompt``, ``predictions``, ``gold``, ``metrics`` …, up to 0.7 with every
value written as Python text. The model's settings stand in ``results_<date>.json`` under
``results/``, beside ``details/``.

A judgement is of a document; with several samples of it nobody says which of them it is of, so it
is kept only where there is one. lighteval keeps no finish reasons: what filled its token budget is
taken for cut off.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.interop.imported import (
    ImportedRun,
    ImportedSample,
    called,
    grade_notes,
    hash_of_prompts,
    logged_sampling,
    model_name,
    right_or_wrong,
)
from harness.interop.untrusted import (
    MOST_ROWS,
    as_count,
    companion,
    file_sha256,
    files_in,
    mapping,
    most_unpacked,
    opened,
)

_NAME = re.compile(
    r"details_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)\.parquet"
)
# Few, so that rows of long texts do not come all at once.
_ROWS_AT_ONCE = 4
_MOST_LITERAL = 16 << 20
# DuckDB unpacks 2,048 rows at a time, whatever they hold.
_MOST_MEMORY = {"memory_limit": "1GB", "threads": 1, "temp_directory": ""}
_MOST_FILE_BYTES = 16 << 30
# What is read of a file: other columns are left where they are.
_COLUMNS = frozenset(
    {
        "doc", "model_response", "metric", "example", "full_prompt", "instruction", "gold",
        "choices", "gold_index", "predictions", "input_tokens", "cont_tokens", "metrics",
    }
)  # fmt: skip


def read_log(path: Path, metric: str | None, only: str | None) -> list[ImportedRun]:
    """Read one file of details, or those of a folder.

    Args:
        path: The file, or a folder with such files at any depth.
        metric: Whose judgement to keep; the first that is right or wrong if not given.
        only: Only the details of this task.

    Raises:
        HarnessError: Nothing is there, or it is not what lighteval writes.
    """
    if not path.is_dir():
        return [_read_file(path, metric)]
    files = files_in(path, "details_*.parquet")
    if not files:
        raise HarnessError(
            f"{path} holds no details_*.parquet.", "Run lighteval with --save-details."
        )
    return [_read_file(file, metric) for file in called(only, files, _task)]


def _read_file(path: Path, metric: str | None) -> ImportedRun:
    name = _NAME.fullmatch(path.name)
    model, results = _results(path, name["date"]) if name else ("", {})
    config = mapping(results.get("config_general"))
    model = str(config.get("model_name") or model)
    settings = mapping(mapping(config.get("model_config")).get("generation_parameters"))
    samples: list[ImportedSample] = []
    asked: list[list[str]] = []
    limits: set[int] = set()
    stops: list[str] | None = None
    chosen = metric
    for number, row in enumerate(_rows(path)):
        try:
            document = _Document(row, number)
            budget = as_count(settings.get("max_new_tokens")) or as_count(document.budget)
            if budget:
                limits.add(budget)
            stops = document.stops if stops is None else stops
            chosen = chosen or document.first_metric()
            asked.append([document.question, document.instruction])
            samples += document.samples(chosen, budget)
        except (KeyError, TypeError, ValueError, IndexError, SyntaxError) as error:
            raise HarnessError(
                f"Row {number + 1} of {path} is not what lighteval writes: "
                f"{type(error).__name__}: {error}.",
                "Choose another FORMAT.",
            ) from error
    if not samples:
        raise HarnessError(
            f"{path} holds no texts that a model wrote.",
            "Tasks that compare log-likelihoods cannot be imported.",
        )
    if metric is not None and all(sample.correct is None for sample in samples):
        raise HarnessError(
            f"Nothing in {path.name} was judged right or wrong by {metric!r}.",
            "Leave out --metric, or name another.",
        )
    sha = config.get("lighteval_sha")
    return ImportedRun(
        samples=samples,
        sha256=file_sha256(path),
        task=_task(path),
        model=model_name(model),
        made_by=f"lighteval {sha}" if sha and sha != "?" else "lighteval",
        sampling=logged_sampling(
            temperature=settings.get("temperature"),
            top_p=settings.get("top_p"),
            max_tokens=limits.pop() if len(limits) == 1 else None,
            stop=settings.get("stop_tokens") or stops,
        ),
        prompts_sha256=hash_of_prompts(asked),
        metric=chosen or "",
        notes=grade_notes(samples, chosen or ""),
    )


class _Document:
    """One row, new or old."""

    def __init__(self, row: Mapping[str, Any], number: int) -> None:
        doc, response = row.get("doc"), row.get("model_response")
        if isinstance(doc, dict) and isinstance(response, dict):
            self._read_structs(doc, response, mapping(row.get("metric")), number)
        else:
            self._read_columns({name: _literal(value) for name, value in row.items()}, number)

    def _read_structs(
        self,
        doc: Mapping[str, Any],
        response: Mapping[str, Any],
        metrics: Mapping[str, Any],
        number: int,
    ) -> None:
        self.id = str(doc.get("id") or number)
        self.question = str(doc.get("original_query") or doc["query"])
        self.prompt = str(doc["query"])
        self.instruction = str(doc.get("instruction") or "")
        self.budget = doc.get("generation_size")
        self.stops = doc.get("stop_sequences")
        indices = doc["gold_index"]
        choices = doc["choices"] or []
        listed = indices if isinstance(indices, list) else [indices]
        self.gold = str(choices[listed[0]]) if choices and listed else ""
        self.texts = [str(text) for text in response.get("text") or []]
        self.thoughts = list(response.get("reasonings") or [])
        self.prompt_tokens = len(response.get("input_tokens") or []) or None
        self.token_counts = [len(tokens) for tokens in response.get("output_tokens") or []]
        self.metrics = metrics

    def _read_columns(self, row: Mapping[str, Any], number: int) -> None:
        self.id = str(number)
        self.question = str(row["example"])
        self.prompt = str(row.get("full_prompt") or row["example"])
        self.instruction = str(row.get("instruction") or "")
        self.budget = self.stops = None
        gold = row.get("gold") or []
        if not gold and row.get("choices") and row.get("gold_index"):
            gold = [row["choices"][row["gold_index"][0]]]
        self.gold = str(gold[0] if isinstance(gold, list) else gold) if gold else ""
        found = row["predictions"]
        found = found if isinstance(found, list) else [found]
        if len(found) == 1 and isinstance(found[0], list):
            found = found[0]
        self.texts = [text for text in found if isinstance(text, str)]
        self.thoughts = []
        tokens = row.get("input_tokens") or []
        nested = bool(tokens) and isinstance(tokens[0], list)
        self.prompt_tokens = len(tokens[0] if nested else tokens) or None
        self.token_counts = [len(each) for each in row.get("cont_tokens") or [] if each]
        self.metrics = mapping(row.get("metrics"))

    def first_metric(self) -> str | None:
        return next(
            (name for name, value in self.metrics.items() if right_or_wrong(value) is not None),
            None,
        )

    def samples(self, metric: str | None, budget: int | None) -> Iterator[ImportedSample]:
        counts = self.token_counts if len(self.token_counts) == len(self.texts) else []
        for index, text in enumerate(self.texts):
            tokens = counts[index] if counts else None
            thought = self.thoughts[index] if index < len(self.thoughts) else None
            alone = len(self.texts) == 1 and metric is not None
            full = budget is not None and tokens is not None and tokens >= budget
            yield ImportedSample(
                item_id=self.id,
                question=self.question,
                gold=self.gold.strip(),
                response=text,
                sample_index=index,
                correct=right_or_wrong(self.metrics.get(metric or "")) if alone else None,
                prompt=self.prompt,
                thought=thought or None,
                finish_reason="length" if full else "unknown",
                prompt_tokens=self.prompt_tokens,
                completion_tokens=tokens,
            )


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import duckdb

    opened(path, _MOST_FILE_BYTES).close()
    left = most = most_unpacked(path)
    try:
        with duckdb.connect(config=_MOST_MEMORY) as connection:
            connection.execute("SET enable_progress_bar = false")
            file = [str(path)]
            (rows,) = connection.execute(
                "SELECT num_rows FROM parquet_file_metadata(?)", file
            ).fetchone() or (0,)
            if rows > MOST_ROWS:
                raise HarnessError(
                    f"{path} has more than {MOST_ROWS:,} rows.", "Import it in parts."
                )
            described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", file)
            names = [name for name, *_ in described.fetchall() if name in _COLUMNS]
            if not names:
                raise HarnessError(
                    f"{path} has none of the columns that lighteval writes.",
                    "Choose another FORMAT.",
                )
            # The names are ours, so quoting them is enough.
            listed = ", ".join(f'"{name}"' for name in names)
            cursor = connection.execute(f"SELECT {listed} FROM read_parquet(?)", file)
            while batch := cursor.fetchmany(_ROWS_AT_ONCE):
                for row in batch:
                    left -= _size(row)
                    if left < 0:
                        # A column of few distinct values takes hardly any room in the file.
                        raise _unpacks_to(path, f"{most >> 20:,} MiB")
                    yield dict(zip(names, row, strict=True))
    except duckdb.OutOfMemoryException as error:
        raise _unpacks_to(path, "1 GB at once") from error
    except duckdb.Error as error:
        first = str(error).partition("\n")[0]
        raise HarnessError(
            f"{path} cannot be read as Parquet: {first}", "Name a details_*.parquet."
        ) from error


def _unpacks_to(path: Path, more_than: str) -> HarnessError:
    return HarnessError(
        f"{path} unpacks to more than {more_than}.", "Import it in parts, if it is what it says."
    )


def _size(value: object) -> int:
    """Return about how many bytes a value holds."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    if isinstance(value, list | tuple):
        # Token numbers come in long lists, each of them one size.
        first = value[0] if value else None
        return 8 * len(value) if isinstance(first, int | float) else sum(map(_size, value))
    return 8


def _literal(value: object) -> object:
    """Read a value that an old version wrote as Python text: literals only, nothing is run."""
    if not isinstance(value, str) or not value or value[0] not in "[{(":
        return value
    if len(value) > _MOST_LITERAL:
        raise ValueError("a value is too long to be read")
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value  # a text that happens to begin so


def _results(path: Path, date: str) -> tuple[str, Mapping[str, Any]]:
    """Find the model's name and the results that belong to a file of details."""
    for parent in path.parents:
        if parent.name == "details":
            model = path.parent.relative_to(parent).as_posix().removesuffix(date).strip("/")
            return model, companion(parent.parent / "results" / model / f"results_{date}.json")
    return "", {}


def _task(path: Path) -> str:
    """Return a task's name without its suite and its number of few-shot examples."""
    name = _NAME.fullmatch(path.name)
    parts = (name["task"] if name else path.stem).split("|")
    return parts[1] if len(parts) > 2 else parts[0]
