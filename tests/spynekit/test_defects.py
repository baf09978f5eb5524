"""Every defect of stock Spyne that a request can show (spyne.md sections 1 and 6): proven there, cured here.

One row a defect: the request, what stock Spyne does with it, and the fault (code, HTTP status) that ours answers, or
None where ours answers properly.
"""

import gzip
from dataclasses import dataclass, field

import pytest
from spyne.protocol.soap import Soap11, Soap12

from tests.spynekit.sample import E11, E12, TNS, TYPES, echo, envelope, ours, send, stock
from tests.support.soap_fault import read_fault


@dataclass(frozen=True)
class Defect:
    """One request that stock Spyne mishandles."""

    name: str
    data: bytes
    shown: str
    """What stock does: ``accepted``, ``uncaught``, or a text that its answer holds."""

    code: str | None
    status: int = 500
    fault_code: str = "Client"
    validator: str | None = "lxml"
    version: str = E11
    content_type: str | None = None
    headers: dict = field(default_factory=dict)


def attributes(count):
    return " ".join(f'a{n}="1"' for n in range(count))


def prefixes(count):
    return " ".join(f'xmlns:p{n}="urn:p{n}"' for n in range(count))


def call(inner, **options):
    return envelope(echo(inner), **options).encode()


PING = envelope("<t:Ping/>").encode()
LATIN = b'<?xml version="1.0" encoding="utf-8"?>' + call("<t:text>\u00e9</t:text>").decode().encode("latin-1")
DTD = b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">' + PING
ENTITY = b'<!DOCTYPE a [<!ENTITY x "y">]>' + call("<t:text>&x;</t:text>")
MULTIPART = (b'--b\r\nContent-Type: text/xml\r\nContent-ID: <a>\r\n\r\n' + PING + b"\r\n--b--\r\n")
STRANGER = '<z:Stranger xmlns:z="urn:z" s:mustUnderstand="{}"/>'
WIDE = f"<t:Credentials {attributes(17)}><t:userName>u</t:userName><t:password>p</t:password></t:Credentials>"

DEFECTS = [
    # values
    Defect("base64 of stray characters", call("<t:blob>###</t:blob>"), "accepted", "INVALID_VALUE"),
    Defect("soft: unknown element", call("<t:nonsense/>"), "accepted", "INVALID_REQUEST", validator="soft"),
    Defect("soft: wrong order", call("<t:flag>true</t:flag><t:text>x</t:text>"), "accepted", "INVALID_REQUEST",
           validator="soft"),
    Defect("soft: wrong child namespace", call('<text xmlns="urn:other">x</text>'), "accepted", "INVALID_REQUEST",
           validator="soft"),
    Defect("no validator: enum word is an attribute name", call("<t:colour>__doc__</t:colour>"), "accepted",
           "INVALID_REQUEST", validator=None),
    Defect("no validator: unknown enum word", call("<t:colour>Blue</t:colour>"), "uncaught", "INVALID_REQUEST",
           validator=None),
    # uncaught exceptions
    Defect("empty POST", b"", "uncaught", "MALFORMED_REQUEST"),
    Defect("empty body", envelope("").encode(), "uncaught", "INVALID_REQUEST"),
    Defect("text-only body", envelope("hello").encode(), "uncaught", "INVALID_REQUEST"),
    Defect("bytes not in the charset", LATIN, "uncaught", "MALFORMED_REQUEST"),
    Defect("unknown charset", PING, "uncaught", "MALFORMED_REQUEST", content_type="text/xml; charset=klingon"),
    Defect("href to an unknown id", call('<t:text id="a"/><t:text href="#nobody"/>'), "uncaught", "INVALID_REQUEST",
           validator=None),
    Defect("href loop", envelope('<t:Echo><a id="x"><b href="#x"/></a><b href="#x"/></t:Echo>').encode(), "uncaught",
           "INVALID_REQUEST", validator=None),
    Defect("1.2: any invalid request", call("<t:nonsense/>", version=E12), "uncaught", "INVALID_REQUEST", 400, "Sender",
           version=E12),
    Defect("soft: NaN in a bounded decimal", call("<t:amount>NaN</t:amount>"), "uncaught", "INVALID_REQUEST",
           validator="soft"),
    Defect("entity reference under the schema validator", ENTITY, "uncaught", "MALFORMED_REQUEST"),
    # conformance
    Defect("mustUnderstand of a stranger", envelope("<t:Ping/>", STRANGER.format("1")).encode(), "accepted",
           "INVALID_REQUEST", fault_code="MustUnderstand"),
    Defect("1.2: mustUnderstand of a stranger", envelope("<t:Ping/>", STRANGER.format("true"), E12).encode(),
           "accepted", "INVALID_REQUEST", 500, "MustUnderstand", version=E12),
    Defect("1.2 envelope as text/xml", envelope("<t:Ping/>", version=E12).encode(), "Client.SoapError",
           "INVALID_REQUEST", fault_code="VersionMismatch"),
    Defect("1.1 envelope as soap+xml", PING, "SoapError", "INVALID_REQUEST", 500, "VersionMismatch", version=E12),
    Defect("two body entries", envelope("<t:Ping/><t:Ping/>").encode(), "accepted", "INVALID_REQUEST"),
    Defect("text in the body", envelope("<t:Ping/>hello").encode(), "accepted", "INVALID_REQUEST"),
    Defect("any content type", PING, "accepted", "UNSUPPORTED_MEDIA_TYPE", 415, content_type="image/png"),
    Defect("multipart", MULTIPART, "accepted", "UNSUPPORTED_MEDIA_TYPE", 415,
           content_type='multipart/related; boundary=b; type="text/xml"; start="<a>"'),
    Defect("unknown operation is a 500 of 1.2", envelope("<t:Nothing/>", version=E12).encode(), "ResourceNotFound",
           "INVALID_REQUEST", 400, "Sender", version=E12, validator="soft"),
    Defect("empty faultactor beside a fault", b"<a", "<faultactor", "MALFORMED_REQUEST"),
    # hostile documents; the costly ones are scaled down: stock takes them at any size
    Defect("a DTD", DTD, "accepted", "MALFORMED_REQUEST"),
    Defect("17 attributes on an element", call(f"<t:text {attributes(17)}>x</t:text>"), "accepted",
           "MALFORMED_REQUEST", validator="soft"),
    Defect("17 attributes on the header", envelope("<t:Ping/>", WIDE).encode(), "accepted", "MALFORMED_REQUEST"),
    Defect("65 namespaces on the envelope", PING.replace(b"<s:Envelope", b"<s:Envelope " + prefixes(62).encode()),
           "accepted", "MALFORMED_REQUEST"),
    Defect("65 namespaces deep inside", call(f"<t:text {prefixes(65)}>x</t:text>"), "accepted", "MALFORMED_REQUEST"),
    Defect("17 header blocks", envelope("<t:Ping/>", "<a/>" * 17).encode(), "accepted", "MALFORMED_REQUEST"),
    Defect("nested 65 deep", call("<d>" * 65 + "</d>" * 65), "accepted", "MALFORMED_REQUEST", validator="soft"),
    Defect("a name of more than 1 KiB", call(f"<{'n' * 1025}/>"), "accepted", "MALFORMED_REQUEST", validator="soft"),
    Defect("250,001 elements", call("<e/>" * 250_001), "accepted", "MALFORMED_REQUEST", validator="soft"),
    Defect("a text of more than 4 MiB", call(f"<t:text>{'x' * (4 * 1024 * 1024 + 1)}</t:text>"), "accepted",
           "TOO_LARGE", 413),
]


