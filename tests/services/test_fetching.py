"""Mail that comes back to a mailbox: a real Maildir folder, and an IMAP server (SEND-53)."""

import datetime as dt
import ipaddress
import os
import ssl
from dataclasses import replace

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.db.engine import create_engine
from gateway.db.models.transport import inbound_mail
from gateway.domain.inbound import KEPT_BYTES
from gateway.errors import GatewayError
from gateway.mail import mailboxes
from gateway.mail.mailboxes import MailboxError
from gateway.services import inbound
from tests.support.imap_server import ImapServer, Message
from tests.support.returnedmail import Sent
from tests.support.world import World

SEEN = "\\Seen"


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path) as made:
        yield made


@pytest.fixture
def maildir(tmp_path):
    folder = tmp_path / "Mail dir"
    for sub in ("new", "cur", "tmp"):
        (folder / sub).mkdir(parents=True)
    return folder


def look_into(world, *urls):
    """What the worker does once a minute."""
    world.gateway.settings = replace(world.gateway.settings, bounce_mailbox=urls)
    for piece in inbound.due_fetch(world.gateway):
        inbound.fetch(world.gateway, *piece)


def kept(world):
    with world.reading() as unit:
        return unit.connection.execute(sa.select(inbound_mail).order_by(inbound_mail.c.id)).all()


def mail(world, name="postfix-unknown-user"):
    return Sent(world.gateway.keys, 1, 7, 3, "ann@example.org").mail(name)


def test_maildir(world, maildir):
    """What is new is taken and then marked as seen; what was seen, hidden or half delivered is left alone."""
    (maildir / "new" / "1.a.host").write_bytes(mail(world))
    (maildir / "cur" / "2.b.host:2,F").write_bytes(b"Subject: flagged by somebody\r\n\r\n")
    (maildir / "cur" / "3.c.host:2,S").write_bytes(b"Subject: seen\r\n\r\n")
    (maildir / "tmp" / "4.d.host").write_bytes(b"Subject: half")
    (maildir / "new" / ".hidden").write_bytes(b"x")
    (maildir / "new" / "0.folder").mkdir()  # what is no mail stops nothing
    url = f"maildir://{str(maildir).replace(' ', '%20')}"
    look_into(world, url)
    look_into(world, url)
    assert [(row.came_by, row.state) for row in kept(world)] == [("maildir", "new")] * 2
    assert kept(world)[0].data == mail(world)
    assert sorted(os.listdir(maildir / "cur")) == ["1.a.host:2,S", "2.b.host:2,FS", "3.c.host:2,S"]
    assert sorted(os.listdir(maildir / "new")) == [".hidden", "0.folder"]
    assert mailboxes.probe(url) is None


def test_a_mail_is_marked_only_when_it_is_durable(world, maildir):
    """SEND-53: the store is away, so all stays where it is; and a crash before the mark makes one mail, not two."""
    (maildir / "new" / "1.a.host").write_bytes(mail(world))
    good, world.gateway.engine = world.gateway.engine, create_engine("postgresql+psycopg://127.0.0.1:1/none")
    with pytest.raises(GatewayError, match="UNAVAILABLE"):
        look_into(world, f"maildir://{maildir}".replace(" ", "%20"))
    assert os.listdir(maildir / "new") == ["1.a.host"]
    world.gateway.engine.dispose()
    world.gateway.engine = good
    look_into(world, f"maildir://{maildir}".replace(" ", "%20"))
    (maildir / "cur" / "1.a.host:2,S").rename(maildir / "new" / "1.a.host")
    look_into(world, f"maildir://{maildir}".replace(" ", "%20"))
    assert len(kept(world)) == 1 and os.listdir(maildir / "new") == []


def test_a_large_mail_is_read_in_part(world, maildir):
    """SEND-61."""
    (maildir / "new" / "1").write_bytes(b"a" * 3_000_000)
    look_into(world, f"maildir://{maildir}".replace(" ", "%20"))
    assert [len(row.data) for row in kept(world)] == [KEPT_BYTES]


