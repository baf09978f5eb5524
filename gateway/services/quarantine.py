"""What does an operator see of mail that came back, and how is it looked at again? (SEND-53)"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.db.queries import inbound as stored
from gateway.db.unit import Unit
from gateway.domain.inbound import QUARANTINED, STATES, MailContent, MailView
from gateway.errors import GatewayError
from gateway.mail.returned import excerpt
from gateway.services.inbound import TASK

PAGE = 1000


def find(unit: Unit, state: str = QUARANTINED, limit: int = 50) -> list[MailView]:
    """The newest mails in a state. Raises ``INVALID_VALUE`` for one that there is not."""
    if state not in STATES:
        raise GatewayError("INVALID_VALUE", f"There is no state '{state[:40]}'; there are {', '.join(STATES)}.",
                           field="state")
    return stored.find(unit.connection, state, None, limit)


def show(unit: Unit, mail_id: int) -> MailContent:
    """One mail with a few of its headers and the beginning of its words. Raises ``NOT_FOUND``."""
    view, mail = stored.view(unit.connection, mail_id), stored.get(unit.connection, mail_id)
    if view is None or mail is None:
        raise _no_such(mail_id)
    headers, text = excerpt(mail.data)
    return MailContent(view, headers, text)


def raw(unit: Unit, mail_id: int) -> bytes:
    """The bytes of a mail as they are kept. Raises ``NOT_FOUND``."""
    mail = stored.get(unit.connection, mail_id)
    if mail is None:
        raise _no_such(mail_id)
    return mail.data


def counts(unit: Unit) -> dict[str, int]:
    """How many mails are in each state."""
    found = stored.by_state(unit.connection)
    return {state: found.get(state, 0) for state in STATES}


def reprocess(unit: Unit, mail_ids: Sequence[int]) -> int:
    """Has mails looked at again that were quarantined or ignored; answers how many. One that was done stays done.

    Raises ``NOT_FOUND`` for an id that there is not; then none is.
    """
    for mail_id in mail_ids:
        if stored.view(unit.connection, mail_id) is None:
            raise _no_such(mail_id)
    for mail_id in mail_ids:
        unit.ring(TASK, 0, mail_id)
    return stored.renew(unit.connection, mail_ids, unit.now)


def reprocess_all(unit: Unit) -> int:
    """Has all of the quarantine looked at again, as after an upgrade that reads more; answers how many mails."""
    before, number = None, 0
    while found := stored.find(unit.connection, QUARANTINED, before, PAGE):
        ids = [view.mail_id for view in found]
        number += reprocess(unit, ids)
        before = ids[-1]
    return number


def _no_such(mail_id: int) -> GatewayError:
    return GatewayError("NOT_FOUND", f"There is no mail {mail_id}; `gateway bounces list` shows which there are.")
