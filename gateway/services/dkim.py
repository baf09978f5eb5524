"""Which keys sign a brand's mail? Made, published, set to work, retired (SEND-43)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from gateway.db.queries import accounts, locks
from gateway.db.queries import dkim as queries
from gateway.db.queries.dkim import StoredKey
from gateway.db.unit import Unit
from gateway.domain import maildns
from gateway.domain.records import Problem
from gateway.errors import GatewayError
from gateway.mail import dkim
from gateway.mail.dkim import Signer
from gateway.mail.dns import Dns
from gateway.services.accounts import require_brand
from gateway.services.secretbox import decrypt, encrypt

PURPOSE = "dkim-key"
WAITING, ACTIVE, RETIRED = "waiting", queries.ACTIVE, "retired"

UNSIGNED = "dkim"
"""The brand's setting of what happens when no key of ours signs."""

WARN, REQUIRE, RELAY = "warn", "require", "relay"


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A key as an operator sees it: ``record`` must stand in the DNS as TXT at ``name`` before it may sign."""

    key_id: int
    domain: str
    selector: str
    algorithm: str
    state: str
    name: str
    record: str
    created_at: dt.datetime
    retired_at: dt.datetime | None


def add(unit: Unit, domain: str, selector: str, algorithm: str = dkim.RSA, private_key: bytes | None = None) -> DkimKey:
    """A new key (or ``private_key``, in PEM form), waiting to be published; its private half is stored sealed.

    Raises ``INVALID_VALUE`` naming the field, ``ALREADY_EXISTS`` for a selector that the domain has had before,
    ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND`` for no such brand.
    """
    unit.actor.require("admin")
    require_brand(unit)
    domain, selector = domain.strip().lower(), selector.strip().lower()
    if not maildns.is_domain(domain):
        raise GatewayError("INVALID_VALUE", "The domain must read like example.org, in ASCII (xn-- for others).",
                           field="domain")
    if not maildns.is_selector(selector):
        raise GatewayError("INVALID_VALUE", "A selector is one word of letters, digits and dashes, such as 2026a.",
                           field="selector")
    locks.lock_brand(unit.connection, unit.brand_id)
    if any(row.selector == selector for row in queries.find(unit.connection, unit.brand_id, domain)):
        raise GatewayError("ALREADY_EXISTS", f"{domain} has had a key '{selector}'. A new key needs a selector of its "
                                             "own, so that mail on its way still verifies.", field="selector")
    key = dkim.read_key(private_key) if private_key is not None else dkim.new_key(algorithm)
    signer = Signer(domain, selector, key)
    key_id = queries.add(unit.connection, unit.brand_id, {
        "domain": domain, "selector": selector, "algorithm": signer.algorithm, "state": WAITING,
        "private_key": encrypt(unit.settings.secret_key, PURPOSE, dkim.write_key(key)),
        "public_key": dkim.public_key(key)}, unit.now)
    return next(view for view in find(unit) if view.key_id == key_id)


def find(unit: Unit) -> list[DkimKey]:
    """The brand's keys by domain, the oldest first."""
    unit.actor.require("admin")
    return [_view(row) for row in queries.find(unit.connection, unit.brand_id)]


def activate(unit: Unit, domain: str, selector: str, resolver: Dns | None) -> DkimKey:
    """Lets a key sign from the next message on, in the place of the domain's active one of its algorithm.

    ``resolver`` makes sure first that the world can see the key; None: the operator knows. Raises ``NOT_FOUND``,
    ``STATE_CONFLICT`` for a retired key or one that is not published, ``UNAVAILABLE`` when the DNS does not answer.
    """
    row = _key(unit, domain, selector)
    if row.state == RETIRED:
        raise GatewayError("STATE_CONFLICT", "The key is retired, and its private half gone. Add a new one.",
                           field="selector")
    if resolver is not None:
        problem = published_problem(row, resolver)
        if problem:
            raise GatewayError("STATE_CONFLICT", f"{_view(row).name}: {problem}. Publish the record, wait until it is "
                                                 "seen, and try again.", field="selector")
    for other in queries.find(unit.connection, unit.brand_id, row.domain):
        if other.state == ACTIVE and other.algorithm == row.algorithm and other.id != row.id:
            _retire(unit, other)
    queries.set_state(unit.connection, unit.brand_id, row.id, ACTIVE)
    return _view(_key(unit, domain, selector))


