"""How much may one act take away before a person has to agree to it? (ID-70)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BRAKE_SHARE, BRAKE_ROWS = 0.10, 10

SHARE, ROWS = "brakeShare", "brakeRows"
"""Names in the brand's settings: the share, from 0 to 1, and the number that must both be passed."""


@dataclass(frozen=True, slots=True)
class Brake:
    """Holds an act that takes out more than ``share`` of all and more than ``rows`` of them."""

    share: float = BRAKE_SHARE
    rows: int = BRAKE_ROWS

    def holds(self, leaving: int, of: int) -> bool:
        """Whether so many of ``of`` are too many."""
        return leaving > self.rows and leaving > round(self.share * of, 6)  # 0.29 of 100 is 28.999999999999996


def brake_of(settings: Mapping[str, object]) -> Brake:
    """The brake of a brand with these settings; what makes no sense there counts as not set."""
    share, rows = settings.get(SHARE), settings.get(ROWS)
    return Brake(float(share) if _is_number(share) and 0 <= share <= 1 else BRAKE_SHARE,  # type: ignore[operator]
                 rows if isinstance(rows, int) and _is_number(rows) and rows >= 0 else BRAKE_ROWS)


def tighter_or_looser(brake: Brake, share: float | None, rows: int | None) -> Brake:
    """The brake with an integration's own numbers, where it has some."""
    return Brake(brake.share if share is None else share, brake.rows if rows is None else rows)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