def test_imap(world):
    """What is unseen is taken, then marked; the server's own flags decide, so a second look takes nothing."""
    with ImapServer() as server:
        server.folders["INBOX"] = {3: Message(mail(world)), 5: Message(b"a" * 2_000_000), 8: Message(b"x", {SEEN})}
        look_into(world, server.url())
        look_into(world, server.url())
        assert [(row.came_by, len(row.data)) for row in kept(world)] == [("imap", len(mail(world))),
                                                                         ("imap", KEPT_BYTES)]
        assert {SEEN} == {flag for found in server.folders["INBOX"].values() for flag in found.flags}
        assert kept(world)[0].data == mail(world)


@pytest.mark.parametrize("moves", [True, False])
def test_imap_moves_what_was_taken(sqlite_url, tmp_path, moves):
    """``?move=``: by MOVE where the server knows it, else by a copy and the removal of what was copied."""
    with World(sqlite_url, data_dir=tmp_path) as world, ImapServer(moves=moves) as server:
        server.folders["INBOX"] = {3: Message(mail(world)), 9: Message(b"Subject: y\r\n\r\n")}
        look_into(world, server.url() + "?move=Done")
        assert server.folders["INBOX"] == {} and sorted(server.folders["Done"]) == [3, 9]
        assert any(said.startswith("UID MOVE") for said in server.said) == moves
        assert len(kept(world)) == 2


@pytest.mark.parametrize("refused", ["LOGIN", "SELECT", "SEARCH", "FETCH", "STORE"])
def test_imap_refuses(sqlite_url, tmp_path, caplog, refused):
    """An error is logged without user and password; nothing is lost, and the next look takes what is left, once."""
    with World(sqlite_url, data_dir=tmp_path) as world, ImapServer() as server:
        server.folders["INBOX"] = {3: Message(mail(world)), 9: Message(b"Subject: y\r\n\r\n")}
        server.refuse = refused
        look_into(world, server.url())
        [record] = [record for record in caplog.records if record.message == "mailbox not read"]
        assert "sesame" not in str(record.fields) and "bounces:" not in str(record.fields)
        server.refuse = ""
        look_into(world, server.url())
        assert len(kept(world)) == 2 and all(SEEN in found.flags for found in server.folders["INBOX"].values())


def test_no_server_and_no_folder(sqlite_url, tmp_path):
    """A mailbox that is not there is said, and others are looked into all the same."""
    with World(sqlite_url, data_dir=tmp_path) as world, ImapServer() as server:
        server.folders["INBOX"] = {3: Message(mail(world))}
        look_into(world, "imap://x:y@127.0.0.1:9/INBOX", f"maildir://{tmp_path}/none", server.url())
        assert len(kept(world)) == 1
        assert mailboxes.probe(server.url()) is None
        assert mailboxes.probe("imap://x:y@127.0.0.1:9/INBOX") == "imap://127.0.0.1/INBOX: Connection refused"
        assert "No such file" in mailboxes.probe(f"maildir://{tmp_path}/none")
        for strange in (server.url(folder="Zur%C3%BCck"), server.url().replace("sesame", "%E2%82%AC")):
            with pytest.raises(MailboxError, match="must be ASCII"):
                list(mailboxes.fetch(strange, 100, 10))


def test_imaps_verifies_the_certificate(tmp_path, monkeypatch):
    """A server that nobody vouches for is not told the password."""
    context = certified(tmp_path)
    with ImapServer(tls=context) as server:
        server.folders["INBOX"] = {3: Message(b"Subject: x\r\n\r\n")}
        with pytest.raises(MailboxError, match="imaps://127.0.0.1/INBOX"):
            list(mailboxes.fetch(server.url("imaps"), 100, 10))
        assert server.said == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
        [found] = mailboxes.fetch(server.url("imaps"), 100, 10)
        assert (found.kept, found.size_bytes) == (b"Subject: x\r\n\r\n", 14)


def certified(folder):
    """The TLS of a server for 127.0.0.1 whose certificate is its own authority."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
            .add_extension(names, False).add_extension(x509.BasicConstraints(True, None), True)
            .sign(key, hashes.SHA256()))
    pem = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context
