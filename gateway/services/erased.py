"""Which records are of somebody who was erased, and must not be stored again? (ID-35)"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.db.queries import suppression
from gateway.db.unit import Unit
from gateway.domain.records import Problem
from gateway.domain.resolution import Identity
from gateway.services.erasure import hashes_of

SUPPRESSED = Problem("SUPPRESSED", "The person asked to be erased; the record is not stored.")


def erased_addresses(unit: Unit, emails: Collection[str]) -> frozenset[str]:
    """Those of the normalised addresses whose person was erased; one look where nobody ever was."""
    if not emails or suppression.is_empty(unit.connection, unit.brand_id):
        return frozenset()
    hashes = hashes_of(unit, set(emails), set()).emails
    hit = suppression.suppressed(unit.connection, unit.brand_id, set(hashes.values()))
    return frozenset(email for email, digest in hashes.items() if digest in hit)


def withheld(unit: Unit, integration_id: int, read: Sequence[Identity | Problem]) -> list[Identity | Problem]:
    """The identities, with ``SUPPRESSED`` in the place of those whose address or remote ID was erased.

    Costs one look at the brand's suppressions where nobody was ever erased.
    """
    if suppression.is_empty(unit.connection, unit.brand_id):
        return list(read)
    named = [who for who in read if isinstance(who, Identity)]
    hashes = hashes_of(unit, {who.email for who in named if who.email is not None},
                       {(integration_id, who.remote_id) for who in named if who.remote_id is not None})
    hit = suppression.suppressed(unit.connection, unit.brand_id, {*hashes.emails.values(), *hashes.keys.values()})
    emails = {email for email, digest in hashes.emails.items() if digest in hit}
    keys = {key for key, digest in hashes.keys.items() if digest in hit}
    return [SUPPRESSED if isinstance(who, Identity) and (
        who.email in emails or (integration_id, who.remote_id) in keys) else who for who in read]
