"""Does the Python client do what its README says, against a real server and a real mail server?"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import socket
import threading
import time
import urllib.request

import pytest
from gateway_client import (
    CLEAR,
    Acknowledgement,
    Gateway,
    GatewayFault,
    GatewayUnavailable,
    MailingDraft,
    MailingFile,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Record,
    StateConflict,
)

from gateway import app
from gateway.domain.accounts import system_actor
from tests.support.installation import PASSWORD
from tests.support.waiting import wait_for


@pytest.fixture
def connect(server):
    """Opens connections of a user and closes them."""
    opened = []

    def open_one(user="apiuser", password=PASSWORD, brand=9999, **options):
        opened.append(Gateway(options.pop("url", server.url), brand=brand, user=user, password=password, **options))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def gateway(connect):
    """A connection of the admin."""
    return connect()


def test_a_long_list_goes_in_calls_of_a_thousand(gateway):
    """SOAP-39, SOAP-75: 2,500 records in three calls; every failure at its own place among all."""
    bad = {0, 999, 1000, 1777, 2499}
    records = [Record(remote_id=f"L{n}", email="nonsense" if n in bad else f"long{n}@example.org",
                      fields={"FirstName": f"Zoë {n}"}) for n in range(2500)]
    result = gateway.import_subscribers(iter(records), interests=["Long"])
    assert (result.received, result.created, result.failed) == (2500, 2495, 5)
    assert {failure.index for failure in result.failures} == bad
    assert [each.index for each in result.results] == list(range(2500))
    assert all(failure.code == "INVALID_EMAIL" and failure.remote_id == f"L{failure.index}"
               for failure in result.failures)
    again = gateway.import_subscribers(records, interests=["Long"])
    assert (again.unchanged, again.failed) == (2495, 5)
    assert next(iter(gateway.find_interests(name="Long"))).members == 2495
    assert sum(1 for _ in gateway.find_subscribers(interest="Long")) == 2495
    assert gateway.get_subscriber(remote_id="L7").fields["FirstName"] == "Zoë 7"


def test_a_key_makes_a_repetition_harmless(gateway):
    """SOAP-72: the same key and records answer as before; other records under it are refused."""
    records = [Record(remote_id=f"K{n}", email=f"key{n}@example.org") for n in range(1001)]
    first = gateway.import_subscribers(records, key="night-1")
    second = gateway.import_subscribers(records, key="night-1")
    assert first.created == 1001 and second == first
    with pytest.raises(GatewayFault) as caught:
        gateway.import_subscribers([Record(email="other@example.org")], key="night-1")
    assert caught.value.code == "IDEMPOTENCY_CONFLICT" and not caught.value.retryable


def test_values_are_kept_cleared_and_replaced(gateway):
    """ID-41: missing keeps, CLEAR clears; text goes through whatever it is."""
    text = 'O\'Neil & "Söhne" <b> ]]> \t\n日本'
    gateway.import_subscribers([Record(remote_id="V1", email="v@example.org", fields={"City": text, "LastName": "V"})])
    gateway.import_subscribers([Record(remote_id="V1", fields={"LastName": CLEAR})])
    assert dict(gateway.get_subscriber(remote_id="V1").fields) == {"City": text}
    result = gateway.import_subscribers([Record(remote_id="V1", fields={"Shoe size": "38"})])
    assert [warning.code for warning in result.results[0].warnings] == ["FIELD_UNKNOWN"]


def test_interests_and_flag_of_a_record(gateway):
    """SOAP-39: a record joins and leaves interests of its own; the flag blocks mail."""
    gateway.import_subscribers([Record(remote_id="I1", email="i@example.org", add_interests=["One", "Two"])])
    gateway.import_subscribers([Record(remote_id="I1", remove_interests=["One"], do_not_email=True)])
    person = gateway.get_subscriber(email="I@example.org")
    assert person.interests == ("Two",) and not person.sendable and "remote_flag" in person.blocked_by


def test_what_xml_cannot_hold_is_said_before_it_is_sent(gateway):
    """PUSH-6: a control character is INVALID_CHARACTER, not a traceback."""
    with pytest.raises(GatewayFault) as caught:
        gateway.import_subscribers([Record(email="nul@example.org", fields={"City": "a\0b"})])
    assert caught.value.code == "INVALID_CHARACTER"
    with pytest.raises(GatewayFault) as caught:
        gateway.create_interest("bell\x07")
    assert caught.value.code == "INVALID_CHARACTER"


def test_exceptions_tell_apart_what_went_wrong(gateway, connect, server):
    """SOAP-85: an exception class by fault code, with field and request id."""
    with server.services() as house, house.unit(system_actor(9999, "cli")) as unit:
        app.accounts.add_user(unit, "onlooker", PASSWORD, "reader")
    with pytest.raises(NotAuthenticated):
        connect(password="wrong password").get_subscriber(email="a@example.org")
    with pytest.raises(NotAuthenticated):
        connect(brand=1).get_subscriber(email="a@example.org")
    with pytest.raises(NotAllowed) as refused:
        connect(user="onlooker").import_subscribers([Record(email="a@example.org")])
    assert refused.value.request_id
    with pytest.raises(NotFound):
        gateway.get_subscriber(email="nobody@example.org")
    with pytest.raises(NotFound):
        gateway.get_mailing("4711")
    with pytest.raises(GatewayFault) as caught:
        gateway.get_subscriber()
    assert caught.value.code == "IDENTIFIER_MISSING"
    with pytest.raises(GatewayFault) as caught:
        gateway.import_subscribers([Record(email="a@example.org")], mode="Perhaps")
    assert caught.value.code == "INVALID_REQUEST"
    with pytest.raises(ValueError, match="ReplaceAll"):
        gateway.import_subscribers([Record(email=f"r{n}@example.org") for n in range(1001)], mode="ReplaceAll",
                                   interests=["Replaced"])
    assert list(gateway.find_interests(name="Replaced")) == [], "nothing may be done of what is refused"


def test_from_draft_to_report(gateway, sink):
    """The main job: create, preview, test, schedule, cancel, send, report, events, unsubscribes."""
    gateway.import_subscribers([Record(remote_id="M1", email="m1@example.org", fields={"FirstName": "Mo"}),
                                Record(email="m2@example.org"), Record(email="m3@example.org")], interests=["Flow"])
    stopped = gateway.unsubscribe(["m3@example.org"], reason="by telephone")
    assert stopped.updated == 1
    draft = MailingDraft(name="Flow", subject="For {{ FirstName | default('you') }}", from_address="news@example.org",
                         html="<p>Read <a href='https://www.example.org/'>this</a>.</p>", interests=["Flow"])
    mailing = gateway.create_mailing(draft)
    assert (mailing.state, gateway.get_mailing(mailing.mailing_id)) == ("draft", mailing)
    preview = gateway.preview_mailing(mailing.mailing_id, remote_id="M1")
    assert (preview.subject, preview.recipients, dict(preview.left_out)) == ("For Mo", 2, {"unsubscribed": 1})
    before = len(sink.messages)
    assert [each.status for each in gateway.send_test(mailing.mailing_id, ["me@example.org"])] == ["accepted"]
    later = gateway.schedule_mailing(mailing.mailing_id, dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
    assert gateway.cancel_mailing(later.instance_id).state == "cancelled"
    with pytest.raises(ValueError, match="time zone"):
        gateway.schedule_mailing(mailing.mailing_id, dt.datetime(2099, 1, 1))
    instance = gateway.send_mailing(mailing.mailing_id, again=True)
    with pytest.raises(StateConflict):
        gateway.send_mailing(mailing.mailing_id)
    sink.wait_for(before + 3)
    wait_for(lambda: gateway.get_mailing(mailing.mailing_id).instances[0].state == "sent", "the end of sending")
    report = gateway.get_report(instance_id=instance.instance_id)
    assert (report["targeted"], report["sent"], report["delivered"], report.settled) == (3, 2, 2, False)
    assert dict(report.left_out) == {"unsubscribed": 1}
    sent = [event.address for event in gateway.find_events(types=["sent"], instance_id=instance.instance_id)]
    assert sorted(sent) == ["m1@example.org", "m2@example.org"]
    assert "m3@example.org" in {event.address for event in gateway.find_unsubscribes()}
    found = {each.address: (each.state, each.reason) for each in gateway.find_deliveries(instance.instance_id)}
    assert found["m3@example.org"] == ("left_out", "unsubscribed") and found["m1@example.org"] == ("accepted", None)
    cleared = gateway.resubscribe(["m3@example.org"], reason="wrote us a letter")
    assert cleared.updated == 1


def test_a_mailing_under_control(gateway, sink):
    """SEND-2, SEND-4, SEND-24, SEND-38 by the library: files, a time on the wall, pause, resume, doubts, again."""
    gateway.import_subscribers([Record(remote_id="C1", email="c1@example.org", fields={"FirstName": "Cy"}),
                                Record(email="drop-after-dot-once-c2@example.org"),
                                Record(email="bounce-5xx-c3@example.org")], interests=["Control"])
    mailing_id = gateway.create_mailing(MailingDraft("Control", "Draft", "news@example.org", "<p>Hello</p>",
                                                     ["Control"])).mailing_id
    assert gateway.update_mailing(mailing_id, subject="For {{ FirstName | default('you') }}").subject.startswith("For")
    with pytest.raises(TypeError, match="no colour"):
        gateway.update_mailing(mailing_id, colour="red")
    gateway.set_mailing_files(mailing_id, [MailingFile("agenda.txt", b"1. Tea", "text/plain")])
    before = len(sink.messages)
    assert gateway.send_test(mailing_id, ["me@example.org"], remote_id="C1")[0].status == "accepted"
    data = sink.messages[before].data
    assert b"For Cy" in data and b"agenda.txt" in data
    assert gateway.count_audience(mailing_id).recipients == 3
    for act in (gateway.submit_mailing, gateway.approve_mailing, gateway.reject_mailing):
        with pytest.raises(StateConflict):  # this brand reviews nothing
            act(mailing_id)
    later = gateway.publish_mailing(mailing_id, send_at=dt.datetime(2099, 6, 1, 9), time_zone="Europe/Berlin",
                                    spread_over=dt.timedelta(hours=1))
    assert (later.state, later.send_at, later.facts["spreadOver"]) == (
        "scheduled", dt.datetime(2099, 6, 1, 7, tzinfo=dt.UTC), "3600")
    for _ in range(2):
        assert gateway.pause_mailing(later.instance_id).state == "paused"
    for _ in range(2):
        assert gateway.resume_mailing(later.instance_id).state == "scheduled"
    assert gateway.cancel_mailing(later.instance_id).state == "cancelled"
    sent = gateway.publish_mailing(mailing_id)
    wait_for(lambda: gateway.get_mailing(mailing_id).instances[0].counts ==
             {"accepted": 1, "in_doubt": 1, "refused": 1}, "what becomes of all three")
    [doubt] = gateway.find_deliveries(sent.instance_id, states=["in_doubt"])
    decided = gateway.decide_in_doubt(sent.instance_id, "count_as_sent", [doubt.delivery_id])
    assert (decided.number, dict(decided.instance.counts)) == (1, {"accepted": 2, "refused": 1})
    assert gateway.decide_in_doubt(sent.instance_id, "resend").number == 0
    assert dict(gateway.count_audience(mailing_id, "failed").left_out) == {"received_before": 2}
    with pytest.raises(GatewayFault):
        gateway.publish_mailing(mailing_id, audience="failed")
    again = gateway.publish_mailing(mailing_id, again=True, audience="failed", not_after=dt.datetime(2099, 1, 1,
                                                                                                    tzinfo=dt.UTC))
    assert (again.facts["audience"], again.not_after) == ("failed", dt.datetime(2099, 1, 1, tzinfo=dt.UTC))


def test_writebacks_are_fetched_and_acknowledged(gateway, server):
    """SOAP-66, SOAP-67: what happened to somebody else's people is not there; twice is unchanged."""
    server.run("integration", "add", "--brand", "9999", "--name", "puller", "--kind", "api")
    server.run("integration", "set", "--brand", "9999", "--name", "puller", "--writebacks", "pull")
    key = server.ask("key", "add", "--brand", "9999", "--integration", "puller")["key"]
    people = json.dumps([{"remoteId": f"W{n}", "email": f"w{n}@example.org"} for n in range(3)]).encode()
    urllib.request.urlopen(urllib.request.Request(f"{server.url}/push/v1/subscribers", people, {
        "ApiKey": key, "Content-Type": "application/json"})).close()
    gateway.unsubscribe([f"w{n}@example.org" for n in range(3)], reason="a letter")
    wait_for(lambda: len([*gateway.find_writebacks(integration="puller")]) == 3, "the end of the feed")
    found = [*gateway.find_writebacks(integration="puller")]
    assert [(each.remote_id, each.kind, each.email, each.reason, each.tries) for each in found] == [
        (f"W{n}", "unsubscribe", f"w{n}@example.org", "a letter", 0) for n in range(3)]
    said = [Acknowledgement(found[0].writeback_id), Acknowledgement(found[1].writeback_id, False, "gone"),
            Acknowledgement("4711")]
    first, again = (gateway.ack_writebacks(said, integration="puller") for _ in range(2))
    assert [(each.updated, each.unchanged, each.failed) for each in (first, again)] == [(2, 0, 1), (0, 2, 1)]
    assert [(each.index, each.code) for each in first.failures] == [(2, "NOT_FOUND")]
    assert [each.remote_id for each in gateway.find_writebacks(integration="puller")] == ["W2"]
    [refused] = gateway.find_writebacks(integration="puller", state="error")
    assert (refused.remote_id, refused.message, refused.tries) == ("W1", "gone", 1)
    assert list(gateway.find_writebacks()) == []


