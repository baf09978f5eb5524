"""The interests noun over both SOAP versions. (SOAP-50, SOAP-51)"""

import pytest

from tests.soap.door import Refused


def test_create_and_find(any_door, clock, version):
    """SOAP-50, SOAP-51."""
    any_door.version = version
    made = any_door.call("CreateInterest", name="News", description="Every week", public=True)
    assert (made.name, made.description, made.public, made.members, made.sendable) == ("News", "Every week", True, 0, 0)
    any_door.call("ImportSubscribers", mode="AddOrUpdate", interest=["News"], record=[{"email": "ann@example.org"}])
    clock.advance(seconds=1)
    any_door.call("CreateInterest", name="Events")
    clock.advance(seconds=1)
    page = any_door.call("FindInterests")
    assert [(each.name, each.members, each.sendable) for each in page.item] == [("News", 1, 1), ("Events", 0, 0)]
    assert [each.name for each in any_door.call("FindInterests", public=False).item] == ["Events"]
    assert [each.interestId for each in any_door.call("FindInterests", name="News").item] == [made.interestId]
    assert any_door.call("FindInterests", brand=2).item == []


def test_a_name_that_is_taken(door):
    """SOAP-50."""
    door.call("CreateInterest", name="News")
    with pytest.raises(Refused) as refused:
        door.call("CreateInterest", name="News")
    assert (refused.value.code, refused.value.field) == ("ALREADY_EXISTS", "name")
    assert door.call("CreateInterest", brand=2, name="News").name == "News"


@pytest.mark.parametrize("name", ["", "  ", "x" * 300])
def test_a_bad_name(door, name):
    """SOAP-50: named with field and reason."""
    told = door.refusal(door.post(f"<g:CreateInterest><g:name>{name}</g:name></g:CreateInterest>"))
    assert told.code == "INVALID_VALUE" and told.field
