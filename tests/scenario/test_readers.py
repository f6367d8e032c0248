"""Other readers of a stream: what is accepted, and what is said of what is not."""

from __future__ import annotations

import pytest

from kinsim.scenario import parse


def with_stream(good, stream, profile="aws-2026", mapping="{}"):
    lines = [
        line
        for line in good.replace("aws-2017", profile).splitlines()
        if not line.startswith(("stream:", "event_source_mapping:"))
    ]
    return "\n".join([*lines, f"event_source_mapping: {mapping}", f"stream: {stream}"])


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
def test_other_readers_are_part_of_every_year(good, profile):
    stream = "{consumers: [{name: a, reads: 100%}, {name: b, reads: 1 MiB, poll_interval: 500ms}]}"
    first, second = parse(with_stream(good, stream, profile)).stream.consumers
    assert (first.share, first.bytes_per_s, first.poll_interval_s) == (1.0, 0, 1.0)
    assert (second.share, second.bytes_per_s, second.poll_interval_s) == (0.0, 1_048_576, 0.5)


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026", "ideal"])
@pytest.mark.parametrize(
    ("consumers", "path", "words"),
    [
        ("[{name: a}]", "stream.consumers[0]", "not said what the consumer reads"),
        ("[{name: a, reads: 0 B}]", "stream.consumers[0]", "not said what the consumer reads"),
        ("[{reads: 5 kB}]", "stream.consumers[0].name", "missing"),
        ("[{name: a, reads: 150%}]", "stream.consumers[0].reads", "150%"),
        ("[{name: a, reads: fast}]", "stream.consumers[0].reads", "fast"),
        ("[{name: a, reads: 1 kB, poll_interval: 0s}]", "stream.consumers[0].poll_interval", "0s"),
        ("[{name: a, reeds: 1 kB}]", "stream.consumers[0].reeds", "reeds"),
        ("[{name: a, reads: 1 kB}, {name: a, reads: 2 kB}]", "stream.consumers[1].name", "second consumer"),
        ("5", "stream.consumers", "5"),
    ],
)
def test_what_is_wrong_with_a_reader(good, problems, profile, consumers, path, words):
    found = problems(with_stream(good, f"{{consumers: {consumers}}}", profile))
    assert any(each.path == path and words in each.message for each in found), found


def test_readers_that_would_change_nothing_are_refused(good, problems):
    consumers = "consumers: [{name: a, reads: 100%}]"
    (found,) = problems(with_stream(good, f"{{enforce_read_limits: false, {consumers}}}"))
    assert found.path == "stream.consumers" and "stream.enforce_read_limits is false" in found.message
    (found,) = problems(with_stream(good, f"{{{consumers}}}", mapping="{poll_interval: 0s}"))
    assert found.path == "stream.consumers" and "event_source_mapping.poll_interval 0" in found.message
    assert found.help
