"""A body of any length in flat memory, with the same checks as any other. (SOAP-41, SOAP-74..82)"""

import gc
import gzip
import io
import itertools
import time

import pytest
from spyne import Service
from spyne.model.primitive import Boolean, Unicode

from gateway.errors import GatewayError
from gateway.spynekit import transport
from gateway.spynekit.cutter import PIECE_BYTES, Cutter, first_entry
from gateway.spynekit.limits import Limits
from gateway.spynekit.models import list_of, mandatory, optional
from gateway.spynekit.stream import LOOK_AHEAD_BYTES, Stream, operation_of, to_utf8
from gateway.spynekit.wsgi import SoapEndpoint
from tests.spynekit.sample import E11, E12, TNS, TYPES, Credentials, Outcome, envelope, send, v
from tests.support.soap_fault import read_fault


class Drop(v.Record):
    """One of many."""

    text = optional(Unicode, "Any text.")
    flag = optional(Boolean, "Yes or no.")


class PourRequest(v.Record):
    label = mandatory(Unicode, "What is poured.", max_len=5)
    note = list_of(Unicode, "An option.")
    drop = list_of(Drop, "A drop.")
    line = list_of(Unicode, "A piece of text.")


class PourAnswer(v.Record):
    seen = mandatory(Unicode, "What came.")


class Poured:
    """What the operation kept, and whether it reached the end."""

    texts: list = []
    finished = False


class StreamService(Service):
    __service_name__ = "Stream"
    __in_header__ = Credentials

    @v.operation(PourRequest, PourAnswer)
    def Pour(ctx, request):
        """Takes it all."""
        if ctx.in_header is None:
            raise GatewayError("NOT_AUTHENTICATED")
        stream = ctx.udc.stream
        for element in stream:
            Poured.texts.append(element.findtext(f"{{{TNS}}}text") if len(element) else element.text)
        Poured.finished = True
        return PourAnswer(seen=f"{request.label} {stream.member} {stream.count}")

    @v.operation(None, None)
    def Ping(ctx, request):
        """Does nothing."""


HEADER = "<t:Credentials><t:userName>u</t:userName><t:password>p</t:password></t:Credentials>"
DROP = "<t:drop><t:text>a</t:text></t:drop>"


@pytest.fixture(scope="module")
def endpoint():
    return make()


@pytest.fixture(autouse=True)
def nothing_poured():
    nothing()


def nothing():
    Poured.texts, Poured.finished = [], False


def make(**limits):
    return SoapEndpoint([StreamService], tns=TNS, name="Stream", realm="sample",
                        limits=Limits(**{"body_bytes": 100_000, **limits}), streamed={"Pour": ("drop", "line")})


def pour(data, options="<t:label>x</t:label>", header=HEADER, version=E11):
    return envelope(f"<t:Pour>{options}{data}</t:Pour>", header, version)


def told(endpoint, text, **options):
    answer = send(endpoint, text if isinstance(text, bytes) else text.encode(), **options)
    assert answer.uncaught is None and not answer.accepted, answer
    return read_fault(answer.body, TNS)


@pytest.mark.parametrize("version", [E11, E12])
@pytest.mark.parametrize("count", [0, 1, 2, 30_000])
def test_all_of_it_comes_in_order(endpoint, version, count):
    """SOAP-41: also far above the size that other operations take."""
    data = "".join(f"<t:drop><t:text>{i}</t:text></t:drop>\n" for i in range(count))
    answer = send(endpoint, pour(data, version=version).encode(), TYPES[version])
    assert answer.accepted, answer
    assert f"x {'drop' if count else None} {count}".encode() in answer.body
    assert Poured.texts == [str(i) for i in range(count)] and Poured.finished


def test_texts_and_options(endpoint):
    text = "ä" * 300_000
    options = "<t:label>x</t:label><t:note>n</t:note>"
    answer = send(endpoint, pour(f"<t:line>{text}</t:line><t:line/>", options).encode())
    assert answer.accepted and Poured.texts == [text, None]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252", "utf-8-sig"])
