"""Is this the configuration of a foreign database, and which statements does it mean?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql.elements import quoted_name

from gateway.domain.writeback import KINDS, UNSUBSCRIBE
from gateway.errors import GatewayError

KEYS = ("url", "members", "writeback", "timeout_s")
COLUMNS = ("remote_id", "email", "do_not_email", "interests", "deleted")
TABLE_KEYS = ("table", "schema", *COLUMNS)
PARAMETERS = ("remote_id", "email", "occurred_at", "origin", "reason", "code", "bounce_class", "interest",
              "writeback_id")
DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S = 30.0, 100.0  # a write must end within its lease of two minutes


@dataclass(frozen=True, slots=True)
class SqlConfig:
    """A checked configuration. The URL holds a password and is never shown."""

    url: URL = field(repr=False)
    members: sa.TextClause | sa.Select
    writeback: Mapping[str, sa.TextClause]
    timeout_s: float


def read_config(config: Mapping[str, object]) -> SqlConfig:
    """Checks a configuration without connecting. Raises ``INVALID_VALUE`` with the key at fault and the remedy."""
    _only(config, KEYS, "")
    return SqlConfig(_url(config.get("url")), _members(config.get("members")), _writeback(config.get("writeback")),
                     _timeout(config.get("timeout_s", DEFAULT_TIMEOUT_S)))


def _url(value: object) -> URL:
    try:
        url = make_url(value) if isinstance(value, str) else None
    except (ArgumentError, ValueError):  # its text would show the URL
        url = None
    if url is not None and url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url is None or url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise _wrong("url", "must be a database URL: sqlite:////folder/file.db or postgresql://user:password@host/name")
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise _wrong("url", "must name the database's file: sqlite:////folder/file.db")
    return url


def _timeout(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MAX_TIMEOUT_S:
        raise _wrong("timeout_s", f"must be a number of seconds from 1 to {MAX_TIMEOUT_S:.0f}")
    return float(value)


def _members(value: object) -> sa.TextClause | sa.Select:
    if isinstance(value, Mapping):
        return _select_from(value)
    if not isinstance(value, str) or not value.lstrip().lower().startswith(("select", "with")):
        raise _wrong("members", "must be a SELECT that names its columns remote_id and email (and, if there are any, "
                                "do_not_email, interests, deleted), or an object that names a table and its columns")
    statement = _text("members", value)
    if statement.compile().params:
        raise _wrong("members", r"takes no :parameters; write \: for a colon inside of a quoted text")
    return statement


def _select_from(value: Mapping[str, object]) -> sa.Select:
    _only(value, TABLE_KEYS, "members.")
    for key in ("table", "remote_id", "email"):
        if key not in value:
            raise _wrong(f"members.{key}", "is missing; name the table and the columns remote_id and email")
    names = {key: _identifier(f"members.{key}", name) for key, name in value.items()}
    columns = [sa.column(names[key]).label(key) for key in COLUMNS if key in names]
    return sa.select(*columns).select_from(sa.table(names["table"], schema=names.get("schema")))


def _identifier(key: str, value: object) -> quoted_name:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise _wrong(key, "must be the name of a table or column")
    return quoted_name(value, quote=True)


def _writeback(value: object) -> dict[str, sa.TextClause]:
    if not isinstance(value, Mapping) or UNSUBSCRIBE not in value:
        raise _wrong("writeback", "must be an object with at least the statement 'unsubscribe': opt-outs are always "
                                  "written back")
    _only(value, KINDS, "writeback.")
    return {kind: _write_statement(f"writeback.{kind}", text) for kind, text in value.items()}


def _write_statement(key: str, text: object) -> sa.TextClause:
    if not isinstance(text, str) or not text.strip():
        raise _wrong(key, "must be an SQL statement such as UPDATE members SET no_mail = 1 WHERE id = :remote_id")
    statement = _text(key, text)
    used = set(statement.compile().params)
    unknown = sorted(used - set(PARAMETERS))
    if unknown:
        raise _wrong(key, f"uses the unknown parameter :{unknown[0]}; known are "
                          f"{', '.join(':' + name for name in PARAMETERS)}")
    if "remote_id" not in used:
        raise _wrong(key, "must say whom it means: use :remote_id")
    return statement


def _text(key: str, text: str) -> sa.TextClause:
    if ";" in text.rstrip().rstrip(";") or "\0" in text:
        raise _wrong(key, "must be one SQL statement without ';'")
    return sa.text(text.rstrip().rstrip(";"))


def _only(config: Mapping[str, object], known: tuple[str, ...], prefix: str) -> None:
    for key in config:
        if key not in known:
            names = ", ".join(prefix + name for name in known)
            raise _wrong(f"{prefix}{key}", f"is not a known key; known are {names}")


def _wrong(key: str, problem: str) -> GatewayError:
    return GatewayError("INVALID_VALUE", f"The bridge's configuration: {key} {problem}.", field=key)
