"""What becomes of mail that comes back: whose may come in, where is it kept, what does it change? (SEND-50..57)"""

from __future__ import annotations

import datetime as dt
import fcntl
import logging
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from gateway.db.queries import accounts, deliveries, inbound, locks
from gateway.db.queries.deliveries import StoredDelivery
from gateway.db.queries.inbound import Arrival
from gateway.db.unit import Unit
from gateway.domain import delivery as rules
from gateway.domain import returned as sorts
from gateway.domain import tokens
from gateway.domain.accounts import system_actor
from gateway.domain.addresses import normalise, printable
from gateway.domain.inbound import (
    DONE,
    IGNORE_AUTO_REPLIES,
    IGNORED,
    IMAP,
    KEPT_BYTES,
    MAILDIR,
    NEW,
    QUARANTINED,
    ROLES,
    Mail,
    Settlement,
    once_key,
)
from gateway.domain.returned import Returned, Sort
from gateway.domain.suppression import ONE_CLICK
from gateway.domain.tokens import Token
from gateway.log import event
from gateway.mail import mailboxes
from gateway.mail.mailboxes import MailboxError
from gateway.mail.message import mail_domain
from gateway.mail.returned import understand
from gateway.services import bounces, evidence, suppression
from gateway.services.compose import NO_DELIVERY
from gateway.services.gateway import Gateway

log = logging.getLogger("gateway.services")

TASK, FETCH_TASK = "process_inbound", "fetch_inbound"
KEPT = dt.timedelta(days=30)
"""How long a mail stays that was dealt with."""
ADDRESS_COUNTS_FOR = dt.timedelta(days=14)
"""So old may the last message to an address be that a report names without a sign of ours."""
MAX_TRIES = 30
LOOK_AGAIN_AFTER = dt.timedelta(seconds=60)
DUE_LIMIT, FORGET_LIMIT, FETCH_LIMIT = 500, 500, 1000
_LISTENING = "listening.lock"
_LEFT_US = (rules.ACCEPTED, rules.REFUSED, rules.EXPIRED, rules.IN_DOUBT)


def accepts(gateway: Gateway, recipient: str) -> bool:
    """Whether mail to this address is ours to take: a token of ours at any domain, for the bounce domain may have been
    another one when the mail left, or one of the bounce domain's roles. Asks no database. Everything else is a
    stranger's, a forged token like any other."""
    local, at, domain = recipient.rpartition("@")
    if not at:
        return recipient.lower() == "postmaster"  # RFC 5321, 4.5.1
    if tokens.read_local_part(gateway.keys, local) is not None:
        return True
    return local.partition("+")[0].lower() in ROLES and domain.lower().rstrip(".") == bounce_domain(gateway)


def bounce_domain(gateway: Gateway) -> str:
    """The domain of return paths and of the mailto addresses of List-Unsubscribe (SEND-44)."""
    return (gateway.settings.bounce_domain or mail_domain(gateway.settings.public_url)).lower()


def say_listening(gateway: Gateway) -> BinaryIO:
    """Says that a worker of this host listens for mail, until the file is closed or the process ends."""
    file = (gateway.settings.data_dir / _LISTENING).open("ab")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def listens_here(gateway: Gateway) -> bool:
    """Whether a worker of this host says that it listens."""
    with (gateway.settings.data_dir / _LISTENING).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def receive(gateway: Gateway, came_by: str, envelope_from: str, envelope_to: str, kept: bytes,
            size_bytes: int) -> bool:
    """Keeps a mail for good and rings for it; False when it was here already, which is as well.

    ``kept`` is its beginning, ``size_bytes`` the size of all of it. When this returns it is durable: only then may its
    sender be told so. Raises ``UNAVAILABLE`` when it is not.
    """
    arrival = Arrival(came_by, printable(envelope_from, 320) or "", printable(envelope_to, 320) or "",
                      once_key(envelope_to, size_bytes, kept), kept)
    with gateway.unit(system_actor(0)) as unit:
        mail_id = inbound.add(unit.connection, arrival, unit.now)
        if mail_id is not None:
            unit.ring(TASK, 0, mail_id)
    event(log, "mail came back", came_by=came_by, size=size_bytes, new=mail_id is not None)
    return mail_id is not None


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """Mails that wait although they were rung for, the oldest first."""
    with gateway.reading(system_actor(0)) as unit:
        return [(0, mail_id) for mail_id in inbound.due(unit.connection, unit.now - LOOK_AGAIN_AFTER, DUE_LIMIT)]


