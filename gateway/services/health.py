"""Is this installation alive, ready, and how much has it to do? (operator.md: the health addresses, doctor)"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.db import migrate
from gateway.db.queries import health, inbound, switches
from gateway.domain import mailing as states
from gateway.domain.accounts import system_actor
from gateway.domain.inbound import DONE, NEW, QUARANTINED
from gateway.errors import GatewayError
from gateway.mail import journal, mailboxes
from gateway.mail.smtp import SmtpConnection
from gateway.services import dnschecks, hitspool, recovery, synchealth, writebackhealth
from gateway.services.gateway import Gateway
from gateway.services.inbound import listens_here
from gateway.services.jobs import JobStore

HEARTBEAT_S = 180
FREE_BYTES = 1024**3
CLOCK_S = 1.0
SWITCH_S = 3600
HITS_IDLE_S = 60
INBOUND_S = 3600
NAMED = 10
"""So many instances are named where there may be any number."""

STOPPED = {
    states.RESTORED: "a backup does not know what was mailed since. Cancel each, or decide its deliveries in doubt and "
                     "resume it",
    states.TRANSPORT: "the mail server refused us. See that it takes mail from us, then resume",
    states.SYNC_FAILED: "the sync before it failed. See that it works, then resume",
}
"""What is to be done about an instance that was paused for this reason."""

QUARANTINE_NEWS = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: ``ok``, what was found, and what to do when it is not well."""

    name: str
    ok: bool
    detail: str


def readiness(gateway: Gateway) -> list[Check]:
    """Database and schema, broker, and the worker's sign of life; each is one quick look and changes nothing."""
    return [_guarded("database", lambda: _database(gateway)), _guarded("broker", lambda: _broker(gateway)),
            _guarded("worker", lambda: _worker(gateway))]


def doctor(gateway: Gateway) -> list[Check]:
    """Everything that an operator would want to know before mail goes out."""
    return [Check("settings", True, f"data in {gateway.settings.data_dir}, public URL {gateway.settings.public_url}"),
            *readiness(gateway),
            _guarded("mail server", lambda: _smtp(gateway)),
            _guarded("dns", lambda: dnschecks.check(gateway)),
            _guarded("clock", lambda: _clock(gateway)),
            _guarded("disk", lambda: _disk(gateway)),
            _guarded("opens and clicks", lambda: _hits(gateway)),
            _guarded("stopped mailings", lambda: _stopped(gateway)),
            _guarded("deliveries in doubt", lambda: _in_doubt(gateway)),
            _guarded("damaged journals", lambda: _damaged_journals(gateway)),
            _guarded("bounces", lambda: _bounces(gateway)),
            _guarded("syncs", lambda: synchealth.check(gateway)),
            _guarded("writebacks", lambda: writebackhealth.check(gateway)),
            _guarded("jobs given up", lambda: _dead_jobs(gateway)),
            _guarded("one-to-many", lambda: _switches(gateway))]


def metrics(gateway: Gateway) -> dict[tuple[str, str, str], float]:
    """Gauges as (metric, label name, label value) -> number; no brand's data among them."""
    with gateway.reading(system_actor(0)) as unit:
        found: dict[tuple[str, str, str], float] = {}
        for state, count in health.deliveries_by_state(unit.connection).items():
            found["gateway_deliveries", "state", state] = count
        for state, count in health.uploads_by_state(unit.connection).items():
            found["gateway_imports", "state", state] = count
        for state, count in health.writebacks_by_state(unit.connection).items():
            found["gateway_writebacks", "state", state] = count
        for state, count in inbound.by_state(unit.connection).items():
            found["gateway_inbound_mails", "state", state] = count
        found |= synchealth.metrics(unit)
    for result, count in gateway.live.results.items():  # of this process (ID-77)
        found["gateway_live_fetch_total", "result", result] = count
    found["gateway_hits_bytes", "state", "waiting"] = hitspool.waiting_bytes(gateway.settings.hits_dir)
    for queue, counts in JobStore(gateway.engine).counts().items():
        for state in ("waiting", "claimed", "dead"):
            found[f"gateway_jobs_{state}", "queue", queue] = getattr(counts, state)
    return found


def _guarded(name: str, look: Callable[[], tuple[bool, str]]) -> Check:
    try:
        ok, detail = look()
    except GatewayError as error:
        return Check(name, False, error.message)
    return Check(name, ok, detail)


def _database(gateway: Gateway) -> tuple[bool, str]:
    at, wanted = migrate.current(gateway.engine), migrate.head()
    if at != wanted:
        return False, f"The schema is at {at or 'nothing'} and must be at {wanted}: run `gateway init`."
    return True, f"{gateway.engine.dialect.name}, schema {at}"


def _broker(gateway: Gateway) -> tuple[bool, str]:
    problem = gateway.doorbell.problem()
    scheme = gateway.settings.broker_url.partition("://")[0]
    kind = {"": "embedded", "redis": "Redis", "rediss": "Redis"}.get(scheme, "RabbitMQ")
    return problem is None, problem or kind


def _worker(gateway: Gateway) -> tuple[bool, str]:
    last = JobStore(gateway.engine).last_turn("sweep")
    if last is None:
        return False, "No worker has run yet: `gateway serve` or `gateway worker` starts one."
    age_s = (gateway.clock() - last).total_seconds()
    if age_s > HEARTBEAT_S:
        return False, f"The last sign of life of a worker is {age_s:.0f} s old: start `gateway worker`."
    return True, f"last sign of life {max(age_s, 0):.0f} s ago"


def _smtp(gateway: Gateway) -> tuple[bool, str]:
    problem = SmtpConnection.probe(gateway.settings.smtp_url)
    return problem is None, problem or "answers"


