"""How does a receiver know that a domain stands behind a message? DKIM signatures (SEND-43, RFC 6376, RFC 8463)."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.domain.maildns import ALGORITHMS, ED25519, RSA
from gateway.errors import GatewayError

RSA_BITS = 2048
MAX_RSA_BITS = 4096

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_NEVER_SIGNED = frozenset({b"return-path", b"received", b"dkim-signature"})
_OVERSIGNED = (b"from", b"to", b"subject", b"date", b"reply-to", b"content-type")
"""Named once more than they are there, so that nobody can add another one (RFC 6376, 8.15)."""

_FOLD_AT = 72


@dataclass(frozen=True, slots=True)
class Signer:
    """One key of one domain, ready to sign. ``selector._domainkey.domain`` is where receivers find its other half."""

    domain: str
    selector: str
    key: PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """``rsa`` or ``ed25519``."""
        return RSA if isinstance(self.key, rsa.RSAPrivateKey) else ED25519


def signature_lines(signers: Sequence[Signer], head: Sequence[bytes], body: bytes, timestamp: int) -> bytes:
    """The DKIM-Signature headers that go before ``head``, one per signer.

    ``head``: the message's header fields, each whole, folded or not, with its CRLF; ``body``: what follows the empty
    line, in its relaxed form (RFC 6376, 3.4.4). ``timestamp``: when it was signed, seconds since 1970. Canonical forms
    are relaxed/relaxed; the fields of ``head`` are covered all, and the important ones cannot be added to.
    """
    if not signers:
        return b""
    names, fields = _covered(head)
    body_hash = base64.b64encode(hashlib.sha256(body).digest())
    signed = b"".join(fields)
    return b"".join(_signature(signer, names, signed, body_hash, timestamp) for signer in signers)


def new_key(algorithm: str) -> PrivateKey:
    """A fresh key: RSA of 2048 bits, or Ed25519. Raises ``INVALID_VALUE`` for another algorithm."""
    if algorithm == RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    if algorithm == ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    raise GatewayError("INVALID_VALUE", f"A key is of {' or '.join(ALGORITHMS)}.", field="algorithm")


def read_key(pem: bytes) -> PrivateKey:
    """The key of an unencrypted PEM text. Raises ``INVALID_VALUE`` for one that cannot sign, or an RSA key that is not
    of 2048 to 4096 bits (shorter ones are refused by receivers, RFC 8301)."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _bad_key("it cannot be read as an unencrypted private key in PEM form") from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _bad_key("it is neither RSA nor Ed25519")
    if not RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise _bad_key(f"it has {key.key_size} bits")
    return key


def write_key(key: PrivateKey) -> str:
    """The key as unencrypted PEM, to be sealed before it is stored."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode("ascii")


def public_key(key: PrivateKey) -> str:
    """The other half as it stands in the DNS record's ``p=`` (RFC 6376, 3.6.1; RFC 8463, 4.2)."""
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        data = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    else:
        data = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(data).decode("ascii")


def _covered(head: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The names for ``h=`` and the canonical fields in the order in which they are hashed (RFC 6376, 5.4.2)."""
    found = []
    for line in head:
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name not in _NEVER_SIGNED:
            found.append((name, name + b":" + b" ".join(value.split()) + b"\r\n"))
    found.reverse()  # of fields with one name the last is taken first
    return b":".join([*(name for name, _ in found), *_OVERSIGNED]), [text for _, text in found]


def _signature(signer: Signer, names: bytes, signed: bytes, body_hash: bytes, timestamp: int) -> bytes:
    start = (b"DKIM-Signature: v=1; a=%s-sha256; c=relaxed/relaxed;\r\n d=%s; s=%s; t=%d;\r\n h=%s;\r\n bh=%s;\r\n b="
             % (signer.algorithm.encode(), signer.domain.encode(), signer.selector.encode(), timestamp,
                _folded_names(names), body_hash))
    name, _, value = start.partition(b":")
    data = signed + name.lower() + b":" + b" ".join(value.split())
    made = base64.b64encode(_signed(signer.key, data))
    pieces = (made[at:at + _FOLD_AT] for at in range(0, len(made), _FOLD_AT))
    return start + b"\r\n ".join(pieces) + b"\r\n"


def _signed(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(hashlib.sha256(data).digest())  # RFC 8463, 3: the hash is what is signed
    return key.sign(data, padding.PKCS1v15(), SHA256())


@functools.lru_cache(maxsize=64)  # all messages of a mailing have the same
def _folded_names(names: bytes) -> bytes:
    lines, line = [], b""
    for name in names.split(b":"):
        if line and len(line) + len(name) > _FOLD_AT:
            lines.append(line + b":")
            line = b""
        line += (b":" if line else b"") + name
    return b"\r\n  ".join([*lines, line])


def _bad_key(reason: str) -> GatewayError:
    return GatewayError("INVALID_VALUE", f"The private key is of no use: {reason}. Give an RSA key of {RSA_BITS} to "
                                         f"{MAX_RSA_BITS} bits or an Ed25519 key.", field="privateKey")
