"""Which account does a caller of the document API name, and who calls? (aapi.md sections 2.1, 3)

The door decides the order of the checks and the words of its refusals; here is what is true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.db.queries import accounts as stored
from gateway.db.queries import locks
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.callers import NO_BRAND, brand_number
from gateway.errors import GatewayError
from gateway.services import accounts, passwords
from gateway.services.gateway import Gateway, Unit
from gateway.services.secretbox import decrypt, encrypt

DOOR = "aapi"
ACCOUNT, DECLARATION, KEY, IV = "aapiAccount", "aapiDeclaration", "aapiKey", "aapiIv"
"""A brand's choices for this door: its number, the XML declaration of answers, key and IV of encrypted payloads."""

UTF16, UTF8, NONE = "utf-16", "utf-8", "none"
DECLARATIONS = (UTF16, UTF8, NONE)
KEY_BYTES, IV_BYTES = 24, 8
PURPOSE = "aapi-payload"
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class PayloadKey:
    """Key and IV of an account's encrypted payloads (3DES-CBC)."""

    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """A brand as callers of the document API know it."""

    brand_id: int
    number: int
    name: str
    allow_ip: tuple[str, ...]
    declaration: str
    sealed_key: str = field(repr=False)
    sealed_iv: str = field(repr=False)

    def admits(self, remote_addr: str) -> bool:
        """Whether calls may come from this address; without a list they may from everywhere."""
        return accounts.allowed_from(self.allow_ip, remote_addr)


@dataclass(frozen=True, slots=True)
class Caller:
    """A user of an account whose password was right, or who needed none. ``is_disabled``: blocked or expired."""

    name: str
    actor: Actor
    is_disabled: bool


def find(gateway: Gateway, number: str) -> Account | None:
    """The account of this number, which is a brand's own one or else its id; None for another text."""
    asked = brand_number(number)
    if asked == NO_BRAND:
        return None
    with gateway.reading(system_actor(0, DOOR)) as unit:
        row = stored.brand_by_number(unit.connection, asked)
    if row is None:
        return None
    chosen = row.settings
    return Account(row.brand_id, row.number, row.name, row.allow_ip, str(chosen.get(DECLARATION, UTF16)),
                   str(chosen.get(KEY) or ""), str(chosen.get(IV) or ""))


def payload_key(gateway: Gateway, account: Account) -> PayloadKey | None:
    """Key and IV of the account; None unless it has both."""
    if not (account.sealed_key and account.sealed_iv):
        return None
    key, iv = (bytes.fromhex(decrypt(gateway.settings.secret_key, PURPOSE, sealed, gateway.settings.old_secret_keys))
               for sealed in (account.sealed_key, account.sealed_iv))
    return PayloadKey(key, iv)


def seal(unit: Unit, digits: str, size_bytes: int) -> str | None:
    """A key or vector of so many bytes, given as hexadecimal digits, as it is kept; None for another text.

    An odd number of digits gets a 0 at the left.
    """
    digits = digits.zfill(len(digits) + len(digits) % 2)
    if not re.fullmatch(r"[0-9A-Fa-f]+", digits) or len(digits) != size_bytes * 2:
        return None
    return encrypt(unit.settings.secret_key, PURPOSE, digits)


def number_of(unit: Unit) -> int | None:
    """The number of its own by which callers know the unit's brand."""
    return stored.external_id(unit.connection, unit.brand_id)


def set_number(unit: Unit, number: object) -> None:
    """Gives the unit's brand this number, or for an empty text takes it away: then it is known by its id. Raises
    ``ALREADY_EXISTS`` when callers know another brand by it."""
    chosen = number if isinstance(number, int) else None
    known = stored.brand_by_number(unit.connection, chosen or unit.brand_id)
    if known is not None and known.brand_id != unit.brand_id:
        raise GatewayError("ALREADY_EXISTS", f"Callers know brand {known.brand_id} by the number {known.number}; give "
                                             "this one another.", field=ACCOUNT)
    stored.set_external_id(unit.connection, unit.brand_id, chosen)


def take_turn(unit: Unit) -> None:
    """Waits until no other transaction changes people or documents of the brand; held until the unit ends.

    A document's actions lock what they need as they come. Whoever holds the brand's lock first cannot wait for one who
    waits for it.
    """
    locks.lock_brand(unit.connection, unit.brand_id)


def identify(gateway: Gateway, account: Account, name: str, password: str | None, remote_addr: str) -> Caller | None:
    """The user with this name and password; None when they do not fit, after the same time for every reason.

    With ``password`` None the caller has proved to know the account's key, and only the name counts. Raises
    ``TOO_MANY_REQUESTS`` before any check while this user or address must wait after failures.
    """
    if len(name) > MAX_NAME or not name.isprintable():
        name = ""  # it names nobody, and costs the same
    who = (account.brand_id, name)
    check_guesses(gateway, account, name, remote_addr)
    with gateway.reading(system_actor(account.brand_id, DOOR)) as unit:
        row = stored.user_by_name(unit.connection, account.brand_id, name)
    right = password is None or gateway.logins.verify(password, row.password_hash if row else passwords.NOBODY)
    if row is None or not right:
        gateway.logins.failed(gateway.clock(), who, remote_addr)
        return None
    return Caller(row.name, accounts.user_actor(row, DOOR), accounts.is_disabled(row, gateway.clock()))


def check_guesses(gateway: Gateway, account: Account, name: str, remote_addr: str) -> None:
    """Raises ``TOO_MANY_REQUESTS`` while this user or address must wait after failures."""
    gateway.logins.check(gateway.clock(), (account.brand_id, name[:MAX_NAME]), remote_addr)


def guessed(gateway: Gateway, account: Account, name: str, remote_addr: str) -> None:
    """Counts a failure to prove who one is by an encrypted payload."""
    gateway.logins.failed(gateway.clock(), (account.brand_id, name[:MAX_NAME]), remote_addr)
