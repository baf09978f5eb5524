"""Does the bridge to SOAP services cope with what hostile ones could do?"""

import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest

from gateway.bridges.port import Outage, Refused
from gateway.bridges.soap import documents, reading
from tests.bridges.test_soap import ITEM, answering, listed, members
from tests.support.soap_ams import PASSWORD, SoapAms
from tests.support.soap_wsdl import SOAP11, TNS, wsdl

LAUGHS = "".join(f'<!ENTITY {name} "{f"&{before};" * 50}">' for before, name in zip("abcdef", "bcdefg", strict=True))
DOCTYPES = {"laughs": f'<!DOCTYPE x [<!ENTITY a "ha">{LAUGHS}]>', "file": '<!DOCTYPE x [<!ENTITY g SYSTEM "file:///etc/hosts">]>',
            "web": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', "plain": "<!DOCTYPE x>"}
DEEP = "<a>" * 70 + "</a>" * 70
OTHER = "http://127.0.0.1:9"
HOME = '<xs:complexType name="Home">'


@pytest.fixture
def ams():
    with closing(SoapAms()) as made:
        made.put("17", "ann@example.org")
        yield made


def with_wsdl(ams, body, path="/own?wsdl"):
    """A bridge to a service whose WSDL is this."""
    ams.documents[path] = body if callable(body) else body.encode() if isinstance(body, str) else body
    return ams.bridge(wsdl=ams.origin + path)


def changed(ams, old, new):
    whole = wsdl(ams.variant, ams.service).decode()
    assert old in whole
    return whole.replace(old, new, 1)


def enveloped(inner, before=""):
    return f'{before}<s:Envelope xmlns:s="{SOAP11}"><s:Body>{inner}</s:Body></s:Envelope>'.encode()


NONE = enveloped(f'<GetMembersResponse xmlns="{TNS}"/>')


@pytest.mark.parametrize("doctype", DOCTYPES)
def test_a_document_type_is_never_read(ams, doctype):
    """Billions of laughs, external entities: neither in an answer nor in a WSDL."""
    inner = "&g;" if doctype in ("laughs", "file") else ""
    body = enveloped(f'<GetMembersResponse xmlns="{TNS}">{inner}</GetMembersResponse>', DOCTYPES[doctype])
    ams.tricks = [lambda handler: handler.raw(200, body) or True]
    with pytest.raises(Outage) as caught:
        listed(ams)
    assert "document type" in str(caught.value)
    with closing(with_wsdl(ams, changed(ams, "<w:definitions", DOCTYPES[doctype] + "<w:definitions"))) as bridge:
        with pytest.raises(Outage):
            bridge.check()


@pytest.mark.parametrize(("body", "error"), [
    (enveloped(f'<GetMembersResponse xmlns="{TNS}"><Member>{DEEP}</Member></GetMembersResponse>'), Refused),
    (enveloped("<a>" * 5000 + "</a>" * 5000), Refused), (enveloped("<a/>" * 6000), Refused),
    (enveloped("<a " + " ".join(f'a{n}="1"' for n in range(5001)) + "/>"), Refused),
    (b" " * (17 << 20), Refused), (enveloped("<a/>")[:-3], Outage), (enveloped("<Member>&#0;</Member>"), Outage),
    (enveloped(""), Outage), (enveloped("<Other/>"), Outage), (b"", Outage), (b"<a/>", Outage), (b"{}", Outage),
    (b"\xff\xfe", Outage), (b"<?xml version='1.0' encoding='x-none'?><a/>", Outage), (b"<s:Envelope/>", Outage)],
    ids=["deep", "deeper", "many", "attributes", "large", "cut", "letter", "empty body", "other", "nothing",
         "no envelope", "json", "bytes", "encoding", "prefix"])
def test_an_answer_that_is_none_or_too_much(ams, body, error, monkeypatch):
    monkeypatch.setattr(reading, "MAX_ELEMENTS", 5000)
    ams.tricks = [lambda handler: handler.raw(200, body) or True]
    with pytest.raises(error):
        listed(ams)


def test_an_answer_of_fifty_megabytes_is_not_read_to_its_end(ams):
    """Nor one that unfolds to any size."""
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/xml")
        handler.end_headers()
        for _ in range(800):
            handler.wfile.write(b" " * 65536)
        return True

    ams.tricks = [endless]
    with pytest.raises(Refused) as caught:
        listed(ams)
    assert "MB" in str(caught.value)
    ams.tricks = [lambda handler: handler.raw(200, b"x", Content_Encoding="gzip") or True]
    with pytest.raises(Refused):
        listed(ams)


@pytest.mark.parametrize("kind", ["text/html", "application/json", "multipart/related; boundary=x", "image/png"])
def test_something_else_than_xml_is_an_outage(ams, kind):
    """The page of a web server that is being mended, or of a login."""
    ams.tricks = [lambda handler: handler.raw(200, NONE, Content_Type=kind) or True]
    with pytest.raises(Outage):
        listed(ams)
    ams.tricks = [lambda handler: handler.raw(200, b"<html>login</html>", Content_Type=kind) or True]
    with closing(ams.bridge()) as bridge, pytest.raises(Outage):
        bridge.write_back(ITEM)


@pytest.mark.parametrize("schema", [
    '<xs:sequence maxOccurs="unbounded"><xs:element name="a" type="xs:string" minOccurs="0"/></xs:sequence>',
    '<xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="a" type="xs:string"/>'
    '<xs:element name="b" type="xs:string"/></xs:choice>'], ids=["sequence", "choice"])
def test_a_schema_that_makes_a_reader_go_round_for_ever_does_not(ams, schema):
    """Answers are read without it: zeep's own reader fills the memory with one, takes hours with the other."""
    types = changed(ams, '<xs:complexType name="Home">', f'<xs:complexType name="Loop">{schema}</xs:complexType>'
                    '<xs:complexType name="Home">').replace('type="tns:Member"', 'type="tns:Loop"')
    ams.tricks = [members("<Member>" + "<b/>" * 20_000 + "</Member>")]
    members_of = {**ams.config["members"], "paging": None, "arguments": {}, "since": None}
    ams.documents["/own?wsdl"] = types.encode()
    found = listed(ams, wsdl=f"{ams.origin}/own?wsdl", members=members_of)
    assert [member.remote_id for member in found] == [None]


@pytest.mark.parametrize(("old", "new"), [
    (HOME, f'<xs:import namespace="urn:x" schemaLocation="{OTHER}/x.xsd"/>{HOME}'),
    (HOME, f'<xs:include schemaLocation="file:///etc/hosts"/>{HOME}'),
    (HOME, f'<xs:include schemaLocation="/etc/hosts"/>{HOME}'),
    ("<w:types>", f'<w:import namespace="urn:x" location="{OTHER}/x.wsdl"/><w:types>'),
    ("<w:types>", '<w:import namespace="urn:x" location="file:///etc/hosts"/><w:types>'),
    ("http://127.0.0.1", "http://localhost"), ("http://127.0.0.1", "https://127.0.0.1"),
    ("/wrapped/service", "0/service"), ('location="http', 'location="file')])
def test_neither_imports_nor_the_endpoint_lead_to_another_place(ams, old, new):
    """Credentials are sent to the WSDL's own origin only, and nothing is fetched from elsewhere."""
    with closing(with_wsdl(ams, changed(ams, old, new))) as bridge, pytest.raises((Refused, Outage)):
        bridge.check()
    assert ams.asked == [] and all("hosts" not in path or path == "/etc/hosts" for path in ams.loaded)


def test_a_wsdl_in_a_file_imports_nothing_from_outside_of_its_folder(ams, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.xsd").write_text("<x/>")
    (tmp_path / "in" / "link.xsd").symlink_to(tmp_path / "out.xsd")
    places = ("../out.xsd", "link.xsd", "/etc/hosts", "file:///etc/hosts", f"{ams.origin}/x.xsd")
    for number, where in enumerate(places):
        path = tmp_path / "in" / f"{number}.wsdl"
        path.write_text(changed(ams, HOME, f'<xs:include schemaLocation="{where}"/>{HOME}'))
        with closing(ams.bridge(wsdl=str(path))) as bridge, pytest.raises(Refused) as caught:
            bridge.check()
        assert str(tmp_path) not in str(caught.value)
    assert ams.loaded == []


def test_imports_without_an_end_and_schemas_that_come_to_too_much(ams):
    """Each part is another address; thirty groups of two come to a billion elements, as do types that extend one."""
    def part(handler):
        number = int(handler.path.partition("=")[2] or 0)
        other = f'<xs:import namespace="urn:{number + 1}" schemaLocation="part?n={number + 1}"/>'
        handler.raw(200, f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:{number}">'
                         f"{other}</xs:schema>".encode())
        return True

    for number in range(60):
        ams.documents[f"/part?n={number}"] = part
    twice = "".join(f'<xs:group name="g{n}"><xs:sequence><xs:group ref="tns:g{n + 1}"/><xs:group ref="tns:g{n + 1}"/>'
                    "</xs:sequence></xs:group>" for n in range(29)) + '<xs:group name="g29"><xs:sequence/></xs:group>'
    for new in ('<xs:import namespace="urn:0" schemaLocation="part?n=0"/>',
                twice,
                '<xs:group name="g"><xs:sequence><xs:group ref="tns:g"/></xs:sequence></xs:group>',
                '<xs:complexType name="Base"><xs:sequence>' + '<xs:element name="e" type="xs:string"/>' * 3000
                + "</xs:sequence></xs:complexType>" + "".join(
                    f'<xs:complexType name="D{n}"><xs:complexContent><xs:extension base="tns:Base"><xs:sequence>'
                    '<xs:element name="x"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
                    for n in range(300))):
        with closing(with_wsdl(ams, changed(ams, HOME, new + HOME))) as bridge, pytest.raises(Refused):
            bridge.check()
    assert len(ams.loaded) <= documents.MAX_DOCUMENTS + 4
    ams.documents["/loop.xsd"] = (f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{TNS}">'
                                  '<xs:include schemaLocation="loop.xsd"/></xs:schema>').encode()
    looped = changed(ams, HOME, f'<xs:include schemaLocation="loop.xsd"/>{HOME}')
    with closing(with_wsdl(ams, looped, "/again?wsdl")) as bridge:
        bridge.check()  # each file once


@pytest.mark.parametrize("body", [
    b"", b"<html>mending</html>", b"<a/>", b"{}", b"\0", b"<w:definitions/>", enveloped("<a/>"),
    b'<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/"/>',
    b'<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/"><w:binding/><w:service/></w:definitions>'])
def test_a_wsdl_that_is_none_is_an_outage_or_refused(ams, body):
    with closing(with_wsdl(ams, body)) as bridge, pytest.raises((Outage, Refused)) as caught:
        bridge.write_back(ITEM)
    assert "127.0.0.1" not in str(caught.value) and ams.asked == []


def test_a_wsdl_of_too_much_is_refused(ams, monkeypatch):
    monkeypatch.setattr(documents, "MAX_ELEMENTS", 100)
    with closing(ams.bridge(timeout_s=9)) as bridge, pytest.raises(Refused):
        bridge.check()
    with closing(with_wsdl(ams, b"<a>" + b"<b/>" * 1000)) as bridge, pytest.raises((Outage, Refused)):
        bridge.check()


@pytest.mark.parametrize("where", [f"{OTHER}/x", "//127.0.0.1:9/x", "https://127.0.0.1/x", "file:///etc/hosts", "http://[x",
                                   "http://evil\\@127.0.0.1:9/"])
def test_a_redirect_leads_to_no_other_system(ams, where):
    """What answers could otherwise make us send the password elsewhere."""
    ams.tricks = [lambda handler: handler.raw(307, b"", Location=where) or True]
    with pytest.raises(Refused):
        listed(ams)
    assert len(ams.asked) == 1
    with closing(with_wsdl(ams, lambda handler: handler.raw(302, b"", Location=where))) as bridge:
        with pytest.raises(Refused):
            bridge.check()


def test_redirects_within_the_system_are_followed_but_a_call_only_where_it_stays_one(ams):
    ams.tricks = [lambda handler: handler.raw(308, b"", Location="/wrapped/service") or True]
    assert len(listed(ams)) == 1
    for status in (302, 303):
        ams.tricks = [lambda handler, status=status: handler.raw(status, b"", Location="/wrapped/service") or True]
        with pytest.raises(Refused):
            listed(ams)
    ams.tricks = [lambda handler: handler.raw(307, b"", Location="/wrapped/service") or True] * 9
    with pytest.raises(Refused):
        listed(ams)
    ams.documents["/there?wsdl"] = wsdl(ams.variant, ams.service)
    with closing(with_wsdl(ams, lambda handler: handler.raw(302, b"", Location="/there?wsdl"))) as bridge:
        bridge.check()


@contextmanager
def trickling(start):
    """A server that sends this and then a byte at a time."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def trickle():
            with listener.accept()[0] as sock:
                sock.recv(1 << 16)
                sock.sendall(start)
                try:
                    while not over.wait(0.05):
                        sock.sendall(b" ")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            over.set()
            thread.join(60)


def test_what_trickles_is_given_up_in_time(ams):
    """A limit of a socket begins anew with every byte; ours does not: for an answer and for a WSDL."""
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 9999\r\n\r\n<a>"
    for key in ("endpoint", "wsdl"):
        with trickling(start) as url, closing(ams.bridge(timeout_s=1, **{key: url})) as bridge:
            began = time.monotonic()
            with pytest.raises(Outage) as caught:
                list(bridge.changed_since(None))
            assert time.monotonic() - began < 30 and "in time" in str(caught.value)
    with trickling(start) as url, closing(ams.bridge(wsdl=url)) as bridge:
        began = time.monotonic()
        with pytest.raises(Outage):
            bridge.fetch(["17"], ["FirstName"], 0.5)
        assert time.monotonic() - began < 30


def test_what_breaks_off_is_an_outage(ams):
    def half(handler):
        handler.raw(200, b"<s:Envelope", Content_Length="4000")
        handler.close_connection = True
        return True

    for trick in (half, lambda handler: setattr(handler, "close_connection", True) or True):
        ams.tricks = [trick]
        with pytest.raises(Outage):
            listed(ams)
        ams.tricks = [trick]
        with closing(ams.bridge()) as bridge, pytest.raises(Outage):
            bridge.write_back(ITEM)


def test_a_list_waits_as_long_as_a_busy_system_asks_for(ams):
    ams.put_many(3)
    busy = lambda wait: lambda handler: handler.raw(503, b"", Retry_After=wait) or True  # noqa: E731
    ams.tricks = [busy("0"), lambda handler: False, busy("0")]
    assert len(listed(ams)) == 4
    for tricks in ([busy("0")] * 6, [busy("86400")]):
        ams.tricks = tricks
        with pytest.raises(Outage):
            listed(ams)


def test_the_environment_and_cookies_are_not_heeded(ams, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", OTHER)
    ams.tricks = [lambda handler: handler.raw(200, NONE, Set_Cookie="a=b") or True]
    with closing(ams.bridge()) as bridge:
        bridge.check()
        bridge.check()
    assert "Cookie" not in ams.headers[-1]


def test_a_fault_shows_no_secret_even_as_its_code(ams):
    for code in (PASSWORD, "gateway ann@example.org", "x" * 100):
        fault = f"<faultcode>{code}</faultcode><faultstring>{PASSWORD}</faultstring>"
        ams.tricks = [answering(f"<s:Fault>{fault}</s:Fault>", 500)]
        with closing(ams.bridge()) as bridge, pytest.raises(Refused) as caught:
            bridge.write_back(ITEM)
        assert code not in str(caught.value) and caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_reading_is_flat_where_it_only_counts():
    assert reading.count(b"<a b='1'><c/></a>") == 3
