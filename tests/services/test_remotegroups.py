"""Are those in an interest whom a group of the AMS names, whenever it is asked? (ID-38, ID-39, ID-66..70)"""

import pytest
import sqlalchemy as sa

from gateway.bridges.port import MemberStream, RemoteMember
from gateway.clock import instant
from gateway.db.models.imports import decision
from gateway.db.models.subscribers import membership, remote_key, subscriber
from gateway.db.models.sync import sync_run
from gateway.domain.accounts import system_actor
from gateway.domain.mailing import MailingDraft
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.domain.remotegroups import GroupView, LastReading
from gateway.errors import GatewayError
from gateway.services import (
    explain,
    groupreadings,
    imports,
    integrations,
    interests,
    lifecycle,
    mailings,
    optout,
    remotegroups,
    subscribers,
    sync,
    syncchoices,
    syncruns,
)
from tests.support.world import World


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


@pytest.fixture
def made(world, ams):
    """An integration of five members, three of them in the group ``board``."""
    for number in range(1, 6):
        ams.put(str(number), f"m{number}@example.org")
    ams.groups["board"] = ("The Board", ["1", "2", "3"])
    return bridged(world)


def bridged(world, brand_id=1):
    with world.gateway.unit(system_actor(brand_id)) as unit:
        return integrations.add(unit, "ams", "memory", {})


def board(world, brand_id=1, name=None):
    return remotegroups.add(world.gateway, system_actor(brand_id, "cli"), "ams", "board", name).interest_id


def resolve(world, interest_id, brand_id=1, **options):
    report = remotegroups.resolve(world.gateway, brand_id, interest_id, "hand", **options)
    world.clock.advance(minutes=1)
    return report


def told(report):
    return report.state, {name: report.counters[name] for name in ("members", "joined", "left", "optedOut")
                          if report.counters[name]}


def members(world, interest_id):
    """Remote IDs of who is in the interest."""
    with world.reading() as unit:
        return sorted(unit.connection.scalars(
            sa.select(remote_key.c.remote_id).join(membership, membership.c.subscriber_id == remote_key.c.subscriber_id)
            .where(membership.c.interest_id == interest_id, membership.c.until.is_(None))))


def rows(world, *columns):
    with world.reading() as unit:
        return [tuple(row) for row in unit.connection.execute(sa.select(*columns).order_by(columns[0]))]


def refused(act, *args, **more):
    with pytest.raises(GatewayError) as error:
        act(*args, **more)
    return error.value.code, error.value.field


class TestDiscovery:
    """What the AMS offers, and what is an interest here."""

    def test_groups_are_listed_with_size_and_interest(self, world, ams, made):
        ams.groups["gone"] = ("Former members", [])
        (first, second) = remotegroups.find(world.gateway, system_actor(1, "cli"), "ams")
        assert (first.group_id, first.name, first.interest_id, first.resolved_at) == ("board", "The Board", None, None)
        interest_id = board(world)
        report = resolve(world, interest_id)
        (first, second) = remotegroups.find(world.gateway, system_actor(1, "cli"), "ams")
        assert (first.interest_id, first.interest, first.resolved_at) == (interest_id, "The Board", report.started_at)
        assert second.interest_id is None

    def test_an_interest_whose_group_is_gone_is_listed(self, world, ams, made):
        """ID-38, ID-66: last, with how it was read last; another brand's is not there."""
        ams.groups["other"] = ("Former members", [])
        interest_id, actor = board(world, name="Directors"), system_actor(1, "cli")
        bridged(world, brand_id=2)
        board(world, brand_id=2)
        done = resolve(world, interest_id)
        (there, _) = remotegroups.find(world.gateway, actor, "ams")
        assert (there.is_gone, there.last) == (False, LastReading("success", "", done.started_at))
        del ams.groups["board"]
        failed = resolve(world, interest_id)
        (other, gone) = remotegroups.find(world.gateway, actor, "ams")
        assert (other.group_id, other.is_gone, other.last) == ("other", False, None)
        assert gone == GroupView("board", "Directors", None, interest_id, "Directors", done.started_at,
                                 LastReading("failed", failed.message, failed.started_at), True)
        (_, theirs) = remotegroups.find(world.gateway, system_actor(2, "cli"), "ams")
        assert theirs.last is None and theirs.is_gone and theirs.interest_id != interest_id

    def test_a_group_becomes_an_interest_once(self, world, ams, made):
        view = remotegroups.add(world.gateway, system_actor(1, "cli"), "ams", " board ", "Directors")
        assert (view.name, view.integration, view.members) == ("Directors", "ams", 0)
        assert refused(board, world) == ("ALREADY_EXISTS", "groupId")
        ams.groups["other"] = ("Directors", [])
        actor = system_actor(1, "cli")
        assert refused(remotegroups.add, world.gateway, actor, "ams", "other", "Directors") == (
            "ALREADY_EXISTS", "name")
        assert remotegroups.add(world.gateway, actor, "ams", "other").name == "Directors (ams)"
        assert refused(remotegroups.add, world.gateway, actor, "ams", "nothing") == ("NOT_FOUND", "groupId")
        assert refused(remotegroups.add, world.gateway, actor, "crm", "board") == ("NOT_FOUND", "integration")
        assert refused(remotegroups.add, world.gateway, world.key_actor(scopes=("report",)), "ams", "other")[0] == \
            "NOT_ALLOWED"

    def test_a_system_that_is_away_says_so(self, world, ams, made):
        ams.is_away = True
        assert refused(remotegroups.find, world.gateway, system_actor(1, "cli"), "ams") == (
            "UNAVAILABLE", "integration")
        world.integration("pushes")
        assert refused(remotegroups.find, world.gateway, system_actor(1, "cli"), "pushes") == (
            "STATE_CONFLICT", "integration")


