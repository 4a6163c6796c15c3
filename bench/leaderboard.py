"""How long the leaderboard's pages take, and what its server takes in memory, on a large store.

    python bench/leaderboard.py --folder DIR [--keep]

Makes a results file of 500 models on ten tasks, 2,000 requests a run (10 million generations of
some 300 bytes of text that hardly compresses, one grade each and a second profile's for a tenth),
its run summaries, and starts the real server on it. Chromium opens the pages; each is the median
of ``--repeats`` fresh visits. A bare Streamlit page is opened beside them: what that takes is not
ours. ``--models`` makes a smaller store, ``--results`` takes one that is there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.store import Store, summaries

# Items and samples an item: 2,000 requests each.
TASKS = {
    "math": (2000, 1), "gsm8k": (1000, 2), "math500": (500, 4), "minerva_math": (250, 8),
    "olympiadbench": (500, 4), "aime24": (25, 80), "amc23": (40, 50), "gpqa_diamond": (200, 10),
    "theoremqa": (1000, 2), "mmlu_pro": (2000, 1),
}  # fmt: skip
REQUESTS = 2000
_CHUNK_MODELS = 25
_TARGETS = {"first page": 1.5, "filter": 0.5, "sample page": 0.7}
_BARE = Path(__file__).with_name("bare_streamlit.py")
_PATIENCE = 30
# In the page: when the first thing of this kind has been on the screen.
_WATCH = """
(function look() {
    const found = document.querySelector(WANTED);
    if (found && found.getClientRects().length) window.seenAfter = performance.now();
    else requestAnimationFrame(look);
})();
"""


def main() -> None:
    """Make the store, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("leaderboard-bench"))
    parser.add_argument("--results", type=Path, help="A store made before.")
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="Do not delete the store afterwards.")
    parser.add_argument("--make-only", action="store_true", help="Measure nothing.")
    asked = parser.parse_args()
    results = asked.results or asked.folder / "results.duckdb"
    if asked.results is None:
        asked.folder.mkdir(parents=True, exist_ok=True)
        make(results, asked.models)
    print(f"{results.stat().st_size / 1e9:.2f} GB")
    if not asked.make_only:
        measure(results, asked.repeats)
    if asked.results is None and not asked.keep:
        shutil.rmtree(asked.folder)