def test_server_facts_need_no_rights(connect):
    """SOAP-17: GetVersion and GetServerTime answer anybody."""
    stranger = connect(password="whatever it is")
    assert stranger.get_version() and stranger.get_server_time().tzinfo is not None


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<no>",
                                    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 13\r\n\r\n<html></html>",
                                    b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<Envelope"])
def test_what_is_not_an_answer_is_unavailable(connect, answer):
    """A server that hangs up, or that is none of ours, is GatewayUnavailable and never a traceback of a library."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = connect(url=f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=5)
        server.settimeout(60)

        def reply():
            caller, _ = server.accept()
            with caller:
                caller.recv(65536)
                caller.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        with pytest.raises(GatewayUnavailable):
            client.get_subscriber(email="a@example.org")
        thread.join()


def test_a_server_that_never_answers_ends_in_time(connect):
    """A call ends after timeout_s with GatewayUnavailable."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = connect(url=f"http://127.0.0.1:{server.getsockname()[1]}", timeout_s=0.5)
        started = time.monotonic()
        for call in (lambda: client.get_subscriber(email="a@example.org"),
                     lambda: client.import_subscribers([Record(email="a@example.org")])):
            with pytest.raises(GatewayUnavailable) as caught:
                call()
            assert caught.value.retryable
        assert time.monotonic() - started < 60