class TestResolving:
    """ID-38, ID-69: exactly those whom the group names."""

    def test_people_join_and_leave_as_the_group_says(self, world, ams, made):
        """Known or new; a second time nothing changes."""
        sync.run(world.gateway, 1, made)
        ams.put("6", "m6@example.org", 1)
        ams.groups["board"][1].append("6")
        interest_id = board(world)
        assert told(resolve(world, interest_id)) == ("success", {"members": 4, "joined": 4})
        assert members(world, interest_id) == ["1", "2", "3", "6"]
        with world.reading(world.actor("ams")) as unit:
            new = subscribers.get(unit, Identifier(remote_id="6"))
            assert (new.email, new.blocked_by) == ("m6@example.org", ("remote_flag",))
        before = rows(world, subscriber.c.id, subscriber.c.changed_at), rows(world, membership.c.id)
        assert told(resolve(world, interest_id)) == ("success", {"members": 4})
        assert (rows(world, subscriber.c.id, subscriber.c.changed_at), rows(world, membership.c.id)) == before
        ams.groups["board"] = ("The Board", ["2", "4"])
        assert told(resolve(world, interest_id)) == ("success", {"members": 2, "joined": 1, "left": 3})
        assert members(world, interest_id) == ["2", "4"]
        assert ("ID-38", '{"interest": ["The Board", null]}') in [
            row[1:] for row in rows(world, decision.c.id, decision.c.rule, decision.c.changes)]

    def test_explain_says_where_it_is_defined_and_of_when(self, world, ams, made):
        """ID-79"""
        interest_id = board(world)
        at = resolve(world, interest_id).started_at
        (person,) = explain.explain(world.gateway, world.actor("ams"), Identifier(remote_id="1")).people
        assert person.memberships[0].detail == {"definedIn": "AMS", "lastResolved": instant(at)}

    def test_the_chunks_do_not_matter(self, world, ams, made, monkeypatch):
        """ID-P2"""
        monkeypatch.setattr(groupreadings, "CHUNK_ROWS", 2)
        interest_id = board(world)
        assert told(resolve(world, interest_id)) == ("success", {"members": 3, "joined": 3})
        ams.groups["board"] = ("The Board", ["5", "4", "3"])
        assert told(resolve(world, interest_id)) == ("success", {"members": 3, "joined": 2, "left": 2})

    def test_other_sources_and_channels_stay(self, world, ams, made):
        """ID-38, ID-P10: an upload's membership, and that of a sync."""
        interest_id = board(world)
        resolve(world, interest_id)
        with world.unit() as unit:
            imports.import_records(unit, [SubscriberRecord(email="m1@example.org", add_interests=("The Board",))],
                                   ImportOptions())
        ams.groups["board"] = ("The Board", ["2"])
        assert told(resolve(world, interest_id)) == ("success", {"members": 1, "left": 2})
        assert members(world, interest_id) == ["1", "2"]

    def test_who_left_stays_out(self, world, ams, made):
        """ID-39"""
        interest_id = board(world)
        resolve(world, interest_id)
        with world.unit() as unit:
            optout.opt_out(unit, ["The Board"], [StatusEntry(Identifier(email="m2@example.org"))])
        with world.reading() as unit:
            assert interests.get(unit, interest_id).members == 2
        assert told(resolve(world, interest_id)) == ("success", {"members": 2, "optedOut": 1})
        with world.reading() as unit:
            assert interests.get(unit, interest_id).members == 2

    def test_a_group_ends_no_link(self, world, ams, made):
        """ID-32: a person listed as deleted is not in it, one without address is; a sync may end the links."""
        sync.run(world.gateway, 1, made)
        ams.people[0] = RemoteMember("1", "m1@example.org", deleted=True)
        ams.people[1] = RemoteMember("2", None)
        interest_id = board(world)
        assert told(resolve(world, interest_id)) == ("success", {"members": 2, "joined": 2})
        assert members(world, interest_id) == ["2", "3"]
        assert [row for row in rows(world, remote_key.c.id, remote_key.c.ended_at) if row[1]] == []

    def test_rows_add_up(self, world, ams, made):
        """ID-72"""
        ams.people[0] = RemoteMember("1", "not an address")
        report = resolve(world, board(world))
        counted = {name: report.counters[name] for name in ("read", "new", "rejected")}
        assert (counted, members(world, report.interest_id)) == ({"read": 3, "new": 2, "rejected": 1}, ["2", "3"])


