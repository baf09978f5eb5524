"""Does a database list only what changed, by its own clock, without losing a change?"""

import datetime as dt
from contextlib import closing

import pytest

from gateway.bridges.port import Refused
from gateway.bridges.sql import cursor
from gateway.bridges.sql.bridge import SqlBridge
from gateway.clock import UTC, system_clock
from tests.bridges.test_sql import engine_of

SELECT = "SELECT member_no AS remote_id, email, changed FROM stamped"
NEAR_NOW = {"sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '{0} minutes')",
            "postgresql": "now() + interval '{0} minutes'",
            "mariadb": "UTC_TIMESTAMP(6) + INTERVAL {0} MINUTE"}
TYPES = {"time": {"sqlite": ["TEXT"], "postgresql": ["TIMESTAMP", "TIMESTAMPTZ"], "mariadb": ["DATETIME(6)"]}}


def stamped(ams, type_, rows):
    """A table of members with when they changed."""
    ams.do("DROP TABLE IF EXISTS stamped")
    ams.do(f"CREATE TABLE stamped (member_no VARCHAR(20), email VARCHAR(99), changed {type_})")
    for number, changed in rows:
        ams.do(f"INSERT INTO stamped VALUES ('{number}', 'm{number}@example.org', {changed})")


def minutes(ams, count):
    """An expression: so many minutes from now."""
    return NEAR_NOW[engine_of(ams)].format(count)


def read(ams, since=None, members=SELECT, **changed):
    """The remote IDs that are listed, whether that was everybody, and the cursor."""
    config = {**ams.config, "members": members, "changed": {"column": "changed", **changed}}
    with closing(SqlBridge.from_config(config)) as bridge, closing(bridge.changed_since(since)) as stream:
        assert stream.cursor is None
        found = sorted(member.remote_id for member in stream)
        return found, stream.complete, stream.cursor


def test_what_changed_since_the_last_reading_comes_and_ten_minutes_before(sql_ams):
    """ID-68: overlapping by ten minutes; who has no time always comes."""
    for type_ in TYPES["time"][engine_of(sql_ams)]:
        stamped(sql_ams, type_, [("1", minutes(sql_ams, -120)), ("2", minutes(sql_ams, -35)),
                                 ("3", minutes(sql_ams, -28)), ("4", minutes(sql_ams, -20)), ("5", "NULL")])
        found, complete, since = read(sql_ams)
        assert (found, complete) == (["1", "2", "3", "4", "5"], True)
        sql_ams.do(f"UPDATE stamped SET changed = {minutes(sql_ams, -1)} WHERE member_no = '1'")
        found, complete, following = read(sql_ams, since)
        assert (found, complete) == (["1", "3", "4", "5"], False)
        assert read(sql_ams, following)[0] == ["1", "5"]
        table = {"table": "stamped", "remote_id": "member_no", "email": "email"}
        _, _, since = read(sql_ams, None, table)
        assert read(sql_ams, since, table)[0] == ["1", "5"]


def test_a_time_that_lies_in_the_future_hides_no_change(sql_ams):
    """Clocks differ, and people mistype years: the database's own clock limits the cursor."""
    type_ = TYPES["time"][engine_of(sql_ams)][-1]
    stamped(sql_ams, type_, [("1", minutes(sql_ams, 60 * 24 * 3650)), ("2", minutes(sql_ams, -60 * 24 * 5))])
    since = read(sql_ams)[2]
    sql_ams.do(f"UPDATE stamped SET changed = {minutes(sql_ams, 0)} WHERE member_no = '2'")
    assert read(sql_ams, since)[0] == ["1", "2"]


def test_a_number_that_grows_needs_no_overlap_unless_it_is_asked_for(sql_ams):
    stamped(sql_ams, "BIGINT", [("1", "5000000001"), ("2", "5000000002"), ("3", "NULL")])
    since = read(sql_ams, kind="number")[2]
    sql_ams.do("UPDATE stamped SET changed = 5000000003 WHERE member_no = '1'")
    assert read(sql_ams, since, kind="number")[0] == ["1", "2", "3"]  # the largest that was seen comes once more
    with pytest.raises(Refused):
        read(sql_ams, since, kind="number", overlap=1)  # configured in another way
    since = read(sql_ams, kind="number", overlap=1)[2]
    assert read(sql_ams, since, kind="number", overlap=1)[0] == ["1", "2", "3"]


