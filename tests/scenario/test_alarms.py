"""Alarms in scenario files: what is wrong and where, the schema, and what `explain` says."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from kinsim.errors import ConfigError
from kinsim.scenario import parse, yaml12
from kinsim.scenario.explain import explain
from kinsim.scenario.schema import schema

AGE = "metric: IteratorAge, statistic: Maximum, period: 5m, threshold: 1_000_000"


@pytest.mark.parametrize(
    ("alarm", "path", "says"),
    [
        (AGE.replace("IteratorAge", "iteratorage"), "metric", "did you mean IteratorAge?"),
        (AGE.replace("IteratorAge", "iterator_age_s"), "metric", "write IteratorAge"),
        (AGE.replace("IteratorAge", "CPUUtilization"), "metric", "CloudWatch has no metric 'CPUUtilization'"),
        (AGE.replace("IteratorAge", "5"), "metric", "got 5"),
        (AGE.replace("Maximum", "maximun"), "statistic", "did you mean Maximum?"),
        (AGE.replace("Maximum", "Sum"), "statistic", "IteratorAge has no statistic 'Sum'"),
        (AGE.replace("Maximum", "p99"), "period", "write period: 1m"),
        (AGE.replace("5m", "90s"), "period", "not a whole number of minutes"),
        (AGE.replace("5m", "5 minutos"), "period", "is not a duration"),
        (AGE.replace("1_000_000", "1000s"), "threshold", "not a number"),
        (AGE.replace(", threshold: 1_000_000", ""), "threshold", "threshold is missing"),
        (AGE.replace(", period: 5m", ""), "period", "period is missing"),
        (f"{AGE}, evaluation_period: 2", "evaluation_period", "did you mean 'evaluation_periods'?"),
        (f"{AGE}, evaluation_periods: 300", "evaluation_periods", "write at most 288 periods"),
        (f"{AGE}, evaluation_periods: 2, datapoints_to_alarm: 3", "datapoints_to_alarm", "of 2 evaluation periods"),
        (f"{AGE}, comparison: GreaterThanTreshold", "comparison", "did you mean 'GreaterThanThreshold'?"),
        (f"{AGE}, treat_missing_data: not_breaching", "treat_missing_data", "did you mean 'notBreaching'?"),
        (f"{AGE}, metric_delay: 2h", "metric_delay", "at most 3600"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(good, problems, alarm, path, says):
    (found,) = problems(good + f"alarms:\n  age: {{{alarm}}}\n")
    assert found.path == f"alarms.age.{path}"
    assert says in f"{found.message} {found.help}"
    assert found.line == len(good.splitlines()) + 2


def test_every_alarm_is_told_at_once(good, problems):
    a = AGE.replace("5m", "7s").replace("Maximum", "Maximun")
    found = problems(good + f"alarms:\n  a: {{{a}}}\n  b: 5\n  c: {{{AGE}, colour: red, evaluation_periods: 0}}\n")
    assert {each.path for each in found} == {
        "alarms.a.period", "alarms.a.statistic", "alarms.b", "alarms.c.colour", "alarms.c.evaluation_periods",
    }  # fmt: skip


@pytest.mark.parametrize("alarms", ["{}", f"{{age: {{{AGE}}}}}"])
def test_alarms_that_are_accepted(good, alarms):
    scenario = parse(f"{good}alarms: {alarms}\n")
    assert len(scenario.alarms) == alarms.count("metric")
    assert parse(scenario.to_yaml()).config_hash == scenario.config_hash


def test_one_setting_of_an_alarm_is_changed(good):
    scenario = parse(f"{good}alarms: {{age: {{{AGE}}}}}\n", overrides=["alarms.age.treat_missing_data=breaching"])
    assert scenario.alarms["age"].treat_missing_data == "breaching"
    assert scenario.with_({"alarms.age.period": "1m"}).alarms["age"].period_s == 60
    with pytest.raises(ConfigError, match="did you mean 'period'"):
        scenario.with_({"alarms.age.periode": "1m"})


def test_explain_knows_alarms(good):
    scenario = parse(f"{good}alarms: {{age: {{{AGE}}}}}\n")
    found = explain(scenario, "alarms.age.treat_missing_data")
    (row,) = found if isinstance(found, list) else [found]
    assert row.path == "alarms.age.treat_missing_data"
    assert row.value == "missing"
    assert "TreatMissingData" in f"{row.description} {row.aws_name}"
    assert "notBreaching" in row.allowed
    assert [row.path for row in explain(scenario, "alarms")][:2] == ["alarms.age.metric", "alarms.age.statistic"]
    with pytest.raises(ConfigError, match="alarms has no 'agee'"):
        explain(scenario, "alarms.agee")
    with pytest.raises(ConfigError, match="did you mean 'age'"):
        explain(scenario, "alarms.agee.period")
    with pytest.raises(ConfigError, match="did you mean 'period'"):
        explain(scenario, "alarms.age.periode")


def test_the_schema_knows_alarms(good):
    validator = Draft7Validator(schema("scenario"))

    def errors(alarm: str) -> list[str]:
        text = f"{good}alarms: {{age: {{{alarm}}}}}\n"
        return [error.message for error in validator.iter_errors(yaml12.load_tree(text, "f.yaml").value)]

    assert errors(f"{AGE}, evaluation_periods: 3, datapoints_to_alarm: 2, treat_missing_data: ignore") == []
    assert errors(f"{AGE}, treat_missing_data: maybe")
    assert errors(f"{AGE}, colour: red")
    assert errors(AGE.replace("1_000_000", "much"))


def test_the_example_of_the_documentation_loads(good):
    page = (Path(__file__).parents[2] / "docs" / "alarms.md").read_text("utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    alarm = parse(good + example).alarms["age"]
    assert set(yaml12.load_tree(example, "alarms.md").value["alarms"]["age"]) == {
        field.alias or name for name, field in type(alarm).model_fields.items()
    }
    assert alarm == parse(f"{good}alarms: {{age: {{{AGE}, datapoints_to_alarm: 1}}}}\n").alarms["age"]  # all defaults