def test_every_charset(endpoint, charset):
    """SOAP-11."""
    data = "<t:drop><t:text>Käse</t:text></t:drop>" * 9000
    name = {"utf-8-sig": "utf-8"}.get(charset, charset.replace("-le", "le").replace("-be", "be"))
    body = pour(data).encode(charset)
    assert send(endpoint, body, f"text/xml; charset={name}").accepted
    assert set(Poured.texts) == {"Käse"} and len(Poured.texts) == 9000
    assert send(endpoint, f'<?xml version="1.0" encoding="{charset}"?>'.encode() + pour(data).encode(charset),
                "text/xml").accepted is (charset in ("iso-8859-1", "windows-1252"))


def test_gzip_and_chunked(endpoint):
    """SOAP-11, SOAP-74: gzip is inflated on the way; a body without length is read to its end."""
    body = pour(DROP * 50_000).encode()
    packed = gzip.compress(body[:200_000]) + gzip.compress(body[200_000:])
    answer = send(endpoint, packed, headers={"Content-Encoding": "gzip"})
    assert answer.accepted, answer
    assert len(Poured.texts) == 50_000
    Poured.texts = []
    assert chunked(endpoint, body).accepted
    assert len(Poured.texts) == 50_000
    for bad in (packed[:-9], packed + b"x"):
        nothing()
        assert told(endpoint, bad, headers={"Content-Encoding": "gzip"}).code == "INVALID_VALUE"
        assert not Poured.finished


def chunked(endpoint, body):
    """A body without Content-Length that comes in little blocks."""
    class Input(io.BytesIO):
        def read(self, size):
            return super().read(min(size, 777))

    seen = []
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": TYPES[E11], "wsgi.input": Input(body)}
    body = b"".join(endpoint(environ, lambda status, headers: seen.append(int(status[:3]))))
    return Outcome(seen[0], body)


@pytest.mark.parametrize(("packed", "size"), [(False, 400_001), (True, 400_001)])
def test_too_large(packed, size):
    """SOAP-74: as sent and as inflated."""
    endpoint = make(stream_bytes=400_000)
    body = pour(DROP * 1000 + " " * size).encode()
    headers = {"Content-Encoding": "gzip"} if packed else None
    assert told(endpoint, gzip.compress(body) if packed else body, headers=headers).code == "TOO_LARGE"
    assert not Poured.finished


def test_other_operations_keep_their_limit(endpoint):
    """SOAP-74: also when the name of the streamed one stands in them."""
    assert told(endpoint, envelope("<t:Ping/><!--Pour-->" + " " * 200_000)).code == "TOO_LARGE"
    assert send(endpoint, envelope("<t:Ping/><!--<t:Pour>-->").encode()).accepted


def test_nothing_is_read_without_credentials(endpoint):
    """SOAP-17: the header comes first; the data is not looked at before."""
    for text in (pour(DROP * 20_000 + "<broken", header=""), pour("<t:bad/>", header="")):
        assert told(endpoint, text[:-10] if "broken" not in text else text).code in ("NOT_AUTHENTICATED",
                                                                                     "MALFORMED_REQUEST")
        assert Poured.texts == []


