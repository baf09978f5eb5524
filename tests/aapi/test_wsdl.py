"""What does the door show of its contract, and what do clients make of it? (aapi.md sections 1.1, 1.3)"""

from pathlib import Path

import pytest
import zeep
from lxml import etree
from werkzeug.test import Client

from gateway import doors
from gateway.aapi import contract
from tests.aapi.door import NS, PATH, enveloped, inner_document, read_fault
from tests.support.world import World
from tests.support.wsgi_transport import WsgiTransport

FROZEN = Path(__file__).parents[2] / "wsdl" / "aapi.wsdl"
PUBLIC_URL = "https://mail.example.com/gw"
XS = "{http://www.w3.org/2001/XMLSchema}"


@pytest.fixture
def browser(sqlite_url, tmp_path):
    """The whole installation's addresses."""
    with World(sqlite_url, public_url=PUBLIC_URL, data_dir=tmp_path) as world:
        yield Client(doors.wsgi(world.gateway))


@pytest.mark.parametrize("path", [PATH, "/AAPI/InformzService.svc", "/aapi/informzservice.SVC", "/Aapi"])
@pytest.mark.parametrize("query", ["wsdl", "WSDL", "singleWsdl", "singlewsdl"])
def test_the_frozen_file_with_another_address(browser, path, query):
    """Whatever the case, and whatever host is asked for."""
    answer = browser.get(path, query_string=query, headers={"Host": "evil.example"})
    assert answer.status_code == 200 and answer.content_type == "text/xml; charset=utf-8"
    assert answer.data == FROZEN.read_bytes().replace(contract.PLACEHOLDER.encode(), f"{PUBLIC_URL}{PATH}".encode())


def test_the_schema_alone(browser):
    answer = browser.get(PATH, query_string="xsd=xsd0")
    schema = etree.fromstring(answer.data)
    assert answer.status_code == 200 and schema.tag == f"{XS}schema" and schema.get("targetNamespace") == NS
    valid = etree.XMLSchema(schema)
    message = etree.fromstring(enveloped("hello"))
    assert valid.validate(message[0][0])


def test_help_in_any_case_and_refusals_in_one_dialect(browser):
    for path in (PATH, "/AAPI/INFORMZSERVICE.SVC", "/aapi/"):
        answer = browser.get(path)
        assert answer.status_code == 200 and answer.content_type.startswith("text/html")
        assert f"{PUBLIC_URL}{PATH}?wsdl".encode() in answer.data
    for path in (PATH, "/AAPI/x"):
        assert read_fault(browser.post(path, data=b"x", content_type="text/plain")).code == "InvalidMessageException"
    assert browser.get("/aapix").status_code == 404


def test_zeep_calls_it_with_the_names_of_the_contract(door, echo):
    """string PostInformzMessage(string x), and the declared fault."""
    door.user("sender")
    transport = WsgiTransport(door.app)
    client = zeep.Client(str(FROZEN), transport=transport)
    service = client.create_service(f"{{{NS}}}BasicHttpBinding_IInformzWebServiceContract", f"http://gateway{PATH}")
    told = service.PostInformzMessage(x=inner_document("ActionRequest", "Actions", "<Echo>h\u00e9llo &amp; so</Echo>"))
    assert told.startswith('<?xml version="1.0" encoding="utf-16"?><ActionResponse ') and "h\u00e9llo &amp; so" in told
    with pytest.raises(zeep.exceptions.Fault) as refused:
        service.PostInformzMessage(x="<GridRequest/>")
    assert refused.value.detail[0].tag == f"{{{NS}}}InformzServiceFault"
    assert refused.value.detail[0][0].text == "NoNameSpaceSpecifiedException"
