"""Do members change as they are told to, under the brake, and does the feed say who came and went?"""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.domain.accounts import ADMIN, READER
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import imports, integrations, interests, members, optout, subscribers
from gateway.services.interests import InterestChanges
from gateway.services.members import InterestChangeFilter
from tests.support.world import World

ANN, BOB = "ann@example.org", "bob@example.org"


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path, brands=(1, 2)) as made:
        for brand_id in (1, 2):
            with made.unit(made.actor(brand_id=brand_id)) as unit:
                interests.create(unit, "News")
                interests.create(unit, "Events")
        yield made


def push(world, *records, as_=None, **options):
    with world.unit(as_) as unit:
        return imports.import_records(unit, records, ImportOptions(**options)).outcomes


def change(world, mode, *who, as_=None, interest="News", **more):
    with world.unit(as_) as unit:
        return members.change_members(unit, interest, mode, who, **more).outcomes


def leave(world, *entries, interests=("News",), as_=None, act=optout.opt_out):
    with world.unit(as_) as unit:
        return act(unit, interests, entries).outcomes


def entry(reason=None, **who):
    return StatusEntry(Identifier(**who), reason)


def inside(world, name="News", brand_id=1):
    """Remote IDs or addresses of whoever is in the interest, by FindSubscribers."""
    with world.gateway.feed(world.actor(brand_id=brand_id)) as unit:
        page = subscribers.find(unit, subscribers.SubscriberFilter(interest=name), PageRequest())
    world.clock.advance(seconds=1)
    return sorted(view.remote_id or view.email for view in page.items)


def refused(act, *args, **more):
    with pytest.raises(GatewayError) as error:
        act(*args, **more)
    return error.value.code, error.value.field


def id_(remote_id):
    return Identifier(remote_id=remote_id)


def people(world, count, **more):
    push(world, *(SubscriberRecord(f"K-{n}", f"p{n}@example.org") for n in range(count)), **more)
    world.clock.advance(seconds=1)


class TestChangeMembers:
    """SOAP-52, PUSH-37."""

    def test_add_and_remove_by_remote_id_and_address(self, world):
        """Incremental; again it changes nothing; twice in one call it counts once."""
        people(world, 3)
        outcomes = change(world, "Add", id_("K-0"), Identifier(email="P1@Example.org"), id_("K-0"))
        assert [(o.status, o.rule) for o in outcomes] == [("updated", "ID-38"), ("updated", "ID-38"),
                                                          ("unchanged", "ID-38")]
        world.clock.advance(seconds=1)
        assert inside(world) == ["K-0", "K-1"]
        assert {o.status for o in change(world, "Add", id_("K-0"), id_("K-1"))} == {"unchanged"}
        assert [o.status for o in change(world, "Remove", id_("K-0"), id_("K-2"))] == ["updated", "unchanged"]
        world.clock.advance(seconds=1)
        assert inside(world) == ["K-1"]

    def test_replace_all_keeps_whom_a_failed_entry_names(self, world):
        """PUSH-55: an ambiguous address takes nobody out; other sources' members stay (ID-40)."""
        people(world, 3, interests=("News",))
        push(world, SubscriberRecord("X", "p0@example.org"), interests=("News",))
        push(world, SubscriberRecord("C-1", BOB), interests=("News",), as_=world.actor("crm"))
        outcomes = change(world, "ReplaceAll", Identifier(email="p0@example.org"), id_("K-1"), id_("nobody"))
        assert [o.problem and o.problem.code for o in outcomes] == ["AMBIGUOUS_EMAIL", None, "NOT_FOUND"]
        world.clock.advance(seconds=1)
        assert inside(world) == ["C-1", "K-0", "K-1", "X"]

    def test_remove_takes_nobody_out_whom_it_says_it_could_not_tell_apart(self, world):
        """What an entry reports is what happened: two records at the address, so it failed and both stay."""
        push(world, SubscriberRecord("17", ANN), SubscriberRecord("18", ANN), interests=("News",))
        (failed,) = change(world, "Remove", Identifier(email=ANN))
        assert failed.problem.code == "AMBIGUOUS_EMAIL"
        world.clock.advance(seconds=1)
        assert inside(world) == ["17", "18"]

    def test_the_brake(self, world):
        """ID-70: above a tenth and above ten; an administrator releases it."""
        people(world, 20, interests=("News",))
        assert refused(change, world, "ReplaceAll", id_("K-0")) == ("BRAKE_HELD", "mode")
        assert len(inside(world)) == 20
        assert refused(change, world, "ReplaceAll", id_("K-0"), released=True) == ("NOT_ALLOWED", None)
        change(world, "ReplaceAll", id_("K-0"), released=True, as_=world.actor(role=ADMIN))
        world.clock.advance(seconds=1)
        assert inside(world) == ["K-0"]

    def test_who_left_is_not_added_again(self, world):
        """ID-39."""
        people(world, 1)
        leave(world, entry(remote_id="K-0"))
        (outcome,) = change(world, "Add", id_("K-0"))
        assert (outcome.status, [w.code for w in outcome.warnings]) == ("unchanged", ["INTEREST_OPTED_OUT"])

    def test_what_is_refused(self, world):
        """SOAP-52, SOAP-18, ID-P15: another brand's people and interests are not there."""
        people(world, 1)
        assert refused(change, world, "Add", id_("K-0"), interest="Nothing") == ("LIST_UNKNOWN", "interests")
        assert refused(change, world, "Replace", id_("K-0")) == ("INVALID_VALUE", "mode")
        assert refused(change, world, "ReplaceAll") == ("INVALID_REQUEST", "members")
        assert refused(change, world, "Add", id_("K-0"), as_=world.actor(role=READER))[0] == "NOT_ALLOWED"
        assert refused(change, world, "Add", *[id_("K")] * 1001)[0] == "TOO_MANY_RECORDS"
        (outcome,) = change(world, "Add", id_("K-0"), as_=world.actor(brand_id=2))
        assert outcome.problem.code == "NOT_FOUND"


