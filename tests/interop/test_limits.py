"""A stranger's file: what breaks a limit is one sentence, and an odd number costs nothing."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.interop import untrusted
from tests.interop.logs import APPLES, Harness, protocol_of, rows_of, take_in

ROW: dict[str, Any] = {"id": "a", "question": APPLES, "gold": "5", "response": "5"}


def _deep(path: Path) -> None:
    path.write_text(json.dumps(ROW)[:-1] + ', "x": ' + "[" * 900 + "]" * 900 + "}")


def _very_deep(path: Path) -> None:
    path.write_text(json.dumps(ROW)[:-1] + ', "x": ' + "[" * 200_000 + "]" * 200_000 + "}")


def _long_line(path: Path) -> None:
    path.write_text(json.dumps(ROW | {"response": "5" * 5_000}))


def _many_rows(path: Path) -> None:
    path.write_text((json.dumps(ROW) + "\n") * 4)


def _compressed(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08\x00 whatever follows")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (_deep, "more than 200 levels"),
        (_very_deep, "more than 200 levels"),
        (_long_line, "Line 1"),
        (_many_rows, "more than 3 rows"),
        (_compressed, "gunzip"),
        (_pipe, "not a regular file"),
    ],
)
def test_a_file_beyond_a_limit_is_refused_with_the_limit(
    harness: Harness,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], None],
    said: str,
) -> None:
    monkeypatch.setattr(untrusted, "MOST_ROWS", 3)
    if write is _long_line:
        monkeypatch.setattr(untrusted, "MOST_LINE_BYTES", 4_000)
    file = tmp_path / "rows.jsonl"
    write(file)
    done = take_in(harness, tmp_path, "jsonl", file, "--model", "m", "--task", "t")
    assert done.code == 2 and said in done.err and "Traceback" not in done.err
    assert not (tmp_path / "r.duckdb").exists()


def test_a_small_parquet_file_does_not_unpack_to_gigabytes(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One long text, said by every row, takes hardly any room in the file."""
    import duckdb

    monkeypatch.setattr(untrusted, "MOST_UNPACKED_BYTES", 8 << 20)
    file = tmp_path / "details_t|0_2026-01-01T00-00-00.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT {{'id': i::VARCHAR, 'query': 'How many?', 'choices': ['5'],"
            " 'gold_index': [0]} AS doc, {'text': [repeat('x', 200000)]} AS model_response,"
            " {'em': 1.0} AS metric"
            f" FROM range(60) t(i)) TO '{file}' (FORMAT parquet, COMPRESSION zstd)"
        )
    assert file.stat().st_size < 1 << 17
    done = take_in(harness, tmp_path, "lighteval", file, "--model", "m")
    assert done.code == 2 and "unpacks to more than" in done.err and "MiB" in done.err
    assert not (tmp_path / "r.duckdb").exists()


def test_an_archive_does_not_unpack_to_gigabytes(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untrusted, "MOST_UNPACKED_BYTES", 4 << 20)
    monkeypatch.setattr(untrusted, "MOST_UNPACKED_TIMES", 10)
    file = tmp_path / "log.eval"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"eval": {"task": "t", "model": "m"}}))
        for number in range(8):
            sample = {"id": number, "input": "x" * (1 << 20), "output": {}}
            archive.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
    done = take_in(harness, tmp_path, "inspect", file)
    assert done.code == 2 and "larger than 4 MiB once unpacked" in done.err


@pytest.mark.parametrize("form", ["lm-eval", "lighteval", "inspect", "evalscope", "opencompass"])
def test_a_link_in_a_folder_of_logs_is_not_followed_out_of_it(
    harness: Harness, tmp_path: Path, form: str
) -> None:
    names = {
        "lm-eval": "samples_t_2026-01-01T00-00-00.jsonl",
        "lighteval": "details_t|0_2026-01-01T00-00-00.parquet",
        "inspect": "log.eval",
        "evalscope": "reviews/m/t.jsonl",
        "opencompass": "predictions/m/t.json",
    }
    secret = tmp_path / "secret"
    secret.write_text(json.dumps(ROW | {"doc_id": 0}))
    link = tmp_path / "logs" / names[form]
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    done = take_in(harness, tmp_path, form, tmp_path / "logs", "--model", "m", "--task", "t")
    assert done.code == 2 and "a link to a file outside" in done.err


def test_a_pipe_beside_the_samples_is_not_waited_for(harness: Harness, tmp_path: Path) -> None:
    row = {"doc_id": 0, "doc": {"question": APPLES}, "target": "5", "resps": [["5"]]}
    (tmp_path / "samples_t_2026-01-01T00-00-00.jsonl").write_text(json.dumps(row))
    os.mkfifo(tmp_path / "results_2026-01-01T00-00-00.json")
    done = take_in(harness, tmp_path, "lm-eval", tmp_path, "--model", "m", "--task", "t")
    assert done.code == 0, done.err


def test_a_number_out_of_range_is_unknown_and_loses_nothing(
    harness: Harness, tmp_path: Path
) -> None:
    """Nor do texts that no UTF-8 file can hold."""

    def sample(name: str, figure: object) -> dict[str, Any]:
        text = {"role": "assistant", "content": "\ud800\x00 \\boxed{5}"}
        return {
            "id": name, "epoch": figure, "input": APPLES, "target": "5", "scores": {},
            "output": {
                "choices": [{"message": text, "stop_reason": "stop"}], "time": figure,
                "usage": {"input_tokens": figure, "output_tokens": figure},
            },
        }  # fmt: skip

    odd = [10**30, -7, float("nan"), float("inf"), 2**40, "ENDLESS", "many", None, [1], True]
    config = {"temperature": float("nan"), "max_tokens": 10**30}
    log = {
        "eval": {"task": "t", "model": "m", "model_generate_config": config},
        "samples": [sample(f"odd{place}", figure) for place, figure in enumerate(odd)]
        + [sample("sound", 1), sample("sound", 2), sample("sound", 2**70)],
    }
    # Python does not even print a number of so many digits.
    (tmp_path / "log.json").write_text(json.dumps(log).replace('"ENDLESS"', "9" * 5_000))
    done = take_in(harness, tmp_path, "inspect", tmp_path / "log.json")
    assert done.code == 0, done.err
    found = rows_of(
        tmp_path,
        "SELECT item_id, sample_index, prompt_tokens, completion_tokens, seconds FROM sample"
        " ORDER BY ALL",
    )
    unknown = [row for row in found if row[0] != "sound"]
    assert len(unknown) == len(odd)
    assert {row[1:] for row in unknown} == {(0, None, None, None)}
    assert [row[1:] for row in found if row[0] == "sound"] == [
        (0, 1, 1, 1.0), (1, 2, 2, 2.0), (2, None, None, None),
    ]  # fmt: skip
    assert done.json["run"]["score"]["value"] == 1
    sampling = protocol_of(tmp_path)["sampling"]
    assert (sampling["temperature"], sampling["max_tokens"]) == (None, None)
