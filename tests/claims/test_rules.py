"""Inefficient rules cost time (claim C13); late alerts, and alerts that are never sent (claim C15)."""

from pytest import approx

HOUR, DAY = 3_600, 86_400
LINES = 100 * 200
"""Log events of a full batch of claim C13."""


def test_c13_rules_in_the_order_of_their_share_of_duration(claim):
    scenario = claim("C13-inefficient-rules")
    result = scenario.run()
    assert [rule["name"] for rule in result.rules] == ["nested_loops", "rejected_traffic", "ssh_from_outside"]
    # at 512 MB a vCPU works at 512/1,769 of its speed (aws:M2); each rule costs its time on every log event
    total_s = 0.1 + LINES * 0.48e-3 * 1769 / 512
    assert result["duration_s"]["mean"] == approx(total_s, rel=0.02)
    for rule, cost_s in zip(result.rules, (0.4e-3, 0.02e-3, 0.01e-3), strict=True):
        assert rule["duration_share"]["value"] == approx(cost_s / 0.48e-3, abs=0.005)
    assert "The rule nested_loops takes 83 % of the function's time." in result.summary()["findings"]["notes"]


def test_c13_mending_the_one_rule_gives_the_time_back(claim):
    before = claim("C13-inefficient-rules").run()
    rules = claim("C13-inefficient-rules").document["function"]["rules"]
    mended = [{**rule, "per_log_event": "0.02ms"} if rule["name"] == "nested_loops" else rule for rule in rules]
    after = claim("C13-inefficient-rules", {"function.rules": mended}).run()
    assert after["duration_s"]["mean"] == approx(before["duration_s"]["mean"] * 0.10 / 0.48, rel=0.03)
    # the same log events match: what the rules find does not depend on what they cost
    assert after["alerts"]["sum"] == before["alerts"]["sum"] > 0
    assert after["alert_delay_s"]["p50"] < before["alert_delay_s"]["p50"] / 3


def test_c13_what_a_rule_costs_does_not_depend_on_what_it_matches(claim):
    rules = claim("C13-inefficient-rules").document["function"]["rules"]
    silent = claim("C13-inefficient-rules", {"function.rules": [{**rule, "match": 0} for rule in rules]}).run()
    assert silent["alerts"]["sum"] == 0
    assert silent["duration_s"]["mean"] == claim("C13-inefficient-rules").run()["duration_s"]["mean"]


def test_c15_alerts_come_hours_late_and_then_never(claim):
    """30 records a second come and 20 are done: alerts are a third of the time late, until a day is reached."""
    result = claim("C15-alerts-late-then-never").run()
    series = result.timeseries.query("MetricName == 'alert_delay_s' and Statistic == 'Average'")
    delay = series.set_index("Timestamp").Value
    for hours in (6, 24, 48, 71):
        assert delay.loc[hours * HOUR : hours * HOUR + 600].mean() == approx(hours * HOUR / 3, rel=0.02)
    # the deadline of 15 minutes is passed after 45
    late = result.timeseries.query("MetricName == 'late_alerts'")
    assert result["late_alerts"]["time_of_first"] == approx(45 * 60, abs=60)
    assert late.Value.sum() > 0.98 * result["alerts"]["sum"]
    # the first record expires after three days, and its alerts with it: from then on a third is never sent
    assert result["lost_alerts"]["time_of_first"] == approx(3 * DAY, abs=1_200)
    assert result["expired_records"]["time_of_first"] == approx(3 * DAY, abs=30)
    assert delay.loc[3.5 * DAY :].max() <= DAY + 60
    share = result["lost_alerts"]["sum"] / result["expired_records"]["sum"]
    assert share == approx(10 * 0.001, rel=0.05)  # alerts that a record is due; 8,600 of them: 1.1 % at one sigma
    last_day = result.timeseries.query("Timestamp >= 3 * 86_400")
    sent, lost = (last_day[last_day.MetricName == name].Value.sum() for name in ("alerts", "lost_alerts"))
    assert lost / (sent + lost) == approx(1 / 3, rel=0.05)


def test_c15_nothing_is_lost_with_a_shard_more(claim):
    more = claim("C15-alerts-late-then-never", {"stream.shard_count": 2, "run.duration": "12h"}).run()
    assert more["lost_alerts"]["sum"] == more["late_alerts"]["sum"] == 0
    assert more["alerts"]["sum"] > 0
