"""Which fields stand on the preference form, and how does an operator choose? (ID-56)"""

from __future__ import annotations

from gateway.db.queries import fields, locks
from gateway.db.queries import preferences as stored
from gateway.db.unit import Unit
from gateway.domain.fields import fold
from gateway.domain.preferences import NEVER_ON_FORM, ON_FORM
from gateway.errors import GatewayError
from gateway.services.accounts import require_brand


def find(unit: Unit) -> dict[str, str]:
    """Field name -> ``shown`` or ``editable``, of the fields that stand on the brand's form, in its order."""
    require_brand(unit)
    return {each.name: each.on_form for each in stored.fields(unit.connection, unit.brand_id)}


def set_on_form(unit: Unit, name: str, word: str | None) -> None:
    """How the field stands on the form from now on: ``shown``, ``editable``, None for not at all, as all are at first.

    Whoever holds a message, forwarded or not, sees the form's values: so this is an administrator's choice. Raises
    ``NOT_ALLOWED``, ``NOT_FOUND``, ``INVALID_VALUE`` for another word or a field of kind html or json.
    """
    unit.actor.require("admin")
    require_brand(unit)
    locks.lock_brand(unit.connection, unit.brand_id)
    known = fields.of_brand(unit.connection, unit.brand_id).get(fold(name))
    if known is None:
        raise GatewayError("NOT_FOUND", f"The brand has no field '{name}'. Correct its name, or add the field first.",
                           field="name")
    if word is not None and word not in ON_FORM:
        raise GatewayError("INVALID_VALUE", f"A field on the form is {' or '.join(ON_FORM)}.", field="onForm")
    if word is not None and known.kind in NEVER_ON_FORM:
        raise GatewayError("INVALID_VALUE", f"A field of kind {known.kind} cannot stand on the form.", field="onForm")
    stored.set_on_form(unit.connection, unit.brand_id, fold(name), word)