def make(results: Path, models: int) -> None:
    """Make a store of so many models, in SQL."""
    began = time.monotonic()
    store = Store(results, memory_limit="2GB")
    with store.write() as connection:
        _make_small(connection, models)
    for first in range(0, models, _CHUNK_MODELS):
        with store.write() as connection:
            _make_large(connection, first, min(models, first + _CHUNK_MODELS))
        print(f"\r{first + _CHUNK_MODELS} of {models} models", end="", file=sys.stderr, flush=True)
    print(f"\nrows made in {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    summaries.refresh(store)
    print(f"run summaries made in {time.monotonic() - began:.0f} s", flush=True)


def _make_small(connection: Any, models: int) -> None:
    connection.execute(
        "CREATE TEMP TABLE task (name VARCHAR, number INTEGER, items INTEGER, samples INTEGER)"
    )
    connection.executemany(
        "INSERT INTO task VALUES (?, ?, ?, ?)",
        [(name, number, *sizes) for number, (name, sizes) in enumerate(TASKS.items())],
    )
    connection.execute(
        """
        INSERT INTO item BY NAME
        SELECT name AS task, md5(name) || md5(name) AS data_sha256,
               printf('%s-%04d', name, i) AS id, i AS ordinal,
               'Question ' || i || ': ' || md5(name || i) || repeat(' and so on', 20) AS question,
               i::VARCHAR AS gold, CAST(md5('gold' || name || i) AS UUID) AS gold_id,
               'integer' AS answer_type, 'subject ' || i % 7 AS subject, 'level ' || i % 5 AS level,
               []::INTEGER[] AS option_order, '' AS scorer
        FROM task, LATERAL (SELECT unnest(range(items)) AS i)
        """
    )
    connection.execute(
        """
        INSERT INTO model BY NAME
        SELECT md5('m' || m) || md5('n' || m) AS fingerprint, printf('model-%03d', m) AS name,
               printf('/models/model-%03d', m) AS source, 'Qwen2ForCausalLM' AS architecture,
               [500, 1500, 7000, 32000, 72000][1 + m % 5] * 1000000::BIGINT AS parameters,
               md5('template') AS chat_template_sha256,
               TIMESTAMPTZ '2026-01-01 00:00:00+00' + m * INTERVAL 1 HOUR AS added_at
        FROM range($models) AS made(m)
        """,
        {"models": models},
    )
    libraries = json.dumps({f"library-{n}": f"{n}.1.{n}" for n in range(20)})
    machine = json.dumps({"cpu": "AMD EPYC", "cores": 64, "memory_gib": 512, "gpus": ["H100"] * 8})
    connection.execute(
        """
        INSERT INTO run BY NAME
        SELECT left(md5('run' || m || name), 12) AS id, md5('m' || m) || md5('n' || m) AS model,
               name AS task, md5(name) || md5(name) AS data_sha256,
               md5('protocol' || name) || md5('protocol' || name) AS protocol_sha256,
               json_object('task', name, 'task_version', '1', 'data_sha256', md5(name) || md5(name),
                   'messages_sha256', md5('x') || md5('x'), 'sampling', json_object(
                       'temperature', CASE WHEN samples = 1 THEN 0.0 ELSE 0.7 END, 'top_p', 1.0,
                       'max_tokens', 4096, 'stop', [], 'thinking_budget', NULL,
                       'stop_loops', false)) AS protocol,
               samples, 0 AS seed, 0 AS replicate, items, items * samples AS requests,
               'vllm' AS backend, '0.32.0' AS engine_version, '8 x H100' AS device,
               '{"dtype":"bfloat16","max_model_len":8192}' AS output_args, $libraries AS libraries,
               $machine AS machine, name = 'gpqa_diamond' AS restricted,
               TIMESTAMPTZ '2026-01-01 00:00:00+00' + m * INTERVAL 1 HOUR AS created_at
        FROM range($models) AS made(m), task
        """,
        {"models": models, "libraries": libraries, "machine": machine},
    )
    connection.execute(
        """
        INSERT INTO run_session BY NAME
        SELECT left(md5('session' || model), 12) AS id, id AS run_id, created_at AS started_at,
               created_at + INTERVAL 50 MINUTE AS ended_at, 'complete' AS outcome,
               '{"max_num_seqs":256}' AS engine_settings, 20000 AS generated,
               20000 * 800 AS completion_tokens, 60.0 AS start_seconds, 2900.0 AS generate_seconds,
               3.0 AS grade_seconds
        FROM run
        """
    )


def _make_large(connection: Any, first: int, end: int) -> None:
    """Make all that came back for these models; one session has all tasks of one model."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE asked AS
        SELECT r.id AS run_id, r.task, i.id AS item_id, i.gold_id, s AS sample_index, i.ordinal,
               CAST(md5(r.id || i.id || s) AS UUID) AS key, r.created_at, r.restricted,
               hash(r.id, i.id, s) AS dice,
               1 / (1 + exp(3.0 * (hash(i.id) % 1000 / 1000.0 - hash(r.model) % 1000 / 1000.0)))
                   AS chance
        FROM run r
        JOIN model m ON m.fingerprint = r.model
        JOIN item i ON i.task = r.task, LATERAL (SELECT unnest(range(r.samples)) AS s)
        WHERE m.name BETWEEN printf('model-%03d', $first) AND printf('model-%03d', $end - 1)
        ORDER BY r.created_at, r.id, i.ordinal, s
        """,
        {"first": first, "end": end},
    )
    connection.execute(
        "INSERT INTO request SELECT run_id, item_id, gold_id, sample_index, key FROM asked"
    )
    came_back = "created_at + (dice % 3000) * INTERVAL 1 SECOND"
    connection.execute(
        f"""
        INSERT INTO generation BY NAME
        SELECT key, md5(key || 'a') || ' ' || md5(key || 'b') || ' ' || md5(key || 'c') || ' '
                   || md5(key || 'd') AS thought,
               md5(key || 'e') || ' ' || md5(key || 'f') || ' ' || md5(key || 'g')
                   || md5(key || 'h') || md5(key || 'i') || ' so it is ' || ordinal AS answer,
               CASE WHEN dice % 50 = 0 THEN 'length' ELSE 'stop' END AS finish_reason,
               dice % 50 = 0 AS truncated, dice % 97 = 0 AS loop,
               200 + dice % 100 AS prompt_tokens, 400 + dice % 800 AS completion_tokens,
               2.5 AS seconds, restricted, {came_back} AS finished_at, dice % 300 AS thought_tokens
        FROM asked ORDER BY finished_at
        """
    )
    for profile, version, condition in (
        ("strict", "7", "true"),
        ("cft-paper", "7", "hash(run_id) % 10 = 0"),
    ):
        connection.execute(
            f"""
            INSERT INTO grade BY NAME
            SELECT key, gold_id, $profile AS profile, $version AS grader_version,
                   dice % 50 > 0 AND hash(dice, $profile) % 1000 / 1000.0 < chance AS correct,
                   CASE WHEN dice % 50 = 0 THEN 'truncated' WHEN dice % 61 = 0 THEN 'no_answer'
                        ELSE 'ok' END AS status, (dice % 1000)::VARCHAR AS extracted,
                   'boxed' AS extraction, 'text' AS method, 0.001 AS seconds,
                   {came_back} + INTERVAL 1 SECOND AS graded_at
            FROM asked WHERE {condition} ORDER BY graded_at
            """,
            {"profile": profile, "version": version},
        )


