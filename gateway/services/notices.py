"""Who is told by mail that an import has ended, or waits for a person? (PUSH-50, ``notify``)

Told at least once: an address is noted after the mail server took its message, so a worker that is killed in between
sends that one again. What the server refuses for good, or left us in doubt about, counts as told.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from gateway.db.queries import accounts
from gateway.db.queries import uploads as stored
from gateway.domain.accounts import system_actor
from gateway.domain.records import STATUSES
from gateway.log import event
from gateway.mail.message import mail_domain
from gateway.mail.smtp import SmtpConnection, Verdict
from gateway.services.compose import connection
from gateway.services.gateway import Gateway
from gateway.services.sendnow import send_now

log = logging.getLogger("gateway.imports")

LEASE = dt.timedelta(minutes=15)
AGAIN = dt.timedelta(minutes=1)
GIVEN_UP = dt.timedelta(days=1)


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, job) of what somebody must be told of: what the sweep rings for. Given up after a day."""
    with gateway.reading(system_actor(0)) as unit:
        return stored.untold(unit.connection, unit.now, unit.now - GIVEN_UP)


def tell(gateway: Gateway, brand_id: int, upload_id: int) -> None:
    """Mails to whoever the job names and was not told yet; does nothing when another worker does, or nobody is left.

    Never raises for what the mail server does: whoever could not be reached is tried again by the sweep.
    """
    actor, owner = system_actor(brand_id), uuid.uuid4().hex
    with gateway.unit(actor) as unit:
        row = stored.claim_notice(unit.connection, brand_id, upload_id, owner, unit.now, unit.now + LEASE)
        name = accounts.brand_name(unit.connection, brand_id) or ""
    if row is None:
        return
    told, left = list(row.options.get("told", ())), 0
    with connection(gateway.settings) as mail_server:
        for address in row.options["notify"]:
            if address in told:
                continue
            if not _sent(gateway, mail_server, row, name, address):
                left += 1
                continue
            told.append(address)
            with gateway.unit(actor) as unit:
                stored.note_told(unit.connection, brand_id, upload_id, owner,
                                 {"options": {**row.options, "told": told}})
    with gateway.unit(actor) as unit:
        values: dict[str, Any] = {"lease_owner": None, "lease_until": unit.now + AGAIN if left else None}
        if not left:
            values["notified_at"] = unit.now
        stored.note_told(unit.connection, brand_id, upload_id, owner, values)


def _sent(gateway: Gateway, mail_server: SmtpConnection, row: Any, brand: str, address: str) -> bool:
    """Whether the address need not be tried again."""
    domain = mail_domain(gateway.settings.public_url)
    outcome = send_now(mail_server, "", address, message(row, brand, address, domain, gateway.clock()))
    if outcome.kind in (Verdict.ACCEPTED, Verdict.REFUSED, Verdict.IN_DOUBT):
        event(log, "told of an import", upload=row.id, outcome=str(outcome.kind), code=outcome.code)
        return True
    event(log, "could not tell of an import", level=logging.WARNING, upload=row.id, code=outcome.code)
    return False


def message(row: Any, brand: str, address: str, domain: str, now: dt.datetime) -> bytes:
    """The mail: what became of the job in numbers, without a word of what was in it. ``domain``: of the sender."""
    made = EmailMessage(policy=SMTP)
    state = row.state.replace("_", " ")
    made["From"] = f"Import <no-reply@{domain}>"
    made["To"] = address
    made["Subject"] = f"Import j-{row.id}: {state}"
    made["Date"] = format_datetime(now)
    made["Message-ID"] = f"<import-{row.id}-{uuid.uuid4().hex}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers it
    counters = row.counters
    lines = [f"The import j-{row.id} of {brand} is {state}.", ""]
    if row.message:
        lines += [row.message, ""]
    lines += [f"{word}: {counters[word]}" for word in ("received", *STATUSES)]
    lines += [f"  {code}: {count}" for code, count in sorted(counters["by_code"].items())]
    lines += [f"warning {code}: {count}" for code, count in sorted(counters["warnings"].items())]
    if row.options["dryRun"]:
        lines += ["", "It was a dry run: nothing was stored."]
    made.set_content("\n".join(lines) + "\n")
    return made.as_bytes()
