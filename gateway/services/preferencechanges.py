"""What is stored when a person changes fields and interests on the form, and who is told? (ID-36, ID-39, ID-56)"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from gateway.bridges import registry
from gateway.clock import instant
from gateway.db.queries import cached_values, decisions, events, identities, members, own_interests, people_write
from gateway.db.queries import integrations as integration_queries
from gateway.db.queries import preferences as stored
from gateway.db.queries.deliveries import StoredDelivery
from gateway.db.queries.preferences import PublicInterest
from gateway.db.queries.subscribers import Link
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.addresses import printable
from gateway.domain.events import OPTED_OUT, PREFERENCE, REJOINED, NewEvent
from gateway.domain.fields import fold
from gateway.domain.merge import NATIVE, write_values
from gateway.domain.records import Outcome
from gateway.domain.suppression import FORM, MAX_REASON
from gateway.domain.writeback import FIELD_CHANGED, INTEREST_JOINED, INTEREST_LEFT, Fact
from gateway.errors import GatewayError
from gateway.services import integrations, writebacks

PURPOSE = "preference form"
MAX_LOOKED_AT = 1000
"""Of a person's earlier changes, when it is asked whether a form came twice."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a person changed on the form of a delivery. ``values``: field -> text, None to clear."""

    delivery: StoredDelivery
    subscriber_id: int
    email: str | None
    form: str
    values: Mapping[str, str | None]
    joined: Sequence[PublicInterest] = ()
    left: Sequence[PublicInterest] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it, by name: what was so already is not there."""

    fields: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fields or self.joined or self.left)


@dataclass(frozen=True, slots=True)
class Systems:
    """The systems that know a person, the first of the brand's list first.

    ``told``: which fields each tells live, folded. ``takers``: which of them take a change, by field. ``outranked``:
    fields of which another source's stored value comes before a local one. ``unclear``: one could not be opened.
    """

    told: Sequence[tuple[Link, Collection[str]]]
    takers: Mapping[str, Sequence[int]]
    local_id: int
    outranked: Collection[str] = field(default_factory=frozenset)
    unclear: bool = False

    def is_live(self, name: str) -> bool:
        """Whether a system of the person tells the field: it is then not stored here."""
        return any(fold(name) in fields for _, fields in self.told)

    def can_keep(self, name: str) -> bool:
        """Whether a change of the field has a place: in the system that tells it, else here."""
        if self.unclear:
            return False
        owner = next((link.integration_id for link, fields in self.told if fold(name) in fields), None)
        if owner is not None:
            return owner in self.takers.get(name, ())
        return name not in self.outranked or bool(self.takers.get(name))


def systems_of(unit: Unit, links: Sequence[Link], names: Collection[str], local_id: int,
               outranked: Collection[str]) -> Systems:
    """The systems behind a person's links, in their order, and which take changes of these fields; connects to none."""
    views = {view.integration_id: view for view in integration_queries.find(unit.connection, unit.brand_id)}
    told, unclear = [], False
    for link in links:
        view, fields = views[link.integration_id], frozenset[str]()
        if view.kind in registry.kinds():
            try:
                with closing(integrations.bridge_of(unit, view)) as bridge:
                    fields = frozenset(map(fold, bridge.fields))
            except GatewayError:
                unclear = True
        told.append((link, fields))
    linked = {link.integration_id for link in links}
    takers = {name: tuple(sorted(linked.intersection(writebacks.takers(unit, FIELD_CHANGED, name))))
              for name in names} if links else {}
    return Systems(tuple(told), takers, local_id, frozenset(outranked), unclear)


def store(unit: Unit, change: Change, systems: Systems) -> Made:
    """Stores the changes with an event and its writebacks each; the caller holds the brand's lock and commits.

    A field that no system of the person tells is kept here as a local value; any other lives in its open writeback
    until the system has it (ID-36), and what an earlier form left here of it goes, or it would show again whenever the
    system has nothing or is away. A form that comes twice changes nothing the second time.
    """
    fields = [name for name in change.values if _is_new(unit, change, name)]
    if any(map(systems.is_live, fields)):  # what is kept of them is old now
        cached_values.forget_keys(unit.connection, unit.brand_id,
                                  [(link.integration_id, link.remote_id) for link, _ in systems.told])
    _keep_local(unit, change, {name: None if systems.is_live(name) else change.values[name] for name in fields},
                systems)
    for name in fields:
        _tell_field(unit, change, name, systems)
    joined = [each for each in change.joined if _join(unit, change, each, systems)]
    left = [each for each in change.left if _leave(unit, change, each, systems)]
    _record(unit, change, fields, joined, left)
    return Made(tuple(fields), tuple(each.name for each in joined), tuple(each.name for each in left))


