"""Fields that a sender describes, and their defaults in mailings (ID-76, aapi.md section 5.1)."""

import pytest

from gateway.db.queries import fields
from gateway.domain.fields import FieldDefinition
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.services import catalogue, mailings
from tests.support.mailreader import read
from tests.support.world import World


def test_a_default_is_mailed(house, sink):
    """ID-76: whoever has no value gets the default, in mails and previews; whoever has one gets that."""
    house.add_person("ann@example.org", values={"FirstName": "Ann"})
    house.add_person("bob@example.org")
    with house.unit() as unit:
        catalogue.define(unit, [FieldDefinition("first_name", default="Customer")])
    mailing_id = house.create(html="<p>Dear {{ FirstName|default('Nobody') }}!</p>")
    house.run(house.schedule(mailing_id))
    shown = sorted(read(each.data).html.partition("Dear ")[2].partition("!")[0] for each in sink.messages)
    assert shown == ["Ann", "Customer"]
    with house.reading() as unit:
        assert "Dear Customer!" in mailings.preview(unit, mailing_id).html
        assert "Dear Ann!" in mailings.preview(unit, mailing_id, Identifier(email="ann@example.org")).html


@pytest.mark.parametrize(("definition", "code"), [
    (FieldDefinition(" _ "), "INVALID_VALUE"), (FieldDefinition("x" * 101), "INVALID_VALUE"),
    (FieldDefinition("A\x07"), "INVALID_VALUE"), (FieldDefinition("A", default="\x07"), "INVALID_VALUE"),
    (FieldDefinition("A", default="x" * 4001), "INVALID_VALUE")])
def test_what_no_field_can_be(sqlite_url, definition, code):
    """aapi.md section 5.1: a definition that cannot be kept is refused, and none of its document is."""
    with World(sqlite_url) as world:
        with pytest.raises(GatewayError) as refused, world.unit() as unit:
            catalogue.define(unit, [FieldDefinition("Dog"), definition])
        assert refused.value.code == code
        with world.reading() as unit:
            assert "dog" not in fields.of_brand(unit.connection, 1)


def test_a_field_that_is_there(sqlite_url):
    """aapi.md section 5.1: its name, kind and category stay; another brand's field of the name is untouched."""
    with World(sqlite_url, brands=(1, 2)) as world:
        for brand, default in ((1, "one"), (2, "two")):
            with world.unit(world.actor(brand_id=brand)) as unit:
                catalogue.define(unit, [FieldDefinition("Dog", "date", default, "Pets")])
        with world.unit() as unit:
            catalogue.define(unit, [FieldDefinition("D_o g", "text", "three"), FieldDefinition("DOG", "text", None)])
            assert fields.of_brand(unit.connection, 1)["dog"].kind == "date"
            assert fields.defaults(unit.connection, 1) == {"Dog": "three"}
            assert fields.defaults(unit.connection, 2) == {"Dog": "two"}
