"""In which three forms may Grids and Actions come, and does the answer come in the same? (aapi.md sections 3, 9.6)"""

import base64
import dataclasses
import gzip
import re
import tracemalloc

import pytest
from lxml import etree

from gateway.aapi import payload
from gateway.aapi.faults import AapiError
from gateway.domain.accounts import system_actor
from gateway.services import brandsettings, tripledes
from gateway.services.documentaccounts import PayloadKey
from tests.aapi.door import NS, PASSWORD, inner, inner_document, read_fault

KEY = PayloadKey(bytes.fromhex("00112233445566778899aabbccddeeff0123456789abcdef"), bytes.fromhex("1021324354657687"))
REQUEST = (
    '<Grid type="accounting_code"><ReturnFields><DataElement>Count</DataElement></ReturnFields></Grid>',
    "YQAAAB+LCAAAAAAAAgOzcS/KTFEoqSxItVVKTE7OL80rycxLj0/OT0lVsrMJSi0pLcpzy0zNSSm2s3FJLEl0zUnNTc0rsXMGqbTR"
    "Rxay0UdVrg8y2g4APVik7GEAAAA=",
    "4T4+v37VJGwWC3OL9lfgwz0jqVWnSa2SQJZU5gjpbFfGlwsNBnsD/nYBQc55ctYATO8P4veqaU6MjtFt2yMZ5FysMWXPc/4IzcSk"
    "r8TCHovM7mqovQGBoxmT7OThPRn3ijLTIDG6g53nLjinyDU5FiWsi+mbEcpJxDEVS23Yg9fdfIvazBhqJA==")
ANSWER = (
    '<Grid type="accounting_code"><Record row="0"><Fields><Field element="count">2</Field></Fields></Record></Grid>',
    "bgAAAB+LCAAAAAAAAgOzcS/KTFEoqSxItVVKTE7OL80rycxLj0/OT0lVsrMJSk3OL0pRKMovt1UyAPLdMlNzUoqhtEJqTmpual6J"
    "rRJYm5KdkY0+WMIOSgMV6kNMADJA9tgBAIZGmgxuAAAA",
    "vkc3zOlDWsIRcIuriccZloaPagmUG1ZM/mdhLtd3dIrWjaek7LxXAPzF+tL/6AxCuIpxMsyyGfx6oqiDiHIMshjFEO+GsxUJCRvK"
    "aFrwDRwLz3ibEfZOq/Xb/mulrvuwssTTOaftMbVgApXeSqKfvNfTNLWoH2axQ/iJPv8wzivvLRSMuZ1MwrjjtRXV0mY4gHRH6xIt"
    "iws=")


def grids(text):
    node = etree.Element("Grids")
    node.text = text
    return node


def pack(data, length=None):
    size = len(data) if length is None else length
    return base64.b64encode(size.to_bytes(4, "little") + gzip.compress(data, mtime=0)).decode()


def sealed(packed):
    return base64.b64encode(tripledes.encrypt(KEY, packed.encode())).decode()


def opened(text):
    return etree.tostring(payload.read(grids(text), KEY).node).decode()


@pytest.mark.parametrize("vector", [REQUEST, ANSWER])
def test_the_published_vectors(vector):
    """Section 9.6: both directions, and what we write is read by the same rules."""
    plain, compressed, encrypted = vector
    for kind, text in (("compressed", compressed), ("encrypted", encrypted)):
        found = payload.read(grids("\r\n" + re.sub("(.{76})", "\\1\r\n", text)), KEY)
        assert found.kind == kind and etree.tostring(found.node).decode() == f"<Grids>{plain}</Grids>"
        assert opened(payload.write(kind, plain, KEY)) == f"<Grids>{plain}</Grids>"
    assert payload.write("plain", plain, KEY) == plain
    assert payload.read(grids(compressed), None).kind == "compressed"


def test_several_fragments_with_and_without_namespace():
    text = pack(f'\ufeff<?xml version="1.0"?><Grid type="a" xmlns="{NS}"/> <Grid type="b"/>'.encode())
    assert [each.get("type") for each in payload.read(grids(text), None).node] == ["a", "b"]


def test_an_empty_text_asks_nothing():
    assert list(payload.read(grids(" \n"), None).node) == []


DATA = REQUEST[0].encode()
GOOD = base64.b64decode(pack(DATA))
UNREADABLE = {
    "no base64": "#" + pack(DATA), "letters": "h\u00e9llo", "cut base64": pack(DATA)[:-3], "nothing in it": "AAAA",
    "a length too small": pack(DATA, 96), "a length too large": pack(DATA, 98),
    "a length of 4 GiB": pack(DATA, 2**32 - 1), "a length of 0": pack(DATA, 0),
    "no gzip": base64.b64encode(b"\x04\0\0\0abcd").decode(),
    "cut gzip": base64.b64encode(GOOD[:-9]).decode(),
    "bad sum": base64.b64encode(GOOD[:-5] + b"\0" + GOOD[-4:]).decode(),
    "more behind": base64.b64encode(GOOD + GOOD[4:]).decode(), "bare gzip": base64.b64encode(GOOD[4:]).decode(),
    "a cut block": base64.b64encode(base64.b64decode(REQUEST[2])[:-1]).decode(),
    "a block less": base64.b64encode(base64.b64decode(REQUEST[2])[:-8]).decode(),
    "raw gzip encrypted": base64.b64encode(tripledes.encrypt(KEY, GOOD)).decode(),
    "noise encrypted": sealed("noise")}
