"""The published document."""

import os
import subprocess
import sys

import pytest
from lxml import etree
from spyne import Application, Service, Unicode, rpc
from spyne.interface.wsdl import Wsdl11
from spyne.protocol.soap import Soap11

from gateway.spynekit.models import mandatory
from gateway.spynekit.protocols import build_application
from gateway.spynekit.wsdl import with_address, wsdl_document
from tests.spynekit.sample import TNS, SampleService, ours, stock
from tests.support.bp_check import WSDL, complaints

ADDRESS = "https://gateway.example.org/soap/v1"
PRINT = ("import sys; from tests.spynekit.sample import ours; from gateway.spynekit.wsdl import wsdl_document; "
         f"sys.stdout.buffer.write(wsdl_document(ours().applications['1.1'], '{ADDRESS}', doc='A service.'))")


@pytest.fixture(scope="module")
def application():
    return ours().applications["1.1"]


@pytest.fixture(scope="module")
def both(application):
    return wsdl_document(application, ADDRESS, doc="A service.")


def stock_wsdl():
    app = stock().app
    document = Wsdl11(app.interface)
    document.build_interface_document(ADDRESS)
    return document.get_interface_document()


def test_the_checker_has_no_complaint(both, application):
    """SOAP-4, SOAP-5, SOAP-6; stock Spyne's document has many."""
    assert complaints(both) == []
    assert complaints(wsdl_document(application, ADDRESS, soap12=False, doc="A service.")) == []
    found = "\n".join(complaints(stock_wsdl()))
    for rule in ("R2305", "must be called parameters", "top-level order", "soapAction is", "used by no message",
                 "declared and not used"):
        assert rule in found


def test_it_is_the_same_bytes_in_every_process(both):
    """SOAP-4; spyne.md section 2: stock orders types by memory address."""
    for seed in ("1", "2"):
        done = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, timeout=60,
                              env={**os.environ, "PYTHONHASHSEED": seed})
        assert done.stdout == both, done.stderr


def test_it_is_the_same_bytes_when_the_calls_before_differ(both, application):
    """Spyne gives a type the words of whichever member it met first; ours keeps the type's own."""
    assert wsdl_document(application, ADDRESS, doc="A service.") == both
    assert wsdl_document(ours().applications["1.2"], ADDRESS, doc="A service.") == both
    thing = etree.fromstring(both).find(".//{*}complexType[@name='Thing']/{*}annotation/{*}documentation")
    assert thing.text == "One thing of every kind."


def test_names_and_ports(both, application):
    """SOAP-4: names that no generator trips over; one service, two ports over one port type."""
    root = etree.fromstring(both)
    names = {kind: [node.get("name") for node in root.iter(f"{{{WSDL}}}{kind}")]
             for kind in ("portType", "binding", "service", "port")}
    assert names == {"portType": ["Sample"], "binding": ["SampleSoap", "SampleSoap12"],
                     "port": ["SampleSoap", "SampleSoap12"], "service": ["Sample"]}
    one = etree.fromstring(wsdl_document(application, ADDRESS, soap12=False))
    assert [node.get("name") for node in one.iterfind(".//{*}port")] == ["SampleSoap"]
    assert b"wsdl/soap12/" not in etree.tostring(one)


def test_headers_and_faults_are_declared(both):
    """SOAP-13, SOAP-85."""
    root = etree.fromstring(both)
    operations = len(root.findall("{*}portType/{*}operation"))
    for path in ("{*}binding/{*}operation/{*}input/{*}header[@part='Credentials']",
                 "{*}binding/{*}operation/{*}fault[@name='GatewayFault']"):
        assert len(root.findall(path)) == 2 * operations
    fault = root.find(".//{*}complexType[@name='GatewayFault']/{*}sequence")
    assert [child.get("name") for child in fault] == ["code", "message", "field", "requestId", "retryable", "extra"]


def test_a_named_simple_type_is_one_type(both):
    root = etree.fromstring(both)
    assert root.find(".//{*}complexType[@name='Thing']/*/{*}element[@name='code']").get("type") == "tns:Code"
    assert "Thing_codeType" not in both.decode()


def test_only_addresses_change(both):
    """SOAP-2."""
    moved = with_address(both, 'https://other.test/a?b="c"&d')
    assert moved.count(b"https://other.test/a?b=&quot;c&quot;&amp;d") == 2
    assert ADDRESS.encode() not in moved
    assert with_address(moved, ADDRESS) == both
    assert etree.fromstring(moved).find(".//{*}address").get("location") == 'https://other.test/a?b="c"&d'
    with pytest.raises(ValueError, match="no port"):
        with_address(b"<definitions/>", ADDRESS)


def test_a_backslash_in_an_address_is_no_group(both):
    assert rb"https://x/\1" in with_address(both, r"https://x/\1")


def test_a_type_of_another_namespace_is_refused():
    """interop.md 3.5: two namespaces in one document break KDSoap."""
    class Elsewhere(Service):
        @rpc(mandatory(Unicode, "x", pattern="a", type_name="Foreign"), _returns=Unicode)
        def Call(ctx, text):
            """Does nothing."""

    application = build_application([Elsewhere], tns=TNS, name="Sample")
    with pytest.raises(ValueError, match="every type must be in"):
        wsdl_document(application, ADDRESS)


def test_stock_gives_each_service_class_a_service_and_ours_one():
    """interop.md 3.10."""
    class First(Service):
        @rpc(_returns=Unicode(doc="An answer."))
        def One(ctx):
            """One."""

    class Second(Service):
        @rpc(_returns=Unicode(doc="An answer."))
        def Two(ctx):
            """Two."""

    application = Application([First, Second], TNS, "Sample", in_protocol=Soap11(), out_protocol=Soap11())
    application.transport = "http"
    document = Wsdl11(application.interface)
    document.build_interface_document(ADDRESS)
    assert document.get_interface_document().count(b"<wsdl:service ") == 2
    mine = wsdl_document(build_application([First, Second], tns=TNS, name="Sample"), ADDRESS)
    assert mine.count(b"<wsdl:service ") == 1 and mine.count(b"<wsdl:port ") == 2
    assert SampleService.__service_name__ == "Sample"