DATA_FAULTS = {
    "in a later piece": (DROP * 20_000 + "<t:drop><t:flag>maybe</t:flag></t:drop>" + DROP, "INVALID_REQUEST",
                         "Pour/drop[20001]/flag"),
    "in the first": ("<t:drop><t:flag>maybe</t:flag></t:drop>", "INVALID_REQUEST", "Pour/drop/flag"),
    "an option late": (DROP * 20_000 + "<t:note>n</t:note>", "INVALID_REQUEST", "Pour/note"),
    "both kinds": (DROP * 20_000 + "<t:line>n</t:line>", "INVALID_REQUEST", "line"),
    "the other order": ("<t:line>n</t:line>" + DROP, "INVALID_REQUEST", "Pour/drop"),
    "text between": (DROP + "text" + DROP, "INVALID_REQUEST", "Pour"),
    "unknown": (DROP + "<t:rain/>", "INVALID_REQUEST", "Pour/rain"),
    "other namespace": (DROP + '<drop xmlns="urn:x"/>', "INVALID_REQUEST", "Pour/drop"),
    "second entry": (DROP + "</t:Pour><t:Pour>", "INVALID_REQUEST", None),
    "text after": (DROP + "</t:Pour>text<t:Pour>", "INVALID_REQUEST", None),
    "header after": (DROP + "</t:Pour></s:Body><s:Header/><s:Body><t:Pour>", "INVALID_REQUEST", None),
    "not well-formed": (DROP * 20_000 + "<t:drop><t:text></t:drop>", "MALFORMED_REQUEST", None),
    "cut off": (DROP * 20_000 + "<!--", "MALFORMED_REQUEST", None),
    "NUL": (DROP * 20_000 + "\0", "MALFORMED_REQUEST", None),
    "entity": (DROP * 20_000 + "&a;", "MALFORMED_REQUEST", None),
    "deep": (DROP * 20_000 + "<t:drop>" * 100, "MALFORMED_REQUEST", None),
    "attributes": (DROP * 20_000 + "<t:drop " + " ".join(f"a{i}=''" for i in range(17)) + "/>", "MALFORMED_REQUEST",
                   None),
    "an attribute": (DROP + "<t:drop a=''/>", "INVALID_REQUEST", "Pour/drop[2]"),
    "namespaces": (DROP * 20_000 + "<t:drop " + " ".join(f"xmlns:a{i}='u'" for i in range(70)) + "/>",
                   "MALFORMED_REQUEST", None),
    "long name": (DROP * 20_000 + f"<{'a' * 1025}/>", "MALFORMED_REQUEST", None),
    "long namespace": (DROP * 20_000 + f"<a xmlns='{'a' * 1025}'/>", "MALFORMED_REQUEST", None),
    "long text": (f"<t:line>{'a' * (4 * 1024 ** 2 + 1)}</t:line>", "TOO_LARGE", None),
    "very long text": (f"<t:line>{'a' * 12_000_000}</t:line>", "TOO_LARGE", None),
    "long comment": (DROP + f"<!--{'a' * 1_200_000}-->", "MALFORMED_REQUEST", None),
    "many elements in one": (f"<t:drop>{'<a/>' * 11_000}</t:drop>", "MALFORMED_REQUEST", None),
    "many prefixes": ("".join(f"<t:drop xmlns:p{i}='u'/>" for i in range(1001)), "MALFORMED_REQUEST", None),
}


@pytest.mark.parametrize("name", DATA_FAULTS)
def test_bad_data(endpoint, name):
    """SOAP-76 to SOAP-82: refused in time, and the end is never reached."""
    data, code, field = DATA_FAULTS[name]
    started = time.thread_time()
    fault = told(endpoint, pour(data))
    assert (fault.code, fault.field) == (code, field)
    assert not Poured.finished and time.thread_time() - started < 2


@pytest.mark.parametrize(("text", "code"), [
    (pour(DROP, "<t:label>too long</t:label>"), "INVALID_REQUEST"),
    (pour(DROP, ""), "INVALID_REQUEST"),
    (pour(DROP, header='<x s:mustUnderstand="1" xmlns="urn:x"/>'), "INVALID_REQUEST"),
    (pour(DROP, version=E12), "INVALID_REQUEST"),
    ("<!DOCTYPE a [<!ENTITY e 'x'>]>" + pour(DROP), "MALFORMED_REQUEST"),
    (pour(DROP, "<t:label>x</t:label>" + f"<t:note>{'a' * 1000}</t:note>" * 1100), "MALFORMED_REQUEST"),
    (pour(DROP)[:-1], "MALFORMED_REQUEST"),
    (pour(DROP) + "<again/>", "MALFORMED_REQUEST"),
    (pour("", header="<x xmlns='urn:x'/>" * 17), "MALFORMED_REQUEST")])
