"""Is this the configuration of a foreign database, and what does it mean?"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from gateway.bridges.checks import COLUMNS, mapping, number, only, whole, word, wrong
from gateway.bridges.rows import INTEREST_SEPARATOR
from gateway.bridges.sql import queries
from gateway.bridges.sql.cursor import NUMBER, TIME
from gateway.bridges.sql.queries import Query
from gateway.bridges.sql.statements import (
    field_statements,
    identifier,
    parameters_of,
    repeated_query,
    select,
    select_from,
    write_statement,
)
from gateway.domain.writeback import FIELD_CHANGED, KINDS

KEYS = ("url", "members", "changed", "separator", "memberships", "values", "groups", "writeback", "repeated",
        "timeout_s")
CHANGED_KEYS = ("column", "kind", "overlap", "newest", "full_every_days")
CHANGED_SELECT_KEYS = ("select", "kind", "overlap", "newest", "full_every_days")
VALUES_KEYS, VALUES_TABLE_KEYS = ("select", "fields", "remote_ids"), ("table", "schema", "remote_id", "fields")
GROUPS_KEYS = ("list", "members")
DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S = 30.0, 100.0  # a write must end within its lease of two minutes
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql",
           "mariadb": "mysql+pymysql", "mssql": "mssql+pymssql"}
EXTRAS = {"pymysql": "mysql", "pymssql": "mssql"}
"""Drivers that are not always installed, and the extra of this package that brings them."""


@dataclass(frozen=True, slots=True)
class Changed:
    """How changes are asked for: a query with ``:since``, and one for the largest value.

    ``mark`` is another one when what is asked for has changed. ``overlap`` is for numbers.
    """

    select: Query
    newest: Query
    kind: str
    overlap: int
    full_every_days: int
    mark: str


@dataclass(frozen=True, slots=True)
class Values:
    """Where the values of our fields stand: a query with ``remote_id``, and field -> its column, in lower case.

    ``asks``: it has a parameter ``:remote_ids``, which are ``numbers`` or texts; else it is cut to those asked for.
    """

    select: Query
    fields: Mapping[str, str]
    asks: bool
    numbers: bool


@dataclass(frozen=True, slots=True)
class Groups:
    """How groups are listed (``group_id``, ``name``, perhaps ``size``), and the members of ``:group_id`` read."""

    list: sa.TextClause
    members: sa.TextClause


@dataclass(frozen=True, slots=True)
class SqlConfig:
    """A checked configuration. The URL holds a password and is never shown."""

    url: URL = field(repr=False)
    members: Query
    changed: Changed | None
    separator: str
    memberships: sa.TextClause | None
    values: Values | None
    groups: Groups | None
    writeback: Mapping[str, sa.TextClause]
    field_statements: Mapping[str, sa.TextClause]
    repeated: sa.TextClause | None
    timeout_s: float


def read_config(config: Mapping[str, object]) -> SqlConfig:
    """Checks a configuration without connecting. Raises ``INVALID_VALUE`` with the key at fault and the remedy."""
    only(config, KEYS, "")
    url = _url(config.get("url"))
    members, changed = _members(config, url)
    statements, of_fields = _writeback(config.get("writeback", {}))
    return SqlConfig(
        url, members, changed, _separator(config.get("separator", INTEREST_SEPARATOR)), _memberships(config, url),
        _values(config["values"], url) if "values" in config else None,
        _groups(config["groups"]) if "groups" in config else None, statements, of_fields,
        repeated_query(config["repeated"]) if "repeated" in config else None,
        number("timeout_s", config.get("timeout_s", DEFAULT_TIMEOUT_S), 1, MAX_TIMEOUT_S, "seconds"))


def _url(value: object) -> URL:
    try:
        url = make_url(value) if isinstance(value, str) else None
    except (ArgumentError, ValueError):  # its text would show the URL
        url = None
    driver = None if url is None else DRIVERS.get(url.get_backend_name())
    if driver is None or url.drivername not in (url.get_backend_name(), driver, driver.replace("mysql", "mariadb", 1)):
        raise wrong("url", "must be a database URL: postgresql://user:password@host/name, mysql://..., mariadb://..., "
                           "mssql://..., or sqlite:////folder/file.db")
    if driver == "sqlite" and url.database in (None, "", ":memory:"):
        raise wrong("url", "must name the database's file: sqlite:////folder/file.db")
    module = driver.partition("+")[2]
    if module in EXTRAS and importlib.util.find_spec(module) is None:
        raise wrong("url", f"needs a driver that is not installed: pip install 'gateway[{EXTRAS[module]}]'")
    return url.set(drivername=driver)


def _members(config: Mapping[str, object], url: URL) -> tuple[Query, Changed | None]:
    """The query of everybody; of a table it has the column of changes as well."""
    value, given = config.get("members"), config.get("changed")
    rule = None if given is None else mapping("changed", given, "column, or select and newest")
    if isinstance(value, Mapping):
        more = () if rule is None or "column" not in rule else (identifier("changed.column", rule["column"]),)
        members: Query = select_from("members", value, COLUMNS, COLUMNS[:2], more)
    else:
        members = select("members", value, "that names its columns remote_id and email (and, if there are any, "
                                           "do_not_email, interests, deleted), or an object that names a table and its "
                                           "columns")
    if rule is None:
        return members, None
    _require_derivable("members", members, url)
    mark = hashlib.sha256(json.dumps([value, given], sort_keys=True, default=str).encode()).hexdigest()[:12]
    return members, _changed(rule, members, mark)


def _changed(rule: Mapping[str, object], members: Query, mark: str) -> Changed:
    own = "select" in rule
    only(rule, CHANGED_SELECT_KEYS if own else CHANGED_KEYS, "changed.")
    kind = rule.get("kind", TIME)
    if kind not in (TIME, NUMBER):
        raise wrong("changed.kind", f"must be {TIME}, or {NUMBER} for one that grows with every change")
    overlap = whole("changed.overlap", rule.get("overlap", 0), 0, 10**12)
    if overlap and kind == TIME:
        raise wrong("changed.overlap", "is for numbers; times always overlap by ten minutes")
    days = whole("changed.full_every_days", rule.get("full_every_days", 7), 1, 365)
    largest: Query | None = None
    if "newest" in rule:
        largest = select("changed.newest", rule["newest"],
                         "of one value, the largest: SELECT MAX(changed_at) FROM members")
    if own:
        query: Query = select("changed.select", rule["select"],
                              "of what changed at or after :since, with the columns of members", ("since",))
        if "since" not in parameters_of(query):
            raise wrong("changed.select", "must say since when: use :since")
        if largest is None:
            raise wrong("changed.newest", "is missing; it is a SELECT of the largest value, such as SELECT "
                                          "MAX(changed_at) FROM members")
    else:
        column = word("changed.column", rule.get("column"), "a column of members that grows with every change")
        query = queries.since(members, column)
        largest = queries.newest(members, column) if largest is None else largest
    return Changed(query, largest, str(kind), overlap, days, mark)


def _separator(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 10 or "\0" in value:
        raise wrong("separator", "must be what stands between names of interests, such as ; or , - or json for a list "
                                 "in JSON")
    return value


def _memberships(config: Mapping[str, object], url: URL) -> sa.TextClause | None:
    if "memberships" not in config:
        return None
    found = select("memberships", config["memberships"],
                   "that names its columns remote_id and interest, one row for each interest of a person")
    _require_derivable("memberships", found, url)
    return found


def _values(value: object, url: URL) -> Values:
    given = mapping("values", value, "select and fields, or table, remote_id and fields")
    fields = mapping("values.fields", given.get("fields"), "the name of each of our fields and its column")
    columns = {word("values.fields", name, "the name of one of our fields"):
               word(f"values.fields.{name}", column, "the name of a column") for name, column in fields.items()}
    if not columns:
        raise wrong("values.fields", "must name at least one of our fields and its column")
    lowered = {name: column.lower() for name, column in columns.items()}
    if "table" in given:
        only(given, VALUES_TABLE_KEYS, "values.")
        table = {key: each for key, each in given.items() if key != "fields"}
        more = tuple(identifier("values.fields", column) for column in dict.fromkeys(columns.values()))
        return Values(select_from("values", table, ("remote_id",), ("remote_id",), more), lowered, False, False)
    only(given, VALUES_KEYS, "values.")
    query = select("values.select", given.get("select"), "that names its columns remote_id and those of values.fields",
                   ("remote_ids",))
    kind = given.get("remote_ids", "text")
    if kind not in ("text", "number"):
        raise wrong("values.remote_ids", "must be text or number: the type of what :remote_ids is compared with")
    if "remote_ids" not in parameters_of(query):
        _require_derivable("values.select", query, url)
        return Values(query, lowered, False, False)
    return Values(query.bindparams(sa.bindparam("remote_ids", expanding=True)), lowered, True, kind == "number")


def _groups(value: object) -> Groups:
    given = mapping("groups", value, "list and members")
    only(given, GROUPS_KEYS, "groups.")
    listed = select("groups.list", given.get("list"), "that names its columns group_id, name and, if it tells, size")
    members = select("groups.members", given.get("members"), "of the members of :group_id, with the columns of members",
                     ("group_id",))
    if "group_id" not in parameters_of(members):
        raise wrong("groups.members", "must say of which group: use :group_id")
    return Groups(listed, members)


def _writeback(value: object) -> tuple[dict[str, sa.TextClause], dict[str, sa.TextClause]]:
    """The statements of the kinds, and those of single fields."""
    given = mapping("writeback", value, "a statement for each kind that is written back")
    only(given, KINDS, "writeback.")
    of_fields = given.get(FIELD_CHANGED)
    by_field = field_statements(f"writeback.{FIELD_CHANGED}", of_fields) if isinstance(of_fields, Mapping) else {}
    return {kind: write_statement(f"writeback.{kind}", text) for kind, text in given.items()
            if kind != FIELD_CHANGED or not by_field}, by_field


def _require_derivable(key: str, query: Query, url: URL) -> None:
    """SQL Server takes neither of the two inside of another query, and the query is cut by wrapping it."""
    if url.get_backend_name() == "mssql" and isinstance(query, sa.TextClause):
        text = " ".join(query.text.lower().split())
        if text.startswith("with ") or ("order by" in text and " top " not in text):
            raise wrong(key, "must neither begin with WITH nor have an ORDER BY on SQL Server; make it a view")
