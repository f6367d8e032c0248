"""The YAML reader: version 1.2, places of values, and what a hostile or broken file gets."""

from __future__ import annotations

import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsim import limits
from kinsim.errors import ConfigError
from kinsim.scenario.tree import Node, dotted
from kinsim.scenario.written import block, flow, yaml_text
from kinsim.scenario.yaml12 import load_tree, read_tree, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e6", 1_000_000), ("1.0e6", 1_000_000), ("1e-3", 0.001), ("012", 12), ("5:00", "5:00"), ("yes", "yes"),
        ("off", "off"), ("NO", "NO"), ("2017-06-01", "2017-06-01"), ("=", "="), ("12_345", 12_345),
        ("1_200.5", 1_200.5), ("0o17", 15), ("0x1F", 31), ("true", True), ("False", False), ("~", None), ("", None),
        ("null", None),
        (".5", 0.5), ("1.", 1.0), ("-7", -7), ("+7", 7), (".inf", math.inf), ("-.INF", -math.inf), ("_1", "_1"),
        ("1__0", "1__0"), ("0b11", "0b11"), ("24h", "24h"), ("9" * 500, "9" * 500),
    ],
)  # fmt: skip
def test_plain_scalars_follow_version_1_2(text, value):
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number_here_and_refused_by_the_types():
    assert math.isnan(scalar(".nan"))  # type: ignore[arg-type]


def test_values_and_keys_know_their_places():
    tree = load_tree("a:\n  b: [1, {c: x}]\n'd e': |\n  text\n", "f.yaml")
    assert tree.value == {"a": {"b": [1, {"c": "x"}]}, "d e": "text\n"}
    assert (tree.marks["a", "b"].line, tree.marks["a", "b"].col) == (2, 3)
    place = tree.mark(("a", "b", 1, "c"))
    assert (place.line, place.col, place.end_col) == (2, 14, 15)
    problem = tree.problem(("a", "b", 1, "c"), "wrong", "try y")
    assert str(problem).splitlines() == [
        "f.yaml:2:14: a.b[1].c: wrong",
        "      2 |   b: [1, {c: x}]",
        "        |              ^ try y",
    ]
    assert tree.mark(("a", "missing", 3)).line == 2  # the nearest above


def test_quoted_text_stays_text():
    assert load_tree("""{a: "12", b: '1e6', c: "true", d: !!str 5, e: ! 6, f: !!int 7}""").value == {
        "a": "12", "b": "1e6", "c": "true", "d": "5", "e": "6", "f": 7,
    }  # fmt: skip


def test_anchors_aliases_and_merge_keys():
    tree = load_tree(
        "base: &b {x: 1, y: 2}\nmore: &m {z: 3}\none: {<<: *b, y: 5}\ntwo: {<<: [*b, *m], x: 0}\nlist: [*b, *b]\n"
    )
    assert tree.value["one"] == {"y": 5, "x": 1}
    assert tree.value["two"] == {"x": 0, "y": 2, "z": 3}
    assert tree.value["list"] == [{"x": 1, "y": 2}] * 2
    assert tree.marks["one", "x"].line == 1


def test_keys_are_text_as_it_is_written():
    assert list(load_tree("on: 1\n12_3: 2\ntrue: 3\n~: 4\n012: 5\n").value) == ["on", "12_3", "true", "~", "012"]


