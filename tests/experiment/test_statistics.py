"""Student's intervals and what they say about a limit."""

import pickle

import numpy as np
import pytest
from pytest import approx
from scipy import stats

from kinsim.experiment.statistics import Estimate, estimate, judge, replications_needed


def test_interval_is_students():
    values = [3.1, 2.9, 3.7, 2.2, 3.3]
    found = estimate(values, 0.95)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found, found.ci_low, found.ci_high) == (approx(np.mean(values)), approx(low), approx(high))
    assert (found.sd, found.n) == (approx(np.std(values, ddof=1)), 5)


def test_replications_without_a_value_do_not_count():
    found = estimate([None, 2.0, 4.0])
    assert (found, found.n) == (3.0, 2)
    assert estimate([None, None]) is None


def test_one_value_has_no_interval_and_equal_values_one_of_no_width():
    assert estimate([2.0]).as_dict() == {"value": 2.0, "ci_low": None, "ci_high": None, "sd": None, "n": 1}
    assert estimate([0.1, 0.1, 0.1]).as_dict() == {"value": 0.1, "ci_low": 0.1, "ci_high": 0.1, "sd": 0.0, "n": 3}


def test_an_estimate_is_a_number_that_travels():
    found = pickle.loads(pickle.dumps(estimate([1.0, 2.0])))
    assert isinstance(found, Estimate)
    assert (found + 1, found.n, found.sd) == (2.5, 2, approx(2**-0.5))


def test_coverage_of_the_interval():
    """Statistics S1: 400 intervals of ten normal values each; 95 % of them hold the mean (0.1 % binomial bounds)."""
    rng = np.random.default_rng(5)
    found = [estimate(rng.normal(4.0, 1.0, 10).tolist()) for _ in range(400)]
    hits = sum(e.ci_low <= 4.0 <= e.ci_high for e in found)
    assert 364 <= hits <= 393


@pytest.mark.parametrize(
    ("values", "limit", "upper", "status"),
    [
        ([41.0, 42.0, 40.0], 60.0, True, "met"),
        ([71.0, 72.0, 70.0], 60.0, True, "missed"),
        ([50.0, 69.0, 61.0], 60.0, True, "undecided"),
        ([41.0, 42.0, 40.0], 60.0, False, "missed"),
        ([71.0, 72.0, 70.0], 60.0, False, "met"),
        ([60.0, 60.0], 60.0, True, "met"),
        ([60.0, 60.0], 60.0, False, "met"),
        ([59.0], 60.0, True, "met"),  # one replication: its value decides
        ([61.0], 60.0, True, "missed"),
        ([0.0, 0.0, 5.0], 0.0, True, "missed"),  # a loss is a loss
        ([None, None], 60.0, True, "undecided"),
    ],
)
def test_verdicts(values, limit, upper, status):
    assert judge(values, limit, upper).status == status


def test_the_number_of_replications_that_would_decide():
    values = [57.0, 61.0, 62.0, 55.0]
    verdict = judge(values, 60.0, upper=True)
    assert verdict.status == "undecided"
    n = verdict.replications_needed
    sd = np.std(values, ddof=1)

    def half(n):
        return stats.t.ppf(0.975, n - 1) * sd / n**0.5

    distance = 60.0 - np.mean(values)
    assert half(n) < distance <= half(n - 1)


def test_a_mean_on_the_limit_is_never_decided():
    assert judge([59.0, 61.0], 60.0, upper=True).replications_needed is None
    assert replications_needed(Estimate(60.0 - 1e-9, 0, 0, 10.0, 5), 60.0) is None
