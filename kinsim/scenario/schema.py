"""JSON Schemas for editors: scenario files, sweep files, and the data dictionary of results.

Only keywords that Draft 7 knows are used, since editors' YAML servers knew no other for long.
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

from pydantic import BaseModel

from kinsim import units
from kinsim.scenario.members import SHAREABLE
from kinsim.scenario.paths import all_paths, fields_of, find, members, split
from kinsim.scenario.profiles import NEWEST, Entry, load_profile, value_text
from kinsim.scenario.unbuilt import NOT_YET, UNBUILT, WITHOUT_EFFECT

Schema = dict[str, Any]
Kind = Literal["scenario", "sweep", "result"]

DRAFT = "http://json-schema.org/draft-07/schema#"
FROM_PROFILE = {
    "Stream",
    "EventSourceMapping",
    "Function",
    "Account",
    "EnvironmentLife",
    "Backoff",
    "VpcFlowLogsArrivals",
    "OnDemand",
}
"""Models whose keys the profile fills in, so that none is required but what no profile can know."""

SECTION_OF = {
    "Stream": "stream",
    "EventSourceMapping": "event_source_mapping",
    "Function": "function",
    "Account": "account",
    "Producer": "producer",
    "Run": "run",
}
ONLY_YOU_KNOW = {"interfaces", "lines_per_interface", "model"}
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""Bounds that stand beside a number which may also be text."""

_DROPPED = {"title", "discriminator"}
_LONG = re.compile(r"(?:kinsim__system__distributions__)?(Mixture|Part|[A-Z][a-z]+)_Annotated_.*?(\d*)$")


def schema(kind: str) -> Schema:
    """The JSON Schema of ``scenario`` files, ``sweep`` files or ``result`` summaries.

    >>> schema("scenario")["required"], schema("result")["title"]
    (['kinsim', 'run'], 'kinsim result')
    """
    makers = {"scenario": _scenario, "sweep": _sweep, "result": _result}
    if kind not in makers:
        from kinsim.errors import ConfigError
        from kinsim.scenario.paths import hint_word

        raise ConfigError(f"unknown schema {kind!r}: {hint_word(kind, list(makers))}")
    return makers[kind]()


# -- scenario ------------------------------------------------------------------------------------------------


def _scenario() -> Schema:
    from kinsim.scenario.model import Scenario

    whole = Scenario.model_json_schema(by_alias=True)
    names = _short_names(whole["$defs"])
    definitions = {names[name]: _tidy(each, names) for name, each in whole.pop("$defs").items()}
    top = _tidy(whole, names)
    for model in _models(Scenario, {}).values():
        _bounded(definitions.get(model.__name__, {}), model)
    top["required"] = ["kinsim", "run"]
    top["properties"]["extends"] = {
        "description": "Files that this one is laid upon, relative to it; mappings merge, the later wins.",
        "examples": ["base.yaml", ["base.yaml", "team.yaml"]],
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    }
    for name in FROM_PROFILE & set(definitions):
        _optional(definitions[name])
    for name, section in SECTION_OF.items():
        _remarks(definitions.get(name, {}), section)
    _remarks(top, "")
    _libraries(top)
    return {
        "$schema": DRAFT,
        "title": "kinsim scenario",
        **top,
        "definitions": dict(sorted(definitions.items())),
    }


def _libraries(top: Schema) -> None:
    """Beside pipelines a section may hold several things by name; without them it is what it is."""
    properties = top["properties"]
    top["if"] = {"required": ["pipelines"]}
    top["else"] = {"required": ["workload"], "properties": {name: properties[name] for name in SHAREABLE}}
    for name in SHAREABLE:
        section = properties[name]
        one = {key: each for key, each in section.items() if key not in ("description", "examples")}
        properties[name] = {
            "description": section["description"],
            "examples": section["examples"],
            "anyOf": [one, {"type": "object", "additionalProperties": one}],
        }


def _models(kind: Any, found: dict[str, type[BaseModel]]) -> dict[str, type[BaseModel]]:
    """All settings within *kind*, by name."""
    for each in members(kind):
        for part in get_args(each):
            _models(part, found)
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__name__ not in found:
            found[each.__name__] = each
            for field in each.model_fields.values():
                _models(field.annotation, found)
    return found


