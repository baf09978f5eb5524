"""What do strangers' documents cost? (aapi.md sections 2, 3) Each ends soon, in a fault, in bounded memory."""

import base64
import gzip
import random
import resource
import time

import pytest

from gateway.aapi import payload
from gateway.errors import GatewayError
from gateway.spynekit.documents import parse_document, parse_fragments
from tests.aapi.door import enveloped, inner_document, read_fault, result

MIB = 1024 * 1024
ECHO = inner_document("ActionRequest", "Actions", "<Echo>hello</Echo>")


def inside(text):
    return inner_document("ActionRequest", "Actions", text)


HOSTILE = {
    "200,000 attributes": (lambda: inside("<a " + " ".join(f'b{n}="1"' for n in range(200_000)) + "/>"),
                           "InvalidDocumentException"),
    "200,000 elements with attributes": (lambda: inside('<a b="1" c="2"/>' * 200_000), "InvalidDocumentException"),
    "300,000 elements": (lambda: inside("<a/>" * 300_000), "InvalidDocumentException"),
    "100,000 namespaces": (lambda: inside("<a " + " ".join(f'xmlns:b{n}="c"' for n in range(100_000)) + "/>"),
                           "InvalidDocumentException"),
    "deep": (lambda: inside("<a>" * 200_000), "InvalidDocumentException"),
    "101 deep": (lambda: inside("<a>" * 101 + "</a>" * 101), "InvalidDocumentException"),
    "16 MiB of text": (lambda: inside("<a>" + "x" * 16 * MIB + "</a>"), "UnknownActionException"),
    "16 MiB of a name": (lambda: inside("<" + "a" * 16 * MIB + "/>"), "InvalidDocumentException"),
    "16 MiB of a value": (lambda: inside('<a b="' + "c" * 16 * MIB + '"/>'), "UnknownActionException"),
    "16 MiB of a password": (lambda: inner_document("ActionRequest", "Actions", "<Echo/>", password="p" * 16 * MIB),
                             "InvalidCredentialsException"),
    "16 MiB of a user": (lambda: inner_document("ActionRequest", "Actions", "<Echo/>", user="u" * 16 * MIB),
                         "InvalidCredentialsException"),
    "16 MiB of no XML": (lambda: "x" * 16 * MIB, "InvalidDocumentException"),
    "16 MiB of no base64": (lambda: inside("x!" * 8 * MIB), "InvalidDataFormatException"),
    "a million comments": (lambda: "<!---->" * 1_000_000 + ECHO, "InvalidDocumentException"),
    "a DTD": (lambda: '<!DOCTYPE a [<!ENTITY b "c">]>' + ECHO, "InvalidDocumentException"),
    "billion laughs": (lambda: '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;&b;&b;">]>' + inside("<Echo>&d;</Echo>"),
                       "InvalidDocumentException"),
    "an entity": (lambda: inside("<Echo>&file;</Echo>"), "InvalidDocumentException"),
    "a file": (lambda: '<!DOCTYPE a SYSTEM "file:///etc/passwd">' + ECHO, "InvalidDocumentException"),
}


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_ends_in_a_fault(door, name):
    door.user("sender")
    text, code = HOSTILE[name]
    message = enveloped(text())
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    fault = read_fault(door.raw(message))
    assert (fault.side, fault.code) == ("Client", code)
    assert time.process_time() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024  # KiB


def test_many_stories_cost_little(door):
    """Each number is compared with those before it once."""
    story = "<Story><StoryID>%d</StoryID><Rank>%d</Rank><Title>T</Title><HtmlContent>x</HtmlContent></Story>"
    began = time.process_time()
    fault = door.fault("<CreateMailing><Name>n</Name><Subject>s</Subject><EmailFrom>a@example.org</EmailFrom><Stories>"
                       + "".join(story % (n, n) for n in range(40_000)) + "</Stories></CreateMailing>")
    assert (fault.code, time.process_time() - began < 20) == ("UnexpectedInputException", True)


@pytest.mark.usefixtures("echo")
def test_a_document_asks_only_so_much(door, monkeypatch):
    """100 grids, 1,000 actions, and an answer that is no longer than what may be inflated."""
    count = '<Grid type="subscriber"><ReturnFields><DataElement>Count</DataElement></ReturnFields></Grid>'
    assert "takes at most 100 elements; 101 came" in door.fault(count * 101).reason
    assert "takes at most 1000 elements; 1001 came" in door.fault("<Echo/>" * 1001).reason
    assert len(door.grids(count * 100)[2]) == 100 and len(door.actions("<Echo/>" * 1000)[2]) == 1000
    door.actions("<Keep>News</Keep>", "<Keep>Events</Keep>")
    names = count.replace("subscriber", "interest_target_group").replace("Count", "target_group_name")
    assert len(door.grids(names)[2][0]) == 2
    monkeypatch.setattr(payload, "MAX_BYTES", len(result(door.last_answer)))
    assert len(door.grids(names)[2][0]) == 2
    fault = door.fault(names * 9)
    assert (fault.code, "too long" in fault.reason) == ("UnexpectedInputException", True)


@pytest.mark.usefixtures("echo")
def test_a_bomb_within_the_base64_ends_in_a_fault(door):
    """1 GiB of nothing in 1 MiB, and a bomb that tells a small length."""
    door.user("sender")
    data = gzip.compress(bytes(65 * MIB), compresslevel=9, mtime=0)
    for length in (65 * MIB, 100, 2**31, 2**32 - 1):
        text = base64.b64encode(length.to_bytes(4, "little") + data).decode()
        assert read_fault(door.post(inside(text))).code == "InvalidDataFormatException"


@pytest.mark.usefixtures("echo")
def test_damaged_messages_end_in_a_fault_or_an_answer(door):
    """Bytes that are changed, lost and doubled anywhere, from one seed."""
    door.user("sender")
    dice, whole = random.Random(7), enveloped(ECHO)
    for _ in range(150):
        message = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(message))
            change = dice.choice(("set", "cut", "twice", "insert"))
            if change == "set":
                message[at] = dice.randrange(256)
            elif change == "cut":
                del message[at:at + dice.randint(1, 40)]
            elif change == "twice":
                message[at:at] = message[at:at + dice.randint(1, 40)]
            else:
                message[at:at] = dice.choice((b"<", b"&", b"\0", b"]]>", b"<!--", b"<![CDATA[", b"&lt;", b"\xff"))
        answer = door.raw(bytes(message))
        if answer.status_code != 200:
            fault = read_fault(answer)
            assert fault.side in ("Client", "VersionMismatch") and fault.code != "InternalErrorException", message
            door.gateway.logins = type(door.gateway.logins)()  # a changed password is no guess


def test_lines_are_those_of_the_text():
    """Whatever stands before the first element."""
    text = '\ufeff\n<?xml version="1.0" encoding="utf-16"?>\n<a>\n<b/></a>'
    assert parse_document(text)[0].sourceline == 4
    with pytest.raises(GatewayError) as refused:
        parse_document("\n\n<a>\n</b>")
    assert "line 4" in refused.value.message


def test_fragments_cannot_leave_their_element():
    for data in (b"</Actions><Actions>", b"</Actions>", b"<a></Actions>", b"<!DOCTYPE a><a/>"):
        with pytest.raises(GatewayError):
            parse_fragments(data, "Actions")
    assert [each.tag for each in parse_fragments(b"<a/> <b/>", "Actions")] == ["a", "b"]
