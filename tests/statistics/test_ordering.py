"""Evidence is read in an order fixed beforehand, whatever arrives first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.statistics.ordering import CompletedPrefix, rounds, seeded_order, whole_weight
from harness.statistics.sequential import Rule, SuiteEvidence

names = st.lists(st.text(max_size=5), unique=True, max_size=30)


@given(names, st.integers(), st.data())
def test_the_seeded_order_depends_on_names_and_seed_alone(
    items: list[str], seed: int, data: st.DataObject
) -> None:
    order = seeded_order(items, seed)
    assert sorted(order) == sorted(items)
    assert seeded_order(data.draw(st.permutations(items)), seed) == order
    fewer = [item for item in items if len(item) != 1]
    assert seeded_order(fewer, seed) == [item for item in order if len(item) != 1]


def test_another_seed_is_another_order() -> None:
    items = [str(number) for number in range(100)]
    assert seeded_order(items, 1) != seeded_order(items, 2) != items


@given(st.integers(0, 30).flatmap(lambda n: st.permutations(range(n))))
def test_what_arrives_in_any_order_is_released_in_the_fixed_one(arrivals: list[int]) -> None:
    prefix: CompletedPrefix[int] = CompletedPrefix()
    released = []
    for number, position in enumerate(arrivals):
        released += prefix.arrive(position, position)
        complete = set(arrivals[: number + 1])
        assert set(released) <= complete
        assert len(released) == next(n for n in range(len(arrivals) + 1) if n not in complete)
    assert released == sorted(arrivals)


def test_nothing_arrives_twice() -> None:
    prefix: CompletedPrefix[str] = CompletedPrefix()
    prefix.arrive(0, "a")
    prefix.arrive(2, "c")
    for position in (0, 2):
        with pytest.raises(ValueError, match="arrived before"):
            prefix.arrive(position, "again")


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 60), min_size=1, max_size=5))
def test_rounds_hold_every_item_once_and_every_task_always(sizes: dict[str, int]) -> None:
    found = rounds(sizes)
    assert len(found) == min(sizes.values())
    for task, size in sizes.items():
        assert [item for one in found for item in one[task]] == list(range(size))
        lengths = {len(one[task]) for one in found}
        assert min(lengths) >= 1 and max(lengths) - min(lengths) <= 1


@settings(deadline=None, max_examples=10)
@given(st.dictionaries(st.text(max_size=3), st.integers(1, 20), min_size=1, max_size=4))
def test_the_weight_of_all_rounds_is_what_a_suite_comes_to(sizes: dict[str, int]) -> None:
    suite = SuiteEvidence(Rule(0.05))
    for one in rounds(sizes):
        suite.update_round({task: [0.0] * len(span) for task, span in one.items()})
    assert suite.weight == pytest.approx(whole_weight(rounds(sizes)))


def test_a_task_without_items_has_no_rounds() -> None:
    with pytest.raises(ValueError, match="needs an item"):
        rounds({"a": 3, "b": 0})
