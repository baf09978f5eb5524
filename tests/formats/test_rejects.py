"""The failed rows of a file in its own format: with the reason, and fit to be corrected and sent again (PUSH-33)."""

import json

import pytest

from gateway.domain.fields import STANDARD_FIELDS, fold
from gateway.domain.records import ImportOptions, Problem
from gateway.domain.upload import CSV, JSON, NDJSON, TSV, XML, UploadRequest
from gateway.formats.encoding import MAX_LINE
from gateway.formats.records import open_records
from gateway.formats.rejects import write

FIELDS = {fold(name): name for name in STANDARD_FIELDS}
WHY = Problem("INVALID_EMAIL", "Not an address, sorry.", "email")


def rejects(data, failed, size=1 << 16, **request):
    data = data.encode() if isinstance(data, str) else data
    blocks = [data[at:at + size] for at in range(0, len(data), size)]
    wanted = UploadRequest(ImportOptions(), **request)
    return b"".join(write(blocks, wanted, ((number, WHY) for number in failed)))


def read_again(data, media_type, **request):
    stream = open_records([data], UploadRequest(ImportOptions(), media_type, **request), FIELDS)
    return list(stream.records), stream.unmapped


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_csv(size):
    """Quoted newlines, blank lines and umlauts; rows that are no rows keep their text in one cell."""
    text = ('\r\nemail,City\r\n1@x,"A ""b""\r\nc"\r\n\r\n2@x,B\r\n3@x,ü,too many\r\n4@x,"lost quote\r\n5@x"z,6\r\n'
            "7@x,last")
    found = rejects(text, [0, 2, 3, 4], size, media_type=CSV).decode("utf-8-sig")
    why = 'INVALID_EMAIL,email,"Not an address, sorry.",'
    assert found == ("errorCode,errorField,errorMessage,email,City\r\n" + why + '1@x,"A ""b""\r\nc"\r\n'
                     + why + "3@x,ü,too many\r\n" + why + '"4@x,""lost quote\r\n5@x""z,6"\r\n' + why + "7@x,last\r\n")


def test_csv_goes_back_as_it_is():
    """The corrected file may keep the reasons, and its mark beats the charset of the first file."""
    found = rejects("email,City\na@b.org,Köln\n".encode("cp1252"), [0], media_type=CSV, charset="windows-1252")
    records, unmapped = read_again(found, CSV, charset="windows-1252")
    assert [(r.email, dict(r.values), r.problem) for r in records] == [("a@b.org", {"City": "Köln"}, None)]
    assert unmapped == ()


def test_tables_without_header_and_raw_ones():
    """``columns=`` has no header; ``quote=none`` stays raw."""
    assert rejects("a@b\tx\n", [0], media_type=TSV, columns=("email", "City")).decode("utf-8-sig") == (
        "INVALID_EMAIL\temail\tNot an address, sorry.\ta@b\tx\r\n")
    found = rejects('email;City\n1@x;5" pipe\n2@x;"\n', [0, 1], media_type=CSV, delimiter=";", quoted=False)
    why = "INVALID_EMAIL;email;Not an address, sorry.;"
    assert found.decode("utf-8-sig").split("\r\n")[1:] == [f'{why}1@x;5" pipe', f'{why}2@x;"', ""]


def test_what_cannot_be_shown():
    """Bytes of no charset are replaced; of a row that is too long only the reason is there."""
    found = rejects(b"email\n\xff@x\n" + b"x" * (MAX_LINE + 1) + b"\n3@x\n", [0, 1, 2], media_type=CSV)
    why = 'INVALID_EMAIL,email,"Not an address, sorry."'
    assert found.decode("utf-8-sig").split("\r\n")[1:] == [f"{why},\ufffd@x", why, f"{why},3@x", ""]


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_ndjson(size):
    """Members are added in front; a line that is no object is kept as text."""
    text = '{"email": "1@x"}\n\n{"email": "2@x", "errorCode": "OLD"}\nno json\n[1]\n{"email": "5@x"}'
    found = [json.loads(line) for line in rejects(text, [1, 2, 3], size, media_type=NDJSON).splitlines()]
    why = {"errorCode": "INVALID_EMAIL", "errorField": "email", "errorMessage": "Not an address, sorry."}
    assert found == [{**why, "email": "2@x"}, {**why, "raw": "no json"}, {**why, "raw": [1]}]


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_json(size):
    """An array again, which is read without a warning."""
    text = '[{"email": "1@x"}, {"email": "2@x", "fields": {"City": "ü"}},\n{"email": nul}, {"email": "4@x"}]'
    found = rejects(text, [1, 2], size, media_type=JSON)
    assert [each.get("raw", each.get("email")) for each in json.loads(found)] == ["2@x", '{"email": nul}']
    records, _ = read_again(found, JSON)
    assert (records[0].email, records[0].values, records[0].warnings) == ("2@x", {"City": "ü"}, ())


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_xml(size):
    """A document again, which is read without a warning; nil stays nil."""
    text = ('<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><subscriber><email>1@x</email></subscriber>'
            '<subscriber remoteId="K&amp;2"><email>2@x</email><field name="City">a&lt;b&#13;</field>'
            '<field name="Title" xsi:nil="true"/><interest>News</interest></subscriber></a>')
    found = rejects(text, [1], size, media_type=XML)
    records, _ = read_again(found, XML)
    assert [(r.remote_id, r.email, dict(r.values), r.add_interests, r.warnings) for r in records] == [
        ("K&2", "2@x", {"City": "a<b\r", "Title": None}, ("News",), ())]
    assert b"<errorCode>INVALID_EMAIL</errorCode><errorField>email</errorField>" in found