def fetch(gateway: Gateway, _brand_id: int, number: int) -> None:
    """Takes what waits in a mailbox of the settings: a mail is marked or moved there when it is durable here.

    Harmless when run twice or at once. Raises ``UNAVAILABLE`` when the store is away; then the rest stays there.
    """
    boxes = gateway.settings.bounce_mailbox
    if number >= len(boxes):
        return  # rung by a process that has other settings
    came_by, taken = MAILDIR if boxes[number].startswith("maildir:") else IMAP, 0
    try:
        with closing(mailboxes.fetch(boxes[number], KEPT_BYTES, FETCH_LIMIT)) as waiting:
            for mail in waiting:
                receive(gateway, came_by, "", "", mail.kept, mail.size_bytes)
                mail.done()
                taken += 1
                if gateway.stopping():
                    break
    except MailboxError as error:
        event(log, "mailbox not read", level=logging.ERROR, mailbox=str(error))
    if taken:
        event(log, "mailbox read", mailbox=number, mails=taken)


def due_fetch(gateway: Gateway) -> list[tuple[int, int]]:
    """Every mailbox of the settings: the sweep, once a minute, has them looked into."""
    return [(0, number) for number in range(len(gateway.settings.bounce_mailbox))]


def process(gateway: Gateway, _brand_id: int, mail_id: int) -> None:
    """Understands one mail and does what it says, in one transaction with the note that it was done.

    Harmless when run twice or at once (SEND-50). A mail about a delivery that a sender still has in hand stays new and
    is looked at again. One that ends this process, or that nobody can settle, is quarantined after some tries.
    """
    with gateway.unit(system_actor(0)) as unit:
        tries = inbound.begin(unit.connection, mail_id, unit.now)
        mail = inbound.get(unit.connection, mail_id) if tries else None
    if mail is None:
        return
    if mail.tries > MAX_TRIES:
        _settle(gateway, mail, None, Settlement(QUARANTINED, "unreadable", f"{MAX_TRIES} tries did not settle it"))
        return
    try:
        returned = understand(mail.data, mail.envelope_to or "")
    except Exception as error:  # a stranger wrote it: whatever it does to us, the mails behind it are read
        event(log, "mail not readable", level=logging.ERROR, mail=mail_id, reason=type(error).__name__)
        _settle(gateway, mail, None, Settlement(QUARANTINED, "unreadable", "it broke our reading; please report it"))
        return
    token = sorts.whose(gateway.keys, (*returned.recipient_marks, *returned.marks))
    _settle(gateway, mail, returned, _about_nobody(gateway, returned), token)


def tidy(gateway: Gateway) -> None:
    """Removes what was dealt with and has been kept for its time; quarantine is never emptied."""
    removed = FORGET_LIMIT
    while removed == FORGET_LIMIT:
        with gateway.unit(system_actor(0)) as unit:
            removed = inbound.forget(unit.connection, unit.now - KEPT, FORGET_LIMIT)


# --- parts ----------------------------------------------------------------------------------------------------------


def _settle(gateway: Gateway, mail: Mail, returned: Returned | None, otherwise: Settlement,
            token: Token | None = None) -> None:
    """Does what the mail says of the token's delivery, of those it names itself, or of none, and notes it."""
    brand_id = token.brand_id if token is not None else _only_brand(gateway)
    with gateway.unit(system_actor(brand_id or 0)) as unit:
        locks.lock_brand(unit.connection, unit.brand_id)
        if inbound.lock(unit.connection, mail.mail_id) != NEW:
            return
        if returned is not None:
            found = _do(unit, mail, returned, token, otherwise) if brand_id else otherwise
        else:
            found = otherwise
        if found is None:
            return  # later: the sweep rings again
        known = brand_id if brand_id and accounts.brand_name(unit.connection, brand_id) is not None else None
        if token is not None and token.delivery_id != NO_DELIVERY:
            found = replace(found, delivery_id=token.delivery_id)
        inbound.settle(unit.connection, mail.mail_id, found, known, unit.now)
    event(log, "mail understood", mail=mail.mail_id, state=found.state, kind=found.kind)


