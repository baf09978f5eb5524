"""How do the files of a mailing come in, and who sees them? Attachments, and images within the HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.db.queries import files as queries
from gateway.db.unit import Unit
from gateway.domain import files as rules
from gateway.domain.files import FileView, MailingFile
from gateway.domain.mailing import MailingDraft


def set_files(unit: Unit, mailing_id: int, files: Sequence[MailingFile]) -> tuple[FileView, ...]:
    """Makes the mailing's files exactly these, in this order; that the mailing may be changed the caller has checked.

    Raises as ``domain.files.checked``, naming the field ``files``; then nothing is changed.
    """
    unit.actor.require("send")
    queries.replace_all(unit.connection, unit.brand_id, mailing_id, rules.checked(files))
    return listed(unit, mailing_id)


def listed(unit: Unit, mailing_id: int) -> tuple[FileView, ...]:
    """What is told of the mailing's files, in their order; empty for another brand's."""
    return queries.views(unit.connection, unit.brand_id, [mailing_id]).get(mailing_id, ())


def with_files(unit: Unit, mailing_id: int, draft: MailingDraft) -> MailingDraft:
    """The draft of a stored mailing with its files and their bytes, as a message needs them."""
    return replace(draft, files=queries.of_mailing(unit.connection, unit.brand_id, mailing_id))
