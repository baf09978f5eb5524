"""Who says that a mailing may go out? Its author submits it, an administrator approves or rejects it (SEND-2)."""

from __future__ import annotations

import logging

from gateway.db.queries import accounts
from gateway.db.queries import mailings as queries
from gateway.db.unit import Unit
from gateway.domain.addresses import holds_forbidden
from gateway.domain.mailing import MAILING_STEPS, MailingView, next_state, reviews
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import mailings

log = logging.getLogger("gateway.services")

MAX_NOTE = 2000


def submit(unit: Unit, mailing_id: int) -> MailingView:
    """Asks for the approval of a draft; submitting it again changes nothing.

    Raises ``NOT_ALLOWED``, ``NOT_FOUND``; ``STATE_CONFLICT`` where the brand reviews nothing, or for any other state.
    """
    unit.actor.require("send")
    if not reviews(accounts.brand_settings(unit.connection, unit.brand_id)):
        raise GatewayError("STATE_CONFLICT", "This brand does not review its mailings: schedule or send it.")
    return _step(unit, mailing_id, "submit", None)


def approve(unit: Unit, mailing_id: int, note: str | None = None) -> MailingView:
    """Lets a submitted mailing be sent; any change of it takes that back. Approving it again changes nothing.

    Raises ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND``, ``STATE_CONFLICT``, and what is wrong with the note.
    """
    unit.actor.require("admin")
    return _step(unit, mailing_id, "approve", note)


def reject(unit: Unit, mailing_id: int, note: str | None = None) -> MailingView:
    """Makes a submitted or approved mailing a draft again; the note tells its author why. Otherwise as
    :func:`approve`; a mailing that is a draft is refused."""
    unit.actor.require("admin")
    return _step(unit, mailing_id, "reject", note)


def _step(unit: Unit, mailing_id: int, step: str, note: str | None) -> MailingView:
    if note is not None and len(note) > MAX_NOTE:
        raise GatewayError("FIELD_TOO_LONG", f"A note has at most {MAX_NOTE} characters. Shorten it.", field="note")
    if note is not None and holds_forbidden(note):
        raise GatewayError("INVALID_CHARACTER", "The note holds a control character. Remove it.", field="note")
    mailing = queries.get(unit.connection, unit.brand_id, mailing_id, lock=True)
    if mailing is None:
        raise GatewayError("NOT_FOUND", "There is no mailing of this id.", field="mailingId")
    state = next_state(MAILING_STEPS, "mailing", mailing.state, step)
    if state != mailing.state:
        by = None if step == "submit" else unit.actor.label
        queries.set_review(unit.connection, unit.brand_id, mailing_id, state, by, note, unit.actor.label,
                           unit.now)
        event(log, "mailing reviewed", mailing=mailing_id, step=step)
    return mailings.get(unit, mailing_id)
