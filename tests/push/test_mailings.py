"""Mailings, their report and the feed of events, down to a real SMTP server."""

import csv
import dataclasses
import io

import pytest

from gateway.services import sending
from tests.support.smtp_sink import SmtpSink

DRAFT = {"name": "March", "subject": "News for {{FirstName}}", "fromName": "Us", "fromAddress": "us@example.org",
         "html": "<p>Hello</p>", "text": "Hello", "interests": ["News"]}


@pytest.fixture
def sink(door):
    with SmtpSink() as running:
        door.gateway.settings = dataclasses.replace(door.gateway.settings, smtp_url=f"smtp://127.0.0.1:{running.port}")
        yield running


@pytest.fixture
def people(call):
    call.post("/subscribers?interest=News", json=[{"email": "ann@example.org"}, {"email": "bo@example.org"},
                                                 {"email": "cy@example.org"}])
    call.post("/subscribers/unsubscribe", json=[{"email": "cy@example.org"}])


def make(call, **changes):
    answer = call.post("/mailings", json={**DRAFT, **changes})
    assert answer.status_code == 200, answer.json
    return answer.json


def test_whether_its_activity_is_written_back(call, people):
    """ID-57: not unless somebody says so, when it is made or later."""
    assert make(call)["writeActivity"] is False
    made = make(call, writeActivity=True)
    assert made["writeActivity"] is True
    changed = call("PATCH", f"/mailings/{made['mailingId']}", json={"subject": "Other"}).json
    assert changed["writeActivity"] is True
    assert call("PATCH", f"/mailings/{made['mailingId']}", json={"writeActivity": False}).json["writeActivity"] is False


def test_make_look_change(call, people, other, door):
    """PUSH-38: members as in SOAP-54; PATCH changes what it names, null clears; another brand sees nothing."""
    made = make(call, replyTo="replies@example.org")
    assert (made["state"], made["name"], made["interests"], made["trackOpens"]) == ("draft", "March", ["News"], True)
    assert made["createdAt"] == "2026-01-15T12:00:00.000Z"
    path = f"/mailings/{made['mailingId']}"
    changed = call("PATCH", path, json={"subject": "Other", "replyTo": None, "trackClicks": "False"}).json
    assert (changed["subject"], "replyTo" in changed, changed["trackClicks"], changed["name"]) == (
        "Other", False, False, "March")
    assert call.get(path).json["subject"] == "Other"
    door.world.clock.advance(seconds=1)
    assert [each["mailingId"] for each in call.get("/mailings?state=draft").json["items"]] == [made["mailingId"]]
    assert call.get("/mailings?state=released").json["items"] == []
    assert other.get(path).status_code == other("PATCH", path, json={"name": "x"}).status_code == 404
    assert other.get("/mailings").json["items"] == []
    for step in ("send", "cancel", "preview"):
        assert other.post(f"{path}/{step}").status_code == 404
    assert other.post(f"{path}/test", json={"addresses": ["a@example.org"]}).status_code == 404


def test_lists_named_as_in_soap(call, people):
    """PUSH-38: SOAP's element is called interest; the JSON list may be, too."""
    draft = {name: value for name, value in DRAFT.items() if name != "interests"}
    assert call.post("/mailings", json={**draft, "interest": ["News"]}).json["interests"] == ["News"]


def test_texts_are_read_kindly(call, people):
    """PUSH-9: an integer is text in a command too, and so is the id of a person."""
    assert call.post("/mailings", json={**DRAFT, "subject": 2026}).json["subject"] == "2026"
    mailing = call.post("/mailings", json=DRAFT).json["mailingId"]
    person = call.post("/subscribers", json=[{"email": "ann@example.org"}]).json["results"][0]["subscriberId"]
    for who in (person, int(person)):
        assert call.post(f"/mailings/{mailing}/preview", json={"subscriberId": who}).status_code == 200


