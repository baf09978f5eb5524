"""Which grids are served, and how is each described?"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace

from gateway.db.queries.grids import activity, deliveries, demo, hits, mailings, people, returns, uploads, values
from gateway.db.queries.grids.base import Dialect, Expression, Grid
from gateway.domain.grids import fold

FAMILIES = (people, mailings, activity, hits, returns, deliveries, values, uploads, demo)


@functools.cache
def served(postgres: bool) -> Mapping[str, Grid]:
    """Each grid that has rows, by folded token, with its elements by folded names. The others are empty."""
    dialect = Dialect(postgres)
    return {fold(token): replace(grid, elements=_folded(grid.elements), shown=_folded(grid.shown))
            for family in FAMILIES for token, grid in family.build(dialect).items()}


def _folded(elements: Mapping[str, Expression]) -> dict[str, Expression]:
    return {fold(name): each for name, each in elements.items()}
