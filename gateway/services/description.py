"""Which fields may a record of this integration bring, and what are the limits in force? (SOAP-38)"""

from __future__ import annotations

from gateway.db.queries import accounts, fields, integrations
from gateway.db.unit import Unit
from gateway.domain import records as limits
from gateway.domain.description import Description, FieldDescription
from gateway.domain.integration import remote_id_label
from gateway.domain.mapping import DO_NOT_EMAIL, EMAIL, REMOTE_ID
from gateway.domain.paging import MAX_PAGE_SIZE
from gateway.domain.records import ImportOptions
from gateway.services.importcontext import reading_rules, sender_of, unknown_field_rule


def describe(unit: Unit, integration: str | None = None) -> Description:
    """Identifiers first, then the brand's fields by name; reads only.

    ``integration`` is the credentials' own if not given. Raises ``NOT_ALLOWED``, ``NOT_FOUND`` (integration).
    """
    if "import" not in unit.actor.scopes:
        unit.actor.require("report")
    integration_id, name = sender_of(unit, ImportOptions(integration=integration))
    identity = integrations.identity(unit.connection, unit.brand_id, integration_id)
    settings = accounts.brand_settings(unit.connection, unit.brand_id)
    longest_email = reading_rules(settings).max_length
    owner = f"integration:{name}"
    described = [
        FieldDescription(REMOTE_ID, remote_id_label(identity), "text", limits.MAX_REMOTE_ID, False, owner),
        FieldDescription(EMAIL, "e-mail address", "text", longest_email, False, owner),
        FieldDescription(DO_NOT_EMAIL, "do not e-mail", "boolean", len("false"), False, owner)]
    described += [FieldDescription(field.name, field.name, field.kind, field.max_length, False, "local")
                  for _, field in sorted(fields.of_brand(unit.connection, unit.brand_id).items())]
    return Description(name, tuple(described), {
        "recordsPerCall": limits.MAX_SYNC_RECORDS, "fieldsPerRecord": limits.MAX_FIELDS_PER_RECORD,
        "interestsPerRecord": limits.MAX_INTERESTS_PER_RECORD, "remoteIdLength": limits.MAX_REMOTE_ID,
        "emailLength": longest_email, "fieldNameLength": limits.MAX_NAME, "valueLength": limits.MAX_VALUE,
        "interestNameLength": limits.MAX_INTEREST, "pageSize": MAX_PAGE_SIZE}, unknown_field_rule(settings))
