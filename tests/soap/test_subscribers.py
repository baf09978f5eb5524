"""The subscribers noun over both SOAP versions. (SOAP-33..46)"""

import pytest

from tests.soap.door import Refused

ANN = {"remoteId": "K-17", "email": "Ann@Example.org", "field": [{"name": "FirstName", "value": "Ann"}],
       "addInterest": ["News"]}


def add(door, *records, **options):
    return door.call("ImportSubscribers", mode=options.pop("mode", "AddOrUpdate"), record=list(records), **options)


def get(door, **identifier):
    return door.call("GetSubscriber", identifier=identifier)


def test_import_answers_one_result_for_each_record(any_door, version):
    """SOAP-33, SOAP-34: results in the order sent; a bad record is a result."""
    any_door.version = version
    batch = add(any_door, ANN, {"email": "no address"}, {"email": "bo@example.org"})
    assert (batch.overall, batch.received, batch.created, batch.failed) == ("Partial", 3, 2, 1)
    assert batch.received == sum(batch[each] for each in ("created", "adopted", "updated", "unchanged", "skipped",
                                                          "suppressed", "failed"))
    assert [(each.index, each.status, each.code) for each in batch.result] == [
        (0, "created", None), (1, "failed", "INVALID_EMAIL"), (2, "created", None)]
    first, bad, _ = batch.result
    assert first.email == "ann@example.org" and first.remoteId == "K-17" and first.subscriberId.isdigit()
    assert bad.field == "email" and bad.message
    assert batch.requestId == any_door.last_answer.headers["X-Request-Id"] and batch.replayed is False


def test_import_twice_changes_nothing(any_door):
    """ID-P1 through this door."""
    assert add(any_door, ANN).overall == "OK"
    again = add(any_door, ANN)
    assert (again.unchanged, again.result[0].status, again.result[0].matchedBy) == (1, "unchanged", "remoteId")


def test_all_failed(door):
    """SOAP-34."""
    assert add(door, {"email": "x"}, {"field": []}).overall == "Failed"


@pytest.mark.parametrize("detail, indexes", [("All", [0, 1]), ("Failures", [1]), ("None", [])])
def test_detail_trims_results_not_counters(door, detail, indexes):
    """SOAP-33."""
    batch = add(door, ANN, {"email": "bad"}, detail=detail)
    assert [each.index for each in batch.result] == indexes and (batch.created, batch.failed) == (1, 1)


def test_dry_run_stores_nothing(door):
    """SOAP-39."""
    assert add(door, ANN, dryRun=True).created == 1
    with pytest.raises(Refused) as refused:
        get(door, remoteId="K-17")
    assert refused.value.code == "NOT_FOUND"


def test_modes(door):
    """SOAP-35, PUSH-51..53."""
    assert add(door, ANN, mode="Update").result[0].code == "NOT_FOUND"
    assert add(door, ANN, mode="Add").created == 1
    skipped = add(door, ANN, mode="Add").result[0]
    assert (skipped.status, skipped.code) == ("skipped", "ALREADY_EXISTS")


def test_nil_clears_and_empty_follows_the_option(door):
    """SOAP-23, SOAP-24, ID-41: a missing field is kept, nil clears, empty text does what emptyValue says."""
    add(door, ANN)

    def send(value, **options):
        add(door, {**ANN, "field": value}, **options)
        return {each.name: each.value for each in get(door, remoteId="K-17").field}

    def envelope(value, empty):
        body = (f"<g:ImportSubscribers><g:mode>Update</g:mode><g:emptyValue>{empty}</g:emptyValue><g:record>"
                f"<g:remoteId>K-17</g:remoteId><g:field><g:name>FirstName</g:name>{value}</g:field></g:record>"
                "</g:ImportSubscribers>")
        assert door.post(body).status_code == 200
        return {each.name: each.value for each in get(door, remoteId="K-17").field}.get("FirstName")

    nil = '<g:value xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="{}">{}</g:value>'
    assert send([])["FirstName"] == "Ann"
    assert envelope("<g:value></g:value>", "Keep") == "Ann"
    assert envelope(nil.format("false", "Anna"), "Keep") == "Anna"
    assert envelope("<g:value/>", "Clear") is None
    assert send(ANN["field"])["FirstName"] == "Ann"
    assert envelope(nil.format(" true ", ""), "Keep") is None


def test_get_subscriber_by_each_identifier(any_door):
    """SOAP-43."""
    subscriber_id = add(any_door, ANN).result[0].subscriberId
    for who in ({"subscriberId": subscriber_id}, {"remoteId": "K-17"}, {"email": "ANN@example.org"}):
        found = get(any_door, **who)
        assert (found.subscriberId, found.email, found.remoteId) == (subscriber_id, "ann@example.org", "K-17")
    assert (found.status, found.sendable, found.orphan, found.source) == ("active", True, False, "integration:api")
    assert [(each.integration, each.remoteId) for each in found.link] == [("api", "K-17")]
    assert [(each.name, each.value) for each in found.field] == [("FirstName", "Ann")]
    assert [each.name for each in found.interest] == ["News"]


def test_an_address_that_several_records_have(door):
    """SOAP-43, ID-13."""
    add(door, ANN, {**ANN, "remoteId": "K-18"})
    with pytest.raises(Refused) as refused:
        get(door, email="ann@example.org")
    assert refused.value.code == "AMBIGUOUS_EMAIL"


