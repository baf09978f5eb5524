"""How do we keep a secret that we must be able to read again: a bridge's password, a digest user's secret?"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import GatewayError

_SALT = b"gateway secretbox 1"


def encrypt(secret_key: bytes, purpose: str, text: str) -> str:
    """``text`` sealed with the installation's key; twice the same text gives two different boxes.

    Every ``purpose`` has a key of its own (HKDF, RFC 5869): a box of one purpose does not open as another.
    """
    return _box(secret_key, purpose).encrypt(text.encode()).decode("ascii")


def decrypt(secret_key: bytes, purpose: str, sealed: str, older: Iterable[bytes] = ()) -> str:
    """What :func:`encrypt` sealed with this key, or with an ``older`` one of the installation (SEND-45).

    Raises ``INTERNAL_ERROR`` when the box is damaged or of another key or purpose.
    """
    boxes = MultiFernet([_box(key, purpose) for key in (secret_key, *older)])
    try:
        return boxes.decrypt(sealed.encode("utf-8")).decode()
    except (InvalidToken, UnicodeError):
        raise GatewayError("INTERNAL_ERROR", "A stored secret does not open with this installation's key. Start with "
                                             "the GATEWAY_SECRET_KEY it was stored with, name that in "
                                             "GATEWAY_OLD_SECRET_KEYS, or enter the secret anew.") from None


def _box(secret_key: bytes, purpose: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=_SALT, info=purpose.encode()).derive(secret_key)
    return Fernet(base64.urlsafe_b64encode(derived))