def _mark(unit: Unit, change: Change, name: str) -> str:
    """Says that this form set this field to this value, and nothing about the value to anybody else."""
    said = f"{change.form}\0{name}\0{change.values[name]!r}"
    return hmac.digest(unit.keys.derived(PURPOSE), said.encode("utf-8", "replace"), "sha256").hex()[:32]


def _is_new(unit: Unit, change: Change, name: str) -> bool:
    """Whether the last change of the field was another one than this."""
    made = stored.changes_made(unit.connection, unit.brand_id, [change.subscriber_id], MAX_LOOKED_AT)
    last = next((raw for raw in made if raw.get("field") == name), {})
    return not change.form or last.get("form") != _mark(unit, change, name)


def _keep_local(unit: Unit, change: Change, values: Mapping[str, str | None], systems: Systems) -> None:
    if not values:
        return
    person = identities.by_id(unit.connection, unit.brand_id, [change.subscriber_id])[change.subscriber_id]
    write_values(person, systems.local_id, values, unit.now)
    people_write.write_people(unit.connection, unit.brand_id, [person], [], systems.local_id, unit.now)


def _tell_field(unit: Unit, change: Change, name: str, systems: Systems) -> None:
    event_id = _add_event(unit, change, PREFERENCE, f"field {name}", {"field": name, "form": _mark(unit, change, name)})
    payload = {"field": name, "value": change.values[name], "time": instant(unit.now), "origin": FORM}
    writebacks.queue_all(unit, FIELD_CHANGED, [Fact(event_id, None, payload, (change.subscriber_id,))],
                         only=systems.takers.get(name, ()))


def _join(unit: Unit, change: Change, wanted: PublicInterest, systems: Systems) -> bool:
    """Ends that the person had left it (ID-39), and opens a membership of ours where no other is open (ID-38)."""
    who = [change.subscriber_id]
    members.undo_leave(unit.connection, unit.brand_id, who, wanted.interest_id, unit.now)
    opens = not wanted.is_member and not wanted.is_local
    if opens:
        own_interests.join(unit.connection, unit.brand_id, wanted.interest_id, systems.local_id, NATIVE, who, unit.now)
    # A membership says itself that somebody joined; feeds of members would tell it twice by the other event
    _tell_interest(unit, change, wanted, PREFERENCE if opens else REJOINED, INTEREST_JOINED, systems)
    return True


def _leave(unit: Unit, change: Change, wanted: PublicInterest, systems: Systems) -> bool:
    if not members.leave(unit.connection, unit.brand_id, [change.subscriber_id], wanted.interest_id, FORM, unit.now):
        return False
    _tell_interest(unit, change, wanted, OPTED_OUT, INTEREST_LEFT, systems)
    return True


def _tell_interest(unit: Unit, change: Change, interest: PublicInterest, kind: str, written: str,
                   systems: Systems) -> None:
    event_id = _add_event(unit, change, kind, f"interest {interest.name}", {"interestId": interest.interest_id})
    payload = {"interest": interest.name, "time": instant(unit.now), "origin": FORM, "reason": None}
    linked = {link.integration_id for link, _ in systems.told}
    takers = linked.intersection(writebacks.takers(unit, written)) if linked else ()
    writebacks.queue_all(unit, written, [Fact(event_id, None, payload, (change.subscriber_id,))], only=takers)


def _add_event(unit: Unit, change: Change, kind: str, reason: str, raw: Mapping[str, object]) -> int:
    delivery = change.delivery
    event_id = events.add(unit.connection, unit.brand_id, NewEvent(
        kind, unit.now, f"{kind}:{uuid.uuid4()}", delivery.instance_id, delivery.delivery_id, change.subscriber_id,
        delivery.remote_id, change.email, origin=FORM, reason=printable(reason, MAX_REASON), raw=raw), unit.now)
    assert event_id is not None
    return event_id


def _record(unit: Unit, change: Change, fields: Sequence[str], joined: Sequence[PublicInterest],
            left: Sequence[PublicInterest]) -> None:
    """The decisions, with names and no values (ID-78)."""
    groups = (("ID-56", {f"field {name}": (None, "changed by the person") for name in fields}),
              ("ID-39", {f"interest {each.name}": ("in", "left") for each in left}),
              ("ID-39", {f"interest {each.name}": ("left" if each.has_left else "out", "in") for each in joined}))
    decisions.record(unit.connection, unit.brand_id, upload_id=None, actor=unit.actor.label, door=unit.actor.door,
                     now=unit.now, outcomes=[
        Outcome(place, words.UPDATED, rule, change.subscriber_id, change.delivery.remote_id, change.email,
                changes=changes) for place, (rule, changes) in enumerate(groups) if changes])
