"""Does a client of the WSDL get its writebacks, and may it say what became of them? (SOAP-66, SOAP-67)"""

import pytest

from gateway.domain.accounts import system_actor
from gateway.domain.records import Identifier, StatusEntry
from gateway.domain.writeback import FIELD_CHANGED, PULLED
from gateway.services import integrations, suppression
from tests.soap.door import Refused
from tests.support.fieldchanges import change_field


@pytest.fixture
def owed(door):
    """Two brands, each with an integration ``ams`` that fetches; Ann unsubscribed in both."""
    for brand in (1, 2):
        made = door.world.integration("ams", brand_id=brand)
        with door.gateway.unit(system_actor(brand)) as unit:
            integrations.set_pulls(unit, made, PULLED)
        door.call("ImportSubscribers", user="admin", brand=brand, mode="Add", integration="ams", record=[
            {"remoteId": f"{brand}7", "email": "ann@example.org"},
            {"remoteId": f"{brand}8", "email": "bo@example.org"}])
        door.call("Unsubscribe", brand=brand, entry=[{"email": "ann@example.org", "reason": "by phone"},
                                                     {"email": "bo@example.org"}])
    door.world.clock.advance(seconds=1)
    return door


def find(door, **members):
    door.world.clock.advance(seconds=1)
    return door.call("FindWritebacks", user="admin", integration="ams", **members)


def ack(door, *acks, brand=1, **members):
    return door.call("AckWritebacks", user="admin", brand=brand, integration="ams", ack=[
        dict(zip(("writebackId", "status", "message"), each, strict=False)) for each in acks], **members)


def test_find_and_acknowledge(owed, version):
    """SOAP-66, SOAP-67: page by page, each with its result; twice is unchanged."""
    owed.version = version
    first = find(owed, pageSize=1)
    [ann] = first.item
    assert (ann.integration, ann.kind, ann.state, ann.remoteId, ann.email, ann.origin, ann.reason, ann.tries) == (
        "ams", "unsubscribe", "ready", "17", "ann@example.org", "api", "by phone", 0)
    assert (ann.nextAt, ann.finishedAt, ann.message) == (None, None, None)
    [bo] = find(owed, pageSize=1, pageToken=first.nextToken).item
    answer = ack(owed, (ann.writebackId, "Done"), (bo.writebackId, "Failed", "no such member"), ("x1", "Done"))
    assert (answer.overall, answer.updated, answer.failed) == ("Partial", 2, 1)
    assert [(each.status, each.remoteId, each.code, each.extra[0].name, each.extra[0].value)
            for each in answer.result] == [
        ("updated", "17", None, "writebackId", ann.writebackId), ("updated", "18", None, "writebackId",
                                                                   bo.writebackId),
        ("failed", None, "NOT_FOUND", "writebackId", "x1")]
    again = ack(owed, (ann.writebackId, "Done"), (bo.writebackId, "Failed"))
    assert (again.overall, again.unchanged) == ("OK", 2)
    assert find(owed).item == []
    [refused] = find(owed, state="error").item
    assert (refused.writebackId, refused.tries, refused.message, refused.nextAt is None) == (
        bo.writebackId, 1, "no such member", False)


def test_a_repeated_call_gets_the_first_answer(owed):
    """SOAP-72: with a clientRequestId the stored answer comes."""
    [ann, _] = find(owed).item
    first, again = (ack(owed, (ann.writebackId, "Done"), clientRequestId="night-1") for _ in range(2))
    assert (first.updated, again.updated, again.replayed) == (1, 1, True)


def test_another_brands_are_not_there(owed):
    """SOAP-18: neither seen nor acknowledged."""
    other = owed.call("FindWritebacks", user="admin", brand=2, integration="ams").item
    assert [each.remoteId for each in other] == ["27", "28"]
    assert [each.remoteId for each in find(owed).item] == ["17", "18"]
    assert ack(owed, *((each.writebackId, "Done") for each in other)).failed == 2
    assert len(owed.call("FindWritebacks", user="admin", brand=2, integration="ams").item) == 2


@pytest.mark.parametrize(("operation", "members", "user", "code"), [
    ("FindWritebacks", {}, "sender", "NOT_ALLOWED"),
    ("AckWritebacks", {"ack": [{"writebackId": "1", "status": "Done"}]}, "reader", "NOT_ALLOWED"),
    ("FindWritebacks", {"state": "waiting"}, "admin", "INVALID_VALUE"),
    ("FindWritebacks", {"integration": "none"}, "admin", "NOT_FOUND"),
    ("FindWritebacks", {"pageToken": "x"}, "admin", "INVALID_TOKEN"),
    ("AckWritebacks", {"ack": [{"writebackId": "1", "status": "Done"}] * 1001}, "admin", "TOO_MANY_RECORDS")])
def test_refusals(door, operation, members, user, code):
    """SOAP-18, SOAP-68, SOAP-75: as of all operations."""
    with pytest.raises(Refused) as caught:
        door.call(operation, user=user, **members)
    assert caught.value.code == code


def test_only_the_two_words_are_statuses(door):
    """SOAP-26: a closed set."""
    answer = door.post("<g:AckWritebacks><g:ack><g:writebackId>1</g:writebackId><g:status>done</g:status></g:ack>"
                       "</g:AckWritebacks>", user="admin")
    told = door.refusal(answer)
    assert (told.code, "Done" in told.message, "Failed" in told.message) == ("INVALID_REQUEST", True, True)


