"""What does the work cost, against the least that it could cost in the same run? Printed, never asserted on the clock.

Each figure is a ratio to a floor measured beside it, so that it means the same on a slow and on a busy machine.
"""

from __future__ import annotations

import json
import smtplib
import sqlite3
import subprocess
import sys
import time
from base64 import b64decode
from contextlib import closing

import pytest
from lxml import etree
from werkzeug.test import Client

from gateway import doors  # before spyne: it makes spyne importable on this Python

# isort: split
from spyne import Application, Array, ComplexModel, Integer, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication

from gateway.aapi.actions.registry import ACTIONS, IMPORT, Action
from gateway.domain.accounts import system_actor
from gateway.services import integrations, sending, sync, uploads
from tests.aapi.door import enveloped, inner_document
from tests.support.installation import PASSWORD, ROOT, Installation, clean_environ, free_port, stop
from tests.support.waiting import wait_for

NS = "urn:gateway:v1"
RECORDS, ROWS, PEOPLE, SYNCED = 1000, 10_000, 500, 20_000


@pytest.fixture
def measured(record_property):
    """Keeps a line for the table at the end of the run."""
    return lambda what, ratio, detail: record_property("measured", f"{what}|{ratio:.1f}|{detail}")


@pytest.fixture
def place(tmp_path):
    """An installation on SQLite; its key is ``place.key``."""
    with Installation(tmp_path) as made:
        made.key = made.brand()
        yield made


def cpu(work, times=3):
    """The least CPU time of ``work(n)``, in seconds."""
    spent = []
    for number in range(times):
        started = time.process_time()
        work(number)
        spent.append(time.process_time() - started)
    return min(spent)


def envelope(run, records=RECORDS):
    """ImportSubscribers with people who are new in this run."""
    rows = "".join(
        f"<record><remoteId>{run}-{n}</remoteId><email>m{run}.{n}@example.org</email>"
        f"<field><name>FirstName</name><value>Zoë {n}</value></field>"
        f"<field><name>LastName</name><value>Brontë {n}</value></field>"
        f"<field><name>City</name><value>Utrecht</value></field></record>" for n in range(records))
    return (f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
            f'<s:Header><Credentials xmlns="{NS}"><brandId>9999</brandId><userName>apiuser</userName>'
            f"<password>{PASSWORD}</password></Credentials></s:Header><s:Body>"
            f'<ImportSubscribers xmlns="{NS}"><mode>AddOrUpdate</mode><interest>News</interest>{rows}'
            f"</ImportSubscribers></s:Body></s:Envelope>").encode()


class _Value(ComplexModel):
    __namespace__, __type_name__ = NS, "Value"
    _type_info = [("name", Unicode), ("value", Unicode)]


class _Record(ComplexModel):
    __namespace__, __type_name__ = NS, "Record"
    _type_info = [("remoteId", Unicode), ("email", Unicode), ("field", _Value.customize(max_occurs="unbounded"))]


class _Result(ComplexModel):
    __namespace__, __type_name__ = NS, "Result"
    _type_info = [("index", Integer), ("status", Unicode), ("subscriberId", Unicode), ("remoteId", Unicode),
                  ("email", Unicode), ("rule", Unicode)]


class _Stock(ServiceBase):
    @rpc(Unicode, Unicode, _Record.customize(max_occurs="unbounded"), _returns=Array(_Result),
         _in_arg_names={"mode": "mode", "interest": "interest", "record": "record"})
    def ImportSubscribers(ctx, mode, interest, record):
        """The same messages without any work behind them."""
        return [_Result(index=n, status="created", subscriberId=str(n), remoteId=each.remoteId, email=each.email,
                        rule="ID-13") for n, each in enumerate(record)]


def test_soap_import(place, measured):
    """ImportSubscribers with 1,000 records, database write included; the aim is 6 times lxml or less."""
    bodies = [envelope(run) for run in range(4)]
    floor = cpu(lambda n: etree.tostring(etree.fromstring(bodies[n])))
    stock = Client(WsgiApplication(Application([_Stock], NS, in_protocol=Soap11(validator="lxml"),
                                               out_protocol=Soap11())))
    with place.services() as gateway:
        door = Client(doors.wsgi(gateway))

        def call(client, path, body):
            answer = client.post(path, data=body, content_type="text/xml; charset=utf-8")
            assert answer.status_code == 200, answer.get_data()[:500]
            return answer.get_data()

        call(door, "/soap/v1", envelope("warm", 1))
        answers = []
        new = cpu(lambda n: answers.append(call(door, "/soap/v1", bodies[n])))
        known = cpu(lambda n: answers.append(call(door, "/soap/v1", bodies[n])))
        bare = cpu(lambda n: answers.append(call(stock, "/", bodies[n])))
    assert [a.count(b">created<") for a in answers] == [RECORDS] * 3 + [0] * 3 + [RECORDS] * 3
    detail = f"{1000 * floor:.1f} ms CPU: lxml parses and writes the envelope of 1,000 records"
    measured("SOAP ImportSubscribers, 1,000 new people, written", new / floor, detail)
    measured("SOAP ImportSubscribers, 1,000 known people, unchanged", known / floor, detail)
    measured("stock Spyne, the same messages, nothing behind them", bare / floor, detail)


