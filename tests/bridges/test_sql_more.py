"""Does the SQL bridge read lists of interests and values, and write fields and inserts that may come twice?"""

import datetime as dt
import json
from contextlib import closing

import pytest

from gateway.bridges import rows
from gateway.bridges.port import Outage, Refused, WritebackItem
from gateway.bridges.sql.bridge import SqlBridge
from gateway.clock import UTC
from gateway.domain.tiers import cleaned
from gateway.domain.values import Field
from tests.bridges.test_sql import engine_of, listed

AT = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)
MEMBERSHIPS = ("SELECT l.member_no AS remote_id, lists.title AS interest FROM listed l "
               "JOIN lists ON lists.list_id = l.list_id")


def changed_bridge(ams, **change):
    return closing(SqlBridge.from_config({**ams.config, **change}))


@pytest.mark.parametrize(("separator", "value", "names"), [
    (",", "Gold, Board;West,,Gold", ("Gold", "Board;West")), ("|", "Gold", ("Gold",)), (" / ", "A / B", ("A", "B")),
    ("json", '["Gold; West", " Board ", "Board"]', ("Gold; West", "Board")), ("json", "[]", ()), ("json", None, ()),
    ("json", "null", ())])
def test_interests_are_listed_in_one_column(sql_ams, separator, value, names):
    sql_ams.put("17", "ann@example.org", 0, value)
    assert [member.interests for member in listed(sql_ams, separator=separator)] == [names]


@pytest.mark.parametrize("value", ["Gold; Board", "{}", '[["Gold"]]', "[1"])
def test_a_text_that_is_no_list_in_json_is_a_problem_of_its_row(sql_ams, value):
    sql_ams.put("17", "ann@example.org", 0, value)
    member, = listed(sql_ams, separator="json")
    assert (member.problem.code, member.problem.field) == ("INVALID_VALUE", "interests")


def test_arrays_and_json_of_postgresql_come_as_lists(postgres_url):
    config = {"url": postgres_url, "writeback": {"unsubscribe": "UPDATE m SET x = 1 WHERE id = :remote_id"},
              "members": "SELECT '17' AS remote_id, NULL AS email, {} AS interests UNION ALL SELECT '18', NULL, NULL"}
    for value in ("ARRAY['Gold', 'A/B']", r"""'["Gold", "A/B"]'\:\:jsonb""", """CAST('["Gold", "A/B"]' AS json)"""):
        change = {"members": config["members"].format(value), "separator": "/"}  # which is for texts
        with closing(SqlBridge.from_config({**config, **change})) as bridge:
            with closing(bridge.changed_since(None)) as stream:
                assert [member.interests for member in stream] == [("Gold", "A/B"), ()]


def test_memberships_come_from_a_query_of_their_own(sql_ams):
    """In every way in which members are read; nobody's memberships are somebody else's."""
    for number in range(2500):  # more than are in memory at a time
        if number % 1000 == 0 or number in (17, 18, 19):
            sql_ams.put(f"{number:04}", f"m{number}@example.org")
    sql_ams.group("1", "Gold", ["0017", "0018", "2000", "nobody"])
    sql_ams.group("2", "Züricher; Kreis", ["0017"])
    wanted = {"0017": ("Gold", "Züricher; Kreis"), "0018": ("Gold",), "0019": (), "2000": ("Gold",)}
    found = {member.remote_id: member.interests for member in listed(sql_ams, memberships=MEMBERSHIPS)}
    assert len(found) == 6 and {key: found[key] for key in wanted} == wanted
    with changed_bridge(sql_ams, memberships=MEMBERSHIPS + " -- all",
                        changed={"column": "deleted", "kind": "number"}) as bridge:
        assert {m.remote_id: m.interests for m in bridge.members_by_id(["0017", "0019"], 2.0)} == {
            "0017": wanted["0017"], "0019": ()}
        with closing(bridge.group_members("2")) as stream:
            assert [(m.remote_id, m.interests) for m in stream] == [("0017", wanted["0017"])]
        with closing(bridge.changed_since(None)) as stream:
            assert len(list(stream)) == 6
        sql_ams.change("0018", gone=1)
        with closing(bridge.changed_since(stream.cursor)) as stream:
            found = {member.remote_id: member.interests for member in stream}
            assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize("memberships", ["SELECT member_no, 'x' AS interest FROM listed",
                                         "SELECT member_no AS remote_id FROM listed", "SELECT * FROM nowhere"])
def test_memberships_that_do_not_fit_are_refused(sql_ams, memberships):
    sql_ams.put("17", "ann@example.org")
    with pytest.raises(Refused):
        listed(sql_ams, memberships=memberships)


