"""Is the frozen contract of the document API what the code makes, with the names clients know? (aapi.md section 1)"""

import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from gateway.aapi import contract
from tests.support.bp_check import complaints

ROOT = Path(__file__).parents[2]
FROZEN = ROOT / "wsdl" / "aapi.wsdl"
NS = "http://partner.informz.net/aapi/2009/08/"
PREFIXES = {"w": "http://schemas.xmlsoap.org/wsdl/", "s": "http://schemas.xmlsoap.org/wsdl/soap/",
            "x": "http://www.w3.org/2001/XMLSchema"}


@pytest.fixture(scope="module")
def select():
    root = etree.parse(FROZEN).getroot()
    return lambda path: root.xpath(path, namespaces=PREFIXES)


def test_the_frozen_file_is_what_the_code_makes():
    assert contract.published() == {"aapi.wsdl": FROZEN.read_bytes()}
    assert contract.check() == [] and contract.FOLDER.resolve() == FROZEN.parent


@pytest.mark.parametrize("seed", ["0", "random"])
def test_every_run_makes_the_same_bytes(seed):
    script = "import sys; from gateway.aapi import contract; sys.stdout.buffer.write(contract.published()['aapi.wsdl'])"
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, check=True,
                         env={"PYTHONHASHSEED": seed, "PATH": ""})
    assert run.stdout == FROZEN.read_bytes()


def test_picky_generators_complain_of_nothing_but_what_the_vendor_wants():
    """The soapAction is the vendor's; the two texts and the types around them have no words of their own.

    Words in the types would keep Axis 1 from making ``String postInformzMessage(String)`` of the operation.
    """
    assert list(complaints(FROZEN.read_bytes())) == [
        f"soapAction is '{NS}IInformzWebServiceContract/PostInformzMessage'",
        "SOAP-6: complexType PostInformzMessage has no documentation", "SOAP-6: element x has no documentation",
        "SOAP-6: complexType PostInformzMessageResponse has no documentation",
        "SOAP-6: element PostInformzMessageResult has no documentation"]


def test_the_names(select):
    """Section 1.2."""
    assert select("/w:definitions/@targetNamespace") == select("//x:schema/@targetNamespace") == [NS]
    assert select("//w:portType/@name") == ["IInformzWebServiceContract"]
    assert select("//w:service/@name") == ["InformzWebService"]
    assert select("//w:portType/w:operation/@name") == ["PostInformzMessage"]
    assert select("//s:operation/@soapAction") == [f"{NS}IInformzWebServiceContract/PostInformzMessage"]
    assert select("//s:binding/@style") == ["document"] and set(select("//s:body/@use")) == {"literal"}
    for name, child in (("PostInformzMessage", "x"), ("PostInformzMessageResponse", "PostInformzMessageResult")):
        assert select(f"//x:schema/x:element[@name='{name}']/@type") == [f"tns:{name}"]
        assert select(f"//x:complexType[@name='{name}']/x:sequence/x:element/@name") == [child]
        assert select(f"//x:complexType[@name='{name}']/x:sequence/x:element/@type") == ["xs:string"]


def test_the_two_traps(select):
    """Section 1.3: .NET unwraps the call only for parts called so, and a parameterOrder would name another."""
    assert select("//w:message[w:part/@element != 'tns:InformzServiceFault']/w:part/@name") == ["parameters"] * 2
    assert select("//@parameterOrder") == []


def test_the_fault_is_declared(select):
    """Schema type and element, message, port type and binding."""
    members = select("//x:complexType[@name='InformzServiceFault']/x:sequence/x:element/@name")
    assert members == ["Code", "Message", "Reason"]
    assert select("//x:schema/x:element[@name='InformzServiceFault']/@type") == ["tns:InformzServiceFault"]
    assert select("//w:message/w:part[@element='tns:InformzServiceFault']/@name") == ["InformzServiceFault"]
    assert select("//w:portType/w:operation/w:fault/@message") == ["tns:InformzServiceFault"]
    bound = "//w:binding/w:operation/w:fault[@name='InformzServiceFault']/s:fault/@name"
    assert select(bound) == ["InformzServiceFault"]


def test_check_names_a_file_that_differs(monkeypatch, tmp_path):
    monkeypatch.setattr(contract, "FOLDER", tmp_path)
    assert contract.check() == contract.write() == ["aapi.wsdl"]
    assert contract.check() == []
    (tmp_path / "aapi.wsdl").write_bytes(b"changed")
    assert contract.check() == ["aapi.wsdl"]
    (tmp_path / "aapi.wsdl").unlink()
    with pytest.raises(FileNotFoundError):
        contract.documents("https://example.org")
