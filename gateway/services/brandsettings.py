"""Which choices does a brand have, and what may each of them be?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.db.queries import accounts, batches, locks
from gateway.db.unit import Unit
from gateway.domain import window
from gateway.domain.addresses import holds_forbidden, normalise
from gateway.domain.brake import BRAKE_ROWS, BRAKE_SHARE, ROWS, SHARE
from gateway.domain.callers import MAX_BRAND
from gateway.domain.diagnosis import DIAGNOSE
from gateway.domain.inbound import IGNORE_AUTO_REPLIES
from gateway.domain.limits import MESSAGES_PER_SECOND
from gateway.domain.mailing import (
    FREQUENCY_CAP,
    FROM_ADDRESS,
    FROM_NAME,
    HOLD,
    IN_DOUBT,
    MAX_CHARS,
    MAX_NOTIFIED,
    NOTIFY,
    PRESETS,
    REPLY_TO,
    REVIEW,
    frequency_cap,
)
from gateway.domain.records import MAX_EMAIL, Problem
from gateway.domain.switching import IDENTITY_MODE, STANDARD
from gateway.domain.values import CREATE, FAIL, WARN
from gateway.domain.window import SEND_WINDOW, TIME_ZONE, UTC
from gateway.errors import GatewayError
from gateway.services.accounts import require_brand
from gateway.services.dkim import RELAY, REQUIRE, UNSIGNED
from gateway.services.dkim import WARN as WARN_UNSIGNED
from gateway.services.documentaccounts import (
    ACCOUNT,
    DECLARATION,
    DECLARATIONS,
    IV,
    IV_BYTES,
    KEY,
    KEY_BYTES,
    UTF16,
    number_of,
    seal,
    set_number,
)
from gateway.services.importcontext import MAX_EMAIL_LENGTH, REPAIR_ADDRESSES, SMTPUTF8, UNKNOWN_FIELD
from gateway.services.interests import CREATE_INTERESTS
from gateway.services.subscribers import SOURCE_PRIORITY

MIN_EMAIL_LENGTH = 20
MAX_BRAKE_ROWS = 999_999_999
MAX_PER_SECOND = 99_999
_YES_NO = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True, slots=True)
class BrandSetting:
    """One choice: what it is about, what it takes in words, and what holds without it."""

    meaning: str
    takes: str
    default: object


SETTINGS: dict[str, BrandSetting] = {
    UNKNOWN_FIELD: BrandSetting("a value of a field that the brand does not have", "warn, fail or create", WARN),
    MAX_EMAIL_LENGTH: BrandSetting("the longest address taken", f"{MIN_EMAIL_LENGTH} to {MAX_EMAIL}", MAX_EMAIL),
    REPAIR_ADDRESSES: BrandSetting("correct obvious slips in addresses", "true or false", False),
    SMTPUTF8: BrandSetting("addresses with letters outside ASCII before the @", "true or false", False),
    CREATE_INTERESTS: BrandSetting("imports make unknown interests", "true or false", True),
    SOURCE_PRIORITY: BrandSetting("whose value counts, the first source first",
                                  "labels such as integration:crm,local,upload:fair; empty is the usual order", []),
    SHARE: BrandSetting("the share of a list that one act may take off", "0 to 1, such as 0.25", BRAKE_SHARE),
    ROWS: BrandSetting("how many one act may take off, whatever the share", f"0 to {MAX_BRAKE_ROWS}", BRAKE_ROWS),
    IGNORE_AUTO_REPLIES: BrandSetting("automatic answers are ignored; else they are quarantined", "true or false",
                                      True),
    MESSAGES_PER_SECOND: BrandSetting("messages of all mailings that leave in a second; 0 is no limit",
                                      f"0 to {MAX_PER_SECOND}, such as 20 or 0.5", 0),
    UNSIGNED: BrandSetting("mail that no DKIM key signs: warn of it, refuse it, or leave signing to the mail server",
                           "warn, require or relay", WARN_UNSIGNED),
    REVIEW: BrandSetting("mailings are approved by an administrator before they are sent", "true or false", False),
    TIME_ZONE: BrandSetting("the time zone of sendWindow, and of times that name none",
                            "a name such as Europe/Berlin", UTC),
    SEND_WINDOW: BrandSetting("when mailings go out; they wait outside it",
                              "such as mon-fri 08:00-18:00; sat 09:00-12:00; empty is always", ""),
    FREQUENCY_CAP: BrandSetting("how many mailings an address gets at most in so many days",
                                "such as 3/7 for 3 in 7 days, each 1 to 999; empty is no limit", ""),
    IN_DOUBT: BrandSetting("what becomes of messages of unknown outcome", ", ".join(PRESETS), HOLD),
    ACCOUNT: BrandSetting("the number by which callers of the document API know the brand",
                          f"1 to {MAX_BRAND} that no other brand is known by; empty is the brand's id", ""),
    DECLARATION: BrandSetting("the encoding that answers of the document API declare, whatever theirs is",
                              ", ".join(DECLARATIONS), UTF16),
    KEY: BrandSetting("the key of encrypted payloads of the document API, kept sealed",
                      f"{KEY_BYTES * 2} hexadecimal digits, or - for a line of input; empty is none", ""),
    IV: BrandSetting("their initialisation vector, kept sealed",
                     f"{IV_BYTES * 2} hexadecimal digits, or - for a line of input; empty is none", ""),
    DIAGNOSE: BrandSetting("refused SOAP calls are kept for a week, without credentials, and shown at /diagnose",
                           "true or false", False),
    NOTIFY: BrandSetting("who is told by mail when a mailing stops by itself",
                         f"up to {MAX_NOTIFIED} addresses parted by commas; empty is nobody", []),
    FROM_ADDRESS: BrandSetting("the sender of mailings that come through the document API without one",
                               "an address; empty is none", ""),
    FROM_NAME: BrandSetting("the name of the sender of such mailings", "a line of text; empty is none", ""),
    REPLY_TO: BrandSetting("where answers to such mailings go", "an address; empty is none", ""),
}
"""The choices by name. How records are known (``identityMode``) is switched by One-to-Many alone."""

SECRETS = (KEY, IV)
"""Choices that are shown as ``set`` and never told."""


def get(unit: Unit) -> dict[str, object]:
    """Every choice of the unit's brand with its value, and how records are known. Raises ``NOT_FOUND``."""
    require_brand(unit)
    stored = accounts.brand_settings(unit.connection, unit.brand_id)
    told = {name: "set" if stored.get(name) else "" for name in SECRETS} | {ACCOUNT: number_of(unit) or ""}
    return {name: stored.get(name, setting.default) for name, setting in SETTINGS.items()} | told | {
        IDENTITY_MODE: stored.get(IDENTITY_MODE, STANDARD)}


