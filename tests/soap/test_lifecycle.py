"""Review, publication with every choice, pause, files and doubts over both SOAP versions (SOAP-58..60, SEND-2..5)."""

import datetime as dt
import threading
from email import message_from_bytes

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import delivery
from gateway.domain.accounts import system_actor
from gateway.services import brandsettings, sending
from tests.soap.door import Door, Refused
from tests.soap.test_mailings import DRAFT, refused_code, with_member
from tests.support.smtp_sink import SmtpSink


@pytest.fixture
def news(any_door, version):
    """A door with an interest and one member in it."""
    any_door.version = version
    return with_member(any_door)


@pytest.fixture
def small(door):
    """As ``news``, on SQLite and SOAP 1.1 alone."""
    return with_member(door)


def choose(door, **wanted):
    with door.gateway.unit(system_actor(1)) as unit:
        brandsettings.change(unit, wanted)


def extras(answer):
    return {each.name: each.value for each in answer.extra}


def test_publish_pause_resume_cancel(news):
    """SOAP-59, SOAP-60: what was chosen is shown; each step answers state and counts, and may be repeated."""
    made = news.call("CreateMailing", **DRAFT)
    planned = news.call("PublishMailing", mailingId=made.mailingId, sendAtLocal="2099-06-01T09:00",
                        timeZone="Europe/Berlin", spreadOver="PT4H", notAfter=dt.datetime(2099, 7, 1, tzinfo=dt.UTC))
    assert (planned.state, planned.sendAt) == ("scheduled", dt.datetime(2099, 6, 1, 7, tzinfo=dt.UTC))
    assert extras(planned) == {"spreadOver": "14400"}
    which = {"instanceId": planned.instanceId}
    for _ in range(2):
        paused = news.call("PauseMailing", **which)
        assert (paused.state, extras(paused)["pausedFrom"]) == ("paused", "scheduled")
    for _ in range(2):
        assert news.call("ResumeMailing", **which).state == "scheduled"
    for key in ("k", "k"):
        assert news.call("CancelMailing", clientRequestId=key, **which).state == "cancelled"
    for step in ("PauseMailing", "ResumeMailing"):
        with pytest.raises(Refused, match="cancelled") as refused:
            news.call(step, **which)
        assert refused.value.code == "STATE_CONFLICT"
        assert refused_code(news, step, brand=2, **which) == "NOT_FOUND"
    again = news.call("PublishMailing", mailingId=made.mailingId, again=True, audience="never_received")
    assert (again.state, extras(again)["audience"]) == ("scheduled", "never_received")
    counted = news.call("CountAudience", mailingId=made.mailingId, audience="not_opened")
    assert (counted.recipients, [(each.reason, each.count) for each in counted.leftOut]) == (0, [("not_received", 1)])


@pytest.mark.parametrize(("members", "code", "field"), [
    ({"spreadOver": "soon"}, "INVALID_VALUE", "spreadOver"), ({"spreadOver": "30"}, "INVALID_VALUE", "spreadOver"),
    ({"audience": "failed"}, "INVALID_REQUEST", "again"), ({"timeZone": "UTC"}, "INVALID_REQUEST", "sendAt"),
    ({"sendAtLocal": "9 o'clock"}, "INVALID_DATE", "sendAtLocal"),
    ({"sendAtLocal": "2099-06-01T09:00", "timeZone": "Mars"}, "INVALID_VALUE", "timeZone"),
    ({"sendAtLocal": "2001-06-01T09:00"}, "INVALID_VALUE", "sendAt")])
def test_publish_refuses(small, members, code, field):
    """SOAP-59: each slip is named, and nothing is published."""
    made = small.call("CreateMailing", **DRAFT)
    with pytest.raises(Refused) as refused:
        small.call("PublishMailing", mailingId=made.mailingId, **members)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert small.call("GetMailing", mailingId=made.mailingId).instance == []


def test_the_window_is_shown(small, clock):
    """SEND-5: when it goes on."""
    choose(small, sendWindow="mon 08:00-09:00", timeZone="Europe/Berlin")
    made = small.call("CreateMailing", **DRAFT)
    assert extras(small.call("PublishMailing", mailingId=made.mailingId))["opensAt"] == "2026-01-19T07:00:00.000Z"


def test_review(small):
    """SEND-2: a sender submits, an administrator decides."""
    choose(small, review="true")
    made = small.call("CreateMailing", **DRAFT)
    which = {"mailingId": made.mailingId}
    assert refused_code(small, "SendMailing", **which) == "STATE_CONFLICT"
    assert small.call("SubmitMailing", **which).state == "in_review"
    assert refused_code(small, "ApproveMailing", **which) == "NOT_ALLOWED"
    assert refused_code(small, "RejectMailing", **which) == "NOT_ALLOWED"
    rejected = small.call("RejectMailing", user="admin", note="No.", **which)
    assert (rejected.state, extras(rejected)) == ("draft", {"reviewedBy": "user:admin", "reviewNote": "No."})
    small.call("SubmitMailing", **which)
    assert small.call("ApproveMailing", user="admin", **which).state == "approved"
    assert small.call("SendMailing", **which).state == "scheduled"


