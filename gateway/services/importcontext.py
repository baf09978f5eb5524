"""Which options does an import take, for whom does it speak, and what do all its chunks share?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.db.queries import accounts, batches, fields, integrations, locks
from gateway.db.queries.batches import SourceRow
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.addresses import holds_forbidden
from gateway.domain.batch import AddressRules
from gateway.domain.idset import IdSet
from gateway.domain.integration import IMIS_LEGACY
from gateway.domain.plain import Memo
from gateway.domain.records import ImportOptions
from gateway.domain.switching import is_one_to_many
from gateway.domain.values import CREATE, FAIL, WARN, Field
from gateway.errors import GatewayError
from gateway.services.interests import check_names, may_create, resolve_names
from gateway.services.subscribers import source_priority

UNKNOWN_FIELD, MAX_EMAIL_LENGTH = "unknownField", "maxEmailLength"
"""Names in the brand's settings: what to do with an unknown field; the longest address taken (ID-8)."""

REPAIR_ADDRESSES, SMTPUTF8 = "repairAddresses", "smtpUtf8"
"""Whether obvious slips are corrected (ID-9); whether letters outside ASCII may stand before the @ (ID-8)."""

PERSONS_DOORS = ("cli", "console")
"""Doors at which a person uploads a file: there an address is changed only on purpose (ID-28)."""

DETAILS = ("All", "Failures", "None")
MAX_LABEL = 255


@dataclass(slots=True)
class ImportContext:
    """What all chunks of one upload share. After a unit that rolled back, prepare a new one.

    ``plain``: whether rows may be taken column by column (:mod:`gateway.services.plainrows`), which only shortens
    the way. ``seen`` are the people named so far, for ReplaceAll; a job that resumes fills it again with
    :func:`recognise`.
    """

    options: ImportOptions
    upload_id: int
    integration_id: int
    value_source_id: int
    upload_source_id: int
    sources: dict[int, SourceRow]
    fields: dict[str, Field]
    unknown_field: str
    reading: AddressRules
    may_create_interests: bool
    source_priority: tuple[str, ...] = ()
    may_change_addresses: bool = True
    from_integration: bool = True
    legacy: bool = False
    one_to_many: bool = False
    plain: bool = True
    memo: Memo = field(default_factory=dict)
    seen: IdSet = field(default_factory=IdSet)


def prepare(unit: Unit, options: ImportOptions, upload_id: int) -> ImportContext:
    """Reads what all chunks of the upload need.

    Interests named by the whole call are created here if the credential may, else ``LIST_UNKNOWN``
    (ID-42). Raises also what :func:`check_options` raises.
    """
    check_options(options)
    locks.lock_brand(unit.connection, unit.brand_id)
    integration_id, name = sender_of(unit, options)
    value_source = accounts.add_source(unit.connection, unit.brand_id, "integration", name, integration_id)
    upload_source = accounts.add_source(unit.connection, unit.brand_id, "upload", options.label)
    creating = may_create(unit)
    with undone_if(unit, options.dry_run):
        resolve_names(unit, options.interests, creating and options.mode != words.REMOVE)
    return ImportContext(
        options=options, upload_id=upload_id, integration_id=integration_id, value_source_id=value_source,
        upload_source_id=upload_source, sources=batches.sources(unit.connection, unit.brand_id),
        fields=fields.of_brand(unit.connection, unit.brand_id), may_create_interests=creating,
        may_change_addresses=_may_change(unit, options), from_integration=unit.actor.door not in PERSONS_DOORS,
        **_choices(unit, options, integration_id))


def refresh(unit: Unit, context: ImportContext) -> None:
    """Reads the brand's choices anew: a long job takes a change from its next chunk on, and one whose brand is
    switched to One-to-Many meanwhile must not make a second main (ID-4). The caller holds the brand's lock."""
    for name, value in _choices(unit, context.options, context.integration_id).items():
        setattr(context, name, value)


def _choices(unit: Unit, options: ImportOptions, integration_id: int) -> dict[str, Any]:
    settings = accounts.brand_settings(unit.connection, unit.brand_id)
    return {
        "unknown_field": CREATE if options.create_fields else unknown_field_rule(settings),
        "reading": reading_rules(settings), "source_priority": source_priority(settings),
        "one_to_many": is_one_to_many(settings),
        "legacy": integrations.identity(unit.connection, unit.brand_id, integration_id) == IMIS_LEGACY}


def check_options(options: ImportOptions) -> None:
    """Raises ``INVALID_VALUE``, ``INVALID_CHARACTER`` or ``INVALID_REQUEST`` for options that no import takes.

    Remove and ReplaceAll need interests (PUSH-56).
    """
    for member, value, allowed in (("mode", options.mode, words.MODES), ("detail", options.detail, DETAILS),
                                   ("emptyValue", options.empty_value, (words.KEEP, words.CLEAR))):
        if value not in allowed:
            raise GatewayError("INVALID_VALUE", f"It is one of {', '.join(allowed)}.", field=member)
    if options.mode in (words.REMOVE, words.REPLACE_ALL) and not options.interests:
        raise GatewayError("INVALID_REQUEST", f"Mode {options.mode} needs the interests that it is about. "
                                              "Name at least one.", field="interests")
    check_names(options.interests)
    if holds_forbidden(options.label):
        raise GatewayError("INVALID_CHARACTER", "The label holds a control character. Remove it.", field="source")
    if len(options.label) > MAX_LABEL:
        raise GatewayError("INVALID_VALUE", f"A label has at most {MAX_LABEL} characters.", field="source")


def sender_of(unit: Unit, options: ImportOptions) -> tuple[int, str]:
    """Whose remote IDs and values these are: the credential's integration, or the one that is named (SOAP-19)."""
    actor = unit.actor
    if options.integration in (None, "", actor.integration_name) and actor.integration_id is not None:
        return actor.integration_id, actor.integration_name
    name = options.integration or "api"
    if options.integration and actor.integration_id is not None and not actor.is_admin:
        raise GatewayError("NOT_ALLOWED", "These credentials speak for one integration only; leave 'integration' out.",
                           field="integration")
    found = accounts.integration_id(unit.connection, unit.brand_id, name)
    if found is None:
        raise GatewayError("NOT_FOUND", f"There is no integration '{name}' in this brand.", field="integration")
    return found, name


def unknown_field_rule(settings: Mapping[str, object]) -> str:
    """What the brand wants done with a field that it does not have: warn, fail or create."""
    wanted = settings.get(UNKNOWN_FIELD, WARN)
    return str(wanted) if wanted in (WARN, FAIL, CREATE) else WARN


def reading_rules(settings: Mapping[str, object]) -> AddressRules:
    """How the brand wants addresses read (ID-8, ID-9)."""
    wanted = settings.get(MAX_EMAIL_LENGTH)
    longest = min(wanted, words.MAX_EMAIL) if isinstance(wanted, int) and wanted > 0 else words.MAX_EMAIL
    return AddressRules(longest, settings.get(REPAIR_ADDRESSES) is True, settings.get(SMTPUTF8) is True)


def _may_change(unit: Unit, options: ImportOptions) -> bool:
    if options.change_addresses is not None:
        return options.change_addresses
    return unit.actor.door not in PERSONS_DOORS


@contextmanager
def undone_if(unit: Unit, undone: bool) -> Iterator[None]:
    """Runs the block in a savepoint that is rolled back at its end, if ``undone`` (dry run)."""
    if not undone:
        yield
        return
    savepoint = unit.connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()
