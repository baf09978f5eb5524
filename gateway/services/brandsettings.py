"""Which choices does a brand have, and what may each of them be?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.db.queries import accounts, batches, locks
from gateway.db.unit import Unit
from gateway.domain.brake import ROWS, SHARE
from gateway.domain.records import MAX_EMAIL
from gateway.domain.switching import IDENTITY_MODE, STANDARD
from gateway.domain.sync import BRAKE_ROWS, BRAKE_SHARE
from gateway.domain.values import CREATE, FAIL, WARN
from gateway.errors import GatewayError
from gateway.services.accounts import require_brand
from gateway.services.importcontext import MAX_EMAIL_LENGTH, REPAIR_ADDRESSES, SMTPUTF8, UNKNOWN_FIELD
from gateway.services.interests import CREATE_INTERESTS
from gateway.services.subscribers import SOURCE_PRIORITY

MIN_EMAIL_LENGTH = 20
MAX_BRAKE_ROWS = 999_999_999
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
}
"""The choices by name. How records are known (``identityMode``) is switched by One-to-Many alone."""


def get(unit: Unit) -> dict[str, object]:
    """Every choice of the unit's brand with its value, and how records are known. Raises ``NOT_FOUND``."""
    require_brand(unit)
    stored = accounts.brand_settings(unit.connection, unit.brand_id)
    return {name: stored.get(name, setting.default) for name, setting in SETTINGS.items()} | {
        IDENTITY_MODE: stored.get(IDENTITY_MODE, STANDARD)}


def change(unit: Unit, wanted: Mapping[str, str]) -> dict[str, object]:
    """Sets these choices, given as text, all or none; answers all of them. Imports take them from their next chunk on.

    Raises ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND``, ``INVALID_VALUE`` naming what the choice takes,
    ``STATE_CONFLICT`` for ``identityMode``.
    """
    unit.actor.require("admin")
    require_brand(unit)
    locks.lock_brand(unit.connection, unit.brand_id)
    read = {name: _read(unit, name, text) for name, text in wanted.items()}
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


def _word(_unit: Unit, text: str) -> object:
    return text.lower() if text.lower() in (WARN, FAIL, CREATE) else None


def _length(_unit: Unit, text: str) -> object:
    fits = text.isascii() and text.isdigit() and MIN_EMAIL_LENGTH <= int(text) <= MAX_EMAIL
    return int(text) if fits else None


def _share(_unit: Unit, text: str) -> object:
    return float(text) if re.fullmatch(r"(0|1)(\.[0-9]{1,6})?", text, re.ASCII) and float(text) <= 1 else None


def _rows(_unit: Unit, text: str) -> object:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else None


def _labels(unit: Unit, text: str) -> object:
    labels: Sequence[str] = [label.strip() for label in text.split(",") if label.strip()]
    known = {row.label for row in batches.sources(unit.connection, unit.brand_id).values()}
    strange = [label for label in labels if label not in known]
    if strange:
        raise GatewayError("INVALID_VALUE", f"The brand has no source '{strange[0]}'; it has "
                                            f"{', '.join(sorted(known))}.", field=SOURCE_PRIORITY)
    return list(dict.fromkeys(labels))


_READERS: dict[str, Callable[[Unit, str], object]] = {
    UNKNOWN_FIELD: _word, MAX_EMAIL_LENGTH: _length, SOURCE_PRIORITY: _labels, SHARE: _share, ROWS: _rows}
