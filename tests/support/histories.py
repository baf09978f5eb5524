"""What may happen to a brand: pushes, syncs, clicks and bounces. Histories of it, and how they are played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

from gateway.bridges import registry
from gateway.bridges.port import RemoteMember
from gateway.db.models import metadata
from gateway.db.queries import events, instances
from gateway.db.queries import mailings as stored_mailings
from gateway.domain.events import BOUNCED, NewEvent
from gateway.domain.mailing import MailingDraft
from gateway.domain.records import Group, Identifier, ImportOptions, Outcome, StatusEntry, SubscriberRecord
from gateway.domain.sync import SyncReport
from gateway.services import audience, imports, mailings, suppression, sync
from tests.support.ams import MemoryAms
from tests.support.brands import Brands
from tests.support.pushes import ADDRESSES, REMOTE_IDS, plain_records, records

SENDERS = ("api", "crm")
AMS = "ams"
_HTML = "<html><body><p>Hello</p></body></html>"
_GROUPS = (Group("n", "North"), Group("s", "South"))


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens. ``kind``: push, sync, unsubscribe or bounce; ``given``: records, members, an address."""

    kind: str
    by: str
    given: Any


def whole_records() -> st.SearchStrategy[SubscriberRecord]:
    """What the compatible face brings: whole states, withdrawn addresses, deleted people."""
    return st.builds(
        SubscriberRecord, remote_id=st.sampled_from(REMOTE_IDS), email=st.sampled_from((*ADDRESSES, "")),
        values=st.dictionaries(st.sampled_from(("FirstName", "LastName")), st.sampled_from(("A", "B")), max_size=2),
        groups=st.lists(st.sampled_from(_GROUPS), max_size=2).map(tuple),
        do_not_email=st.sampled_from((None, None, True, False)), whole=st.just(True),
        deleted=st.sampled_from((False, False, False, True)))


def any_records() -> st.SearchStrategy[SubscriberRecord]:
    """A record of any face."""
    return st.one_of(records(), plain_records(), whole_records())


def _members() -> st.SearchStrategy[list[RemoteMember]]:
    made = st.builds(
        RemoteMember, remote_id=st.sampled_from(REMOTE_IDS), email=st.sampled_from((*ADDRESSES, None)),
        do_not_email=st.sampled_from((None, None, True, False)), interests=st.just(("All",)),
        deleted=st.sampled_from((False, False, True)))
    return st.lists(made, max_size=4, unique_by=lambda member: member.remote_id)


def pushes(record: st.SearchStrategy[SubscriberRecord] | None = None) -> st.SearchStrategy[Act]:
    """A push of a few records."""
    some = st.lists(any_records() if record is None else record, min_size=1, max_size=3)
    return st.builds(Act, st.just("push"), st.sampled_from((*SENDERS, AMS)), some)


def syncs() -> st.SearchStrategy[Act]:
    """A complete answer of the foreign system."""
    return st.builds(Act, st.just("sync"), st.just(AMS), _members())


def histories(max_size: int = 6) -> st.SearchStrategy[list[Act]]:
    """Anything, in any order."""
    facts = st.builds(Act, st.sampled_from(("unsubscribe", "bounce")), st.just(""), st.sampled_from(ADDRESSES))
    return st.lists(st.one_of(pushes(), pushes(), syncs(), facts), min_size=1, max_size=max_size)