class TestOptOut:
    """SOAP-47, PUSH-35, ID-39, ID-50."""

    def test_it_leaves_these_interests_only_and_is_idempotent(self, world):
        """An import that adds again warns and changes nothing; the person stays mailable."""
        people(world, 1, interests=("News", "Events"))
        (first,), (again,) = leave(world, entry(remote_id="K-0")), leave(world, entry(email="p0@example.org"))
        assert (first.status, first.rule, again.status) == ("updated", "ID-50", "unchanged")
        world.clock.advance(seconds=1)
        assert (inside(world), inside(world, "Events")) == ([], ["K-0"])
        (pushed,) = push(world, SubscriberRecord("K-0", "p0@example.org"), interests=("News",))
        assert (pushed.status, [w.code for w in pushed.warnings]) == ("unchanged", ["INTEREST_OPTED_OUT"])
        with world.reading() as unit:
            assert subscribers.get(unit, Identifier(remote_id="K-0")).sendable

    def test_an_address_means_all_its_records_a_remote_id_one(self, world):
        """ID-16: acts of status by address apply to all of them."""
        push(world, SubscriberRecord("K-1", ANN), SubscriberRecord("K-2", ANN), interests=("News", "Events"))
        leave(world, entry(remote_id="K-1"))
        leave(world, entry(email=ANN), interests=("Events",))
        world.clock.advance(seconds=1)
        assert (inside(world), inside(world, "Events")) == (["K-2"], [])

    def test_an_entry_may_name_interests_of_its_own(self, world):
        """ID-42: one that is not there fails that entry alone, and nobody else's wish is lost; the first names it."""
        people(world, 3, interests=("News", "Events"))
        with world.unit() as unit:
            outcomes = optout.opt_out(unit, ["News"], [entry(remote_id=f"K-{n}") for n in (0, 1, 2, 0)],
                                      {1: ["Events"], 2: ["Nothing"]}).outcomes
        assert [(o.status, o.problem and o.problem.code) for o in outcomes] == [
            ("updated", None), ("updated", None), ("failed", "LIST_UNKNOWN"), ("unchanged", None)]
        world.clock.advance(seconds=1)
        assert (inside(world), inside(world, "Events")) == (["K-1", "K-2"], ["K-0", "K-2"])

    def test_a_thousand_entries_at_an_address_of_many(self, world):
        """The largest call takes seconds: it holds up every other change of the brand."""
        push(world, *(SubscriberRecord(f"F-{n}", ANN) for n in range(300)), interests=("News",))
        statements = []
        with world.unit() as unit:
            sa.event.listen(world.gateway.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
            outcomes = optout.opt_out(unit, ["News", "Events"], [entry(email=ANN)] * 1000).outcomes
        assert [o.status for o in outcomes] == ["updated", *["unchanged"] * 999]
        assert len(statements) < 100
        world.clock.advance(seconds=1)
        assert inside(world) == []

    def test_rejoin_is_a_deliberate_act_with_a_reason(self, world):
        """ID-39: the memberships that stayed open count again."""
        people(world, 1, interests=("News",))
        leave(world, entry(remote_id="K-0"))
        (bare,) = leave(world, entry(remote_id="K-0"), act=optout.rejoin)
        assert (bare.problem.code, bare.problem.field) == ("INVALID_VALUE", "reason")
        (done,) = leave(world, entry("asked by phone", remote_id="K-0"), act=optout.rejoin)
        (again,) = leave(world, entry("asked by phone", remote_id="K-0"), act=optout.rejoin)
        assert (done.status, again.status) == ("updated", "unchanged")
        world.clock.advance(seconds=1)
        assert inside(world) == ["K-0"]

    def test_what_is_refused(self, world):
        """The interests must exist; unknown people are results."""
        assert refused(leave, world, entry(email=ANN), interests=("Nothing",)) == ("LIST_UNKNOWN", "interests")
        assert refused(leave, world, entry(email=ANN), interests=()) == ("INVALID_REQUEST", "interests")
        assert refused(leave, world, as_=world.actor(role=READER))[0] == "NOT_ALLOWED"
        outcomes = leave(world, entry(email=ANN), entry(), entry(remote_id="9"), entry(email="x"))
        assert [o.problem.code for o in outcomes] == ["NOT_FOUND", "IDENTIFIER_MISSING", "NOT_FOUND", "INVALID_EMAIL"]


class TestWritebacks:
    """ID-56: whoever left an interest, and whoever came back, is told to the systems that map it, and to no others."""

    WRITES = {"unsubscribe": "UPDATE m SET no_mail = 1 WHERE id = :remote_id"}
    MAPS = WRITES | {kind: f"UPDATE m SET {kind} = :interest WHERE id = :remote_id"
                     for kind in ("interest_left", "interest_joined")}

    @pytest.fixture
    def systems(self, world):
        """ann@ is 17 of ams, which maps interests, and 5 of dues, which does not; fam. member 18 shares the address."""
        for name, writes in (("ams", self.MAPS), ("dues", self.WRITES)):
            with world.unit(world.actor(role=ADMIN)) as unit:
                integrations.add(unit, name, "sql", {"url": "sqlite:////nowhere.db", "members":
                                                     "SELECT id AS remote_id, mail AS email FROM m",
                                                     "writeback": writes})
        push(world, SubscriberRecord("17", ANN), SubscriberRecord("18", ANN), as_=world.actor("ams"))
        push(world, SubscriberRecord("5", ANN), as_=world.actor("dues"))
        return world

    def written(self, world):
        with world.reading() as unit:
            t = metadata.tables["writeback"].c
            rows = unit.connection.execute(sa.select(t.remote_id, t.kind, t.email, t.payload).order_by(t.id)).all()
        return [(row.remote_id, row.kind, row.email, row.payload["interest"]) for row in rows]

    def test_by_the_person_alone(self, systems):
        """One row a remote key, of the person who is meant; doing it again writes nothing."""
        with systems.reading(systems.actor("ams")) as unit:
            seventeen = subscribers.get(unit, Identifier(remote_id="17")).subscriber_id
        for _ in range(2):
            leave(systems, entry(subscriber_id=seventeen))
        leave(systems, entry("asked", subscriber_id=seventeen), act=optout.rejoin)
        assert self.written(systems) == [("17", "interest_left", ANN, "News"), ("17", "interest_joined", ANN, "News")]

    def test_by_address_and_not_to_the_caller(self, systems):
        """ID-53: whose call it was knows already."""
        leave(systems, entry(email=ANN), as_=systems.actor("ams"))
        assert self.written(systems) == []
        leave(systems, entry(email=ANN), interests=("Events",))
        assert [row[:2] for row in self.written(systems)] == [("17", "interest_left"), ("18", "interest_left")]


class TestFeed:
    """SOAP-53."""

    def feed(self, world, size=None, token=None, as_=None, **wanted):
        with world.gateway.feed(as_ or world.actor()) as unit:
            return members.find_changes(unit, InterestChangeFilter(**wanted), PageRequest(size, token))

    def test_who_came_and_went_and_by_whom(self, world):
        """Joined, left, the person's own wish and its undoing, in order of time; pages of one give the same rows."""
        start = world.clock.now
        people(world, 2, interests=("News",))
        change(world, "Remove", id_("K-1"), as_=world.actor())
        world.clock.advance(seconds=1)
        leave(world, entry(remote_id="K-0"))
        world.clock.advance(seconds=1)
        leave(world, entry("asked", remote_id="K-0"), act=optout.rejoin)
        world.clock.advance(seconds=1)
        push(world, SubscriberRecord("Z", ANN), interests=("Events",))
        world.clock.advance(seconds=1)
        page = self.feed(world, since=start)
        assert [(row.change, row.interest, row.email, row.source, row.origin) for row in page.items] == [
            ("joined", "News", "p0@example.org", "integration:api", None),
            ("joined", "News", "p1@example.org", "integration:api", None),
            ("left", "News", "p1@example.org", "integration:api", None),
            ("left", "News", "p0@example.org", "local", "api"),
            ("joined", "News", "p0@example.org", "local", "api"),
            ("joined", "Events", ANN, "integration:api", None)]
        found, token = [], None
        while True:
            one = self.feed(world, 1, token, since=start)
            found += one.items
            token = one.next_token
            if token is None:
                break
        assert found == list(page.items)
        assert [row.interest for row in self.feed(world, interest="Events").items] == ["Events"]
        assert self.feed(world, since=start, as_=world.actor(brand_id=2)).items == ()

    def test_a_merge_is_no_change(self, world):
        """ID-26: the tombstone left nothing."""
        push(world, SubscriberRecord(None, ANN), interests=("News",))
        push(world, SubscriberRecord("K-1", BOB))
        world.clock.advance(seconds=1)
        push(world, SubscriberRecord("K-1", ANN))
        world.clock.advance(seconds=1)
        rows = self.feed(world, interest="News").items
        assert [(row.change, row.email) for row in rows] == [("joined", ANN)]

    def test_a_week_at_most_unless_an_interest_is_named(self, world):
        """SOAP-53."""
        week = world.clock.now - dt.timedelta(days=7)
        assert self.feed(world, since=week).items == ()
        assert refused(self.feed, world) == ("INVALID_VALUE", "since")
        assert refused(self.feed, world, since=week - dt.timedelta(seconds=1)) == ("INVALID_VALUE", "since")
        assert refused(self.feed, world, interest="Nothing")[0] == "LIST_UNKNOWN"


class TestUpdateInterest:
    """SOAP-50, PUSH-37."""

    def update(self, world, interest_id, as_=None, **changes):
        with world.unit(as_) as unit:
            return interests.update(unit, interest_id, InterestChanges(**changes))

    def test_rename_describe_publish(self, world):
        """Members stay; what is not named stays; an empty description goes."""
        people(world, 1, interests=("News",))
        made = self.update(world, 1, name=" Monthly ", description="Every month", public=True)
        assert (made.name, made.description, made.public, made.members) == ("Monthly", "Every month", True, 1)
        again = self.update(world, 1, description="")
        assert (again.name, again.description, again.public) == ("Monthly", None, True)
        assert inside(world, "Monthly") == ["K-0"]
        assert self.update(world, 1, name="Monthly").name == "Monthly"

    def test_what_is_refused(self, world):
        """A taken or bad name, a stranger's interest, a missing right."""
        assert refused(self.update, world, 1, name="Events") == ("ALREADY_EXISTS", "name")
        assert refused(self.update, world, 1, name=" ") == ("INVALID_VALUE", "name")
        assert refused(self.update, world, 1, name="a\x00") == ("INVALID_CHARACTER", "name")
        assert refused(self.update, world, 1, description="x" * 1001) == ("INVALID_VALUE", "description")
        assert refused(self.update, world, 3, name="Mine", as_=world.actor()) == ("NOT_FOUND", "interestId")
        assert refused(self.update, world, 1, name="X", as_=world.actor(role=READER))[0] == "NOT_ALLOWED"