def document(run, action, records=RECORDS):
    """The same people as :func:`envelope` in a document of the document API, in its envelope."""
    rows = "".join(
        f"<Subscriber><Email>m{run}.{n}@example.org</Email><ID>{run}-{n}</ID><Fields>"
        f'<Field element="FirstName">Zo\u00eb {n}</Field><Field element="LastName">Bront\u00eb {n}</Field>'
        f'<Field element="City">Utrecht</Field></Fields></Subscriber>' for n in range(records))
    return enveloped(inner_document(
        "ActionRequest", "Actions", f"<{action}><SubscriberData><Subscribers>{rows}</Subscribers></SubscriberData>"
                                    f"</{action}>", brand=9999, user="apiuser", password=PASSWORD))


def test_document_api(place, measured, monkeypatch):
    """A document of 1,000 subscribers: the door alone, whose aim is twice lxml, and Subscribe with its writing."""
    monkeypatch.setitem(ACTIONS, "Take", Action("Take", IMPORT, lambda _unit, _node: "<Take />"))
    taken = document(0, "Take")
    inner = etree.fromstring(taken)[0][0][0].text.encode()
    floor = cpu(lambda _: (etree.tostring(etree.fromstring(taken)), etree.tostring(etree.fromstring(inner))), 9)
    bodies = [document(run, "Subscribe") for run in range(1, 4)]
    with place.services() as gateway:
        door = Client(doors.wsgi(gateway))

        def call(body):
            answer = door.post("/aapi/InformzService.svc", data=body, content_type="text/xml; charset=utf-8")
            assert answer.status_code == 200, answer.get_data()[:500]
            return answer.get_data()

        call(taken)
        alone = cpu(lambda _: call(taken), 9)
        answers = []
        new = cpu(lambda n: answers.append(call(bodies[n])))
        known = cpu(lambda n: answers.append(call(bodies[n])))
    assert [b"&lt;NewSubscriberCount&gt;1000&lt;" in a for a in answers] == [True] * 3 + [False] * 3
    detail = f"{1000 * floor:.1f} ms CPU: lxml parses and writes envelope and document of 1,000 subscribers"
    measured("document API, the door alone", alone / floor, detail)
    measured("document API Subscribe, 1,000 new people, written", new / floor, detail)
    measured("document API Subscribe, 1,000 known people, unchanged", known / floor, detail)


def test_push_csv(place, measured):
    """A CSV job of new people against sqlite3 writing the same rows into one table."""
    rows = [(str(n), f"m{n}@example.org", f"Zoë {n}", f"Brontë {n}") for n in range(ROWS)]
    csv = "remoteId,email,FirstName,LastName\n" + "".join(f"{','.join(row)}\n" for row in rows)

    def plain(number):
        with closing(sqlite3.connect(place.folder / f"plain{number}.db")) as database:
            database.execute("CREATE TABLE person (remote_id TEXT PRIMARY KEY, email TEXT, first TEXT, last TEXT)")
            database.execute("CREATE INDEX by_email ON person (email)")
            database.executemany("INSERT INTO person VALUES (?, ?, ?, ?)", rows)
            database.commit()

    floor = cpu(plain)
    with place.services() as gateway:
        door = Client(doors.wsgi(gateway))
        headers = {"ApiKey": place.key}

        def job(number):
            answer = door.post("/push/v1/imports?interest=News", data=csv.encode(), headers=headers,
                               content_type="text/csv")
            assert answer.status_code == 202, answer.get_data()
            uploads.run_import(gateway, 9999, int(answer.json["jobId"][2:]))
            seen = door.get(f"/push/v1/imports/{answer.json['jobId']}", headers=headers).json
            assert seen["state"] == "finished" and seen["received"] == ROWS, seen

        started = time.monotonic()
        new = cpu(job, times=1)
        rate = ROWS / (time.monotonic() - started)
        known = cpu(job, times=1)
    detail = f"{ROWS / floor:,.0f} rows/s CPU: sqlite3 executemany into one table with two indexes"
    measured(f"PUSH CSV job, {ROWS:,} new people ({rate:,.0f} rows/s)", new / floor, detail)
    measured(f"PUSH CSV job, {ROWS:,} known people, unchanged", known / floor, detail)


