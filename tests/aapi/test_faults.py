"""What does a refusal say, and what do the logs not? (aapi.md section 8)"""

import logging

import pytest

from gateway.aapi import dialect, faults
from gateway.aapi.actions.registry import ACTIONS, Action
from gateway.domain.accounts import system_actor
from gateway.errors import CATALOGUE, GatewayError
from gateway.services import accounts, brandsettings
from tests.aapi.door import NS, Fault, enveloped, inner_document, read_fault

pytestmark = pytest.mark.usefixtures("echo")
CODES = {value for name, value in vars(faults).items() if name.isupper() and isinstance(value, str)}
SERVER = {"UNAVAILABLE", "INTERNAL_ERROR", "IN_PROGRESS", "TOO_MANY_REQUESTS"}


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_of_the_services_has_a_code_here(code):
    told = faults.from_gateway(GatewayError(code, "It is so."))
    assert told.code in CODES
    assert (told.code == faults.INTERNAL_ERROR) == (code in SERVER)
    assert told.reason == ("It is so." if code != "INTERNAL_ERROR" else CATALOGUE[code].meaning)


def test_the_codes_are_the_vendors_and_one_of_ours():
    assert len(CODES) == 21 and all(code.endswith("Exception") for code in CODES)


def test_the_tree_of_a_fault(door):
    door.user("sender")
    answer = door.post(inner_document("ActionRequest", "Actions", "<Nonsense/>"))
    assert b'<s:Fault><faultcode>s:Client</faultcode><faultstring>There is no action Nonsense;' in answer.data
    assert (f'<detail><InformzServiceFault xmlns="{NS}"><Code>UnknownActionException</Code><Message>There is no action'
            ).encode() in answer.data
    assert answer.headers["X-Request-Id"].startswith("r-")


def test_what_nobody_foresaw_tells_an_id_that_the_log_shows_too(door, caplog):
    fault = door.fault("<Break>hush 123</Break>")
    request_id = door.last_answer.headers["X-Request-Id"]
    assert (fault.side, fault.code) == ("Server", "InternalErrorException")
    assert request_id in fault.reason and "hush" not in fault.reason
    (entry,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert entry.fields["request_id"] == request_id and "RuntimeError" in entry.fields["error"]
    assert "hush" not in str(entry.fields)


def test_a_busy_store_says_when_to_come_again(door, monkeypatch):
    def busy(_unit, _node):
        raise GatewayError("UNAVAILABLE", "The store is busy; nothing was done. Send it again.", retry_after_s=5)

    monkeypatch.setitem(ACTIONS, "Echo", Action("Echo", "import", busy))
    fault = door.fault("<Echo/>")
    assert (fault.side, fault.code) == ("Server", "InternalErrorException") and "Send it again" in fault.reason
    assert door.last_answer.headers["Retry-After"] == "5"


@pytest.mark.parametrize("message", [
    b"", b"hello", b"<a/>", b"<a", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    enveloped("x").replace(b"<x>x</x>", b"<x/><x/>"), enveloped("x").replace(b"<x>", b"<y>").replace(b"</x>", b"</y>"),
    enveloped("x").replace(b"<x>x", b"<x><b/>"), enveloped("x").replace(b"Body>", b"Boby>"), b"\xff\xfe" * 50,
    enveloped("x" * 21 * 1024 * 1024)])
def test_no_other_dialect_ever_leaves_this_door(door, message):
    answer = door.raw(message)
    assert read_fault(answer).side == "Client"
    assert b"GatewayFault" not in answer.data and b"Traceback" not in answer.data


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_other_methods_are_refused_in_the_same_dialect(door, method):
    assert read_fault(getattr(door.browser, method)("/aapi/InformzService.svc")).code == "InvalidMessageException"


def test_what_the_http_server_refuses_is_worded_here_too():
    for code, told in (("TOO_LARGE", "InvalidDocumentException"), ("MALFORMED_REQUEST", "InvalidDocumentException"),
                       ("UNAVAILABLE", "InternalErrorException")):
        status, headers, body = dialect.refusal(GatewayError(code, retry_after_s=5 if code == "UNAVAILABLE" else None),
                                                "text/xml", "r-1")
        assert status.startswith("500") and ("X-Request-Id", "r-1") in headers and told.encode() in body


PASSWORD = "pass & word <\"'> \u20ac 7"


def test_no_credential_is_ever_in_a_log(door, caplog):
    """Good, bad and broken calls, with everything that logs at DEBUG: neither raw nor escaped."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("spyne").setLevel(logging.DEBUG)
    key, vector = "0123456789abcdef" * 3, "fedcba9876543210"
    with door.gateway.unit(system_actor(1, "cli")) as unit:
        accounts.add_user(unit, "secretive", PASSWORD, "sender")
        brandsettings.change(unit, {"aapiKey": key, "aapiIv": vector})
    good = inner_document("ActionRequest", "Actions", "<Echo>hello</Echo>", user="secretive", password=PASSWORD)
    assert door.post(good).status_code == 200
    broken = [good.replace("</ActionRequest>", ""), good.replace("Echo", "Break"), good.replace("<Brand", "<!DOCTYPE"),
              good.replace('id="1"', 'id="9"'), good.replace("<Password>", "<Password>x"),
              good.replace("Actions>", "A>"),
              good.replace("<Echo>hello</Echo>", "AAAA"), good.replace("<Echo>", "<Nonsense/><Echo>")]
    for text in broken:
        assert isinstance(read_fault(door.post(text)), Fault)
    for message in (enveloped(good)[:-40], enveloped(good).replace(b"Envelope>", b"E>"),
                    enveloped(good).replace(b"<x>", b"<y>"), enveloped(good).decode().encode("utf-16")[:-5]):
        read_fault(door.raw(message))
    logging.getLogger("spyne").setLevel(logging.WARNING)
    door.gateway.refusals.settle()
    logged = "\n".join(f"{each.getMessage()} {each.__dict__}" for each in caplog.records)
    assert len(caplog.records) > 10 and "soap call refused" in logged
    for secret in ("pass & word", "pass &amp; word", "pass &amp;amp; word", "word <", "word &lt;", key, vector):
        assert secret not in logged, secret
