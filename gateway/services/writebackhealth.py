"""Does anything that foreign systems should know wait for a person? (ID-60)"""

from __future__ import annotations

from gateway.db.queries import health
from gateway.domain import writeback as rules
from gateway.domain.accounts import system_actor
from gateway.services.gateway import Gateway

NAMED = 10
"""So many integrations are named where there may be any number."""


def check(gateway: Gateway) -> tuple[bool, str]:
    """Whether no writeback waits for a decision, and no system was away for as long as the probes get rarer."""
    with gateway.reading(system_actor(0)) as unit:
        failed = health.failed_writebacks(unit.connection, NAMED)
        away = health.long_away(unit.connection, rules.LONG_AWAY, NAMED)
    problems = [f"Brand {brand_id}: {number} writebacks to {name} failed: `gateway writebacks list --brand {brand_id}` "
                "says why; then retry or dismiss them." for brand_id, name, number in failed]
    problems += [f"Brand {brand_id}: {name} did not answer {failures} times in a row; {waiting} writebacks wait."
                 for brand_id, name, failures, waiting in away]
    return (False, " ".join(problems)) if problems else (True, "none waits for a decision")