def test_a_dead_one_is_seen_tried_again_and_closed(owed):
    """ID-60: over SOAP as at the shell; by the system's own user, who may do nothing of an administrator."""
    own = {"user": "integration"}
    owed.world.actor("ams")

    def say(status, *found):
        return ack(owed, *((each, status) for each in found))

    ids = [each.writebackId for each in find(owed).item]
    for _ in range(3):
        assert say("Failed", *ids).failed == 0
        owed.world.clock.advance(minutes=31)
    assert [each.writebackId for each in find(owed, state="failed").item] == ids
    answer = owed.call("RetryWriteback", user="admin", integration="ams", writebackId=ids[0])
    assert (answer.writebackId, answer.state) == (ids[0], "ready")
    assert owed.call("CloseWriteback", user="admin", integration="ams", writebackId=ids[1]).state == "closed"
    assert [(each.writebackId, each.tries) for each in find(owed).item] == [(ids[0], 0)]
    for refused, code in (({"writebackId": ids[1], "integration": "ams"}, "STATE_CONFLICT"),
                          ({"writebackId": "x", "integration": "ams"}, "NOT_FOUND"),
                          ({"writebackId": ids[0]}, "NOT_FOUND")):
        with pytest.raises(Refused) as caught:
            owed.call("RetryWriteback", user="admin", **refused)
        assert caught.value.code == code
    for operation in ("RetryWriteback", "CloseWriteback"):
        with pytest.raises(Refused) as caught:
            owed.call(operation, user="admin", brand=2, integration="ams", writebackId=ids[0])
        assert caught.value.code == "NOT_FOUND", "another brand's"
        with pytest.raises(Refused) as caught:
            owed.call(operation, user="sender", writebackId=ids[0])
        assert caught.value.code == "NOT_ALLOWED"
    with pytest.raises(Refused) as caught:
        owed.call("RetryWriteback", integration="ams", writebackId=ids[0], **own)
    assert caught.value.code == "NOT_ALLOWED", "another integration's"


def test_a_systems_own_user_fetches_and_settles_its_own(door):
    """SOAP-18, ID-63: the role integration; a sender still may not."""
    with door.gateway.unit(system_actor(1)) as unit:
        integrations.set_pulls(unit, integrations.get_by_name(unit, "api").integration_id, PULLED)
    door.call("ImportSubscribers", mode="Add", record=[{"remoteId": "17", "email": "ann@example.org"}])
    door.call("Unsubscribe", user="integration", entry=[{"email": "ann@example.org"}])
    door.world.clock.advance(seconds=1)
    assert door.call("FindWritebacks", user="integration").item == [], "its own call tells it nothing"
    with door.gateway.unit(system_actor(1)) as unit:
        suppression.resubscribe(unit, [StatusEntry(Identifier(email="ann@example.org"), "by phone")])
    door.world.clock.advance(seconds=1)
    [row] = door.call("FindWritebacks", user="integration").item
    done = [{"writebackId": row.writebackId, "status": "Done"}]
    with pytest.raises(Refused) as caught:
        door.call("AckWritebacks", user="sender", ack=done)
    assert caught.value.code == "NOT_ALLOWED"
    assert door.call("AckWritebacks", user="integration", ack=done).updated == 1
    with pytest.raises(Refused) as caught:
        door.call("FindWritebacks", user="integration", integration="other")
    assert caught.value.code == "NOT_ALLOWED"


def test_activity_and_changed_fields_are_told_in_extra(door):
    """ID-56, ID-57: the published type stays; what is new is in extra."""
    with door.gateway.unit(system_actor(1)) as unit:
        made = integrations.get_by_name(unit, "api").integration_id
        integrations.set_pulls(unit, made, (*PULLED, FIELD_CHANGED))
    answer = door.call("ImportSubscribers", mode="Add", record=[{"remoteId": "17", "email": "ann@example.org"}])
    with door.gateway.unit(system_actor(1)) as unit:
        change_field(unit, int(answer.result[0].subscriberId), "Frequency", "weekly")
    door.world.clock.advance(seconds=1)
    [row] = door.call("FindWritebacks", user="admin").item
    assert (row.kind, {each.name: each.value for each in row.extra}) == (
        "field_changed", {"field": "Frequency", "value": "weekly"})


def test_a_mailing_says_whether_its_activity_is_written_back(door):
    """ID-57: from now on, in whatever state it is; over SOAP the answer's extra says so."""
    door.call("ImportSubscribers", mode="Add", interest=["News"], record=[{"email": "ann@example.org"}])
    made = door.call("CreateMailing", name="m", subject="s", fromAddress="club@example.org", html="<p>x</p>",
                     interest=["News"])
    for wanted, told in ((True, ["true"]), (False, [])):
        answer = door.call("SetMailingActivity", mailingId=made.mailingId, writeActivity=wanted)
        assert [each.value for each in answer.extra or () if each.name == "writeActivity"] == told
    with pytest.raises(Refused) as caught:
        door.call("SetMailingActivity", brand=2, mailingId=made.mailingId, writeActivity=True)
    assert caught.value.code == "NOT_FOUND"
