"""What may happen to a brand: pushes, syncs, clicks and bounces. Histories of it, and how they are played."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random
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
from gateway.errors import GatewayError
from gateway.services import audience, imports, mailings, merges, onetomany, suppression, sync
from tests.support.ams import MemoryAms
from tests.support.brands import Brands

SENDERS = ("api", "crm")
AMS = "ams"
SENDER_NAMES = (*SENDERS, AMS)
HOMES = tuple(f"{name}@example.org" for name in ("ann", "bo", "cy", "dee", "eve", "flo"))
STOPPED, DEAD = HOMES[:2], HOMES[2]
"""Who unsubscribes, and which address bounces: few, or soon nobody would be left whom a broken rule could mail."""
REMOTE_IDS = ("1", "2", "3", "4", "5")
_HTML = "<html><body><p>Hello</p></body></html>"
_GROUPS = (Group("n", "North"), Group("s", "South"))
_VALUES = (("FirstName", "A"), ("FirstName", "B"), ("last name", "A"), ("LastName", None), ("Birthday", "1980-02-03"),
           ("Birthday", "A"), ("Nonsense", "A"), ("FirstName", ""))


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens. ``kind``: push, sync, unsubscribe, bounce, switch or undo; ``given``: records, members,
    an address, which merge."""

    kind: str
    by: str
    given: Any


def _address(chance: Random) -> str:
    """Mostly one that others have, too, in some spelling; sometimes one that nobody had."""
    if chance.random() < 0.2:
        return f"new{chance.randrange(40)}@example.org"
    home = chance.choice(HOMES)
    return chance.choice((home, home, home, home.upper(), f" {home} "))


def any_record(chance: Random) -> SubscriberRecord:
    """A record of any face; mostly right."""
    kind, remote_id, email = chance.random(), chance.choice(REMOTE_IDS), _address(chance)
    values, flag = dict(chance.sample(_VALUES, chance.randrange(3))), chance.choice((None,) * 6 + (True, False, False))
    if kind < 0.3:  # the compatible face
        return SubscriberRecord(
            remote_id, chance.choice((email,) * 7 + ("",)), values, do_not_email=flag, whole=True,
            groups=tuple(chance.sample(_GROUPS, chance.randrange(3))), deleted=chance.random() < 0.1)
    if kind < 0.45:  # a mess
        return SubscriberRecord(
            chance.choice((None, "", f" {remote_id} ")), chance.choice((None, email, "not an address")), values,
            tuple(chance.sample(("News", "Events"), chance.randrange(3))),
            chance.choice(((), ("News",), ("Unheard of",))), chance.choice((flag, True, False)))
    keyed = chance.random() < 0.7
    return SubscriberRecord(remote_id if keyed else None, email, values, do_not_email=flag)


def _members(chance: Random) -> list[RemoteMember]:
    return [RemoteMember(remote_id, chance.choice((_address(chance),) * 6 + (None,)),
                         chance.choice((None, None, True, False)), ("All",), chance.random() < 0.1)
            for remote_id in chance.sample(REMOTE_IDS, chance.randrange(2, len(REMOTE_IDS) + 1))]


def _act(chance: Random, *, turbulent: bool) -> Act:
    kind = chance.random()
    if kind < 0.06:
        return Act("sync", AMS, _members(chance))
    if kind < 0.14:
        return Act("unsubscribe", "", chance.choice(STOPPED))
    if kind < 0.17:
        return Act("bounce", "", DEAD)
    if turbulent and kind < 0.2:
        return Act("switch", "", None)
    if turbulent and kind < 0.27:
        return Act("undo", "", chance.randrange(3))
    return Act("push", chance.choice(SENDER_NAMES), [any_record(chance) for _ in range(chance.randrange(1, 4))])


def _seeded(make: Callable[[Random], Any]) -> st.SearchStrategy[Any]:
    """Hypothesis would begin with what is short and alike, and rules meet in what is long and mixed."""
    return st.integers(0, 2**32).map(lambda seed: make(Random(seed)))


def batches(size: int = 6) -> st.SearchStrategy[list[SubscriberRecord]]:
    """Records of one push."""
    return _seeded(lambda chance: [any_record(chance) for _ in range(size)])


def syncs() -> st.SearchStrategy[Act]:
    """A complete answer of the foreign system."""
    return _seeded(lambda chance: Act("sync", AMS, _members(chance)))


def histories(size: int, *, turbulent: bool = False) -> st.SearchStrategy[list[Act]]:
    """So many acts, in any order; ``turbulent``: administrators switch One-to-Many and undo merges, too."""
    return _seeded(lambda chance: [_act(chance, turbulent=turbulent) for _ in range(size)])


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
        elif act.kind == "bounce":
            self.bounce(brand_id, act.given)
        elif act.kind == "switch":
            self.switch(brand_id)
        else:
            self.undo(brand_id, act.given)
        return []

    def switch(self, brand_id: int) -> None:
        """One-to-Many on, or off again."""
        admin = self.actor("api", brand_id=brand_id, role="admin")
        with self.unit(admin) as unit:
            if onetomany.get(unit).mode == "one_to_many":
                onetomany.switch_off(unit)
                return
            fingerprint = onetomany.preview(unit).fingerprint
        onetomany.switch_on(self.gateway, admin, fingerprint)

    def undo(self, brand_id: int, back: int) -> None:
        """Undoes one of the last merges, if it can be undone."""
        losers = [row["id"] for row in self.rows(brand_id, "subscriber") if row["merged_into"] is not None]
        with suppress(GatewayError), self.unit(self.actor("api", brand_id=brand_id, role="admin")) as unit:
            merges.undo(unit, losers[-1 - back % len(losers)] if losers else 0)

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