def test_files(small):
    """Attachments and images: all at once, listed without their bytes, locked with the mailing, seen in the message."""
    made = small.call("CreateMailing", **{**DRAFT, "html": '<p><img src="cid:logo"></p>'})
    which = {"mailingId": made.mailingId}
    files = [{"name": "agenda.txt", "contentType": "text/plain", "data": b"1. Welcome"},
             {"name": "logo.png", "contentType": "image/png", "contentId": "logo", "data": b"\x89PNG"}]
    stored = small.call("SetMailingFiles", file=files, **which)
    assert [(each.name, each.contentType, each.contentId, each.sizeBytes) for each in stored.file] == [
        ("agenda.txt", "text/plain", None, 10), ("logo.png", "image/png", "logo", 4)]
    assert [each.value for each in small.call("GetMailing", **which).extra] == ["agenda.txt", "logo.png"]
    with pytest.raises(Refused) as refused:
        small.call("SetMailingFiles", file=[{"name": "", "data": b"x"}], **which)
    assert (refused.value.code, refused.value.field) == ("INVALID_VALUE", "file")
    for data in ("%%%", "=", "aGVsbG8"):
        body = (f"<g:SetMailingFiles><g:mailingId>{made.mailingId}</g:mailingId><g:file><g:name>a.txt</g:name>"
                f"<g:data>{data}</g:data></g:file></g:SetMailingFiles>")
        told = small.refusal(small.post(body))
        assert (told.field, told.code) in (("SetMailingFiles/file/data", "INVALID_VALUE"),
                                           ("SetMailingFiles/file/data", "INVALID_REQUEST")), data
    assert len(small.call("SetMailingFiles", file=files[:1], **which).file) == 1
    small.call("SendMailing", **which)
    assert refused_code(small, "SetMailingFiles", file=files, **which) == "STATE_CONFLICT"
    assert refused_code(small, "SetMailingFiles", brand=2, file=files, **which) == "NOT_FOUND"


def test_doubts(sqlite_url, tmp_path, clock):
    """SEND-24: shown by FindDeliveries, decided singly or together; the figures follow."""
    with SmtpSink() as sink:
        door = with_member(Door(sqlite_url, clock=clock, data_dir=tmp_path, smtp_url=sink.url))
        clock.advance(seconds=1)
        made = door.call("CreateMailing", **DRAFT)
        instance = door.call("SendMailing", mailingId=made.mailingId)
        sending.run_instance(door.gateway, 1, int(instance.instanceId))
        with door.gateway.unit(system_actor(1)) as unit:
            unit.connection.execute(sa.update(delivery).values(state="in_doubt"))
        clock.advance(seconds=1)
        [held] = door.call("FindDeliveries", instanceId=instance.instanceId, state=["in_doubt"]).item
        which = {"instanceId": instance.instanceId, "decision": "resend"}
        for members in ({}, {"deliveryId": [held.deliveryId], "all": True}):
            assert refused_code(door, "DecideInDoubt", **which, **members) == "INVALID_REQUEST"
        assert refused_code(door, "DecideInDoubt", brand=2, all=True, **which) == "NOT_FOUND"
        decided = door.call("DecideInDoubt", deliveryId=[held.deliveryId], **which)
        assert (decided.decided, decided.instance.state) == (1, "sending")
        sending.run_instance(door.gateway, 1, int(instance.instanceId))
        assert len(sink.messages) == 2
        first, second = (message_from_bytes(each.data)["Message-ID"] for each in sink.messages)
        assert first == second
        assert door.call("DecideInDoubt", all=True, **which).decided == 0
        door.world.close()


@pytest.mark.parametrize("url", ["sqlite_url", "postgresql_url"])
def test_test_copies_with_one_key_at_once_are_sent_once(request, url, tmp_path, clock):
    """SOAP-72: the key is reserved before the first copy leaves; whoever comes meanwhile is told so."""
    with SmtpSink() as sink:
        door = with_member(Door(request.getfixturevalue(url), clock=clock, data_dir=tmp_path, smtp_url=sink.url))
        made = door.call("CreateMailing", **DRAFT)
        header = door.user("sender")
        body = (f"<g:SendTestMailing><g:clientRequestId>k</g:clientRequestId><g:mailingId>{made.mailingId}"
                "</g:mailingId><g:address>me@example.org</g:address></g:SendTestMailing>")
        at_once, answers = threading.Barrier(4), []

        def call():
            at_once.wait()
            answers.append(door.post(body))

        assert header
        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(sink.messages) == 1
        told = [answer.status_code if answer.status_code == 200 else door.refusal(answer).code for answer in answers]
        assert set(told) <= {200, "IN_PROGRESS"} and 200 in told
        assert b"<value>true</value>" in door.post(body).data, "replayed"
        door.world.close()


def test_refused_test_copies_leave_the_key_free(small):
    """SOAP-72: what was refused may be tried again under the same key."""
    assert refused_code(small, "SendTestMailing", clientRequestId="k", mailingId="99", address=["a@example.org"]) == (
        "NOT_FOUND")
    assert refused_code(small, "SendTestMailing", clientRequestId="k", mailingId="98", address=["a@example.org"]) == (
        "NOT_FOUND")
