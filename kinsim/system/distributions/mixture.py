"""Mixtures of distributions."""

from __future__ import annotations

from typing import Generic, Literal, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator

from kinsim.errors import SettingError
from kinsim.system.distributions.base import Distribution, Float64, Named, Number, Spread
from kinsim.system.distributions.files import Empirical
from kinsim.units import Settings

S = TypeVar("S")
"""What a part of a mixture may be."""


class Part(Named, Settings, Generic[S]):
    """One kind in a mixture."""

    weight: Number = Field(description="Share of this kind, relative to the others.", examples=[0.9])
    value: S = Field(description="A value or a distribution.", examples=[1])


class Mixture(Distribution, Settings, Generic[S]):
    """Several kinds, each drawn in proportion to its weight."""

    distribution: Literal["mixture"] = Field(description="Several kinds by weight.", examples=["mixture"])
    of: list[Part[S]] = Field(description="The kinds.", examples=[[{"weight": 1, "value": 1}]], min_length=1)

    @model_validator(mode="after")
    def _weighs_something(self) -> Self:
        if not sum(part.weight for part in self.of) > 0:
            raise SettingError("the weights of a mixture add up to 0", at=("of",))
        return self

    def _parts(self) -> list[tuple[float, Distribution]]:
        total = sum(part.weight for part in self.of)
        return [(part.weight / total, part.value) for part in self.of if part.weight > 0]  # type: ignore[misc]

    @property
    def constant(self) -> float | None:
        """The value where all kinds are the same constant."""
        values = {part.constant for _, part in self._parts()}
        return values.pop() if len(values) == 1 else None

    def _limits(self) -> tuple[float, float]:
        return min(part.lowest for _, part in self._parts()), max(part.highest for _, part in self._parts())

    def _moment(self, k: int) -> float:
        parts = self._parts()
        return sum(w * (part.mean if k == 1 else part.variance + part.mean**2) for w, part in parts)

    def _draw(self, generator: np.random.Generator, n: int) -> Float64:
        parts = self._parts()
        kind = np.searchsorted(np.cumsum([w for w, _ in parts])[:-1], generator.random(n), "right")
        values = np.empty(n)
        for number, (_, part) in enumerate(parts):
            of_this = np.flatnonzero(kind == number)
            values[of_this] = part.sample(generator, of_this.size)
        return values

    def _quantile(self, p: float) -> float:
        low = min(part.quantile(p) for _, part in self._parts())
        high = max(part.quantile(p) for _, part in self._parts())
        for _ in range(200):
            middle = (low + high) / 2
            if not low < middle < high:
                break
            low, high = (low, middle) if self._share_below(middle) >= p else (middle, high)
        return high

    def _share_below(self, x: float) -> float:
        return sum(w * _share_at_most(part, x) for w, part in self._parts())


def _share_at_most(part: Distribution, x: float) -> float:
    if isinstance(part, Empirical):
        values = part.values()
        return float(np.searchsorted(values, x, "right")) / values.size
    if isinstance(part, Spread) and part.constant is None:
        if not part.truncated:
            return part._partial(0, x)
        low, high = part._before(), part._limits()[1]
        return 0.0 if x < low else (part._partial(0, min(x, high)) - part._partial(0, low)) / part._share()
    return float(x >= (part.constant or 0.0))
