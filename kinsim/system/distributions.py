"""Numbers with a spread: a plain value is constant, a mapping ``{distribution: …}`` varies.

All amounts are in SI units and at least 0.  ``mean``, ``cv``, ``p50`` and so on describe the distribution before
truncation; ``min`` and ``max`` then keep only the values between them (both included), each as likely in proportion
as before: values outside are drawn again, never moved to the limit.  So truncation moves the mean, and
`Distribution.mean` is the one that results.
"""

from __future__ import annotations

import csv
import math
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from scipy import special

from kinsim.errors import SettingError
from kinsim.units import SIZE_PATTERN, Duration, Settings, number_or_text, parse_number, parse_size

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Q = TypeVar("Q")
"""The quantity: seconds, bytes or a pure number."""

EXACT_SUMS = 64
"""Sums of up to this many draws are drawn one by one; above, by a normal with the same mean and variance."""

SMALLEST_SHARE = 1e-9
"""Truncation that leaves less than this share of a distribution is refused."""

Z99 = 2.3263478740408408
"""99 % quantile of the standard normal distribution."""

Number = Annotated[
    float,
    BeforeValidator(lambda value: float(parse_number(value))),
    WithJsonSchema(number_or_text(r"^[0-9][0-9_]*(\.[0-9]+)?([eE][+-]?[0-9]+)?$")),
]
"""A number of 0 or more."""

Bytes = Annotated[float, BeforeValidator(parse_size), WithJsonSchema(number_or_text(SIZE_PATTERN))]
"""Bytes, perhaps with a fraction, as a mean may have."""


class _Named:
    """Gives each quantity's classes a name of their own, by which they are pickled and stand in the schema."""

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Such as ``Lognormal[Duration]``."""
        quantity = next((name for name, of in _quantities().items() if params[0] == of), str(params[0]))
        return f"{cls.__name__}[{quantity}]"


class Distribution(_Named):
    """What all numbers with a spread can do; SI units."""

    whole: ClassVar[bool] = False
    """Whether only whole numbers occur."""

    @property
    def lowest(self) -> float:
        """No value is below."""
        return self._limits()[0]

    @property
    def highest(self) -> float:
        """No value is above; may be infinite."""
        return self._limits()[1]

    @property
    def mean(self) -> float:
        """Mean of what is drawn, truncation included."""
        return self._moment(1)

    @property
    def variance(self) -> float:
        """Variance of what is drawn; may be infinite."""
        second = self._moment(2)
        return second if math.isinf(second) else max(0.0, second - self._moment(1) ** 2)

    @property
    def constant(self) -> float | None:
        """The one value, or None where values vary."""
        return None

    def sample(self, generator: np.random.Generator, n: int) -> Float64:
        """*n* independent values."""
        value = self.constant
        if value is not None:
            return np.full(n, value)
        return self._draw(generator, n)

    def sample_sums(self, generator: np.random.Generator, counts: Int64) -> Float64:
        """For each of *counts* the sum of that many independent values.

        Exact for exponential, gamma, geometric and Poisson values and for counts up to `EXACT_SUMS`;
        beyond, a normal distribution of the same mean and variance stands for the sum.
        """
        value = self.constant
        if value is not None:
            return np.asarray(counts * value, np.float64)
        return self._draw_sums(generator, counts)

    def quantile(self, p: float) -> float:
        """Smallest value that a share *p* of draws does not exceed."""
        value = self.constant
        return self._quantile(p) if value is None else value

    def _limits(self) -> tuple[float, float]:
        raise NotImplementedError

    def _moment(self, k: int) -> float:
        raise NotImplementedError

    def _draw(self, generator: np.random.Generator, n: int) -> Float64:
        raise NotImplementedError

    def _quantile(self, p: float) -> float:
        raise NotImplementedError

    def _draw_sums(self, generator: np.random.Generator, counts: Int64) -> Float64:
        summed = counts if math.isinf(self.variance) else np.where(counts <= EXACT_SUMS, counts, 0)
        sums = _sums_one_by_one(self, generator, summed)
        many = np.flatnonzero(summed < counts)
        if many.size:
            n = counts[many].astype(np.float64)
            drawn = n * self.mean + np.sqrt(n * self.variance) * generator.standard_normal(many.size)
            sums[many] = np.clip(drawn, n * self.lowest, n * self.highest)
            if self.whole:
                sums[many] = np.floor(sums[many] + 0.5)
        return sums


def _sums_one_by_one(spread: Distribution, generator: np.random.Generator, counts: Int64) -> Float64:
    sums = np.zeros(counts.size)
    ends = np.cumsum(counts)
    start = 0
    while start < counts.size:
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + 1_000_000, "right")))
        part = counts[start:stop]
        values = spread.sample(generator, int(part.sum()))
        used = np.flatnonzero(part)
        if used.size:
            sums[start + used] = np.add.reduceat(values, (np.cumsum(part) - part)[used])
        start = stop
    return sums


class Plain(Distribution, RootModel[Q], Generic[Q]):
    """A plain value: no spread."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    @property
    def value(self) -> float:
        """The value, in SI units."""
        return float(self.root)  # type: ignore[arg-type]

    @property
    def constant(self) -> float | None:
        """The value."""
        return self.value

    def _limits(self) -> tuple[float, float]:
        return self.value, self.value

    def _moment(self, k: int) -> float:
        return self.value**k


