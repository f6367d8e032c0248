"""Producers of several sources that cannot be simulated on one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinsim.errors import SettingError
from kinsim.system.producer import acts_on_answers, retry_plan

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario


def check_beside(scenario: Scenario) -> None:
    """Clients that hold single records back decide in another order than those that act on whole calls."""
    sources = scenario.workload.sources
    producers = {name: source.producer or scenario.producer for name, source in sources.items()}
    whole = next((name for name, producer in producers.items() if acts_on_answers(producer)), None)
    for name, producer in producers.items():
        plan = retry_plan(producer, sources[name].arrivals.model)
        endless = plan.max_attempts < 0 and plan.give_up_after_us < 0
        if producer.on_partial_failure == "resend_all" and endless and scenario.run.until == "drained":
            raise SettingError(
                "a call that no shard ever takes whole is sent again for ever, and a drained run waits for it",
                help="limit it by retry: {max_attempts} or {give_up_after}, or write until: end",
                at=("run", "until"),
            )
        if whole is None or acts_on_answers(producer):
            continue
        if plan.holds_back:
            what = "a buffer" if producer.buffer is not None else "retry mode adaptive"
            own = sources[name].producer is not None
            raise SettingError(
                f"{what} of source {name} is not simulated beside source {whole}, whose producer acts on the answers "
                "to whole calls",
                help="simulate the sources one at a time, or without it",
                at=("workload", "sources", name, "producer") if own else ("producer",),
            )
