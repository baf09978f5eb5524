"""Which mails wait in a mailbox that others fill: a Maildir folder, or a folder of an IMAP server? (SEND-53)

A mail is marked or moved only by ``done``, which the caller calls when the mail is durable elsewhere; after a crash
between the two it comes again.
"""

from __future__ import annotations

import imaplib
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

TIMEOUT_S = 60.0
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
_SEEN = "S"
_TROUBLE = (OSError, imaplib.IMAP4.error, UnicodeError)


class MailboxError(Exception):
    """The mailbox cannot be read or marked; the message names neither user nor password."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that waits: its beginning, the size of all of it, and how to say that it was taken."""

    kept: bytes
    size_bytes: int
    done: Callable[[], None]


def fetch(url: str, kept_bytes: int, limit: int) -> Iterator[Waiting]:
    """Up to ``limit`` mails of ``maildir:///path`` or ``imaps://user:password@host/FOLDER[?move=FOLDER]``.

    Raises :class:`MailboxError`, as ``done`` of each does.
    """
    parts = urlsplit(url)
    with _translated(parts):
        for mail in (_maildir if parts.scheme == "maildir" else _imap)(parts, kept_bytes, limit):
            yield replace(mail, done=partial(_do, parts, mail.done))


def probe(url: str) -> str | None:
    """Why the mailbox, or the listener at ``lmtp://`` or ``smtp://``, does not answer; None: it does."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "maildir":
            return _probe_maildir(parts)
        elif parts.scheme in ("lmtp", "smtp"):
            return _probe_listener(parts)
        else:
            _leave(_connect(parts))
    except _TROUBLE as error:
        return f"{_name(parts)}: {_reason(error)}"
    return None


def _do(parts: SplitResult, done: Callable[[], None]) -> None:
    with _translated(parts):
        done()


@contextmanager
def _translated(parts: SplitResult) -> Iterator[None]:
    try:
        yield
    except _TROUBLE as error:
        raise MailboxError(f"{_name(parts)}: {_reason(error)}") from None


# --- Maildir --------------------------------------------------------------------------------------------------------


def _maildir(parts: SplitResult, kept_bytes: int, limit: int) -> Iterator[Waiting]:
    """What is in ``new``, and in ``cur`` without the flag S; ``done`` moves it to ``cur`` with that flag."""
    folder = Path(unquote(parts.path))
    names = [path for sub in ("new", "cur") for path in sorted((folder / sub).iterdir())
             if not path.name.startswith(".") and not (sub == "cur" and _SEEN in path.name.rpartition(":2,")[2])
             and path.is_file()]
    for path in names[:limit]:
        try:
            with path.open("rb") as file:
                kept, size_bytes = file.read(kept_bytes), os.fstat(file.fileno()).st_size
        except FileNotFoundError:
            continue  # another worker has taken it meanwhile
        yield Waiting(kept, size_bytes, partial(_set_aside, folder, path))


def _set_aside(folder: Path, path: Path) -> None:
    base, _, flags = path.name.partition(":2,")
    try:
        path.rename(folder / "cur" / f"{base}:2,{''.join(sorted({*flags, _SEEN}))}")
    except FileNotFoundError:
        return  # another worker was faster, and the mail is one by its key


# --- IMAP -----------------------------------------------------------------------------------------------------------


def _imap(parts: SplitResult, kept_bytes: int, limit: int) -> Iterator[Waiting]:
    """What is not seen; ``done`` marks it as seen, or moves it to the folder named by ``move``."""
    move = parse_qs(parts.query).get("move", [""])[0]
    server = _connect(parts)
    try:
        moves = b"MOVE" in b" ".join(_ok(server.capability())).upper().split()  # many offer it only after the login
        _ok(server.select(_quoted(unquote(parts.path).strip("/") or "INBOX")))
        found = _ok(server.uid("SEARCH", "UNSEEN", "UNDELETED"))
        for uid in (found[0] or b"").split()[:limit]:
            number = uid.decode("ascii")
            answer = _ok(server.uid("FETCH", number, f"(RFC822.SIZE BODY.PEEK[]<0.{kept_bytes}>)"))
            body = next((each for each in answer if isinstance(each, tuple)), None)
            if body is None:
                continue  # it was moved away meanwhile
            size = _SIZE.search(b" ".join(each[0] if isinstance(each, tuple) else each for each in answer if each))
            yield Waiting(body[1], int(size[1]) if size else len(body[1]), partial(_mark, server, number, move, moves))
        if move and not moves:
            _ok(server.expunge())
    finally:
        _leave(server)


def _connect(parts: SplitResult) -> imaplib.IMAP4:
    """A connection that is logged in; certificates are verified."""
    host, context = parts.hostname or "", ssl.create_default_context()
    if parts.scheme == "imaps":
        server: imaplib.IMAP4 = imaplib.IMAP4_SSL(host, parts.port or 993, ssl_context=context, timeout=TIMEOUT_S)
    else:
        server = imaplib.IMAP4(host, parts.port or 143, timeout=TIMEOUT_S)
    try:
        if parts.scheme == "imap+starttls":
            server.starttls(context)
        server.login(unquote(parts.username or ""), unquote(parts.password or ""))
    except _TROUBLE:
        _leave(server)
        raise
    return server


def _leave(server: imaplib.IMAP4) -> None:
    """Says goodbye if the server still listens, and closes the connection."""
    with suppress(OSError, imaplib.IMAP4.error):
        server.logout()
    with suppress(OSError):
        server.shutdown()


def _mark(server: imaplib.IMAP4, number: str, move: str, moves: bool) -> None:
    if move and moves:
        _ok(server.uid("MOVE", number, _quoted(move)))
        return
    if move:
        _ok(server.uid("COPY", number, _quoted(move)))
    _ok(server.uid("STORE", number, "+FLAGS", "(\\Seen \\Deleted)" if move else "(\\Seen)"))


def _ok(answer: tuple[str, list]) -> list:
    kind, data = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(f"the server said {kind}")
    return data


def _quoted(folder: str) -> str:
    escaped = folder.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# --- the parts of all -----------------------------------------------------------------------------------------------


def _probe_maildir(parts: SplitResult) -> str | None:
    """What is taken is moved from ``new`` to ``cur``: both must be writable."""
    for sub in ("new", "cur"):
        folder = Path(unquote(parts.path)) / sub
        os.listdir(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"{_name(parts)}: {sub} may not be written"
    return None


def _probe_listener(parts: SplitResult) -> str | None:
    if parts.hostname:
        connection = socket.create_connection((parts.hostname, parts.port or 0), timeout=5)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(parts.path)
    with connection:
        greeting = connection.recv(200)
        return None if greeting.startswith(b"220") else f"{_name(parts)}: it does not greet"


def _name(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _reason(error: Exception) -> str:
    """What went wrong, without what an IMAP server may repeat of a login."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, UnicodeError):
        return "user, password and folder must be ASCII; other folders are written in modified UTF-7 (RFC 3501, 5.1.3)"
    return "the server refused" if not str(error).startswith("the server said") else str(error)
