"""Records in a file of their own format: is nothing lost on the way? (SOAP-41)"""

import pytest

from gateway.domain.records import Problem, SubscriberRecord
from gateway.formats import inline
from gateway.formats.encoding import MAX_LINE, lines

RECORDS = [
    SubscriberRecord(),
    SubscriberRecord("", ""),
    SubscriberRecord(" 007 ", "Änn@Example.org", {"City": "Köln\n\"B\"", "Phone": None, "Title": ""}, ("A", "B"),
                     ("C",), False),
    SubscriberRecord(do_not_email=True, values={"": "", "\u2028": "\u2028"}),
    SubscriberRecord("K-1", problem=Problem("INVALID_VALUE", "The field is given twice; send it once.", "City")),
    SubscriberRecord(problem=Problem("INVALID_VALUE", "No.")),
]


@pytest.mark.parametrize("record", RECORDS)
def test_what_is_written_is_read_again(record):
    written = inline.write(record)
    assert written.count(b"\n") == 1
    assert list(inline.read(lines([written.decode()]))) == [record]


def test_a_record_that_is_too_long_keeps_its_place():
    """PUSH-5: the others are not touched by it."""
    text = "".join(inline.write(each).decode() for each in (
        RECORDS[1], SubscriberRecord("1", values={"City": "x" * MAX_LINE}), RECORDS[2]))
    first, long, last = inline.read(lines([text]))
    assert (first, last) == (RECORDS[1], RECORDS[2])
    assert long.problem.code == "FIELD_TOO_LONG"