def sender(unit: Unit) -> tuple[str, str, str]:
    """The brand's own ``fromAddress``, ``fromName`` and ``replyTo``; empty: not set."""
    stored = accounts.brand_settings(unit.connection, unit.brand_id)
    address, name, reply_to = (str(stored.get(each) or "") for each in (FROM_ADDRESS, FROM_NAME, REPLY_TO))
    return address, name, reply_to


def change(unit: Unit, wanted: Mapping[str, str]) -> dict[str, object]:
    """Sets these choices, given as text, all or none; answers all of them. Imports take them from their next chunk on.

    Raises ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND``, ``INVALID_VALUE`` naming what the choice takes,
    ``STATE_CONFLICT`` for ``identityMode``.
    """
    unit.actor.require("admin")
    require_brand(unit)
    locks.lock_brand(unit.connection, unit.brand_id)
    read = {name: _read(unit, name, text) for name, text in wanted.items()}
    if ACCOUNT in read:
        set_number(unit, read.pop(ACCOUNT))
    stored = accounts.brand_settings(unit.connection, unit.brand_id)
    accounts.set_brand_settings(unit.connection, unit.brand_id, {**stored, **read})
    return get(unit)


def _read(unit: Unit, name: str, text: str) -> object:
    if name == IDENTITY_MODE:
        raise GatewayError("STATE_CONFLICT", "How records are known is switched with a preview: gateway one-to-many.",
                           field=name)
    if name not in SETTINGS:
        raise GatewayError("INVALID_VALUE", f"There is no choice '{name}'; there are {', '.join(SETTINGS)}.",
                           field="name")
    value = _READERS.get(name, _yes_no)(unit, text.strip())
    if value is None:
        raise GatewayError("INVALID_VALUE", f"{name} ({SETTINGS[name].meaning}) takes {SETTINGS[name].takes}.",
                           field=name)
    return value


