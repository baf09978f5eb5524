"""A generated client of the kit's WSDL, in this process."""

import datetime as dt

import pytest
import zeep
from zeep.wsse.username import UsernameToken

from gateway.spynekit.wsdl import wsdl_document
from tests.spynekit.sample import TNS, ours
from tests.support.soap_fault import read_fault
from tests.support.wsgi_transport import WsgiTransport

ADDRESS = "http://gateway.test/soap"
CREDENTIALS = {"userName": "ann", "password": "secret"}


@pytest.fixture(params=["SampleSoap", "SampleSoap12"])
def caller(request):
    """A strict zeep client on each port, and its transport."""
    app = ours()
    app.documents["wsdl"] = wsdl_document(app.applications["1.1"], ADDRESS)
    transport = WsgiTransport(app)
    client = zeep.Client(f"{ADDRESS}?wsdl", transport=transport)
    return client.bind("Sample", request.param), transport, client


def test_values_there_and_headers(caller):
    """SOAP-13, SOAP-29: what zeep sends is understood."""
    service, _, _ = caller
    thing = {"text": "\u00e9 & <", "flag": True, "blob": b"\0\1", "colour": "Green", "number": 7,
             "at": dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC), "day": dt.date(2026, 1, 31)}
    answer = service.Echo(thing=[thing, {}], _soapheaders={"Credentials": CREDENTIALS})
    assert answer.caller == "ann" and answer.extra == []
    assert "\u00e9 & <" in answer.seen and "'Green'" in answer.seen and r"(b'\x00\x01',)" in answer.seen


def test_empty_calls_bulk_and_raw_answers(caller):
    """Void operations, hand decoding and ready bytes look the same to a client."""
    service, transport, _ = caller
    service.Ping()
    assert service.Bulk(thing=[{"text": "a"}, {"text": "b"}]) == 2
    assert service.Report(thing=[{}, {}, {}]) == 3
    assert transport.last_answer.headers["X-Request-Id"]


def test_a_fault_arrives_with_its_code(caller):
    """SOAP-85."""
    service, transport, _ = caller
    with pytest.raises(zeep.exceptions.Fault) as caught:
        service.Raise(kind="NOT_FOUND")
    assert "nothing of this id" in caught.value.message
    told = read_fault(transport.last_answer.content, TNS)
    assert (told.code, told.field) == ("NOT_FOUND", "kind")
    if caught.value.subcodes:
        assert str(caught.value.subcodes[0]) == f"{{{TNS}}}NOT_FOUND"


def test_a_username_token_is_a_known_header(caller):
    """SOAP-9, SOAP-14."""
    service, _, client = caller
    client.wsse = UsernameToken("1/ann", "secret")
    service.Ping()