def bad(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as told:
        load_tree(text, "f.yaml")
    return told.value


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1", "duplicate key 'a' (first at line 1)"),
        ("a:\n\t- b\n", "f.yaml:2:1", "a tab is used for indentation"),
        ("a: b: c", "f.yaml:1:5", "':' stands where no key can be"),
        ("a: [1, 2", "f.yaml:1:9", "',' or ']' was expected"),
        ("a: {b: 1", "f.yaml:1:9", "',' or '}' was expected"),
        ("a: 'text", "f.yaml:1:9", "the file ends inside quotes"),
        ("a: @x", "f.yaml:1:4", "this character cannot start a value"),
        ("a: *nowhere", "f.yaml:1:4", "alias *nowhere names nothing"),
        ("a: &x [1, *x]", "f.yaml:1:11", "alias *x stands inside the value that it names"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1", "a second document starts here"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "f.yaml:1:4",
            "tag '!!python/object/apply:os.system' is not accepted",
        ),
        ("a: !!python/name:os.system ''", "f.yaml:1:4", "is not accepted"),
        ("a: !!binary aGk=", "f.yaml:1:4", "tag '!!binary' is not accepted"),
        ("a: !!int x", "f.yaml:1:4", "tag '!!int' is not accepted"),
        ("a: !custom {b: 1}", "f.yaml:1:4", "tag '!custom' is not accepted"),
        ("? [1, 2]\n: x\n", "f.yaml:1:3", "a key must be plain text"),
        ("a: {<<: 5}", "f.yaml:1:5", "<< takes a mapping"),
        ("a: \x01", "f.yaml:1:4", "the character #x0001 is not allowed"),
        ("[" * 5_000, "f.yaml:1:61", "nested more than 60 deep"),
        ("a:\n  - b\n c: 1\n", "f.yaml:3:2", "not YAML"),
        ("%YAML 3.0\n---\na: 1", "f.yaml:1:1", "not YAML"),
        ('a: "\\q"', "f.yaml:1:5", "not YAML"),
    ],
)
def test_bad_yaml_has_a_place_and_says_what_to_try(text, place, says):
    error = bad(text)
    assert error.problems[0].place == place
    assert says in error.problems[0].message
    assert "Error" not in str(error)


def test_all_structural_problems_at_once():
    error = bad("a: 1\na: 2\nb: *x\nc: !t 1\nd: 1\nd: 1\n")
    assert [problem.line for problem in error.problems] == [2, 3, 4, 6]


def test_an_alias_bomb_does_not_go_off():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    assert "aliases are expanded" in bad("\n".join(lines)).problems[0].message


def test_a_merge_bomb_does_not_go_off():
    lines = ["a: &a {x: 1}"]
    lines += [
        f"{new}: &{new} {{p: *{old}, q: *{old}, r: *{old}}}"
        for old, new in zip(string.ascii_lowercase, string.ascii_lowercase[1:], strict=False)
    ]
    assert "aliases are expanded" in bad("\n".join(lines)).problems[0].message


def test_a_long_list_is_too_many_values():
    assert "more than 400,000 values" in bad("a: [" + "1," * (limits.YAML_NODES + 1) + "]").problems[0].message


def test_a_huge_text_is_refused_before_it_is_read():
    assert "kinsim reads YAML files of up to" in bad("a" * (limits.YAML_BYTES + 1)).problems[0].message


def test_a_hundred_problems_are_enough():
    tree = read_tree("\n".join(["a: 1"] * 5_000), "f.yaml")
    assert len(tree.problems) == limits.PROBLEMS


def test_paths_as_text():
    assert dotted(("a", 0, "b", 12)) == "a[0].b[12]"


# -- round trips ---------------------------------------------------------------------------------------------

texts = st.text(max_size=12) | st.sampled_from(
    ["yes", "12", "1e6", "5:00", "null", "", " a ", "#", "a: b", "- x", "24h", "70%"]
)
scalars = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=15
)


def same(a: object, b: object) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (int, float)) and not isinstance(a, bool):
        return a == b and not isinstance(b, bool)
    return type(a) is type(b) and a == b


@given(st.dictionaries(texts.filter(lambda key: key != "<<"), values, max_size=5))
def test_what_is_written_is_read_again(document):
    node = Node.of(document)
    written = yaml_text(node, lambda _: "where it came from")
    assert same(load_tree(written).value or {}, document)
    assert same(load_tree(flow(node)).value, document)
    assert all("\n" not in line for line, _ in block(node, lambda _: ""))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        tree = load_tree(text)
    except ConfigError as error:
        assert error.problems
        assert str(error)
    else:
        assert all(mark.line >= 0 for mark in tree.marks.values())


yaml_like = st.text(st.sampled_from(list("ab:-[]{},&*!|>'\"#% \n\t?~<1.e_")), max_size=60)


@given(yaml_like)
def test_any_text_like_yaml_is_read_or_refused(text):
    test_any_text_is_read_or_refused.hypothesis.inner_test(text)  # type: ignore[attr-defined]