def test_days_and_flags_come_as_mailings_can_use_them(sql_ams):
    """ID-76: whatever a database calls yes and no, and moments for days."""
    sql_ams.do("DROP TABLE IF EXISTS typed")
    moment = "DATETIME" if sql_ams.config["url"].startswith("m") else "TIMESTAMP"
    sql_ams.do(f"CREATE TABLE typed (id INTEGER, until {moment}, joined DATE, board BOOLEAN)")
    sql_ams.do("INSERT INTO typed VALUES (17, '2026-02-03 00:00:00', '2020-01-31', TRUE)")
    kinds = {"Until": "date", "Joined": "date", "Board": "boolean"}
    values = {"select": "SELECT id AS remote_id, until, joined, board FROM typed",
              "fields": {"Until": "until", "Joined": "joined", "Board": "board"}}
    with changed_bridge(sql_ams, values=values) as bridge:
        told = bridge.fetch(["17"], list(kinds), 2.0)["17"]
    assert {name: cleaned(Field(name, kind, 100), told[name]) for name, kind in kinds.items()} == {
        "Until": "2026-02-03", "Joined": "2020-01-31", "Board": "true"}
    assert [rows.value(raw) for raw in (b"\0", b"\1", b"Ann")] == ["no", "yes", "Ann"]


def test_values_are_found_by_an_index_of_theirs(sql_ams):
    """``:remote_ids`` are bound parameters, texts or whole numbers; who is none of these numbers is not asked for."""
    sql_ams.do("DROP TABLE IF EXISTS people")
    sql_ams.do("CREATE TABLE people (id INTEGER PRIMARY KEY, first VARCHAR(40), fee DECIMAL(8, 2), member INTEGER)")
    sql_ams.do("INSERT INTO people VALUES (17, 'Ann', 12.50, 1), (18, NULL, NULL, 0)")
    values = {"select": "SELECT id AS remote_id, first, fee FROM people WHERE id IN :remote_ids",
              "remote_ids": "number", "fields": {"FirstName": "first", "Fee": "FEE"}}
    ids = ["17", "18", "017", "x", "17; --", "1" * 30, "²"]
    with changed_bridge(sql_ams, values=values) as bridge:
        found = bridge.fetch(ids, ["FirstName", "Fee"], 2.0)
        assert found["17"]["FirstName"] == "Ann" and found["17"]["Fee"].startswith("12.5")
        assert (set(found), found["18"]) == ({"17", "18"}, {})
        assert bridge.fetch(["x"], ["FirstName"], 2.0) == {}
    table = {"table": "people", "remote_id": "id", "fields": {"FirstName": "first"}}
    with changed_bridge(sql_ams, values=table) as bridge:
        assert bridge.fetch(ids, ["FirstName"], 2.0)["17"] == {"FirstName": "Ann"}
    values["fields"] = {"FirstName": "nothing"}
    with changed_bridge(sql_ams, values=values) as bridge, pytest.raises(Refused):
        bridge.fetch(["17"], ["FirstName"], 2.0)


def test_each_field_has_a_statement_of_its_own(sql_ams):
    """ID-56: a field without one is refused; twice is as good as once."""
    sql_ams.put("17", "ann@example.org")
    statements = {"FirstName": "UPDATE members SET first_name = :value WHERE member_no = :remote_id",
                  "City": "UPDATE members SET city = :value WHERE member_no = :remote_id"}
    with changed_bridge(sql_ams, writeback={**sql_ams.config["writeback"], "field_changed": statements}) as bridge:
        assert "field_changed" in bridge.writes and bridge.written_fields == {"FirstName", "City"}
        for value in ("Änn 'O", "Änn 'O"):
            bridge.write_back(WritebackItem(1, "field_changed", "17", "", AT, field="FirstName", value=value))
        assert (sql_ams.row("17")["first_name"], sql_ams.row("17")["city"]) == ("Änn 'O", None)
        bridge.write_back(WritebackItem(2, "field_changed", "17", "", AT, field="FirstName", value=None))
        assert sql_ams.row("17")["first_name"] is None
        with pytest.raises(Refused, match="Title"):
            bridge.write_back(WritebackItem(3, "field_changed", "17", "", AT, field="Title", value="Dr"))
    one = "UPDATE members SET reason = :field, origin = :value WHERE member_no = :remote_id"
    with changed_bridge(sql_ams, writeback={**sql_ams.config["writeback"], "field_changed": one}) as bridge:
        assert "field_changed" in bridge.writes and bridge.written_fields is None
        bridge.write_back(WritebackItem(4, "field_changed", "17", "", AT, field="Title", value="Dr"))
        assert (sql_ams.row("17")["reason"], sql_ams.row("17")["origin"]) == ("Title", "Dr")