class TestNothingEnds:
    """ID-69, ID-70, ID-P11."""

    def test_a_group_that_breaks_off(self, world, ams, made):
        interest_id = board(world)
        resolve(world, interest_id)
        ams.groups["board"] = ("The Board", ["4", "5"])
        ams.breaks_after = 1
        report = resolve(world, interest_id)
        assert told(report) == ("partial", {"members": 1, "joined": 1})
        assert "nobody was taken out" in report.message
        assert members(world, interest_id) == ["1", "2", "3", "4"]

    def test_a_group_that_is_gone_and_a_system_that_is_away(self, world, ams, made):
        interest_id = board(world)
        resolve(world, interest_id)
        kept = ams.groups.pop("board")
        assert told(resolve(world, interest_id)) == ("failed", {})
        ams.groups["board"] = kept
        ams.is_away = True
        report = resolve(world, interest_id)
        assert (told(report), report.message) == (("failed", {}), "The system is away.")
        assert members(world, interest_id) == ["1", "2", "3"]
        ams.is_away = False
        assert told(resolve(world, interest_id)) == ("success", {"members": 3})

    def test_an_answer_without_anybody(self, world, ams, made):
        """A small group may become empty; a large one waits for an administrator."""
        interest_id = board(world)
        resolve(world, interest_id)
        ams.groups["board"] = ("The Board", [])
        assert told(resolve(world, interest_id)) == ("success", {"left": 3})
        for number in range(6, 26):
            ams.put(str(number), f"m{number}@example.org")
        ams.groups["board"] = ("The Board", [str(number) for number in range(6, 26)])
        assert told(resolve(world, interest_id)) == ("success", {"members": 20, "joined": 20})
        ams.groups["board"] = ("The Board", [])
        report = resolve(world, interest_id)
        assert (told(report), len(members(world, interest_id))) == (("held", {}), 20)
        assert "release" in report.message
        assert told(resolve(world, interest_id, release=True)) == ("success", {"left": 20})

    def test_flags_and_addresses_count_against_the_brake(self, world, ams, made):
        """ID-70: before anything is applied."""
        for number in range(6, 26):
            ams.put(str(number), f"m{number}@example.org")
        sync.run(world.gateway, 1, made)
        ams.groups["board"] = ("The Board", [str(number) for number in range(1, 16)])
        ams.people = [RemoteMember(each.remote_id, each.email, True) for each in ams.people]
        interest_id = board(world)
        report = resolve(world, interest_id)
        assert (report.state, members(world, interest_id)) == ("held", [])
        assert "15 of 25 do-not-email flags newly set" in report.message
        assert resolve(world, interest_id, release=True).counters["flagged"] == 15


