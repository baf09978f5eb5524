"""Does the SQL bridge cope with what real databases hold, forbid and do?"""

import datetime as dt
import time
import tracemalloc
from contextlib import closing
from decimal import Decimal

import pytest
import sqlalchemy as sa

from gateway.bridges.port import Outage, Refused, WritebackItem
from gateway.bridges.rows import Unclear, member, text, truth
from gateway.bridges.sql.bridge import SqlBridge
from gateway.clock import UTC

AT = dt.datetime(2026, 1, 15, 12, 0, 0, 250_000, tzinfo=UTC)
ITEM = WritebackItem(1, "unsubscribe", "17", "ann@example.org", AT, "link", "no more")
SLOW = {"sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS remote_id, "
                  "'' AS email FROM n WHERE i < 0",
        "postgresql": "SELECT pg_sleep(60)::text AS remote_id, '' AS email",
        "mariadb": "SELECT SLEEP(10) AS remote_id, '' AS email"}
NUMBERS = {"mariadb": "SELECT seq AS i FROM seq_1_to_{count}",
           "usual": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n"}


def engine_of(ams):
    """The name of the engine that a test runs on."""
    return ams.url.partition(":")[0].partition("+")[0]


def numbers(ams, count):
    """A query with a column ``i`` that counts."""
    return NUMBERS.get(engine_of(ams), NUMBERS["usual"]).format(count=count)


def listed(ams, **change):
    with closing(SqlBridge.from_config({**ams.config, **change})) as bridge, \
            closing(bridge.changed_since(None)) as stream:
        return list(stream)


def written(ams, statement, item=ITEM):
    with closing(SqlBridge.from_config({**ams.config, "writeback": {"unsubscribe": statement}})) as bridge:
        bridge.write_back(item)


def test_a_table_with_its_columns_is_as_good_as_a_query(sql_ams):
    """Names are quoted: capitals, blanks, quotes and reserved words are names like others."""
    sql_ams.do('DROP TABLE IF EXISTS "My ""Select"" Table"')
    sql_ams.do('CREATE TABLE "My ""Select"" Table" ("Member No" INTEGER, "order" VARCHAR(99), "No Mail" BOOLEAN)')
    sql_ams.do("""INSERT INTO "My ""Select"" Table" VALUES (7, 'ann@example.org', TRUE), (8, 'bo@example.org', NULL)""")
    found = listed(sql_ams, members={"table": 'My "Select" Table', "remote_id": "Member No", "email": "order",
                                     "do_not_email": "No Mail"})
    assert sorted((m.remote_id, m.email, m.do_not_email, m.interests) for m in found) == [
        ("7", "ann@example.org", True, None), ("8", "bo@example.org", None, None)]


def test_a_flag_that_says_neither_yes_nor_no_is_a_problem_of_its_row(sql_ams):
    sql_ams.put("17", "ann@example.org", 2)
    sql_ams.put("18", "bo@example.org", 1)
    first, second = listed(sql_ams)
    assert (first.problem.code, first.problem.field, first.remote_id) == ("INVALID_VALUE", "do_not_email", "17")
    assert second.problem is None and second.do_not_email is True


@pytest.mark.parametrize("change", [
    {"members": "SELECT member_no, email FROM members"}, {"members": "SELECT nothing AS remote_id FROM nowhere"},
    {"members": {"table": "nowhere", "remote_id": "a", "email": "b"}}])
def test_a_query_that_does_not_fit_the_database_is_refused_without_showing_it(sql_ams, change):
    with pytest.raises(Refused) as caught:
        listed(sql_ams, **change)
    assert "nowhere" not in str(caught.value)


def test_the_members_query_cannot_write(sql_ams):
    sql_ams.put("17", "ann@example.org")
    with pytest.raises(Refused):
        listed(sql_ams, members="WITH gone AS (SELECT 1) UPDATE members SET no_mail = 1 RETURNING member_no AS "
                                "remote_id, email")
    assert sql_ams.row("17")["no_mail"] == 0


def test_a_statement_that_takes_too_long_is_an_outage(sql_ams):
    """ID-60: a timeout is an outage."""
    with pytest.raises(Outage):
        listed(sql_ams, members=SLOW[engine_of(sql_ams)], timeout_s=1)


def test_a_locked_database_is_an_outage_and_nothing_is_written(sql_ams):
    sql_ams.put("17", "ann@example.org")
    engine = sa.create_engine(sql_ams.url)
    with closing(SqlBridge.from_config({**sql_ams.config, "timeout_s": 1})) as bridge:
        with engine.connect() as other:
            other.exec_driver_sql("UPDATE members SET no_mail = 0")  # not committed yet
            with pytest.raises(Outage):
                bridge.write_back(ITEM)
        bridge.write_back(ITEM)
    engine.dispose()
    assert sql_ams.row("17")["no_mail"] == 1


def test_the_moment_is_written_in_utc(sql_ams):
    sql_ams.put("17", "ann@example.org")
    sql_ams.do("DROP TABLE IF EXISTS moments")
    sql_ams.do("CREATE TABLE moments (member_no VARCHAR(9) PRIMARY KEY, at TIMESTAMP(6))")
    sql_ams.do("INSERT INTO moments (member_no) VALUES ('17')")
    written(sql_ams, "UPDATE moments SET at = :occurred_at WHERE member_no = :remote_id")
    engine = sa.create_engine(sql_ams.url)
    with engine.connect() as connection:
        if engine_of(sql_ams) == "mariadb":  # it shows the moment in the zone of the session
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        stored = connection.exec_driver_sql("SELECT CAST(at AS CHAR(40)) FROM moments").scalar_one()
    engine.dispose()
    assert stored.replace("T", " ").startswith("2026-01-15 12:00:00.25")


@pytest.mark.parametrize("statement", [
    "UPDATE nowhere SET no_mail = 1 WHERE member_no = :remote_id", "UPDATE members SET oops WHERE x = :remote_id",
    "INSERT INTO strict (member_no) VALUES (:remote_id)"])
def test_what_the_database_does_not_take_is_refused_without_showing_statement_or_values(sql_ams, statement):
    sql_ams.do("DROP TABLE IF EXISTS strict")
    sql_ams.do("CREATE TABLE strict (member_no VARCHAR(9) NOT NULL UNIQUE)")
    sql_ams.do("INSERT INTO strict VALUES ('17')")
    with pytest.raises(Refused) as caught:
        written(sql_ams, statement)
    assert "17" not in str(caught.value) and "UPDATE" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_outage_does_not_show_the_password(sql_ams):
    with closing(sql_ams.bridge(away=True)) as bridge, pytest.raises(Outage) as caught:
        bridge.check()
    assert "hush-hush" not in str(caught.value)


def test_a_missing_file_is_not_made(tmp_path):
    missing = tmp_path / "missing.db"
    config = {"url": f"sqlite:///{missing}", "members": "SELECT 1 AS remote_id, '' AS email",
              "writeback": {"unsubscribe": "UPDATE m SET x = 1 WHERE id = :remote_id"}}
    with closing(SqlBridge.from_config(config)) as bridge, pytest.raises(Outage):
        bridge.check()
    assert not missing.exists()


def test_reading_takes_flat_memory(sql_ams):
    many = ("SELECT i AS remote_id, 'someone-with-a-rather-long-address@department.example.org' AS email "
            f"FROM ({numbers(sql_ams, 60000)}) AS many")
    with closing(SqlBridge.from_config({**sql_ams.config, "members": many})) as bridge:
        with closing(bridge.changed_since(None)) as stream:
            next(stream)
            tracemalloc.start()
            count = 1 + sum(1 for _ in stream)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert count == 60000
    assert peak < 4_000_000


@pytest.mark.parametrize(("value", "said"), [(None, None), ("", None), (" ", None), (0, False), (1, True), (True, True),
                                             (False, False), ("Y", True), (" no ", False), ("T", True), (b"1", True)])
def test_truth(value, said):
    assert truth("flag", value) is said


@pytest.mark.parametrize("value", ["2", "maybe", 7, -1])
def test_no_guess_at_truth(value):
    with pytest.raises(Unclear):
        truth("flag", value)


@pytest.mark.parametrize(("value", "said"), [(17, "17"), (17.0, "17"), (17.5, "17.5"), ("0017", "0017"), (None, None),
                                             (b"a17", "a17"), (float("nan"), "nan"), (float("inf"), "inf"),
                                             (Decimal("17.00"), "17"), (Decimal("Infinity"), "Infinity"),
                                             (Decimal("1234567890" * 4), "1234567890" * 4)])
def test_text_of_keys(value, said):
    """ID-6: a remote ID is text; leading zeros count."""
    assert text(value) == said


def test_a_column_that_is_not_read_says_nothing():
    found = member({"remote_id": 17, "email": "ann@example.org"})
    assert (found.do_not_email, found.interests, found.deleted) == (None, None, False)


@pytest.mark.parametrize("column", ["INTEGER", "NUMERIC(12, 2)", "DOUBLE PRECISION", "CHAR(12)", "VARCHAR(20)"])
def test_single_people_are_found_whatever_the_type_of_the_key(sql_ams, column):
    """ID-79: a key that a sync would read as 17 is found by 17, also where the database writes it 17.00."""
    sql_ams.do("DROP TABLE IF EXISTS typed")
    sql_ams.do(f"CREATE TABLE typed (id {column}, mail VARCHAR(100))")
    sql_ams.do("INSERT INTO typed VALUES (17, 'ann@example.org'), (170, 'bo@example.org'), (NULL, NULL)")
    text = "SELECT id AS remote_id, mail AS email FROM typed -- everybody"
    for members in (text, "WITH t AS (SELECT * FROM typed) " + text.replace("FROM typed", "FROM t"),
                    {"table": "typed", "remote_id": "id", "email": "mail"}):
        with closing(SqlBridge.from_config({**sql_ams.config, "members": members})) as bridge:
            assert [(m.remote_id.strip(), m.email) for m in bridge.members_by_id(["17"], 2.0)] == [
                ("17", "ann@example.org")]
            assert bridge.members_by_id(["7"], 2.0) == []


def test_single_people_of_a_slow_view_are_given_up_in_time(sql_ams):
    """ID-79: a person waits for the answer."""
    slow = f"SELECT i AS remote_id, 'a@example.org' AS email FROM ({numbers(sql_ams, 2000000000)}) AS n WHERE i + 0 < 0"
    with closing(SqlBridge.from_config({**sql_ams.config, "members": slow})) as bridge:
        began = time.monotonic()
        with pytest.raises(Outage):
            bridge.members_by_id(["17"], 0.5)
        assert time.monotonic() - began < 30
