"""Which kinds of foreign system can we speak to?"""

from __future__ import annotations


def kinds() -> tuple[str, ...]:
    """The kinds of integration that have a bridge."""
    return ("sql",)
