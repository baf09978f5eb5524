"""Which fields does a brand have, what did it choose for each, and how does an operator add one? (SEND-40, ID-77)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.db.queries import cached_values, fields, locks
from gateway.db.unit import Unit
from gateway.domain.addresses import holds_forbidden
from gateway.domain.fields import HTML, JSON, FieldDefinition, fold
from gateway.domain.records import MAX_NAME, MAX_VALUE
from gateway.domain.tiers import MAX_CACHE_HOURS, FieldChoices
from gateway.domain.values import MAX_FIELDS, Field
from gateway.errors import GatewayError
from gateway.services.accounts import require_brand
from gateway.services.gateway import Gateway

KINDS = ("text", "date", "boolean", HTML)
"""What a brand's own field may be; ``json`` are the standard ones alone."""

NOT_CACHED = "none"
"""In place of a number of hours: fetched values are not kept."""


def find(unit: Unit) -> list[FieldChoices]:
    """The brand's fields by name. Raises ``NOT_FOUND`` for no such brand."""
    require_brand(unit)
    return fields.choices(unit.connection, unit.brand_id)


def add(unit: Unit, name: str, kind: str = "text") -> Field:
    """A new field; imports and merge tags know it from then on. Its kind stays, since values were read by it.

    ``html``: its values stand in mailings as they are, whoever imports them, so only an administrator makes one.
    Raises ``NOT_ALLOWED``, ``NOT_FOUND``, ``INVALID_VALUE``, ``ALREADY_EXISTS``, ``LIMIT_EXCEEDED``.
    """
    unit.actor.require("admin")
    require_brand(unit)
    name = name.strip()
    _check_name(name)
    if kind not in KINDS:
        raise GatewayError("INVALID_VALUE", f"A field is of kind {', '.join(KINDS)}.", field="kind")
    locks.lock_brand(unit.connection, unit.brand_id)
    known = fields.of_brand(unit.connection, unit.brand_id)
    same = known.get(fold(name))
    if same is not None:
        raise GatewayError("ALREADY_EXISTS", f"The brand has a field '{same.name}' of kind {same.kind} already.",
                           field="name")
    if len(known) >= MAX_FIELDS:
        raise GatewayError("LIMIT_EXCEEDED", f"The brand has {MAX_FIELDS} fields, which is the most.", field="name")
    fields.add(unit.connection, unit.brand_id, [{"name": name, "folded": fold(name), "kind": kind}], unit.now)
    return Field(name, kind, MAX_VALUE)


def choose(unit: Unit, name: str, *, cache_hours: int | str | None = None,
           required: bool | None = None) -> FieldChoices:
    """How the field is treated when a mailing shows it (ID-77); None leaves a choice as it was.

    ``cache_hours``: for how long fetched values are kept, or ``NOT_CACHED``, which also deletes at once what was kept.
    ``required``: who ends without a value is left out. Raises ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND`` for
    the brand or the field, ``INVALID_VALUE`` for a number of hours that cannot be or a field of kind json, of which
    mailings show nothing.
    """
    unit.actor.require("admin")
    require_brand(unit)
    locks.lock_brand(unit.connection, unit.brand_id)
    known = {fold(each.name): each for each in fields.choices(unit.connection, unit.brand_id)}.get(fold(name))
    if known is None:
        raise GatewayError("NOT_FOUND", "The brand has no field of this name. `gateway field list` shows them.",
                           field="name")
    if known.kind == JSON:
        raise GatewayError("INVALID_VALUE", "Fields of kind json stand in no mailing; there is nothing to choose.",
                           field="name")
    if cache_hours == NOT_CACHED:
        known = replace(known, cache_hours=None)
    elif isinstance(cache_hours, str) or (cache_hours is not None and not 1 <= cache_hours <= MAX_CACHE_HOURS):
        raise GatewayError("INVALID_VALUE", f"Values are kept for 1 to {MAX_CACHE_HOURS} hours, or '{NOT_CACHED}'.",
                           field="cache-hours")
    elif cache_hours is not None:
        known = replace(known, cache_hours=cache_hours)
    if required is not None:
        known = replace(known, required=required)
    fields.set_choices(unit.connection, unit.brand_id, known.field_id, known.cache_hours, known.required)
    if known.cache_hours is None:
        cached_values.forget_field(unit.connection, unit.brand_id, known.field_id)
    return known


def forget_log(gateway: Gateway) -> None:
    """Empties SQLite's write-ahead log after :func:`choose` deleted values, of which old pages may stand there."""
    cached_values.forget_log(gateway.engine)


def define(unit: Unit, definitions: Sequence[FieldDefinition]) -> None:
    """Makes the fields that a sender describes and the brand does not have; of those that are there only the default.

    A default is what rendering shows from now on where a person has no value; without one it stays as it was. Raises
    ``NOT_ALLOWED``, ``INVALID_VALUE``, ``INVALID_CHARACTER``, ``LIMIT_EXCEEDED``.
    """
    unit.actor.require("import")
    if not definitions:
        return
    locks.lock_brand(unit.connection, unit.brand_id)
    known = set(fields.of_brand(unit.connection, unit.brand_id))
    for each in definitions:
        name, folded = each.name.strip(), fold(each.name)
        _check_name(name)
        if each.default is not None and (len(each.default) > MAX_VALUE or holds_forbidden(each.default)):
            raise GatewayError("INVALID_VALUE", f"The default of a field has at most {MAX_VALUE} characters, none of "
                                                "them a control character.", field=name)
        if folded not in known:
            if len(known) >= MAX_FIELDS:
                raise GatewayError("LIMIT_EXCEEDED", f"The brand has {MAX_FIELDS} fields, which is the most.",
                                   field=name)
            known.add(folded)
            fields.add(unit.connection, unit.brand_id, [{
                "name": name, "folded": folded, "kind": each.kind, "default_value": each.default,
                "category": each.category}], unit.now)
        elif each.default:
            fields.set_default(unit.connection, unit.brand_id, folded, each.default)


def _check_name(name: str) -> None:
    if not 1 <= len(fold(name)) <= MAX_NAME or len(name) > MAX_NAME or holds_forbidden(name):
        raise GatewayError("INVALID_VALUE", f"The name of a field has 1 to {MAX_NAME} printable characters.",
                           field="name")
