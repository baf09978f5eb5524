"""The sink as a program: what it logs is what it took, even when it is killed (SEND-60, SEND-61)."""

import base64
import json
import signal
import subprocess
import sys

import pytest

from gateway.mail.smtp import SmtpConnection, Timeouts, Verdict
from gateway.mail.smtp_url import SmtpUrl
from tests.support.smtp_script import script_of


@pytest.fixture
def program(tmp_path):
    """A running sink: (its process, its URL, its log)."""
    log = tmp_path / "sink.jsonl"
    process = subprocess.Popen([sys.executable, "-m", "tests.support.smtp_sink", "--log", str(log)],
                               stdout=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline().strip(), log
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def logged(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_every_message_is_in_the_log_before_it_is_answered(program):
    """SEND-60."""
    process, url, log = program
    with SmtpConnection(SmtpUrl.parse(url), timeouts=Timeouts(5, 5, 5)) as smtp:
        for n in range(20):
            data = f"Message-ID: <{n}@x.org>\r\n\r\n.{n}\r\n".encode()
            assert smtp.send("b@x.org", f"p{n}@example.org", data).kind is Verdict.ACCEPTED
            assert logged(log)[-1]["message_id"] == f"<{n}@x.org>"
        assert smtp.send("b@x.org", "drop-after-dot@example.org", b"x\r\n").kind is Verdict.IN_DOUBT
        assert smtp.send("b@x.org", "bounce-5xx@example.org", b"x\r\n").kind is Verdict.REFUSED
        process.kill()
        process.wait()
    lines = logged(log)
    assert [line["answered"] for line in lines] == [True] * 20 + [False]
    assert base64.b64decode(lines[3]["data"]) == b"Message-ID: <3@x.org>\r\n\r\n.3\r\n" and lines[3]["size"] == 29
    assert lines[3]["from"] == "b@x.org" and lines[3]["to"] == ["p3@example.org"]


def test_it_stops_when_told(program):
    """A demo leaves nothing running."""
    process, _, _ = program
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


@pytest.mark.parametrize(("address", "script"), [
    ("bounce-5xx17@x.org", "bounce-5xx"), ("ada+full@x.org", "full"), ("421@x.org", "421"), ("421.ada@x.org", "421"),
    ("member421@x.org", None), ("fuller@x.org", None), ("ada@full.org", None),
])
def test_only_addresses_that_ask_for_it_are_treated_badly(address, script):
    """People called Fuller and member number 421 get their mail."""
    assert script_of(address) == script