class TestRuns:
    """ID-66, ID-67: a run like a sync's, under one lease, and no full run."""

    def test_one_at_a_time(self, world, ams, made):
        """Neither a reading nor a sync beside a sync or a reading; after a dead worker's lease it goes on."""
        interest_id, inside = board(world), []
        listed = ams.changed_since

        def while_reading():
            inside.append(refused(sync.run, world.gateway, 1, made))
            inside.append(refused(remotegroups.resolve, world.gateway, 1, interest_id, "hand"))
            yield RemoteMember("1", "m1@example.org")

        ams.group_members = lambda group_id: MemberStream(while_reading(), lists_everybody=True)
        assert told(resolve(world, interest_id)) == ("success", {"members": 1, "joined": 1})
        assert inside == [("IN_PROGRESS", "integration")] * 2

        def syncing(since):
            inside.append(refused(resolve, world, interest_id))
            return listed(since)

        ams.changed_since = syncing
        assert sync.run(world.gateway, 1, made).state == "success"
        assert inside[2:] == [("IN_PROGRESS", "integration")]

    def test_a_dead_workers_reading_is_closed(self, world, ams, made):
        interest_id = board(world)
        actor = world.actor("ams")
        with world.reading() as unit:
            group = groupreadings.queries.get(unit.connection, 1, interest_id)
        groupreadings._begin(world.gateway, actor, group, "mailing", None)
        assert refused(resolve, world, interest_id) == ("IN_PROGRESS", "integration")
        world.clock.advance(minutes=6)
        assert resolve(world, interest_id).state == "success"
        assert rows(world, sync_run.c.id, sync_run.c.state, sync_run.c.message) == [
            (1, "failed", "The worker died."), (2, "success", None)]

    def test_a_sync_after_a_dead_reading_and_a_reading_after_a_dead_sync(self, world, ams, made):
        """The sync that died is asked for again; whoever reads a group rings for what waits."""
        interest_id = board(world)
        with world.reading() as unit:
            group = groupreadings.queries.get(unit.connection, 1, interest_id)
        groupreadings._begin(world.gateway, world.actor("ams"), group, "hand", None)
        world.clock.advance(minutes=6)
        assert sync.run(world.gateway, 1, made).state == "success"
        with world.unit() as unit:
            syncruns.begin(unit, integrations.get(unit, made), syncruns.Wish("schedule", True))
        assert refused(resolve, world, interest_id) == ("IN_PROGRESS", "integration")
        world.clock.advance(minutes=6)
        assert resolve(world, interest_id).state == "success"
        assert rows(world, sync_run.c.id, sync_run.c.state, sync_run.c.trigger)[2:] == [
            (3, "failed", "schedule"), (4, "requested", "schedule"), (5, "success", "hand")]

    def test_a_reading_is_no_sync(self, world, ams, made):
        """The cursor, the sweep's clock and the schedule look at runs that read everybody."""
        sync.run(world.gateway, 1, made)
        world.clock.advance(hours=23)
        interest_id = board(world)
        resolve(world, interest_id)
        world.clock.advance(hours=1)
        assert sync.due(world.gateway) == [(1, made)]

    def test_what_is_no_dynamic_interest(self, world, ams, made):
        with world.unit() as unit:
            plain = interests.create(unit, "News").interest_id
        assert refused(resolve, world, plain) == ("STATE_CONFLICT", "interestId")
        assert refused(resolve, world, 999) == ("NOT_FOUND", "interestId")

    def test_brands_do_not_meet(self, world, ams, made):
        """ID-P15: the same system, the same group, two brands."""
        bridged(world, 2)
        first, second = board(world), board(world, 2)
        resolve(world, first)
        assert (members(world, first), members(world, second)) == (["1", "2", "3"], [])
        assert refused(resolve, world, first, 2) == ("NOT_FOUND", "interestId")
        resolve(world, second, 2)
        with world.reading(world.actor(brand_id=2)) as unit:
            assert interests.get(unit, second).members == 3

    def test_the_groups_of_an_instance(self, world, ams, made):
        """Those whose people are left out, too."""
        ams.groups["debtors"] = ("Debtors", ["3"])
        interest_id = board(world)
        out = remotegroups.add(world.gateway, system_actor(1, "cli"), "ams", "debtors").interest_id
        with world.unit() as unit:
            interests.create(unit, "News")
            mailing_id = mailings.create(unit, MailingDraft(
                "n", "s", "f@example.org", "<p>Hello</p>",
                interests=("News", "The Board"), exclude_interests=("Debtors",))).mailing_id
            instance_id = mailings.send(unit, mailing_id).instance_id
            assert [each.interest_id for each in remotegroups.dynamic_of(unit, instance_id)] == [interest_id, out]
        with world.reading(world.actor(brand_id=2)) as unit:
            assert remotegroups.dynamic_of(unit, instance_id) == ()


