"""Rows instead of records. (SOAP-40)"""

import pytest

from tests.soap.door import Refused, zeep_client

COLUMNS = ["Remote ID", "E-Mail", "First Name", "interests", "doNotEmail"]


def rows(*given):
    return [{"v": list(row)} for row in given]


def test_rows_become_people(any_door, version):
    """SOAP-40, PUSH-61: nil clears; a row of another width fails alone."""
    any_door.version = version
    any_door.world.add_field("FirstName")
    answer = any_door.call("ImportRows", mode="AddOrUpdate", interest=["News"], column=COLUMNS, row=rows(
        ("1", "ann@example.org", "Ann", "A|B", "false"), ("2", "bo@example.org"), ("3", "nobody", "C", "", ""), ()))
    assert (answer.overall, answer.created, answer.failed) == ("Partial", 1, 3)
    assert [(each.index, each.status, each.code, each.field) for each in answer.result] == [
        (0, "created", None, None), (1, "failed", "INVALID_VALUE", "v"), (2, "failed", "INVALID_EMAIL", "email"),
        (3, "failed", "INVALID_VALUE", "v")]
    ann = any_door.call("GetSubscriber", identifier={"remoteId": "1"})
    assert [(each.name, each.value) for each in ann.field] == [("FirstName", "Ann")]
    assert sorted(each.name for each in ann.interest) == ["A", "B", "News"]
    nil = any_door.post(
        '<g:ImportRows xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><g:mode>Update</g:mode>'
        "<g:column>remoteId</g:column><g:column>email</g:column><g:column>firstname</g:column>"
        '<g:row><g:v>1</g:v><g:v i:nil="1"/><g:v i:nil="true"/></g:row></g:ImportRows>', version=version)
    assert b"<updated>1<" in nil.data, nil.data
    ann = any_door.call("GetSubscriber", identifier={"remoteId": "1"})
    assert [each.value for each in ann.field if each.value] == [] and ann.email == "ann@example.org"


def test_an_unknown_column_is_a_warning(door):
    """The brand's setting decides about fields, at every door the same."""
    answer = door.call("ImportRows", mode="Add", column=["email", "Shoe"], row=rows(("ann@example.org", "42")))
    assert [each.code for each in answer.result[0].warning] == ["FIELD_UNKNOWN"]


def test_a_column_without_a_name_is_left_out(door):
    """PUSH-61: on purpose, and so without a warning."""
    answer = door.call("ImportRows", mode="Add", column=["email", "", " - "], row=rows(("ann@example.org", "a", "b")))
    assert (answer.result[0].status, answer.result[0].warning) == ("created", [])


@pytest.mark.parametrize(("columns", "code"), [
    (["FirstName"], "INVALID_REQUEST"), (["email", "E-Mail"], "INVALID_REQUEST"),
    (["email", "a", "A"], "INVALID_REQUEST"), (["email", *map(str, range(201))], "LIMIT_EXCEEDED")])
def test_columns_that_cannot_be_used(door, columns, code):
    with pytest.raises(Refused) as refused:
        door.call("ImportRows", mode="Add", column=columns, row=rows(["a"] * len(columns)))
    assert (refused.value.code, refused.value.field) == (code, "column")


def test_too_many_rows(door):
    """SOAP-75: the bulk operation is named."""
    with pytest.raises(Refused, match="StartImport") as refused:
        door.call("ImportRows", mode="Add", column=["email"], row=rows(*[["a"]] * 1001))
    assert refused.value.code == "TOO_MANY_RECORDS"


def test_a_key_makes_a_repetition_harmless(door):
    """SOAP-72."""
    call = {"mode": "Add", "column": ["email"], "row": rows(["ann@example.org"]), "clientRequestId": "k"}
    assert [door.call("ImportRows", **call).replayed for _ in range(2)] == [False, True]


def test_rows_take_about_half_the_bytes(door):
    """SOAP-40."""
    door.call("ImportRows", mode="Add", column=["remoteId", "email", "City"], row=rows(
        *[(str(i), f"a{i}@example.org", "Rome") for i in range(500)]), dryRun=True)
    rows_size = len(zeep_client().transport.last_request)
    door.call("ImportSubscribers", mode="Add", dryRun=True, record=[
        {"remoteId": str(i), "email": f"a{i}@example.org", "field": [{"name": "City", "value": "Rome"}]}
        for i in range(500)])
    assert rows_size < 0.6 * len(zeep_client().transport.last_request)