class Spread(Distribution, Settings, Generic[Q]):
    """A family of distributions that `min` and `max` truncate.

    A family gives the draws, the quantiles and the partial moments of the whole distribution.
    """

    minimum: Q | None = Field(default=None, alias="min", description="Smaller values are drawn again.", examples=[1])
    maximum: Q | None = Field(default=None, alias="max", description="Larger values are drawn again.", examples=[1000])

    def _whole_draw(self, generator: np.random.Generator, n: int) -> Float64:
        raise NotImplementedError

    def _whole_quantile(self, p: Float64) -> Float64:
        raise NotImplementedError

    def _partial(self, k: int, x: float) -> float:
        """E[X^k; X <= x] before truncation, for k = 0, 1, 2."""
        raise NotImplementedError

    def _support(self) -> tuple[float, float]:
        return 0.0, math.inf

    @property
    def truncated(self) -> bool:
        """Whether `min` or `max` cut something off."""
        low, high = self._support()
        cut_low = self.minimum is not None and float(self.minimum) > low  # type: ignore[arg-type]
        return cut_low or (self.maximum is not None and float(self.maximum) < high)  # type: ignore[arg-type]

    def _limits(self) -> tuple[float, float]:
        low, high = self._support()
        if self.minimum is not None:
            low = max(low, float(self.minimum))  # type: ignore[arg-type]
        if self.maximum is not None:
            high = min(high, float(self.maximum))  # type: ignore[arg-type]
        return (math.ceil(low), math.floor(high) if math.isfinite(high) else high) if self.whole else (low, high)

    def _before(self) -> float:
        """The point up to which `min` cuts."""
        low = self._limits()[0]
        return low - 1 if self.whole else low

    def _share(self) -> float:
        return self._partial(0, self._limits()[1]) - self._partial(0, self._before())

    def _moment(self, k: int) -> float:
        if not self.truncated:
            return self._partial(k, math.inf)
        return (self._partial(k, self._limits()[1]) - self._partial(k, self._before())) / self._share()

    def _check(self) -> None:
        """Refuse parameters that do not make a distribution."""

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        self._check()
        low, high = self._limits()
        if low > high:
            raise SettingError("min is above max, so no value is left", at=("min",))
        if self.truncated and not self._share() > SMALLEST_SHARE:
            raise SettingError(
                "min and max leave less than a billionth of the distribution", help="widen them or change the mean"
            )
        return self

    def _draw(self, generator: np.random.Generator, n: int) -> Float64:
        if not self.truncated:
            return self._whole_draw(generator, n)
        if self._share() < 0.5:
            below = self._partial(0, self._before())
            values = self._whole_quantile(below + generator.random(n) * self._share())
            return np.clip(values, *self._limits())
        low, high = self._limits()
        values = self._whole_draw(generator, n)
        outside = np.flatnonzero((values < low) | (values > high))
        while outside.size:
            values[outside] = self._whole_draw(generator, outside.size)
            outside = outside[(values[outside] < low) | (values[outside] > high)]
        return values

    def _quantile(self, p: float) -> float:
        if self.truncated:
            p = self._partial(0, self._before()) + p * self._share()
        value = float(self._whole_quantile(np.array([min(p, 1.0)]))[0])
        low, high = self._limits()
        return min(max(value, low), high)


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
            _above_zero(float(self.p50), "p50")  # type: ignore[arg-type]
            if float(self.p99) < float(self.p50):  # type: ignore[arg-type]
                raise SettingError("p99 is below p50", at=("p99",))
        else:
            _above_zero(float(self.given_mean), "mean")  # type: ignore[arg-type]

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
        _above_zero(float(self.given_mean), "mean")  # type: ignore[arg-type]

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


