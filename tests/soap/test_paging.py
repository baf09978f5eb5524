"""Are long answers cut into pages that lose and double nothing? (SOAP-68..71)"""

import pytest

from gateway.soap import invoke
from tests.soap.door import Refused, check_answer


@pytest.fixture
def people(any_door, clock):
    """A door with seven people, of which three share their moment of change."""
    for batch in ((0, 1), (2, 3, 4), (5, 6)):
        any_door.call("ImportSubscribers", mode="Add",
                      record=[{"remoteId": f"K-{i}", "email": f"p{i}@example.org"} for i in batch])
        clock.advance(seconds=1)
    return any_door


def pages(door, operation="FindSubscribers", **request):
    """All pages; the token of each leads to the next."""
    found, token = [], None
    while True:
        found.append(door.call(operation, pageToken=token, **request))
        token = found[-1].nextToken
        if token is None:
            return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 5000])
def test_pages_cover_everything_once(people, size):
    """SOAP-68: by key, whatever the size; the end is the absence of a token."""
    found = pages(people, pageSize=size)
    assert [each.remoteId for page in found for each in page.item] == [f"K-{i}" for i in range(7)]
    assert all(len(page.item) == size for page in found[:-1])


def test_what_comes_later_waits_for_the_next_since(people, clock):
    """SOAP-70: the first page fixes the bound, and asOf is the next since."""
    first = people.call("FindSubscribers", pageSize=4)
    people.call("ImportSubscribers", mode="Add", record=[{"remoteId": "K-9", "email": "p9@example.org"}])
    clock.advance(seconds=1)
    second = people.call("FindSubscribers", pageSize=4, pageToken=first.nextToken)
    assert [each.remoteId for each in first.item + second.item] == [f"K-{i}" for i in range(7)]
    assert first.asOf == second.asOf
    assert [each.remoteId for each in people.call("FindSubscribers", changedSince=first.asOf).item] == ["K-9"]


def test_the_same_token_gives_the_same_page(people):
    """SOAP-69: stateless, and good at another page size."""
    token = people.call("FindSubscribers", pageSize=2).nextToken
    twice = [people.call("FindSubscribers", pageSize=2, pageToken=token).item for _ in range(2)]
    assert twice[0] == twice[1]


@pytest.mark.parametrize("spoil", ["filter", "operation", "byte", "brand", "age", "nonsense"])
def test_a_token_that_is_not_of_this_query(people, clock, spoil):
    """SOAP-69."""
    token = people.call("FindSubscribers", pageSize=2).nextToken
    request = {"operation": "FindSubscribers", "pageToken": token, "pageSize": 2}
    if spoil == "filter":
        request["orphan"] = False
    elif spoil == "operation":
        request["operation"] = "FindInterests"
    elif spoil == "byte":
        request["pageToken"] = ("B" if token[0] == "A" else "A") + token[1:]
    elif spoil == "brand":
        request["brand"] = 2
    elif spoil == "age":
        clock.advance(days=8)
    else:
        request["pageToken"] = "nonsense"
    with pytest.raises(Refused) as refused:
        people.call(**request)
    assert (refused.value.code, refused.value.field) == ("INVALID_TOKEN", "pageToken")


@pytest.mark.parametrize("size", [0, -1, 5001])
def test_a_page_size_out_of_range(door, size):
    """SOAP-68."""
    with pytest.raises(Refused) as refused:
        door.call("FindSubscribers", pageSize=size)
    assert (refused.value.code, refused.value.field) == ("INVALID_VALUE", "pageSize")


def test_a_long_page_is_cut_short(people, monkeypatch):
    """SOAP-71: with a token, and nothing is lost; one row is always given."""
    for limit in (1500, 10):
        monkeypatch.setattr(invoke, "MAX_ANSWER_CHARS", limit)
        found = pages(people, pageSize=5000)
        assert len(found) > 1
        assert [each.remoteId for page in found for each in page.item] == [f"K-{i}" for i in range(7)]


def test_an_early_until_is_answered_as_an_instant(door):
    """SOAP-29, SOAP-70: asOf of a window that ends in year 1 still has four digits of a year."""
    answer = door.post("<g:FindSubscribers><g:changedUntil>0001-01-01T00:00:00Z</g:changedUntil></g:FindSubscribers>")
    assert b"<asOf>0001-01-01T00:00:00.000Z</asOf>" in answer.data
    check_answer(answer.data)
