"""YAML by the rules of version 1.2, read into a tree whose every value knows its line.

No objects are constructed, no tags obeyed; aliases and merge keys (``<<``) are expanded up to a bound.
``yes``, ``5:00`` and ``2017-06-01`` are text, ``012`` is twelve, ``1e6`` a million, ``12_345`` a number;
a key that is given twice is an error.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import yaml

from kinsim import limits
from kinsim.errors import ConfigError, Problem
from kinsim.scenario.tree import Mark, Node, Scalar, Source, Tree

__all__ = ["Mark", "Node", "Scalar", "Source", "Tree", "load_tree", "read_tree", "scalar"]

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9](?:_?[0-9])*")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9](?:_?[0-9])*|[0-9](?:_?[0-9])*(?:\.(?:[0-9](?:_?[0-9])*)?)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NAN = {".nan", ".NaN", ".NAN"}
_CORE = "tag:yaml.org,2002:"
_NESTING = "exceeded maximum nesting depth"
MOST_DIGITS = 400


def scalar(text: str) -> Scalar:
    """Value of a plain (unquoted) scalar.

    >>> [scalar(text) for text in ("1e6", "012", "yes", "5:00", "12_345", "0x1F", "~", "1.50")]
    [1000000, 12, 'yes', '5:00', 12345, 31, None, 1.5]
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) > MOST_DIGITS:
        return text
    if text[0] in "0123456789-+.":
        return _number(text)
    return text


def _number(text: str) -> Scalar:
    if _INT.fullmatch(text):
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        number = float(text.replace("_", ""))
        whole = "e" in text.lower() and number.is_integer() and abs(number) < 1e15
        return int(number) if whole else number
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _INFINITE.fullmatch(text):
        return float("-inf") if text[0] == "-" else float("inf")
    if text in _NAN:
        return float("nan")
    return text


def load_tree(text: str, file: str = "<text>") -> Tree:
    """The YAML document in *text*; *file* names it in messages.

    >>> tree = load_tree("a: {b: 1e3}")
    >>> tree.value, tree.marks["a", "b"].col
    ({'a': {'b': 1000}}, 5)

    Raises ConfigError with every problem: bad YAML, keys given twice, tags, several documents, too much nesting.
    """
    tree = read_tree(text, file)
    if tree.problems:
        raise ConfigError(tree.problems)
    return tree


