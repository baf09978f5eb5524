"""What every bridge must do, whatever is behind it."""

import datetime as dt
from contextlib import closing

import pytest

from gateway.bridges.port import Outage, Refused, RemoteMember, WritebackItem
from gateway.clock import UTC

AT = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)


def item(kind="unsubscribe", remote_id="17", **more):
    return WritebackItem(1, kind, remote_id, "ann@example.org", AT, "link", "no more", **more)


@pytest.fixture
def bridge(ams):
    with closing(ams.bridge()) as opened:
        yield opened


def test_lists_everybody_and_says_so_at_the_end_only(ams, bridge):
    """ID-69: absence may be inferred only when the source was read to its end."""
    ams.put("17", "ann@example.org", 0, "Gold; Board")
    ams.put("0018", "Bo@Example.org ", 1)
    ams.put("19", None, None, "", 1)
    with closing(bridge.members(None)) as stream:
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
    with closing(bridge.members(None)) as stream:
        listed = {member.remote_id: member for member in stream}
    for wanted in (["17"], ["0018"], ["17", "o'hara; --"], ["nobody"], ["17", "nobody"]):
        found = bridge.members_by_id(wanted, 2.0)
        assert {member.remote_id: member for member in found} == {key: listed[key] for key in wanted if key in listed}


def test_a_stream_closed_early_is_incomplete(ams, bridge):
    for number in range(5):
        ams.put(str(number), f"m{number}@example.org")
    stream = bridge.members(None)
    assert isinstance(next(stream), RemoteMember)
    stream.close()
    assert not stream.complete
    bridge.probe()


def test_an_empty_system_is_complete_and_empty(bridge):
    with closing(bridge.members(None)) as stream:
        assert list(stream) == []
        assert stream.complete


def test_a_cursor_it_did_not_give_is_refused(bridge):
    """ID-68: a refused cursor leads to a full run."""
    with pytest.raises(Refused):
        bridge.members("yesterday")


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


def test_a_remote_id_that_nobody_has_is_refused(ams, bridge):
    ams.put("17", "ann@example.org")
    with pytest.raises(Refused):
        bridge.write_back(item(remote_id="018"))


def test_every_call_to_a_system_that_is_away_is_an_outage(ams):
    """ID-60: an outage says nothing about the record."""
    with closing(ams.bridge(away=True)) as bridge:
        with pytest.raises(Outage):
            bridge.probe()
        with pytest.raises(Outage):
            bridge.write_back(item())
        with pytest.raises(Outage):
            bridge.members_by_id(["17"], 2.0)
        with pytest.raises(Outage), closing(bridge.members(None)) as stream:
            next(stream)
        assert not stream.complete


def test_takes_unsubscribes(bridge):
    """ID-53: opt-outs are always written back."""
    assert "unsubscribe" in bridge.writes