def measure(results: Path, repeats: int) -> None:
    """Open the pages in Chromium and print how long each took."""
    from playwright.sync_api import sync_playwright

    leaderboard = [sys.executable, "-m", "harness.cli.main", "leaderboard", "--no-open"]
    leaderboard += ["--results", str(results), "--port"]
    bare = [sys.executable, "-m", "streamlit", "run", str(_BARE), "--server.address", "127.0.0.1"]
    bare += ["--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.port"]
    clock = _Clock()
    memory = 0.0
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = str(own) if own.exists() else shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for number in range(repeats):
            _say(f"round {number + 1} of {repeats}")
            with _served(bare) as (address, _):
                _visit_bare(clock, browser, address)
            with _served(leaderboard) as (address, pid):
                _visit(clock, browser, address)
                memory = max(memory, _peak_memory(pid))
        browser.close()
    for step, taken in clock.times.items():
        target = next((limit for name, limit in _TARGETS.items() if step.startswith(name)), None)
        shown = ", ".join(f"{seconds:.2f}" for seconds in taken)
        limit = f"target {target} s" if target else ""
        print(f"{step:45} {statistics.median(taken):6.2f} s   ({shown})   {limit}")
    print(f"{'largest memory of the server':45} {memory:6.0f} MB   target 1000 MB")


