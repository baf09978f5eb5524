"""The life of a mailing over HTTP: review, publication with every choice, pause, doubts, files (PUSH-38..40)."""

import base64
import dataclasses
import threading

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import delivery
from gateway.domain.accounts import system_actor
from gateway.services import brandsettings, sending
from tests.push.test_mailings import make
from tests.support.smtp_sink import SmtpSink


@pytest.fixture
def sink(door):
    with SmtpSink() as running:
        door.gateway.settings = dataclasses.replace(door.gateway.settings, smtp_url=f"smtp://127.0.0.1:{running.port}")
        yield running


@pytest.fixture
def path(call):
    """The address of a draft to one person."""
    call.post("/subscribers?interest=News", json=[{"email": "ann@example.org"}])
    return f"/mailings/{make(call)['mailingId']}"


def test_pause_resume_cancel(call, other, path):
    """PUSH-40: on the one unfinished instance or on ?instance=; each answers state and counts, and may be repeated."""
    planned = call.post(f"{path}/schedule", json={"sendAtLocal": "2099-06-01T09:00", "timeZone": "Europe/Berlin",
                                                  "spreadOver": 7200}).json
    assert (planned["sendAt"], planned["spreadOver"]) == ("2099-06-01T07:00:00.000Z", 7200)
    for _ in range(2):
        paused = call.post(f"{path}/pause").json
        assert (paused["state"], paused["pausedFrom"], paused["counts"]) == ("paused", "scheduled", {})
    for url in (f"{path}/resume", f"{path}/resume?instance={planned['instanceId']}"):
        assert call.post(url).json["state"] == "scheduled"
    for step in ("pause", "resume", "cancel"):
        assert other.post(f"{path}/{step}").status_code == 404
    key = {"Idempotency-Key": "k"}
    assert call.post(f"{path}/cancel", headers=key).json["replayed"] is False
    assert call.post(f"{path}/cancel", headers=key).json["replayed"] is True
    for step in ("pause", "resume"):
        answer = call.post(f"{path}/{step}?instance={planned['instanceId']}")
        assert (answer.status_code, answer.json["code"]) == (409, "STATE_CONFLICT") and "cancelled" in answer.text


@pytest.mark.parametrize(("body", "code", "field"), [
    ({"sendAtLocal": "2099-06-01T09:00", "sendAt": "2099-06-01T09:00:00Z"}, "INVALID_REQUEST", "sendAt"),
    ({}, "INVALID_REQUEST", "sendAt"), ({"sendAtLocal": "tomorrow"}, "INVALID_DATE", "sendAtLocal"),
    ({"sendAtLocal": "2099-06-01T09:00", "timeZone": "Mars"}, "INVALID_VALUE", "timeZone"),
    ({"sendAt": "2099-06-01T09:00:00Z", "spreadOver": "PT"}, "INVALID_VALUE", "spreadOver"),
    ({"sendAt": "2099-06-01T09:00:00Z", "audience": "failed"}, "INVALID_REQUEST", "again"),
    ({"sendAt": "2099-06-01T09:00:00Z", "audience": "all", "again": True}, "INVALID_VALUE", "audience")])
def test_schedule_refuses(call, path, body, code, field):
    """PUSH-39: each slip is named, and nothing is published."""
    answer = call.post(f"{path}/schedule", json=body)
    assert (answer.json["code"], answer.json["field"]) == (code, field)
    assert call.get(path).json["instances"] == []


def test_audiences_and_doubts(call, other, path, door, sink):
    """SEND-4, SEND-24: who would get it again; what is in doubt is decided, the figures follow."""
    instance_id = call.post(f"{path}/send").json["instanceId"]
    sending.run_instance(door.gateway, 1, int(instance_id))
    assert call.get(f"{path}/audience").json["recipients"] == 1
    assert call.get(f"{path}/audience?audience=never_received").json["leftOut"] == {"received_before": 1}
    assert other.get(f"{path}/audience").status_code == 404
    with door.gateway.unit(system_actor(1)) as unit:
        unit.connection.execute(sa.update(delivery).values(state="in_doubt"))
        row = unit.connection.scalar(sa.select(delivery.c.id))
    assert call.get(f"{path}/report").json["inDoubt"] == 1
    for body in ({"decision": "resend"}, {"decision": "resend", "all": True, "deliveries": [str(row)]}):
        assert call.post(f"{path}/doubts", json=body).json["code"] == "INVALID_REQUEST"
    assert other.post(f"{path}/doubts", json={"decision": "resend", "all": True}).status_code == 404
    answer = call.post(f"{path}/doubts", json={"decision": "count_as_sent", "deliveries": [str(row)]}).json
    assert (answer["decided"], answer["instance"]["counts"]) == (1, {"accepted": 1})
    assert call.post(f"{path}/doubts", json={"decision": "resend", "all": True, "instance": instance_id}).json[
        "decided"] == 0


def test_submit(call, path, door):
    """SEND-2: a key may ask for approval; where nothing is reviewed, that is said."""
    assert call.post(f"{path}/submit").status_code == 409
    with door.gateway.unit(system_actor(1)) as unit:
        brandsettings.change(unit, {"review": "true"})
    assert call.post(f"{path}/submit").json["state"] == "in_review"
    assert call.post(f"{path}/send").json["code"] == "STATE_CONFLICT"
    assert call("PATCH", path, json={"subject": "Other"}).json["state"] == "draft"
    assert call.get("/mailings?state=in_review").json["items"] == []


def test_files(call, path, sink):
    """PUSH-38: files come with the draft or later, as base64; listed without their bytes; in test copies, too."""
    data = base64.b64encode(b"1. Welcome").decode()
    agenda = {"name": "agenda.txt", "contentType": "text/plain"}
    given = call("PATCH", path, json={"files": [{**agenda, "data": data}]}).json["files"]
    assert given == [{**agenda, "sizeBytes": 10}]
    assert call("PATCH", path, json={"subject": "Other"}).json["files"][0]["sizeBytes"] == 10
    call.post(f"{path}/test", json={"addresses": ["me@example.org"]})
    assert b"agenda.txt" in sink.messages[0].data
    for files, code in (([{"name": "a.txt", "data": "%%"}], "INVALID_VALUE"),
                        ([{"name": "../a.txt", "data": data}], "INVALID_CHARACTER"),
                        ([{"name": "a", "data": data}] * 21, "LIMIT_EXCEEDED"), ([{"name": "a"}], "INVALID_REQUEST")):
        assert call("PATCH", path, json={"files": files}).json["code"] == code
    made = make(call, files=[{"name": "b.bin", "data": data}])
    assert made["files"][0]["contentType"] == "application/octet-stream"
    assert "files" not in call("PATCH", f"/mailings/{made['mailingId']}", json={"files": []}).json


def test_test_copies_with_one_key_at_once_are_sent_once(call, path, sink):
    """PUSH-73: the key is reserved before the first copy leaves."""
    at_once, answers = threading.Barrier(4), []

    def test():
        at_once.wait()
        answers.append(call.post(f"{path}/test", json={"addresses": ["me@example.org"]},
                                 headers={"Idempotency-Key": "k"}))

    threads = [threading.Thread(target=test) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sink.messages) == 1
    assert {answer.json.get("code", "done") for answer in answers} <= {"done", "IN_PROGRESS"}
    assert call.post(f"{path}/test", json={"addresses": ["me@example.org"]},
                     headers={"Idempotency-Key": "k"}).json["replayed"] is True