class Empirical(Distribution, Settings, Generic[Q]):
    """The values of a column of a CSV file, each drawn with the same probability.

    Values are numbers in SI units (seconds, bytes).  `min` and `max` leave out the rows beyond them.
    """

    distribution: Literal["empirical"] = Field(description="Values of a file's column.", examples=["empirical"])
    file: str = Field(
        description="CSV file with a header, relative to the scenario.", examples=["sizes.csv"], min_length=1
    )
    column: str = Field(description="Name of the column.", examples=["bytes"], min_length=1)
    minimum: Q | None = Field(default=None, alias="min", description="Rows with less are left out.", examples=[1])
    maximum: Q | None = Field(default=None, alias="max", description="Rows with more are left out.", examples=[1000])

    @field_validator("file")
    @classmethod
    def _beside_the_scenario(cls, value: str, info: ValidationInfo) -> str:
        base = (info.context or {}).get("base_dir", ".") if isinstance(info.context, dict | None) else "."
        return str(Path(base) / Path(value).expanduser())

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if not self._values().size:
            raise SettingError("min and max leave no row of the file", at=("file",))
        return self

    def _values(self) -> Float64:
        values = read_column(self.file, self.column)
        low = -math.inf if self.minimum is None else float(self.minimum)  # type: ignore[arg-type]
        high = math.inf if self.maximum is None else float(self.maximum)  # type: ignore[arg-type]
        return values if low <= values[0] and values[-1] <= high else values[(values >= low) & (values <= high)]

    @property
    def constant(self) -> float | None:
        """The value where all rows hold the same."""
        values = self._values()
        return float(values[0]) if values[0] == values[-1] else None

    def _limits(self) -> tuple[float, float]:
        values = self._values()
        return float(values[0]), float(values[-1])

    def _moment(self, k: int) -> float:
        return float(np.mean(self._values() ** k))

    def _draw(self, generator: np.random.Generator, n: int) -> Float64:
        values = self._values()
        return values[generator.integers(0, values.size, n)]

    def _quantile(self, p: float) -> float:
        values = self._values()
        return float(values[max(0, math.ceil(p * values.size - 1e-9) - 1)])


S = TypeVar("S")
"""What a part of a mixture may be."""


class Part(_Named, Settings, Generic[S]):
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
        values = part._values()
        return float(np.searchsorted(values, x, "right")) / values.size
    if isinstance(part, Spread) and part.constant is None:
        if not part.truncated:
            return part._partial(0, x)
        low, high = part._before(), part._limits()[1]
        return 0.0 if x < low else (part._partial(0, min(x, high)) - part._partial(0, low)) / part._share()
    return float(x >= (part.constant or 0.0))


def _above_zero(value: float, name: str) -> None:
    if value <= 0:
        raise SettingError(f"a {name} of 0 leaves nothing to vary", help="write the value alone", at=(name,))


# -- files ---------------------------------------------------------------------------------------------------


