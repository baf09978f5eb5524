"""How is a configured query cut to some of its rows, without taking its text apart?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from gateway.bridges import rows

Query = sa.TextClause | sa.Select
KEY_CHARACTERS = 450


def among(query: Query) -> sa.Select:
    """The rows whose remote ID is one of ``:spellings``, of whatever type its column is."""
    listed = _derived(query, "listed", "remote_id")
    spelled = sa.func.ltrim(sa.func.rtrim(sa.cast(listed.c.remote_id, sa.Unicode(KEY_CHARACTERS))))
    return _all(listed).where(spelled.in_(sa.bindparam("spellings", expanding=True)))


def spelled(remote_ids: Sequence[str], at_once: int) -> Iterator[dict[str, object]]:
    """The parameters of :func:`among`, so many people at a time; nobody is no parameters at all."""
    for start in range(0, len(remote_ids), at_once):
        yield {"spellings": [each for remote_id in remote_ids[start:start + at_once]
                             for each in rows.spellings(remote_id)]}


def since(query: Query, column: str) -> sa.Select:
    """The rows that have at least ``:since`` in the column, or nothing: of those nobody knows."""
    listed = _derived(query, "listed", "remote_id", column)
    changed = listed.c[column]
    return _all(listed).where(sa.or_(changed >= sa.bindparam("since"), changed.is_(None)))


def newest(query: Query, column: str) -> sa.Select:
    """The largest value in the column."""
    listed = _derived(query, "listed", "remote_id", column)
    return sa.select(sa.func.max(listed.c[column]))


def of_those(memberships: Query, listed: Query) -> sa.Select:
    """The memberships of the people whom another query lists, with its parameters."""
    kept, those = _derived(memberships, "kept", "remote_id"), _derived(listed, "those", "remote_id")
    ids = sa.select(sa.literal_column("those.remote_id")).select_from(those)  # it may be a query of all columns
    return _all(kept).where(kept.c.remote_id.in_(ids))


def _derived(query: Query, name: str, *columns: str) -> sa.Subquery:
    if isinstance(query, sa.TextClause):  # the line break ends a comment, if the text ends in one
        text = sa.text(query.text + "\n")
        return text.columns(*(sa.column(each) for each in dict.fromkeys(columns))).subquery(name)
    return query.subquery(name)


def _all(listed: sa.Subquery) -> sa.Select:
    return sa.select(sa.text("*")).select_from(listed)
