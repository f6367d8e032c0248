"""An alarm at 1,000,000 ms catches an overload early, and misses a function that stands still (claim C16)."""

from pytest import approx

HOUR = 3_600


def test_c16_the_alarm_comes_three_days_before_the_first_loss(claim):
    """The age grows by 1 - 20/30 s a second: 1,000 s after 3,000 s, the retention of a day after three."""
    result = claim("C16-alarm-in-an-overload").run(keep=("invocations",))
    alarm = result.alarms["lambda_iterator_age"]
    invocations = result.invocations
    crossed_s = invocations.start_s[invocations.iterator_age_s > 1_000].iloc[0]
    assert crossed_s == approx(3_000, abs=5)
    assert alarm["first_crossed_s"]["value"] == int(crossed_s)
    # the end of that minute, and a minute until CloudWatch has the data
    assert alarm["went_off_s"]["value"] == 60 * (crossed_s // 60 + 1) + 60
    first_loss_s = result["lost_records"]["time_of_first"]
    assert first_loss_s == approx(72 * HOUR, abs=30)
    assert alarm["before_first_loss_s"]["value"] == first_loss_s - alarm["went_off_s"]["value"] > 71 * HOUR
    assert [change["state"] for change in alarm["state_changes"]] == ["OK", "ALARM"]  # and it stays


def test_c16_the_streams_own_age_is_behind_by_what_the_mapping_has_read_ahead(claim):
    """10 MiB of records of 500 bytes lie between the reader and the function, a little more than a quarter of an hour
    of its work: the alarm on GetRecords goes off later and is still in time."""
    result = claim("C16-alarm-in-an-overload", {"run.duration": "3h"}).run()
    behind = result.alarms["kinesis_iterator_age"]["first_crossed_s"]["value"]
    assert behind > result.alarms["lambda_iterator_age"]["first_crossed_s"]["value"] + 900
    without = claim("C16-alarm-in-an-overload", {"run.duration": "3h", "event_source_mapping.read_ahead": "0 B"}).run()
    assert without.alarms["kinesis_iterator_age"]["first_crossed_s"]["value"] < behind - 900


def test_c16_nothing_else_goes_off_in_an_overload(claim):
    """No error, no throttle, no rejected write: only the age tells."""
    alarms = claim("C16-alarm-in-an-overload", {"run.duration": "3h"}).run().alarms
    assert {name for name, alarm in alarms.items() if alarm["went_off_in"]} == {
        "lambda_iterator_age",
        "kinesis_iterator_age",
    }


def test_c16_a_stalled_function_raises_no_alarm_unless_missing_data_breach(claim):
    result = claim("C16-stalled-function").run()
    # without invocations there are no data points, and CloudWatch has nothing to compare
    series = result.timeseries
    ages = series[(series.MetricName == "IteratorAge") & (series.Statistic == "Maximum")]
    assert ages.Timestamp.max() < HOUR
    assert result["true_age_s"]["max"] > 20 * HOUR
    assert result["lost_records"]["sum"] > 0
    usual, breaching = result.alarms["as_usual"], result.alarms["breaching"]
    assert (usual["went_off_in"], breaching["went_off_in"]) == (0, 1)
    assert [change["state"] for change in usual["state_changes"]] == ["OK", "INSUFFICIENT_DATA"]
    assert breaching["first_crossed_s"]["value"] is None  # no data point ever breached
    # three periods of five minutes without data, and a minute until CloudWatch is sure of it
    assert breaching["went_off_s"]["value"] == HOUR + 15 * 60 + 60
    assert breaching["before_first_loss_s"]["value"] > 23 * HOUR


def test_c16_a_function_that_times_out_again_and_again_has_an_age(claim):
    """Unlike one that is not invoked: each try tells the age of the same batch, a minute later."""
    hangs = {"event_source_mapping.outages": [], "function.faults": [{"kind": "timeout", "from": "1h"}]}
    usual = claim("C16-stalled-function", {**hangs, "run.duration": "2h"}).run().alarms["as_usual"]
    assert [change["state"] for change in usual["state_changes"]] == ["OK", "ALARM"]
    assert usual["first_crossed_s"]["value"] == approx(HOUR + 1_000, abs=70)
