"""The families of distributions."""

from __future__ import annotations

import math
from typing import ClassVar, Generic, Literal

import numpy as np
from pydantic import Field
from scipy import special

from kinsim.errors import SettingError
from kinsim.system.distributions.base import Float64, Int64, Number, Q, Spread, above_zero

Z99 = 2.3263478740408408
"""99 % quantile of the standard normal distribution."""


class Exponential(Spread[Q], Generic[Q]):
    """Exponential: many independent sources, no memory."""

    distribution: Literal["exponential"] = Field(description="Exponential by its mean.", examples=["exponential"])
    given_mean: Q = Field(alias="mean", description="Mean before truncation.", examples=[1])

    @property
    def constant(self) -> float | None:
        """0 where the mean is 0."""
        return 0.0 if self._scale == 0 else None

    @property
    def _scale(self) -> float:
        return float(self.given_mean)  # type: ignore[arg-type]

    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64:
        return generator.standard_exponential(n) * self._scale

    def _whole_quantile(self, p: Float64) -> Float64:
        with np.errstate(divide="ignore"):
            return np.asarray(-self._scale * np.log1p(-p))

    def _partial(self, k: int, x: float) -> float:
        if self._scale == 0:
            return float(k == 0 and x >= 0)
        return float(self._scale**k * math.factorial(k) * special.gammainc(k + 1, max(x, 0.0) / self._scale))

    def _draw_sums(self, generator: np.random.Generator, counts: Int64) -> Float64:
        if self.truncated:
            return super()._draw_sums(generator, counts)
        return generator.standard_gamma(counts.astype(np.float64)) * self._scale


class Gamma(Spread[Q], Generic[Q]):
    """Gamma by mean and coefficient of variation; Erlang-2 is cv 0.7071."""

    distribution: Literal["gamma"] = Field(description="Gamma by mean and cv.", examples=["gamma"])
    given_mean: Q = Field(alias="mean", description="Mean before truncation.", examples=[1])
    cv: Number = Field(description="Standard deviation over mean.", examples=[0.7071], le=1000)

    @property
    def constant(self) -> float | None:
        """The mean where nothing varies."""
        mean = float(self.given_mean)  # type: ignore[arg-type]
        return mean if self.cv == 0 or mean == 0 else None

    @property
    def _shape(self) -> float:
        return 1.0 / max(self.cv, 1e-9) ** 2

    @property
    def _scale(self) -> float:
        return float(self.given_mean) / self._shape  # type: ignore[arg-type]

    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64:
        return generator.standard_gamma(self._shape, n) * self._scale

    def _whole_quantile(self, p: Float64) -> Float64:
        return np.asarray(special.gammaincinv(self._shape, p) * self._scale)

    def _partial(self, k: int, x: float) -> float:
        if (value := self.constant) is not None:
            return value**k if x >= value else 0.0
        moment = self._scale**k * math.prod(self._shape + i for i in range(k))
        return float(moment * special.gammainc(self._shape + k, max(x, 0.0) / self._scale))

    def _draw_sums(self, generator: np.random.Generator, counts: Int64) -> Float64:
        if self.truncated:
            return super()._draw_sums(generator, counts)
        return generator.standard_gamma(self._shape * counts) * self._scale


