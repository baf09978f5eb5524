"""Does the mail that leaves verify in the eyes of a stranger, and what happens without a key? (SEND-43)"""

from __future__ import annotations

import dkim as stranger
import pytest

from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.services import brandsettings, dkim, mailings, senderwork

DOMAIN = "assoc.org"


def add_key(house, selector, algorithm="rsa", domain=DOMAIN, brand_id=1):
    with house.unit(system_actor(brand_id, "cli")) as unit:
        dkim.add(unit, domain, selector, algorithm)
        return dkim.activate(unit, domain, selector, None)


def verified(data, *keys):
    """What dkimpy says of each signature, with these keys in its DNS."""
    records = {f"{key.name}.".encode(): key.record.encode() for key in keys}
    checker = stranger.DKIM(data)
    return [checker.verify(index, dnsfunc=lambda name, timeout=5: records.get(name))
            for index in range(data.lower().count(b"dkim-signature:"))]


def send(house, email="ann@example.net", **changes):
    house.add_person(email, email, values={"FirstName": "Ann  Ä\t👩‍👩‍👧 "})
    instance_id = house.send(from_address=f"news@mail.{DOMAIN}", interests=(email,), **changes)
    assert house.states(instance_id) == {email: "accepted"}


def test_what_the_mail_server_gets_verifies(house, sink):
    """SEND-42, SEND-43: signed by the keys of the domain above From's, whatever is in the message."""
    keys = add_key(house, "rsa1"), add_key(house, "ed1", "ed25519")
    add_key(house, "other", domain="other.org")
    send(house, html="<p>Dear {{ FirstName }}</p>\n   <p>\t. </p>\n.\n\n\n", text="Hello  {{ FirstName }} \n\n.\n\n")
    [message] = sink.messages
    assert verified(message.data, *keys) == [True, True]
    assert b"d=assoc.org; s=rsa1" in message.data and b"other" not in message.data.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("ahead_bytes", [0, 3_000])
def test_messages_made_ahead_or_in_their_turn_are_the_same(house, sink, monkeypatch, ahead_bytes):
    """SEND-43: whichever thread signs, everybody gets a message of their own, once, and it verifies."""
    monkeypatch.setattr(senderwork, "AHEAD_BYTES", ahead_bytes)
    key = add_key(house, "ed1", "ed25519")
    people = [f"p{n:02}@example.net" for n in range(40)]
    house.add_people(people)
    instance_id = house.send(from_address=f"news@{DOMAIN}", text="To {{ email }}")
    assert house.states(instance_id) == dict.fromkeys(people, "accepted")
    assert sorted(message.envelope_to[0] for message in sink.messages) == people
    for message in sink.messages:
        assert verified(message.data, key) == [True]
        assert b"\r\nTo: %b\r\n" % message.envelope_to[0].encode() in message.data


def test_a_new_key_signs_from_the_next_message_on(house, sink):
    """SEND-43, rotation: no moment without a signature."""
    old = add_key(house, "a")
    send(house)
    new = add_key(house, "b")
    send(house, "bob@example.net")
    first, second = sink.messages
    assert verified(first.data, old) == verified(second.data, new) == [True]


def test_nobody_signs_with_the_key_of_another_brand(house, sink):
    """Two brands may even send from one domain: each with its own keys."""
    add_key(house, "a", brand_id=2)
    send(house)
    assert b"DKIM-Signature" not in sink.messages[0].data


@pytest.mark.parametrize(("word", "warned", "refused"), [("warn", True, False), ("relay", False, False),
                                                         ("require", True, True)])
def test_without_a_key(house, word, warned, refused):
    """SEND-43: a warning, or refusal by setting."""
    with house.unit(system_actor(1, "cli")) as unit:
        brandsettings.change(unit, {"dkim": word})
        view = mailings.create(unit, house.draft(from_address=f"news@{DOMAIN}", interests=()))
        assert [problem.field for problem in view.warnings] == ["fromAddress"] * warned
    house.add_interest()
    with house.unit(house.actor()) as unit:
        mailing_id = mailings.create(unit, house.draft(from_address=f"news@{DOMAIN}")).mailing_id
    if refused:
        with pytest.raises(GatewayError, match="gateway dkim add") as caught, house.unit(house.actor()) as unit:
            mailings.send(unit, mailing_id)
        assert (caught.value.code, caught.value.field) == ("STATE_CONFLICT", "fromAddress")
        add_key(house, "a")
    with house.unit(house.actor()) as unit:
        assert mailings.send(unit, mailing_id).state == "scheduled"


def test_domains_for_examples_need_no_key(house):
    """RFC 2606: nobody would look."""
    with house.unit(house.actor()) as unit:
        assert mailings.create(unit, house.draft(interests=())).warnings == ()