def read_column(file: str, column: str) -> Float64:
    """The numbers of a CSV file's column, ascending; trouble is told with its row (the header is row 0)."""
    path = Path(file)
    try:
        status = path.stat()
    except (OSError, ValueError):
        raise SettingError(
            f"{file[:200]}: there is no such file", help="the name is relative to the scenario", at=("file",)
        ) from None
    if not path.is_file():
        raise SettingError(f"{file[:200]} is not a file", help="name a CSV file", at=("file",))
    return _read_column(file, column, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _read_column(file: str, column: str, _modified: int, _size: int) -> Float64:
    try:
        with Path(file).open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.reader(lines)
            header = [name.strip() for name in next(rows, [])]
            if column not in header:
                close = get_close_matches(column, header, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"its columns are {', '.join(header[:20]) or 'none'}"
                raise SettingError(f"{file} has no column {column!r}", help=hint, at=("column",))
            at = header.index(column)
            values = [_cell(row, at, number, file) for number, row in enumerate(rows, 1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingError(f"{file} cannot be read as CSV: {error}", at=("file",)) from None
    if not values:
        raise SettingError(f"{file} has no rows", at=("file",))
    result = np.sort(np.array(values))
    result.flags.writeable = False
    return result


def _cell(row: list[str], at: int, number: int, file: str) -> float:
    text = row[at].strip() if at < len(row) else ""
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{file}, row {number}: {text!r} is not a number", at=("column",)) from None
    if not 0 <= value < math.inf:
        raise SettingError(f"{file}, row {number}: {text} is not a number of 0 or more", at=("column",))
    return value


def _quantities() -> dict[str, Any]:
    known = {"Duration": Duration, "Size": Bytes, "Number": Number}
    parts = {f"Simple{name}": globals().get(f"Simple{name}") for name in known}
    return known | parts


# -- the types of settings -----------------------------------------------------------------------------------

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

PARTS = (Part[SimpleDuration], Part[SimpleSize], Part[SimpleNumber])
"""Named here, so that mixtures can be pickled."""

DurationSpread = Annotated[
    Annotated[Plain[Duration], Tag("plain")]
    | Annotated[Exponential[Duration], Tag("exponential")]
    | Annotated[Lognormal[Duration], Tag("lognormal")]
    | Annotated[Gamma[Duration], Tag("gamma")]
    | Annotated[Uniform[Duration], Tag("uniform")]
    | Annotated[Geometric[Duration], Tag("geometric")]
    | Annotated[Poisson[Duration], Tag("poisson")]
    | Annotated[Normal[Duration], Tag("normal")]
    | Annotated[Pareto[Duration], Tag("pareto")]
    | Annotated[Empirical[Duration], Tag("empirical")]
    | Annotated[Mixture[SimpleDuration], Tag("mixture")],
    Discriminator(_kind),
    BeforeValidator(_known_kind),
]
"""Seconds: a plain duration or a distribution."""

SizeSpread = Annotated[
    Annotated[Plain[Bytes], Tag("plain")]
    | Annotated[Exponential[Bytes], Tag("exponential")]
    | Annotated[Lognormal[Bytes], Tag("lognormal")]
    | Annotated[Gamma[Bytes], Tag("gamma")]
    | Annotated[Uniform[Bytes], Tag("uniform")]
    | Annotated[Geometric[Bytes], Tag("geometric")]
    | Annotated[Poisson[Bytes], Tag("poisson")]
    | Annotated[Normal[Bytes], Tag("normal")]
    | Annotated[Pareto[Bytes], Tag("pareto")]
    | Annotated[Empirical[Bytes], Tag("empirical")]
    | Annotated[Mixture[SimpleSize], Tag("mixture")],
    Discriminator(_kind),
    BeforeValidator(_known_kind),
]
"""Bytes: a plain size or a distribution."""

NumberSpread = Annotated[
    Annotated[Plain[Number], Tag("plain")]
    | Annotated[Exponential[Number], Tag("exponential")]
    | Annotated[Lognormal[Number], Tag("lognormal")]
    | Annotated[Gamma[Number], Tag("gamma")]
    | Annotated[Uniform[Number], Tag("uniform")]
    | Annotated[Geometric[Number], Tag("geometric")]
    | Annotated[Poisson[Number], Tag("poisson")]
    | Annotated[Normal[Number], Tag("normal")]
    | Annotated[Pareto[Number], Tag("pareto")]
    | Annotated[Empirical[Number], Tag("empirical")]
    | Annotated[Mixture[SimpleNumber], Tag("mixture")],
    Discriminator(_kind),
    BeforeValidator(_known_kind),
]
"""A plain number or a distribution."""