class Lognormal(Spread[Q], Generic[Q]):
    """Lognormal by mean and coefficient of variation, or by median and 99th percentile."""

    distribution: Literal["lognormal"] = Field(
        description="Lognormal by mean and cv, or by p50 and p99.", examples=["lognormal"]
    )
    given_mean: Q | None = Field(default=None, alias="mean", description="Mean before truncation.", examples=[1])
    cv: Number | None = Field(default=None, description="Standard deviation over mean.", examples=[1.2], le=1000)
    p50: Q | None = Field(default=None, description="Median before truncation.", examples=[1])
    p99: Q | None = Field(default=None, description="99th percentile before truncation.", examples=[5])

    def _check(self) -> None:
        by_mean = self.given_mean is not None and self.cv is not None
        by_quantiles = self.p50 is not None and self.p99 is not None
        given = sum(x is not None for x in (self.given_mean, self.cv, self.p50, self.p99))
        if given != 2 or by_mean == by_quantiles:
            raise SettingError(
                "a lognormal needs mean and cv, or p50 and p99", help="write {distribution: lognormal, mean: …, cv: …}"
            )
        if by_quantiles:
            above_zero(float(self.p50), "p50")  # type: ignore[arg-type]
            if float(self.p99) < float(self.p50):  # type: ignore[arg-type]
                raise SettingError("p99 is below p50", at=("p99",))
        else:
            above_zero(float(self.given_mean), "mean")  # type: ignore[arg-type]

    @property
    def constant(self) -> float | None:
        """The median where nothing varies."""
        return math.exp(self._mu) if self._sigma == 0 else None

    @property
    def _sigma(self) -> float:
        if self.cv is not None:
            return math.sqrt(math.log1p(self.cv**2))
        return math.log(float(self.p99) / float(self.p50)) / Z99  # type: ignore[arg-type]

    @property
    def _mu(self) -> float:
        if self.given_mean is not None:
            return math.log(float(self.given_mean)) - self._sigma**2 / 2  # type: ignore[arg-type]
        return math.log(float(self.p50))  # type: ignore[arg-type]

    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64:
        return generator.lognormal(self._mu, self._sigma, n)

    def _whole_quantile(self, p: Float64) -> Float64:
        return np.asarray(np.exp(self._mu + self._sigma * special.ndtri(p)))

    def _partial(self, k: int, x: float) -> float:
        if x <= 0:
            return 0.0
        mu, sigma = self._mu, self._sigma
        if sigma == 0:
            return math.exp(k * mu) if x >= math.exp(mu) else 0.0
        return float(math.exp(k * mu + (k * sigma) ** 2 / 2) * special.ndtr((math.log(x) - mu - k * sigma**2) / sigma))


class Uniform(Spread[Q], Generic[Q]):
    """Uniform between two values."""

    distribution: Literal["uniform"] = Field(description="Uniform from low to high.", examples=["uniform"])
    low: Q = Field(description="Smallest value.", examples=[1])
    high: Q = Field(description="Largest value.", examples=[3])

    def _check(self) -> None:
        if float(self.high) < float(self.low):  # type: ignore[arg-type]
            raise SettingError("high is below low", help="swap them", at=("high",))

    @property
    def constant(self) -> float | None:
        """The value where low and high are the same."""
        low, high = self._support()
        return low if low == high else None

    def _support(self) -> tuple[float, float]:
        return float(self.low), float(self.high)  # type: ignore[arg-type]

    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64:
        low, high = self._support()
        return low + generator.random(n) * (high - low)

    def _whole_quantile(self, p: Float64) -> Float64:
        low, high = self._support()
        return low + p * (high - low)

    def _partial(self, k: int, x: float) -> float:
        low, high = self._support()
        if low == high:
            return low**k if x >= low else 0.0
        x = min(max(x, low), high)
        return (x ** (k + 1) - low ** (k + 1)) / ((k + 1) * (high - low))


class Normal(Spread[Q], Generic[Q]):
    """Normal; amounts are not negative, so `min` is 0 where it is not given."""

    distribution: Literal["normal"] = Field(description="Normal by mean and sd; min 0.", examples=["normal"])
    given_mean: Q = Field(alias="mean", description="Mean before truncation.", examples=[10])
    sd: Q = Field(description="Standard deviation before truncation.", examples=[2])

    @property
    def constant(self) -> float | None:
        """The mean where nothing varies."""
        return self._centre if self._sd == 0 else None

    @property
    def truncated(self) -> bool:
        """Always, since negative values are left out."""
        return True

    @property
    def _centre(self) -> float:
        return float(self.given_mean)  # type: ignore[arg-type]

    @property
    def _sd(self) -> float:
        return float(self.sd)  # type: ignore[arg-type]

    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64:
        return self._centre + self._sd * generator.standard_normal(n)

    def _whole_quantile(self, p: Float64) -> Float64:
        return np.asarray(self._centre + self._sd * special.ndtri(p))

    def _partial(self, k: int, x: float) -> float:
        mu, sd = self._centre, self._sd
        if sd == 0:
            return mu**k if x >= mu else 0.0
        z = (x - mu) / sd
        below = float(special.ndtr(z))
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) if math.isfinite(z) else 0.0
        slope = z * density if math.isfinite(z) else 0.0
        return (below, mu * below - sd * density, mu**2 * below - 2 * mu * sd * density + sd**2 * (below - slope))[k]