class Stage(Brands):
    """Brands to whose integration ``ams`` there is a bridge, each to a system of its own in memory."""

    def __init__(self, url: str, data_dir: Any) -> None:
        super().__init__(url, data_dir)
        self.systems: dict[str, MemoryAms] = {}

    @contextmanager
    def bridged(self) -> Iterator[Stage]:
        """Registers the bridge while tests run."""
        registry.FACTORIES["memory"] = lambda config: self.systems[str(config["name"])]
        try:
            yield self
        finally:
            del registry.FACTORIES["memory"]

    def opened(self, *, one_to_many: bool = False) -> int:
        """A new brand with its integrations."""
        brand_id = self.brand()
        self.systems[str(brand_id)] = MemoryAms()
        actor = self.actor("api", brand_id=brand_id, role="admin")
        with self.gateway.unit(actor) as unit:
            sync.integrations.add(unit, AMS, "memory", {"name": str(brand_id)})
        if one_to_many:
            t = metadata.tables["brand"]
            with self.gateway.unit(actor) as unit:
                unit.connection.execute(sa.update(t).where(t.c.id == brand_id).values(
                    settings={"identityMode": "one_to_many"}))
        return brand_id

    def play(self, brand_id: int, act: Act) -> list[Outcome]:
        """Lets it happen, a second after the last; answers the outcomes of a push."""
        self.clock.advance(seconds=1)
        if act.kind == "push":
            return self.push_one_by_one(brand_id, act.given, act.by)
        if act.kind == "sync":
            self.sync(brand_id, act.given)
        elif act.kind == "unsubscribe":
            with self.unit(self.speaker(brand_id)) as unit:
                suppression.unsubscribe(unit, [StatusEntry(Identifier(email=act.given))])
        else:
            self.bounce(brand_id, act.given)
        return []

    def push_one_by_one(self, brand_id: int, given: Sequence[SubscriberRecord], by: str) -> list[Outcome]:
        """Each record in a call of its own."""
        outcomes: list[Outcome] = []
        for record in given:
            with self.unit(self.speaker(brand_id, by)) as unit:
                outcomes += imports.import_records(unit, [record], ImportOptions(interests=("All",))).outcomes
        return outcomes

    def sync(self, brand_id: int, members: Sequence[RemoteMember], *, breaks_after: int | None = None,
             **options: bool) -> SyncReport:
        """A full run over these members."""
        system = self.systems[str(brand_id)]
        system.people, system.breaks_after = list(members), breaks_after
        return sync.run(self.gateway, brand_id, self.integration(AMS, brand_id=brand_id), **options)

    def bounce(self, brand_id: int, email: str) -> None:
        """The address is dead."""
        with self.unit(self.speaker(brand_id)) as unit:
            event_id = events.add(unit.connection, brand_id, NewEvent(
                BOUNCED, unit.now, f"b:{email}:{unit.now}", address=email), unit.now)
            suppression.set_bounced(unit, email=email, code="5.1.1", bounce_class="hard", event_id=event_id or 0)

    def rows(self, brand_id: int, name: str) -> list[dict[str, Any]]:
        """All rows of the brand in a table."""
        t = metadata.tables[name]
        with self.reading(self.speaker(brand_id)) as unit:
            return [dict(row._mapping) for row in unit.connection.execute(
                sa.select(t).where(t.c.brand_id == brand_id).order_by(*t.primary_key.columns))]

    def living(self, brand_id: int) -> dict[int, dict[str, Any]]:
        """The live records by id."""
        return {row["id"]: row for row in self.rows(brand_id, "subscriber") if row["merged_into"] is None}

    def frozen(self, brand_id: int) -> list[tuple[int, str | None, str | None]]:
        """(subscriber id, address, reason) of a mailing to all interests that is frozen now; None: it is sent."""
        actor = self.speaker(brand_id)
        with self.unit(actor) as unit:
            names = tuple(row["name"] for row in self._interests(unit, brand_id))
            if not names:
                return []
            draft = MailingDraft("m", "s", "news@example.org", _HTML, interests=names)
            mailing_id = mailings.create(unit, draft).mailing_id
            instance_id = mailings.schedule(unit, mailing_id, unit.now).instance_id
            mailing = stored_mailings.get(unit.connection, brand_id, mailing_id)
            instance = instances.get(unit.connection, brand_id, instance_id)
            assert mailing is not None and instance is not None
            counted = audience.count(unit, mailing)
            number = audience.freeze(unit, mailing, instance, [])
            t = metadata.tables["delivery"].c
            found = [(row.subscriber_id, row.email, row.reason) for row in unit.connection.execute(
                sa.select(t.subscriber_id, t.email, t.reason).where(t.instance_id == instance_id))]
        total = counted.recipients + sum(counted.left_out.values())
        assert (number, total) == (len(found), len(found)), (number, total, len(found))
        assert counted.recipients == sum(reason is None for _, _, reason in found)
        return found

    @staticmethod
    def _interests(unit: Any, brand_id: int) -> list[dict[str, Any]]:
        t = metadata.tables["interest"]
        return [dict(row._mapping) for row in unit.connection.execute(sa.select(t).where(t.c.brand_id == brand_id))]