@pytest.mark.parametrize(("changes", "status", "code", "field"), [
    ({"subjet": "x"}, 400, "INVALID_REQUEST", "subjet"), ({"subject": None}, 400, "INVALID_REQUEST", "subject"),
    ({"subject": 1.5}, 400, "INVALID_VALUE", "subject"), ({"subject": "a\u0000b"}, 400, "INVALID_CHARACTER", "subject"),
    ({"subject": "a\nb"}, 400, "INVALID_CHARACTER", "subject"), ({"name": "x" * 256}, 400, "FIELD_TOO_LONG", "name"),
    ({"fromAddress": "nobody"}, 400, "INVALID_EMAIL", "fromAddress"), ({"fromAddress": ""}, 400, "INVALID_REQUEST",
                                                                      "fromAddress"),
    ({"interests": "News"}, 400, "INVALID_VALUE", "interests"),
    ({"interests": [{}]}, 400, "INVALID_VALUE", "interests"),
    ({"interests": ["Nothing"]}, 422, "LIST_UNKNOWN", "interests"),
    ({"trackOpens": "perhaps"}, 400, "INVALID_VALUE", "trackOpens")])
def test_bad_drafts(call, people, door, changes, status, code, field):
    """A draft is refused as a whole, with the member at fault."""
    answer = call.post("/mailings", json={**DRAFT, **changes})
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (status, code, field)
    assert door.count("mailing") == 0


def test_preview_and_test_copies(call, people, sink):
    """PUSH-38, PUSH-39: the message and its audience as of now; marked copies that count nowhere."""
    path = f"/mailings/{make(call)['mailingId']}"
    preview = call.post(f"{path}/preview").json
    assert (preview["recipients"], preview["leftOut"]) == (2, {"unsubscribed": 1})
    assert call.post(f"{path}/preview", json={"email": "missing@example.org"}).json["code"] == "NOT_FOUND"
    copies = call.post(f"{path}/test", json={"addresses": ["me@example.org", "nobody"]}).json
    assert [each["status"] for each in copies["results"]] == ["accepted", "failed"]
    assert len(sink.messages) == 1
    for addresses in ([], ["a@example.org"] * 21, "a@example.org"):
        assert call.post(f"{path}/test", json={"addresses": addresses}).json["code"] == "INVALID_VALUE"
    key = {"Idempotency-Key": "t-1"}
    first, again = (call.post(f"{path}/test", json={"addresses": ["me@example.org"]}, headers=key).json for _ in "12")
    assert again == first | {"replayed": True}
    assert len(sink.messages) == 2


def test_send_report_events(call, people, sink, door, other):
    """PUSH-39, PUSH-41, PUSH-42, SEND-59: the same figures and rates as JSON and CSV; no gap in the feed."""
    mailing = make(call)
    sent = call.post(f"/mailings/{mailing['mailingId']}/send").json
    assert sent["state"] == "scheduled"
    sending.run_instance(door.gateway, 1, int(sent["instanceId"]))
    assert sorted(message.envelope_to[0] for message in sink.messages) == ["ann@example.org", "bo@example.org"]
    report = call.get(f"/mailings/{mailing['mailingId']}/report").json
    assert (report["targeted"], report["leftOut"], report["leftOutByReason"], report["sent"], report["delivered"]) == (
        3, 1, {"unsubscribed": 1}, 2, 2)
    assert report["targeted"] == report["leftOut"] + report["pending"] + report["inDoubt"] + report["sent"] + report[
        "cancelled"]
    assert report["rates"]["delivered"] == [2, 2]
    one = call.get(f"/mailings/{mailing['mailingId']}/report?instance={sent['instanceId']}")
    assert one.json["sent"] == 2
    table = call.get(f"/mailings/{mailing['mailingId']}/report", headers={"Accept": "text/csv"})
    rows = {row["figure"]: row for row in csv.DictReader(io.StringIO(table.text))}
    assert table.mimetype == "text/csv" and rows["leftOut:unsubscribed"]["number"] == "1"
    assert {name: row["number"] for name, row in rows.items() if ":" not in name} == {
        name: str(number) for name, number in report.items() if name in rows}
    assert {name.partition(":")[2]: [int(row["number"]), int(row["of"])] for name, row in rows.items()
            if name.startswith("rate:")} == report["rates"]
    assert other.get(f"/mailings/{mailing['mailingId']}/report").status_code == 404
    door.world.clock.advance(seconds=1)
    feed = call.get("/events?type=sent&type=unsubscribed&limit=2").json
    rest = call.get("/events", query_string={"type": ["sent", "unsubscribed"], "limit": 2, "after": feed["next"]}).json
    assert sorted(each["type"] for each in feed["items"] + rest["items"]) == ["sent", "sent", "unsubscribed"]
    assert "next" not in rest
    event = [each for each in feed["items"] + rest["items"] if each["type"] == "sent"][0]
    assert (event["mailingId"], event["instanceId"]) == (mailing["mailingId"], sent["instanceId"])
    assert event["recordedAt"].endswith("Z")
    assert call.get("/events", query_string={"since": feed["asOf"]}).json["items"] == []
    assert other.get("/events").json["items"] == []


