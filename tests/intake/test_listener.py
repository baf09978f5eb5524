"""The listener for bounces, talked to by real clients: what it takes, keeps and refuses (SEND-53)."""

import smtplib
import socket
import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from gateway.db.engine import create_engine
from gateway.db.models.transport import inbound_mail
from gateway.domain.inbound import KEPT_BYTES
from gateway.domain.tokens import Keys
from gateway.intake.listener import Listener
from gateway.intake.session import Limits
from gateway.services import health
from gateway.services.health import Check
from tests.support.installation import free_port
from tests.support.returnedmail import Sent
from tests.support.waiting import wait_for
from tests.support.world import World

DOMAIN = "bounces.example.org"
NOT_OURS = b"550 5.1.1 no such mailbox here"
STRANGE = Keys.from_secret(b"another secret key, as long as that one is")


class Intake:
    """A listener on a gateway of its own, and what it has kept."""

    def __init__(self, url, folder, protocol="lmtp", where=None, **limits):
        self.world = World(url, data_dir=folder)
        self.port = free_port()
        self.where = where or f"127.0.0.1:{self.port}"
        self.gateway = self.world.gateway
        self.gateway.settings = replace(self.gateway.settings, bounce_domain=DOMAIN,
                                        bounce_listen=(f"{protocol}://{self.where}",))
        self.sent = Sent(self.gateway.keys, 1, 7, 3, "ann@example.org", DOMAIN)
        self.verp = f"{self.sent.verp}@{DOMAIN}"
        self.listener = Listener(self.gateway, replace(Limits(), **limits), retry_s=0.05)

    def __enter__(self):
        self.listener.start()
        return self

    def __exit__(self, *_):
        self.listener.stop()
        self.world.close()

    def talk(self):
        return Talk(self.port)

    def kept(self):
        with self.world.reading() as unit:
            return unit.connection.execute(sa.select(inbound_mail).order_by(inbound_mail.c.id)).all()


