"""Writes docs/metrics.md from kinsim's own list of metrics.

python docs/make_metrics.py
"""

from __future__ import annotations

from pathlib import Path

from kinsim.system.metrics import CLOUDWATCH, METRICS

INTRODUCTION = """# Metrics

Made by `docs/make_metrics.py` from the list that the program itself uses.

A run reports each quantity per replication; over replications `value` is the mean, `sd` the standard deviation and
the interval Student's t at the scenario's confidence. Counts have `sum` (whole run), `rate` per second and
`time_of_first`; samples have `mean`, `variance`, `min`, `max`, `count`, `time_of_max` and percentiles; quantities over
time have `time_average`, `max`, `time_of_max`, `last` and percentiles weighted by time. An SLO may ask for any
percentile (`p99.5`) and for a percentile rank: `PR(5s:)` is the share above 5 s.

Percentiles interpolate linearly and are exact up to a million samples; beyond, they come from histograms. Shares of
time and percentiles of the backlog are exact for a million arrivals and takings; beyond, what arrives between two
takings counts as evenly spread there. Averages and maxima are exact always.

`sojourn_s` is how long a record took from its arrival in the stream to the end of the invocation that succeeded,
`end_to_end_latency_s` the same from the log event's own time (of flow logs: the end of the aggregation interval). Both
count processed records only: what waits at the end of a run is in neither. IteratorAge is something else: it ends when
the function starts.

## kinsim's own

| name | unit | statistics | definition | CloudWatch |
|---|---|---|---|---|
"""

CLOUDWATCH_INTRODUCTION = """
## CloudWatch's

Per minute in `timeseries.csv`, under AWS's names, for the stream, the function and, where AWS has shard-level metrics,
each shard. A minute without an invocation has no data point.

| name | namespace | unit | statistics | definition |
|---|---|---|---|---|
"""


def page() -> str:
    """The page as Markdown."""
    own = "".join(
        f"| `{m.name}` | {m.unit} | {', '.join(m.statistics)} | {m.definition} | {m.cloudwatch or '–'} |\n"
        for m in METRICS.values()
        if m.built
    )
    theirs = "".join(
        f"| `{m.name}` | {m.namespace} | {m.unit} | {', '.join(m.statistics)} | {m.definition} |\n"
        for m in CLOUDWATCH.values()
    )
    return INTRODUCTION + own + CLOUDWATCH_INTRODUCTION + theirs


if __name__ == "__main__":
    Path(__file__).with_name("metrics.md").write_text(page(), encoding="utf-8", newline="\n")
