"""Is a write safe to repeat? (SOAP-72, SOAP-73)"""

import threading

import pytest
from lxml import etree

from gateway.services import imports
from gateway.soap.invoke import fingerprint
from tests.soap.door import TNS, Door, Refused, credentials

ANN = {"remoteId": "K-17", "email": "ann@example.org"}


def import_ann(door, key="k1", **options):
    return door.call("ImportSubscribers", clientRequestId=key, mode="Add", record=[ANN], **options)


def test_the_stored_answer_comes_again(any_door, clock):
    """SOAP-72: with this call's request id (SOAP-12) and replayed."""
    first = import_ann(any_door)
    clock.advance(days=6)
    again = import_ann(any_door)
    assert (first.created, first.replayed) == (1, False)
    assert (again.created, again.replayed, again.asOf) == (1, True, first.asOf)
    assert again.requestId == any_door.last_answer.headers["X-Request-Id"] != first.requestId
    assert [each.subscriberId for each in again.result] == [each.subscriberId for each in first.result]


def test_an_answer_without_a_member_for_it_says_so_in_extra(any_door):
    """SOAP-72, SOAP-31."""
    first = any_door.call("CreateInterest", clientRequestId="k1", name="News")
    again = any_door.call("CreateInterest", clientRequestId="k1", name="News")
    assert first.extra == [] and again.interestId == first.interestId
    assert [(each.name, each.value) for each in again.extra] == [("replayed", "true")]


def test_other_content_under_the_same_key(any_door):
    """SOAP-72."""
    import_ann(any_door)
    with pytest.raises(Refused) as refused:
        import_ann(any_door, dryRun=True)
    assert (refused.value.code, refused.value.field) == ("IDEMPOTENCY_CONFLICT", "clientRequestId")


def test_a_key_belongs_to_user_operation_and_week(door, clock):
    """SOAP-72: kept 7 days per user and operation."""
    import_ann(door)
    assert import_ann(door, user="admin").replayed is False
    assert import_ann(door, brand=2).created == 1
    assert door.call("Unsubscribe", clientRequestId="k1", entry=[{"remoteId": "K-17"}]).replayed is False
    clock.advance(days=7, seconds=1)
    assert import_ann(door).skipped == 1


def test_a_fault_is_not_stored(door):
    """SOAP-72: what did nothing may be tried again under its key."""
    for _ in range(2):
        with pytest.raises(Refused):
            door.call("SendMailing", clientRequestId="k1", mailingId="1")
    door.call("CreateInterest", name="News")
    with pytest.raises(Refused):
        door.call("CreateInterest", clientRequestId="k2", name="News")
    assert door.call("CreateInterest", clientRequestId="k2", name="Events").name == "Events"


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_a_bad_key(door, key):
    """SOAP-72: 1 to 255 visible ASCII characters."""
    told = door.refusal(door.post(f"<g:CreateInterest><g:clientRequestId>{key}</g:clientRequestId><g:name>News</g:name>"
                                  "</g:CreateInterest>"))
    assert (told.code, told.field) == ("INVALID_VALUE", "clientRequestId")


def test_the_first_still_runs(postgresql_url, tmp_path, clock, monkeypatch):
    """SOAP-72: IN_PROGRESS, retryable. (SQLite has one writer: there the second waits.)"""
    door = Door(postgresql_url, clock=clock, data_dir=tmp_path)
    inside, go_on = threading.Event(), threading.Event()
    real = imports.import_records

    def slow(unit, records, options):
        inside.set()
        assert go_on.wait(20)
        return real(unit, records, options)

    monkeypatch.setattr(imports, "import_records", slow)
    body = ("<g:ImportSubscribers><g:clientRequestId>k1</g:clientRequestId><g:mode>Add</g:mode>"
            "<g:record><g:email>ann@example.org</g:email></g:record></g:ImportSubscribers>")
    header = credentials(**door.user("sender"))
    answers = []
    first = threading.Thread(target=lambda: answers.append(door.post(body, header=header)))
    first.start()
    assert inside.wait(20)
    told = door.refusal(door.post(body, header=header))
    go_on.set()
    first.join()
    assert (told.code, told.retryable) == ("IN_PROGRESS", "true")
    assert answers[0].status_code == 200 and b"<replayed>true" in door.post(body, header=header).data
    door.world.close()


def element(text):
    return etree.fromstring(text if text.startswith("<g:I") else text.replace("<I", f'<I xmlns="{TNS}"', 1))


XSI = "http://www.w3.org/2001/XMLSchema-instance"
BASE = "<I><clientRequestId>k</clientRequestId><mode>Add</mode><record><email>a</email></record></I>"


@pytest.mark.parametrize("other", [
    BASE.replace("<mode>", "\n  <mode>").replace("<email>", "\n\t<email>").replace("</record>", "\r\n</record>"),
    BASE.replace(">k<", ">another key<"),
    BASE.replace("<clientRequestId>k</clientRequestId>", ""),
    BASE.replace("<record>", "<record >"),
    BASE.replace("<", "<g:").replace("<g:/", "</g:").replace("<g:I>", f'<g:I xmlns:g="{TNS}">'),
    BASE.replace("<record>", f'<record xmlns:q="{TNS}">').replace("email>", "q:email>"),
    BASE.replace("<email>", f'<email xmlns:x="{XSI}" xmlns:t="urn:types" x:type="t:a">'),
    BASE.replace("<email>", f'<email xmlns:x="{XSI}" x:nil="false">'),
    BASE.replace("<email>a", "<email><!-- c --><![CDATA[a]]>")])
def test_what_means_nothing_is_left_out_of_the_fingerprint(other):
    """SOAP-72: blanks outside values, the key itself, prefixes, how tags and attributes are written."""
    assert fingerprint(element(other)) == fingerprint(element(BASE))


@pytest.mark.parametrize("other", [
    BASE.replace(">a<", ">b<"), BASE.replace(">a<", "> a<"), BASE.replace(">a<", ">  <"),
    BASE.replace("<email>a</email>", "<email/>"),
    BASE.replace("</record>", "</record><record><email>a</email></record>"),
    BASE.replace("email>", "remoteId>"),
    BASE.replace(">a<", "> xmlns:g=\"a\"<"), BASE.replace(">a<", ">b:a<"), BASE.replace(">a<", ">&lt;b:a&gt;<"),
    BASE.replace("<email>a", f'<email xmlns:x="{XSI}" x:nil="true">'),
    BASE.replace("<email>a", f'<email xmlns:x="{XSI}" x:schemaLocation="u a>b&lt;" x:nil="1">')])
def test_what_means_something_is_in_it(other):
    """SOAP-72: values with their blanks, names, order."""
    assert fingerprint(element(other)) != fingerprint(element(BASE))


def test_nil_is_nil_however_it_is_written():
    """SOAP-23, SOAP-72: and it is not empty text."""
    empty, *nils = (fingerprint(element(BASE.replace("<email>a", tag))) for tag in (
        "<email>", f'<email xmlns:x="{XSI}" x:nil="true">', f'<email xmlns:y="{XSI}" y:nil=" 1 ">'))
    assert nils[0] == nils[1] != empty


def test_an_empty_value_is_not_a_blank_one():
    """SOAP-72."""
    assert fingerprint(element(BASE.replace(">a<", ">  <"))) != fingerprint(element(BASE.replace(">a<", "><")))
