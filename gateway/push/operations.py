"""What does a route take, need and answer? One declaration that guards the route and describes it (PUSH-105).

::

    @made.post("/interests")
    @operation("PUSH-37", "Make an interest", scope="import", body=INTEREST_DRAFT, answer=INTEREST,
               codes=("ALREADY_EXISTS",), writes=True, example={"name": "News"})
    def create() -> Response:
        given = INTEREST_DRAFT.read("", read_json().value)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from flask import Flask

from gateway.push import query
from gateway.push.auth import require
from gateway.push.query import Parameter
from gateway.push.schemas.kinds import Kind

View = TypeVar("View", bound=Callable[..., Any])
MARK = "gateway_operation"

USUAL = ("NOT_AUTHENTICATED", "TOO_MANY_REQUESTS", "UNAVAILABLE", "INTERNAL_ERROR", "INVALID_REQUEST",
         "MALFORMED_REQUEST")
"""Codes that every route with a key can answer: a parameter that is not one, a body that breaks off."""

WITH_PARAMETERS = ("INVALID_CHARACTER", "INVALID_VALUE", "INVALID_DATE")
WITH_PAGES = ("INVALID_TOKEN",)
WITH_ID = ("NOT_FOUND",)
WITH_BODY = ("TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
WITH_WRITES = ("IDEMPOTENCY_CONFLICT", "IN_PROGRESS", "INVALID_VALUE")


@dataclass(frozen=True, slots=True)
class Operation:
    """The declaration of one route; see :func:`operation` for the members."""

    rule: str
    summary: str
    answer: Kind | None
    scope: str | None = None
    key: bool = True
    parameters: tuple[Parameter, ...] = ()
    body: Kind | None = None
    body_types: Mapping[str, Kind | None] = field(default_factory=dict)
    body_needed: bool = True
    status: int | None = 200
    statuses: tuple[int, ...] = ()
    answer_types: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    writes: bool = False
    example: Any = None
    about: str = ""

    def answer_about(self, status: int) -> str:
        """What an answer of this status says."""
        words = {202: "The job was accepted.", 422: "Understood, but every record failed."}
        return words.get(status, "Understood." if self.writes else "What was asked for.")

    def all_codes(self, path: str) -> frozenset[str]:
        """Every code of the catalogue with which this route at ``path`` may refuse a request."""
        found = set(self.codes)
        if self.key:
            found.update(USUAL)
        if self.scope:
            found.add("NOT_ALLOWED")
        if self.parameters:
            found.update(WITH_PARAMETERS)
        if any(each.name == "after" for each in self.parameters):
            found.update(WITH_PAGES)
        if "<" in path:
            found.update(WITH_ID)
        if self.body is not None or self.body_types:
            found.update(WITH_BODY)
        if self.writes:
            found.update(WITH_WRITES)
        return frozenset(found)


def operation(rule: str, summary: str, *, answer: Kind | None, scope: str | None = None, key: bool = True,
              parameters: tuple[Parameter, ...] = (), body: Kind | None = None,
              body_types: Mapping[str, Kind | None] | None = None, body_needed: bool = True, status: int | None = 200,
              statuses: tuple[int, ...] = (), answer_types: tuple[str, ...] = (), codes: tuple[str, ...] = (),
              writes: bool = False, example: Any = None, about: str = "") -> Callable[[View], View]:
    """Declares a route; stands between ``@made.get(path)`` and the function.

    Before the function runs, the key's ``scope`` is required, every parameter of the URL must be declared, and the
    declared ones are read: ``query.given(name)`` has them. The body stays the function's own to read, with the same
    ``body.read``. What else is declared describes: ``answer`` with ``status`` (other statuses with the same shape in
    ``statuses``), ``answer_types`` beside JSON, ``body_types`` where the body is not JSON alone, ``codes`` beyond what
    the other members imply (see :meth:`Operation.all_codes`), ``writes`` for routes that take an Idempotency-Key,
    ``example`` a body that a test really sends. ``key`` False: the route is open. ``status`` None: it only refuses.
    """
    made = Operation(rule, summary, answer, scope, key, parameters, body, body_types or {}, body_needed, status,
                     statuses, answer_types, codes, writes, example, about)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if scope:
                require(scope)
            if key:
                query.read(parameters)
            return view(*args, **kwargs)

        setattr(guarded, MARK, made)
        return guarded  # type: ignore[return-value]

    return decorate


def declaration(app: Flask, endpoint: str | None) -> Operation | None:
    """What the route of this endpoint declares; None for no route and for one that declares nothing."""
    return getattr(app.view_functions.get(endpoint or ""), MARK, None)


def operations(app: Flask) -> Iterator[tuple[str, str, Operation | None]]:
    """(method, path, declaration) of every route of ``app``, by path; None for a route that declares nothing."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: each.rule):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule.rule, declaration(app, rule.endpoint)
