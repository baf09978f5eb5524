"""What do the systems that know one person say of the fields on their form, now? (ID-76, ID-77)"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gateway.domain.accounts import system_actor
from gateway.services import integrations, personalisation
from gateway.services.gateway import Gateway
from gateway.services.personalisation import Calls


@dataclass(frozen=True, slots=True)
class Told:
    """``values``: field -> text. ``away``: a system that tells one of the fields did not answer."""

    values: dict[str, str]
    away: bool = False


def ask(gateway: Gateway, brand_id: int, subscriber_id: int, names: Collection[str]) -> Told:
    """What the person's systems say of these fields, as a mailing would ask them: all at once, for two seconds at most.

    Of one that does not answer, what is kept of it. Nothing is stored, and no transaction is open meanwhile. Raises
    ``UNAVAILABLE`` for our own store alone.
    """
    with gateway.reading(system_actor(brand_id)) as unit:
        needs = personalisation.wanted(unit, names)
        if needs is None or not needs.names:
            return Told({})
        found = personalisation.look_up(unit, needs, [subscriber_id])
    if not found.ids:
        return Told({})
    with Calls(gateway.live, lambda each: integrations.bridge(gateway, each), gateway.clock) as calls:
        answers = calls.ask(needs, found)
    with gateway.reading(system_actor(brand_id)) as unit:
        known = personalisation.fetched(unit, needs, found, answers)[subscriber_id]
    return Told({**known.cached, **known.live}, not found.ids.keys() <= answers.keys())
