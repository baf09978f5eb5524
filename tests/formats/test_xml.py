"""One XML document, in any blocks: records, hostile ones, and documents that do not end."""

import tracemalloc

import pytest

from gateway.errors import GatewayError
from gateway.formats.encoding import MAX_LINE, decode
from gateway.formats.xml import read

SIZES = [1, 7, 1 << 16]


def records(data, size=1 << 16, charset=None):
    data = data.encode() if isinstance(data, str) else data
    return list(read(decode([data[at:at + size] for at in range(0, len(data), size)], charset, xml=True)))


def refusal(data, size=1 << 16):
    with pytest.raises(GatewayError) as refused:
        records(data, size)
    return refused.value


@pytest.mark.parametrize("size", SIZES)
def test_records_and_lines(size):
    """PUSH-62, PUSH-72: elements by local name, whatever namespace and nesting; the line of each."""
    text = """<?xml version="1.0"?>
<list xmlns="urn:any"><page>
  <subscriber>
    <remoteId>1</remoteId><email>a&amp;b@c.org</email>
    <field name="City"><![CDATA[<Köln>]]></field><field name="Title"/>
    <interest>News</interest><addInterest>Events</addInterest><removeInterest>Old</removeInterest>
    <doNotEmail>true</doNotEmail>
  </subscriber>
  <x:subscriber xmlns:x="urn:x"><x:email>d@e.org</x:email><x:fields><x:field name="City">Bonn</x:field></x:fields>
  </x:subscriber></page></list>"""
    first, second = records(text, size)
    assert (first.remote_id, first.email, dict(first.values), first.line) == (
        "1", "a&b@c.org", {"City": "<Köln>", "Title": ""}, 3)
    assert (first.add_interests, first.remove_interests, first.do_not_email) == (("News", "Events"), ("Old",), True)
    assert (second.email, dict(second.values), second.line) == ("d@e.org", {"City": "Bonn"}, 9)


def test_nil_clears_and_attributes_name_people():
    """PUSH-49: nil is JSON's null; identifiers may also be attributes."""
    record = records('<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><subscriber remoteId="1" '
                     'xsi:type="x"><field name="City" xsi:nil="true"/></subscriber></a>')[0]
    assert (record.remote_id, record.values, record.warnings) == ("1", {"City": None}, ())