class Talk:
    """A client that says exactly what it is told."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.greeting = self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def read(self):
        while (line := self.file.readline())[3:4] == b"-":
            pass
        return line.rstrip(b"\r\n")

    def say(self, data, replies=1):
        self.socket.sendall(data)
        found = [self.read() for _ in range(replies)]
        return found[0] if replies == 1 else found

    def hello(self, word=b"LHLO"):
        assert self.say(word + b" mx.example.net\r\n").startswith(b"250")
        return self


@pytest.fixture
def intake(database_url, tmp_path):
    with Intake(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def quick(sqlite_url, tmp_path):
    """Where no second database can make a difference."""
    return lambda protocol="lmtp", **more: Intake(sqlite_url, tmp_path, protocol, **more)


def test_a_client_of_the_standard_library(intake):
    """SEND-53: 250 only when the mail is in the table, byte for byte, with its envelope."""
    data = intake.sent.mail("postfix-unknown-user")
    with smtplib.LMTP("127.0.0.1", intake.port) as client:
        assert client.sendmail("", [intake.verp.upper()], data) == {}
        [row] = intake.kept()
        assert (row.state, row.came_by, row.envelope_from, row.envelope_to) == ("new", "lmtp", "", intake.verp.upper())
        assert row.data == data
        client.sendmail("", [intake.verp], data)  # its own retry, after an answer that was lost
    assert len(intake.kept()) == 1


def test_each_recipient_has_its_answer(intake):
    """RFC 2033, 4.2, and SEND-45: strangers and forged tokens are refused in the same words; all in one write."""
    forged = Sent(STRANGE, 1, 7, 3, "ann@example.org").verp.encode()
    with intake.talk() as talk:
        talk.hello()
        replies = talk.say(
            b"MAIL FROM:<> BODY=8BITMIME\r\n"
            b"RCPT TO:<" + intake.verp.encode() + b">\r\nRCPT TO:<" + forged + b"@" + DOMAIN.encode() + b">\r\n"
            b"RCPT TO:<someone@" + DOMAIN.encode() + b">\r\nRCPT TO:<someone@elsewhere.example>\r\n"
            b"RCPT TO:<postmaster>\r\nRCPT TO:<fbl+loop@" + DOMAIN.upper().encode() + b">\r\n"
            b"RCPT TO:<abuse@elsewhere.example>\r\nRCPT TO:<" + intake.sent.unsubscribe.encode() + b"@old.example>\r\n"
            b"DATA\r\n", 10)
        assert [reply[:3] for reply in replies] == [b"250", b"250", b"550", b"550", b"550", b"250", b"250", b"550",
                                                    b"250", b"354"]
        assert {replies[number] for number in (2, 3, 4, 7)} == {NOT_OURS}
        assert talk.say(b"Subject: x\r\n\r\n..x\r\n.\r\n", 4) == [b"250 2.0.0 kept"] * 4
    rows = intake.kept()
    assert [row.envelope_to for row in rows] == [intake.verp, "postmaster", f"fbl+loop@{DOMAIN.upper()}",
                                                 f"{intake.sent.unsubscribe}@old.example"]
    assert {row.data for row in rows} == {b"Subject: x\r\n\r\n.x\r\n"}


def test_the_store_is_away(quick):
    """SEND-53: 451, for each recipient, and the connection goes on; later the same mail is taken."""
    with quick() as intake, intake.talk() as talk:
        talk.hello()
        good, intake.gateway.engine = intake.gateway.engine, create_engine("postgresql+psycopg://127.0.0.1:1/none")
        to = b"RCPT TO:<" + intake.verp.encode() + b">\r\n"
        mail = b"MAIL FROM:<>\r\n" + to + b"RCPT TO:<postmaster>\r\nDATA\r\n"
        talk.say(mail, 4)
        assert [reply[:3] for reply in talk.say(b"x: y\r\n.\r\n", 2)] == [b"451", b"451"]
        intake.gateway.engine.dispose()
        intake.gateway.engine = good
        talk.say(mail, 4)
        assert [reply[:3] for reply in talk.say(b"x: y\r\n.\r\n", 2)] == [b"250", b"250"]
        assert len(intake.kept()) == 2


def test_a_connection_that_is_lost_leaves_nothing(quick):
    """SEND-53: what was not finished was never a mail."""
    with quick() as intake:
        with intake.talk() as talk:
            talk.hello().say(b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n", 3)
            talk.socket.sendall(b"Subject: half\r\n")
        with intake.talk() as talk:  # it is still there for others
            talk.hello()
        assert intake.kept() == []


def test_only_the_standard_end_ends_a_mail(quick):
    """No mail hides another: a dot between bare LFs is text."""
    inner = b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\nhidden\r\n"
    with quick() as intake, intake.talk() as talk:
        talk.hello().say(b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n", 3)
        body = b"a\n.\n" + inner + b"b\r\n.\n" + inner + b"c\n.\r\nd\r.\rx\r\n"
        assert talk.say(body + b".\r\n") == b"250 2.0.0 kept"
        [row] = intake.kept()
        assert row.data == body.replace(b"\r\n.\n", b"\r\n\n")


def test_of_a_large_mail_the_beginning_is_kept(quick):
    """SEND-61: memory does not grow with the mail, not even with one endless line; two that differ behind are two."""
    with quick() as intake:
        for tail in (b"x", b"xx"):
            with intake.talk() as talk:
                talk.hello().say(b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n", 3)
                assert talk.say(b"a" * 3_000_000 + tail + b"\r\n.\r\n") == b"250 2.0.0 kept"
        assert [len(row.data) for row in intake.kept()] == [KEPT_BYTES] * 2


def test_too_large(quick):
    """A size limit: by what is announced, and by what comes."""
    with quick(size_bytes=1000) as intake, intake.talk() as talk:
        assert talk.hello().say(b"MAIL FROM:<> SIZE=1001\r\n").startswith(b"552")
        talk.say(b"MAIL FROM:<> SIZE=10\r\nRCPT TO:<postmaster>\r\nDATA\r\n", 3)
        assert talk.say(b"a" * 2000 + b"\r\n.\r\n").startswith(b"552")
        assert intake.kept() == []


def test_limits_of_connections(quick):
    """Too many are told to come back; a place that is given up is free again."""
    with quick(connections=3, per_host=2) as intake:
        with intake.talk() as first, intake.talk() as second, intake.talk() as third:
            assert (first.greeting[:3], second.greeting[:3], third.greeting[:3]) == (b"220", b"220", b"421")

        def free():
            with intake.talk() as talk:
                return talk.greeting.startswith(b"220")

        wait_for(free, "a free place")


def test_slow_clients(quick):
    """One that says nothing, and one whose mail does not end, lose their connection."""
    with quick(command_s=0.3, mail_s=0.6) as intake:
        with intake.talk() as talk:
            assert talk.read() == b"421 4.4.2 too slow"
        with intake.talk() as talk:
            talk.hello().say(b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n", 3)
            talk.socket.sendall(b"Subject: ")
            assert talk.read() == b"421 4.4.2 too slow"
        assert intake.kept() == []


def test_mistakes(quick):
    """Wrong order, wrong words, unknown parameters, endless lines: said, and not for ever."""
    with quick(mistakes=12, recipients=1) as intake:
        with intake.talk() as talk:
            talk.say(b"MAIL FROM:<>\r\n").startswith(b"503")
            assert talk.say(b"EHLO x\r\n").startswith(b"500")
            talk.hello()
            for said, code in ((b"RCPT TO:<postmaster>", b"503"), (b"DATA", b"503"), (b"MAIL FROM: x", b"501"),
                               (b"MAIL FROM:<> NOTIFY=NEVER", b"555"), (b"TURN", b"500"), (b"MAIL FROM:<a@b>", b"250"),
                               (b"MAIL FROM:<>", b"503"), (b"RCPT TO:<postmaster>", b"250"), (b"NOOP", b"250"),
                               (b"RCPT TO:<postmaster>", b"452"), (b"RSET", b"250"), (b"VRFY postmaster", b"252"),
                               (b"\xff\xfe", b"500"), (b"DATA now", b"503"), (b"X", b"421")):
                assert talk.say(said + b"\r\n").startswith(code), said
            assert talk.read() == b""
        with intake.talk() as talk:
            assert talk.say(b"a" * 200_000 + b"\r\n").startswith(b"500")
        with intake.talk() as talk:
            assert talk.say(b"QUIT\r\n").startswith(b"221")


def test_smtp(quick):
    """The same over SMTP, as behind an MX: one answer for all recipients; source routes are left out."""
    with quick("smtp") as intake:
        with intake.talk() as talk:
            talk.hello(b"EHLO")
            for sender in (b'"a person"@x.example', b'"a\\"> person"@x.example', b"@relay.example:ann@x.example"):
                assert talk.say(b"MAIL FROM:<" + sender + b">\r\n") == b"250 2.0.0 ok", sender
                talk.say(b"RSET\r\n")
        with smtplib.SMTP("127.0.0.1", intake.port) as client:
            assert client.ehlo()[0] == 250 and client.has_extn("pipelining") and client.has_extn("size")
            refused = client.sendmail("", [intake.verp, "nobody@x.example", f"abuse@{DOMAIN}"], b"Subject: x\r\n\r\n")
            assert list(refused) == ["nobody@x.example"]
        with intake.talk() as talk:
            assert talk.say(b"LHLO x\r\n").startswith(b"500")
            talk.hello(b"HELO")
            talk.say(b"MAIL FROM:<>\r\nRCPT TO:<@relay.example:" + intake.verp.encode() + b">\r\nDATA\r\n", 3)
            assert talk.say(b"Subject: y\r\n\r\n.\r\n") == b"250 2.0.0 kept"
        assert [row.envelope_to for row in intake.kept()] == [intake.verp, f"abuse@{DOMAIN}", intake.verp]


def test_a_unix_socket(quick, tmp_path):
    """LMTP on this host alone; what a killed process left of the socket is no hindrance."""
    path = tmp_path / "lmtp.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with quick(where=str(path)) as intake:
        with smtplib.LMTP(str(path)) as client:
            client.sendmail("", ["postmaster"], b"Subject: x\r\n\r\n")
        assert len(intake.kept()) == 1


def test_a_unix_socket_that_is_taken(quick, tmp_path):
    """A second worker of the host does not take the path away from the first, which nobody would give it back."""
    path = tmp_path / "lmtp.sock"
    with quick(where=str(path)) as intake:
        second = Listener(intake.gateway, retry_s=0.05)
        second.start()
        second.stop()
        with smtplib.LMTP(str(path)) as client:
            client.sendmail("", ["postmaster"], b"Subject: x\r\n\r\n")
        assert len(intake.kept()) == 1


def test_the_doctor_asks_where_somebody_should_listen(quick):
    """On a host without a worker nobody listens, which is no fault; where one runs and is not heard, it is."""
    with quick() as intake:
        def bounces():
            return next(check for check in health.doctor(intake.gateway) if check.name == "bounces")

        assert bounces() == Check("bounces", True, "0 mails understood in 30 days, 0 in quarantine")
        intake.listener.stop()
        assert bounces().ok and "no worker runs on this host" in bounces().detail
        deaf = Listener(intake.gateway, retry_s=60)
        with socket.create_server(("127.0.0.1", intake.port)):
            deaf.start()
        assert not bounces().ok and "Connection refused" in bounces().detail
        deaf.stop()


def test_an_address_that_is_taken(quick):
    """A second worker of the host waits, and takes over when the first one ends."""
    with quick() as intake:
        second = Listener(intake.gateway, retry_s=0.05)
        second.start()
        try:
            intake.listener.stop()

            def answers():
                try:
                    with intake.talk() as talk:
                        return talk.greeting.startswith(b"220")
                except OSError:
                    return False

            wait_for(answers, "the second listener")
        finally:
            second.stop()


def test_stopping(quick):
    """Clients are told, also those in the middle of a mail; the thread ends."""
    with quick() as intake, intake.talk() as idle, intake.talk() as busy:
        busy.hello().say(b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n", 3)
        intake.listener.stop()
        assert (idle.read(), busy.read()) == (b"421 4.3.2 this server is stopping",) * 2
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("intake")]
