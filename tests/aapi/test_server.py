"""Do old clients' habits of HTTP pass a real server? (aapi.md section 1.1)"""

import socket

import pytest
import zeep

from tests.aapi.door import NS, enveloped, inner_document
from tests.support.installation import PASSWORD, Installation

ADDRESS = "/AAPI/InformzService.svc"
COUNT = '<Grid type="subscriber"><ReturnFields><DataElement>Count</DataElement></ReturnFields></Grid>'
ASK = inner_document("GridRequest", "Grids", COUNT, brand=9999, user="apiuser", password=PASSWORD)
MESSAGE = enveloped(ASK)
LENGTH = len(MESSAGE)
COUNTED = b'&lt;Field element="count"&gt;0&lt;/Field&gt;'


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A real server with brand 9999."""
    with Installation(tmp_path_factory.mktemp("aapi")) as made:
        made.brand()
        made.serve("--no-worker", ready=False)
        yield made


def talk(house, head, *bodies, wait_for=b""):
    """The whole answer to a request that is sent in parts; after the head ``wait_for`` is awaited."""
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as sock:
        sock.sendall(head.replace("\n", "\r\n").encode() + b"\r\n")
        heard = b""
        while wait_for and wait_for not in heard:
            heard += sock.recv(65536)
        for body in bodies:
            sock.sendall(body)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return answer


def head(*lines, version="1.1", path=ADDRESS, length=LENGTH):
    size = [f"Content-Length: {length}"] if length is not None else []
    return "\n".join([f"POST {path} HTTP/{version}", "Host: gateway", *size, *lines, "Connection: close", ""])


TYPE = "Content-Type: text/xml; charset=utf-8"


@pytest.mark.parametrize("action", [f'SOAPAction: "{NS}IInformzWebServiceContract/PostInformzMessage"',
                                    "SOAPAction: PostInformzMessage", "SOAPAction:", 'SOAPAction: ""', "X-None: 1"])
def test_any_soapaction(house, action):
    answer = talk(house, head(TYPE, action), MESSAGE)
    assert answer.startswith(b"HTTP/1.1 200") and COUNTED in answer


def test_expect_100_continue(house):
    """.NET Framework sends the body when it is told to go on."""
    answer = talk(house, head(TYPE, "Expect: 100-continue"), MESSAGE, wait_for=b"100 Continue")
    assert b"HTTP/1.1 200" in answer and COUNTED in answer


def test_http_1_0_and_chunks(house):
    assert COUNTED in talk(house, head(TYPE, version="1.0"), MESSAGE)
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (MESSAGE[:100], MESSAGE[100:])]
    assert COUNTED in talk(house, head(TYPE, "Transfer-Encoding: chunked", length=None), *chunks, b"0\r\n\r\n")


def test_what_the_server_itself_refuses_is_a_fault_of_this_door(house):
    """A length that is none and a body that is far too large."""
    for lines, length in (([TYPE, "Transfer-Encoding: chunked"], None), ([TYPE], 5 * 1024**3)):
        answer = talk(house, head(*lines, length=length), b"zz\r\n" if length is None else b"")
        assert answer.startswith(b"HTTP/1.1 500") and b"<InformzServiceFault" in answer, answer
        assert b"InvalidDocumentException" in answer and b"GatewayFault" not in answer


def test_zeep_over_the_wire(house):
    client = zeep.Client(f"{house.url}{ADDRESS}?singleWsdl")
    assert 'element="count"&gt;0' in client.service.PostInformzMessage(ASK).replace(">", "&gt;")


def test_the_server_logged_no_credential(house):
    talk(house, head(TYPE, length=LENGTH - 60), MESSAGE[:-60])
    assert PASSWORD not in house.log()
