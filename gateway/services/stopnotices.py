"""Who is told that a mailing has stopped by itself, and why? Whom the brand names (SEND-36, ID-67).

Told at least once: it is noted after the mail server took the mail, so when a worker is killed in between, the next one
sends it again.
"""

from __future__ import annotations

import datetime as dt
import logging
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from gateway.db.queries import accounts, instances, mailings
from gateway.domain.accounts import system_actor
from gateway.domain.mailing import LATE, NOTIFY, SYNC_FAILED, TRANSPORT
from gateway.log import event
from gateway.mail.message import mail_domain
from gateway.mail.smtp import Verdict
from gateway.services import compose
from gateway.services.gateway import Gateway
from gateway.services.sendnow import send_now

log = logging.getLogger("gateway.services")

SENTENCES = {
    TRANSPORT: "The mail server refuses us, so it is paused. Nobody counts as bounced. When the mail server takes our "
               "mail again, resume it.",
    SYNC_FAILED: "The sync before it failed, so it is paused. Look at the sync, then resume it.",
    LATE: "Its latest time has passed, so the rest of it is not sent any more.",
}
"""What is said of each reason of which somebody is told."""

LEASE = dt.timedelta(minutes=15)
"""So long a worker has for it; then it was killed, and another one tells."""

TOLD_FOR = dt.timedelta(days=1)
"""Nobody is told of a mailing that was cancelled longer ago."""


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, instance) of what stopped by itself and nobody was told of: what the sweep must ring for."""
    with gateway.reading(system_actor(0)) as unit:
        return instances.untold(unit.connection, tuple(SENTENCES), unit.now, unit.now - TOLD_FOR)


def tell(gateway: Gateway, brand_id: int, instance_id: int) -> None:
    """Mails to the brand's ``notifyAddress`` why the instance stopped; does nothing when that was done, or another
    worker is at it. When the mail server takes nothing now, the sweep tries again.
    """
    actor = system_actor(brand_id)
    with gateway.unit(actor) as unit:
        instance = instances.get(unit.connection, brand_id, instance_id)
        if instance is None or instance.reason not in SENTENCES or not instances.begin_telling(
                unit.connection, brand_id, instance_id, instance.reason, unit.now, unit.now + LEASE):
            return
        mailing = mailings.get(unit.connection, brand_id, instance.mailing_id)
        addresses = accounts.brand_settings(unit.connection, brand_id).get(NOTIFY)
    told = True
    if mailing is not None and isinstance(addresses, list) and addresses:
        data = message(mailing.draft.name, instance_id, instance.reason, addresses,
                       mail_domain(gateway.settings.public_url), gateway.clock())
        with compose.connection(gateway.settings) as connection:
            kinds = [send_now(connection, "", address, data).kind for address in addresses]
        told = any(kind not in (Verdict.NOT_TRIED, Verdict.DEFERRED) for kind in kinds)
        event(log, "told of a stopped mailing" if told else "could not tell of a stopped mailing",
              instance=instance_id, reason=instance.reason)
    with gateway.unit(actor) as unit:
        instances.end_telling(unit.connection, brand_id, instance_id, instance.reason, told=told)


def message(name: str, instance_id: int, reason: str, addresses: list[str], domain: str, now: dt.datetime) -> bytes:
    """The mail; nothing of the mailing but its name is in it. ``domain``: of the sender."""
    made = EmailMessage(policy=SMTP)
    made["From"] = f"Mailing <no-reply@{domain}>"
    made["To"] = ", ".join(addresses)
    made["Subject"] = f"Mailing stopped: {name}"
    made["Date"] = format_datetime(now)
    made["Message-ID"] = make_msgid(f"stopped-{instance_id}", domain)
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers it
    made.set_content(f"The mailing \"{name}\" (instance {instance_id}) has stopped.\n\n{SENTENCES[reason]}\n")
    return made.as_bytes()