def read_tree(text: str, file: str = "<text>", kind: str = "file") -> Tree:
    """Like :func:`load_tree`, but problems that leave a usable tree are noted in it, not raised."""
    source = Source(file, text, kind)
    if len(text) > limits.YAML_BYTES:
        raise ConfigError(Problem(file=file, message=_too_large(len(text)), help="put large data into a trace file"))
    return _parsed(source, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _parsed(source: Source, loader: Any) -> Tree:
    builder = _Builder(source)
    try:
        root = builder.build(yaml.parse(source.text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        if _NESTING in str(error.problem) and loader is not yaml.SafeLoader:
            # Some versions of libyaml give up on text that stands far beyond the place of our own limit.
            return _parsed(source, yaml.SafeLoader)
        raise ConfigError([*builder.problems, _syntax_problem(error, source)]) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError(_reader_problem(error, source)) from None
    return Tree(root, source, builder.problems)


def _too_large(size: int) -> str:
    return f"the file has {size / 1e6:.1f} MB; kinsim reads YAML files of up to {limits.YAML_BYTES / 1e6:.0f} MB"


class _Builder:
    """Makes nodes of YAML events with a stack of its own, so that deep nesting cannot exhaust Python's."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.sizes: dict[int, int] = {}
        self.open: set[str] = set()
        self.nodes = 0

    def build(self, events: Iterator[yaml.Event]) -> Node:
        root: Node | None = None
        documents = 0
        stack: list[_Open] = []
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.note(event, "a second document starts here", "one file holds one document: split the file")
                    break
                continue
            if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                if len(stack) >= limits.YAML_DEPTH:
                    raise ConfigError(
                        self.mark(event).problem(
                            f"nested more than {limits.YAML_DEPTH} deep", help="flatten this value"
                        )
                    )
                stack.append(self.opened(event))
                continue
            if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                node = self.closed(stack.pop(), event)
            elif isinstance(event, yaml.ScalarEvent):
                node = self.scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                node = self.alias(event)
            else:
                continue
            if stack:
                stack[-1].take(node)
            else:
                root = node
        return root if root is not None else Node(None, Mark(self.source, 1, 1, 1, 1))

    def mark(self, event: yaml.Event) -> Mark:
        start: Any = event.start_mark
        end: Any = event.end_mark
        return Mark(self.source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def note(self, event: yaml.Event, message: str, help: str = "") -> None:
        if len(self.problems) < limits.PROBLEMS:
            self.problems.append(self.mark(event).problem(message, help=help))

    def count(self, event: yaml.Event, number: int = 1) -> None:
        self.nodes += number
        if self.nodes > limits.YAML_NODES:
            message = f"the file holds more than {limits.YAML_NODES:,} values once its aliases are expanded"
            raise ConfigError(self.mark(event).problem(message, help="put large data into a trace file"))

    def scalar(self, event: yaml.ScalarEvent) -> Node:
        self.count(event)
        value: Scalar = event.value
        if event.tag is not None:
            value = self.tagged(event)
        elif event.implicit[0]:
            value = scalar(event.value)
        return self.anchored(event.anchor, Node(value, self.mark(event)), 1)

    def tagged(self, event: yaml.ScalarEvent) -> Scalar:
        tag, value = str(event.tag), scalar(event.value)
        if tag in ("!", f"{_CORE}str"):
            return str(event.value)
        kinds: dict[str, Any] = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}
        kind = kinds.get(tag.removeprefix(_CORE))
        if kind is not None and isinstance(value, kind) and (isinstance(value, bool) == (kind is bool)):
            return str(event.value) if isinstance(value, str) else value
        self.note(event, f"tag {_short(tag)} is not accepted", "write the plain value; text goes in quotes")
        return str(event.value)

    def opened(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> _Open:
        self.count(event)
        if event.tag is not None and str(event.tag) not in ("!", f"{_CORE}seq", f"{_CORE}map"):
            self.note(event, f"tag {_short(str(event.tag))} is not accepted", "write plain lists and mappings")
        if event.anchor is not None:
            self.open.add(event.anchor)
            self.anchors.pop(event.anchor, None)
        opened = _OpenMapping(self) if isinstance(event, yaml.MappingStartEvent) else _OpenList()
        opened.mark, opened.anchor, opened.before = self.mark(event), event.anchor, self.nodes
        return opened

    def closed(self, opened: _Open, event: yaml.Event) -> Node:
        start, end = opened.mark, self.mark(event)
        mark = Mark(self.source, start.line, start.col, end.end_line, end.end_col)
        node = Node(opened.value(), mark)
        if opened.anchor is not None:
            self.open.discard(opened.anchor)
        return self.anchored(opened.anchor, node, self.nodes - opened.before + 1)

    def anchored(self, anchor: str | None, node: Node, size: int) -> Node:
        if anchor is not None:
            self.anchors[anchor] = node
            self.sizes[id(node)] = size
        return node

    def alias(self, event: yaml.AliasEvent) -> Node:
        name = str(event.anchor)
        if name in self.open and name not in self.anchors:
            raise ConfigError(self.mark(event).problem(f"alias *{name} stands inside the value that it names"))
        node = self.anchors.get(name)
        if node is None:
            known = ", ".join(f"&{each}" for each in self.anchors) or "none"
            self.note(event, f"alias *{name} names nothing", f"anchors above this line: {known}")
            return Node(None, self.mark(event))
        self.count(event, self.sizes[id(node)])
        return Node(node.value, node.mark)  # a copy, so that each use has its own key


def _short(tag: str) -> str:
    tag = tag.replace(_CORE, "!!")
    return repr(tag if len(tag) <= 60 else tag[:59] + "…")


class _Open(ABC):
    """A list or mapping whose end has not been read."""

    mark: Mark
    anchor: str | None
    before: int

    @abstractmethod
    def take(self, node: Node) -> None: ...

    @abstractmethod
    def value(self) -> list[Node] | dict[str, Node]: ...


class _OpenList(_Open):
    def __init__(self) -> None:
        self.items: list[Node] = []

    def take(self, node: Node) -> None:
        self.items.append(node)

    def value(self) -> list[Node]:
        return self.items


class _OpenMapping(_Open):
    def __init__(self, builder: _Builder) -> None:
        self.builder = builder
        self.items: dict[str, Node] = {}
        self.merged: list[Node] = []
        self.pending: Node | None = None

    def take(self, node: Node) -> None:
        if self.pending is None:
            self.pending = node
            return
        key_node, self.pending = self.pending, None
        if isinstance(key_node.value, (list, dict)):
            self.note(key_node, "a key must be plain text, not a list or mapping", "text with { or [ goes in quotes")
            return
        key = self.key_text(key_node)
        if key == "<<":
            self.merge(key_node, node)
        elif key in self.items:
            first = self.items[key].place
            self.note(key_node, f"duplicate key {key!r} (first at line {first.line})", "remove one of the two")
        else:
            node.key = key_node.mark
            self.items[key] = node

    def key_text(self, node: Node) -> str:
        """The key as written: ``on`` and ``12_3`` are names here."""
        if isinstance(node.value, str):
            return node.value
        mark = node.mark
        line = mark.source.line(mark.line)
        written = line[mark.col - 1 : mark.end_col - 1].strip() if mark.line == mark.end_line else ""
        return written if written and written[0] not in "&*!" else str(node.value)

    def merge(self, key: Node, node: Node) -> None:
        parts = node.value if isinstance(node.value, list) else [node]
        for part in parts:
            if isinstance(part.value, dict):
                self.merged.append(part)
            else:
                self.note(key, "<< takes a mapping or a list of mappings", "for example <<: *base")

    def note(self, node: Node, message: str, help: str) -> None:
        if len(self.builder.problems) < limits.PROBLEMS:
            self.builder.problems.append(node.mark.problem(message, help=help))

    def value(self) -> dict[str, Node]:
        for part in self.merged:
            assert isinstance(part.value, dict)
            for key, child in part.value.items():
                self.items.setdefault(key, child)
        return self.items


# -- bad YAML ------------------------------------------------------------------------------------------------

_ADVICE = {
    "mapping values are not allowed": (
        "a ':' stands where no key can be",
        "check the indentation; text that holds ': ' goes in quotes",
    ),
    "cannot start any token": ("this character cannot start a value", "text that starts with it goes in quotes"),
    "could not find expected ':'": ("a key without ':' after it", "write key: value"),
    "did not find expected key": ("a key was expected here", "check the indentation and the quotes above"),
    "did not find expected ',' or '}'": ("',' or '}' was expected here", "check the braces and the commas above"),
    "did not find expected ',' or ']'": ("',' or ']' was expected here", "check the brackets and the commas above"),
    "did not find expected '-' indicator": ("'-' was expected here", "check the indentation of the list"),
    "did not find expected node content": ("a value was expected here", "check the brackets and commas above"),
    "found unexpected end of stream": ("the file ends inside quotes", "close the quotes"),
    "block sequence entries are not allowed": ("a list item stands where none can be", "put '- ' on a line of its own"),
    "found undefined tag handle": ("tags are not accepted", "write the plain value; text goes in quotes"),
    "control characters are not allowed": ("the file holds control characters", "is it a text file?"),
}


def _syntax_problem(error: yaml.MarkedYAMLError, source: Source) -> Problem:
    where = error.problem_mark or error.context_mark
    line, col = (where.line + 1, where.column + 1) if where else (0, 0)
    text = str(error.problem or error.context or "not YAML")
    shown = source.line(line)
    if ("\t" in shown[: max(col, 1)] and "token" in text) or "tab character" in text:
        col = shown.find("\t") + 1 or col
        text, help = "a tab is used for indentation", "YAML is indented with spaces"
    else:
        text, help = next((advice for part, advice in _ADVICE.items() if part in text), (text, ""))
    if error.context and error.context_mark and error.context_mark.line + 1 != line:
        text += f" ({error.context}, line {error.context_mark.line + 1})"
    while line > 1 and not source.line(line).strip():  # an error at the end of the text: show the last written line
        line -= 1
        col = len(source.line(line)) + 1
    return Mark(source, line, col, line, col).problem(f"not YAML: {text}", help=help)


def _reader_problem(error: yaml.reader.ReaderError, source: Source) -> Problem:
    position = int(getattr(error, "position", 0) or 0)
    before = source.text[:position]
    line = before.count("\n") + 1
    col = position - before.rfind("\n")
    return Problem(
        file=source.label,
        line=line,
        col=col,
        message=f"not YAML: the character #x{int(getattr(error, 'character', 0) or 0):04x} is not allowed",
        help="is it a text file?",
    )