def _clock(gateway: Gateway) -> tuple[bool, str]:
    with gateway.reading(system_actor(0)) as unit:
        theirs = health.database_clock(unit.connection)
    if theirs is None:
        return True, "one machine, one clock"
    apart_s = abs((theirs - gateway.clock()).total_seconds())
    remedy = ": keep the hosts' clocks together (NTP); feeds and leases depend on it" if apart_s > CLOCK_S else ""
    return apart_s <= CLOCK_S, f"{apart_s:.1f} s apart from the database's{remedy}"


def _disk(gateway: Gateway) -> tuple[bool, str]:
    free = shutil.disk_usage(gateway.settings.data_dir).free
    return free >= FREE_BYTES, f"{free // 1024**2} MiB free in the data folder"


def _hits(gateway: Gateway) -> tuple[bool, str]:
    folder = gateway.settings.hits_dir
    waiting, idle_s = hitspool.waiting_bytes(folder), hitspool.idle_s(folder)
    if waiting and idle_s > HITS_IDLE_S:
        return False, f"{waiting} bytes of opens and clicks wait in {folder}, and nobody takes them in: " \
                      "start `gateway serve` or `gateway worker` on this host."
    return True, f"{waiting} bytes wait for the next look"


def _stopped(gateway: Gateway) -> tuple[bool, str]:
    """Instances that wait for a person although nobody paused them (SEND-25, SEND-36, ID-67)."""
    with gateway.reading(system_actor(0)) as unit:
        found = health.stopped_instances(unit.connection)
    told = [f"{len(several)} paused, reason {reason} ({_named(several)}): {STOPPED.get(reason, 'look, then resume')}."
            for reason, several in sorted(found.items())]
    return not told, " ".join(told) or "none"


def _in_doubt(gateway: Gateway) -> tuple[bool, str]:
    with gateway.reading(system_actor(0)) as unit:
        count = health.deliveries_by_state(unit.connection).get("in_doubt", 0)
        found = health.doubts_by_instance(unit.connection, NAMED + 1)
    if count:
        where = _named([(brand_id, instance_id) for brand_id, instance_id, _ in found])
        return False, (f"{count} deliveries are of unknown outcome and held ({where}): look for them in the mail "
                       "server's log, then decide `resend` or `count_as_sent` by DecideInDoubt (SOAP) or "
                       "`/push/v1/mailings/ID/doubts`.")
    return True, "none"


def _named(several: Sequence[tuple[int, int]]) -> str:
    """The first of these instances, brand by brand."""
    brands: dict[int, list[str]] = {}
    for brand_id, instance_id in several[:NAMED]:
        brands.setdefault(brand_id, []).append(str(instance_id))
    more = "; and more" if len(several) > NAMED else ""
    return "; ".join(f"brand {brand_id}: instance {', '.join(ids)}" for brand_id, ids in brands.items()) + more


def _damaged_journals(gateway: Gateway) -> tuple[bool, str]:
    """Those of this host that a recovery could not believe everywhere (SEND-21)."""
    folder = recovery.journal_folder(gateway)
    senders = journal.set_aside(folder)
    if senders:
        return False, f"{len(senders)} in {folder}: what they could not tell is in doubt already. See whether the " \
                      f"disk is sound, then remove the folders that end in {journal.DAMAGED}."
    return True, "none"


def _bounces(gateway: Gateway) -> tuple[bool, str]:
    with gateway.reading(system_actor(0)) as unit:
        counts = inbound.by_state(unit.connection)
        lately = inbound.quarantined_since(unit.connection, unit.now - QUARANTINE_NEWS)
        oldest = inbound.oldest_new(unit.connection)
        late = oldest is not None and (unit.now - oldest).total_seconds() > INBOUND_S
    settings, quarantined = gateway.settings, counts.get(QUARANTINED, 0)
    if late:
        return False, f"{counts.get(NEW, 0)} mails that came back wait for more than an hour: is a worker running?"
    if lately:
        return False, (f"{quarantined} mails that came back were not understood, {lately} of them in the last week: "
                       "`gateway bounces list` shows them.")
    if not (settings.bounce_listen or settings.bounce_mailbox):
        return True, "not looked for: set GATEWAY_BOUNCE_LISTEN or GATEWAY_BOUNCE_MAILBOX"
    listening = settings.bounce_listen if listens_here(gateway) else ()
    places = (*listening, *settings.bounce_mailbox)
    problem = next((problem for place in places if (problem := mailboxes.probe(place)) is not None), None)
    if problem is not None:
        return False, problem
    elsewhere = "" if listening or not settings.bounce_listen else \
        "; no worker runs on this host, so its GATEWAY_BOUNCE_LISTEN was not tried"
    return True, f"{counts.get(DONE, 0)} mails understood in 30 days, {quarantined} in quarantine{elsewhere}"


def _dead_jobs(gateway: Gateway) -> tuple[bool, str]:
    dead = sum(counts.dead for counts in JobStore(gateway.engine).counts().values())
    return dead == 0, f"{dead}; the log says why" if dead else "none"


def _switches(gateway: Gateway) -> tuple[bool, str]:
    with gateway.reading(system_actor(0)) as unit:
        found = switches.unfinished_of_all(unit.connection)
        late = any((unit.now - since).total_seconds() > SWITCH_S for _, _, since in found)
    if not found:
        return True, "no brand is being switched"
    brands = ", ".join(str(brand_id) for brand_id, _, _ in found)
    return not late, f"Brand {brands} is being switched on. A worker finishes that, or do it at once: " \
                     f"`gateway one-to-many --brand {found[0][0]} --on`; `--off` gives it up."