class _Clock:
    """Takes the times of steps, each until what it asked for is on the screen."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def opens(self, step: str, browser: Any, url: str, wanted: str) -> Any:
        """Time a fresh visit, with nothing in the browser's cache; return the page.

        The browser's own clock counts, from the start of the navigation to the first frame that
        holds what is wanted: ours would count what it takes to ask a busy browser, too.
        """
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(1000 * _PATIENCE)
        page.add_init_script(_WATCH.replace("WANTED", json.dumps(wanted)))
        self.goes(step, page, lambda: page.goto(url))
        return page

    def follows(self, step: str, page: Any, link: Any, wanted: str) -> None:
        """Time a click on a link to another page."""
        page.add_init_script(_WATCH.replace("WANTED", json.dumps(wanted)))

        def click() -> None:
            with page.expect_navigation():
                link.click()

        self.goes(step, page, click)

    def goes(self, step: str, page: Any, act: Callable[[], Any]) -> None:
        """Time a navigation until what the page watches for is on the screen."""
        self._takes(step, page, act, lambda: page.wait_for_function("window.seenAfter"))
        self._note(step, page.evaluate("window.seenAfter") / 1000)

    def changes(self, step: str, page: Any, act: Callable[[], Any], selector: str) -> None:
        """Time until what is at this selector reads otherwise."""
        text = "at => [...document.querySelectorAll(at)].map(one => one.textContent).join()"
        page.wait_for_timeout(1500)  # what comes after the table is not counted as the filter's
        before = page.evaluate(text, selector)
        changed = f"([at, was]) => {{ const now = ({text})(at); return now && now !== was }}"
        began = time.perf_counter()
        self._takes(
            step, page, act, lambda: page.wait_for_function(changed, arg=[selector, before])
        )
        self._note(step, time.perf_counter() - began)

    def _takes(self, step: str, page: Any, act: Callable[[], Any], wait: Callable[[], Any]) -> None:
        from playwright.sync_api import TimeoutError as TookTooLong

        try:
            act()
            wait()
        except TookTooLong as error:
            shown = page.locator("body").inner_text()[:600]
            raise SystemExit(
                f"{step}: what was asked for was not on the screen of {page.url} after "
                f"{_PATIENCE} s. {error}\nThe page reads:\n{shown}"
            ) from None

    def _note(self, step: str, seconds: float) -> None:
        self.times.setdefault(step, []).append(seconds)
        _say(f"{step}: {seconds:.2f} s")


def _visit_bare(clock: _Clock, browser: Any, address: str) -> None:
    """Measure what of every visit is Streamlit's own: its scripts, its socket, an empty run."""
    for step in ("a bare Streamlit page, nothing opened yet", "a bare Streamlit page"):
        clock.opens(step, browser, address, "p.here").context.close()


def _visit(clock: _Clock, browser: Any, address: str) -> None:
    """Do what a user does."""
    row = "table.ranking tbody tr"
    for step in ("first page, nothing opened since the start", "first page (suite)"):
        clock.opens(step, browser, address, row).context.close()
    page = clock.opens("first page (one task)", browser, f"{address}/?task=math", row)
    for method in ("instruct", "CFT"):
        button = page.get_by_role("button", name=method, exact=True)
        clock.changes(f"filter by method {method}", page, button.click, "table.ranking tbody")
    page.get_by_label("Suite or task").click()
    option = page.get_by_role("option", name="gsm8k", exact=True)
    clock.changes("filter by task", page, option.click, "th.score")
    page.goto(f"{address}/?task=gsm8k&kind=measured+here")
    links = page.locator(f"{row}.measured td.score a")
    links.nth(2).wait_for()
    first, second, third = (str(links.nth(place).get_attribute("href")) for place in range(3))
    clock.follows("sample page, the browser's first", page, links.nth(1), ".sample-head")
    clock.goes("sample page, its second", page, lambda: page.goto(f"{address}/{third}"))
    page.context.close()
    page = clock.opens("sample page, no cache", browser, f"{address}/{first}", ".sample-head")
    wrong = page.get_by_role("radio", name="Wrong", exact=True)
    clock.changes("filter samples to wrong ones", page, wrong.click, ".sample-head")
    next_page = page.get_by_role("button", name="Next page")
    clock.changes("sample page, the next", page, next_page.click, ".sample-head")
    page.context.close()
    a, b = (link.rpartition("run=")[2] for link in (first, second))
    url = f"{address}/compare?a={a}&b={b}"
    clock.opens("compare two runs", browser, url, ".finding").context.close()


@contextmanager
def _served(command: list[str]) -> Iterator[tuple[str, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [*command, str(port)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    began = time.monotonic()
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() - began > _PATIENCE:
                    raise SystemExit(f"The server did not start: {' '.join(command)}") from None
                time.sleep(0.05)
        _say(f"server there after {time.monotonic() - began:.1f} s")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:  # it waits for pages that a failed step left open
            process.kill()
            process.wait()


def _peak_memory(pid: int) -> float:
    """Return the most memory a process has had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