@pytest.mark.parametrize("who", [{"subscriberId": "x"}, {"subscriberId": "999999"}, {"subscriberId": "9" * 40},
                                 {"remoteId": "none"}, {"email": "none@example.org"}])
def test_nobody(door, who):
    """SOAP-18, SOAP-28: an id that cannot be ours reads like one that is unknown."""
    with pytest.raises(Refused) as refused:
        get(door, **who)
    assert refused.value.code == "NOT_FOUND"


def test_an_empty_identifier(door):
    """SOAP-43: at least one member."""
    with pytest.raises(Refused) as refused:
        get(door)
    assert (refused.value.code, refused.value.field) == ("INVALID_REQUEST", "identifier")


def test_identifiers_of_two_people(door):
    """SOAP-43, ID-28."""
    add(door, ANN, {"remoteId": "K-18", "email": "bo@example.org"})
    with pytest.raises(Refused) as refused:
        get(door, remoteId="K-17", email="bo@example.org")
    assert refused.value.code == "IDENTITY_MISMATCH"


def test_another_brand_sees_nothing(any_door):
    """SOAP-18, ID-P15."""
    subscriber_id = add(any_door, ANN).result[0].subscriberId
    with pytest.raises(Refused) as refused:
        any_door.call("GetSubscriber", brand=2, identifier={"subscriberId": subscriber_id})
    assert refused.value.code == "NOT_FOUND"
    assert any_door.call("FindSubscribers", brand=2).item == []
    add_there = any_door.call("ImportSubscribers", brand=2, mode="AddOrUpdate", record=[ANN])
    assert add_there.created == 1
    assert any_door.call("Unsubscribe", brand=2, entry=[{"email": "ann@example.org"}]).failed == 0
    assert get(any_door, remoteId="K-17").status == "active"


def test_find_subscribers(any_door, clock):
    """SOAP-44."""
    add(any_door, ANN)
    clock.advance(seconds=10)
    later = clock()
    add(any_door, {"remoteId": "K-18", "email": "bo@example.org", "addInterest": ["Events"]})
    clock.advance(seconds=10)

    def found(**filters):
        return [each.email for each in any_door.call("FindSubscribers", **filters).item]

    assert found() == ["ann@example.org", "bo@example.org"]
    assert found(email="ANN@example.org") == ["ann@example.org"]
    assert found(remoteId="K-18") == ["bo@example.org"]
    assert found(interest="Events") == ["bo@example.org"]
    assert found(changedSince=later) == ["bo@example.org"]
    assert found(changedUntil=later) == ["ann@example.org"]
    assert found(status="unsubscribed") == [] and len(found(status="active")) == 2
    assert found(orphan=True) == [] and len(found(orphan=False)) == 2
    page = any_door.call("FindSubscribers")
    assert page.asOf and page.requestId and page.nextToken is None


@pytest.mark.parametrize("status", ["", "Active", "gone"])
def test_find_by_a_status_that_is_none(door, status):
    """SOAP-26: the allowed words are named."""
    body = f"<g:FindSubscribers><g:status>{status}</g:status></g:FindSubscribers>"
    told = door.refusal(door.post(body))
    assert (told.code, told.field) == ("INVALID_VALUE", "status") and "unsubscribed" in told.message


def test_unsubscribe_and_resubscribe(any_door, version):
    """SOAP-45, SOAP-46, ID-49..51."""
    any_door.version = version
    add(any_door, ANN)
    batch = any_door.call("Unsubscribe", entry=[{"remoteId": "K-17", "reason": "asked by phone"},
                                                {"email": "stranger@example.org"}])
    assert (batch.received, batch.failed) == (2, 0)
    assert get(any_door, remoteId="K-17").status == "unsubscribed"
    assert add(any_door, ANN).failed == 0 and get(any_door, remoteId="K-17").status == "unsubscribed"
    assert any_door.call("Unsubscribe", entry=[{"remoteId": "K-17"}]).unchanged == 1
    back = any_door.call("Resubscribe", entry=[{"remoteId": "K-17", "reason": "asked in writing"}])
    assert (back.received, back.failed) == (1, 0)
    assert get(any_door, remoteId="K-17").sendable is True


def test_bad_entries_are_results(door):
    """SOAP-34: at the status operations too."""
    batch = door.call("Unsubscribe", entry=[{"subscriberId": "x"}, {"remoteId": "none"}, {"email": "no address"}, {}])
    assert [each.code for each in batch.result] == ["NOT_FOUND", "NOT_FOUND", "INVALID_EMAIL", "IDENTIFIER_MISSING"]
    assert batch.overall == "Failed"


def test_unsubscribes_are_listed(any_door, clock):
    """SOAP-64."""
    add(any_door, ANN)
    any_door.call("Unsubscribe", entry=[{"remoteId": "K-17", "reason": "asked by phone"}])
    clock.advance(seconds=1)
    page = any_door.call("FindUnsubscribes")
    assert [(each.type, each.email, each.remoteId, each.origin, each.reason) for each in page.item] == [
        ("unsubscribed", "ann@example.org", "K-17", "api", "asked by phone")]
