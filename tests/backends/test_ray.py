"""Replicas on a real Ray cluster of two nodes on this machine, mostly with a simulated engine."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from harness.backends.base import EngineOptions
from harness.backends.ray import cluster as _cluster
from harness.backends.ray.backend import RayBackend
from harness.backends.ray.cluster import plan_placement
from harness.cli.signals import stoppable
from harness.errors import EngineError, HarnessError, Stopped
from harness.run.callbacks import Callbacks
from harness.run.evaluate import Evaluation, Outcome, evaluate
from harness.run.plan import Settings
from harness.task import Task
from harness.types import Chat, Request, Sampling
from tests.backends.simulated import items
from tests.conftest import REPOSITORY, Finished, run_harness

Harness = Callable[..., Finished]

ENGINE = "tests.backends.simulated:Simulated"
# Ray leaves sockets and processes of a node that was killed to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class TwoNodes:
    """A cluster whose head has one core, as has every node that is added."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 1,
                "object_store_memory": 100 << 20,
                # Ray would take half a minute to give up a node.
                "_system_config": {"health_check_period_ms": 500, "health_check_timeout_ms": 500},
            },
        )
        self.address: str = self._cluster.address

    def add(self) -> Any:
        node = self._cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        self._cluster.wait_for_nodes()
        return node

    def kill(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    with pytest.MonkeyPatch.context() as patch:
        # Ray's workers do not look into the current folder for the simulated engine.
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = TwoNodes()
        yield made
        made.shutdown()


@dataclass
class Watcher(Callbacks):
    """Counts what comes back, and does something once half of it has."""

    at: int = -1
    act: Callable[[], None] = lambda: None
    generations: int = 0
    notices: list[str] = field(default_factory=list)
    statuses: set[str] = field(default_factory=set)

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def generated(self, completion_tokens: int, status: str) -> None:
        self.generations += 1
        self.statuses.add(status)
        if self.generations == self.at:
            self.act()


def evaluation(results: Path, count: int, cluster: TwoNodes, **arguments: Any) -> Evaluation:
    named = {"address": cluster.address, "engine": ENGINE, "comeback_seconds": 60.0}
    task = Task(
        name="sums",
        version="1",
        load=lambda: iter(items(count)),
        prompt=lambda item: [{"role": "user", "content": item.question}],
        max_tokens=64,
    )
    return Evaluation(
        models=["simulated"],
        tasks=[task],
        results=results,
        settings=Settings(),
        engine=EngineOptions("ray", arguments, named),
    )


def stored(results: Path) -> tuple[int, int, int, int]:
    """Return generations, distinct ones, grades and right ones."""
    with duckdb.connect(str(results), read_only=True) as connection:
        return connection.execute(
            "SELECT count(*), count(DISTINCT key), (SELECT count(*) FROM grade),"
            " (SELECT count(*) FROM grade WHERE correct) FROM generation"
        ).fetchall()[0]


def usage(results: Path) -> Any:
    import json

    with duckdb.connect(str(results), read_only=True) as connection:
        return json.loads(connection.execute("SELECT usage FROM run_session").fetchall()[-1][0])


def test_a_node_killed_half_way_loses_nothing_and_doubles_nothing(
    cluster: TwoNodes, tmp_path: Path
) -> None:
    node = cluster.add()
    results = tmp_path / "results.duckdb"
    watcher = Watcher(at=150, act=lambda: cluster.kill(node))
    outcome: Outcome = evaluate(evaluation(results, 300, cluster, seconds=0.1), watcher)
    assert outcome.total.generated == 300
    assert stored(results) == (300, 300, 300, 300)
    counted = usage(results)
    # A machine that is busy with other things may lose another one to a late heartbeat.
    assert counted["replicas"] == 2 and counted["lost"] >= 1 and counted["requeued"] > 0
    assert sum(counted["completions"].values()) == 300
    assert {"2 of 2 replicas", "1 of 2 replicas"} <= watcher.statuses
    assert any("is lost" in text and "go to others" in text for text in watcher.notices)

    again = evaluate(evaluation(results, 300, cluster, seconds=0.1), Watcher())
    assert (again.total.generated, again.stored) == (0, 300), "and no cluster is needed for that"


def test_a_killed_engine_comes_back_and_serves_again(cluster: TwoNodes, tmp_path: Path) -> None:
    results, pids = tmp_path / "results.duckdb", tmp_path / "pids"
    pids.mkdir()

    def kill_one() -> None:
        os.kill(int(next(pids.iterdir()).name), signal.SIGKILL)

    watcher = Watcher(at=40, act=kill_one)
    evaluate(evaluation(results, 120, cluster, seconds=0.2, pids=str(pids)), watcher)
    assert stored(results) == (120, 120, 120, 120)
    assert len(list(pids.iterdir())) == 2, "the only replica was restarted"
    assert any("serves again" in text for text in watcher.notices)


def test_ctrl_c_keeps_what_came_back_and_the_same_command_goes_on(
    cluster: TwoNodes, tmp_path: Path
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    results = tmp_path / "results.duckdb"
    with pytest.raises(KeyboardInterrupt):
        evaluate(evaluation(results, 200, cluster), Watcher(at=80, act=interrupt))
    kept = stored(results)[0]
    assert 80 <= kept < 200
    rest = evaluate(evaluation(results, 200, cluster), Watcher())
    assert (rest.stored, rest.total.generated) == (kept, 200 - kept)
    assert stored(results) == (200, 200, 200, 200)


@pytest.fixture
def backend(cluster: TwoNodes) -> Iterator[Callable[..., RayBackend]]:
    made: list[RayBackend] = []

    def make(named: dict[str, Any] | None = None, **arguments: Any) -> RayBackend:
        options = {"address": cluster.address, "engine": ENGINE} | (named or {})
        made.append(RayBackend(EngineOptions(engine_args=arguments, backend_options=options)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def requests(backend: RayBackend, count: int) -> list[Request]:
    model = backend.open("simulated", None)
    return [
        Request(
            key=f"{number:032x}",
            item_id=item.id,
            sample_index=0,
            prompt=backend.render(model, [{"role": "user", "content": item.question}], Chat()),
            sampling=Sampling(),
            seed=number,
        )
        for number, item in enumerate(items(count))
    ]


def test_an_item_that_kills_every_engine_is_named_and_the_others_are_done(
    backend: Callable[..., RayBackend],
) -> None:
    mortal = backend(poison="What is 13 + 13?", seconds=0.02)
    asked = requests(mortal, 60)
    mortal.start(mortal.open("simulated", None), asked, longest=100)
    came: list[str] = []
    with pytest.raises(EngineError, match=r"3 engines died .* item sum-13 ") as caught:
        for completion in mortal.generate(asked):
            came.append(completion.key)
    assert "is kept" in caught.value.remedy
    assert asked[13].key not in came and len(came) == len(set(came))


def test_another_model_is_served_by_the_same_actors(
    backend: Callable[..., RayBackend], tmp_path: Path
) -> None:
    sweep = backend(pids=str(tmp_path))
    asked = requests(sweep, 20)
    for name in ("one", "two"):
        sweep.start(sweep.open(name, None), asked, longest=100)
        texts = Counter(completion.text.partition(":")[0] for completion in sweep.generate(asked))
        assert texts == {name: 20}
    assert len(list(tmp_path.iterdir())) == 1


def test_requests_are_taken_as_there_is_room_and_given_up_when_nobody_wants_more(
    backend: Callable[..., RayBackend], tmp_path: Path
) -> None:
    lazy = backend(seconds=0.05, pids=str(tmp_path))
    asked = requests(lazy, 400)
    model = lazy.open("simulated", None)
    lazy.start(model, asked, longest=100)
    taken = iter(asked)
    completions = lazy.generate(request for request in taken)
    for _ in range(10):
        next(completions)
    completions.close()
    assert len(list(taken)) > 350
    assert lazy.usage()["aborted_tokens"] > 0
    lazy.start(model, asked, longest=100)
    assert {c.key for c in lazy.generate(asked[:30])} == {r.key for r in asked[:30]}
    assert len(list(tmp_path.iterdir())) == 1, "the engine lived on"


def test_requests_may_come_one_by_one(backend: Callable[..., RayBackend]) -> None:
    slow = backend(seconds=0.01)
    asked = requests(slow, 12)
    slow.start(slow.open("simulated", None), asked, longest=100)
    arrived: list[str] = []

    def each_after_the_last() -> Iterator[Request | None]:
        for number, request in enumerate(asked):
            while len(arrived) < number:
                yield None
            yield request

    for completion in slow.generate(each_after_the_last()):
        arrived.append(completion.key)
    assert arrived == [request.key for request in asked]


def test_notices_about_a_checkpoint_reach_the_user() -> None:
    notices: list[str] = []
    given = {"notice": "x has no chat template."}
    options = EngineOptions(engine_args=given, backend_options={"engine": ENGINE})
    RayBackend(options, notify=notices.append).open("x", None)
    assert notices == ["x has no chat template."]


def test_an_engine_that_cannot_start_says_why(backend: Callable[..., RayBackend]) -> None:
    unwilling = backend(refuse="It has a headache.")
    with pytest.raises(EngineError, match="It has a headache.") as caught:
        unwilling.start(unwilling.open("simulated", None), requests(unwilling, 2), longest=100)
    assert caught.value.remedy == "Ask it nicely."


def test_more_replicas_than_there_is_room_for(backend: Callable[..., RayBackend]) -> None:
    greedy = backend({"replicas": 7})
    with pytest.raises(HarnessError, match="room for 1 of 7 replicas"):
        greedy.start(greedy.open("simulated", None), requests(greedy, 2), longest=100)


@pytest.mark.parametrize(
    ("nodes", "together", "wanted", "replicas"),
    [
        ([{"CPU": 64, "GPU": 8}], 1, None, 8),
        ([{"CPU": 64, "GPU": 8}, {"CPU": 64, "GPU": 8}], 4, None, 4),
        ([{"CPU": 64, "GPU": 8}, {"CPU": 64, "GPU": 3}], 2, 5, 5),
        ([{"CPU": 4}, {"CPU": 64, "GPU": 8}], 8, None, 1),
    ],
)
def test_gpus_are_filled_unless_fewer_are_asked_for(
    nodes: list[dict[str, float]], together: int, wanted: int | None, replicas: int
) -> None:
    placement = plan_placement(nodes, on_gpus=True, together=together, wanted=wanted, per_actor=1)
    assert placement.replicas == replicas
    assert placement.resources["num_gpus"] == together


@pytest.mark.parametrize(
    ("nodes", "on_gpus", "together", "message"),
    [
        ([{"CPU": 64, "GPU": 8}] * 2, True, 16, "over 16 GPUs .* largest node .* has 8"),
        ([{"CPU": 8}], True, 1, "over 1 GPUs .* has 0"),
        ([{"CPU": 8}], False, 2, "over 2 devices .* runs on the CPU"),
    ],
)
def test_an_engine_over_more_devices_than_a_node_has(
    nodes: list[dict[str, float]], on_gpus: bool, together: int, message: str
) -> None:
    with pytest.raises(HarnessError, match=message):
        plan_placement(nodes, on_gpus=on_gpus, together=together, wanted=None, per_actor=1)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def accept() -> None:
            server.settimeout(0.1)
            held = []
            while not stop.is_set():
                try:
                    held.append(server.accept()[0])
                except TimeoutError:
                    continue
            for connection in held:
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()


def test_an_address_where_no_ray_is(deaf_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    monkeypatch.setattr(_cluster, "_PROBE_SECONDS", 3.0)
    for port, message in ((closed, "There is no Ray at"), (deaf_port, "does not answer as a Ray")):
        nowhere = RayBackend(
            EngineOptions(backend_options={"engine": ENGINE, "address": f"127.0.0.1:{port}"})
        )
        began = time.monotonic()
        with pytest.raises(EngineError, match=message):
            nowhere.start(nowhere.open("simulated", None), [], longest=100)
        assert time.monotonic() - began < 10
        nowhere.close()


def test_the_real_engine_gives_what_the_local_one_would_not_do_again(
    tmp_path: Path, model_folder: Path, harness: Harness
) -> None:
    results = tmp_path / "results.duckdb"
    command = ["eval", "--model", str(model_folder), "--tasks", "quick", "--limit", "16"]
    command += ["--max-tokens", "32", "--results", str(results), "--json"]
    first = run_harness(*command, "--backend", "ray", "--replicas", "1")
    assert first.code == 0, first.err
    assert (first.json["generated"], first.json["stored"]) == (16, 0)
    assert "1 of 1 replicas" in first.err or first.json["runs"][0]["complete"]
    local = harness(*command)
    assert local.code == 0, local.err
    assert (local.json["generated"], local.json["stored"]) == (0, 16)
    assert local.json["runs"][0]["id"] == first.json["runs"][0]["id"]


def test_a_command_line_with_what_the_cluster_has_not_got(
    cluster: TwoNodes, tmp_path: Path, model_folder: Path, harness: Harness
) -> None:
    done = harness(
        *("eval", "--model", model_folder, "--tasks", "quick", "--limit", 2),
        *("--backend", "ray", "--address", cluster.address, "--tensor-parallel", 2),
        *("--results", tmp_path / "r.duckdb"),
    )
    assert done.code == 2
    assert "over 2 devices does not fit" in done.err and "Traceback" not in done.err


def test_sigterm_stops_a_cluster_s_evaluation_in_order(cluster: TwoNodes, tmp_path: Path) -> None:
    results = tmp_path / "results.duckdb"
    watcher = Watcher(150, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped) as stopped, stoppable(lambda: "Stopped."):
        evaluate(evaluation(results, 300, cluster, seconds=0.1), watcher)
    assert stopped.value.exit_code == 143, "Ray's own handler would have ended this process"
    assert 150 <= stored(results)[0] == watcher.generations <= 300
