"""The server noun, and what the address does besides calls."""

import datetime as dt

import pytest

from gateway import __version__
from gateway.soap.server import OPERATIONS
from tests.soap.door import Refused


def test_get_version(door, version):
    """SOAP-36, SOAP-17: no credentials needed."""
    answer = door.call("GetVersion", user=None, version=version)
    assert (answer.product, answer.contract) == (__version__, "v1")
    assert answer.operation == [each.name for each in OPERATIONS] and len(answer.operation) == 57


def test_get_server_time(door, clock, version):
    """SOAP-37, SOAP-29: UTC with Z and three digits."""
    answer = door.call("GetServerTime", user=None, version=version)
    assert answer.now == clock() and answer.now.utcoffset() == dt.timedelta(0)
    assert b"<now>2026-01-15T12:00:00.000Z</now>" in door.last_answer.content


def test_wrong_credentials_do_not_matter_where_none_are_needed(door):
    """SOAP-17: a monitor with an old password still sees that we live."""
    answer = door.post("<g:GetVersion/>", headers={"Authorization": "Basic MTpudWxs"})
    assert answer.status_code == 200


def test_the_operation_is_the_body_element_whatever_soapaction_says(door):
    """SOAP-8."""
    answer = door.post("<g:GetVersion/>", user=None, headers={"SOAPAction": '"urn:gateway:v1/GetServerTime"'})
    assert b"GetVersionResponse" in answer.data


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(door, method):
    """SOAP-7, SOAP-10: 405 with a fault in it."""
    answer = getattr(door.browser, method)("/soap/v1")
    assert answer.status_code == 405 and door.refusal(answer).code == "METHOD_NOT_ALLOWED"


def test_describe_fields(door, version):
    """SOAP-38, ID-3: what a record may hold, what people call it, and the limits in force."""
    door.version = version
    door.world.add_field("Shoe", "text")
    answer = door.call("DescribeFields", user="reader")
    by_name = {each.name: each for each in answer.field}
    assert [each.name for each in answer.field][:3] == ["remoteId", "email", "doNotEmail"]
    assert (by_name["remoteId"].label, by_name["remoteId"].source, by_name["remoteId"].maxLength) == (
        "remote ID", "integration:api", 255)
    assert (by_name["Shoe"].type, by_name["Shoe"].maxLength, by_name["Shoe"].source, by_name["Shoe"].storage) == (
        "text", 4000, "local", "stored")
    assert by_name["Birthday"].type == "date"
    limits = {each.name: each.value for each in answer.limit}
    assert (limits["recordsPerCall"], limits["emailLength"], answer.unknownField) == (1000, 254, "warn")
    assert "Shoe" not in {each.name for each in door.call("DescribeFields", brand=2).field}
    with door.gateway.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE integration SET identity = 'imis_legacy' WHERE brand_id = 1")
    assert door.call("DescribeFields", integration="api").field[0].label == "iMIS ID"
    with pytest.raises(Refused, match="NOT_FOUND"):
        door.call("DescribeFields", integration="nobody", user="admin")
