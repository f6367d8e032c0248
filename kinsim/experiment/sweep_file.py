"""Sweep files: a base scenario, what varies, and how to run it, each value with its line.

What a later version builds is read and checked here too, and refused by name before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from kinsim import limits
from kinsim.errors import ConfigError, Problem, SettingError
from kinsim.experiment.axes import LABEL, Axis, Exclusion, NotBuilt, Point, expand
from kinsim.experiment.executors import worker_count
from kinsim.experiment.sweep_settings import FIGURES, Block, Execution, SweepFile, overlaps, value_key
from kinsim.scenario.files import read_text
from kinsim.scenario.names import canonical_key, converted
from kinsim.scenario.paths import canonical_path
from kinsim.scenario.tree import Mark, Node, Source, Tree
from kinsim.scenario.yaml12 import load_tree, read_tree
from kinsim.units import parse_duration_s

FORMAT: Final = 1
MAX_REPLICATIONS: Final = 10_000

KEYS: Final = (
    "kinsim", "name", "description", "base", "set", "axes", "points", "any_of", "exclude", "where", "method",
    "replications", "common_random_numbers", "objective", "subject_to", "figures", "execution",
)  # fmt: skip
SCENARIO_KEYS: Final = frozenset({"workload", "stream", "event_source_mapping", "function", "slos", "run"})
SWEEP_KEYS: Final = frozenset({"base", "axes", "points", "any_of"})
EXECUTION_KEYS: Final = ("workers", "on_error", "timeout", "max_points")
LATER_FIGURES: Final = ("heatmap", "pareto", "power_tuning", "tornado")
LATER_METHODS: Final = ("sobol", "latin_hypercube", "random")
_LATER = "is not built in this version of kinsim"


# -- reading -------------------------------------------------------------------------------------------------


def load_sweep_file(path: str | Path, axes: Sequence[str] = (), base: bool = True) -> SweepFile:
    """Read the sweep file at *path*; *axes* are texts such as ``stream.shards=4:64:4`` that add or replace an axis.

    Parameters
    ----------
    base: whether the file must name a base scenario

    Raises
    ------
    ConfigError: the file cannot be read, or holds mistakes; all of them at once
    """
    path = Path(path)
    return parse_sweep(read_text(path, "a sweep file"), str(path), path.parent, axes, base)


def parse_sweep(
    text: str, file: str = "<text>", folder: Path | None = None, axes: Sequence[str] = (), base: bool = True
) -> SweepFile:
    """Like :func:`load_sweep_file`, from *text*; the base's path is relative to *folder*."""
    tree = read_tree(text, file)
    reader = _Reader(tree, folder or Path())
    reader.problems += tree.problems
    sweep = reader.read(axes, base)
    if reader.problems:
        raise ConfigError([*reader.problems, *reader.refused])
    return sweep


def sweep_of_axes(axes: Mapping[Any, Any] | Sequence[Any], name: str, more_axes: Sequence[str] = ()) -> SweepFile:
    """A sweep of Python values: ``{path: values}``, each key an axis of its own, or a list of axes as in a file.

    A tuple of paths is one axis whose settings advance together, over tuples of values.
    """
    written = list(axes) if not isinstance(axes, Mapping) else [_zipped(key, value) for key, value in axes.items()]
    source = Source("axes", kind="python")
    root = Node.of({"axes": written}, Mark(source))
    reader = _Reader(Tree(root, source), Path())
    if not written and not more_axes:
        reader.note((), "there are no axes", 'for example {"stream.shards": range(1, 9)}')
    block = reader.block(root, (), more_axes)
    if reader.problems:
        raise ConfigError([*reader.problems, *reader.refused])
    return SweepFile(name, (block,), refused=tuple(reader.refused), marks=reader.marks)


def _zipped(key: Any, value: Any) -> dict[str, Any]:
    if not isinstance(key, tuple):
        return {str(key): value}
    rows = [tuple(row) for row in value]
    if any(len(row) != len(key) for row in rows):
        names = ", ".join(map(str, key))
        raise ConfigError(Problem(path=names, message=f"each value of this axis must be a tuple of {len(key)}"))
    return {str(path): [row[i] for row in rows] for i, path in enumerate(key)}