SAME = ("InvalidDataFormatException", "The text of Grids cannot be read: send elements, or base64 of a payload that is "
                                      "compressed or encrypted with this account's key.")


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_every_failure_looks_the_same(text):
    """One code and one text, so that nobody learns from it, neither with a key nor without."""
    for key in (KEY, None):
        with pytest.raises(AapiError) as refused:
            payload.read(grids(text), key)
        assert (refused.value.code, refused.value.reason) == SAME


@pytest.mark.parametrize("length", [None, 1000])
def test_a_bomb_is_no_more_than_that(length):
    """64 MiB and one byte, which say so or lie: the length is checked and nothing is kept beyond it."""
    bomb = grids(pack(bytes(payload.MAX_BYTES + 1), length))
    tracemalloc.start()
    with pytest.raises(AapiError) as refused:
        payload.read(bomb, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (refused.value.code, refused.value.reason) == SAME
    assert peak < 4 * 1024 * 1024, peak


def test_bad_padding_is_like_any_other_failure():
    """All 256 last bytes of the block before the padding: one of them makes a padding of one byte."""
    good = base64.b64decode(REQUEST[2])
    reasons = set()
    for value in range(256):
        if value == good[-9]:
            continue
        with pytest.raises(AapiError) as refused:
            payload.read(grids(base64.b64encode(good[:-9] + bytes([value]) + good[-8:]).decode()), KEY)
        reasons.add((refused.value.code, refused.value.reason))
    assert len(reasons) == 1


@pytest.fixture
def keyed(door, echo):
    """A door whose account 1 has a key and whose account 2 has another."""
    for brand in (1, 2):
        door.user("sender", brand)
    for brand, key in ((1, KEY.key.hex()), (2, "ab" * 24)):
        with door.gateway.unit(system_actor(brand, "cli")) as unit:
            brandsettings.change(unit, {"aapiKey": key, "aapiIv": KEY.iv.hex()})
    return door


ECHOES = "<Echo>one</Echo><Echo>two</Echo>"


def answered(door, text, brand=1, password=True):
    x = inner_document("ActionRequest", "Actions", text, brand=brand)
    return door.post(x if password else x.replace(f"<Password>{PASSWORD}</Password>", ""))


@pytest.mark.parametrize("kind", ["plain", "compressed", "encrypted"])
def test_the_answer_comes_as_the_request_did(keyed, kind):
    """Section 3, in any mixture over time: the outer document stays readable."""
    node = inner(answered(keyed, payload.write(kind, ECHOES, KEY))).find("{*}Responses")
    assert (len(node) > 0) == (kind == "plain")
    found = payload.read(node, KEY)
    assert found.kind == kind and [each.text for each in found.node] == ["one", "two"]


def test_a_password_is_needed_unless_the_payload_is_encrypted(keyed):
    """Section 2.1; with encryption it is checked if it is there."""
    encrypted, compressed = payload.write("encrypted", ECHOES, KEY), payload.write("compressed", ECHOES, None)
    assert answered(keyed, encrypted, password=False).status_code == 200
    for text in (compressed, ECHOES, ""):
        assert read_fault(answered(keyed, text, password=False)).code == "InvalidCredentialsException"
    assert read_fault(answered(keyed, "noise", password=False)).code == "InvalidDataFormatException"
    x = inner_document("ActionRequest", "Actions", encrypted, password="wrong one")
    assert read_fault(keyed.post(x)).code == "InvalidCredentialsException"
    x = inner_document("ActionRequest", "Actions", encrypted, user="nobody").replace(PASSWORD, "")
    assert read_fault(keyed.post(x)).code == "InvalidCredentialsException"


def test_the_key_of_one_account_opens_nothing_of_another(keyed):
    encrypted = payload.write("encrypted", ECHOES, KEY)
    for password in (True, False):
        assert read_fault(answered(keyed, encrypted, 2, password)).code == "InvalidDataFormatException"


def test_without_a_key_nothing_is_decrypted(door, echo):
    """Off for an account without a key: then a password is needed whatever is sent."""
    door.user("sender")
    encrypted = payload.write("encrypted", ECHOES, KEY)
    assert read_fault(answered(door, encrypted, password=False)).code == "InvalidCredentialsException"
    assert read_fault(answered(door, encrypted)).code == "InvalidDataFormatException"


def test_guessing_with_payloads_is_slowed_down(keyed):
    for _ in range(11):
        assert read_fault(answered(keyed, "noise", password=False)).code == "InvalidDataFormatException"
    fault = read_fault(answered(keyed, payload.write("encrypted", ECHOES, KEY), password=False))
    assert fault.code == "InvalidCredentialsException" and "wait" in fault.reason


def test_what_is_inflated_is_read_with_the_same_bounds(keyed):
    for fragment in ("<Echo>", "<!DOCTYPE a><Echo/>", "<a>" * 120 + "</a>" * 120, "</Actions><Actions>", "x & y"):
        assert read_fault(answered(keyed, pack(fragment.encode()))).code == "InvalidDocumentException"


def test_an_old_key_of_the_installation_still_opens_the_accounts_key(keyed):
    settings = keyed.gateway.settings
    keyed.gateway.settings = dataclasses.replace(settings, secret_key=b"another secret key, long enough for everything",
                                                 old_secret_keys=(settings.secret_key,))
    assert answered(keyed, payload.write("encrypted", ECHOES, KEY)).status_code == 200
    keyed.gateway.settings = dataclasses.replace(keyed.gateway.settings, old_secret_keys=())
    fault = read_fault(answered(keyed, payload.write("encrypted", ECHOES, KEY)))
    assert (fault.side, fault.code) == ("Server", "InternalErrorException") and "secret" not in fault.reason