def _bounded(definition: Schema, model: type[BaseModel]) -> None:
    """Bounds of numbers that may also be text, which pydantic leaves out."""
    for key, field in fields_of(model).items():
        branches = definition.get("properties", {}).get(key, {}).get("anyOf", [])
        for constraint in field.metadata:
            for bound, keyword in BOUNDS.items():
                limit = getattr(constraint, bound, None)
                for branch in branches if limit is not None else ():
                    if branch.get("type") in ("number", "integer"):
                        branch[keyword] = limit


def _short_names(definitions: Schema) -> dict[str, str]:
    """Readable names for the definitions of generic models: ``LognormalDuration``."""
    quantity = {
        match[2]: _quantity(each)
        for name, each in definitions.items()
        if (match := _LONG.fullmatch(name)) and match[1] == "Plain"
    }
    names = {}
    for name in definitions:
        match = _LONG.fullmatch(name)
        if match is None:
            names[name] = name
        else:
            inner = re.search(r"Plain_(Duration|Size|Number)", name)
            names[name] = match[1] + (inner[1] if inner else quantity.get(match[2], match[2]))
    return names if len(set(names.values())) == len(names) else {name: name for name in definitions}


def _quantity(plain: Schema) -> str:
    text = str(plain)
    return (
        "Duration" if repr(units.DURATION_PATTERN) in text else "Size" if repr(units.SIZE_PATTERN) in text else "Number"
    )