def test_bad_header_and_options(endpoint, text, code):
    """SOAP-7 to SOAP-9, SOAP-76, SOAP-77, SOAP-80: as for every operation."""
    assert told(endpoint, text).code == code
    assert not Poured.finished


def test_an_operation_that_begins_late_is_read_as_any_other():
    """Its data is part of the message then; the door refuses it."""
    late = pour(DROP, header=HEADER + "<!--" + " " * LOOK_AHEAD_BYTES + "-->").encode()
    assert operation_of(late[:LOOK_AHEAD_BYTES], None, ["Pour"]) is None


@pytest.mark.parametrize(("text", "name"), [
    (pour(""), "Pour"), (envelope("<t:Ping/>"), "Ping"), ("<a><Body><b/></Body></a>", "b"),
    ("<a><b><c/></b></a>", None),
    ("<a><Body>", None), ("<!DOCTYPE a><a><Body><b/></Body></a>", None), ("<a", None), ("", None), ("<<", None)])
def test_first_entry(text, name):
    assert first_entry(text.encode()) == name


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_how_the_blocks_are_cut_does_not_matter(step):
    text = pour(DROP * 50 + "<t:drop><t:text><![CDATA[<]]></t:text></t:drop>").encode()
    cutter = Cutter((text[at:at + step] for at in range(0, len(text), step)), ("drop",), Limits())
    cutter.read_head()
    assert b"".join(cutter.pieces()).count(b"<t:drop>") == 51
    assert cutter.head == pour("").encode().replace(b"<t:Pour/>", b"<t:Pour></t:Pour>")


def test_pieces_stay_small():
    """SOAP-41: memory is a few pieces, however long the message."""
    drops = itertools.repeat(DROP.encode() * 1000, 300)
    cutter = Cutter(itertools.chain([pour("").split("</t:Pour>")[0].encode()], drops), ("drop",), Limits())
    cutter.read_head()
    sizes = []
    with pytest.raises(GatewayError):
        for piece in cutter.pieces():
            sizes.append(len(piece))
    assert len(sizes) > 30 and max(sizes) < 2 * PIECE_BYTES


@pytest.mark.parametrize("body", [
    pour(DROP * 9000), pour(DROP * 9000 + "<t:bad/>"), pour(DROP * 9000)[:-9], pour(DROP, ""), pour(DROP, header=""),
    "<!DOCTYPE a>" + pour(DROP), pour(DROP + "<" + "a" * 2000 + "/>")])
def test_no_stream_waits_for_the_garbage_collector(endpoint, body):
    """spyne.md section 1, defect 9: expat's parser and the object of its handlers know each other."""
    send(endpoint, body.encode())
    gc.collect()
    gc.disable()
    try:
        send(endpoint, body.encode())
        assert not [each for each in gc.get_objects() if isinstance(each, Cutter | Stream)]
    finally:
        gc.enable()


def test_little_may_follow_the_data(endpoint):
    """SOAP-74: a gigabyte of blanks behind the message is nobody's data."""
    body = pour(DROP).encode()
    assert send(endpoint, body + b"\n" * 500_000).accepted
    assert told(endpoint, body + b"\n" * 1_300_000).code == "MALFORMED_REQUEST"


def test_bytes_that_are_not_in_the_charset():
    """SOAP-79."""
    with pytest.raises(GatewayError, match="line 2"):
        b"".join(to_utf8([b"<a>" + b" " * 600 + b"\n", b"\x81"], "windows-1252"))


def test_look_ahead_reads_nothing_twice():
    class Input:
        def __init__(self, *pieces):
            self.pieces = list(pieces)

        def read(self, size):
            return self.pieces.pop(0) if self.pieces else b""

    environ = {"wsgi.input": Input(b"ab", b"cd", b"ef")}
    assert transport.look_ahead(environ, 4) == b"abcd"
    assert [environ["wsgi.input"].read(3) for _ in range(4)] == [b"abc", b"d", b"ef", b""]
