"""Gaps and switching rates go on across windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kinsim.engine import models
from tests.engine.drawn import SECOND, context, drawn, times_of


def test_gaps_are_independent_of_windows() -> None:
    gap = {"gap": {"distribution": "gamma", "mean": "100ms", "cv": 0.5}}
    short, long = (
        np.concatenate(drawn(models.RenewalDrawer(context("renewal", gap)), w, 600 * SECOND // w))
        for w in (SECOND, 600 * SECOND)
    )
    assert short.tolist() == long.tolist()
    gaps = np.diff(long) / 1e6
    assert stats.kstest(gaps, stats.gamma(4, scale=0.025).cdf).pvalue > 1e-3


def test_equal_gaps_are_even_spacing() -> None:
    times = times_of("renewal", {"gap": "0.3s"}, duration="100s")
    assert times.tolist() == [300_000 * k for k in range(1, 334)]


def test_records_of_a_switching_rate_have_its_mean_and_its_dispersion() -> None:
    keys = {"rates": ["10/s", "200/s"], "mean_stay": ["20s", "5s"]}
    counts = []
    for seed in range(40):
        times = times_of("mmpp", keys, duration="2000s", seed=seed)
        counts.append(np.bincount(times // (10 * SECOND), minlength=200))
    found = np.array(counts, np.float64)
    mean = 10 * (10 * 20 + 200 * 5) / 25
    assert abs(found.mean() - mean) < 4 * found.mean(axis=1).std() / math.sqrt(40)
    # Var N(t) = m t + 2 p q d^2 / s^2 (s t - 1 + e^(-s t)), s the sum of the switching rates
    s, p = 1 / 20 + 1 / 5, 0.2
    variance = mean + 2 * p * (1 - p) * 190**2 / s**2 * (s * 10 - 1 + math.exp(-s * 10))
    assert found.var() == pytest.approx(variance, rel=0.15)
    windows = [
        np.concatenate(drawn(models.MmppDrawer(context("mmpp", keys)), w, 600 * SECOND // w)).size
        for w in (SECOND, 60 * SECOND)
    ]
    assert abs(windows[0] - windows[1]) < 5 * math.sqrt(2 * 48 * 600)  # the same stays, other records
