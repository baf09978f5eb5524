"""Which operations does the writebacks noun have? (SOAP-66, SOAP-67)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.domain.writeback import CLOSED, READY
from gateway.services import mailings, writebackfeeds, writebacks
from gateway.services.gateway import Unit
from gateway.soap import convert
from gateway.soap.encode import Values
from gateway.soap.operation import FIND, WRITE, operation
from gateway.soap.types.mailings import Mailing
from gateway.soap.types.subscribers import BatchResult
from gateway.soap.types.writebacks import (
    AckWritebacksRequest,
    CloseWritebackRequest,
    FindWritebacksRequest,
    RetryWritebackRequest,
    SetMailingActivityRequest,
    WritebackDecided,
    WritebackPage,
)


@operation("FindWritebacks", FindWritebacksRequest, WritebackPage, way=FIND, right="writeback")
def find_writebacks(unit: Unit, request: Any) -> Values:
    """Lists what your system should know of what happened here, in pages, oldest first.

    A writeback stays until it is acknowledged; of each person the oldest comes first and the next when that is
    settled, so ask again until the list is empty.
    """
    feed = writebackfeeds.find(unit, convert.page_request(request), state=request.state,
                               integration=request.integration)
    return convert.page(feed.page, lambda row: convert.writeback(row, feed.integration), unit.actor.request_id)


@operation("AckWritebacks", AckWritebacksRequest, BatchResult, way=WRITE, right="writeback")
def ack_writebacks(unit: Unit, request: Any) -> Values:
    """Tells what became of up to 1,000 writebacks in your system: updated counts what this call settled or refused.

    Harmless if repeated: what was said before is unchanged. The extra writebackId of a result says which it is about.
    """
    report = writebackfeeds.acknowledge(unit, [convert.acknowledgement(each) for each in request.ack],
                                        request.integration)
    values = convert.batch(report)
    values["result"] = [{**convert.outcome(each), "extra": convert.extra(
        writebackId=request.ack[each.index].writebackId)} for each in report.outcomes]
    return values


@operation("RetryWriteback", RetryWritebackRequest, WritebackDecided, way=WRITE, right="writeback")
def retry_writeback(unit: Unit, request: Any) -> Values:
    """Offers a failed writeback again, or writes it again where we write; it has all its tries once more.

    Find failed ones with FindWritebacks and the state failed. Another state is refused with STATE_CONFLICT.
    """
    return _decided(unit, request, writebackfeeds.retry, READY)


@operation("CloseWriteback", CloseWritebackRequest, WritebackDecided, way=WRITE, right="writeback")
def close_writeback(unit: Unit, request: Any) -> Values:
    """Closes a writeback that will not be written; later ones of the person may go. One that is settled is refused
    with STATE_CONFLICT."""
    return _decided(unit, request, writebackfeeds.dismiss, CLOSED)


@operation("SetMailingActivity", SetMailingActivityRequest, Mailing, way=WRITE, right="send")
def set_mailing_activity(unit: Unit, request: Any) -> Values:
    """Says whether systems that take it are told who got, opened and clicked a mailing and whose copy came back.

    It counts from now on. The answer's extra has writeActivity while it is so.
    """
    mailing_id = convert.row_id(request.mailingId, "mailingId")
    writebacks.set_activity(unit, mailing_id, bool(request.writeActivity))
    return convert.mailing(mailings.get(unit, mailing_id))


def _decided(unit: Unit, request: Any, act: Callable[[Unit, int, str | None], None], state: str) -> Values:
    writeback_id = convert.row_id(request.writebackId, "writebackId")
    act(unit, writeback_id, request.integration)
    return {"writebackId": str(writeback_id), "state": state, "requestId": unit.actor.request_id}


OPERATIONS = (find_writebacks, ack_writebacks, retry_writeback, close_writeback, set_mailing_activity)
