"""What would the next sync, or the next record, make of somebody? Asked for real, worked out for real, kept never.
(ID-71, ID-79)"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from gateway.bridges import registry
from gateway.bridges.port import Outage, Refused, RemoteMember
from gateway.db.queries import batches, decisions
from gateway.db.queries import explain as stored
from gateway.db.queries import subscribers as stored_subscribers
from gateway.db.queries.explain import StoredKey
from gateway.db.queries.staging import Stage
from gateway.domain import explanation as words
from gateway.domain.accounts import SCOPES, Actor
from gateway.domain.addresses import normalise_remote_id
from gateway.domain.explaining import day, difference
from gateway.domain.explanation import Forecast, NextRecord
from gateway.domain.integration import IntegrationView
from gateway.domain.merge import effective
from gateway.domain.records import Identifier, ImportOptions, SubscriberRecord
from gateway.domain.rulebook import meaning
from gateway.domain.sync import ROW_CLASSES, SyncCounters
from gateway.domain.writeback import DOWN
from gateway.errors import GatewayError
from gateway.services import imports, integrations, syncrows
from gateway.services.gateway import Gateway, Unit
from gateway.services.rehearsal import rehearse, undone
from gateway.services.subscribers import brand_rank

DEADLINE_S = 2.0

_OUTCOMES = {
    "new": "makes a new record", "changed": "changes the record", "adopted": "gives the record this remote ID",
    "revived": "revives the link", "unchanged": "changes nothing", "ended": "ends the link",
    "conflicting": "leaves it alone, for the system lists the remote ID several times with different data",
    "rejected": "does not take the row",
}
_Members = Mapping[str, list[RemoteMember]]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of asking one integration: its members by normalised remote ID, or why there are none."""

    asked: str
    members: _Members
    sentence: str = ""


def next_sync(gateway: Gateway, brand_id: int, keys: Sequence[StoredKey]) -> dict[tuple[int, str], Forecast]:
    """(integration, remote ID) -> what the next sync would make of each of these keys.

    The foreign systems are asked at once, all of them together for at most ``DEADLINE_S``; no transaction is open
    meanwhile. Then each row goes through the sync's own code in a transaction that is rolled back.
    """
    with gateway.reading(_sync_actor(brand_id)) as unit:
        known = {each.integration_id: each for each in integrations.find(unit)}
        now = unit.now
    wanted: dict[int, list[str]] = {}
    for key in keys:
        wanted.setdefault(key.integration_id, []).append(key.remote_id)
    answers: dict[int, _Answer] = {}
    for integration_id in wanted:
        view = known[integration_id]
        if view.kind not in registry.kinds():
            answers[integration_id] = _Answer(words.CALLS_US, {}, f"{view.name} calls us and cannot be asked; what it "
                                                                  "sends next decides.")
        elif view.state == DOWN and view.probe_at is not None and view.probe_at > now:
            answers[integration_id] = _Answer(words.DOWN, {}, f"{view.name} could not be asked: it is down, and is "
                                                              f"tried again on {day(view.probe_at)}.")
    to_ask = {known[each]: remote_ids for each, remote_ids in wanted.items() if each not in answers}
    answers |= _ask(gateway, to_ask)
    return {(key.integration_id, key.remote_id): _forecast(gateway, known[key.integration_id], key,
                                                           answers[key.integration_id]) for key in keys}


def next_record(gateway: Gateway, actor: Actor, who: Identifier, integration: str | None) -> NextRecord | None:
    """What would become of a record that came now with these identifiers and nothing else; None if the store is busy.

    ``integration`` names the sender where the actor speaks for none.
    """
    sender = replace(actor, scopes=frozenset(SCOPES), request_id="")
    try:
        with rehearse(gateway, sender) as unit:
            (outcome,) = imports.import_records(unit, [SubscriberRecord(who.remote_id, who.email)],
                                                ImportOptions(integration=integration)).outcomes
    except GatewayError as error:
        if error.code in ("UNAVAILABLE", "NOT_FOUND", "NOT_ALLOWED"):  # busy; or there is no such sender in this brand
            return None
        raise
    problem = outcome.problem
    said = f"A record that came now with these identifiers would be {outcome.status}"
    why = f" ({problem.code}): {problem.message}" if problem else "."
    return NextRecord(outcome.status, outcome.rule, meaning(outcome.rule), problem and problem.code,
                      problem and problem.message, said + why)


def _ask(gateway: Gateway, wanted: Mapping[IntegrationView, Sequence[str]]) -> dict[int, _Answer]:
    """Asks every system in a thread of its own, so that one that hangs holds up neither the others nor the caller.

    A thread that was given up ends by the limits of its own bridge.
    """
    came: queue.SimpleQueue[tuple[int, _Answer]] = queue.SimpleQueue()
    for view, remote_ids in wanted.items():
        threading.Thread(target=lambda view=view, ids=remote_ids: came.put((view.integration_id, _ask_one(
            gateway, view, ids))), daemon=True, name="explain-ask").start()
    deadline, answers = time.monotonic() + DEADLINE_S, {}
    while len(answers) < len(wanted):
        try:
            integration_id, answer = came.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        answers[integration_id] = answer
    for view in wanted:
        answers.setdefault(view.integration_id, _Answer(
            words.DOWN, {}, f"{view.name} could not be asked: it did not answer within {DEADLINE_S:.0f} seconds."))
    return answers