def test_no_server_at_all(connect):
    """A refused connection is GatewayUnavailable."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(GatewayUnavailable):
        connect(url=f"http://127.0.0.1:{port}").get_version()


def test_a_bulk_import_of_records(gateway):
    """SOAP-41, SOAP-42: one call, a job, its failures; the same key and records answer the same job."""
    def records():
        for n in range(5000):
            yield Record(remote_id=f"J{n}", email="nonsense" if n == 4321 else f"job{n}@example.org",
                         fields={"FirstName": f"Zoë {n}", "City": CLEAR}, add_interests=["Bulk"])

    job = gateway.start_import(records(), interests=["Many"], key="bulk-1")
    assert (gateway.start_import(records(), interests=["Many"], key="bulk-1").job_id) == job.job_id
    done = gateway.wait_for_import(job.job_id, timeout_s=120, every_s=0.1)
    assert (done.state, done.received, done.created, done.failed, dict(done.codes)) == (
        "finished_with_errors", 5000, 4999, 1, {"INVALID_EMAIL": 1})
    assert [(row.row, row.remote_id, row.code) for row in gateway.find_import_errors(job.job_id)] == [
        (4322, "J4321", "INVALID_EMAIL")]
    person = gateway.get_subscriber(remote_id="J7")
    assert person.fields["FirstName"] == "Zoë 7" and set(person.interests) == {"Bulk", "Many"}
    with pytest.raises(StateConflict):
        gateway.cancel_import(job.job_id)


def test_a_bulk_import_of_a_file(gateway, tmp_path):
    """SOAP-41: the file as it is, packed or not."""
    text = "email,remoteId\nf1@example.org,F1\nf2@example.org,F2\n"
    plain, packed = tmp_path / "members.csv", tmp_path / "members.csv.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    first = gateway.wait_for_import(gateway.start_file_import(plain).job_id, timeout_s=60, every_s=0.1)
    again = gateway.wait_for_import(gateway.start_file_import(packed).job_id, timeout_s=60, every_s=0.1)
    assert (first.state, first.created, again.unchanged) == ("finished", 2, 2)
    with pytest.raises(ValueError, match="ends with none"):
        gateway.start_file_import(tmp_path / "members.xlsx")
    with pytest.raises(NotFound, match="mapping"):
        gateway.start_file_import(plain, mapping="nobody saved it")


def test_questions_and_acts_about_one_person(gateway):
    """SOAP-38, SOAP-47..53, SOAP-65: explain, history, opt out, remote ID, interests."""
    gateway.import_subscribers([Record(remote_id="Q1", email="q1@example.org", fields={"FirstName": "Quo"}),
                                Record(remote_id="Q2", email="q2@example.org")], interests=["Questions"])
    board = gateway.create_interest("Board of questions")
    assert gateway.update_interest(board.interest_id, name="Board Q").name == "Board Q"
    assert gateway.change_interest_members("Board Q", "Add", remote_ids=["Q1"], emails=["q2@example.org"]).updated == 2
    assert gateway.change_interest_members("Board Q", "ReplaceAll", remote_ids=["Q1"]).failed == 0
    assert [(each.change, each.email) for each in gateway.find_interest_changes(interest="Board Q")][-1] == (
        "left", "q2@example.org")
    assert gateway.opt_out(["Questions"], ["q1@example.org"], reason="too much").updated == 1
    assert gateway.change_remote_id("Q1", "Q9").status == "updated"
    (person,) = gateway.explain(email="q1@example.org").people
    assert (person.reaches, person.fields["FirstName"], set(person.links.values())) == (True, "Quo", {"Q9"})
    assert person.decisions and person.verdict and not person.blockers
    assert {"created", "joined"} <= {each.what for each in gateway.history(remote_id="Q9")}
    described = gateway.describe_fields()
    assert described.fields[0].label == "remote ID" and described.limits["recordsPerCall"] == 1000
