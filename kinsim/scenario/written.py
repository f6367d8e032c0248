"""Settings as they are written: kinsim's own defaults made visible, and YAML text of a document."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, RootModel

from kinsim.scenario.tree import Node, Origin
from kinsim.scenario.yaml12 import scalar

DEFAULT = Origin("default", "default")

_PLAIN = re.compile(r"[A-Za-z_./0-9µ$][A-Za-z0-9_./+\-*%()µ ]*")
Comment = Callable[[Node], str]


def fill_defaults(document: Node, model: BaseModel) -> Node:
    """*document* with the defaults of *model* that it leaves out, so that it says everything."""
    if not isinstance(document.value, dict):
        return document
    children = dict(document.value)
    for name, field in type(model).model_fields.items():
        key, value = field.alias or name, getattr(model, name)
        there = children.get(key)
        if there is None:
            if name == "sources" and isinstance(value, dict) and len(value) == 1 and "arrivals" in children:
                children = _entries(fill_defaults(document, next(iter(value.values()))))
            else:
                default = _default(value)
                if default is not None:
                    children[key] = default
        else:
            children[key] = _filled(there, value)
    return Node(children, document.mark, document.key, document.origin)


def _entries(node: Node) -> dict[str, Node]:
    assert isinstance(node.value, dict)
    return dict(node.value)


def _filled(node: Node, value: Any) -> Node:
    if isinstance(value, BaseModel) and not isinstance(value, RootModel):
        return fill_defaults(node, value)
    if isinstance(value, dict) and isinstance(node.value, dict):
        children = {key: _filled(child, value[key]) if key in value else child for key, child in node.value.items()}
        return Node(children, node.mark, node.key, node.origin)
    return node


def _default(value: Any) -> Node | None:
    if isinstance(value, RootModel):
        value = value.root
    if isinstance(value, BaseModel):
        inner = fill_defaults(Node({}, origin=DEFAULT), value)
        return inner if inner.value else None
    if value is None or isinstance(value, (dict, list)) or value == "":
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return Node(value, origin=DEFAULT)


# -- YAML text -----------------------------------------------------------------------------------------------


def scalar_text(value: Any) -> str:
    """A scalar as YAML that reads back as the same value.

    >>> [scalar_text(each) for each in ("24h", "yes", "12", None, True, 1e-7, "a: b", "", 1.5)]
    ['24h', 'yes', '"12"', 'null', 'true', '1e-07', '"a: b"', '""', '1.5']
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        return repr(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text == text.strip() and isinstance(scalar(text), str)
    return text if plain and len(text) < 400 else _quoted(text)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]", lambda m: f"\\u{ord(m[0]):04x}", quoted)


def flow(node: Node) -> str:
    """A value on one line."""
    if isinstance(node.value, dict):
        return "{" + ", ".join(f"{key_text(key)}: {flow(child)}" for key, child in node.value.items()) + "}"
    if isinstance(node.value, list):
        return "[" + ", ".join(flow(child) for child in node.value) + "]"
    return scalar_text(node.value)


def key_text(key: str) -> str:
    """A key as YAML.

    >>> key_text("stream"), key_text("a: b")
    ('stream', '"a: b"')
    """
    return key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.\-]*", key) else _quoted(key)


def block(node: Node, comment: Comment, indent: str = "") -> Iterator[tuple[str, str]]:
    """Lines of a mapping, each with its comment."""
    assert isinstance(node.value, dict)
    for key, child in node.value.items():
        head = f"{indent}{key_text(key)}:"
        if isinstance(child.value, dict) and child.value:
            yield head, ""
            yield from block(child, comment, indent + "  ")
        elif isinstance(child.value, list) and any(isinstance(each.value, (dict, list)) for each in child.value):
            yield head, comment(child)
            for each in child.value:
                yield f"{indent}  - {flow(each)}", comment(each) if comment(each) != comment(child) else ""
        else:
            yield f"{head} {flow(child)}", comment(child)


def yaml_text(node: Node, comment: Comment) -> str:
    """A document as YAML, comments aligned where the lines are short."""
    lines = []
    for text, remark in block(node, comment):
        lines.append(f"{text:<48}  # {remark}" if remark else text)
    return "\n".join(lines) + "\n"
