"""The server noun, and what the address does besides calls."""

import datetime as dt

import pytest

from gateway import __version__
from gateway.soap.server import OPERATIONS


def test_get_version(door, version):
    """SOAP-36, SOAP-17: no credentials needed."""
    answer = door.call("GetVersion", user=None, version=version)
    assert (answer.product, answer.contract) == (__version__, "v1")
    assert answer.operation == [each.name for each in OPERATIONS] and len(answer.operation) == 21


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
