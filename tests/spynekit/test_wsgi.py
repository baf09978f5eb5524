"""One HTTP request, one answer or fault."""

import gzip
import io
import logging
import threading

import pytest
from spyne.protocol.soap import Soap12
from werkzeug.test import Client

from gateway.errors import GatewayError
from gateway.spynekit import faults
from gateway.spynekit.limits import Limits
from gateway.spynekit.wsgi import SoapEndpoint
from tests.spynekit.sample import E11, E12, TNS, TYPES, SampleService, echo, envelope, ours, send, stock
from tests.support.soap_fault import read_fault

PING = envelope("<t:Ping/>").encode()
VERSIONS = (E11, E12)


@pytest.fixture(scope="module")
def endpoint():
    return ours(documents={"wsdl": b"<both/>", "wsdl11": lambda: b"<one/>"})


def raised(endpoint, kind, version=E11, **options):
    body = envelope(f"<t:Raise><t:kind>{kind}</t:kind></t:Raise>", options.pop("header", ""), version)
    answer = send(endpoint, body.encode(), TYPES[version], **options)
    return answer, read_fault(answer.body, TNS)


# versions and addresses


@pytest.mark.parametrize("version", VERSIONS)
def test_one_address_takes_both_versions(endpoint, version):
    """SOAP-7, SOAP-12."""
    answer = send(endpoint, envelope("<t:Ping/>", version=version).encode(), TYPES[version])
    assert answer.accepted
    assert answer.headers["Content-Type"] == TYPES[version]
    assert version.encode() in answer.body
    assert answer.headers["X-Request-Id"].startswith("r-")


@pytest.mark.parametrize("content_type", [
    "text/xml", "TEXT/XML;charset=UTF-8", 'text/xml; charset="utf-8"', "text/xml;", "text/xml; charset=",
    "text/xml; action=urn:x"])
def test_content_types_in_every_client_s_way(endpoint, content_type):
    """interop.md section 3."""
    assert send(endpoint, PING, content_type).accepted


@pytest.mark.parametrize("content_type", [
    "application/soap+xml", "application/soap+xml; charset=utf-8; action=urn:sample:v1/Ping",
    'application/soap+xml; action="urn:sample:v1/Ping"'])
def test_the_action_of_1_2_may_be_unquoted(endpoint, content_type):
    """interop.md section 3: KDSoap."""
    assert send(endpoint, envelope("<t:Ping/>", version=E12).encode(), content_type).accepted


@pytest.mark.parametrize("action", ['"*"', "*", "urn:sample:v1/Other", '""', ""])
def test_soap_action_is_ignored(endpoint, action):
    """SOAP-8."""
    assert send(endpoint, PING, headers={"SOAPAction": action}).accepted


def test_habits_of_clients(endpoint):
    """interop.md section 3: a BOM (WCF), HTTP/1.0 (Axis), header after body (xsdata), encodingStyle (SOAP::Lite)."""
    assert send(endpoint, b"\xef\xbb\xbf" + PING).accepted
    assert send(endpoint, PING, environ_overrides={"SERVER_PROTOCOL": "HTTP/1.0"}).accepted
    late = PING.replace(b"</s:Envelope>", b"<s:Header><x/></s:Header></s:Envelope>")
    assert send(endpoint, late).accepted
    styled = PING.replace(b"<s:Envelope", b'<s:Envelope s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"')
    assert send(endpoint, styled).accepted


@pytest.mark.parametrize("query", ["wsdl", "WSDL", "Wsdl", "wsdl=1", "WSDL&x"])
def test_the_wsdl_in_any_letter_case(endpoint, query):
    """SOAP-1, SOAP-2."""
    answer = send(endpoint, b"", None, method="GET", query_string=query)
    assert (answer.status, answer.body) == (200, b"<both/>")
    assert send(endpoint, b"", None, method="GET", query_string="WSDL11").body == b"<one/>"


def test_a_plain_get_shows_where_the_wsdl_is(endpoint):
    """SOAP-7, SOAP-12."""
    answer = send(endpoint, b"", None, method="GET")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
    assert b"http://gateway.test/soap?wsdl\n" in answer.body
    assert answer.headers["X-Request-Id"]
    assert send(endpoint, b"", None, method="HEAD").body == b""


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(endpoint, method):
    """SOAP-7, SOAP-10: 405 with a fault body."""
    answer = send(endpoint, PING, method=method)
    assert answer.status == 405 and "POST" in answer.headers["Allow"]
    assert read_fault(answer.body, TNS).code == "METHOD_NOT_ALLOWED"