def _tidy(value: Any, names: dict[str, str], in_properties: bool = False) -> Any:
    """*value* with Draft 7's keywords: references to ``definitions``, alone or within ``allOf``."""
    if isinstance(value, list):
        return [_tidy(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    tidied = {
        key: each if key in ("examples", "default", "enum", "const") else _tidy(each, names, key == "properties")
        for key, each in value.items()
        if in_properties or key not in _DROPPED
    }
    if in_properties:
        return tidied
    if isinstance(tidied.get("$ref"), str):
        reference = {"$ref": "#/definitions/" + names[tidied.pop("$ref").rpartition("/")[2]]}
        return {**tidied, "allOf": [reference]} if tidied else reference
    for bound in BOUNDS:
        tidied.pop(bound, None)  # beside a number that may be text pydantic writes words of its own
    if {"type": "null"} in tidied.get("anyOf", []):
        tidied["anyOf"].append({"enum": ["none", "unlimited"]})
    return tidied


def _optional(definition: Schema) -> None:
    required = [key for key in definition.get("required", []) if key in ONLY_YOU_KNOW]
    definition.pop("required", None)
    if required:
        definition["required"] = required


def _remarks(definition: Schema, section: str) -> None:
    """What the newest profile fills in, and what this version cannot simulate, in the descriptions."""
    profile = load_profile(NEWEST)
    for key, each in definition.get("properties", {}).items():
        path = f"{section}.{key}" if section else key
        text = str(each.get("description", ""))
        entry: Entry | None = profile.defaults.get(path)
        if entry is not None:
            value = "unlimited" if entry.value is None and not entry.note else entry.note or value_text(entry.value)
            text += (
                f" Default: {value_text(entry.value) if entry.value is not None else value} ({NEWEST}, {entry.source})."
            )
        if path in UNBUILT:
            text += f" What switches it on {NOT_YET}."
        if path in WITHOUT_EFFECT:
            text += f" What it changes {NOT_YET}."
        each["description"] = text


# -- sweep ---------------------------------------------------------------------------------------------------


def _described(schema: Schema, description: str, *examples: Any) -> Schema:
    return {"description": description, "examples": list(examples), **schema}


def _pair(name: str, description: str, *more: str) -> Schema:
    two = {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 2, "maxItems": 2}
    count = {"type": "integer", "minimum": 1, "description": "How many values.", "examples": [3]}
    step = {"type": ["number", "string"], "description": "Distance of two values.", "examples": [2]}
    extra = {"num": count, "step": step}
    return {
        "type": "object",
        "description": description,
        "properties": {name: _described(two, description, [2, 32]), **{key: extra[key] for key in more}},
        "required": [name],
        "additionalProperties": False,
    }


def _sweep() -> Schema:
    text: Schema = {"type": "string"}
    settings = {path: _setting(path) for path in all_paths()}
    values: Schema = {
        "anyOf": [
            {"type": "array", "minItems": 1, "description": "The values themselves."},
            _pair("range", "Whole numbers from the first to the last, both included.", "step"),
            _pair("linear", "So many values at equal distances.", "num"),
            _pair("geometric", "So many values at equal ratios.", "num"),
            _pair("uniform", "Drawn evenly between the two (sampling methods)."),
            _pair("log_uniform", "Drawn evenly on a logarithmic scale (sampling methods)."),
            _pair("integers", "Whole numbers drawn evenly (sampling methods)."),
            {
                "type": "object",
                "required": ["low", "mid", "high"],
                "additionalProperties": False,
                "properties": {
                    key: _described({"type": ["number", "string"]}, f"The {word} value.", 1)
                    for key, word in (("low", "lowest"), ("mid", "likeliest"), ("high", "highest"))
                },
            },
        ]
    }
    block: Schema = {
        "axes": _described(
            {"type": "array", "items": {"$ref": "#/definitions/Axis"}},
            "Axes multiply; the settings inside one axis advance together.",
            [{"stream.shard_count": {"range": [2, 32], "step": 2}}],
        ),
        "points": _described(
            {"type": "array", "items": {"$ref": "#/definitions/Point"}},
            "A list of points instead of axes.",
            [{"stream.shard_count": 4}],
        ),
        "exclude": _described(
            {"type": "array", "items": {"$ref": "#/definitions/Point"}},
            "Points that match one of these are left out.",
            [{"function.memory_size": "256 MB", "event_source_mapping.batch_size": 2000}],
        ),
    }
    properties: Schema = {
        "kinsim": _described({"const": 1}, "Version of the file format.", 1),
        "name": _described(text, "Name of the sweep; results go into a folder of that name.", "shards-x-batch"),
        "description": _described(text, "What the sweep is to find out.", "How many shards?"),
        "base": _described(text, "The scenario that is varied, relative to this file.", "streamalert-prod.yaml"),
        "set": _described(
            {"allOf": [{"$ref": "#/definitions/Point"}]},
            "Settings of every point, before the axes.",
            {"run.duration": "6h"},
        ),
        **block,
        "any_of": _described(
            {"type": "array", "items": {"type": "object", "properties": block, "additionalProperties": False}},
            "Several blocks of axes or points, one after the other.",
            [{"points": [{"stream.shard_count": 4}]}],
        ),
        "where": _described(
            {"anyOf": [text, {"type": "array", "items": text}]},
            "Points are kept only where this holds.",
            ["stream.shard_count <= account.concurrent_executions"],
        ),
        "method": _described({"anyOf": [text, {"type": "object"}]}, "grid, or a sampling method.", "grid"),
        "replications": _described(
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "object"}]}, "Replications of each point.", 5
        ),
        "common_random_numbers": _described({"type": "boolean"}, "Whether points share their random numbers.", True),
        "objective": _described(
            {"type": "object"}, "What the best point has least or most of.", {"minimize": "cost_usd_per_month"}
        ),
        "subject_to": _described(
            {"anyOf": [text, {"type": "array", "items": text}]},
            "SLOs that a point must meet: slos, or their names.",
            "slos",
        ),
        "figures": _described({"type": "array", "items": text}, "Figures that are made.", ["p99_vs_shards"]),
        "execution": _described(
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "workers": _described({"type": ["integer", "string"]}, "Processes at once.", "auto"),
                    "on_error": _described(
                        {"enum": ["continue", "stop"]}, "What a failing point does to the others.", "continue"
                    ),
                    "timeout": _described({"type": ["number", "string"]}, "Longest time of a point.", "10m"),
                    "max_points": _described(
                        {"type": ["integer", "string"]}, "More points than this are refused.", 5000
                    ),
                },
            },
            "How the points are computed.",
            {"workers": "auto"},
        ),
    }
    point = {"type": "object", "properties": settings, "minProperties": 1, "description": "Settings by dotted path."}
    axis_settings = {
        path: {
            "description": each["description"],
            "examples": [list(each["examples"])],
            "allOf": [{"$ref": "#/definitions/Values"}],
        }
        for path, each in settings.items()
    }
    label = _described(
        {"type": "array", "items": {"type": ["string", "number"]}}, "Names of the values.", ["today", "in a year"]
    )
    axis = {
        "type": "object",
        "properties": {**axis_settings, "label": label},
        "additionalProperties": {"$ref": "#/definitions/Values"},
        "minProperties": 1,
        "description": "One setting and its values, or several that advance together.",
    }
    return {
        "$schema": DRAFT,
        "title": "kinsim sweep",
        "description": "Many variants of a scenario.",
        "type": "object",
        "properties": properties,
        "required": ["kinsim"],
        "additionalProperties": False,
        "definitions": {"Axis": axis, "Point": point, "Values": values},
    }


