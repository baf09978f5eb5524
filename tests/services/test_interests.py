"""Who may make an interest, and does a list of them count rightly?"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.domain.contactgroups import list_of
from gateway.domain.interests import MAX_INTERESTS
from gateway.domain.paging import PageRequest
from gateway.domain.records import Group, ImportOptions, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import imports, interests, suppression
from gateway.services.interests import InterestFilter
from gateway.services.listpushes import change_lists
from tests.support.world import World


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path) as made:
        yield made


def create(world, *args, as_=None):
    with world.unit(as_) as unit:
        return interests.create(unit, *args)


def find(world, size=None, token=None, as_=None, **wanted):
    world.clock.advance(seconds=1)
    with world.gateway.feed(as_ or world.actor()) as unit:
        return interests.find(unit, InterestFilter(**wanted), PageRequest(size, token))


def refused(world, *args, as_=None):
    with pytest.raises(GatewayError) as found:
        create(world, *args, as_=as_)
    return found.value.code, found.value.field


def test_the_number_of_interests_is_bounded(world):
    """ID-42, LIMIT_EXCEEDED: named by a call it is refused, in a record, as a group and as a list it is not made."""
    with world.unit() as unit:
        unit.connection.execute(sa.insert(metadata.tables["interest"]), [
            {"brand_id": 1, "name": f"n{at}", "public": False, "created_at": unit.now}
            for at in range(MAX_INTERESTS - 1)])
    record = SubscriberRecord("17", "ann@example.org", add_interests=("n1", "Last", "Beyond"))
    whole = SubscriberRecord("18", "bo@example.org", whole=True, groups=(Group("g", "G"),))
    with world.unit() as unit:
        outcomes = imports.import_records(unit, [record, whole], ImportOptions()).outcomes
    assert [[each.code for each in outcome.warnings] for outcome in outcomes] == [["LIST_UNKNOWN"], ["LIST_UNKNOWN"]]
    assert refused(world, "More") == ("LIMIT_EXCEEDED", "name")
    with world.unit() as unit, pytest.raises(GatewayError) as found:
        imports.import_records(unit, [record], ImportOptions(interests=("n1", "More")))
    assert found.value.code == "LIMIT_EXCEEDED"
    with world.unit() as unit:
        report, _ = change_lists(unit, [list_of({"ListId": "l", "Mode": "Add", "ContactIds": ["17"]})])
    assert report.outcomes[0].problem.code == "LIST_UNKNOWN"
    with world.reading() as unit:
        count = sa.select(sa.func.count()).select_from(metadata.tables["interest"])
        assert unit.connection.scalar(count) == MAX_INTERESTS


def test_create(world):
    """SOAP-50."""
    made = create(world, " News ", "What is new", True)
    assert (made.name, made.description, made.public, made.members) == ("News", "What is new", True, 0)
    assert refused(world, "News") == ("ALREADY_EXISTS", "name")
    assert create(world, "news").interest_id != made.interest_id


@pytest.mark.parametrize(("name", "description", "code", "field"), [
    ("", None, "INVALID_VALUE", "name"), ("x" * 256, None, "INVALID_VALUE", "name"),
    ("a\x00", None, "INVALID_CHARACTER", "name"), ("News", "a\x07", "INVALID_VALUE", "description"),
    ("News", "x" * 1001, "INVALID_VALUE", "description"),
])
def test_bad_names(world, name, description, code, field):
    """PUSH-5, PUSH-6."""
    assert refused(world, name, description) == (code, field)


def test_who_may_create(world):
    """ID-42, SOAP-18."""
    assert refused(world, "News", as_=world.actor(role="reader"))[0] == "NOT_ALLOWED"
    with world.unit() as unit:
        unit.connection.execute(sa.update(metadata.tables["brand"]).values(settings={"createInterests": False}))
    assert refused(world, "News")[0] == "NOT_ALLOWED"
    assert create(world, "News", as_=world.actor(role="admin")).name == "News"


def test_counts(world):
    """SOAP-51: a person counts once, whatever the sources; the sendable are those that mail would reach."""
    records = [SubscriberRecord(str(n), f"p{n}@example.org") for n in range(4)]
    for actor in (world.actor(), world.actor("ams")):
        with world.unit(actor) as unit:
            imports.import_records(unit, records[:3] if actor.integration_name == "ams" else records,
                                   ImportOptions(interests=("News",)))
    with world.unit(world.actor("ams")) as unit:
        imports.import_records(unit, [SubscriberRecord("0", do_not_email=True)], ImportOptions())
    with world.unit() as unit:
        suppression.opt_out(unit, email="p3@example.org", origin="link")
    (news,) = find(world).items
    assert (news.members, news.sendable) == (7, 4)  # flagged: both at p0; opted out: p3


def test_pages_and_filters(world):
    """SOAP-68."""
    for number in range(5):
        create(world, f"I{number}", None, number == 3)
        world.clock.advance(seconds=1)
    first = find(world, 2)
    second = find(world, 2, first.next_token)
    third = find(world, 2, second.next_token)
    assert [i.name for page in (first, second, third) for i in page.items] == ["I0", "I1", "I2", "I3", "I4"]
    assert third.next_token is None
    assert [i.name for i in find(world, public=True).items] == ["I3"]
    assert [i.name for i in find(world, name="I2").items] == ["I2"]
    assert find(world, integration="ams").items == ()


def test_names_of_a_whole_call(world):
    """ID-42."""
    made = create(world, "News")
    with world.unit() as unit:
        assert interests.resolve_names(unit, ["News", " News "], False) == {"News": made.interest_id}
        with pytest.raises(GatewayError) as found:
            interests.resolve_names(unit, ["News", "Else"], False)
        assert found.value.code == "LIST_UNKNOWN" and "Else" in found.value.message
        assert set(interests.resolve_names(unit, ["News", "Else"], True)) == {"News", "Else"}
