"""Test copies: they do not wait, and one of unknown outcome goes out once more (SEND-4, SEND-24, SEND-37)."""

import base64
from email import message_from_bytes

from gateway.domain.files import MailingFile
from gateway.services import mailings, testcopies


def test_a_copy_of_unknown_outcome_is_sent_once_more_as_the_same_message(house, sink):
    """SEND-24: transactional mail is resent with the same Message-ID, once; then its author is told."""
    mailing_id = house.create()
    [lost] = testcopies.send_tests(house.gateway, house.actor(), mailing_id, ["drop-after-dot@example.org"])
    assert lost.status == "failed"
    ids = [message_from_bytes(each.data)["Message-ID"] for each in sink.messages]
    assert len(ids) == 2 and ids[0] == ids[1]
    [taken] = testcopies.send_tests(house.gateway, house.actor(), mailing_id, ["me@example.org"])
    assert taken.status == "accepted" and len(sink.messages) == 3


def test_copies_and_previews_carry_the_files(house, sink):
    """A mailing's files are in what its author looks at, and no instance or figure comes of it (SEND-4)."""
    house.add_interest()
    with house.unit() as unit:
        made = mailings.create(unit, house.draft(files=(MailingFile("a.txt", "text/plain", b"agenda" * 500),)))
    testcopies.send_tests(house.gateway, house.actor(), made.mailing_id, ["me@example.org"])
    assert base64.b64encode(b"agenda" * 9) in sink.messages[0].data
    with house.reading() as unit:
        assert mailings.preview(unit, made.mailing_id).size_bytes > 4000
        assert mailings.get(unit, made.mailing_id).instances == ()
    with house.unit() as unit:
        assert [each.name for each in mailings.update(unit, made.mailing_id, {"name": "x"}).files] == ["a.txt"]
        assert mailings.update(unit, made.mailing_id, {"files": ()}).files == ()
