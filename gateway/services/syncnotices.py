"""Who is told how the syncs of an integration fare, and when? Whom the brand names, at each change (ID-67, ID-70).

Told at least once: it is noted after the mail server took the mail, so when a worker is killed in between, the next one
sends it again.
"""

from __future__ import annotations

import datetime as dt
import logging
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from gateway.bridges import registry
from gateway.db.queries import accounts
from gateway.db.queries import syncruns as queries
from gateway.db.unit import Unit
from gateway.domain import sync as rules
from gateway.domain.accounts import system_actor
from gateway.domain.mailing import NOTIFY
from gateway.domain.sync import SyncRunView
from gateway.log import event
from gateway.mail.message import mail_domain
from gateway.mail.smtp import Verdict
from gateway.services import compose
from gateway.services.gateway import Gateway
from gateway.services.sendnow import send_now

log = logging.getLogger("gateway.services")

LEASE = dt.timedelta(minutes=15)
"""So long a worker has for it; then it was killed, and another one tells."""

SENTENCES = {
    rules.SUCCESS: "It works again.",
    rules.PARTIAL: "Only a part could be done: what came was applied, and no link was ended for its absence.",
    rules.SKIPPED: "Nothing was done.",
    rules.HELD: "It is held, and nothing was applied: it would change more than the brake lets through. Look at what "
                "it would do; an administrator may release it.",
    rules.FAILED: "It failed. It is tried again by itself if it has a schedule.",
}


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, run) of what somebody must be told of: what the sweep rings for."""
    found = []
    with gateway.reading(system_actor(0)) as unit:
        for each in queries.standings(unit.connection, registry.kinds()):
            run_id = _untold(unit, each.brand_id, each.integration_id) if each.state is not None else None
            if run_id is not None:
                found.append((each.brand_id, run_id))
    return found


def tell(gateway: Gateway, brand_id: int, run_id: int) -> None:
    """Mails to the brand's ``notifyAddress`` how the run ended, if that is news: an integration's newest run did not
    end well and the last that was told ended otherwise, or was told a week ago; or it ended well after one that did
    not. Does nothing when that was done, or another worker is at it; the sweep tries again when no mail can go out.
    """
    actor = system_actor(brand_id)
    with gateway.unit(actor) as unit:
        run = queries.get(unit.connection, brand_id, run_id)
        if run is None or _untold(unit, brand_id, run.integration_id) != run_id or not queries.begin_telling(
                unit.connection, brand_id, run_id, unit.now, unit.now + LEASE):
            return
        addresses = accounts.brand_settings(unit.connection, brand_id).get(NOTIFY)
        name = accounts.brand_name(unit.connection, brand_id) or ""
    told = True
    if isinstance(addresses, list) and addresses:
        data = message(run, name, addresses, mail_domain(gateway.settings.public_url), gateway.clock())
        with compose.connection(gateway.settings) as connection:
            kinds = [send_now(connection, "", address, data).kind for address in addresses]
        told = any(kind not in (Verdict.NOT_TRIED, Verdict.DEFERRED) for kind in kinds)
        event(log, "told of a sync" if told else "could not tell of a sync", run=run_id, state=run.state)
    with gateway.unit(actor) as unit:
        queries.end_telling(unit.connection, brand_id, run_id, unit.now if told else None)


def message(run: SyncRunView, brand: str, addresses: list[str], domain: str, now: dt.datetime) -> bytes:
    """The mail: how the run ended, in numbers, without a word of whom it was about. ``domain``: of the sender."""
    made = EmailMessage(policy=SMTP)
    made["From"] = f"Sync <no-reply@{domain}>"
    made["To"] = ", ".join(addresses)
    made["Subject"] = f"Sync of {run.integration}: {run.state}"
    made["Date"] = format_datetime(now)
    made["Message-ID"] = make_msgid(f"sync-{run.run_id}", domain)
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers it
    lines = [f"The sync of {run.integration} ({brand}), run {run.run_id}, ended as {run.state}.", "",
             SENTENCES[run.state]]
    if run.message:
        lines.append(run.message)
    lines += ["", *(f"{name}: {count}" for name, count in run.counters.items() if count)]
    made.set_content("\n".join(lines).rstrip() + "\n")
    return made.as_bytes()


def _untold(unit: Unit, brand_id: int, integration_id: int) -> int | None:
    """The integration's newest run that ended, if somebody must be told of it."""
    newest = queries.newest(unit.connection, brand_id, integration_id, rules.ENDED)
    if newest is None or newest.told_at is not None:
        return None
    told = queries.newest(unit.connection, brand_id, integration_id, rules.ENDED, told=True)
    is_news = rules.is_news(newest.state, told.state if told else None, told.told_at if told else None, unit.now)
    return newest.run_id if is_news else None