def test_the_fault_for_a_multipart_is_in_the_version_it_mentions(endpoint):
    """SOAP-5, SOAP-10."""
    answer = send(endpoint, b"x", 'multipart/related; type="application/xop+xml"; '
                                  'start-info="application/soap+xml"')
    assert answer.status == 415 and read_fault(answer.body, TNS).version == E12
    assert read_fault(send(endpoint, PING, None).body, TNS).code == "UNSUPPORTED_MEDIA_TYPE"


# bodies


@pytest.mark.parametrize(("charset", "declared"), [
    ("utf-8", "utf-8"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16"), ("utf-16-be", "UTF-16BE"),
    ("iso-8859-1", "ISO-8859-1"), ("cp1252", "Windows-1252")])
@pytest.mark.parametrize("how", ["declaration", "header"])
def test_charsets(endpoint, charset, declared, how):
    """SOAP-11: by XML declaration, byte order mark or header."""
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if how == "declaration" else ""
    content_type = "text/xml" + (f"; charset={declared}" if how == "header" else "")
    data = (declaration + envelope(echo("<t:text>\u00e9</t:text>"))).encode(charset)
    answer = send(endpoint, data, content_type)
    assert "'\u00e9'".encode() in answer.body, answer


@pytest.mark.parametrize(("data", "content_type"), [
    (b'<?xml version="1.0" encoding="koi8-r"?>' + PING, "text/xml"),
    (b'<?xml version="1.0" encoding="utf-7"?>' + PING, "text/xml"), (PING, "text/xml; charset=us-ascii"),
    (PING + b"\xff", "text/xml; charset=utf-16"), (b"\xff\xfe<\0", "text/xml"),
    (b"\x81" + PING, "text/xml; charset=windows-1252")])
def test_other_charsets(endpoint, data, content_type):
    """SOAP-11, SOAP-79."""
    assert read_fault(send(endpoint, data, content_type).body, TNS).code == "MALFORMED_REQUEST"


@pytest.mark.parametrize(("data", "where"), [
    (b"", None), (b"  \n ", None), (b"<a>\n<b></a>", "line 2, column"), (b"<a/>\n<b/>", "line 2, column 1"),
    (b"<a>\0</a>", "line 1, column 4"), (b"<a>\n\n&nobody;</a>", "line 3"), (b"nonsense", "line 1, column 1"),
    (b"<a>secret-word</b>", "line 1")])
def test_not_well_formed(endpoint, data, where):
    """SOAP-79: line and column, and no content."""
    told = read_fault(send(endpoint, data).body, TNS)
    assert told.code == "MALFORMED_REQUEST"
    assert where is None or where in told.message
    assert "secret" not in told.message and "nobody" not in told.message


def test_an_entry_too_many_or_no_envelope(endpoint):
    """SOAP-8."""
    two_bodies = PING.replace(b"</s:Body>", b"</s:Body><s:Body/>")
    for data in (two_bodies, b"<Envelope/>", b"<a/>", f'<s:Envelope xmlns:s="{E11}"/>'.encode()):
        assert read_fault(send(endpoint, data).body, TNS).code in ("MALFORMED_REQUEST", "INVALID_REQUEST")


@pytest.mark.parametrize("announced", ["-1", "abc", "1e3", "\u0663"])
def test_a_content_length_that_is_no_number(endpoint, announced):
    answer = send(endpoint, PING, environ_overrides={"CONTENT_LENGTH": announced})
    assert read_fault(answer.body, TNS).code == "MALFORMED_REQUEST"


class Counting(io.RawIOBase):
    """An endless body that counts what is read of it."""

    taken = 0

    def read(self, size=-1):
        self.taken += size
        return b"x" * size


def test_an_announced_giant_is_refused_unread_and_an_endless_one_at_the_limit():
    """SOAP-74."""
    app = ours(Limits(body_bytes=100_000))
    for length, most in (("100001", 0), ("", 100_001)):
        body = Counting()
        answer = send(app, b"", environ_overrides={"CONTENT_LENGTH": length, "wsgi.input": body})
        assert (answer.status, read_fault(answer.body, TNS).code) == (413, "TOO_LARGE")
        assert body.taken <= most


def test_gzip_requests(endpoint):
    """SOAP-11, SOAP-81."""
    def packed(data, **options):
        return send(endpoint, data, headers={"Content-Encoding": "gzip"}, **options)

    whole = gzip.compress(PING)
    assert packed(gzip.compress(PING[:50]) + gzip.compress(PING[50:])).accepted
    for broken in (whole[:-9], b"nonsense", b"", whole + b"tail"):
        told = read_fault(packed(broken).body, TNS)
        assert (told.code, told.fault_code) == ("INVALID_VALUE", "Client")
    bomb = gzip.compress(b" " * (17 * 1024 * 1024))
    answer = packed(bomb)
    assert (answer.status, read_fault(answer.body, TNS).code) == (413, "TOO_LARGE")
    other = send(endpoint, PING, headers={"Content-Encoding": "br"})
    assert (other.status, read_fault(other.body, TNS).code) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_gzip_answers_when_accepted(endpoint):
    """SOAP-11."""
    request = envelope(echo(f"<t:text>{'x' * 5000}</t:text>")).encode()
    answer = send(endpoint, request, headers={"Accept-Encoding": "deflate, gzip;q=0.5"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"x" * 5000 in gzip.decompress(answer.body)
    for accepted in ("", "identity", "gzip;q=0"):
        assert "Content-Encoding" not in send(endpoint, request, headers={"Accept-Encoding": accepted}).headers


# faults


@pytest.mark.parametrize(("code", "status_11", "status_12", "side"), [
    ("INVALID_REQUEST", 500, 400, "Client"), ("NOT_FOUND", 500, 400, "Client"), ("TOO_LARGE", 413, 413, "Client"),
    ("NOT_SUPPORTED", 500, 400, "Client"), ("UNAVAILABLE", 500, 500, "Server"), ("INTERNAL_ERROR", 500, 500, "Server")])
def test_a_refusal_of_an_operation(endpoint, code, status_11, status_12, side):
    """SOAP-10, SOAP-85."""
    for version, status in ((E11, status_11), (E12, status_12)):
        answer, told = raised(endpoint, code, version)
        assert (answer.status, told.code, told.field) == (status, code, "kind")
        assert told.fault_code == side if version == E11 else {"Client": "Sender", "Server": "Receiver"}[side]
        assert answer.headers["X-Request-Id"] == told.request_id
        assert f":name>kind</tns:name><tns:value>{code}</".encode() in answer.body
        assert ("Retry-After" in answer.headers) == (code == "UNAVAILABLE")


def test_basic_is_asked_for_only_without_any_credential(endpoint):
    """SOAP-10."""
    answer, _ = raised(endpoint, "NOT_AUTHENTICATED")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="sample", charset="UTF-8"'
    header = "<t:Credentials><t:userName>a</t:userName><t:password>b</t:password></t:Credentials>"
    with_header, _ = raised(endpoint, "NOT_AUTHENTICATED", header=header)
    with_basic, _ = raised(endpoint, "NOT_AUTHENTICATED", headers={"Authorization": "Basic eDp5"})
    for answer in (with_header, with_basic):
        assert answer.status == 500 and "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("kind", ["secret", "chained"])
def test_an_accident_tells_nothing_and_is_logged_once_without_values(endpoint, kind, caplog):
    """SOAP-86, and no body, credential or value in a log."""
    with caplog.at_level(logging.DEBUG):
        _, told = raised(endpoint, kind)
    assert told.code == "INTERNAL_ERROR" and told.retryable == "true"
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(records) == 1
    assert records[0].fields["request_id"] == told.request_id and "raise_kind" in records[0].fields["trace"]
    assert "hunter2" not in told.message + caplog.text + repr([vars(record) for record in caplog.records])


def test_a_missing_mandatory_member_of_an_answer_is_our_fault(endpoint):
    """SOAP-21; stock writes xsi:nil into a member that is not nillable."""
    request = envelope("<t:Forget/>").encode()
    assert b'nil="true"' in send(stock(), request).body
    assert read_fault(send(endpoint, request).body, TNS).code == "INTERNAL_ERROR"


def test_a_malformed_request_never_reaches_the_log(endpoint, caplog):
    """spyne.md section 1, defect 10: stock logs the whole body at ERROR."""
    broken = envelope(echo("<t:text>hunter2</t:text>")).encode()[:-3]
    with caplog.at_level(logging.DEBUG):
        send(endpoint, broken, headers={"Authorization": "Basic hunter2"})
        send(endpoint, envelope(echo("<t:number>hunter2</t:number>")).encode())
    assert "hunter2" not in repr([vars(record) for record in caplog.records])
    refused = [record for record in caplog.records if record.msg == "soap call refused"]
    assert [record.levelno for record in refused] == [logging.INFO] * 2
    assert all(record.exc_info is None or record.exc_info is False for record in refused)
    caplog.clear()
    send(stock(), broken)
    assert "hunter2" in caplog.text


def test_texts_from_anywhere_make_a_well_formed_fault():
    """SOAP-85: whatever a message holds."""
    error = GatewayError("INVALID_VALUE", "a <b> & \0 \ud800 \uffff\n c", field='x"<&\x1b')
    for version in faults.VERSIONS:
        answer = faults.render_fault(error, version=version, tns="urn:a&b", request_id="r-1", extra=[("n<", "v&")])
        told = read_fault(answer.body, "urn:a&b")
        assert told.message == "a <b> & ? ? ? c" and told.field == 'x"<&?'


def test_the_special_faults_of_1_2_have_their_header_blocks(endpoint):
    """SOAP 1.2 part 1 sections 5.4.7 and 5.4.8."""
    header = '<z:Stranger xmlns:z="urn:z" s:mustUnderstand="true"/>'
    answer = send(endpoint, envelope("<t:Ping/>", header, E12).encode(), TYPES[E12])
    assert b'<soap:NotUnderstood xmlns:h="urn:z" qname="h:Stranger"/>' in answer.body
    assert b"<soap:SupportedEnvelope" in send(endpoint, PING, TYPES[E12]).body


# the two hooks for bulk operations


@pytest.mark.parametrize("version", VERSIONS)
def test_an_operation_may_decode_by_hand_and_answer_with_bytes(endpoint, version):
    """spyne.md section 4."""
    things = "".join(f"<t:thing><t:text>{n}</t:text></t:thing>" for n in range(3))
    for operation in ("Bulk", "Report"):
        request = envelope(f"<t:{operation}>{things}</t:{operation}>", version=version).encode()
        answer = send(endpoint, request, TYPES[version])
        assert answer.accepted and b":count>3</" in answer.body and version.encode() in answer.body
    bad = envelope("<t:Bulk><t:thing><t:nonsense/></t:thing></t:Bulk>", version=version).encode()
    assert read_fault(send(endpoint, bad, TYPES[version]).body, TNS).code == "INVALID_REQUEST"


# threads


class Meeting:
    """A schema that lets a second validation in before the first one reads its error log, if it can."""

    def __init__(self, schema):
        self.schema = schema
        self.first_done = threading.Event()
        self.second_done = threading.Event()

    def validate(self, element):
        answer = self.schema.validate(element)
        if self.first_done.is_set():
            self.second_done.set()
        else:
            self.first_done.set()
            self.second_done.wait(0.5)
        return answer

    @property
    def error_log(self):
        return self.schema.error_log


def two_callers(app, meeting, version=E11):
    """Two bad requests at the same time; the answers of the first and the second."""
    answers = {}

    def call(name, inner):
        answers[name] = send(app, envelope(echo(inner)).encode()).body.decode()

    first = threading.Thread(target=call, args=("first", "<t:number>first-secret</t:number>"))
    first.start()
    assert meeting.first_done.wait(60)
    call("second", "<t:at>second-secret</t:at>")
    first.join(60)
    return answers


def test_a_fault_never_speaks_of_another_caller():
    """SOAP-80; spyne.md section 1, defect 1: the error log belongs to the schema, not to the call."""
    app = stock()
    meeting = app.app.in_protocol.validation_schema = Meeting(app.app.in_protocol.validation_schema)
    assert "second-secret" in two_callers(app, meeting)["first"]
    app = ours()
    checker = app.applications["1.1"].in_protocol.checker
    meeting = checker.schema = Meeting(checker.schema)
    answers = two_callers(app, meeting)
    assert "Echo/thing/number: expected" in answers["first"] and "Echo/thing/at: expected" in answers["second"]
    assert "secret" not in answers["first"] + answers["second"]


def test_stock_subcodes_are_unqualified_and_roles_empty():
    """spyne.md section 1, defect 7."""
    body = send(stock(Soap12, validator="soft"), envelope("<t:Nothing/>", version=E12).encode(), TYPES[E12])
    assert b"Value>ResourceNotFound</" in body.body and b"Role></" in body.body and body.status != 400


def test_an_endpoint_is_a_plain_wsgi_application():
    assert isinstance(ours(), SoapEndpoint)
    assert Client(ours()).get("/anything").status_code == 200
    assert SampleService.__service_name__ == "Sample"
