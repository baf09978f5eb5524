"""Does the same product run on PostgreSQL and RabbitMQ, with web and workers in processes of their own?"""

import json

import pytest

from gateway.services.sender import Pace
from tests.support.installation import Installation, stop
from tests.support.waiting import wait_for

PEOPLE = 300
MAILING = {"name": "News", "subject": "Hello {{ FirstName }}", "fromAddress": "news@example.org",
           "html": "<p>Read the <a href='https://www.example.org/'>news</a>.</p>", "interests": ["News"]}


@pytest.fixture
def place(tmp_path, postgresql_url, amqp_url, sink):
    """Two web processes without background work, and two workers beside them."""
    with Installation(tmp_path, GATEWAY_DATABASE_URL=postgresql_url, GATEWAY_BROKER_URL=amqp_url,
                      GATEWAY_SMTP_URL=sink.url) as made:
        yield made


def caller(place):
    """A PUSH client with a key of a new brand."""
    key = place.brand()

    def call(method, path, body=None, content_type="application/json"):
        status, text = place.fetch(method, f"/push/v1{path}", body, {"ApiKey": key, "Content-Type": content_type})
        assert status in (200, 202), (status, text)
        return json.loads(text)
    return call


def ended(job):
    """The job once it has ended."""
    return job if job.get("finishedAt") else None


def test_import_send_and_report_over_several_processes(place, sink):
    """OPS: one setting each for the database and the broker; two web processes, two workers, one killed (SEND-12)."""
    call = caller(place)
    place.serve("--no-worker", "--workers", "2", ready=False)
    victim = place.start("worker", name="worker-1")
    place.start("worker", name="worker-2")
    wait_for(lambda: place.get("/readyz")[0] == 200, "the workers", 60)

    rows = "".join(f"K-{n},person{n}@example.org,Ann\n" for n in range(PEOPLE))
    job = call("POST", "/imports?interest=News", b"remoteId,email,FirstName\n" + rows.encode(), "text/csv")
    job = wait_for(lambda: ended(call("GET", f"/imports/{job['jobId']}")), "the import", 60)
    assert (job["state"], job["created"]) == ("finished", PEOPLE)

    mailing_id = call("POST", "/mailings", json.dumps(MAILING).encode())["mailingId"]
    call("POST", f"/mailings/{mailing_id}/send")
    sink.wait_for(20, 60)
    victim.kill()
    victim.wait()
    wait_for(lambda: call("GET", f"/mailings/{mailing_id}/report")["pending"] == 0, "the last delivery", 300)
    got = [message.envelope_to[0] for message in sink.messages]
    assert len(got) == len(set(got)), "somebody was mailed twice"
    report = call("GET", f"/mailings/{mailing_id}/report")
    # the killed worker's message in hand may have arrived: it is held, and nobody else is missing (SEND-12)
    assert report["targeted"] == PEOPLE == report["sent"] + report["inDoubt"]
    assert report["inDoubt"] <= Pace().connections
    assert report["sent"] <= len(got) <= PEOPLE
    for name in ("worker-1", "worker-2", "serve"):
        assert "Traceback" not in place.log(name)
    assert place.run("doctor", code=None).returncode == (1 if report["inDoubt"] else 0)


def test_one_process_on_sqlite_that_is_killed_goes_on_where_it_was(tmp_path, sink):
    """SEND-12, PUSH-63 through the real door: `serve` killed while it sends; started again, it ends the mailing."""
    with Installation(tmp_path, GATEWAY_SMTP_URL=sink.url) as place:
        call = caller(place)
        server = place.serve()
        people = [{"remoteId": f"K-{n}", "email": f"person{n}@example.org"} for n in range(PEOPLE)]
        assert call("POST", "/subscribers?interest=News", json.dumps(people).encode())["created"] == PEOPLE
        mailing_id = call("POST", "/mailings", json.dumps(MAILING).encode())["mailingId"]
        call("POST", f"/mailings/{mailing_id}/send")
        sink.wait_for(20, 60)
        server.kill()
        server.wait()
        server = place.serve()
        wait_for(lambda: call("GET", f"/mailings/{mailing_id}/report")["pending"] == 0, "the last delivery", 300)
        got = [message.envelope_to[0] for message in sink.messages]
        report = call("GET", f"/mailings/{mailing_id}/report")
        assert len(got) == len(set(got)), "somebody was mailed twice"
        assert report["targeted"] == PEOPLE == report["sent"] + report["inDoubt"]
        assert report["inDoubt"] <= Pace().connections
        assert stop(server) == 0