class Pareto(Spread[Q], Generic[Q]):
    """Pareto (type I): heavy tail with the exponent `shape`."""

    distribution: Literal["pareto"] = Field(description="Pareto by mean and shape.", examples=["pareto"])
    given_mean: Q = Field(alias="mean", description="Mean before truncation.", examples=[1])
    shape: Number = Field(description="Exponent of the tail, above 1.", examples=[1.5], gt=1)

    def _check(self) -> None:
        above_zero(float(self.given_mean), "mean")  # type: ignore[arg-type]

    @property
    def _scale(self) -> float:
        return float(self.given_mean) * (self.shape - 1) / self.shape  # type: ignore[arg-type]

    def _support(self) -> tuple[float, float]:
        return self._scale, math.inf

    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64:
        return self._scale * np.exp(generator.standard_exponential(n) / self.shape)

    def _whole_quantile(self, p: Float64) -> Float64:
        with np.errstate(divide="ignore"):
            return np.asarray(self._scale * np.power(1 - p, -1 / self.shape))

    def _partial(self, k: int, x: float) -> float:
        scale, shape = self._scale, self.shape
        if x <= scale:
            return 0.0
        if math.isinf(x):
            return shape * scale**k / (shape - k) if k < shape else math.inf
        if k == shape:
            return float(shape * scale**k * math.log(x / scale))
        return float(shape * scale**k / (shape - k) * (1 - (scale / x) ** (shape - k)))


class Geometric(Spread[Q], Generic[Q]):
    """Geometric on 1, 2, …"""

    whole: ClassVar[bool] = True
    distribution: Literal["geometric"] = Field(description="Geometric on 1, 2, … by its mean.", examples=["geometric"])
    given_mean: Q = Field(alias="mean", description="Mean before truncation, at least 1.", examples=[3])

    def _check(self) -> None:
        if float(self.given_mean) < 1:  # type: ignore[arg-type]
            raise SettingError("a geometric distribution on 1, 2, … has a mean of at least 1", at=("mean",))

    @property
    def constant(self) -> float | None:
        """1 where the mean is 1."""
        return 1.0 if self._p == 1 else None

    @property
    def _p(self) -> float:
        return 1.0 / float(self.given_mean)  # type: ignore[arg-type]

    def _support(self) -> tuple[float, float]:
        return 1.0, math.inf

    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64:
        return generator.geometric(self._p, n).astype(np.float64)

    def _whole_quantile(self, p: Float64) -> Float64:
        if self._p == 1:
            return np.ones_like(p)
        with np.errstate(divide="ignore"):
            return np.maximum(1.0, np.ceil(np.log1p(-p) / math.log1p(-self._p) - 1e-12))

    def _partial(self, k: int, x: float) -> float:
        p, q = self._p, 1 - self._p
        if x < 1:
            return 0.0
        if math.isinf(x):
            return (1.0, 1 / p, (1 + q) / p**2)[k]
        n = math.floor(x)
        left = q**n
        if k == 0:
            return 1 - left
        if k == 1:
            return (1 - left) / p - n * left
        ramp = q * (1 - n * q ** (n - 1) + (n - 1) * left) / p**2
        return (1 - left) / p + 2 * ramp - n**2 * left

    def _draw_sums(self, generator: np.random.Generator, counts: Int64) -> Float64:
        if self.truncated:
            return super()._draw_sums(generator, counts)
        failures = generator.negative_binomial(np.maximum(counts, 1), self._p)
        return np.where(counts > 0, counts + failures, 0).astype(np.float64)


class Poisson(Spread[Q], Generic[Q]):
    """Poisson on 0, 1, …"""

    whole: ClassVar[bool] = True
    distribution: Literal["poisson"] = Field(description="Poisson by its mean.", examples=["poisson"])
    given_mean: Q = Field(alias="mean", description="Mean before truncation.", examples=[3])

    @property
    def constant(self) -> float | None:
        """0 where the mean is 0."""
        return 0.0 if self._mean == 0 else None

    @property
    def _mean(self) -> float:
        return float(self.given_mean)  # type: ignore[arg-type]

    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64:
        return generator.poisson(self._mean, n).astype(np.float64)

    def _whole_quantile(self, p: Float64) -> Float64:
        guess = np.maximum(0.0, np.ceil(special.pdtrik(np.clip(p, 1e-300, 1 - 1e-16), self._mean)))
        lower = np.maximum(guess - 1, 0.0)
        return np.where(special.pdtr(lower, self._mean) >= p, lower, guess)

    def _partial(self, k: int, x: float) -> float:
        def below(n: float) -> float:
            return 1.0 if math.isinf(n) else float(special.pdtr(math.floor(n), self._mean)) if n >= 0 else 0.0

        if k == 0:
            return below(x)
        first = self._mean * below(x - 1)
        return first if k == 1 else first + self._mean**2 * below(x - 2)

    def _draw_sums(self, generator: np.random.Generator, counts: Int64) -> Float64:
        if self.truncated:
            return super()._draw_sums(generator, counts)
        return generator.poisson(self._mean * counts).astype(np.float64)