def _yes_no(_unit: Unit, text: str) -> object:
    return _YES_NO.get(text.lower())


def _one_of(*words: str) -> Callable[[Unit, str], object]:
    return lambda _unit, text: text.lower() if text.lower() in words else None


def _number(_unit: Unit, text: str) -> object:
    if not text:
        return ""
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) and 0 < int(text) <= MAX_BRAND else None


def _sealed(size_bytes: int) -> Callable[[Unit, str], object]:
    return lambda unit, text: seal(unit, text, size_bytes) if text else ""


def _length(_unit: Unit, text: str) -> object:
    fits = text.isascii() and text.isdigit() and MIN_EMAIL_LENGTH <= int(text) <= MAX_EMAIL
    return int(text) if fits else None


def _share(_unit: Unit, text: str) -> object:
    return float(text) if re.fullmatch(r"(0|1)(\.[0-9]{1,6})?", text, re.ASCII) and float(text) <= 1 else None


def _rows(_unit: Unit, text: str) -> object:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else None


def _rate(_unit: Unit, text: str) -> object:
    return float(text) if re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", text, re.ASCII) else None


def _zone(_unit: Unit, text: str) -> object:
    try:
        return window.zone(text).key
    except ValueError:
        return None


def _window(_unit: Unit, text: str) -> object:
    return text.lower() if window.parse(text, UTC) is not None else None


def _cap(_unit: Unit, text: str) -> object:
    return text if not text or frequency_cap({FREQUENCY_CAP: text}) else None


def _addresses(_unit: Unit, text: str) -> object:
    found = [normalise(part) for part in text.split(",") if part.strip()]
    if len(found) > MAX_NOTIFIED or any(isinstance(each, Problem) for each in found):
        return None
    return found


def _address(_unit: Unit, text: str) -> object:
    found = normalise(text) if text else ""
    return None if isinstance(found, Problem) else found


def _line(_unit: Unit, text: str) -> object:
    return None if holds_forbidden(text) or len(text) > MAX_CHARS["from_name"] or "\n" in text or "\r" in text else text


def _labels(unit: Unit, text: str) -> object:
    labels: Sequence[str] = [label.strip() for label in text.split(",") if label.strip()]
    known = {row.label for row in batches.sources(unit.connection, unit.brand_id).values()}
    strange = [label for label in labels if label not in known]
    if strange:
        raise GatewayError("INVALID_VALUE", f"The brand has no source '{strange[0]}'; it has "
                                            f"{', '.join(sorted(known))}.", field=SOURCE_PRIORITY)
    return list(dict.fromkeys(labels))


_READERS: dict[str, Callable[[Unit, str], object]] = {
    UNKNOWN_FIELD: _one_of(WARN, FAIL, CREATE), MAX_EMAIL_LENGTH: _length, SOURCE_PRIORITY: _labels, SHARE: _share,
    ROWS: _rows, MESSAGES_PER_SECOND: _rate, TIME_ZONE: _zone, SEND_WINDOW: _window, FREQUENCY_CAP: _cap,
    ACCOUNT: _number, DECLARATION: _one_of(*DECLARATIONS), KEY: _sealed(KEY_BYTES), IV: _sealed(IV_BYTES),
    IN_DOUBT: _one_of(*PRESETS), UNSIGNED: _one_of(WARN_UNSIGNED, REQUIRE, RELAY), NOTIFY: _addresses,
    FROM_ADDRESS: _address, FROM_NAME: _line, REPLY_TO: _address}
