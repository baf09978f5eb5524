"""What every bridge must do, whatever is behind it."""

import datetime as dt
from contextlib import closing

import pytest

from gateway.bridges.port import Outage, Refused, RemoteMember, WritebackItem
from gateway.clock import UTC
from gateway.domain.writeback import FIELD_CHANGED, KINDS
from tests.support.folder_ams import FolderAms

AT = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)


def item(kind="unsubscribe", remote_id="17", **more):
    """A fact; the same one has the same id every time."""
    return WritebackItem(1 + KINDS.index(kind), kind, remote_id, "ann@example.org", AT, "link", "no more", **more)


@pytest.fixture
def bridge(ams):
    with closing(ams.bridge()) as opened:
        yield opened


def test_lists_everybody_and_says_so_at_the_end_only(ams, bridge):
    """ID-69: absence may be inferred only when the source was read to its end."""
    ams.put("17", "ann@example.org", 0, "Gold; Board")
    ams.put("0018", "Bo@Example.org ", 1)
    ams.put("19", None, None, "", 1)
    with closing(bridge.changed_since(None)) as stream:
        assert not stream.complete
        found = {next(stream) for _ in range(3)}
        assert not stream.complete
        assert next(stream, None) is None
        assert stream.complete
    assert {(m.remote_id, m.email, m.do_not_email, m.deleted) for m in found} == {
        ("17", "ann@example.org", False, False), ("0018", "Bo@Example.org ", True, False), ("19", None, None, True)}
    assert next(m for m in found if m.remote_id == "17").interests == ("Gold", "Board")
    assert not next(m for m in found if m.remote_id == "19").interests


def test_single_people_are_listed_as_in_the_whole_list(ams, bridge):
    """ID-79: who is asked for by remote ID comes exactly as a sync would see them; nobody else does."""
    ams.put("17", "ann@example.org", 0, "Gold; Board")
    ams.put("0018", "Bo@Example.org ", 1)
    ams.put("18", "cy@example.org", None)
    ams.put("o'hara; --", None, None, "", 1)
    with closing(bridge.changed_since(None)) as stream:
        listed = {member.remote_id: member for member in stream}
    for wanted in (["17"], ["0018"], ["17", "o'hara; --"], ["nobody"], ["17", "nobody"]):
        found = bridge.members_by_id(wanted, 2.0)
        assert {member.remote_id: member for member in found} == {key: listed[key] for key in wanted if key in listed}


def test_a_stream_closed_early_is_incomplete(ams, bridge):
    for number in range(5):
        ams.put(str(number), f"m{number}@example.org")
    stream = bridge.changed_since(None)
    assert isinstance(next(stream), RemoteMember)
    stream.close()
    assert not stream.complete
    bridge.check()


def test_an_empty_system_is_complete_and_empty(bridge):
    with closing(bridge.changed_since(None)) as stream:
        assert list(stream) == []
        assert stream.complete


def test_a_cursor_it_did_not_give_is_refused(bridge):
    """ID-68: a refused cursor leads to a full run."""
    with pytest.raises(Refused):
        bridge.changed_since("yesterday")


def test_writes_set_and_never_toggle(ams, bridge):
    """ID-62: doing it twice changes nothing."""
    ams.put("17", "ann@example.org")
    ams.put("18", "ann@example.org")
    for _ in range(2):
        bridge.write_back(item())
        assert (ams.row("17")["no_mail"], ams.row("18")["no_mail"]) == (1, 0)
    for _ in range(2):
        bridge.write_back(item("resubscribe"))
        assert ams.row("17")["no_mail"] == 0
    bridge.write_back(item("bad_email", code="5.1.1", bounce_class="hard"))
    assert (ams.row("17")["bad_email"], ams.row("18")["bad_email"]) == (1, 0)


def test_a_remote_id_that_nobody_has_is_refused_where_the_system_answers(ams, bridge):
    """Nobody answers from a folder: there the fact is handed over."""
    ams.put("17", "ann@example.org")
    if isinstance(ams, FolderAms):
        bridge.write_back(item(remote_id="018"))
        assert [fact["remote_id"] for fact in ams.facts()] == ["018"]
        return
    with pytest.raises(Refused):
        bridge.write_back(item(remote_id="018"))


def test_every_call_to_a_system_that_is_away_is_an_outage(ams):
    """ID-60: an outage says nothing about the record."""
    with closing(ams.bridge(away=True)) as bridge:
        with pytest.raises(Outage):
            bridge.check()
        with pytest.raises(Outage):
            bridge.write_back(item())
        with pytest.raises(Outage):
            bridge.members_by_id(["17"], 2.0)
        with pytest.raises(Outage), closing(bridge.changed_since(None)) as stream:
            next(stream)
        assert not stream.complete


def test_takes_unsubscribes(bridge):
    """ID-53: opt-outs are always written back."""
    assert "unsubscribe" in bridge.writes


def test_says_which_fields_it_takes_and_refuses_others(ams, bridge):
    """ID-56: a changed field is queued only for a system that takes it; one that it does not take is refused."""
    ams.put("17", "ann@example.org")
    taken = bridge.written_fields
    assert taken is None or taken
    if FIELD_CHANGED not in bridge.writes:
        assert taken is None
    elif taken is not None:
        bridge.write_back(item(FIELD_CHANGED, field=min(taken), value="Ann"))
    if FIELD_CHANGED not in bridge.writes or taken is not None:
        if ams.kind != "memory":  # which takes everything
            with pytest.raises(Refused):
                bridge.write_back(item(FIELD_CHANGED, field="Nobody's Field", value="Ann"))