def test_an_insert_that_comes_twice_is_written_once(sql_ams):
    """ID-62: the writeback's id is the key of its row; another rule of the table that is hurt stays a refusal."""
    sql_ams.do("DROP TABLE IF EXISTS activity")
    sql_ams.do("CREATE TABLE activity (writeback_id BIGINT PRIMARY KEY, member_no VARCHAR(20) NOT NULL, "
               "mailing VARCHAR(99) UNIQUE, instance_id BIGINT, link VARCHAR(99), at TIMESTAMP NULL)")
    insert = ("INSERT INTO activity (writeback_id, member_no, mailing, instance_id, link, at) "
              "VALUES (:writeback_id, :remote_id, :mailing, :instance_id, :link, :occurred_at)")
    writeback = {**sql_ams.config["writeback"], "clicked": insert}
    seen = "SELECT 1 FROM activity WHERE writeback_id = :writeback_id"
    clicked = WritebackItem(7, "clicked", "17", "", AT, instance_id=3, mailing="News", link="https://example.org/?a=%s")
    other = WritebackItem(8, "clicked", "18", "", AT, instance_id=3, mailing="News")
    with changed_bridge(sql_ams, writeback=writeback, repeated=seen) as bridge:
        bridge.write_back(clicked)
        bridge.write_back(clicked)
        with pytest.raises(Refused):
            bridge.write_back(other)
    with changed_bridge(sql_ams, writeback=writeback) as bridge, pytest.raises(Refused):
        bridge.write_back(clicked)
    quiet = insert.replace("VALUES (", "SELECT ").rstrip(")") + (
        " FROM members WHERE member_no = :remote_id AND NOT EXISTS (SELECT 1 FROM activity a "
        "WHERE a.writeback_id = :writeback_id)")
    if engine_of(sql_ams) != "postgresql":  # which wants to know the types of what is selected
        with changed_bridge(sql_ams, writeback={**writeback, "clicked": quiet}, repeated=seen) as bridge:
            bridge.write_back(clicked)
            with pytest.raises(Refused):
                bridge.write_back(other)


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_a_query_that_writes_by_a_function_is_refused(sql_ams_of, engine):
    ams = sql_ams_of(engine)
    ams.put("17", "ann@example.org")
    ams.do("DROP FUNCTION IF EXISTS mark_all")
    ams.do("CREATE FUNCTION mark_all() RETURNS INTEGER LANGUAGE sql AS 'UPDATE members SET no_mail = 1; SELECT 1'"
           if engine == "postgresql" else
           "CREATE FUNCTION mark_all() RETURNS INTEGER BEGIN UPDATE members SET no_mail = 1; RETURN 1; END")
    with pytest.raises(Refused):
        listed(ams, members="SELECT mark_all() AS remote_id, '' AS email")
    assert ams.row("17")["no_mail"] == 0


def test_mariadb_says_what_it_holds(sql_ams_of):
    """Types of MariaDB, capitals and the whole of Unicode."""
    ams = sql_ams_of("mariadb")
    ams.do('DROP TABLE IF EXISTS "Odd Ones"')
    ams.do('CREATE TABLE "Odd Ones" (id BIGINT UNSIGNED, mail VARCHAR(99) CHARACTER SET latin1, flag TINYINT(1), '
           "gone BIT(1), tags JSON)")
    tags = json.dumps(["Ünion 🎉"], ensure_ascii=False)
    ams.do(f"""INSERT INTO "Odd Ones" VALUES (18446744073709551615, 'ünn@example.org', 1, b'1', '{tags}'), """
           "(2, NULL, NULL, b'0', NULL)")
    members = {"table": "Odd Ones", "remote_id": "id", "email": "mail", "do_not_email": "flag", "deleted": "gone",
               "interests": "tags"}
    found = {m.remote_id: m for m in listed(ams, members=members, separator="json")}
    first, second = found["18446744073709551615"], found["2"]
    assert (first.email, first.do_not_email, first.deleted, first.interests) == (
        "ünn@example.org", True, True, ("Ünion 🎉",))
    assert (second.email, second.do_not_email, second.deleted, second.interests) == (None, None, False, ())
    with changed_bridge(ams, members=members) as bridge:
        assert [m.email for m in bridge.members_by_id(["18446744073709551615"], 2.0)] == ["ünn@example.org"]


def test_mariadb_does_not_cut_what_is_too_long(sql_ams_of):
    """The server's own mode is lenient."""
    ams = sql_ams_of("mariadb")
    ams.put("17", "ann@example.org")
    statement = {"unsubscribe": "UPDATE members SET origin = :reason WHERE member_no = :remote_id"}
    with changed_bridge(ams, writeback=statement) as bridge, pytest.raises(Refused):
        bridge.write_back(WritebackItem(1, "unsubscribe", "17", "", AT, reason="x" * 200))


def test_mariadb_that_does_not_know_us_or_hangs_up_is_away(sql_ams_of, mariadb_server):
    """ID-60: a wrong password, a killed connection, a restart say nothing about a record."""
    ams = sql_ams_of("mariadb")
    with changed_bridge(ams, url=ams.url.replace("root@", "nobody:hush-hush@")) as bridge:
        with pytest.raises(Outage) as caught:
            bridge.check()
    assert "hush" not in str(caught.value)
    ams.put("17", "ann@example.org")
    many = "SELECT seq AS remote_id, REPEAT('x', 300) AS email FROM seq_1_to_100000"
    with changed_bridge(ams, members=many) as bridge:
        bridge.check()
        mariadb_server.hang_up("foreign")
        bridge.check()
        with closing(bridge.changed_since(None)) as stream:
            next(stream)
            mariadb_server.hang_up("foreign")
            with pytest.raises(Outage):
                list(stream)
            assert not stream.complete
        bridge.check()
