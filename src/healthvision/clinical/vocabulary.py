# SPDX-License-Identifier: Apache-2.0
"""What applications measure and point at: codes that several share, names and rounding."""

from collections.abc import Mapping
from dataclasses import dataclass

from healthvision.clinical.result import Code, Interval, Measurement, Text

OWN_SCHEME = "99HV"
ANATOMY = Code(scheme="SCT", value="123037004", meaning="Anatomical Structure")
ABNORMAL = Code(scheme="SCT", value="49755003", meaning="Morphologically Abnormal Structure")
LUNG_LEFT = Code(scheme="SCT", value="44029006", meaning="Left lung structure")
LUNG_RIGHT = Code(scheme="SCT", value="3341006", meaning="Right lung structure")
HEART = Code(scheme="SCT", value="80891009", meaning="Heart structure")


@dataclass(frozen=True, slots=True)
class Named:
    """A quantity: its code and its name in both languages."""

    code: Code
    label: Text


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The quantities of an application by short names."""

    named: Mapping[str, Named]

    @classmethod
    def own(cls, prefix: str, names: Mapping[str, tuple[str, str]]) -> "Vocabulary":
        """Return quantities with codes of our own scheme. ``names``: short name -> (zh, en)."""
        return cls(
            {
                name: Named(
                    Code(scheme=OWN_SCHEME, value=f"{prefix}-{name}", meaning=en),
                    Text(zh=zh, en=en),
                )
                for name, (zh, en) in names.items()
            }
        )

    def measurement(
        self,
        name: str,
        value: float,
        unit: str,
        method: str,
        interval: tuple[float, float] | None = None,
        *,
        digits: int = 1,
        coverage: float = 0.95,
    ) -> Measurement:
        """Return a measurement by its short name, rounded; KeyError for an unknown name.

        ``coverage``: how often the true value lies in the interval.
        """
        found, limits = self.named[name], None
        if interval is not None:
            low, high = round(interval[0], digits), round(interval[1], digits)
            limits = Interval(low=low, high=high, coverage=coverage)
        return Measurement(
            code=found.code,
            label=found.label,
            value=round(value, digits),
            unit=unit,
            interval=limits,
            method=method,
        )