def test_a_query_of_its_own_lists_changes_and_those_who_are_gone(sql_ams):
    stamped(sql_ams, "BIGINT", [("1", "1"), ("2", "2")])
    config = {**sql_ams.config, "members": "SELECT member_no AS remote_id, email FROM stamped WHERE changed < 1000",
              "changed": {"select": "SELECT member_no AS remote_id, email, changed >= 1000 AS deleted FROM stamped "
                                    "WHERE changed >= :since", "newest": "SELECT MAX(changed) FROM stamped",
                          "kind": "number"}}
    with closing(SqlBridge.from_config(config)) as bridge:
        with closing(bridge.changed_since(None)) as stream:
            assert len(list(stream)) == 2
        sql_ams.do("UPDATE stamped SET changed = 1000 WHERE member_no = '1'")
        with closing(bridge.changed_since(stream.cursor)) as stream:
            assert {member.remote_id: member.deleted for member in stream} == {"1": True, "2": False}


def test_everybody_is_read_again_after_some_days(sql_ams):
    """ID-68: changes do not show who was deleted."""
    stamped(sql_ams, "BIGINT", [("1", "1")])
    since = read(sql_ams, kind="number")[2]
    mark, _, value = since.split(" ", 2)
    for days, refused in ((6.9, False), (7, True), (-2, True)):
        old = cursor.Position(1, system_clock() - dt.timedelta(days=days)).told(mark)
        if refused:
            with pytest.raises(Refused):
                read(sql_ams, old, kind="number")
        else:
            assert read(sql_ams, old, kind="number")[2] == old


@pytest.mark.parametrize("text", ["", "x", "yesterday at noon", "{mark} 2026-01-15T12:00:00 number:1",
                                  "{mark} {at} number:x", "{mark} {at} 1", "{mark} {at} moment:now",
                                  "0123456789ab {at} number:1"])
def test_a_cursor_that_it_did_not_give_is_refused_without_a_connection(tmp_path, text):
    config = {"url": f"sqlite:///{tmp_path / 'nowhere.db'}", "members": SELECT,
              "changed": {"column": "changed", "kind": "number"},
              "writeback": {"unsubscribe": "UPDATE m SET x = 1 WHERE id = :remote_id"}}
    with closing(SqlBridge.from_config(config)) as bridge:
        given = text.format(mark=bridge._config.changed.mark, at="2026-01-15T12:00:00Z")
        with pytest.raises(Refused):
            bridge.changed_since(given)


def test_an_empty_table_or_column_has_no_cursor(sql_ams):
    stamped(sql_ams, TYPES["time"][engine_of(sql_ams)][0], [])
    assert read(sql_ams) == ([], True, None)
    stamped(sql_ams, TYPES["time"][engine_of(sql_ams)][0], [("1", "NULL")])
    assert read(sql_ams) == (["1"], True, None)


def test_a_column_that_cannot_be_compared_is_refused(sql_ams):
    stamped(sql_ams, "VARCHAR(20)", [("1", "'15.01.2026'")])
    with pytest.raises(Refused, match="changed"):
        read(sql_ams)
    with pytest.raises(Refused, match="changed"):
        read(sql_ams, kind="number")


NOW = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)
NAIVE = dt.datetime(2026, 1, 15, 11, 59)


@pytest.mark.parametrize(("value", "bound"), [
    (NOW, NOW - dt.timedelta(minutes=10)), (NAIVE, NAIVE - dt.timedelta(minutes=10)),
    (dt.date(2026, 1, 15), dt.date(2026, 1, 14)), ("2026-01-15", "2026-01-14"),
    ("2026-01-15 11:59:00.123", "2026-01-15 11:49:00"), ("2026-01-15T11:59:00Z", "2026-01-15T11:49:00"),
    (b"2026-01-15 11:59:00", "2026-01-15 11:49:00"), (1768478340, 1768477740), (1768478340123, 1768477740000),
    (dt.datetime(2027, 1, 1, tzinfo=UTC), NOW - dt.timedelta(minutes=10)),
    (dt.datetime(2027, 1, 1), dt.datetime(2026, 1, 14, 21, 50)), ("2027-01-01 00:00:00", "2026-01-14 21:50:00"),
    (dt.date(2027, 1, 1), dt.date(2026, 1, 13)), (2768478340, int(NOW.timestamp()) - 600)])
def test_cursor_of_times(value, bound):
    """A cursor goes through its text, and asks from ten minutes before; for a day alone, from the day before."""
    told = cursor.Position(cursor.newest(value, NOW, "time"), NOW).told("mark")
    assert cursor.since(cursor.read(told, "mark").value, "time", 0) == bound


@pytest.mark.parametrize(("value", "bound"), [(17, 12), (b"\0\0\0\0\0\0\1\0", 251)])
def test_cursor_of_numbers(value, bound):
    """A row version is a number in eight bytes."""
    told = cursor.Position(cursor.newest(value, NOW, "number"), NOW).told("mark")
    assert cursor.since(cursor.read(told, "mark").value, "number", 5) == bound