class TestBeforeAMailing:
    """ID-66, ID-67: who is in a group is asked before the audience is frozen."""

    @pytest.fixture
    def board_mail(self, world, ams, made):
        """An instance to the board without its debtors, whose time has come."""
        ams.groups["debtors"] = ("Debtors", ["3"])
        board(world)
        remotegroups.add(world.gateway, system_actor(1, "cli"), "ams", "debtors")
        with world.unit() as unit:
            mailing_id = mailings.create(unit, MailingDraft(
                "n", "s", "f@example.org", "<p>Hello</p>", interests=("The Board",),
                exclude_interests=("Debtors",))).mailing_id
            return mailings.send(unit, mailing_id).instance_id

    def advanced(self, world, instance_id):
        lifecycle.advance(world.gateway, world.actor(), instance_id)
        with world.reading() as unit:
            return mailings.get_instance(unit, instance_id)

    def test_the_audience_is_that_of_the_group_now(self, world, ams, board_mail):
        """Also of a group whose people are left out; both are read once."""
        view = self.advanced(world, board_mail)
        assert (view.state, view.recipients) == ("sending", 2)
        triggers = rows(world, sync_run.c.id, sync_run.c.trigger, sync_run.c.instance_id, sync_run.c.state)
        assert [row[1:] for row in triggers] == [("mailing", board_mail, "success")] * 2

    def test_a_group_that_is_gone_pauses_the_mailing(self, world, ams, board_mail):
        """Nothing ends; resumed, it is asked again, and what was read before is not."""
        kept = ams.groups.pop("debtors")
        view = self.advanced(world, board_mail)
        assert (view.state, view.reason) == ("paused", "sync_failed")
        ams.groups["debtors"] = kept
        with world.unit() as unit:
            mailings.resume(unit, board_mail)
        view = self.advanced(world, board_mail)
        assert (view.state, view.recipients) == ("sending", 2)
        assert [row[1] for row in rows(world, sync_run.c.id, sync_run.c.state)] == ["success", "failed", "success"]

    def test_it_goes_on_where_that_is_chosen(self, world, ams, made, board_mail):
        """ID-67: the last complete answer is younger than so many hours."""
        for each in (1, 2):
            resolve(world, each)
        with world.gateway.unit(system_actor(1)) as unit:
            syncchoices.choose(unit, made, {"goOnHours": "2"})
        world.clock.advance(minutes=30)
        with world.unit() as unit:
            mailing_id = mailings.get_instance(unit, board_mail).mailing_id
            mailings.cancel(unit, board_mail)
            later = mailings.send(unit, mailing_id, again=True).instance_id
        ams.is_away = True
        view = self.advanced(world, later)
        assert (view.state, view.recipients) == ("sending", 2)

    def test_it_waits_for_a_sync_that_is_at_work(self, world, ams, made, board_mail):
        """ID-67: whose end rings for the instance."""
        with world.unit() as unit:
            run, _ = syncruns.begin(unit, integrations.get(unit, made), syncruns.Wish())
        assert self.advanced(world, board_mail).state == "preparing"
        with world.unit() as unit:
            ending = syncruns.Ending("success", "", {}, True, None, {})
            syncruns.end(unit, integrations.get(unit, made), run, ending)
            assert ("run_instance", 1, board_mail) in [(ring.task, *ring.args) for ring in unit.rings]
        assert self.advanced(world, board_mail).state == "sending"
