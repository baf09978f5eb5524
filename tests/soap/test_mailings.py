"""The mailings noun over both SOAP versions. (SOAP-54..60)"""

import datetime as dt

import pytest

from tests.soap.door import Door, Refused
from tests.support.smtp_sink import SmtpSink

DRAFT = {"name": "March", "subject": "Hello", "fromName": "The Club", "fromAddress": "club@example.org",
         "html": "<p>Hello, 1 High Street</p>", "text": "Hello", "interest": ["News"], "trackClicks": False,
         "folder": "2026"}


@pytest.fixture
def news(any_door, version):
    """A door with an interest and one member in it."""
    any_door.version = version
    return with_member(any_door)


@pytest.fixture
def small(door):
    """As ``news``, on SQLite and SOAP 1.1 alone."""
    return with_member(door)


def with_member(door):
    door.call("ImportSubscribers", mode="AddOrUpdate", interest=["News"],
              record=[{"remoteId": "K-1", "email": "ann@example.org"}])
    return door


def refused_code(door, operation, **members):
    with pytest.raises(Refused) as refused:
        door.call(operation, **members)
    return refused.value.code


def test_create_get_find_update(news, clock):
    """SOAP-54..56: what was sent comes back."""
    made = news.call("CreateMailing", **DRAFT)
    assert made.state == "draft" and made.instance == []
    assert {name: made[name] for name in DRAFT} == DRAFT
    assert (made.trackOpens, made.includeOrphans, made.replyTo) == (True, False, None)
    clock.advance(seconds=1)
    assert news.call("GetMailing", mailingId=made.mailingId).subject == "Hello"
    changed = news.call("UpdateMailing", mailingId=made.mailingId, subject="Hello again", trackClicks=True)
    assert (changed.subject, changed.trackClicks, changed.name, changed.interest) == (
        "Hello again", True, "March", ["News"])
    clock.advance(seconds=1)
    assert [each.mailingId for each in news.call("FindMailings", state="draft", name="March").item] == [made.mailingId]
    assert news.call("FindMailings", state="released").item == []
    assert news.call("FindMailings", brand=2).item == []


def test_an_empty_text_clears_in_an_update(small):
    """SOAP-55: what is left out stays, what is empty goes."""
    made = small.call("CreateMailing", **DRAFT)
    body = (f"<g:UpdateMailing><g:mailingId>{made.mailingId}</g:mailingId><g:fromName/><g:excludeInterest/><g:folder/>"
            "</g:UpdateMailing>")
    assert small.post(body).status_code == 200
    left = small.call("GetMailing", mailingId=made.mailingId)
    assert (left.fromName, left.folder, left.text, left.interest) == (None, None, "Hello", ["News"])


def test_preview(news):
    """SOAP-57."""
    made = news.call("CreateMailing", **DRAFT)
    for who in (None, {"remoteId": "K-1"}):
        seen = news.call("PreviewMailing", mailingId=made.mailingId, identifier=who)
        assert (seen.subject, seen.recipients) == ("Hello", 1) and "Hello" in seen.html and seen.sizeBytes > 0


def test_schedule_send_again_cancel(news, clock):
    """SOAP-59, SOAP-60: a repeated call never mails twice."""
    made = news.call("CreateMailing", **DRAFT)
    at = clock() + dt.timedelta(hours=1)
    planned = news.call("ScheduleMailing", mailingId=made.mailingId, sendAt=at, notAfter=at + dt.timedelta(hours=2))
    assert (planned.state, planned.sendAt, planned.mailingId) == ("scheduled", at, made.mailingId)
    assert refused_code(news, "SendMailing", mailingId=made.mailingId) == "STATE_CONFLICT"
    assert refused_code(news, "ScheduleMailing", mailingId=made.mailingId, sendAt=at) == "STATE_CONFLICT"
    clock.advance(seconds=1)
    again = news.call("SendMailing", mailingId=made.mailingId, again=True)
    assert again.instanceId != planned.instanceId
    assert news.call("CancelMailing", instanceId=planned.instanceId).state == "cancelled"
    assert news.call("CancelMailing", instanceId=planned.instanceId).state == "cancelled"
    shown = news.call("GetMailing", mailingId=made.mailingId)
    assert [each.instanceId for each in shown.instance] == [again.instanceId, planned.instanceId]
    assert refused_code(news, "UpdateMailing", mailingId=made.mailingId, name="x") == "STATE_CONFLICT"


