"""Which credentials does a request carry, as text? Whether they are right is the door's question."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from gateway.errors import GatewayError

WSSE_NS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU_NS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
DIGEST_TYPE = f"{PROFILE}#PasswordDigest"
TEXT_TYPE = f"{PROFILE}#PasswordText"
SECURITY = f"{{{WSSE_NS}}}Security"
CRYPTO_NAMESPACES = frozenset({"http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/04/xmlenc#"})
NONCE_BYTES = 256


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """A WS-Security UsernameToken as sent (SOAP-14, SOAP-15).

    ``secret`` is the password, or its digest in base64 when ``is_digest``; then ``nonce`` and ``created_text`` are the
    exact octets that were hashed and ``created`` is the same instant, aware.
    """

    user_name: str
    secret: str
    is_digest: bool
    nonce: bytes = b""
    created_text: str = ""
    created: dt.datetime | None = None

    def __repr__(self) -> str:
        """Without the secret: a repr ends in logs."""
        return f"UsernameToken(is_digest={self.is_digest})"


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A ``wsu:Timestamp`` to be checked by the door (SOAP-20); both instants aware, each may be absent."""

    created: dt.datetime | None
    expires: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Security:
    """What the ``wsse:Security`` header holds."""

    token: UsernameToken | None = None
    timestamp: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """User name and password of HTTP Basic (SOAP-16)."""

    user_name: str
    password: str

    def __repr__(self) -> str:
        """Without the secret: a repr ends in logs."""
        return "BasicCredentials()"


def read_security(headers: Iterable[etree._Element]) -> Security:
    """The security header of a request; empty if it has none.

    Raises NOT_SUPPORTED for a signature or encryption anywhere in it (SOAP-20), INVALID_REQUEST for one that cannot
    be read (two tokens or timestamps, no user name, a digest without nonce or time). No message quotes the content.
    """
    token, timestamp = None, None
    for block in headers:
        if block.tag != SECURITY:
            continue
        refuse_crypto(block)
        for child in block:
            if child.tag == f"{{{WSSE_NS}}}UsernameToken":
                if token is not None:
                    raise unreadable("holds two UsernameTokens")
                token = read_token(child)
            elif child.tag == f"{{{WSU_NS}}}Timestamp":
                if timestamp is not None:
                    raise unreadable("holds two Timestamps")
                timestamp = Timestamp(instant_of(child, "Created"), instant_of(child, "Expires"))
    return Security(token, timestamp)


def has_token(block: etree._Element) -> bool:
    """Whether a header block is a ``wsse:Security`` that holds more than a Timestamp."""
    return block.tag == SECURITY and any(child.tag != f"{{{WSU_NS}}}Timestamp" for child in block)


def refuse_crypto(block: etree._Element) -> None:
    """Raises NOT_SUPPORTED: a signature that nobody checks must never look accepted."""
    for element in block.iter():
        if etree.QName(element).namespace in CRYPTO_NAMESPACES:
            raise GatewayError("NOT_SUPPORTED", "XML signature and encryption are not supported; use TLS.",
                               field="Security")


def read_token(element: etree._Element) -> UsernameToken:
    """One UsernameToken (UsernameToken Profile 1.0 section 3.1)."""
    user_name = (element.findtext(f"{{{WSSE_NS}}}Username") or "").strip()
    password = element.find(f"{{{WSSE_NS}}}Password")
    if not user_name or password is None:
        raise unreadable("needs Username and Password")
    kind = password.get("Type", TEXT_TYPE).strip()
    if kind not in (TEXT_TYPE, DIGEST_TYPE):
        raise unreadable("has an unknown password type")
    if kind == TEXT_TYPE:
        return UsernameToken(user_name, password.text or "", is_digest=False)
    created_text = (element.findtext(f"{{{WSU_NS}}}Created") or "").strip()
    try:
        nonce = base64.b64decode((element.findtext(f"{{{WSSE_NS}}}Nonce") or "").strip(), validate=True)
    except (binascii.Error, ValueError):
        raise unreadable("has a Nonce that is not base64") from None
    created = instant_of(element, "Created")
    if not 0 < len(nonce) <= NONCE_BYTES or created is None:
        raise unreadable("needs Nonce and Created beside a digest")
    return UsernameToken(user_name, (password.text or "").strip(), True, nonce, created_text, created)


def instant_of(element: etree._Element, name: str) -> dt.datetime | None:
    """The aware instant in ``wsu:<name>``; a time without offset is UTC by the profile's habit. None if absent."""
    text = (element.findtext(f"{{{WSU_NS}}}{name}") or "").strip()
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise unreadable(f"has a {name} that is not an instant") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def unreadable(problem: str) -> GatewayError:
    """The error for a security header that cannot be read."""
    return GatewayError("INVALID_REQUEST", f"The WS-Security header {problem}.", field="Security")


def read_basic(authorization: str | None) -> BasicCredentials | None:
    """The credentials of an ``Authorization: Basic`` header (RFC 7617), None for no header or another scheme.

    Raises INVALID_REQUEST if what follows ``Basic`` cannot be read.
    """
    scheme, _, parameter = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = base64.b64decode(parameter.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise bad_basic() from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("iso-8859-1")
    user_name, colon, password = text.partition(":")
    if not colon:
        raise bad_basic()
    return BasicCredentials(user_name, password)


def bad_basic() -> GatewayError:
    """The error for a Basic header that cannot be read."""
    return GatewayError("INVALID_REQUEST", "The Authorization header is not readable HTTP Basic.",
                        field="Authorization")
