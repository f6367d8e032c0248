"""What the reference engine hands over for a small scenario."""

import numpy as np

from kinsim.engine import reference
from kinsim.engine.arrivals import shared
from kinsim.scenario import parse

HEAD = "{kinsim: 1, name: t, profile: ideal, "


class Tape:
    """Everything an engine hands over."""

    def __init__(self):
        self.windows, self.final = [], None

    def window(self, window):
        self.windows.append(window)
        self.invocations = np.concatenate([w.invocations for w in self.windows])
        self.polls = np.concatenate([w.polls for w in self.windows])
        self.losses = np.concatenate([w.losses for w in self.windows])
        self.throttles = np.concatenate([w.throttles for w in self.windows])

    def finish(self, final):
        self.final = final


def tape_of(text, replication=0):
    scenario, tape = parse(HEAD + text + "}"), Tape()
    reference.run(scenario, replication, tape, shared(scenario, replication))
    return tape


def seconds(column):
    return [float(value) / 1e6 for value in column]


BURST = "workload: {arrivals: {model: bursts, every: 1h, size: %d}, partition_keys: even}, stream: {shard_count: %d}, "
