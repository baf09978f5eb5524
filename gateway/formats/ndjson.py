"""How does a file with one JSON object a line become records? (PUSH-57)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.domain.mapping import record_of
from gateway.domain.records import Problem, SubscriberRecord
from gateway.formats.encoding import MAX_LINE, UNDECODABLE, TooLong
from gateway.formats.json import JsonProblem, loads

_TOO_LONG = Problem("FIELD_TOO_LONG", f"The line is longer than {MAX_LINE} characters.")
_UNDECODABLE = Problem("INVALID_CHARACTER", "The line holds bytes that the file's character set does not know.")


def read(lines: Iterable[str]) -> Iterator[SubscriberRecord]:
    """The records of the lines, in flat memory; empty lines are passed over.

    A line that cannot be read is a record with a ``problem``, of the code of PUSH-5 or PUSH-59: nothing raises.
    """
    for number, line in enumerate(lines, start=1):
        if type(line) is TooLong:
            yield SubscriberRecord(problem=_TOO_LONG, line=number)
        elif UNDECODABLE in line:
            yield SubscriberRecord(problem=_UNDECODABLE, line=number)
        elif not line.isspace():
            yield _record(line, number)


def _record(line: str, number: int) -> SubscriberRecord:
    try:
        return record_of(loads(line), number)
    except JsonProblem as problem:
        return SubscriberRecord(problem=Problem("INVALID_VALUE", str(problem)), line=number)
