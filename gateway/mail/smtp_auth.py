"""How do we prove who we are to a mail server? SASL PLAIN, LOGIN and XOAUTH2 (RFC 4954)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

from gateway.mail.smtp_url import SmtpUrl

MAX_TOKEN_BYTES = 65536


class NoWay(Exception):
    """We cannot log in, for a reason on our side; the text is for the operator."""


def mechanism(url: SmtpUrl, offered: frozenset[str]) -> str:
    """The mechanism to use: the one the URL names, else PLAIN before LOGIN. ``offered`` in lower case.

    Raises ``NoWay`` when the server offers none that we may use.
    """
    wanted = (url.auth,) if url.auth else ("plain", "login")
    for name in wanted:
        if name in offered:
            return name
    raise NoWay(f"The mail server offers no login by {' or '.join(w.upper() for w in wanted)}.")


def steps(url: SmtpUrl, name: str) -> Iterator[bytes]:
    """The lines to send, the AUTH command first, each further one in answer to a 334. Raises ``NoWay``.

    The token file is read here, so at each login: whoever renews the token writes the file anew. After a failure
    XOAUTH2 servers ask once more, with the error; the empty answer lets them say their 5xx.
    """
    user, password = (url.user or "").encode(), (url.password or "").encode()
    if name == "plain":
        yield b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password) + b"\r\n"
    elif name == "login":
        yield b"AUTH LOGIN\r\n"
        yield base64.b64encode(user) + b"\r\n"
        yield base64.b64encode(password) + b"\r\n"
    else:
        words = b"user=" + user + b"\x01auth=Bearer " + _token(url) + b"\x01\x01"
        yield b"AUTH XOAUTH2 " + base64.b64encode(words) + b"\r\n"
        yield b"\r\n"


def _token(url: SmtpUrl) -> bytes:
    try:
        with Path(url.token_file or "").open("rb") as file:
            token = file.read(MAX_TOKEN_BYTES).strip()
    except OSError as error:
        raise NoWay(f"The token file of GATEWAY_SMTP_URL cannot be read: {error.strerror}.") from None
    if token.split() != [token] or not token.isascii() or not token.decode().isprintable():
        raise NoWay("The token file of GATEWAY_SMTP_URL must hold one token in ASCII and nothing else.")
    return token
