"""Does the door open, and for whom? (aapi.md section 1.1)"""

import pytest

from gateway.aapi.contract import PATH
from tests.aapi.door import NS, SOAP, enveloped, inner_document, read_fault

UNKNOWN = inner_document("ActionRequest", "Actions", "<Nonsense/>")


def test_a_get_without_a_query_shows_a_page_of_help(door):
    answer = door.browser.get(PATH)
    assert answer.status_code == 200 and answer.content_type == "text/html; charset=utf-8"
    assert f"http://127.0.0.1:8080{PATH}?wsdl" in answer.text


@pytest.mark.parametrize("action", [f'"{NS}IInformzWebServiceContract/Other"', "x", "", '""', None])
def test_the_body_element_is_what_counts_and_never_the_soapaction(door, action):
    """Section 1.1: quoted, unquoted, empty or absent."""
    door.user("sender")
    headers = {} if action is None else {"SOAPAction": action}
    assert read_fault(door.post(UNKNOWN, headers=headers)).code == "UnknownActionException"


def test_an_empty_header_and_blanks_around_x_pass(door):
    door.user("sender")
    message = enveloped(UNKNOWN).replace(b"<soap:Body>", b"<soap:Header/>\r\n <soap:Body>\n ")
    message = message.replace(b"<x>", b"\n  <x>").replace(b"</x>", b"</x>\n ")
    assert read_fault(door.raw(message)).code == "UnknownActionException"


def test_another_namespace_is_refused_by_the_soap_stack_alone(door):
    """Section 8: a client fault without an InformzServiceFault."""
    fault = read_fault(door.raw(enveloped(UNKNOWN).replace(b"partner.informz.net", b"example.org")))
    assert (fault.side, fault.code) == ("Client", None)


def test_soap_1_2_is_not_spoken_here(door):
    fault = read_fault(door.raw(enveloped(UNKNOWN), content_type="application/soap+xml"))
    assert fault.code == "InvalidMessageException"
    other = enveloped(UNKNOWN).replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope")
    assert read_fault(door.raw(other)).side == "VersionMismatch"


@pytest.mark.parametrize("change", [
    (b"<x>", b'<x xsi:type="s:string" xmlns:s="http://www.w3.org/2001/XMLSchema" '
             b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'),
    (b"<x>", b"<x><!-- as some write it -->"), (b"<x>", b"<?stylesheet x?>\n<x>"),
    (b"<soap:Envelope ", b"\xef\xbb\xbf<soap:Envelope "),
    (b"<soap:Envelope ", b'<?xml version="1.0" encoding="utf-8"?>\n<soap:Envelope ')])
def test_other_ways_to_write_the_envelope(door, change):
    """A declared type, comments, a byte order mark: what the envelope says is the same."""
    door.user("sender")
    assert read_fault(door.raw(enveloped(UNKNOWN).replace(*change, 1))).code == "UnknownActionException"


def test_a_document_as_cdata_and_in_utf_16(door):
    door.user("sender")
    message = enveloped("DOCUMENT").replace(b"DOCUMENT", f"<![CDATA[{UNKNOWN}]]>".encode())
    assert read_fault(door.raw(message)).code == "UnknownActionException"
    wide = message.decode().encode("utf-16")
    assert read_fault(door.raw(wide, content_type="text/xml; charset=utf-16")).code == "UnknownActionException"