@pytest.mark.parametrize(("inside", "code"), [
    ("<remoteId>1</remoteId><remoteId>2</remoteId>", "INVALID_VALUE"), ("<field>x</field>", "INVALID_VALUE"),
    ('<field name="City">x</field><field name="City">y</field>', "INVALID_VALUE"),
    ("<email><b>x</b></email>", "INVALID_VALUE"), ("<RemoteID>1</RemoteID>", "FIELD_UNKNOWN"),
    ("<doNotEmail>perhaps</doNotEmail>", "INVALID_VALUE"), ("<email>a\x0bb</email>", "INVALID_CHARACTER"),
    (f"<email>{'x' * MAX_LINE}</email>", "FIELD_TOO_LONG"), ("<field/>" * (MAX_LINE // 4), "FIELD_TOO_LONG"),
    ("<a/>" * (MAX_LINE // 4), "FIELD_TOO_LONG")])
def test_bad_record_fails_alone(inside, code):
    """PUSH-10, PUSH-11, PUSH-5, PUSH-6: the neighbours are read."""
    found = records(f"<a><subscriber><email>a@b.org</email></subscriber><subscriber>{inside}</subscriber>"
                    "<subscriber><email>c@d.org</email></subscriber></a>")
    assert [(r.email, r.problem and r.problem.code) for r in (found[0], found[2])] == [
        ("a@b.org", None), ("c@d.org", None)]
    assert found[1].problem.code == code


def test_unknown_element_is_a_warning():
    """PUSH-10: also one with elements in it."""
    record = records("<a><subscriber><email>a@b.org</email><TenantCode>7</TenantCode><x><y/></x></subscriber></a>")[0]
    assert [(w.code, w.field) for w in record.warnings] == [("FIELD_UNKNOWN", "TenantCode"), ("FIELD_UNKNOWN", "x")]


def test_no_records():
    """PUSH-69: an empty list has none; a document about something else is refused."""
    assert records("<subscribers/>") == []
    assert refusal("<html><body/></html>").code == "INVALID_REQUEST"


LAUGHS = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", [
    "", "   ", "<a>", "<a><subscriber>", "<a/><b/>", "<a></b>", "<a>&undefined;</a>", "<a>&#0;</a>", "<a \x00/>",
    "plain text", '{"a": 1}', "<!DOCTYPE a><a/>", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', LAUGHS,
    "<a" + "".join(f' n{n}="1"' for n in range(17)) + "/>", "<a>" * 65 + "</a>" * 65,
    "<a" + "".join(f' xmlns:n{n}="urn:{n}"' for n in range(65)) + "/>", f"<{'a' * 1025}/>",
    "<a><subscriber/></a>trailing"])
def test_refused_documents(size, text):
    """SOAP-76, SOAP-77, SOAP-79, PUSH-11: not well-formed, with a DTD, over the limits."""
    refused = refusal(text, size)
    assert refused.code == "MALFORMED_REQUEST"
    assert "line 1" in refused.message
    assert "passwd" not in refused.message


@pytest.mark.parametrize("endless", [b"<!-- ", b"<a q='", b"<?x ", b"<a><b c='"])
def test_endless_token_is_not_kept(endless):
    """PUSH-94: a comment, tag or instruction without end is refused before it fills the memory."""
    def blocks():
        yield endless
        while True:
            yield b"x" * 65536

    tracemalloc.start()
    with pytest.raises(GatewayError, match="too long"):
        list(read(decode(blocks(), None, xml=True)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


def test_memory_is_flat():
    """PUSH-58: a document of 3 MB is read block by block."""
    row = b"<subscriber><remoteId>1</remoteId><field name='City'>Bonn</field></subscriber>\n"

    def blocks():
        yield b"<a>"
        for _ in range(40):
            yield row * 850
        yield b"</a>"

    tracemalloc.start()
    assert sum(1 for _ in read(decode(blocks(), None, xml=True))) == 34_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


TEXT = "<a><subscriber><remoteId>é</remoteId></subscriber></a>"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("data", "charset"), [
    (TEXT.encode(), None), (b"\xef\xbb\xbf" + TEXT.encode(), "iso-8859-1"), (TEXT.encode("utf-16"), None),
    (TEXT.encode("utf-16le"), "utf-16"), (TEXT.encode("utf-16be"), "utf-16"), (TEXT.encode("utf-16le"), None),
    (f'<?xml version="1.0" encoding="ISO-8859-1"?>{TEXT}'.encode("latin-1"), None),
    (f"<?xml version='1.0' encoding='windows-1252'?>{TEXT}".encode("cp1252"), None),
    (f'<?xml version="1.0" encoding="utf-16"?>{TEXT}'.encode("utf-16be"), None),
    (f'<?xml version="1.0" encoding="utf-16"?>{TEXT}'.encode(), None),  # a text writer of .NET
    (f'<?xml version="1.0" encoding="utf-8"?>{TEXT}'.encode("cp1252"), "windows-1252")])
def test_charsets(data, charset, size):
    """PUSH-59: BOM, then what the request declares, then what the document declares."""
    assert [r.remote_id for r in records(data, size, charset)] == ["é"]


def test_unknown_declaration():
    """PUSH-59: a charset that we do not read refuses the document."""
    assert refusal(f'<?xml version="1.0" encoding="koi8-r"?>{TEXT}').code == "UNSUPPORTED_MEDIA_TYPE"


def test_undecodable_record():
    """PUSH-59: bytes that the charset does not know fail their record."""
    found = records(b"<a><subscriber><email>\xff</email></subscriber><subscriber><email>a@b.org</email></subscriber>"
                    b"</a>")
    assert [r.problem and r.problem.code for r in found] == ["INVALID_CHARACTER", None]