def _setting(path: str) -> Schema:
    setting = find(split(path))
    field = setting.field if setting is not None else None
    description = (field.description or "") if field is not None else ""
    return {"description": description, "examples": list((field.examples if field is not None else None) or [])}


# -- results -------------------------------------------------------------------------------------------------


def _result() -> Schema:
    from kinsim.system.metrics import METRICS

    number = {"type": ["number", "null"]}
    estimate = {
        "type": "object",
        "description": "A statistic over the replications.",
        "properties": {
            "value": {**number, "description": "Mean over the replications."},
            "ci_low": {**number, "description": "Lower end of Student's interval; null with one replication."},
            "ci_high": {**number, "description": "Upper end of Student's interval; null with one replication."},
            "sd": {**number, "description": "Standard deviation over the replications (n - 1)."},
            "n": {"type": "integer", "description": "Number of replications."},
        },
    }
    metrics = {name: _metric(metric) for name, metric in METRICS.items() if metric.built}
    per_shard = {name: each for name, each in metrics.items() if METRICS[name].per_shard}
    return {
        "$schema": DRAFT,
        "title": "kinsim result",
        "description": "summary.json, and what --json prints.",
        "type": "object",
        "properties": {
            "format_version": {"const": "1.0", "description": "Minor: additions; major: breaking changes."},
            "scenario": {"description": "The scenario: name, configuration hash, seed."},
            "engine": {"description": "Which engine ran."},
            "metrics": {"type": "object", "description": "Metrics of the whole run.", "properties": metrics},
            "per_shard": {
                "type": "object",
                "description": "The same for each shard, by its id.",
                "additionalProperties": {"type": "object", "properties": per_shard},
            },
            "slos": {"description": "Each SLO with its limit, result and status: met, missed or undecided."},
            "alarms": {"description": "Each alarm: when it went off, in how many replications, its state changes."},
            "resharding": {"description": "Every call of UpdateShardCount by autoscaling, with what was refused."},
            "cost": {"description": "The monthly bill in USD, fixed and usage parts."},
            "findings": {"description": "What stands out: bottleneck, lower bounds, warnings."},
            "pipelines": {
                "type": "object",
                "description": "Where a scenario has several pipelines, a summary for each, by name.",
                "additionalProperties": {"type": "object"},
            },
            "account": {
                "type": "object",
                "description": "What several pipelines take of the account together.",
                "properties": {"concurrent_executions": metrics["concurrent_executions"]},
            },
            "shards": {"description": "Every shard that existed: id, parents, hash keys, times."},
        },
        "required": ["format_version"],
        "anyOf": [{"required": ["metrics"]}, {"required": ["pipelines"]}],
        "definitions": {"Estimate": estimate},
    }


def _metric(metric: Any) -> Schema:
    near = f" CloudWatch: {metric.cloudwatch}." if metric.cloudwatch else ""
    reference = {"$ref": "#/definitions/Estimate"}
    return {
        "type": "object",
        "description": f"{metric.definition[:1].upper()}{metric.definition[1:]}. Unit: {metric.unit}.{near}",
        "properties": dict.fromkeys(metric.statistics, reference),
        "additionalProperties": reference,
    }
