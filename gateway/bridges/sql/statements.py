"""Is a configured text one SQL statement with the parameters that it may have?"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.sql.elements import quoted_name

from gateway.bridges.checks import PARAMETERS, only, word, wrong
from gateway.domain.writeback import FIELD_CHANGED


def select(key: str, value: object, what: str, parameters: tuple[str, ...] = ()) -> sa.TextClause:
    """A query with no other than these parameters. Raises ``INVALID_VALUE``, saying ``what`` it has to be."""
    if not isinstance(value, str) or not value.lstrip().lower().startswith(("select", "with")):
        raise wrong(key, f"must be a SELECT {what}")
    statement = _text(key, value)
    for name in parameters_of(statement):
        if name not in parameters:
            takes = f"takes :{' and :'.join(parameters)} only" if parameters else "takes no :parameters"
            raise wrong(key, rf"{takes}; write \: for a colon inside of a quoted text")
    return statement


def select_from(key: str, value: Mapping[str, object], known: tuple[str, ...], required: tuple[str, ...],
                more: tuple[quoted_name, ...] = ()) -> sa.Select:
    """The query of a table whose columns are named by ``known``, and of ``more`` columns. Raises ``INVALID_VALUE``."""
    only(value, ("table", "schema", *known), f"{key}.")
    for each in ("table", *required):
        if each not in value:
            raise wrong(f"{key}.{each}", f"is missing; name the table and the columns {' and '.join(required)}")
    names = {each: identifier(f"{key}.{each}", name) for each, name in value.items()}
    columns = [sa.column(names[each]).label(each) for each in known if each in names]
    return sa.select(*columns, *(sa.column(each) for each in more)).select_from(
        sa.table(names["table"], schema=names.get("schema")))


def identifier(key: str, value: object) -> quoted_name:
    """The name of a table or column, always quoted. Raises ``INVALID_VALUE``."""
    return quoted_name(word(key, value, "the name of a table or column"), quote=True)


def write_statement(key: str, text: object) -> sa.TextClause:
    """A statement that writes one fact about ``:remote_id``. Raises ``INVALID_VALUE``."""
    statement, used = _with_facts(key, text, "an SQL statement such as UPDATE members SET no_mail = 1 WHERE id = "
                                             ":remote_id")
    if "remote_id" not in used:
        raise wrong(key, "must say whom it means: use :remote_id")
    if key == f"writeback.{FIELD_CHANGED}" and "field" not in used:
        raise wrong(key, "must say which field it means: use :field, or give an object with a statement for each field")
    return statement


def field_statements(key: str, value: Mapping[str, object]) -> dict[str, sa.TextClause]:
    """The statement of each of our fields. Raises ``INVALID_VALUE``."""
    if not value:
        raise wrong(key, "must have a statement for at least one of our fields")
    return {word(key, name, "the name of one of our fields"): write_statement(f"{key}.{name}", text)
            for name, text in value.items()}


def repeated_query(text: object) -> sa.TextClause:
    """The query that finds a writeback which is written already. Raises ``INVALID_VALUE``."""
    what = "a SELECT that finds what was written, such as SELECT 1 FROM opt_outs WHERE writeback_id = :writeback_id"
    statement, used = _with_facts("repeated", text, what)
    if not statement.text.lstrip().lower().startswith(("select", "with")):
        raise wrong("repeated", f"must be {what}")
    if "writeback_id" not in used:
        raise wrong("repeated", "must say which writeback it means: use :writeback_id")
    return statement


def parameters_of(statement: sa.Executable) -> set[str]:
    """The names of its parameters."""
    return set(statement.compile().params)  # type: ignore[attr-defined]


def _with_facts(key: str, text: object, what: str) -> tuple[sa.TextClause, set[str]]:
    if not isinstance(text, str) or not text.strip():
        raise wrong(key, f"must be {what}")
    statement = _text(key, text)
    used = parameters_of(statement)
    unknown = sorted(used - set(PARAMETERS))
    if unknown:
        raise wrong(key, f"uses the unknown parameter :{unknown[0]}; known are "
                          f"{', '.join(':' + name for name in PARAMETERS)}")
    return statement, used


def _text(key: str, text: str) -> sa.TextClause:
    if ";" in text.rstrip().rstrip(";") or "\0" in text:
        raise wrong(key, "must be one SQL statement without ';'")
    return sa.text(text.rstrip().rstrip(";"))
