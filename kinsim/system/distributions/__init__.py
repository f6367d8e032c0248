"""Numbers with a spread: a plain value is constant, a mapping ``{distribution: …}`` varies.

All amounts are in SI units and at least 0.  ``mean``, ``cv``, ``p50`` and so on describe the distribution before
truncation; ``min`` and ``max`` then keep only the values between them (both included), each as likely in proportion
as before: values outside are drawn again, never moved to the limit.  So truncation moves the mean, and
`Distribution.mean` is the one that results.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag

from kinsim.errors import SettingError
from kinsim.system.distributions.base import QUANTITIES, Bytes, Distribution, Float64, Number, Plain, Spread
from kinsim.system.distributions.families import (
    Exponential,
    Gamma,
    Geometric,
    Lognormal,
    Normal,
    Pareto,
    Poisson,
    Uniform,
)
from kinsim.system.distributions.files import Empirical, read_column
from kinsim.system.distributions.mixture import Mixture, Part
from kinsim.units import Duration

__all__ = [
    "Distribution", "DurationSpread", "Float64", "Number", "NumberSpread", "SizeSpread", "Spread", "read_column",
]  # fmt: skip

KINDS = (
    "exponential", "lognormal", "gamma", "uniform", "geometric", "poisson", "normal", "pareto", "mixture", "empirical",
)  # fmt: skip


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("distribution"))
    return str(getattr(value, "distribution", "plain"))


def _known_kind(value: Any) -> Any:
    """Refuse a mapping that names no distribution, before the union is tried."""
    if not isinstance(value, dict):
        return value
    kind = value.get("distribution")
    if kind is None:
        raise SettingError(
            "a mapping here is a distribution and needs its name", help=f"distribution: one of {', '.join(KINDS)}"
        )
    if kind not in KINDS:
        close = get_close_matches(str(kind), KINDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(KINDS)}"
        raise SettingError(f"unknown distribution {str(kind)[:60]!r}", help=hint, at=("distribution",))
    return value


def _not_nested(value: Any) -> Any:
    if isinstance(value, dict) and value.get("distribution") == "mixture":
        raise SettingError("a mixture holds no mixtures", help="list all kinds in one mixture", at=("distribution",))
    return _known_kind(value)


SimpleDuration = Annotated[
    Annotated[Plain[Duration], Tag("plain")]
    | Annotated[Exponential[Duration], Tag("exponential")]
    | Annotated[Lognormal[Duration], Tag("lognormal")]
    | Annotated[Gamma[Duration], Tag("gamma")]
    | Annotated[Uniform[Duration], Tag("uniform")]
    | Annotated[Geometric[Duration], Tag("geometric")]
    | Annotated[Poisson[Duration], Tag("poisson")]
    | Annotated[Normal[Duration], Tag("normal")]
    | Annotated[Pareto[Duration], Tag("pareto")]
    | Annotated[Empirical[Duration], Tag("empirical")],
    Discriminator(_kind),
    BeforeValidator(_not_nested),
]
"""Seconds: a plain duration or a distribution that is not a mixture."""

SimpleSize = Annotated[
    Annotated[Plain[Bytes], Tag("plain")]
    | Annotated[Exponential[Bytes], Tag("exponential")]
    | Annotated[Lognormal[Bytes], Tag("lognormal")]
    | Annotated[Gamma[Bytes], Tag("gamma")]
    | Annotated[Uniform[Bytes], Tag("uniform")]
    | Annotated[Geometric[Bytes], Tag("geometric")]
    | Annotated[Poisson[Bytes], Tag("poisson")]
    | Annotated[Normal[Bytes], Tag("normal")]
    | Annotated[Pareto[Bytes], Tag("pareto")]
    | Annotated[Empirical[Bytes], Tag("empirical")],
    Discriminator(_kind),
    BeforeValidator(_not_nested),
]
"""Bytes: a plain size or a distribution that is not a mixture."""

SimpleNumber = Annotated[
    Annotated[Plain[Number], Tag("plain")]
    | Annotated[Exponential[Number], Tag("exponential")]
    | Annotated[Lognormal[Number], Tag("lognormal")]
    | Annotated[Gamma[Number], Tag("gamma")]
    | Annotated[Uniform[Number], Tag("uniform")]
    | Annotated[Geometric[Number], Tag("geometric")]
    | Annotated[Poisson[Number], Tag("poisson")]
    | Annotated[Normal[Number], Tag("normal")]
    | Annotated[Pareto[Number], Tag("pareto")]
    | Annotated[Empirical[Number], Tag("empirical")],
    Discriminator(_kind),
    BeforeValidator(_not_nested),
]
"""A plain number or a distribution that is not a mixture."""

QUANTITIES.update(SimpleDuration=SimpleDuration, SimpleSize=SimpleSize, SimpleNumber=SimpleNumber)

PARTS = (Part[SimpleDuration], Part[SimpleSize], Part[SimpleNumber])
"""Named here, so that mixtures can be pickled."""


def _is_mixture(value: Any) -> str:
    return "mixture" if _kind(value) == "mixture" else "simple"


DurationSpread = Annotated[
    Annotated[SimpleDuration, Tag("simple")] | Annotated[Mixture[SimpleDuration], Tag("mixture")],
    Discriminator(_is_mixture),
    BeforeValidator(_known_kind),
]
"""Seconds: a plain duration or a distribution."""

SizeSpread = Annotated[
    Annotated[SimpleSize, Tag("simple")] | Annotated[Mixture[SimpleSize], Tag("mixture")],
    Discriminator(_is_mixture),
    BeforeValidator(_known_kind),
]
"""Bytes: a plain size or a distribution."""

NumberSpread = Annotated[
    Annotated[SimpleNumber, Tag("simple")] | Annotated[Mixture[SimpleNumber], Tag("mixture")],
    Discriminator(_is_mixture),
    BeforeValidator(_known_kind),
]
"""A plain number or a distribution."""
