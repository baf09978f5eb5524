"""Does a list of a foreign system get and lose exactly whom the system says? (PUSH-24)"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.domain.contactgroups import list_of
from gateway.domain.records import Group, ImportOptions, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import imports
from gateway.services.listpushes import change_lists
from gateway.services.lists import change_list
from tests.support.world import World


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path, brands=(1, 2)) as made:
        push(made, *[SubscriberRecord(str(n), f"p{n}@example.org") for n in range(1, 5)])
        yield made


def push(world, *records, as_=None):
    with world.unit(as_ or world.actor("ams")) as unit:
        return imports.import_records(unit, records, ImportOptions()).outcomes


def change(world, mode, *remote_ids, list_id="news", name="Monthly news", as_=None):
    with world.unit(as_ or world.actor("ams")) as unit:
        return change_list(unit, list_id, name, mode, remote_ids)


def inside(world, **where):
    """Remote IDs with an open membership."""
    m, k = metadata.tables["membership"].c, metadata.tables["remote_key"].c
    with world.reading() as unit:
        query = sa.select(k.remote_id).where(m.until.is_(None), m.subscriber_id == k.subscriber_id).order_by(k.id)
        return list(unit.connection.scalars(query.where(*(m[name] == value for name, value in where.items()))))


def told(outcome):
    return outcome.joined, outcome.left, outcome.unchanged, outcome.unknown


def test_add_remove_replace(world):
    """PUSH-24: unknown ids are named, the others applied; any case of the mode; twice is once."""
    assert told(change(world, "add", "1", " 2 ", "2", "x")) == (2, 0, 0, ("x",))
    assert told(change(world, "Add", "1", "2")) == (0, 0, 2, ())
    assert told(change(world, "REPLACE", "2", "3")) == (1, 1, 1, ())
    assert inside(world) == ["2", "3"]
    assert told(change(world, "remove", "3", "4", "y")) == (0, 1, 1, ("y",))
    assert inside(world) == ["2"]
    assert told(change(world, "Replace")) == (0, 1, 0, ())
    assert inside(world) == []


def test_lists_that_change_their_names_in_one_call(world):
    """PUSH-23, PUSH-24: swapped and moved on, all at once, also where uniqueness is checked row by row."""
    def push_lists(*names):
        elements = [list_of({"ListId": list_id, "ListName": name, "Mode": "Add", "ContactIds": ["1"]})
                    for list_id, name in zip("abc", names, strict=True)]
        with world.unit(world.actor("ams")) as unit:
            return [outcome.status for outcome in change_lists(unit, elements)[0].outcomes]

    def named():
        with world.reading() as unit:
            t = metadata.tables["interest"].c
            return list(unit.connection.scalars(sa.select(t.name).order_by(t.external_id)))

    assert push_lists("A", "B", "C") == ["created"] * 3
    for names in (("B", "C", "A"), ("A", "C", "D"), ("C", "A", "D")):
        expected = ["unchanged" if old == new else "updated" for old, new in zip(named(), names, strict=True)]
        assert (push_lists(*names), named()) == (expected, list(names))
        assert push_lists(*names) == ["unchanged"] * 3


def test_other_channels_sources_and_brands_stay(world):
    """ID-38, ID-P10, ID-P15: and a whole push leaves the list alone (PUSH-19)."""
    whole = SubscriberRecord("1", "p1@example.org", whole=True, groups=(Group("news", "Monthly news"),))
    push(world, whole)
    push(world, SubscriberRecord(None, "p2@example.org", add_interests=("Monthly news",)), as_=world.actor("crm"))
    change(world, "Add", "1", "3")
    change(world, "Add", "1", as_=world.actor("ams", brand_id=2))
    assert told(change(world, "Replace", "3")) == (0, 1, 1, ())
    assert inside(world, channel="groups") == ["1"] and inside(world, channel="native") == ["2"]
    push(world, SubscriberRecord("3", "p3@example.org", whole=True))
    assert inside(world, channel="list") == ["3"]


def test_the_brake(world):
    """ID-70: more than ten and more than a tenth."""
    push(world, *[SubscriberRecord(str(n), f"p{n}@example.org") for n in range(5, 15)])
    change(world, "Add", *map(str, range(1, 13)))
    with pytest.raises(GatewayError) as held:
        change(world, "Replace", "1")
    assert held.value.code == "BRAKE_HELD" and len(inside(world)) == 12
    assert told(change(world, "Replace", "1", "2")) == (0, 10, 2, ())


def test_ended_links_and_people_who_left(world):
    """ID-39, ID-32."""
    change(world, "Add", "1")
    push(world, SubscriberRecord("1", deleted=True))
    with world.unit() as unit:
        t = metadata.tables["interest"].c
        interest_id = unit.connection.scalar(sa.select(t.id))
        person = unit.connection.scalar(sa.select(metadata.tables["remote_key"].c.subscriber_id).where(
            metadata.tables["remote_key"].c.remote_id == "2"))
        unit.connection.execute(sa.insert(metadata.tables["interest_opt_out"]).values(
            brand_id=1, subscriber_id=person, interest_id=interest_id, left_at=unit.now, origin="form"))
    outcome = change(world, "Add", "1", "2", "3")
    assert (outcome.joined, outcome.unknown, outcome.opted_out) == (1, ("1",), ("2",))
    assert inside(world) == ["3"]


def test_decisions_are_kept(world):
    """ID-78."""
    change(world, "Add", "1")
    change(world, "Remove", "1")
    with world.reading() as unit:
        t = metadata.tables["decision"].c
        rows = unit.connection.execute(sa.select(t.status, t.changes).where(t.rule == "ID-38").order_by(t.id)).all()
    assert [tuple(row) for row in rows] == [("updated", '{"interest": [null, "Monthly news"]}'),
                                            ("updated", '{"interest": ["Monthly news", null]}')]


@pytest.mark.parametrize(("mode", "list_id", "code"), [
    ("", "news", "INVALID_VALUE"), ("Merge", "news", "INVALID_VALUE"), ("Add", " ", "INVALID_VALUE"),
    ("Add", "x" * 256, "FIELD_TOO_LONG"), ("Add", "a\x00", "INVALID_CHARACTER")])
def test_refused(world, mode, list_id, code):
    """PUSH-24: a guess could empty a list."""
    with pytest.raises(GatewayError) as found:
        change(world, mode, "1", list_id=list_id)
    assert found.value.code == code


def test_without_the_right_to_create(world):
    """ID-42: named by the whole call."""
    change(world, "Add", "1")
    with world.unit() as unit:
        unit.connection.execute(sa.update(metadata.tables["brand"]).values(settings={"createInterests": False}))
    assert change(world, "Add", "2").joined == 1
    with pytest.raises(GatewayError) as found:
        change(world, "Add", "1", list_id="other")
    assert found.value.code == "LIST_UNKNOWN"
