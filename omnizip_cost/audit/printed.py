"""A printed number: its value, and all that could have been rounded to it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from numbers import Rational


@dataclass(frozen=True, slots=True)
class Printed:
    """A number above zero as it stands in a table, with the digits it was given.

    >>> Printed.of("73.2").low, Printed.of("73.2").high
    (Fraction(1463, 20), Fraction(293, 4))
    """

    text: str
    value: Fraction
    half: Fraction
    """Half a unit of the last digit."""

    @classmethod
    def of(cls, text: str) -> Printed:
        """Read a decimal number.

        Raises
        ------
        ValueError
            Not a number, not finite, or not above zero.
        """
        try:
            number = Decimal(text.strip())
        except InvalidOperation:
            raise ValueError(text) from None
        if not number.is_finite() or not 0 < number < Decimal("1e30") or "_" in text:
            raise ValueError(text)
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        if exponent < -30:
            raise ValueError(text)
        return cls(text.strip(), Fraction(number), Fraction(10) ** min(exponent, 0) / 2)

    @property
    def low(self) -> Fraction:
        """Least value that may be printed so; a tie may have been rounded either way."""
        return self.value - self.half

    @property
    def high(self) -> Fraction:
        """Largest value that may be printed so."""
        return self.value + self.half

    def holds(self, value: Rational | int) -> bool:
        """Whether ``value`` may be printed so."""
        return self.low <= value <= self.high

    def __float__(self) -> float:
        return float(self.value)