@pytest.mark.parametrize("how", ["body", "query"])
def test_a_second_send_needs_again(call, people, how):
    """PUSH-39, PUSH-81: 409 without again; with it, another instance."""
    path = f"/mailings/{make(call)['mailingId']}"
    first = call.post(f"{path}/send").json["instanceId"]
    answer = call.post(f"{path}/send")
    assert (answer.status_code, answer.json["code"]) == (409, "STATE_CONFLICT")
    again = call.post(f"{path}/send", json={"again": True}) if how == "body" else call.post(f"{path}/send?again=true")
    assert again.json["instanceId"] != first
    assert call.post(f"{path}/send?again=true", json={"again": True}).json["code"] == "INVALID_REQUEST"
    assert len(call.get(path).json["instances"]) == 2
    assert call("PATCH", path, json={"subject": "late"}).json["code"] == "STATE_CONFLICT"


@pytest.mark.parametrize(("body", "code", "field"), [
    ({}, "INVALID_REQUEST", "sendAt"), ({"sendAt": "2026-01-15T11:54:00Z"}, "INVALID_VALUE", "sendAt"),
    ({"sendAt": "9999-12-31T23:59:59Z"}, "INVALID_VALUE", "sendAt"),
    ({"sendAt": "2026-02-30T00:00:00Z"}, "INVALID_DATE", "sendAt"), ({"sendAt": 5}, "INVALID_DATE", "sendAt"),
    ({"sendAt": "2026-01-16T12:00:00"}, "INVALID_DATE", "sendAt"),
    ({"sendAt": "2026-01-16T12:00:00Z", "notAfter": "2026-01-16T11:00:00Z"}, "INVALID_VALUE", "notAfter"),
    ({"sendAt": "2026-01-16T12:00:00Z", "when": "x"}, "INVALID_REQUEST", "when")])
def test_bad_schedules(call, people, door, body, code, field):
    """SOAP-59 at this door: a time in the past by more than 5 minutes, or none."""
    answer = call.post(f"/mailings/{make(call)['mailingId']}/schedule", json=body)
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (400, code, field)
    assert door.count("mailing_instance") == 0


def test_cancel(call, people):
    """PUSH-40: acts on the one unfinished instance, or on the one named; else 409 with the state."""
    path = f"/mailings/{make(call)['mailingId']}"
    assert call.post(f"{path}/cancel").json["code"] == "STATE_CONFLICT"
    first = call.post(f"{path}/schedule", json={"sendAt": "2026-01-16T12:00:00+01:00"}).json
    assert first["sendAt"] == "2026-01-16T11:00:00.000Z"
    second = call.post(f"{path}/schedule", json={"sendAt": "2026-01-17T12:00:00Z", "again": True}).json
    assert call.post(f"{path}/cancel").json["code"] == "STATE_CONFLICT"
    assert call.post(f"{path}/cancel?instance={first['instanceId']}").json["state"] == "cancelled"
    assert call.post(f"{path}/cancel").json["instanceId"] == second["instanceId"]
    answer = call.post(f"{path}/cancel")
    assert (answer.status_code, "cancelled" in answer.json["errorMessage"]) == (409, True)
    elsewhere = f"/mailings/{make(call)['mailingId']}"
    assert call.post(f"{elsewhere}/cancel?instance={first['instanceId']}").status_code == 404
