"""How does a question to a grid become one statement, on both databases? (aapi.md section 7)

A page of a wide grid is found by its order alone, and what its rows show is looked up for these rows only: most orders
lie in an index, and a page far behind costs the same as the first when it is known where the page before it ended.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql import visitors

from gateway.db.engine import is_postgresql
from gateway.db.queries.grids import conditions
from gateway.db.queries.grids.base import Expression, Grid
from gateway.db.queries.grids.tables import served
from gateway.domain.grids import COUNT, GridQuery, Kind, Operator

Boundary = tuple[Any, ...]
"""What the last row of a page is sorted by; none of it is NULL."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of values in the order of the query's elements. ``first`` and ``last``: their places, None where a part of
    it is NULL, or where there is no row."""

    values: Sequence[Sequence[Any]]
    first: Boundary | None = None
    last: Boundary | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """One expression that rows are sorted by."""

    by: Expression
    descending: bool = False
    nullable: bool = True

    def directed(self, column: Expression, postgres: bool) -> Expression:
        """``column`` in this direction, NULL first; nothing is said where the database does so anyhow, for indexes."""
        made = column.desc() if self.descending else column.asc()
        return made.nulls_first() if self.nullable and postgres != self.descending else made


def is_served(connection: Connection, query: GridQuery) -> bool:
    """Whether the grid has rows at all; the others are empty for everybody."""
    return query.grid in served(is_postgresql(connection))


def count(connection: Connection, query: GridQuery, parameters: Mapping[str, Any]) -> int:
    """How many rows there are in all."""
    grid = served(is_postgresql(connection))[query.grid]
    return connection.execute(_counted(grid, query), parameters).scalar_one()


def rows(connection: Connection, query: GridQuery, parameters: Mapping[str, Any], *, skip: int,
         after: Boundary | None = None) -> Rows:
    """At most ``query.size`` rows, so many behind the first, or behind the one that ``after`` is of."""
    postgres = is_postgresql(connection)
    grid = served(postgres)[query.grid]
    ordered = _order(grid, query)
    wanted = [_wanted(grid, query, name) for name in query.elements]
    columns = [each.by for each in ordered]
    if grid.wide:
        page = _page(grid, query, ordered, (skip, after), [grid.row[0], *columns], postgres)
        statement = _looked_up(grid, page.cte("page"), wanted, ordered, postgres)
    else:
        statement = _page(grid, query, ordered, (skip, after), [*wanted, *columns], postgres)
    found = connection.execute(statement, parameters).all()
    width = len(wanted)
    first, last = (_place(found[at][width:]) if found else None for at in (0, -1))
    return Rows([row[:width] for row in found], first, last)


# --- parts -----------------------------------------------------------------------------------------------------------


def _place(values: Sequence[Any]) -> Boundary | None:
    return None if None in values else tuple(values)


def _wanted(grid: Grid, query: GridQuery, name: str) -> Expression:
    if name == COUNT:
        return _counted(grid, query).scalar_subquery()
    return grid.shown.get(name, grid.elements[name]) if grid.wide else grid.elements[name]


def _counted(grid: Grid, query: GridQuery) -> sa.Select[tuple[int]]:
    where = _where(grid, query)
    return sa.select(sa.func.count()).select_from(_source(grid, grid.source, where)).where(*where)


def _where(grid: Grid, query: GridQuery) -> list[Expression]:
    found = [*grid.where, *(conditions.condition(grid.elements[test.element], test) for test in query.tests)]
    if grid.person is not None:
        found += [conditions.narrowed(grid.person, test) for test in query.tests if conditions.names_remote_ids(test)]
    return found


def _order(grid: Grid, query: GridQuery) -> list[Ordered]:
    """What was asked for, the key, and what tells rows apart; nothing twice, and nothing that all rows share."""
    asked = [] if query.sort is None else [(query.sort.element, query.sort.kind)]
    fixed = [grid.elements[test.element] for test in query.tests
             if test.operator is Operator.EQ and len(test.values) == 1 and test.values[0] is not None]
    found: list[Ordered] = []
    for name, kind in (*asked, *query.key):
        by = grid.elements[name]
        descending = query.sort is not None and name == query.sort.element and query.sort.descending
        folded = sa.func.lower(by, type_=sa.Text) if kind in (Kind.TEXT, Kind.REMOTE) else by
        if not _is_in(by, fixed):
            _put(found, grid, folded, by, descending)
    for by in grid.order:
        if not _is_in(by, fixed):
            _put(found, grid, by, by, False)
    for by in grid.row:
        _put(found, grid, by, by, False)
    return found


def _put(found: list[Ordered], grid: Grid, by: Expression, column: Expression, descending: bool) -> None:
    solid = _is_in(column, (*grid.solid, *grid.row)) or (isinstance(column, sa.Column) and not column.nullable)
    if not _is_in(by, [each.by for each in found]):
        found.append(Ordered(by, descending, not solid))


def _is_in(expression: Expression, others: Sequence[Expression]) -> bool:
    """Whether it is one of these very expressions; ``in`` would make conditions of SQL."""
    return any(expression is each for each in others)


def _page(grid: Grid, query: GridQuery, ordered: Sequence[Ordered], place: tuple[int, Boundary | None],
          columns: Sequence[Expression], postgres: bool) -> sa.Select[tuple]:
    """These columns of the rows of the page, which begins so many rows behind the first, or behind a boundary."""
    skip, after = place
    where = _where(grid, query)
    if after is not None:
        where.append(_behind(ordered, after))
    page = (sa.select(*_labelled(columns)).select_from(_source(grid, grid.source, [*where, *columns])).where(*where)
            .order_by(*(each.directed(each.by, postgres) for each in ordered)).limit(query.size))
    return page.offset(skip) if skip else page


def _behind(ordered: Sequence[Ordered], after: Boundary) -> Expression:
    """Whether a row is behind this boundary. NULL comes first and no part of the boundary is NULL, so it is before."""
    places = [(each, sa.literal(value, each.by.type)) for each, value in zip(ordered, after, strict=True)]
    if not any(each.descending for each in ordered):
        return sa.tuple_(*(each.by for each, _ in places)) > sa.tuple_(*(value for _, value in places))
    ahead = [each.by < value if each.descending else each.by > value for each, value in places]
    equal = [each.by == value for each, value in places]
    return sa.or_(*(sa.and_(*equal[:at], each) for at, each in enumerate(ahead)))


def _looked_up(grid: Grid, page: sa.CTE, wanted: Sequence[Expression], ordered: Sequence[Ordered],
               postgres: bool) -> sa.Select[tuple]:
    """What the rows of a page show; its columns are the primary key and what it is sorted by."""
    key, *places = page.c
    root = page.outerjoin(grid.source, grid.row[0] == key)  # outer, so that the page is what is walked
    return (sa.select(*_labelled(wanted), *places).select_from(_source(grid, root, wanted, outer=True))
            .order_by(*(each.directed(place, postgres) for each, place in zip(ordered, places, strict=True))))


def _labelled(columns: Sequence[Expression]) -> list[sa.Label[Any]]:
    return [column.label(f"grid_{at}") for at, column in enumerate(columns)]


def _source(grid: Grid, root: sa.FromClause, needed: Sequence[Expression], *, outer: bool = False) -> sa.FromClause:
    """The row source with those of the joins that these expressions need."""
    names = _tables(needed)
    chosen: list[int] = []
    for at in reversed(range(len(grid.joins))):
        join = grid.joins[at]
        if join.table in names:
            chosen.append(at)
            names |= _tables([join.on])
    for at in reversed(chosen):
        join = grid.joins[at]
        root = root.join(join.table, join.on, isouter=outer or join.optional)
    return root


def _tables(expressions: Sequence[Expression]) -> set[sa.FromClause]:
    found: set[sa.FromClause] = set()
    for each in expressions:
        found |= _tables_of(each)
    return found


@functools.lru_cache(maxsize=4096)
def _tables_of(expression: Expression) -> frozenset[sa.FromClause]:
    """All tables that it names, also deep inside a subquery of its own that speaks of the row."""
    return frozenset(each.table for each in visitors.iterate(expression)
                     if isinstance(each, sa.ColumnClause) and each.table is not None)
