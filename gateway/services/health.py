"""Is this installation alive, ready, and how much has it to do? (operator.md: the health addresses, doctor)"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from gateway.db import migrate
from gateway.db.queries import health, switches
from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.mail.smtp import SmtpConnection
from gateway.services.gateway import Gateway
from gateway.services.jobs import JobStore

HEARTBEAT_S = 180
FREE_BYTES = 1024**3
CLOCK_S = 1.0
SWITCH_S = 3600


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
            _guarded("clock", lambda: _clock(gateway)),
            _guarded("disk", lambda: _disk(gateway)),
            _guarded("deliveries in doubt", lambda: _in_doubt(gateway)),
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
    kind = "RabbitMQ" if gateway.settings.broker_url else "embedded"
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


def _in_doubt(gateway: Gateway) -> tuple[bool, str]:
    with gateway.reading(system_actor(0)) as unit:
        count = health.deliveries_by_state(unit.connection).get("in_doubt", 0)
    if count:
        return False, f"{count} deliveries are of unknown outcome and held; the mailing's report shows them."
    return True, "none"


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
