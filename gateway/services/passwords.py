"""Is this the right password, and is somebody guessing? (SOAP-17)"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict

from gateway.errors import GatewayError

COST = 2**14
"""scrypt's N for new hashes: 16 MiB and some 30 ms a check. Tests, which check thousands, hash with less."""

_R, _P = 8, 1
_REMEMBERED = 1024
_FREE_FAILURES, _WINDOW_S, _SLOWEST_S = 10, 900, 60


def hash_password(password: str) -> str:
    """A salted scrypt hash (RFC 7914) as ``scrypt$N$r$p$salt$hash``."""
    salt = secrets.token_bytes(16)
    return "$".join(["scrypt", str(COST), str(_R), str(_P), _b64(salt), _b64(_scrypt(password, salt, COST, _R, _P))])


def check_password(password: str, stored: str) -> bool:
    """Whether the password makes the stored hash, compared in constant time."""
    _, n, r, p, salt, wanted = stored.split("$")
    made = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(made, base64.b64decode(wanted))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, dklen=32)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


NOBODY = f"scrypt${COST}${_R}${_P}${_b64(bytes(16))}${_b64(bytes(32))}"
"""A hash no password makes: what an unknown user is checked against, so that it takes the same time."""


class Logins:
    """Remembers right passwords for this process, and slows down those who guess.

    A machine logs in with every call; without memory each call would cost a whole scrypt. Only a keyed
    hash of (password, stored hash) is kept, so a changed password is forgotten at once. Thread-safe.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._failures: OrderedDict[object, tuple[int, dt.datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def verify(self, password: str, stored: str) -> bool:
        """Whether the password makes the stored hash; a right one is cheap the next time."""
        mark = hmac.digest(self._key, f"{stored}\0{password}".encode("utf-8", "surrogatepass"), "sha256")
        with self._lock:
            if mark in self._right:
                self._right.move_to_end(mark)
                return True
        if not check_password(password, stored):
            return False
        with self._lock:
            self._right[mark] = None
            while len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return True

    def check(self, now: dt.datetime, user: tuple[int, str], remote_addr: str) -> None:
        """Raises ``TOO_MANY_REQUESTS`` while this user, at this address, must wait after failures."""
        wait_s = max(self._wait_s(now, key) for key in self._keys(user, remote_addr))
        if wait_s > 0:
            raise GatewayError("TOO_MANY_REQUESTS", "Too many failed log-ins; wait and try again.",
                               retry_after_s=wait_s)

    def failed(self, now: dt.datetime, user: tuple[int, str], remote_addr: str) -> None:
        """Counts a failed log-in of this user from this address."""
        with self._lock:
            for key in self._keys(user, remote_addr):
                count, last = self._failures.pop(key, (0, now))
                recent = (now - last).total_seconds() < _WINDOW_S
                self._failures[key] = (count + 1 if recent else 1, now)
            while len(self._failures) > 10 * _REMEMBERED:
                self._failures.popitem(last=False)

    @staticmethod
    def _keys(user: tuple[int, str], remote_addr: str) -> list[object]:
        # user and address together: nobody can lock a user out from elsewhere
        return [("address", remote_addr), ("user", user, remote_addr)]

    def _wait_s(self, now: dt.datetime, key: object) -> int:
        with self._lock:
            count, last = self._failures.get(key, (0, now))
        allowed = _FREE_FAILURES * (10 if isinstance(key, tuple) and key[0] == "address" else 1)
        if count <= allowed:
            return 0
        delay_s = min(_SLOWEST_S, 2 ** min(count - allowed, 10))
        return max(0, round(delay_s - (now - last).total_seconds()))
