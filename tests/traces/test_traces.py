"""Real traces as the stream is offered them: exact times, counts, bytes and expressions."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from kinsim.engine import reference
from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.pieces import singles
from kinsim.engine.tables import Rows
from kinsim.scenario import parse

AZURE = "azure/AzureLLMInferenceTrace_code.csv"
ELB = "nab/elb_request_count_8c0756.csv"
NETWORK_IN = "nab/iio_us-east-1_i-a2eb1cd9_NetworkIn.csv"

SCENARIO = """
kinsim: 1
name: real-trace
profile: ideal
workload:
  arrivals: {arrivals}
{more}
stream: {stream}
event_source_mapping: {{batch_size: 10_000}}
function: {{duration: 60s}}
run: {{duration: {duration}}}
"""


@pytest.fixture
def scenario(traces_dir):
    """A scenario on one of the traces."""

    def make(arrivals, more=(), stream="{shard_count: 1}", duration="15d"):
        text = SCENARIO.format(
            arrivals=f"{{model: trace, {arrivals}}}",
            more="\n".join(f"  {m}" for m in more),
            stream=stream,
            duration=duration,
        )
        return parse(text, file="real-trace.yaml", base_dir=traces_dir / "data")

    return make


def offered(scenario):
    return Rows.concatenate([rows for _, _, rows in ArrivalSource(scenario, 0).windows()])


def table(path: Path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_azure_times_are_exact_to_the_microsecond(scenario, traces_dir):
    rows = offered(scenario(f"file: {AZURE}, time: TIMESTAMP, key: row", duration="1h"))
    texts = [row["TIMESTAMP"] for row in table(traces_dir / "data" / AZURE)]
    times = [datetime.fromisoformat(text[:26]) for text in texts]
    tenths = [int(text[26]) for text in texts]
    expected = []
    for time, tenth in zip(times, tenths, strict=True):
        since = time - times[0]
        whole = since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
        expected.append((whole * 10 + tenth - tenths[0] + 5) // 10)
    assert rows.time_us.tolist() == expected
    assert rows.key.tolist() == list(range(8_819))


def test_azure_work_and_size_follow_their_expressions(scenario, traces_dir):
    rows = offered(
        scenario(
            f"file: {AZURE}, time: TIMESTAMP, size: 4*(ContextTokens + GeneratedTokens), "
            "work: 0.01 + 5e-6*ContextTokens + 1e-3*GeneratedTokens, log_events: 'max(GeneratedTokens, 1)'",
            duration="1h",
        )
    )
    for at, row in enumerate(table(traces_dir / "data" / AZURE)[:500]):
        context, generated = int(row["ContextTokens"]), int(row["GeneratedTokens"])
        assert rows.data_bytes[at] == 4 * (context + generated)
        assert rows.cpu_us[at] == 10_000 + 5 * context + 1_000 * generated
        assert rows.log_events[at] == max(generated, 1)


def test_azure_rows_may_be_copied(scenario):
    rows = offered(scenario(f"file: {AZURE}, time: TIMESTAMP, repeat: 20", duration="1h"))
    assert rows.count.sum() == 176_380
    per_second = np.bincount(singles(rows).time_us // 1_000_000)
    assert per_second.max() == 1_340
    assert (per_second > 1_000).sum() == 4


def test_elb_row_k_is_a_burst_at_300_k_seconds(scenario, traces_dir):
    """case:RT3: the series has gaps, the rows do not."""
    rows = offered(scenario(f"file: {ELB}, row_period: 300s, count: value, scale: 1000, shape: burst"))
    values = [int(float(row["value"])) * 1_000 for row in table(traces_dir / "data" / ELB)]
    expected = [(300_000_000 * k, n) for k, n in enumerate(values) if n]
    assert list(zip(rows.time_us.tolist(), rows.count.tolist(), strict=True)) == expected
    assert (rows.step_numerator == 0).all()
    assert rows.count.sum() == 249_327_000


@pytest.mark.parametrize("shape", ["even", "poisson"])
def test_elb_periods_keep_their_totals_in_every_shape(scenario, traces_dir, shape):
    rows = singles(offered(scenario(f"file: {ELB}, time: timestamp, count: value, scale: 10, shape: {shape}")))
    series = table(traces_dir / "data" / ELB)
    start = datetime.fromisoformat(series[0]["timestamp"])
    expected = np.zeros(4_040, np.int64)
    for row in series:
        period = (datetime.fromisoformat(row["timestamp"]) - start).total_seconds() / 300
        expected[int(period)] = float(row["value"]) * 10
    assert np.bincount(rows.time_us // 300_000_000, minlength=4_040).tolist() == expected.tolist()
    inside = rows.time_us % 300_000_000 / 3e8
    assert inside.mean() == pytest.approx(0.5, abs=0.005)


class Accepted:
    """A sink that counts what the shards stored."""

    def __init__(self):
        self.offered = self.accepted = 0

    def window(self, window):
        for writes in window.writes:
            self.offered += int(writes.offered.sum())
            self.accepted += int(writes.accepted.sum())

    def finish(self, final):
        pass


@pytest.mark.parametrize(
    ("shards", "rejected"),
    [(1, 0.4016223662), (2, 0.1629055718), (4, 0.0664282472), (8, 0.0319703428), (16, 0.0030098087), (20, 0.0)],
)
def test_rt6_rejected_bytes_on_n_shards(scenario, shards, rejected):
    """case:RT6, to 1e-6: records with their keys are quarters of a second of a shard, and so meet the fluid exactly."""
    on_trace = scenario(
        f"file: {NETWORK_IN}, row_period: 300s, bytes: value, scale: {100 * 262_108 / 262_144!r}, shape: even",
        more=["record_size: 262_108 B", "partition_keys: even", "granularity: record"],
        stream=f"{{shard_count: {shards}, write_limiter: fixed_second, write_limit_bytes: 1 MiB}}",
        duration="373_000s",
    )
    sink = Accepted()
    reference.run(on_trace, 0, sink, ArrivalSource(on_trace, 0))
    assert 1 - sink.accepted / sink.offered == pytest.approx(rejected, abs=1e-6)


def test_rt8_flow_log_lines(traces_dir):
    """case:RT8: the documented lines, and kinsim's mean within those of the default format."""
    lines = (traces_dir / "data/vpc/vpc_flow_log_doc_examples.txt").read_text().splitlines()
    assert len(lines) == 21
    assert (min(map(len, lines)), max(map(len, lines))) == (81, 255)
    accepted = [len(line) for line in lines if line.startswith("2 ") and " ACCEPT " in line]
    assert min(accepted) <= 111 <= max(accepted)