def test_a_schedule_in_the_past(small, clock):
    """SOAP-59: more than five minutes ago."""
    made = small.call("CreateMailing", **DRAFT)
    with pytest.raises(Refused) as refused:
        small.call("ScheduleMailing", mailingId=made.mailingId, sendAt=clock() - dt.timedelta(minutes=6))
    assert (refused.value.code, refused.value.field) == ("INVALID_VALUE", "sendAt")
    assert small.call("GetMailing", mailingId=made.mailingId).instance == []
    small.call("ScheduleMailing", mailingId=made.mailingId, sendAt=clock() - dt.timedelta(minutes=4))


@pytest.mark.parametrize("text", ["2026-02-01T09:00:00", "2026-02-01T09:00:00.1234567"])
def test_an_instant_without_offset(small, text):
    """SOAP-29: named with its field."""
    made = small.call("CreateMailing", **DRAFT)
    body = (f"<g:ScheduleMailing><g:mailingId>{made.mailingId}</g:mailingId><g:sendAt>{text}</g:sendAt>"
            "</g:ScheduleMailing>")
    told = small.refusal(small.post(body))
    assert (told.code, told.field) == ("INVALID_DATE", "sendAt")
    assert small.post(body.replace(text, text + "+02:00")).status_code == 200


def test_ids_of_another_brand_or_of_nothing(small):
    """SOAP-18."""
    made = small.call("CreateMailing", **DRAFT)
    sent = small.call("SendMailing", mailingId=made.mailingId)
    for brand, mailing_id, instance_id in ((2, made.mailingId, sent.instanceId), (1, "999", "999"), (1, "x", "-1")):
        for operation in ("GetMailing", "UpdateMailing", "PreviewMailing", "SendMailing"):
            assert refused_code(small, operation, brand=brand, mailingId=mailing_id) == "NOT_FOUND"
        assert refused_code(small, "CancelMailing", brand=brand, instanceId=instance_id) == "NOT_FOUND"


@pytest.mark.parametrize("member, value, code", [
    ("fromAddress", "no address", "INVALID_EMAIL"), ("subject", "", "INVALID_REQUEST"),
    ("html", " ", "INVALID_REQUEST"),
    ("name", "x" * 256, "FIELD_TOO_LONG"), ("subject", "a\nBcc: b@example.org", "INVALID_CHARACTER"),
    ("interest", ["Unknown"], "LIST_UNKNOWN")])
def test_a_bad_draft(small, member, value, code):
    """SOAP-54: each with field and reason, nothing stored."""
    with pytest.raises(Refused) as refused:
        small.call("CreateMailing", **{**DRAFT, member: value})
    assert (refused.value.code, refused.value.field) == (code, member)
    small.world.clock.advance(seconds=1)
    assert small.call("FindMailings").item == []


def test_test_copies(sqlite_url, tmp_path, clock):
    """SOAP-58: a result for each address, no instance."""
    with SmtpSink() as sink:
        door = Door(sqlite_url, clock=clock, data_dir=tmp_path, smtp_url=sink.url)
        with_member(door)
        made = door.call("CreateMailing", **DRAFT)
        result = door.call("SendTestMailing", mailingId=made.mailingId, identifier={"remoteId": "K-1"},
                           address=["me@example.org", "bounce-5xx@example.org", "no address"])
        assert [each.status for each in result.copy] == ["accepted", "refused", "failed"]
        assert result.copy[2].code == "INVALID_EMAIL" and result.requestId
        assert len(sink.wait_for(1)) == 1
        assert door.call("GetMailing", mailingId=made.mailingId).instance == []
        assert refused_code(door, "SendTestMailing", mailingId=made.mailingId,
                            address=["a@example.org"] * 21) == "INVALID_REQUEST"
        door.world.close()
