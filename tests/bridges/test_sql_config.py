"""Is a bad configuration of a SQL bridge refused with the key at fault, and without showing the password?"""

import json

import pytest

from gateway.bridges import registry
from gateway.errors import GatewayError

PASSWORD = "hush-hush"
GOOD = {
    "url": f"postgresql://ams:{PASSWORD}@db.example.org/ams",
    "members": "SELECT member_no AS remote_id, email FROM members WHERE joined > '2020-01-01 12\\:00'",
    "writeback": {"unsubscribe": "UPDATE members SET no_mail = 1 WHERE member_no::text = :remote_id;"},
    "timeout_s": 5,
}
TABLE = {"table": "Members", "schema": "crm", "remote_id": "no", "email": "E-Mail", "do_not_email": "no mail"}


@pytest.mark.parametrize("change", [{}, {"members": TABLE}, {"url": "sqlite:////data/ams.db"},
                                    {"members": "with m as (select 1) select * from m"},
                                    {"url": "mysql://u:p@h/d"}, {"url": "mariadb+pymysql://u@/d?unix_socket=/s"}])
def test_good_ones_are_taken_without_a_connection(change):
    registry.check("sql", {**GOOD, **change})


@pytest.mark.parametrize(("key", "change"), [
    ("url", {"url": None}), ("url", {"url": f"::{PASSWORD}"}), ("url", {"url": f"oracle://u:{PASSWORD}@h/d"}),
    ("url", {"url": "sqlite://"}), ("url", {"url": f"postgresql://u:{PASSWORD}@h:port/d"}),
    ("members", {"members": None}), ("members", {"members": "DELETE FROM members"}),
    ("members", {"members": "SELECT 1; DROP TABLE members"}), ("members", {"members": "SELECT :remote_id"}),
    ("members.email", {"members": {"table": "members", "remote_id": "no"}}),
    ("members.remote_id", {"members": {**TABLE, "remote_id": 7}}),
    ("members.mail", {"members": {**TABLE, "mail": "x"}}),
    ("writeback", {"writeback": []}), ("writeback", {"writeback": None}),
    ("writeback.printed", {"writeback": {**GOOD["writeback"], "printed": "UPDATE x SET y = :remote_id"}}),
    ("writeback.unsubscribe", {"writeback": {"unsubscribe": "UPDATE members SET no_mail = 1"}}),
    ("writeback.unsubscribe", {"writeback": {"unsubscribe": "UPDATE m SET x = :password WHERE no = :remote_id"}}),
    ("writeback.unsubscribe", {"writeback": {"unsubscribe": " "}}),
    ("timeout_s", {"timeout_s": 0}), ("timeout_s", {"timeout_s": True}), ("timeout_s", {"timeout_s": "5"}),
    ("user", {"user": "ams"}), ("url", {"url": f"mysql+aiomysql://u:{PASSWORD}@h/d"}),
    ("changed", {"changed": "at"}), ("changed.column", {"changed": {}}), ("changed.kind", {"changed": {
        "column": "at", "kind": "date"}}), ("changed.overlap", {"changed": {"column": "at", "overlap": 5}}),
    ("changed.select", {"changed": {"select": "SELECT 1", "newest": "SELECT 1"}}),
    ("changed.newest", {"changed": {"select": "SELECT :since"}}),
    ("changed.full_every_days", {"changed": {"column": "at", "full_every_days": 0}}),
    ("changed.column", {"members": TABLE, "changed": {"column": 7}}),
    ("separator", {"separator": ""}), ("memberships", {"memberships": "SELECT :remote_id"}),
    ("values.fields", {"values": {"select": "SELECT 1", "fields": {}}}),
    ("values.select", {"values": {"select": "SELECT :x", "fields": {"City": "city"}}}),
    ("values.remote_ids", {"values": {"select": "SELECT 1", "fields": {"City": "city"}, "remote_ids": "int"}}),
    ("values.remote_id", {"values": {"table": "people", "fields": {"City": "city"}}}),
    ("groups.list", {"groups": {"members": "SELECT :group_id"}}),
    ("groups.members", {"groups": {"list": "SELECT 1", "members": "SELECT 1"}}),
    ("repeated", {"repeated": "SELECT 1"}), ("repeated", {"repeated": "DELETE FROM x WHERE y = :writeback_id"}),
    ("writeback.field_changed", {"writeback": {**GOOD["writeback"], "field_changed": "UPDATE m SET x = :value WHERE "
                                                                                     "no = :remote_id"}}),
    ("writeback.field_changed", {"writeback": {**GOOD["writeback"], "field_changed": {}}}),
    ("writeback.field_changed.City", {"writeback": {**GOOD["writeback"], "field_changed": {"City": "UPDATE m"}}}),
])
def test_bad_ones_name_the_key_and_the_remedy(key, change):
    with pytest.raises(GatewayError) as caught:
        registry.check("sql", {**GOOD, **change})
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", key)
    assert key in caught.value.message
    assert PASSWORD not in caught.value.message
    assert caught.value.__cause__ is None


def test_a_bridge_does_not_show_its_password():
    bridge = registry.make("sql", GOOD)
    assert PASSWORD not in repr(bridge) + repr(vars(bridge)) + json.dumps(repr(bridge._config))