def _ask_one(gateway: Gateway, view: IntegrationView, remote_ids: Sequence[str]) -> _Answer:
    try:
        with closing(integrations.bridge(gateway, view)) as bridge:
            listed = bridge.members_by_id(remote_ids, DEADLINE_S)
    except Outage as outage:
        return _Answer(words.DOWN, {}, f"{view.name} could not be asked: it is down. {outage}")
    except Refused as refused:
        return _Answer(words.NO_LOOKUP, {}, f"{view.name} cannot be asked for single people. {refused}")
    except GatewayError as error:  # a stored configuration that does not open, or that this version does not take
        return _Answer(words.NO_LOOKUP, {}, f"{view.name} could not be asked. {error.message}")
    members: dict[str, list[RemoteMember]] = {}
    for member in listed:
        key = normalise_remote_id(member.remote_id)
        if isinstance(key, str):
            members.setdefault(key, []).append(member)
    return _Answer(words.ASKED, members)


def _forecast(gateway: Gateway, view: IntegrationView, key: StoredKey, answer: _Answer) -> Forecast:
    if answer.asked != words.ASKED:
        return Forecast(view.name, key.remote_id, answer.asked, answer.sentence)
    members = answer.members.get(key.remote_id, [])
    if not members and key.ended_at is not None:
        return Forecast(view.name, key.remote_id, words.ASKED, f"{view.name} does not list {key.remote_id}, and the "
                                                               "link has ended already: a sync changes nothing.",
                        "unchanged")
    try:
        with rehearse(gateway, _sync_actor(view.brand_id, view)) as unit:
            return _rehearsed(unit, gateway, view, key, members)
    except GatewayError as error:
        if error.code != "UNAVAILABLE":
            raise
        return Forecast(view.name, key.remote_id, words.BUSY, "Others are writing; ask again when they are done.")


def _rehearsed(unit: Unit, gateway: Gateway, view: IntegrationView, key: StoredKey,
               members: Sequence[RemoteMember]) -> Forecast:
    """What the sync's own code does with the rows, or with their absence."""
    before = _picture(unit, key.subscriber_id)
    counters = SyncCounters()
    upload_id, before_id = imports.open_upload(unit, ImportOptions()), decisions.newest_id(unit.connection)
    with undone(unit), closing(Stage(gateway.settings.spool_dir)) as stage:
        if members:
            stage.add(syncrows.staged(members))
            for rows in stage.chunks(len(members)):
                syncrows.apply_rows(unit, view.integration_id, upload_id, rows, counters)
        else:
            syncrows.sweep(unit, upload_id, [key.remote_id], counters)
        made = decisions.of_upload(unit.connection, unit.brand_id, upload_id, before_id, 1)
        after = _picture(unit, key.subscriber_id)
    outcome = next(name for name in ROW_CLASSES if counters.counts[name]) if members else words.GONE
    orphaned = counters.counts["orphaned"] > 0
    last = made[0] if made else None
    return Forecast(
        view.name, key.remote_id, words.ASKED, _sentence(view, key, outcome, orphaned, last and last.message), outcome,
        last and last.rule, orphaned, difference(before, after), () if last is None else last.warnings)


def _sentence(view: IntegrationView, key: StoredKey, outcome: str, orphaned: bool, message: str | None) -> str:
    orphan = ", and the record becomes an orphan" if orphaned else ""
    if outcome == words.GONE:
        return f"{view.name} does not list {key.remote_id} any more: the next complete sync ends the link{orphan}."
    said = f"{view.name} lists {key.remote_id}: the next sync {_OUTCOMES[outcome]}{orphan}."
    return f"{said} {message}" if message and outcome == "rejected" else said


def _picture(unit: Unit, subscriber_id: int) -> dict[str, str]:
    """The record in words that can be compared: what a sync may change."""
    connection, brand_id = unit.connection, unit.brand_id
    record = stored.records(connection, brand_id, [subscriber_id])[subscriber_id]
    sources = batches.sources(connection, brand_id)
    found = {"orphan": str(record.orphan).lower(), "source": sources[record.source_id].label}
    if record.email is not None:
        found["email"] = record.email
    if record.merged_into is not None:
        found["mergedInto"] = str(record.merged_into)
    found |= {f"merged {loser_id}": "merged" for loser_id in stored.merged_into(connection, brand_id, subscriber_id)}
    for key in stored.keys(connection, brand_id, [subscriber_id]):
        name = f"{key.integration}:{key.remote_id}"
        found[f"link {name}"] = "live" if key.ended_at is None else "ended"
        found[f"doNotEmail {name}"] = str(key.do_not_email).lower()
    for row in stored.memberships(connection, brand_id, subscriber_id):
        if row.until is None:
            found[f"interest {row.interest} ({sources[row.source_id].label})"] = "member"
    documents = stored_subscribers.documents(connection, brand_id, [subscriber_id]).get(subscriber_id, {})
    found |= {f"field {name}": value.text for name, value in effective(documents, brand_rank(unit, sources)).items()}
    return found


def _sync_actor(brand_id: int, view: IntegrationView | None = None) -> Actor:
    """Whom a sync acts as."""
    if view is None:
        return Actor(brand_id, "system", "sync", frozenset(SCOPES))
    return Actor(brand_id, f"sync:{view.name}", "sync", frozenset(SCOPES), view.integration_id, view.name)