def _spec(text: str, label: str) -> Any:
    """Values of an axis on the command line: ``4:64:4``, or as in a file."""
    parts = text.split(":")
    if len(parts) in (2, 3) and not text.lstrip().startswith(("[", "{")):
        first, last, *step = [load_tree(part, label).value for part in parts]
        return {"range": [first, last], **({"step": step[0]} if step else {})}
    return load_tree(text, label).value


def _converted_node(path: str, node: Node) -> Node:
    """A value under AWS's own name of a setting as kinsim writes it: hours and seconds get their unit."""
    section, dot, key = path.partition(".")
    return converted(canonical_key("", section) or section, key, node) if dot and "." not in key else node


def _converted(path: str, value: Any) -> Any:
    return _converted_node(path, Node.of(value)).plain()


def is_scenario(keys: Iterable[str]) -> bool:
    """Whether a file with these *keys* is a scenario, by what it has and what a sweep would have.

    >>> is_scenario(["kinsim", "name", "workload", "run"]), is_scenario(["workload", "axes"])
    (True, False)
    """
    return bool(SCENARIO_KEYS & set(keys)) and not SWEEP_KEYS & set(keys)


Place = tuple[str | int, ...]


class _Reader:
    """Reads one tree, noting every problem."""

    def __init__(self, tree: Tree, folder: Path) -> None:
        self.tree = tree
        self.folder = folder
        self.problems: list[Problem] = []
        self.refused: list[Problem] = []
        self.marks: dict[str, Mark] = {}

    # -- notes

    def note(self, at: Place, message: str, help: str = "") -> None:
        self.problems.append(self.tree.problem(at, message, help))

    def note_key(self, at: Place, message: str, help: str = "") -> None:
        """A problem with a key rather than its value."""
        node = self.tree.root.find(at)
        place = node.place if node is not None else self.tree.mark(at)
        self.problems.append(place.problem(message, self.tree.problem(at, "").path, help))

    def refuse(self, at: Place, what: str, help: str = "") -> None:
        self.refused.append(self.tree.problem(at, f"{what} {_LATER}", help))

    def value(self, *at: str | int) -> Any:
        node = self.tree.root.find(at)
        return None if node is None else node.plain()

    def has(self, *at: str | int) -> bool:
        node = self.tree.root.find(at)
        return node is not None and node.value not in (None, [], {})

    def children(self, at: Place, what: str) -> list[Node]:
        """Entries of a list, or none and a note."""
        node = self.tree.root.find(at)
        if node is None or node.value is None:
            return []
        if not isinstance(node.value, list):
            self.note(at, f"needs a list of {what}", "write each on a line of its own, after '- '")
            return []
        return node.value

    # -- the whole

    def read(self, axes: Sequence[str], base: bool) -> SweepFile:
        root = self.tree.root
        if not isinstance(root.value, dict):
            self.note((), "a sweep file is a mapping", "it begins with kinsim: 1, name, base and axes")
            return SweepFile("", ())
        if is_scenario(root.value):
            name = Path(self.tree.source.label).name
            help = f"simulate it with `kinsim run`; a sweep is a file with base: {name} and axes"
            self.note((), "this is a scenario, not a sweep", help)
            return SweepFile("", ())
        self.known(root, (), KEYS)
        self.format()
        self.later()
        return SweepFile(
            name=self.name(),
            blocks=self.blocks(axes),
            base=self.base(base),
            description=str(self.value("description") or ""),
            settings=self.settings(),
            replications=self.replications(),
            figures=self.figures(),
            execution=self.execution(),
            refused=tuple(self.refused),
            marks=self.marks,
            file=self.tree.source.label,
        )

    def known(self, node: Node, at: Place, keys: Sequence[str]) -> None:
        assert isinstance(node.value, dict)
        for key in node.value:
            if key not in keys:
                close = get_close_matches(key, keys, n=1)
                help = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(keys)}"
                self.note_key((*at, key), f"unknown key {key!r}", help)

    def format(self) -> None:
        version = self.value("kinsim")
        if version is None:
            self.note((), "kinsim: 1 is missing", "write kinsim: 1 first; it is the version of the file format")
        elif version != FORMAT or isinstance(version, bool):
            self.note(
                ("kinsim",), f"got {version!r}; this version of kinsim reads format {FORMAT}", f"write kinsim: {FORMAT}"
            )

    def name(self) -> str:
        name = self.value("name")
        if name is None:
            return Path(self.tree.source.label).stem or "sweep"
        text = str(name)
        if isinstance(name, (list, dict, bool)) or not text.strip():
            self.note(("name",), f"got {name!r}, which is not a name", "write a short text")
        elif len(text) > limits.NAME_LENGTH or not text.isprintable():
            self.note(("name",), f"a name is 1 to {limits.NAME_LENGTH} printable characters", "it names a folder")
        return text

    def base(self, needed: bool) -> Path | None:
        base = self.value("base")
        if base is None:
            if needed:
                self.note((), "base is missing", "name the scenario that varies, for example base: quickstart.yaml")
            return None
        if not isinstance(base, str):
            self.note(("base",), "needs the path of a scenario file", "for example base: quickstart.yaml")
            return None
        return self.folder / base

    def settings(self) -> dict[str, Node]:
        node = self.tree.root.child("set")
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.note(("set",), "needs a mapping of settings", "for example set: {run.duration: 6h}")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.value.items():
            path = self.path(("set", key), key)
            if path in found:
                self.note_key(("set", key), f"{path} is set twice", f"first at line {found[path].place.line}")
            elif path:
                found[path] = _converted_node(key, value)
        return found

    def path(self, at: Place, text: str) -> str:
        """The canonical form of a setting's path, or nothing and a note."""
        try:
            return canonical_path(text)
        except SettingError as error:
            self.note_key(at, error.message, error.help)
        except ConfigError as error:
            for problem in error.problems:
                self.note_key(at, problem.message, problem.help)
        return ""

    # -- axes, points, blocks

    def blocks(self, axes: Sequence[str]) -> tuple[Block, ...]:
        ways = [way for way in ("axes", "points", "any_of") if self.has(way)]
        if axes and ways not in ([], ["axes"]):
            self.note((ways[0],), "--axis needs a file with axes", "add the axis to the file")
        if len(ways) > 1:
            self.note_key((ways[1],), f"{ways[0]} and {ways[1]} exclude each other", "put each under any_of")
            return ()
        if ways == ["any_of"]:
            entries = self.children(("any_of",), "blocks, each with axes or points")
            shared = self.exclude(("exclude",))
            blocks = [self.one_of(node, ("any_of", i)) for i, node in enumerate(entries)]
            return tuple(Block(b.axes, b.points, (*shared, *b.exclude)) for b in blocks)
        if not ways and not axes:
            self.note((), "nothing varies: axes is missing", "for example axes: [{stream.shard_count: [1, 2, 4]}]")
            return ()
        return (self.block(self.tree.root, (), axes),)

    def one_of(self, node: Node, at: Place) -> Block:
        if not isinstance(node.value, dict):
            self.note(at, "each entry of any_of is a mapping with axes or points")
            return Block()
        self.known(node, at, ("axes", "points", "exclude"))
        if ("axes" in node.value) == ("points" in node.value):
            self.note(at, "each entry of any_of has either axes or points")
            return Block()
        return self.block(node, at)

    def block(self, node: Node, at: Place, axes: Sequence[str] = ()) -> Block:
        exclude = self.exclude((*at, "exclude"))
        if node.child("points") is not None and self.has(*at, "points"):
            return Block((), self.points((*at, "points")), exclude)
        entries = self.children((*at, "axes"), "axes")
        places: list[tuple[_Reader, Place]] = [(self, (*at, "axes", i)) for i in range(len(entries))]
        found = self.replaced(places, axes) if axes else places
        read = [(axis, reader, place) for reader, place in found if (axis := reader.axis(place)) is not None]
        self.disjoint(read)
        return Block(tuple(axis for axis, _, _ in read), (), exclude)

    def replaced(self, places: list[tuple[_Reader, Place]], axes: Sequence[str]) -> list[tuple[_Reader, Place]]:
        """Axes of the file with those of the command line in their place, or behind them."""
        found = list(places)
        for number, text in enumerate(axes, 1):
            reader = self.option(text, number)
            if reader is None:
                continue
            wanted = reader.canonical_keys(())
            at = [i for i, (_, place) in enumerate(places) if wanted & self.canonical_keys(place)]
            if not at:
                found.append((reader, ()))
            elif len(self.canonical_keys(places[at[0]][1])) > 1:
                line = self.tree.mark(places[at[0]][1]).line
                reader.note(
                    (),
                    f"{wanted.pop()} advances together with others (line {line} of {self.tree.source.label})",
                    "change the file",
                )
            else:
                found[at[0]] = (reader, ())
        return found

    def option(self, text: str, number: int) -> _Reader | None:
        """A reader of one ``--axis PATH=VALUES``; its problems and marks are this one's."""
        label = f"--axis #{number} '{text}'"
        path, equals, values = text.partition("=")
        mark = Mark(Source(label, kind="--axis"))
        if not equals or not path.strip():
            self.problems.append(mark.problem("needs PATH=VALUES", help="for example stream.shards=4:64:4"))
            return None
        try:
            spec = _spec(values, label)
        except ConfigError as error:
            self.problems += error.problems
            return None
        root = Node.of({path.strip(): spec}, mark)
        reader = _Reader(Tree(root, mark.source), self.folder)
        reader.problems, reader.refused, reader.marks = self.problems, self.refused, self.marks
        return reader

    def canonical_keys(self, place: Place) -> set[str]:
        node = self.tree.root.find(place)
        if node is None or not isinstance(node.value, dict):
            return set()
        found = set()
        for key in node.value:
            try:
                found.add(canonical_path(key) if key != LABEL else "")
            except (SettingError, ConfigError):
                continue
        return found - {""}

    def axis(self, at: Place) -> Axis | None:
        node = self.tree.root.find(at)
        if node is None or not isinstance(node.value, dict) or not set(node.value) - {LABEL}:
            self.note(at, "an axis is a mapping from settings to values", "for example {stream.shard_count: [1, 2, 4]}")
            return None
        columns: dict[str, tuple[Any, ...]] = {}
        keys: dict[str, Mark] = {}
        complete = True
        for key, value in node.value.items():
            if key == LABEL:
                continue
            path, values = self.path((*at, key), key), self.values((*at, key))
            if path in keys:
                self.note_key((*at, key), f"{path} is twice on one axis", f"first at line {keys[path].line}")
            elif path and values is not None:
                columns[path], keys[path] = values, value.place
                self.remember(path, value, values)
                continue
            complete = False
        labels = self.labels((*at, LABEL))
        if not complete or not self.agree(at, columns, keys, labels):
            return None
        return Axis(tuple(columns), tuple(zip(*columns.values(), strict=True)), labels)

    def values(self, at: Place) -> tuple[Any, ...] | None:
        node = self.tree.root.find(at)
        assert node is not None
        try:
            return tuple(_converted(str(at[-1]), value) for value in expand(node.plain()))
        except NotBuilt as error:
            self.refused.append(self.tree.problem(at, error.message, error.help))
        except SettingError as error:
            self.note((*at, *error.at), error.message, error.help)
        return None

    def remember(self, path: str, node: Node, values: tuple[Any, ...]) -> None:
        """Where the values of *path* are written, for problems that show only in the whole scenario."""
        self.marks.setdefault(path, node.place)
        for number, value in enumerate(values):
            item = node.child(number) or node
            self.marks.setdefault(value_key(path, value), item.mark)

    def labels(self, at: Place) -> tuple[str, ...] | None:
        if self.tree.root.find(at) is None:
            return None
        texts = []
        for i, node in enumerate(self.children(at, "labels")):
            if isinstance(node.value, (list, dict)) or node.value is None:
                self.note((*at, i), "a label is a text")
            texts.append(str(node.plain()))
        twice = {text for text in texts if texts.count(text) > 1}
        if twice:
            self.note_key(at, f"label {twice.pop()!r} is given twice", "labels tell points apart")
        return tuple(texts)

    def agree(self, at: Place, columns: dict[str, Any], keys: dict[str, Mark], labels: tuple[str, ...] | None) -> bool:
        """Whether all keys of one axis have as many values, and as many labels."""
        first = next(iter(columns))
        parts = [(path, len(values), keys[path].line) for path, values in columns.items()]
        if labels is not None:
            parts.append((LABEL, len(labels), self.tree.mark((*at, LABEL)).line))
        wrong = [part for part in parts if part[1] != len(columns[first])]
        for name, length, line in wrong:
            where = f" (line {keys[first].line})" if keys[first].line else ""
            here = f" (line {line})" if line else ""
            message = f"{first} has {len(columns[first])} values{where}, but {name} has {length}{here}"
            mark = keys.get(name) or self.tree.mark((*at, LABEL))
            help = "keys inside one axis advance together: give all as many values, or make two axes of them"
            self.problems.append(mark.problem(message, name, help))
        return not wrong

    def disjoint(self, axes: list[tuple[Axis, _Reader, Place]]) -> None:
        """Note settings that are on two axes, or on one inside another."""
        seen: dict[str, str] = {}
        for number, (axis, reader, place) in enumerate(axes, 1):
            line = reader.tree.mark(place).line
            here = f"line {line}" if line else f"axis {number}"
            for path in axis.paths:
                for other, where in seen.items():
                    if path == other:
                        reader.note(
                            place, f"{path} is on two axes ({where} and {here})", "axes multiply: join the two lists"
                        )
                    elif overlaps(path, other):
                        inner, outer = (path, other) if len(path) > len(other) else (other, path)
                        reader.note(place, f"{inner} is a part of {outer}, which is on another axis ({where})")
            seen.update(dict.fromkeys(axis.paths, here))

    def points(self, at: Place) -> tuple[Point, ...]:
        found = []
        for i, node in enumerate(self.children(at, "points")):
            if not isinstance(node.value, dict) or not set(node.value) - {LABEL}:
                self.note(
                    (*at, i), "a point is a mapping from settings to values", "for example {stream.shard_count: 4}"
                )
                continue
            point: Point = {}
            for key, value in node.value.items():
                path = key if key == LABEL else self.path((*at, i, key), key)
                if path in point:
                    self.note_key((*at, i, key), f"{path} is given twice in one point")
                elif path:
                    point[path] = str(value.plain()) if key == LABEL else _converted(key, value.plain())
                    self.remember(path, value, (point[path],))
            found.append(point)
        return tuple(found)

    def exclude(self, at: Place) -> tuple[Exclusion, ...]:
        found = []
        for i, node in enumerate(self.children(at, "mappings")):
            if not isinstance(node.value, dict) or not node.value:
                help = "for example {function.memory_size: 256 MB, event_source_mapping.batch_size: 2000}"
                self.note((*at, i), "an entry of exclude is a mapping from settings to values", help)
                continue
            settings = {
                self.path((*at, i, key), key): _converted(key, each.plain()) for key, each in node.value.items()
            }
            found.append(Exclusion(settings, node.mark))
        return tuple(found)

    def wanted(self, at: Place, entry: Mapping[str, Node]) -> dict[str, Any]:
        """Settings and values of one entry of ``exclude``."""
        found: dict[str, Any] = {}
        for key, node in entry.items():
            value = node.plain()
            many = isinstance(value, list)
            values = [_converted(key, one) for one in value] if many else _converted(key, value)
            found[self.path((*at, key), key)] = values
        return found

    # -- the rest

    def replications(self) -> int | None:
        value = self.value("replications")
        if value is None:
            return None
        if isinstance(value, dict):
            self.stopping(value)
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_REPLICATIONS:
            help = f"write a whole number from 1 to {MAX_REPLICATIONS:,}"
            self.note(("replications",), f"got {value!r}, which is not a number of replications", help)
            return None
        return value

    def stopping(self, value: dict[str, Any]) -> None:
        """Sequential stopping: its form is checked, and it is refused."""
        node = self.tree.root.child("replications")
        assert node is not None
        self.known(node, ("replications",), ("min", "max", "until"))
        for key in ("min", "max"):
            number = value.get(key)
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                self.note(("replications", key), f"{key} is {number!r}", "write a whole number of 1 or more")
                return
        if value["min"] > value["max"]:
            self.note(("replications", "min"), f"min {value['min']} is above max {value['max']}")
        at: Place = ("replications", "until") if "until" in value else ("replications",)
        self.refuse(at, "until (more replications while an interval is wide)", "write replications: 5")

    def later(self) -> None:
        """Refuse by name what is read but not built."""
        if self.has("where"):
            self.refuse(
                ("where",), "where (a condition on points)", "drop points with exclude, or list them with points"
            )
        if self.has("objective"):
            self.refuse(("objective",), "objective (a ranking of points)", "remove it, and rank the rows of points.csv")
        method = self.value("method")
        name = next(iter(method), None) if isinstance(method, dict) and len(method) == 1 else method
        if name in LATER_METHODS:
            self.refuse(("method",), f"method {name}", "write method: grid")
        elif method not in (None, "grid"):
            self.note(("method",), f"got {method!r}", f"allowed: grid (later: {', '.join(LATER_METHODS)})")
        subject = self.value("subject_to")
        if isinstance(subject, list) and subject:
            self.refuse(("subject_to",), "subject_to with a list of names", "write subject_to: slos")
        elif subject not in (None, "slos", []):
            self.note(("subject_to",), f"got {subject!r}", "write subject_to: slos, every SLO of the base scenario")
        common = self.value("common_random_numbers")
        if common is False:
            help = "write true: all points see the same arrivals, so that they can be compared"
            self.refuse(("common_random_numbers",), "common_random_numbers: false", help)
        elif common not in (None, True):
            self.note(("common_random_numbers",), f"got {common!r}", "write true")

    def figures(self) -> tuple[str, ...]:
        if self.value("figures") is None:
            return FIGURES
        names = [node.plain() for node in self.children(("figures",), "figures")]
        for i, name in enumerate(names):
            if name in LATER_FIGURES:
                self.refuse(("figures", i), f"figure {name}", f"this version draws {', '.join(FIGURES)}")
            elif name not in FIGURES:
                close = get_close_matches(str(name), (*FIGURES, *LATER_FIGURES), n=1)
                help = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(FIGURES)}"
                self.note(("figures", i), f"unknown figure {name!r}", help)
        return tuple(name for name in names if name in FIGURES)

    def execution(self) -> Execution:
        node = self.tree.root.child("execution")
        if node is None or node.value is None:
            return Execution()
        if not isinstance(node.value, dict):
            self.note(("execution",), "needs a mapping", f"with any of {', '.join(EXECUTION_KEYS)}")
            return Execution()
        self.known(node, ("execution",), EXECUTION_KEYS)
        given = {key: value.plain() for key, value in node.value.items()}
        found = Execution()
        workers = given.get("workers", found.workers)
        if workers != "auto":
            workers = self.checked(("execution", "workers"), worker_count, workers)
        on_error = given.get("on_error", found.on_error)
        if on_error not in ("continue", "stop"):
            self.note(("execution", "on_error"), f"got {on_error!r}", "allowed: continue, stop")
        timeout = given.get("timeout")
        if timeout is not None:
            timeout = self.checked(("execution", "timeout"), parse_duration_s, timeout)
            if timeout == 0:
                self.note(("execution", "timeout"), "a limit of 0 s stops every point", "write for example 10m")
        most = given.get("max_points", found.max_points)
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            self.note(("execution", "max_points"), f"got {most!r}", "write a whole number of 1 or more")
        return Execution(workers, str(on_error), timeout, most)

    def checked(self, at: Place, parse: Callable[[Any], Any], value: Any) -> Any:
        try:
            return parse(value)
        except SettingError as error:
            self.note(at, error.message, error.help)
            return None
