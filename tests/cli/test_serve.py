"""Do the commands that go on go on, share the work, and stop when told to?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.support.installation import Installation, children_of, stop
from tests.support.mailreader import read
from tests.support.waiting import wait_for

PERSON = b'[{"remoteId": "17", "email": "ann@example.org"}]'
MAILING = json.dumps({"name": "News", "subject": "News", "fromAddress": "news@example.org",
                      "html": "<p>News</p>", "interests": ["News"]}).encode()


class Caller:
    """A PUSH client with the brand's key."""

    def __init__(self, place: Installation, key: str) -> None:
        self.place, self.key = place, key

    def __call__(self, method, path, body=None, content_type="application/json"):
        status, text = self.place.fetch(method, f"/push/v1{path}", body,
                                        {"ApiKey": self.key, "Content-Type": content_type})
        assert status in (200, 202), (status, text)
        return json.loads(text)


@pytest.fixture
def place(tmp_path, sink):
    """An installation that mails to the sink."""
    with Installation(tmp_path, GATEWAY_SMTP_URL=sink.url) as made:
        yield made


@pytest.fixture
def call(place):
    """A caller of its brand 9999."""
    return Caller(place, place.brand())


def mail_one_person(call):
    """Imports a person and mails them; answers the mailing's id."""
    assert call("POST", "/subscribers?interest=News", PERSON)["success"]
    mailing_id = call("POST", "/mailings", MAILING)["mailingId"]
    call("POST", f"/mailings/{mailing_id}/send")
    return mailing_id


def test_one_command_serves_all_doors_and_works(place, call, sink):
    """operator.md: serve runs everything; it ends cleanly on SIGTERM. doctor finds it well."""
    server = place.serve()
    mail_one_person(call)
    assert sink.wait_for(1)[0].envelope_to == ("ann@example.org",)
    assert place.get("/soap/v1?wsdl")[0] == 200
    assert place.get("/push/v1/health")[0] == 200
    assert place.get("/healthz") == (200, "ok\n")
    assert json.loads(place.get("/readyz")[1]) == {"database": "ok", "broker": "ok", "worker": "ok"}
    wait_for(lambda: 'gateway_deliveries{state="accepted"} 1' in place.get("/metrics")[1], "the metric")
    for address in ("/", "/nothing", "/push/v1/nothing", "/t/o/wrong"):
        assert place.get(address)[0] in (200, 401, 404), address
    checks = place.ask("doctor")
    assert all(check["ok"] for check in checks.values()), checks
    assert stop(server) == 0
    assert "Traceback" not in place.log()
    assert "ann@example.org" not in place.log()


def test_a_request_in_hand_is_finished_after_sigterm(place, call):
    """operator.md: SIGTERM is graceful: what was taken is answered or was never done."""
    server = place.serve("--no-worker", ready=False)
    rows = b"remoteId,email\n" + b"".join(b"%d,m%d@example.org\n" % (n, n) for n in range(200_000))
    caller = subprocess.Popen(
        ["curl", "-s", "-o", "answer.json", "-w", "%{http_code}", "-H", f"ApiKey: {call.key}", "-H",
         "Content-Type: text/csv", "--data-binary", "@-", f"{place.url}/push/v1/imports"],
        cwd=place.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    status = caller.communicate(rows, timeout=60)[0]
    assert status == b"202"
    assert stop(server) == 0
    assert json.loads((place.folder / "answer.json").read_text())["state"] == "queued"


def test_without_a_worker_it_is_not_ready_until_one_comes(place, call, sink):
    """operator.md: --no-worker leaves the background work to ``gateway worker``; /readyz says whether one lives."""
    place.serve("--no-worker", ready=False)
    assert place.get("/readyz")[0] == 503
    mailing_id = mail_one_person(call)
    assert call("GET", f"/mailings/{mailing_id}/report")["targeted"] == 0
    worker = place.start("worker", "--concurrency", "2", name="worker")
    sink.wait_for(1, timeout=60)
    wait_for(lambda: place.get("/readyz")[0] == 200, "readiness", 60)
    assert stop(worker) == 0
    assert "Traceback" not in place.log("worker")


def test_a_web_host_and_a_worker_host_share_the_spool_alone(tmp_path, sink):
    """operator.md, SEND-50: each host has its data folder; imports pass through the spool, hits stay where they came.

    The web host has no worker, so its own process folds what was opened there before it was killed and started again.
    """
    spool = tmp_path / "spool"
    with Installation(tmp_path, GATEWAY_SMTP_URL=sink.url, GATEWAY_SECRET_KEY="k" * 40, GATEWAY_SPOOL_DIR=str(spool),
                      GATEWAY_DATABASE_URL=f"sqlite:///{tmp_path}/shared.db") as place:
        call = Caller(place, place.brand())
        web = place.serve("--no-worker", ready=False)
        place.environ["GATEWAY_DATA_DIR"] = str(tmp_path / "other")
        place.start("worker", "--concurrency", "2", name="worker")
        job = call("POST", "/imports?interest=News", b"remoteId,email\n17,ann@example.org\n", "text/csv")
        wait_for(lambda: call("GET", f"/imports/{job['jobId']}")["state"] == "finished", "the import", 60)
        mailing_id = call("POST", "/mailings", MAILING)["mailingId"]
        call("POST", f"/mailings/{mailing_id}/send")
        sink.wait_for(1, timeout=60)
        pixel = read(sink.messages[0].data, place.url).pixel
        for _ in range(8):
            assert place.fetch("HEAD", pixel)[0] == 200
        web.kill()
        web.wait()
        place.environ["GATEWAY_DATA_DIR"] = str(tmp_path / "data")
        place.serve("--no-worker", ready=False)
        wait_for(lambda: call("GET", f"/mailings/{mailing_id}/report")["opensAutomated"] == 8, "the opens", 60)
        assert not (tmp_path / "other/hits").exists() and not (tmp_path / "data/journal").exists()


def test_several_processes_share_one_port_and_are_started_again(place, call, sink):
    """operator.md: --workers N; a child that dies is replaced, the others go on answering; SIGTERM ends all."""
    server = place.serve("--workers", "2")
    first = set(children_of(server.pid))
    assert len(first) == 3  # two for requests, one for background work
    for number in range(20):
        assert place.get("/soap/v1?wsdl")[0] == 200, number
    for child in first:
        os.kill(child, signal.SIGKILL)
    wait_for(lambda: len(set(children_of(server.pid)) - first) == 3, "new processes", 60)
    wait_for(lambda: place.get("/push/v1/health")[0] == 200, "answers", 60)
    mail_one_person(call)
    sink.wait_for(1, timeout=60)
    children = children_of(server.pid)
    assert stop(server) == 0
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
    assert place.log().count("process ended, starting it again") == 3


def test_a_taken_port_is_said(place):
    """operator.md: says what to do next on error."""
    place.run("init")
    place.serve("--no-worker", ready=False)
    said = place.run("serve", "--port", str(place.port), code=1).stderr
    assert f"127.0.0.1:{place.port}" in said and "--port" in said


def test_most_commands_load_no_door():
    """The doors' libraries take longer to load than all else: only who serves, or writes contracts, waits for them."""
    code = ("import sys; from gateway.cli.program import main\ntry:\n    main(['integration', 'list', '--help'])\n"
            "except SystemExit:\n    print(sorted({'spyne', 'flask', 'zeep', 'lxml'} & sys.modules.keys()))")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"
