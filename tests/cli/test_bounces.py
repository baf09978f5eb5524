"""Does an operator find what nobody understood, read it, and have it looked at again? (SEND-53)"""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from gateway import app
from gateway.db.models.transport import inbound_mail
from gateway.domain.accounts import system_actor
from gateway.services import health, inbound
from gateway.services.jobs import JobStore
from tests.support.returnedmail import Sent

MAILS = ("person-writes", "spam", "vacation-english")


@pytest.fixture
def gateway(branded):
    """Brand 9999, two mails in quarantine and one that was ignored."""
    made = app.open_gateway()
    sent = Sent(made.keys, 9999, 7, 3, "ann@example.com")
    for name in MAILS:
        data = sent.mail(name)
        inbound.receive(made, "lmtp", "", f"postmaster@{sent.domain}", data, len(data))
    for number in range(1, 4):
        inbound.process(made, 0, number)
    yield made
    made.close()


def ask(typed, *arguments, code=0):
    found, out, err = typed("bounces", *arguments, "--json")
    assert found == code, err
    return json.loads(out)


def test_what_is_in_quarantine(branded, gateway):
    """The newest first, with the reason; other states by name; as words and as JSON."""
    mails = ask(branded, "list")["mails"]
    assert [(mail["mail_id"], mail["kind"], mail["state"]) for mail in mails] == [
        (2, "other", "quarantined"), (1, "other", "quarantined")]
    assert mails[0]["reason"].startswith("no report") and mails[0]["received_at"].endswith("Z")
    assert [mail["mail_id"] for mail in ask(branded, "list", "--limit", "1")["mails"]] == [2]
    assert [mail["kind"] for mail in ask(branded, "list", "--state", "ignored")["mails"]] == ["auto_reply"]
    assert ask(branded, "count") == {"new": 0, "done": 0, "ignored": 1, "quarantined": 2}
    code, out, _err = branded("bounces", "list")
    assert code == 0 and len(out.splitlines()) == 2
    assert branded("bounces", "list", "--state", "new")[1] == "No mail is new.\n"


def test_one_mail(branded, gateway):
    """Its headers and words, and all of its bytes."""
    found = ask(branded, "show", "1")
    assert found["headers"]["Subject"] == "Re: News for January" and "Room 550" in found["text"]
    assert "Room 550" in branded("bounces", "show", "1")[1]
    assert branded("bounces", "show", "1", "--raw")[1].startswith("From: A Person <ann@example.com>")
    assert branded("bounces", "show", "4")[0] == 1


def test_looking_again(branded, gateway):
    """By id, or all of the quarantine; they are new, and rung for. One that is not there: none is."""
    assert ask(branded, "reprocess", "1", "9", code=1)["error"]["code"] == "NOT_FOUND"
    assert ask(branded, "count")["new"] == 0
    assert ask(branded, "reprocess", "3")["mails"] == 1
    assert ask(branded, "reprocess", "--all")["mails"] == 2
    assert ask(branded, "count") == {"new": 3, "done": 0, "ignored": 0, "quarantined": 0}
    assert branded("bounces", "reprocess")[0] == 2
    assert branded("bounces", "show", str(2**63))[0] == 2  # a number that no database knows is a mistake, no crash
    assert JobStore(gateway.engine).counts()["inbound"].waiting == 6  # three when they came, three now
    with gateway.reading(system_actor(0)) as unit:
        assert set(unit.connection.scalars(sa.select(inbound_mail.c.tries))) == {0}


def test_the_doctor_and_the_metrics(gateway):
    """What nobody understood lately is worth a look; the numbers are there for machines."""
    check = next(check for check in health.doctor(gateway) if check.name == "bounces")
    assert not check.ok and "2 of them in the last week" in check.detail
    assert health.metrics(gateway)["gateway_inbound_mails", "state", "quarantined"] == 2