def test_sync(place, tmp_path, measured):
    """A sync of an in-house database against streaming its SELECT and writing the same rows into one table (ID-65)."""
    rows = [(str(100_000 + n), f"m{n}@example.org", int(n % 40 == 0)) for n in range(SYNCED)]
    source = tmp_path / "ams.db"
    with closing(sqlite3.connect(source)) as database:
        database.execute("CREATE TABLE members (member_no TEXT PRIMARY KEY, email TEXT, no_mail INTEGER)")
        database.executemany("INSERT INTO members VALUES (?, ?, ?)", rows)
        database.commit()
    select = "SELECT member_no AS remote_id, email, no_mail AS do_not_email FROM members"

    def plain(number):
        with closing(sqlite3.connect(tmp_path / f"plain{number}.db")) as database, \
                closing(sqlite3.connect(source)) as ams:
            database.execute("CREATE TABLE person (remote_id TEXT PRIMARY KEY, email TEXT UNIQUE, flag INTEGER)")
            database.executemany("INSERT INTO person VALUES (?, ?, ?)", ams.execute(select))
            database.commit()

    floor = cpu(plain)
    with place.services() as gateway:
        with gateway.unit(system_actor(9999)) as unit:
            made = integrations.add(unit, "ams", "sql", {
                "url": f"sqlite:///{source}", "members": select, "writeback": {
                    "unsubscribe": "UPDATE members SET no_mail = 1 WHERE member_no = :remote_id"}})
        reports = []
        new = cpu(lambda _: reports.append(sync.run(gateway, 9999, made)), times=1)
        known = cpu(lambda _: reports.append(sync.run(gateway, 9999, made)), times=1)
    assert [(each.counters["new"], each.counters["unchanged"]) for each in reports] == [(SYNCED, 0), (0, SYNCED)]
    detail = f"{SYNCED / floor:,.0f} rows/s CPU: sqlite3 streams the SELECT into one table with two indexes"
    measured(f"sync, {SYNCED:,} new people", new / floor, detail)
    measured(f"sync, {SYNCED:,} known people, unchanged", known / floor, detail)


def test_sending(tmp_path, measured):
    """A mailing to some people, personalised, tracked, settled one by one, against smtplib sending its bytes."""
    log, port = tmp_path / "mail.jsonl", free_port()
    sink = subprocess.Popen([sys.executable, "-m", "tests.support.smtp_sink", "--port", str(port), "--log", str(log)],
                            cwd=ROOT, env=clean_environ(), stdout=subprocess.PIPE)
    try:
        assert sink.stdout.readline()
        with Installation(tmp_path, GATEWAY_SMTP_URL=f"smtp://127.0.0.1:{port}") as place:
            key = place.brand()
            with place.services() as gateway:
                ours = _send_ours(Client(doors.wsgi(gateway)), gateway, {"ApiKey": key})
        wait_for(lambda: len(log.read_text().splitlines()) == PEOPLE, "the messages")
        letters = [(line["to"][0], b64decode(line["data"])) for line in map(json.loads, log.read_text().splitlines())]
        started = time.monotonic()
        with smtplib.SMTP("127.0.0.1", port) as server:
            for address, data in letters:
                server.sendmail("news@example.org", address, data)
        bare = time.monotonic() - started
    finally:
        stop(sink)
        sink.stdout.close()
    measured(f"sending, {PEOPLE:,} people ({PEOPLE / ours:,.0f} messages/s)", ours / bare,
             f"{PEOPLE / bare:,.0f} messages/s: smtplib sends the same bytes over one connection")


def _send_ours(door, gateway, headers):
    rows = "email,FirstName\n" + "".join(f"m{n}@example.org,Zoë {n}\n" for n in range(PEOPLE))
    job = door.post("/push/v1/imports?interest=News", data=rows.encode(), headers=headers, content_type="text/csv")
    uploads.run_import(gateway, 9999, int(job.json["jobId"][2:]))
    mailing = door.post("/push/v1/mailings", headers=headers, json={
        "name": "News", "subject": "News for {{ FirstName }}", "fromAddress": "news@example.org", "interests": ["News"],
        "html": "<p>Dear {{ FirstName }}, <a href='https://www.example.org/'>read</a>.</p>" + "<p>Text.</p>" * 100})
    path = f"/push/v1/mailings/{mailing.json['mailingId']}"
    instance = door.post(f"{path}/send", headers=headers).json["instanceId"]
    started = time.monotonic()
    for _ in range(20):  # a run ends after a while, so that others get their turn; the next one goes on
        sending.run_instance(gateway, 9999, int(instance))
        report = door.get(f"{path}/report", headers=headers).json
        if not report["pending"]:
            break
    spent = time.monotonic() - started
    assert (report["targeted"], report["delivered"], report["pending"]) == (PEOPLE, PEOPLE, 0), report
    return spent
