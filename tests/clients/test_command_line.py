"""Can a person without Python skills import, mail and read the report with ``gateway-client``?"""

from __future__ import annotations

import json
import subprocess
import urllib.request

import pytest

from tests.support.installation import PASSWORD, PROGRAMS, clean_environ
from tests.support.waiting import wait_for

MEMBERS = ("\ufeffMember-ID;E_Mail;FirstName;Shoe size\n"
           "C1;ann.c@example.org;Ann;38\nC2; BO.C@Example.org ;Bo;\n;cy.c@example.org;Cy;40\nC4;nonsense;Di;41\n")


@pytest.fixture
def client(server, tmp_path):
    """Runs ``gateway-client`` as a process in a folder of its own; checks that nothing is traced back."""
    def run(*arguments, code=0, password=PASSWORD, url=None):
        done = subprocess.run([PROGRAMS / "gateway-client", "--url", url or server.url, "--brand", "9999", "--user",
                               "apiuser", *arguments], cwd=tmp_path, text=True, capture_output=True, check=False,
                              env=clean_environ(GATEWAYCLIENT_PASSWORD=password), timeout=120)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done
    return run


def figures(text):
    """``name number`` lines as a dictionary."""
    return {line.split()[0]: int(line.split()[1]) for line in text.splitlines() if line.split()[1:2]
            and line.split()[1].isdigit()}


def test_from_a_file_to_a_report(client, tmp_path, sink):
    """The README of the client, step by step."""
    (tmp_path / "members.csv").write_text(MEMBERS, encoding="utf-8")
    (tmp_path / "may.html").write_text("<p>Dear {{ FirstName }}, hello.</p>", encoding="utf-8")
    imported = client("import", "members.csv", "--delimiter", ";", "--interest", "Command", code=1)
    counts = figures(imported.stdout)
    assert (counts["received"], counts["created"], counts["failed"]) == (4, 3, 1)
    assert "record 4 (C4): INVALID_EMAIL" in imported.stderr
    dry = client("import", "members.csv", "--delimiter", ";", "--dry-run", code=1)
    assert figures(dry.stdout)["unchanged"] == 3
    mailing = client("create", "--subject", "May for {{ FirstName }}", "--from", "news@example.org", "--html",
                     "may.html", "--interest", "Command").stdout.split()[0]
    before = len(sink.messages)
    assert "me@example.org: accepted" in client("test", mailing, "--to", "me@example.org").stdout
    instance = client("send", mailing).stdout.split()[0]
    sink.wait_for(before + 4, timeout=60)
    assert "STATE_CONFLICT" in client("send", mailing, code=1).stderr
    wait_for(lambda: figures(client("report", "--instance", instance).stdout).get("delivered") == 3, "the report", 60)
    assert client("doubts", instance).stdout == "" and "0 decided" in client(
        "doubts", instance, "--decision", "resend").stdout
    assert "STATE_CONFLICT" in client("pause", instance, code=1).stderr
    later = client("send", mailing, "--again", "--at", "2099-06-01T09:00", "--time-zone", "Europe/Berlin", "--spread",
                   "60", "--audience", "never_received").stdout.split()[0]
    for step, state in (("pause", "paused"), ("resume", "scheduled"), ("cancel", "cancelled")):
        assert client(step, later).stdout.split() == [state]
    report = client("report", "--mailing", mailing).stdout
    assert figures(report)["targeted"] == 3 and "not settled yet" in report


def test_writebacks(client, server, tmp_path):
    """Fetched as JSON lines, acknowledged by their ids; a refusal is listed with its reason."""
    server.run("integration", "set", "--brand", "9999", "--name", "api", "--writebacks", "pull")
    (tmp_path / "two.csv").write_text("id,email\nP1,p1@example.org\nP2,p2@example.org\n")
    client("import", "two.csv")
    key = server.ask("key", "add", "--brand", "9999", "--integration", "phone")["key"]
    urllib.request.urlopen(urllib.request.Request(
        f"{server.url}/push/v1/subscribers/unsubscribe", b'[{"email": "p1@example.org"}, {"email": "p2@example.org"}]',
        {"ApiKey": key, "Content-Type": "application/json"})).close()
    wait_for(lambda: client("writebacks").stdout.count("\n") == 2, "both writebacks")
    first, second = (json.loads(line) for line in client("writebacks").stdout.splitlines())
    assert (first["kind"], first["remote_id"], "message" in first) == ("unsubscribe", "P1", False)
    ids = first["writeback_id"], second["writeback_id"]
    assert client("ack", ids[0]).stdout == "1 acknowledged, 0 were before\n"
    assert client("ack", ids[1], "--failed", "no such member").stdout == "1 acknowledged, 0 were before\n"
    assert client("ack", *ids[:1], "--integration", "api").stdout == "0 acknowledged, 1 were before\n"
    assert "writeback 4711: NOT_FOUND" in client("ack", "4711", code=1).stderr
    assert client("writebacks").stdout == ""
    assert json.loads(client("writebacks", "--state", "error").stdout)["message"] == "no such member"
    server.run("integration", "set", "--brand", "9999", "--name", "api", "--writebacks", "none")


@pytest.mark.parametrize(("content", "said"), [
    (b"", "the first row must name a column email or remoteId"),
    (b"beach,sun\n1,2\n", "it has: beach, sun"),
    ("email,FirstName\nz@example.org,Zoë\n".encode("cp1252"), "UTF-8"),
    (b"email,id\n" + b"x" * 200_000 + b",1\n", "line 2"),
    (b"email,E-Mail\na@example.org,b@example.org\n", "both"),
    (b"email,FirstName\na@example.org,A,surplus\n", "line 2 has 3 cells"),
])
def test_a_file_that_cannot_be_read_is_said(client, tmp_path, content, said):
    """Exit code 1, one sentence with the file's name; nothing is imported."""
    (tmp_path / "odd.csv").write_bytes(content)
    done = client("import", "odd.csv", code=1)
    assert done.stderr.startswith("gateway-client: odd.csv") and said in done.stderr, done.stderr


def test_a_row_with_too_few_cells_keeps_what_it_does_not_say(client, tmp_path):
    """A short row is imported with the cells that it has."""
    (tmp_path / "short.csv").write_text("email,FirstName\nshort@example.org\n")
    assert figures(client("import", "short.csv").stdout)["received"] == 1


def test_refusals_and_misuse(client, tmp_path):
    """Exit codes: 1 refused, 2 misused; a sentence, never a traceback."""
    assert "NOT_AUTHENTICATED" in client("report", "--mailing", "1", code=1, password="wrong").stderr
    assert "NOT_FOUND" in client("report", "--mailing", "4711", code=1).stderr
    assert "UNAVAILABLE" in client("report", "--mailing", "1", code=1, url="http://127.0.0.1:9").stderr
    assert "absent.csv" in client("import", "absent.csv", code=1).stderr
    assert "absent.html" in client("create", "--subject", "x", "--from", "news@example.org", "--html", "absent.html",
                                   "--interest", "Command", code=1).stderr
    assert "usage:" in client("report", code=2).stderr
    assert "usage:" in client(code=2).stderr
    assert "one character" in client("import", "x.csv", "--delimiter", "||", code=2).stderr