def _only_brand(gateway: Gateway) -> int | None:
    with gateway.reading(system_actor(0)) as unit:
        return inbound.only_brand(unit.connection)


def _about_nobody(gateway: Gateway, returned: Returned) -> Settlement:
    """What becomes of a mail of which no delivery is known."""
    if returned.sort is Sort.FEEDBACK:
        return Settlement(IGNORED, returned.sort, returned.feedback)
    reasons = {Sort.OTHER: "no report, no complaint and no wish is in it",
               Sort.AUTO_REPLY: "an automatic answer"}
    return Settlement(IGNORED if returned.sort is Sort.AUTO_REPLY else QUARANTINED, returned.sort,
                      reasons.get(returned.sort, "it belongs to none of our deliveries"))


def _do(unit: Unit, mail: Mail, returned: Returned, token: Token | None, otherwise: Settlement) -> Settlement | None:
    """What became of the mail; None: it must wait for its delivery."""
    if returned.sort is Sort.FEEDBACK:
        return otherwise
    if sorts.wants_out(unit.keys, returned):
        return _unsubscribe(unit, mail, returned)
    if returned.sort in (Sort.OTHER, Sort.AUTO_REPLY):
        ignored = accounts.brand_settings(unit.connection, unit.brand_id).get(IGNORE_AUTO_REPLIES, True)
        return otherwise if ignored or returned.sort is Sort.OTHER else Settlement(
            QUARANTINED, returned.sort, "an automatic answer, which the brand wants kept")
    if token is None:
        return _by_address(unit, mail, returned, otherwise)
    if token.delivery_id == NO_DELIVERY:
        return Settlement(IGNORED, returned.sort, "about a test copy")
    delivery = deliveries.get(unit.connection, unit.brand_id, token.delivery_id)
    if delivery is None:
        return otherwise
    if delivery.state == rules.CLAIMED and mail.tries < MAX_TRIES:
        return None
    if delivery.state not in _LEFT_US:
        return Settlement(QUARANTINED, returned.sort, f"its delivery is {delivery.state}")
    if returned.sort is Sort.COMPLAINT:
        bounces.complain(unit, delivery, returned, mail.received_at)
        return Settlement(DONE, returned.sort, returned.feedback)
    verdict = sorts.verdict_about(returned.verdicts, delivery.email)
    if verdict is None:
        return otherwise
    return Settlement(DONE, returned.sort, bounces.report(unit, delivery, verdict, returned, mail.received_at))


def _unsubscribe(unit: Unit, mail: Mail, returned: Returned) -> Settlement:
    """The mailto address of List-Unsubscribe: whatever the mail says, and for ever (SEND-42, SEND-45)."""
    token = sorts.whose(unit.keys, returned.recipient_marks)
    delivery = token and deliveries.get(unit.connection, unit.brand_id, token.delivery_id)
    if not delivery:
        return Settlement(IGNORED, Sort.UNSUBSCRIBE, "of a test copy, or of a delivery that is gone")
    evidence.prove(unit, delivery.delivery_id)
    suppression.opt_out_recipient(unit, delivery, ONE_CLICK)
    return Settlement(DONE, Sort.UNSUBSCRIBE, "")


def _by_address(unit: Unit, mail: Mail, returned: Returned, otherwise: Settlement) -> Settlement:
    """The last resort for whose it is: the addresses that a report names, of an installation with one brand (SEND-53).

    Nothing in such a mail is signed, so it counts only for somebody whom we have mailed lately.
    """
    if returned.sort is not Sort.REPORT or returned.understood_by == sorts.TEXT:
        return otherwise
    done, about = [], set()
    for verdict in returned.verdicts:
        delivery = _last_to(unit, verdict.addresses, mail.received_at - ADDRESS_COUNTS_FOR)
        if delivery is not None:
            done.append(bounces.report(unit, delivery, verdict, returned, mail.received_at))
            about.add(delivery.delivery_id)
    return Settlement(DONE, returned.sort, ", ".join(done), about.pop() if len(about) == 1 else None) \
        if done else otherwise


def _last_to(unit: Unit, addresses: tuple[str, ...], since: dt.datetime) -> StoredDelivery | None:
    for address in addresses:
        email = normalise(address, utf8=True)
        found = inbound.latest_to(unit.connection, unit.brand_id, email, since) if isinstance(email, str) else None
        if found is not None:
            return found
    return None
