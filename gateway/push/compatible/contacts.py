"""People of the compatible face: each element is one person's whole state (PUSH-16, PUSH-19..23)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from gateway.domain.contactinfo import Contact, contact_of
from gateway.domain.records import CLEAR, ImportOptions
from gateway.push import options, shapes
from gateway.push.answers import change
from gateway.push.body import read_json
from gateway.push.compatible.elements import answer, array_of, echoed, in_words_of
from gateway.push.operations import operation
from gateway.push.schemas import compatible
from gateway.push.schemas.options import DETAIL
from gateway.services import imports
from gateway.services.gateway import Gateway, Unit

CONTACT_ID = "ContactId"
_OPTIONS = ImportOptions(empty_value=CLEAR, create_fields=True)


def routes(gateway: Gateway) -> Blueprint:
    """/contactinfo."""
    made = Blueprint("contactinfo", __name__)

    @made.post("/contactinfo")
    @operation("PUSH-16", "People's whole state", scope="import", parameters=(DETAIL,), body=compatible.CONTACTS,
               answer=compatible.CONTACT_BATCH, statuses=(422,), writes=True, codes=("TOO_MANY_RECORDS",),
               about="What is left out, null or empty is cleared, as far as this integration stored it (PUSH-19).",
               example=compatible.CONTACTS_EXAMPLE)
    def push() -> Response:
        """Each person commits or fails alone; the same again is unchanged and writes nothing (PUSH-76)."""
        detail = options.detail()
        body = read_json()
        contacts = [contact_of(element) for element in array_of(body.value)]
        return change(gateway, body.sha256, lambda unit: _push(unit, contacts, detail))

    return made


def _push(unit: Unit, contacts: list[Contact], detail: str) -> tuple[int, dict[str, Any]]:
    report = imports.import_records(unit, [contact.record for contact in contacts], _OPTIONS)
    results = [echoed(shapes.outcome(in_words_of(contact, outcome)), CONTACT_ID, contact.contact_id)
               for contact, outcome in zip(contacts, report.outcomes, strict=True)]
    return answer(report, results, _name_of, detail)


def _name_of(result: dict[str, Any]) -> str:
    return f" (ContactId {result[CONTACT_ID]})" if CONTACT_ID in result else " (without ContactId)"
