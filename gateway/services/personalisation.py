"""Which personal data does a mailing ask foreign systems for, and what do they answer before it goes? (ID-76, ID-77)

Nothing of it is stored, unless the brand chose so for a field. A batch is worked in four steps, of which only the
second waits for others: look up the keys, ask, look into what is kept, keep what may be.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gateway.bridges import registry
from gateway.bridges.port import Bridge, Outage, Refused
from gateway.db.queries import batches, cached_values, fields, personal, writebacks
from gateway.db.unit import Unit
from gateway.domain.accounts import system_actor
from gateway.domain.fields import JSON, fold
from gateway.domain.integration import IntegrationView
from gateway.domain.tiers import DEADLINE_S, MAX_BATCH, Fetched, FieldChoices, cleaned, serve
from gateway.domain.values import Field
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import integrations, subscribers
from gateway.services.gateway import Gateway
from gateway.services.livedesk import ANSWERED, FAILED, LATE, LiveDesk

log = logging.getLogger("gateway.services")


@dataclass(frozen=True, slots=True)
class Asked:
    """One system that can tell some of a mailing's fields: our name of the field -> the name that its bridge has."""

    integration: IntegrationView
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a mailing needs beyond what is stored: ``names`` are its live fields, in order; ``systems`` in the brand's
    order of sources (ID-36); ``choices`` of the live fields; ``required``: fields of the mailing, live or not."""

    names: tuple[str, ...]
    systems: tuple[Asked, ...]
    choices: Mapping[str, FieldChoices]
    required: frozenset[str]
    defaults: Mapping[str, str]

    def misses(self, values: Mapping[str, str]) -> bool:
        """Whether a required field is empty (ID-77)."""
        return any(not values.get(name) for name in self.required)


@dataclass(slots=True)
class Lookup:
    """Whom to ask about whom, for one batch: of each system remote ID -> people, and the fields asked for.

    ``of_person``: for each person, field -> (integration, remote ID) that tells it.
    """

    people: Sequence[int]
    ids: dict[int, dict[str, None]] = field(default_factory=dict)
    names: dict[int, set[str]] = field(default_factory=dict)
    of_person: dict[int, dict[str, tuple[int, str]]] = field(default_factory=dict)
    held: dict[int, dict[str, str | None]] = field(default_factory=dict)


Answers = dict[int, dict[str, dict[str, str]]]
"""integration -> remote ID -> field -> value, cleaned; a system that did not answer is absent."""

_NOBODY: Mapping[Any, Any] = MappingProxyType({})


def wanted(unit: Unit, tags: Collection[str]) -> Wanted | None:
    """What a mailing that uses these fields needs beyond what is stored; None: nothing, as for most mailings.

    Connects to nothing. An integration whose configuration cannot be used any more tells nothing; that is logged.
    """
    choices = {each.name: each for each in fields.choices(unit.connection, unit.brand_id)
               if each.kind != JSON and each.name in tags}
    if not choices:
        return None
    required = frozenset(name for name, each in choices.items() if each.required)
    systems = tuple(_systems(unit, choices))
    names = tuple(sorted({name for each in systems for name in each.names}))
    if not (names or required):
        return None
    return Wanted(names, systems, {name: choices[name] for name in names}, required,
                  fields.defaults(unit.connection, unit.brand_id))


def _systems(unit: Unit, choices: Collection[str]) -> Iterator[Asked]:
    """The systems that can tell any of the fields, the one whose word counts most first."""
    found = [each for each in integrations.find(unit) if each.kind in registry.kinds()]
    if not found:
        return
    sources = batches.sources(unit.connection, unit.brand_id)
    rank = subscribers.brand_rank(unit, sources)
    places = {row.integration_id: rank(source_id) for source_id, row in sources.items() if row.integration_id}
    last = (len(subscribers.PLACES), 0)
    for each in sorted(found, key=lambda each: (places.get(each.integration_id, last), each.integration_id)):
        try:
            bridge = integrations.bridge_of(unit, each)
        except GatewayError as error:
            event(log, "integration not usable", level=logging.ERROR, integration=each.integration_id, code=error.code)
            continue
        try:
            told = {fold(name): name for name in bridge.fields}
        finally:
            bridge.close()
        names = {name: told[fold(name)] for name in choices if fold(name) in told}
        if names:
            yield Asked(each, names)


def look_up(unit: Unit, needs: Wanted, people: Sequence[int]) -> Lookup:
    """Who is to be asked about these people of the unit's brand (at most ``MAX_BATCH``), each field of the first
    system in order that has a live key of theirs."""
    found = Lookup(people, held=writebacks.open_values(unit.connection, unit.brand_id, people))
    keys: dict[int, dict[int, str]] = {}
    for key in personal.keys(unit.connection, unit.brand_id, people):
        keys.setdefault(key.subscriber_id, {}).setdefault(key.integration_id, key.remote_id)
    for person, own in keys.items():
        places: dict[str, tuple[int, str]] = {}
        for system in needs.systems:
            integration_id = system.integration.integration_id
            if integration_id in own:
                for name in system.names.keys() - places.keys():
                    places[name] = (integration_id, own[integration_id])
                    found.ids.setdefault(integration_id, {})[own[integration_id]] = None
                    found.names.setdefault(integration_id, set()).add(name)
        if places:
            found.of_person[person] = places
    return found


def fetched(unit: Unit, needs: Wanted, found: Lookup, answers: Answers) -> dict[int, Fetched]:
    """What is known now of each person of the lookup: what was answered, and where nobody answered, what is kept."""
    kept = _kept(unit, needs, found, answers)
    result = {}
    for person in found.people:
        live: dict[str, str] = {}
        cached: dict[str, str] = {}
        for name, (integration_id, remote_id) in found.of_person.get(person, _NOBODY).items():
            values, into = answers.get(integration_id), live
            if values is None:
                values, into = kept.get(integration_id, _NOBODY), cached
            text = values.get(remote_id, _NOBODY).get(name)
            if text:
                into[name] = text
        held = {name: text for name, text in found.held[person].items() if name in needs.choices} \
            if person in found.held else _NOBODY
        result[person] = Fetched(person, live, cached, held)
    return result


def _kept(unit: Unit, needs: Wanted, found: Lookup, answers: Answers) -> Answers:
    caching = {each.field_id: each for each in needs.choices.values() if each.cache_hours}
    since = {field_id: unit.now - dt.timedelta(hours=each.cache_hours or 0) for field_id, each in caching.items()}
    return {integration_id: {remote_id: {caching[field_id].name: text for field_id, text in values.items()}
                             for remote_id, values in cached_values.fresh(
                                 unit.connection, unit.brand_id, integration_id, list(ids), since).items()}
            for integration_id, ids in found.ids.items() if since and integration_id not in answers}


def keep(unit: Unit, needs: Wanted, found: Lookup, answers: Answers) -> None:
    """Keeps what was answered, of fields whose values may be kept (ID-77), and nothing that a change is on its way to
    replace: it would count again once the system has the change and is away (ID-64)."""
    waiting = writebacks.open_values(unit.connection, unit.brand_id, found.people)
    old = {(*place, name) for person, names in waiting.items()
           for name, place in found.of_person.get(person, _NOBODY).items() if name in names}
    for integration_id, told in answers.items():
        caching = [needs.choices[name] for name in found.names[integration_id] if needs.choices[name].cache_hours]
        cached_values.keep(unit.connection, unit.brand_id, integration_id, {
            remote_id: {each.field_id: None if (integration_id, remote_id, each.name) in old
                        else told.get(remote_id, {}).get(each.name) for each in caching}
            for remote_id in found.ids[integration_id]}, unit.now)


def keeps(needs: Wanted) -> bool:
    """Whether :func:`keep` would keep anything."""
    return any(each.cache_hours for each in needs.choices.values())


def purge(gateway: Gateway) -> None:
    """Deletes fetched values that are older than their field allows, of all brands (ID-77), field by field in short
    transactions; and what SQLite's log may still hold of them, also when the last was deleted elsewhere while somebody
    was reading the log. Repeating it changes nothing."""
    with gateway.reading(system_actor(0)) as unit:
        kept = cached_values.cached_fields(unit.connection)
    for field_id, hours in kept:
        with gateway.unit(system_actor(0)) as unit:
            cached_values.purge(unit.connection, field_id, unit.now - dt.timedelta(hours=hours))
    cached_values.forget_log(gateway.engine)


def values_of(unit: Unit, tags: Collection[str], person: int) -> dict[str, str]:
    """The values of one person as a message with these fields would show them now, for previews and the like.

    Foreign systems are asked, which takes up to two seconds; what they say is kept nowhere.
    """
    needs = wanted(unit, tags)
    if needs is None or not needs.names or unit.live is None:
        return dict(subscribers.merge_values(unit, [person]).get(person, {}))
    found = look_up(unit, needs, [person])
    with Calls(unit.live, lambda each: integrations.bridge_of(unit, each), lambda: unit.now) as calls:
        answers = calls.ask(needs, found)
    stored = subscribers.stored_values(unit, [person]).get(person, {})
    shown, _ = serve(needs.names, fetched(unit, needs, found, answers)[person], stored, needs.defaults)
    return shown


class Calls:
    """Calls of bridges, each in a thread of its own that nobody has to wait for. Bridges are made when they are needed
    and used again until :meth:`close`; may be used from several threads.

    ``make`` makes a bridge without connecting, in the caller's thread.
    """

    def __init__(self, desk: LiveDesk, make: Callable[[IntegrationView], Bridge],
                 clock: Callable[[], dt.datetime]) -> None:
        self._desk, self._make, self._clock = desk, make, clock
        self._lock = threading.Lock()
        self._idle: dict[int, list[Bridge]] = {}
        self._is_closed = False

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of all bridges; one at work goes when it is done."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = [bridge for several in self._idle.values() for bridge in several], {}
        for bridge in idle:
            _close(bridge)

    def ask(self, needs: Wanted, found: Lookup) -> Answers:
        """What the systems answer within the deadline, all of them asked at once (ID-76). Never raises for a system."""
        ends_at = time.monotonic() + DEADLINE_S
        started = []
        for system in needs.systems:
            integration_id = system.integration.integration_id
            ids = list(found.ids.get(integration_id, ()))[:MAX_BATCH]
            if ids and self._desk.enter(integration_id, self._clock()):
                names = sorted(found.names[integration_id])
                started.append((system, ids, names, self._start(system, ids, names, ends_at)))
        answers: Answers = {}
        for system, ids, names, future in started:
            integration_id = system.integration.integration_id
            result = ANSWERED
            try:
                told = future.result(max(0.0, ends_at - time.monotonic()))
                answers[integration_id] = _read(told, ids, system, [needs.choices[name] for name in names])
            except TimeoutError:
                result = LATE
            except Exception as error:  # a bridge may fail in any way; its text might be about somebody
                result = FAILED
                event(log, "live values not fetched", level=logging.WARNING, integration=integration_id,
                      reason=str(error)[:200] if isinstance(error, Outage | Refused) else type(error).__name__)
            self._desk.note(integration_id, result, self._clock())
        return answers

    def _start(self, system: Asked, ids: Sequence[str], names: Sequence[str], ends_at: float) -> Future:
        future: Future = Future()
        integration_id = system.integration.integration_id
        try:
            bridge = self._take(system.integration)
        except Exception as error:
            self._desk.left(integration_id)
            future.set_exception(error)
            return future

        def call() -> None:
            try:
                told = bridge.fetch(ids, [system.names[name] for name in names], max(0.05, ends_at - time.monotonic()))
            except BaseException as error:
                _close(bridge)  # who knows in what state it is
                future.set_exception(error)
            else:
                self._put_back(integration_id, bridge)
                future.set_result(told)
            finally:
                self._desk.left(integration_id)

        threading.Thread(target=call, name="live-fetch", daemon=True).start()
        return future

    def _take(self, integration: IntegrationView) -> Bridge:
        with self._lock:
            idle = self._idle.get(integration.integration_id)
            if idle:
                return idle.pop()
        return self._make(integration)

    def _put_back(self, integration_id: int, bridge: Bridge) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.setdefault(integration_id, []).append(bridge)
                return
        _close(bridge)


def _close(bridge: Bridge) -> None:
    try:
        bridge.close()
    except Exception as error:
        event(log, "bridge not closed", level=logging.WARNING, reason=type(error).__name__)


def _read(told: object, ids: Sequence[str], system: Asked,
          choices: Sequence[FieldChoices]) -> dict[str, dict[str, str]]:
    """What may be used of an answer: people and fields that were asked for, as they may stand in a message."""
    if not isinstance(told, Mapping):
        return {}
    known = [(each.name, system.names[each.name], Field(each.name, each.kind, each.max_length)) for each in choices]
    found: dict[str, dict[str, str]] = {}
    for remote_id in ids:
        values = told.get(remote_id)
        if isinstance(values, Mapping):
            found[remote_id] = {name: text for name, theirs, kind in known
                                if (text := cleaned(kind, values.get(theirs))) is not None}
    return found
