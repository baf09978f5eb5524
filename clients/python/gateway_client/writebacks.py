"""What happened at the gateway and your system should know: fetch it, then say what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gateway_client import convert
from gateway_client.connection import MAX_RECORDS, Connection, chunks
from gateway_client.models import Acknowledgement, BatchResult, Writeback


class Writebacks(Connection):
    """The calls for a system that cannot be called itself."""

    def find_writebacks(self, *, integration: str | None = None, state: str | None = None) -> Iterator[Writeback]:
        """What is to be written now, oldest first, page by page; or, with ``state``, all that is in this state.

        Of each person there is the oldest: acknowledge, then ask again until nothing comes. Collect what comes before
        you acknowledge, or acknowledge as you go: both are safe.
        """
        return map(convert.writeback, self._pages("FindWritebacks", integration=integration, state=state))

    def ack_writebacks(self, acknowledgements: Iterable[Acknowledgement], *,
                       integration: str | None = None) -> BatchResult:
        """Tells what became of them in calls of 1,000; ``updated`` counts what is new, and a repetition is harmless."""
        results = []
        for number, chunk in enumerate(chunks(acknowledgements)):
            answer = self._call("AckWritebacks", integration=integration, ack=[_ack(each) for each in chunk])
            results.append(convert.batch(answer, offset=number * MAX_RECORDS))
        return convert.total(results)


def _ack(each: Acknowledgement) -> dict[str, Any]:
    said = {"writebackId": each.writeback_id, "status": "Done" if each.done else "Failed"}
    return said if each.message is None else said | {"message": each.message}