@pytest.fixture
def telling(ams, bridge):
    """A system that may know more of its members than a sync stores; ``has_values`` says whether it does."""
    return ams


@pytest.fixture
def grouping(ams, bridge):
    """A system that may have groups, lists or saved searches; ``has_groups`` says whether it does."""
    return ams


def test_values_of_two_hundred_people_come_in_one_call(telling, bridge):
    """ID-76: one call for up to 200 remote IDs; nobody else's values are among them."""
    if not telling.has_values:
        assert_tells_no_values(bridge)
        return
    ids = [str(number) for number in range(201)]
    for remote_id in ids:
        telling.put(remote_id, f"m{remote_id}@example.org")
        telling.tell(remote_id, FirstName=f"Ann {remote_id}", City="Utrecht")
    with closing(telling.bridge()) as opened:
        assert {"FirstName", "City"} <= opened.fields
        assert {"FirstName", "City"} <= set(opened.describe().fields)
        found = opened.fetch(ids[:200], ["FirstName"], 10.0)
    assert found == {remote_id: {"FirstName": f"Ann {remote_id}"} for remote_id in ids[:200]}


def test_unknown_people_and_missing_values_are_absent(telling, bridge):
    """ID-76: what is absent is looked for in the next tier."""
    if not telling.has_values:
        assert_tells_no_values(bridge)
        return
    telling.put("17", "ann@example.org")
    telling.tell("17", FirstName="Ann", City=None)
    telling.put("0018", "bo@example.org")
    telling.tell("0018", FirstName="", City="Köln <&> 'O''Hara' ☂")
    with closing(telling.bridge()) as opened:
        found = opened.fetch(["17", "0018", "18", "no'body; --"], ["FirstName", "City"], 10.0)
        assert found == {"17": {"FirstName": "Ann"}, "0018": {"City": "Köln <&> 'O''Hara' ☂"}}
        assert opened.fetch([], ["FirstName"], 10.0) == {}


def test_the_members_of_a_group_come_as_in_the_whole_list(grouping, bridge):
    if not grouping.has_groups:
        assert_has_no_groups(bridge)
        return
    grouping.put("17", "ann@example.org", 0, "Gold; Board")
    grouping.put("0018", "Bo@Example.org ", 1)
    grouping.put("19", None, None, "", 1)
    grouping.group("7", "Züricher Kreis", ["17", "19"])
    grouping.group("8", "Nobody", [])
    offered = {group.group_id: group for group in bridge.describe().groups}
    assert {key: group.name for key, group in offered.items()} == {"7": "Züricher Kreis", "8": "Nobody"}
    assert (offered["7"].size, offered["8"].size) in ((2, 0), (None, None))
    with closing(bridge.changed_since(None)) as stream:
        listed = {member.remote_id: member for member in stream}
    with closing(bridge.group_members("7")) as stream:
        assert not stream.complete
        found = {member.remote_id: member for member in stream}
        assert stream.complete
    assert found == {key: listed[key] for key in ("17", "19")}
    with closing(bridge.group_members("8")) as stream:
        assert list(stream) == []
        assert stream.complete


def test_half_a_group_is_incomplete(grouping, bridge):
    """ID-69: who was not read is not gone."""
    if not grouping.has_groups:
        assert_has_no_groups(bridge)
        return
    for number in range(5):
        grouping.put(str(number), f"m{number}@example.org")
    grouping.group("7", "All", [str(number) for number in range(5)])
    with closing(bridge.group_members("7")) as stream:
        assert isinstance(next(stream), RemoteMember)
    assert not stream.complete
    bridge.check()


def test_a_group_that_is_not_there_is_refused(grouping, bridge):
    if not grouping.has_groups:
        assert_has_no_groups(bridge)
        return
    grouping.put("17", "ann@example.org")
    grouping.group("7", "All", ["17"])
    for group_id in ("9", "07", "x", "", "7; --", "7 OR 1=1"):
        with pytest.raises(Refused), closing(bridge.group_members(group_id)) as stream:
            next(stream)


def test_what_a_system_that_is_away_offers_is_an_outage(telling, grouping):
    """ID-76: the next tier serves; ID-60: it says nothing about a person or a group."""
    with closing(telling.bridge(away=True)) as bridge:
        if telling.has_values:
            with pytest.raises(Outage):
                bridge.fetch(["17"], ["FirstName"], 2.0)
        if grouping.has_groups:
            with pytest.raises(Outage):
                bridge.describe()
            with pytest.raises(Outage), closing(bridge.group_members("7")) as stream:
                next(stream)
        if not telling.has_values and not grouping.has_groups:
            assert_tells_no_values(bridge)
            assert_has_no_groups(bridge)


def assert_tells_no_values(bridge):
    """What a bridge says that has nowhere to look for values."""
    assert bridge.fields == frozenset()
    with pytest.raises(Refused):
        bridge.fetch(["17"], ["FirstName"], 2.0)


def assert_has_no_groups(bridge):
    """What a bridge says whose system has no groups."""
    assert bridge.describe().groups == ()
    with pytest.raises(Refused), closing(bridge.group_members("7")) as stream:
        next(stream)
