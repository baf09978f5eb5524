"""What did senders have in hand that are gone, and what becomes of it? (SEND-21, SEND-22)"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from gateway.db.queries import deliveries, locks
from gateway.db.unit import Unit
from gateway.domain.accounts import system_actor
from gateway.domain.delivery import LOST_AFTER, Claimed, Settled
from gateway.domain.journal import IN_DOUBT, NOT_TRIED, QUEUED, Fate, Result
from gateway.log import event
from gateway.mail import journal
from gateway.mail.journal import Abandoned
from gateway.mail.smtp import Outcome, Verdict
from gateway.services import outcomes
from gateway.services.gateway import Gateway
from gateway.services.outcomes import News

log = logging.getLogger("gateway.services")

JOURNALS = "journal"


def journal_folder(gateway: Gateway) -> Path:
    """Where the senders of this host keep their journals."""
    return gateway.settings.data_dir / JOURNALS


def recover(gateway: Gateway) -> None:
    """Settles what dead senders had in hand; may run at any time, in any number of processes, any number of times.

    The journal of a sender of this host whose process is dead tells what became of each row. Of a sender elsewhere
    nothing is known: its rows are in doubt once its lease and the longest timeout are over. Raises ``UNAVAILABLE``.
    """
    for dead in journal.abandoned(journal_folder(gateway)):
        _replay(gateway, dead)
    _give_up_for_lost(gateway)


def _replay(gateway: Gateway, dead: Abandoned) -> None:
    """Applies a dead sender's journal, durably, before it is removed."""
    fates = dead.fates()
    with gateway.unit(system_actor(0)) as unit:
        locks.lock_sender(unit.connection, dead.sender)
        rows = deliveries.claimed_by(unit.connection, dead.sender, list(fates.rows))
        told = [(*row, fates.of(row[2].delivery_id, row[2].attempt + 1)) for row in rows]
        waiting = [claimed.delivery_id for _, _, claimed, fate in told if _is_free(fate)]
        news = [News(brand_id, instance_id, _settled(unit, claimed, fate))
                for brand_id, instance_id, claimed, fate in told if not _is_free(fate)]
        outcomes.fold(unit, dead.sender, news)
        deliveries.release(unit.connection, dead.sender, waiting, unit.now)
    dead.remove(keep=fates.damaged)
    if fates.damaged:
        event(log, "journal damaged", level=logging.ERROR, sender=dead.sender)
    _tell(news, "messages in doubt after a crash")
    event(log, "journal replayed", sender=dead.sender, known=len(news), waiting=len(waiting))


def _is_free(fate: Fate) -> bool:
    """Whether nobody can have got this attempt, so that it may be made again."""
    return fate.what == QUEUED or (fate.result is not None and fate.result.verdict == NOT_TRIED)


def _settled(unit: Unit, claimed: Claimed, fate: Fate) -> Settled:
    if fate.what == IN_DOUBT or fate.result is None:
        return Settled(claimed, "doubt", unit.now)
    return outcomes.judge(claimed, _outcome(fate.result), fate.result.at)


def _outcome(result: Result) -> Outcome:
    return Outcome(Verdict(result.verdict), result.code, result.enhanced, result.text, result.stage)


def _give_up_for_lost(gateway: Gateway) -> None:
    """Rows of senders who have no journal here and whose time is over are in doubt (SEND-22)."""
    here = journal.present(journal_folder(gateway))  # before the rows are looked up
    with gateway.reading(system_actor(0)) as unit:
        found = bool(deliveries.lost(unit.connection, unit.now - LOST_AFTER, here))
    if not found:
        return
    news: list[News] = []
    with gateway.unit(system_actor(0)) as unit:
        by_owner: dict[str, list[News]] = {}
        for owner, brand_id, instance_id, claimed in deliveries.lost(unit.connection, unit.now - LOST_AFTER, here):
            by_owner.setdefault(owner, []).append(News(brand_id, instance_id, Settled(claimed, "doubt", unit.now)))
        for owner, several in by_owner.items():
            outcomes.fold(unit, owner, several)
            news += several
    _tell(news, "messages of a lost sender in doubt")


def _tell(news: Sequence[News], phrase: str) -> None:
    for instance_id in sorted({one.instance_id for one in news if one.settled.event == "doubt"}):
        number = sum(one.instance_id == instance_id and one.settled.event == "doubt" for one in news)
        event(log, phrase, level=logging.WARNING, instance=instance_id, number=number)
