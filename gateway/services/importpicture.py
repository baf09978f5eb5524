"""What is known of whom a chunk names, and by which means is the chunk applied to it? (ID-10..25, ID-36, ID-42)"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gateway.db.queries import fields, identities, interests, own_interests
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.addresses import holds_forbidden, normalise, normalise_remote_id
from gateway.domain.batch import AddressRules, Batch
from gateway.domain.fields import fold
from gateway.domain.interests import Interests
from gateway.domain.people import Directory
from gateway.domain.records import Problem, SubscriberRecord
from gateway.domain.resolution import Identity
from gateway.domain.values import CREATE, MAX_FIELDS, Catalogue, Field
from gateway.services.importcontext import ImportContext
from gateway.services.interests import resolve_names
from gateway.services.own_interests import own_interest_maker, room_for_interests
from gateway.services.subscribers import rank_of


def picture(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord],
            read: Sequence[Identity | Problem], *, with_memberships: bool = False) -> Directory:
    """Everything that is known of the keys and addresses that these records name.

    ``with_memberships``: with those of the sender too; One-to-Many always needs them, for they follow a link.
    """
    remote_ids: set[str] = set()
    emails: set[str] = set()
    for who in read:
        if isinstance(who, Identity):
            if who.remote_id is not None:
                remote_ids.add(who.remote_id)
            if who.email is not None:
                emails.add(who.email)
    for record in (record for record, who in zip(records, read, strict=False) if isinstance(who, Problem)):
        _add_readable(record, context.reading, remote_ids, emails)
    found = identities.people(unit.connection, unit.brand_id, context.integration_id, remote_ids, emails)
    if found and (with_memberships or context.one_to_many):
        identities.add_memberships(unit.connection, found, context.value_source_id)
    directory = Directory(context.integration_id, _ids(unit, len(read)).__next__, context.may_change_addresses,
                          context.one_to_many, context.legacy, context.from_integration)
    for person in found.values():
        directory.add(person)
    directory.facts = identities.address_facts(unit.connection, unit.brand_id, emails | directory.at_address.keys())
    return directory


def _add_readable(record: SubscriberRecord, rules: AddressRules, remote_ids: set[str], emails: set[str]) -> None:
    """A record that fails may still name somebody, whom ReplaceAll then keeps."""
    remote_id = normalise_remote_id(record.remote_id)
    if isinstance(remote_id, str):
        remote_ids.add(remote_id)
    email = normalise(record.email, rules.max_length, utf8=rules.utf8) if record.email else None
    if isinstance(email, str):
        emails.add(email)


def _ids(unit: Unit, count: int) -> Iterator[int]:
    """Fresh subscriber ids, asked for in one go when the first is needed."""
    yield from identities.new_ids(unit.connection, count)


def batch_of(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord], directory: Directory) -> Batch:
    """How these records are applied to the picture; fields and interests that they need new are stored on the way."""
    creates = context.unknown_field == CREATE
    return Batch(
        directory=directory,
        catalogue=Catalogue(context.fields, context.unknown_field, _field_maker(unit) if creates else None),
        interests=_interests(unit, context, records),
        mode=context.options.mode, empty_value=context.options.empty_value, upload_id=context.upload_id,
        now=unit.now, value_source_id=context.value_source_id, upload_source_id=context.upload_source_id,
        source_names={row.source_id: row.label for row in context.sources.values()},
        rank=rank_of(context.sources, context.source_priority), reading=context.reading)


def _interests(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord]) -> Interests:
    """The interests that the call and the records name; read anew for each chunk, for a dry run undoes what it made."""
    creating = context.may_create_interests
    call = resolve_names(unit, context.options.interests, creating and context.options.mode != words.REMOVE)
    names = {name.strip() for record in records
             for name in (*record.add_interests, *record.remove_interests, *(record.listed or ()))
             if not holds_forbidden(name)}
    found = Interests(interests.by_name(unit.connection, unit.brand_id, names) | call,
                      _interest_maker(unit) if creating and not context.options.known_interests else None,
                      tuple(call.values()))
    groups = {group.external_id.strip() for record in records for group in record.groups
              if not holds_forbidden(group.external_id)}
    if groups:
        found.by_external = own_interests.by_external(unit.connection, unit.brand_id, context.integration_id, groups)
        owner = context.sources[context.value_source_id].name
        found.create_own = own_interest_maker(unit, context.integration_id, owner) if creating else None
    return found


def _field_maker(unit: Unit) -> Callable[[str], Field | None]:
    """Makes fields while the brand has room. They are read anew when the first is missing, for another upload may have
    made it; then not again, for the brand is locked."""
    known: dict[str, Field] = {}

    def make(name: str) -> Field | None:
        if not known:
            known.update(fields.of_brand(unit.connection, unit.brand_id))
        folded = fold(name)
        if folded not in known:
            if len(known) >= MAX_FIELDS:
                return None
            known[folded] = Field(name.strip(), "text", words.MAX_VALUE)
            row = {"name": known[folded].name, "folded": folded, "kind": known[folded].kind}
            fields.add(unit.connection, unit.brand_id, [row], unit.now)
        return known[folded]
    return make


def _interest_maker(unit: Unit) -> Callable[[str], int | None]:
    has_room = room_for_interests(unit)
    return lambda name: (interests.add(unit.connection, unit.brand_id, name, None, False, unit.now) if has_room()
                         else None)
