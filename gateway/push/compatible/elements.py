"""What do the routes of the compatible face share: the array that comes, the answer that goes? (PUSH-15, PUSH-27)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from gateway.domain.contactinfo import Contact
from gateway.domain.records import FAILED, MAX_SYNC_RECORDS, BatchReport, Outcome, Problem
from gateway.errors import GatewayError
from gateway.push import shapes
from gateway.push.answers import BASE

Json = dict[str, Any]
UNDERSTOOD, ALL_FAILED = 200, 422


def array_of(value: Any) -> list[Any]:
    """The elements of the body; raises ``INVALID_REQUEST`` unless it is an array, ``TOO_MANY_RECORDS`` for its size."""
    if not isinstance(value, list):
        raise GatewayError("INVALID_REQUEST", "The body is a JSON array of objects, also for a single one: [{...}].")
    if len(value) > MAX_SYNC_RECORDS:
        raise GatewayError("TOO_MANY_RECORDS", f"One call takes at most {MAX_SYNC_RECORDS} elements; {len(value)} "
                                               f"came. Send them in several calls, or as a file to {BASE}/imports.")
    return value


def in_words_of(contact: Contact, outcome: Outcome) -> Outcome:
    """The outcome with its fields named as they stand in the element; what was found in reading it is so already."""
    read = (contact.record.problem, *contact.record.warnings)

    def named(problem: Problem) -> Problem:
        path = None if problem.field is None or problem in read else contact.paths.get(problem.field)
        return problem if path is None else replace(problem, field=path)

    return replace(outcome, problem=None if outcome.problem is None else named(outcome.problem),
                   warnings=tuple(map(named, outcome.warnings)))


def answer(report: BatchReport, results: Sequence[Json], name_of: Callable[[Json], str], detail: str,
           ) -> tuple[int, Json]:
    """Status and body of the answer. ``results``: one for each outcome of the untrimmed ``report``.

    422 when every element failed, for callers look at the status alone (PUSH-83); the body is the same and says the
    code of the first failure as well. ``errorMessage`` can be read on its own: it names the first element that failed
    by ``name_of`` its result (PUSH-100, PUSH-101).
    """
    failed = [each for each in results if each["status"] == FAILED]
    shown = {"All": results, "Failures": failed}.get(detail, ())
    made = {**shapes.batch(report), "errorMessage": _error_message(failed, len(results), name_of),
            "results": list(shown)}
    if not failed or len(failed) < len(results):
        return UNDERSTOOD, made
    return ALL_FAILED, {**made, "code": failed[0]["code"], "retryable": False}


def _error_message(failed: Sequence[Json], received: int, name_of: Callable[[Json], str]) -> str:
    if not failed:
        return ""
    first = failed[0]
    field = f" at {first['field']}" if first.get("field") else ""
    return (f"{len(failed)} of {received} records failed; the first is record {first['index']}"
            f"{name_of(first)}: {first['code']}{field}. {first.get('message', '')}")


def echoed(result: Json, member: str, value: str | None) -> Json:
    """The result with what the caller calls the element, right behind its place (PUSH-28)."""
    given: Iterable[tuple[str, Any]] = [] if value is None else [(member, value)]
    return {"index": result["index"], **dict(given), **result}
