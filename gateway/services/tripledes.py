"""How is a text sealed as the document API's old clients do it: 3DES-CBC with PKCS#7? (aapi.md section 3)

It is for compatibility. Without authentication and with a fixed IV it hides the text from who only listens, no more.
"""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.padding import PKCS7

from gateway.services.documentaccounts import PayloadKey

BLOCK_BYTES = 8


def encrypt(key: PayloadKey, data: bytes) -> bytes:
    """``data`` padded and encrypted."""
    padder, encryptor = PKCS7(BLOCK_BYTES * 8).padder(), _cipher(key).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def decrypt(key: PayloadKey, data: bytes) -> tuple[bytes, bool]:
    """What was encrypted, and whether its padding was right: if not, all of it, so that a caller who goes on all the
    same takes the same time. Raises ``ValueError`` for no data or no whole blocks."""
    if not data or len(data) % BLOCK_BYTES:
        raise ValueError("not whole blocks")
    decryptor = _cipher(key).decryptor()
    plain = decryptor.update(data) + decryptor.finalize()
    unpadder = PKCS7(BLOCK_BYTES * 8).unpadder()
    try:
        return unpadder.update(plain) + unpadder.finalize(), True
    except ValueError:
        return plain, False


def _cipher(key: PayloadKey) -> Cipher:
    return Cipher(TripleDES(key.key), modes.CBC(key.iv))