def post(app, defect):
    return send(app, defect.data, defect.content_type or TYPES[defect.version], headers=defect.headers)


def stock_for(defect):
    return stock(Soap11 if defect.version == E11 else Soap12, defect.validator, max_content_length=64 * 1024 * 1024)


@pytest.fixture(scope="module")
def endpoint():
    return ours()


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_defect_is_there_on_stock_and_a_fault_on_ours(defect, endpoint):
    """spyne.md sections 1 and 6; SOAP-7 to SOAP-11, SOAP-76 to SOAP-81, SOAP-85."""
    before = post(stock_for(defect), defect)
    if defect.shown == "uncaught":
        assert before.uncaught is not None, before
    elif defect.shown == "accepted":
        assert before.accepted, before
    else:
        assert defect.shown.encode() in before.body, before
    after = post(endpoint, defect)
    told = read_fault(after.body, TNS)
    assert (told.code, after.status, told.fault_code) == (defect.code, defect.status, defect.fault_code)
    assert told.version == defect.version
    assert after.headers["X-Request-Id"] == told.request_id


def test_every_content_of_a_gzip_request_is_read(endpoint):
    """SOAP-11; stock Spyne tries to decode the compressed bytes: uncaught."""
    packed = gzip.compress(PING)
    headers = {"Content-Encoding": "gzip"}
    assert send(stock(), packed, headers=headers).uncaught is not None
    assert send(endpoint, packed, headers=headers).accepted


def test_a_body_without_length_is_read_to_its_end(endpoint):
    """SOAP-74; stock Spyne cuts it silently at its limit and then calls it malformed."""
    data = call("<t:text>" + "x" * 5000 + "</t:text>")
    chunked = {"environ_overrides": {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}}
    assert b"Fault" in send(stock(max_content_length=4000), data, environ_overrides=dict(CONTENT_LENGTH="4000")).body
    assert send(endpoint, data, **chunked).accepted


def test_members_of_a_fault_stay_out_of_the_envelope():
    """spyne.md section 1, defect 6: stock writes them beside faultcode."""
    request = envelope("<t:Raise><t:kind>stock</t:kind></t:Raise>").encode()
    assert b"<tns:reason>because</tns:reason></soap11env:Fault>" in send(stock(), request).body
    told = read_fault(send(ours(), request).body, TNS)
    assert (told.code, told.fault_code) == ("INVALID_REQUEST", "Client")


def test_the_wsdl_address_is_never_the_callers():
    """spyne.md section 1, defect 11; SOAP-2."""
    poisoned = send(stock(), b"", None, method="GET", query_string="wsdl", headers={"Host": "evil.test"})
    assert b"evil.test" in poisoned.body
    app = ours(documents={"wsdl": b"<frozen/>"})
    assert send(app, b"", None, method="GET", query_string="wsdl", headers={"Host": "evil.test"}).body == b"<frozen/>"
