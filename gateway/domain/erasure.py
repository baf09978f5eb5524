"""How is somebody remembered who asked to be forgotten? By keyed hashes that say nothing without the key (ID-35)."""

from __future__ import annotations

import hmac

EMAIL, KEY = "email", "key"
"""Kinds of a suppression: an address, or a remote ID in one integration."""

PURPOSE = "suppression"
"""Names the installation's key of these hashes: ``unit.keys.derived(PURPOSE)``."""


def address_hash(key: bytes, brand_id: int, email: str) -> str:
    """The hash of a normalised address (ID-7) in a brand: 64 hexadecimal digits, the same for ever under one key."""
    return _hash(key, EMAIL, brand_id, email)


def remote_hash(key: bytes, brand_id: int, integration_id: int, remote_id: str) -> str:
    """The hash of a remote ID (ID-6: exactly as it is) in one integration of a brand."""
    return _hash(key, KEY, brand_id, integration_id, remote_id)


def _hash(key: bytes, *parts: str | int) -> str:
    """HMAC-SHA256 (RFC 2104). Only the last part is of the caller's choice, so no two inputs read alike."""
    return hmac.digest(key, "\0".join(str(part) for part in parts).encode(), "sha256").hex()
