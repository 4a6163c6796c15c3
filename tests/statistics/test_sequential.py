"""The gate is wrong as rarely as it says, however often it looks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.simulated import follow, read_in_order
from harness.statistics.betting import Bets, Floats, Plan, Wealth
from harness.statistics.ordering import rounds, whole_weight
from harness.statistics.sequential import (
    Evidence,
    Outcome,
    RateGuard,
    Rule,
    SuiteEvidence,
    bets_of,
    divide_alpha,
    share_of_attempt,
    verdict,
)

drops = st.lists(st.integers(-8, 8).map(lambda eighths: eighths / 8), max_size=60)


def flips(drop: float, discordance: float, shape: tuple[int, ...], seed: int = 0) -> Floats:
    at = np.random.default_rng(seed).random(shape)
    worse, better = (discordance + drop) / 2, (discordance - drop) / 2
    return (at < worse).astype(float) - (at >= 1 - better)


@pytest.mark.parametrize("discordance", [0.1, 0.35])
def test_ten_thousand_gates_err_as_rarely_as_they_say(discordance: float) -> None:
    rule = Rule(0.05)
    equal = read_in_order(flips(0, discordance, (10_000, 800)), rule)
    dropped = read_in_order(flips(0.05, discordance, (10_000, 800)), rule)
    assert equal.failed.mean() <= 0.05
    assert dropped.passed.mean() <= 0.05
    assert equal.passed.mean() > 0.5 < dropped.failed.mean()


@pytest.mark.parametrize("alpha", [0.01, 0.1])
def test_each_error_has_its_own_alpha(alpha: float) -> None:
    failing = read_in_order(flips(0, 0.1, (4000, 500)), Rule(0.05, alpha_fail=alpha))
    passing = read_in_order(flips(0.05, 0.1, (4000, 500)), Rule(0.05, alpha_pass=alpha))
    assert alpha / 4 < failing.failed.mean() <= alpha + 2 * math.sqrt(alpha / 4000)
    assert alpha / 4 < passing.passed.mean() <= alpha + 2 * math.sqrt(alpha / 4000)


def test_a_drop_of_ten_points_fails_within_a_fifth_of_gsm8k() -> None:
    for discordance in (0.1, 0.2):
        ended = read_in_order(flips(0.10, discordance, (1000, 1319)), Rule(0.02))
        assert ended.items.mean() <= 0.2 * 1319
        assert ended.failed.mean() > 0.99


def test_bets_that_plan_for_the_end_decide_more_of_the_gates_there() -> None:
    rule, items = Rule(0.03), 1700
    equal, dropped = flips(0, 0.2, (1000, items)), flips(0.03, 0.2, (1000, items), seed=1)
    passed = read_in_order(equal, rule).passed.mean()
    assert min(passed, read_in_order(dropped, rule).failed.mean()) > 0.78
    open_ended = follow(Wealth(Bets.for_absence(rule.margin), [-rule.margin], 1000), -equal)
    assert passed > (open_ended[..., 0].max(-1) >= math.log(20)).mean() + 0.08


def test_stored_samples_of_the_baseline_save_samples_of_the_candidate() -> None:
    random = np.random.default_rng(1)
    truth = random.choice([0.0, 0.5, 1.0], p=[0.2, 0.4, 0.4], size=(500, 3000))
    candidate = random.random(truth.shape) < truth
    single = read_in_order(
        (random.random(truth.shape) < truth) - candidate.astype(float), Rule(0.05)
    )
    stored = read_in_order(random.binomial(8, truth) / 8 - candidate, Rule(0.05))
    assert stored.items.mean() < 0.7 * single.items.mean()


def test_items_of_a_finite_benchmark_that_differ_much_do_not_break_it() -> None:
    """Read in random order without replacement; the drops add up to none, and to the margin."""
    random = np.random.default_rng(2)
    truth = np.repeat([[0.9, 0.1, 0.5]], 100, axis=0).ravel()
    change = np.tile([-0.4, 0.4, 0.0], 100)  # half of the drops are large, and undone elsewhere
    for drop in (0.0, 0.05):
        candidate = np.clip(truth + change - drop, 0, 1)
        order = random.permuted(np.tile(np.arange(300), (4000, 1)), axis=1)
        baseline = random.binomial(4, truth[order]) / 4
        ended = read_in_order(
            baseline - (random.random(order.shape) < candidate[order]), Rule(0.05)
        )
        wrong = ended.passed if drop else ended.failed
        assert wrong.mean() <= 0.05


def test_wrong_answers_that_run_longer_do_not_break_the_seeded_order() -> None:
    """Evidence in order of arrival passes the same ten-point drops nearly always."""
    random = np.random.default_rng(3)
    gates, items = 300, 1000
    right = random.random((gates, items)) < 0.6
    drops = (random.random((gates, items)) < 0.7).astype(float) - right
    seconds = random.lognormal(0, 0.5, right.shape) * np.where(right, 1, 2.5)
    starts = np.maximum(0, np.arange(items) - 256) / 256  # about as slots become free
    by_arrival = np.take_along_axis(drops, np.argsort(starts + seconds, axis=1), axis=1)
    assert read_in_order(by_arrival, Rule(0.05)).passed.mean() > 0.9
    assert read_in_order(drops, Rule(0.05)).passed.mean() <= 0.05


@pytest.mark.parametrize("mean", [-0.1, 0.0, 0.03, 0.3])
def test_lower_bounds_are_at_or_below_the_mean_at_all_times_as_often_as_they_say(
    mean: float,
) -> None:
    """A bound ever exceeds the mean just where the mean itself, taken as a null, is rejected."""
    planned = bets_of(Rule(0.02), 500)
    for bets in (Bets.for_drop(0.02), Bets.for_absence(0.02), *planned):
        wealth = Wealth(bets, [mean], 2000)
        evidence = follow(wealth, flips(mean, 0.35, (2000, 500)))[..., 0]
        assert (evidence.max(-1) >= math.log(20)).mean() <= 0.055


@settings(deadline=None, max_examples=40)
@given(drops, st.sampled_from([0.02, 0.05, 0.2]))
def test_one_gate_and_many_agree(values: list[float], margin: float) -> None:
    rule = Rule(margin, 0.2, 0.2)
    alone = Evidence(rule, budget=len(values))
    for value in values:
        if alone.update(value) is not Outcome.UNDECIDED:
            break
    many = read_in_order(np.array([values, values]).reshape(2, -1), rule)
    assert many.items.tolist() == [alone.items] * 2
    assert many.failed.tolist() == [alone.outcome is Outcome.FAIL] * 2
    assert many.passed.tolist() == [alone.outcome is Outcome.PASS] * 2


@settings(deadline=None, max_examples=40)
@given(drops, st.booleans())
def test_the_interval_and_the_outcome_say_the_same(values: list[float], planned: bool) -> None:
    evidence = Evidence(Rule(0.1, 0.2, 0.2), len(values) if planned else None)
    low, high = -1.0, 1.0
    for value in values:
        before = evidence.outcome
        outcome = evidence.update(value)
        assert evidence.low >= low and evidence.high <= high
        low, high = evidence.low, evidence.high
        if before is not Outcome.UNDECIDED:
            assert outcome is before
        else:
            assert (outcome is Outcome.FAIL) == (low >= 0)
            assert (outcome is Outcome.PASS) == (high <= 0.1 and low < 0)
    assert evidence.items == len(values)
    assert evidence.drop == pytest.approx(np.mean(values) if values else 0)


@pytest.mark.parametrize("drop", [0.0, 0.037])
def test_intervals_are_never_wrong_as_often_as_they_say(drop: float) -> None:
    random = np.random.default_rng(7)
    low, high = [], []
    for _ in range(150):
        evidence = Evidence(Rule(0.05, 0.1, 0.1), 80)
        for value in random.binomial(4, 0.6 + drop, 80) / 4 - random.binomial(4, 0.6, 80) / 4:
            evidence.update(float(value))
        low.append(evidence.low > drop)  # the ends never turn back
        high.append(evidence.high < drop)
    assert np.mean(low) <= 0.1 + 2 * math.sqrt(0.09 / 150)
    assert np.mean(high) <= 0.1 + 2 * math.sqrt(0.09 / 150)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from([-1.0, -0.5, 0.0, 1.0]), min_size=1, max_size=60),
    st.floats(0.001, 60),
    st.sampled_from([0.001, 0.05, 0.5]),
)
def test_planned_bets_never_lose_everything_and_know_only_the_past(
    values: list[float], budget: float, alpha: float
) -> None:
    """Also in rounds, after the end they plan for, and when the goal has been reached."""
    nulls = [-0.98, -0.05, 0.0, 0.3, 0.98]
    bets = Bets.for_drop(0.03, Plan(budget, 0.03, alpha))
    rounded, alone = Wealth(bets, nulls), Wealth(bets, nulls)
    evidence = follow(Wealth(bets, nulls), np.array(values))
    for value, so_far in zip(values, evidence, strict=True):
        rounded.observe(np.array([value, -1.0]), np.array([1.0, 0.25]))
        alone.observe(np.array([value]))
        assert (so_far == alone.log_evidence()).all()
    assert np.isfinite(rounded.log).all() and np.isfinite(evidence).all()


@given(drops, st.floats(0.01, 0.3))
def test_wealth_falls_with_the_null(values: list[float], excess: float) -> None:
    """What the confidence sequence rests on: the rejected nulls are all those below a point."""
    wealth = Wealth(Bets((excess, 0.5), (0.5, 0.5)), np.linspace(-0.99, 0.99, 50))
    follow(wealth, np.array(values, dtype=float).reshape(-1)) if values else None
    assert (np.diff(wealth.log_evidence()) <= 1e-9).all()


def test_the_evidence_shows_its_way() -> None:
    evidence = Evidence(Rule(0.05))
    for _ in range(12):
        evidence.update(1.0)  # a wreck
    assert evidence.outcome is Outcome.FAIL
    assert evidence.decided_at == 9
    assert evidence.progress[0] == 1
    assert evidence.progress[1] < 0
    assert (evidence.drop, evidence.square) == (1, 1)


def suite_gates(
    means: dict[str, float], sizes: dict[str, int], gates: int
) -> Iterator[tuple[Floats, Floats]]:
    """Rounds of flips by task, with the weights that ``SuiteEvidence`` gives them."""
    random = np.random.default_rng(4)
    for one in rounds(sizes):
        x = np.concatenate(
            [
                flips(means[task], 0.4, (gates, len(one[task])), random.integers(1e9))
                for task in one
            ],
            axis=1,
        )
        fewest = min(map(len, one.values()))
        weights = np.array([fewest / len(one[task]) for task in one for _ in one[task]])
        yield x, weights


def test_a_suite_errs_as_rarely_as_it_says_though_its_tasks_move_apart() -> None:
    """One large task got worse and a small one better by as much: the suite has not dropped."""
    sizes = {"large": 400, "small": 60, "middle": 130}
    bets, _ = bets_of(Rule(0.05), whole_weight(rounds(sizes)))
    for means in ({"large": 0.3, "small": -0.3, "middle": 0.0}, dict.fromkeys(sizes, 0.0)):
        wealth = Wealth(bets, [0.0], 4000)
        crossed = np.zeros(4000, dtype=bool)
        for x, weights in suite_gates(means, sizes, 4000):
            wealth.observe(x, weights)
            crossed |= wealth.log_evidence()[:, 0] >= math.log(20)
        assert crossed.mean() <= 0.05


def test_a_suite_counts_each_task_the_same_and_sees_what_all_share() -> None:
    suite = SuiteEvidence(Rule(0.05))
    for drop in np.where(np.arange(60) % 2, 0.2, 0.0):
        suite.update_round({"large": [0.0] * 10, "small": [float(drop)]})
    assert suite.drop == pytest.approx(0.05)
    assert suite.items == 660
    suite = SuiteEvidence(Rule(0.05))
    values = flips(0.1, 0.2, (300, 3)).tolist()
    for a, b, c in values:
        suite.update_round({"one": [a, b], "two": [c]})
    assert suite.outcome is Outcome.FAIL
    with pytest.raises(ValueError, match="every task"):
        suite.update_round({"one": [], "two": [0.0]})


def test_a_suite_of_one_task_is_the_task() -> None:
    values = flips(0.05, 0.2, (200,)).tolist()
    task, suite = Evidence(Rule(0.05)), SuiteEvidence(Rule(0.05))
    for value in values:
        assert task.update(value) is suite.update_round({"task": [value]})
    assert (task.low, task.high, task.drop) == (suite.low, suite.high, suite.drop)


def test_a_guard_is_breached_by_a_loop_and_not_by_noise() -> None:
    looping, calm = RateGuard(0.02, 0.0025), RateGuard(0.02, 0.0025)
    for increase in flips(0.3, 0.3, (100,)):
        looping.update(float(increase))
    for increase in flips(0.0, 0.04, (300,)):
        calm.update(float(increase))
    assert looping.breached and looping.low >= 0.02
    assert not calm.breached
    assert looping.items == 100 and looping.increase == pytest.approx(0.3, abs=0.1)
    wealth = Wealth(Bets.for_drop(0.02), [0.02], 4000)
    evidence = follow(wealth, flips(0.02, 0.04, (4000, 500)))[..., 0]
    assert (evidence.max(-1) >= math.log(20)).mean() <= 0.05


def test_a_guard_that_is_not_breached_is_held_only_where_that_is_shown() -> None:
    # From 10 to 14 % of single samples, 2 points tolerated: too little to be breached on 500 items.
    risen, quiet = RateGuard(0.02, 0.0025), RateGuard(0.02, 0.0025)
    for increase in flips(0.04, 0.24, (500,)):
        risen.update(float(increase))
    for _ in range(500):
        quiet.update(0.0)
    assert not risen.breached and not risen.held
    assert risen.low < 0.02 < 0.04 < risen.high
    assert quiet.held and quiet.low <= 0 <= quiet.high < 0.02
    wealth = Wealth(Bets.for_absence(0.02), [-0.02], 4000)
    evidence = follow(wealth, -flips(0.02, 0.24, (4000, 500)))[..., 0]
    assert (evidence.max(-1) >= math.log(20)).mean() <= 0.05


def test_alpha_is_divided_and_nothing_is_lost() -> None:
    one = divide_alpha(0.05, tests=1, guards=0)
    assert (one.test, one.guard) == (0.05, 0)
    many = divide_alpha(0.05, tests=4, guards=12)
    assert 4 * many.test + 12 * many.guard == pytest.approx(0.05)
    with pytest.raises(ValueError, match="needs a test"):
        divide_alpha(0.05, tests=0, guards=1)


def test_the_attempts_at_one_candidate_share_alpha() -> None:
    shares = [share_of_attempt(number) for number in range(1, 2000)]
    assert shares[:3] == [0.9, 0.05, 0.025]
    assert sum(shares) <= 1 and min(shares) > 0
    with pytest.raises(ValueError, match="count from 1"):
        share_of_attempt(0)


@pytest.mark.parametrize(
    ("tests", "breached", "expected"),
    [
        (["pass", "pass"], False, "pass"),
        (["pass", "undecided"], False, "undecided"),
        (["pass", "fail", "undecided"], False, "fail"),
        (["pass"], True, "fail"),
        ([], False, "undecided"),
    ],
)
def test_a_pass_needs_every_test_and_a_fail_one(
    tests: list[str], breached: bool, expected: str
) -> None:
    assert verdict(map(Outcome, tests), breached=breached) == expected


def test_several_tasks_together_err_as_rarely_as_one() -> None:
    shares = divide_alpha(0.05, tests=4, guards=0)
    rule = Rule(0.05, alpha_fail=shares.test)
    equal = [read_in_order(flips(0, 0.2, (3000, 400), seed), rule).failed for seed in range(3)]
    assert np.any(equal, axis=0).mean() <= 0.05
    one_dropped = [
        read_in_order(flips(drop, 0.1, (3000, 400), seed), rule).passed
        for seed, drop in enumerate([0.05, -0.2])
    ]
    assert np.all(one_dropped, axis=0).mean() <= 0.05


def test_impossible_differences_and_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        Evidence(Rule(0.05)).update(1.5)
    with pytest.raises(ValueError, match="outside"):
        Evidence(Rule(0.05)).update(math.nan)
    with pytest.raises(ValueError, match="within"):
        RateGuard(0.01, 0.05).update(-2)
    for margin, alpha in ((0, 0.05), (1, 0.05), (0.02, 0), (-0.02, 0.05)):
        with pytest.raises(ValueError, match="shares between"):
            Rule(margin, alpha_fail=alpha)