def retire(unit: Unit, domain: str, selector: str) -> DkimKey:
    """Ends a key for good and forgets its private half; leave its record in the DNS for a week, for mail on its way.

    Repeating it changes nothing. Raises ``NOT_FOUND``.
    """
    row = _key(unit, domain, selector)
    if row.state != RETIRED:
        _retire(unit, row)
    return _view(_key(unit, domain, selector))


def signers(unit: Unit, from_address: str) -> list[Signer]:
    """Who signs mail from this address: the active keys of its domain, else of the nearest domain above it, which is
    aligned as DMARC wants it (RFC 7489, 3.1.1). Empty: nobody."""
    labels = from_address.rpartition("@")[2].lower().split(".")
    domains = [".".join(labels[at:]) for at in range(len(labels) - 1)]
    rows = queries.active(unit.connection, unit.brand_id, domains)
    nearest = max((row.domain for row in rows), key=len, default=None)
    return [Signer(row.domain, row.selector, dkim.read_key(
        decrypt(unit.settings.secret_key, PURPOSE, row.private_key, unit.settings.old_secret_keys).encode("ascii")))
        for row in rows if row.domain == nearest]


def unsigned(unit: Unit, from_address: str) -> Problem | None:
    """The warning to who writes a mailing from this address, None when it will be signed or the relay signs.

    Domains for examples (RFC 2606) have nobody who would check a signature.
    """
    domain = from_address.rpartition("@")[2].lower()
    if _word(unit) == RELAY or maildns.is_example(domain) or signers(unit, from_address):
        return None
    return Problem("INVALID_VALUE", f"No DKIM key signs for {domain}, so receivers may take the mail for spam. Add one "
                                    "(gateway dkim add), or set the brand's 'dkim' to relay if the mail server signs.",
                   "fromAddress")


def require_signed(unit: Unit, from_address: str) -> None:
    """Raises ``STATE_CONFLICT`` when the brand sends signed mail only and no key signs for this address."""
    if _word(unit) == REQUIRE and not signers(unit, from_address):
        raise GatewayError("STATE_CONFLICT", "The brand sends signed mail only (setting 'dkim'), and no key signs for "
                                             f"{from_address.rpartition('@')[2].lower()}: gateway dkim add.",
                           field="fromAddress")


def published_problem(row: StoredKey, resolver: Dns) -> str | None:
    """What is wrong with a key's record in the DNS, None for nothing. Raises ``UNAVAILABLE``."""
    return maildns.dkim_problem(resolver.texts(maildns.dkim_name(row.selector, row.domain)), row.public_key)


def _key(unit: Unit, domain: str, selector: str) -> StoredKey:
    unit.actor.require("admin")
    locks.lock_brand(unit.connection, unit.brand_id)
    found = queries.find(unit.connection, unit.brand_id, domain.strip().lower())
    for row in found:
        if row.selector == selector.strip().lower():
            return row
    raise GatewayError("NOT_FOUND", f"The brand has no key '{selector}' of {domain}; it has "
                                    f"{', '.join(row.selector for row in found) or 'none'}.", field="selector")


def _word(unit: Unit) -> object:
    return accounts.brand_settings(unit.connection, unit.brand_id).get(UNSIGNED, WARN)


def _retire(unit: Unit, row: StoredKey) -> None:
    queries.set_state(unit.connection, unit.brand_id, row.id, RETIRED, private_key="", retired_at=unit.now)


def _view(row: StoredKey) -> DkimKey:
    return DkimKey(row.id, row.domain, row.selector, row.algorithm, row.state,
                   maildns.dkim_name(row.selector, row.domain), maildns.dkim_record(row.algorithm, row.public_key),
                   row.created_at, row.retired_at)
