"""Bodies that break a plain Flask door: section 8 of push.md, row by row."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RECORD = {"remoteId": "17", "email": "zoe@example.org", "fields": {"FirstName": "Zoë"}}
BODY = json.dumps([RECORD], ensure_ascii=False)
PACKED = gzip.compress(BODY.encode(), mtime=0)  # the same bytes in every process: they stand in names of tests
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
    | st.sampled_from(["a@example.org", "\ud800", "\0", "", "News", "2026-01-16T12:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "records", "remoteId", "email", "fields", "interests", "add", "remove", "doNotEmail", "reason", "name",
        "subject", "fromAddress", "html", "public", "addresses", "sendAt", "notAfter", "again", "City",
        "Birthday"]), inner,
        max_size=4), max_leaves=10)


@pytest.mark.parametrize("content_type", [
    "application/json", "text/json", "TEXT/JSON", "application/json; charset=utf-8",
    'application/json; charset="UTF-8"', "text/json;charset=utf-8"])
def test_media_types(call, content_type):
    """PUSH-86: text/json is JSON too."""
    answer = call.post("/subscribers", data=BODY.encode(), content_type=content_type)
    assert (answer.status_code, answer.json["created"]) == (200, 1)


@pytest.mark.parametrize(("codec", "content_type"), [
    ("utf-8-sig", "application/json"), ("utf-16", "application/json"), ("utf-16", "application/json; charset=utf-16"),
    ("utf-16-le", "text/json; charset=UTF-16"), ("utf-16-be", "text/json; charset=utf-16be")])
def test_marks_and_utf_16(call, codec, content_type):
    """PUSH-87: .NET callers send byte order marks and UTF-16."""
    answer = call.post("/subscribers", data=BODY.encode(codec), content_type=content_type)
    assert (answer.status_code, answer.json["created"]) == (200, 1)


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/json; charset=iso-8859-1",
                                          "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_other_media_types(call, content_type):
    """PUSH-3, PUSH-80: 415."""
    answer = call.post("/subscribers", data=BODY.encode(), content_type=content_type)
    assert (answer.status_code, answer.json["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("body", [
    b"", b"{", b"[" * 100_000, b"[" * 17 + b"]" * 17, b'[{"fields":' * 50_000, b"[NaN]", b"[Infinity]", b"[-Infinity]",
    b'[{"remoteId":"1","remoteId":"2"}]', b'[{"fields":{"a":1,"a":2}}]', b"[1e999]", b"[" + b"9" * 10_000 + b"]",
    b'["\xff"]', b'["\xed\xa0\x80"]', BODY.encode("utf-16")[:-1], b"[1] []", b"\x00", b"'", b"nul"])
def test_malformed(call, door, body):
    """PUSH-79, PUSH-88, PUSH-89, PUSH-90, PUSH-95: 400, and nothing is stored."""
    answer = call.post("/subscribers", data=body)
    assert (answer.status_code, answer.json["code"]) == (400, "MALFORMED_REQUEST")
    assert answer.json["retryable"] is False
    assert door.count("subscriber") == door.count("upload") == 0


@pytest.mark.parametrize("body", [b'"x"', b"1", b"null", b"{}", b'{"records": {}}', b'{"records": null}',
                                  b'{"records": [], "recordz": []}'])
def test_wrong_top_level(call, body):
    """PUSH-79: readable, but not what this address takes."""
    answer = call.post("/subscribers", data=body)
    assert (answer.status_code, answer.json["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\u000b", "\\ufffe", "\\uffff", "\\udc00\\ud800"])
@pytest.mark.parametrize("where", ['{"remoteId":"a%sb","email":"a@example.org"}', '{"email":"a%sb@example.org"}',
                                   '{"email":"a@example.org","fields":{"City":"a%sb"}}',
                                   '{"email":"a@example.org","fields":{"a%sb":"x"}}',
                                   '{"email":"a@example.org","interests":{"add":["a%sb"]}}'])
def test_characters_that_cannot_be_stored(call, door, escape, where):
    """PUSH-91, PUSH-6: the record fails alone; its neighbour is stored; the answer is still JSON."""
    body = f'[{where % escape}, {{"email":"fine@example.org"}}]'
    answer = call.post("/subscribers?interest=News", data=body.encode())
    assert answer.status_code == 200
    assert [each.get("code") for each in answer.json["results"]] == ["INVALID_CHARACTER", None]
    assert door.count("subscriber") == 1


def test_gzip(call):
    """PUSH-4: packed bodies are taken everywhere."""
    answer = call.post("/subscribers", data=PACKED, headers={"Content-Encoding": "gzip"})
    assert answer.json["created"] == 1


@pytest.mark.parametrize(("data", "encoding", "status", "code"), [
    (PACKED[:-1], "gzip", 400, "MALFORMED_REQUEST"),
    (BODY.encode(), "gzip", 400, "MALFORMED_REQUEST"), (b"", "gzip", 400, "MALFORMED_REQUEST"),
    (BODY.encode(), "br", 415, "UNSUPPORTED_MEDIA_TYPE"), (BODY.encode(), "gzip, gzip", 415, "UNSUPPORTED_MEDIA_TYPE"),
    (gzip.compress(b" " * 9_000_000, mtime=0), "gzip", 413, "TOO_LARGE")])
def test_bad_encodings(call, data, encoding, status, code):
    """PUSH-4: damaged, not gzip, unknown, or a bomb."""
    answer = call.post("/subscribers", data=data, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_too_large_names_the_bulk_path(call):
    """PUSH-82: 8 MiB, and where larger things go."""
    answer = call.post("/subscribers", data=b" " * (8 * 1024**2 + 1))
    assert (answer.status_code, answer.json["code"]) == (413, "TOO_LARGE")
    assert "/push/v1/imports" in answer.json["errorMessage"]


def test_too_many_records_names_the_bulk_path(call, door):
    """PUSH-82: 1,001 records, and nothing of them is stored."""
    answer = call.post("/subscribers", json=[{"email": f"p{n}@example.org"} for n in range(1001)])
    assert (answer.status_code, answer.json["code"]) == (413, "TOO_MANY_RECORDS")
    assert "/push/v1/imports" in answer.json["errorMessage"]
    assert door.count("subscriber") == 0


@pytest.mark.parametrize("value", ["2026-02-30T00:00:00Z", "2026-01-01T00:00:00+0500", "2026-01-01T00:00:00",
                                   "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.12345678Z", "2026-01-01", "yesterday",
                                   "2026-01-01T00:00:00.Z", "٢٠٢٦-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"])
def test_instants_refused(call, value):
    """PUSH-93, PUSH-7: days that do not exist, offsets without colon or missing."""
    answer = call.get("/events", query_string={"since": value})
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (400, "INVALID_DATE", "since")


@pytest.mark.parametrize("value", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.1234567Z",
                                   "2026-01-01T00:00:00.1+01:00", "0001-01-01T00:00:00Z"])
def test_instants_taken(call, value):
    """PUSH-93, PUSH-98: none to seven fraction digits; the year 0001 says nothing."""
    assert call.get("/events", query_string={"since": value}).status_code == 200


@pytest.mark.parametrize(("path", "code"), [
    ("/subscribers?mode=add", "INVALID_VALUE"), ("/subscribers?mode=Delete", "INVALID_VALUE"),
    ("/subscribers?emptyValue=keep", "INVALID_VALUE"), ("/subscribers?dryRun=perhaps", "INVALID_VALUE"),
    ("/subscribers?detail=some", "INVALID_VALUE"), ("/subscribers?modus=Add", "INVALID_REQUEST"),
    ("/subscribers?mode=Add&mode=Update", "INVALID_REQUEST"), ("/subscribers?notify=a@example.org", "INVALID_REQUEST"),
    ("/subscribers?mode=Remove", "INVALID_REQUEST"), ("/subscribers?mode=ReplaceAll", "INVALID_REQUEST")])
def test_options_are_checked(call, door, path, code):
    """PUSH-50, PUSH-56: a closed set of words, and no parameter that means nothing."""
    answer = call.post(path, data=BODY.encode())
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert answer.json["field"]
    assert door.count("subscriber") == 0


@pytest.mark.parametrize(("path", "code", "field"), [
    ("/events?limit=0", "INVALID_VALUE", "limit"), ("/events?limit=5001", "INVALID_VALUE", "limit"),
    ("/events?limit=x", "INVALID_VALUE", "limit"), ("/events?after=x", "INVALID_TOKEN", "after"),
    ("/events?type=posted", "INVALID_VALUE", "type"), ("/imports?after=%00", "INVALID_CHARACTER", "after"),
    ("/imports?state=done", "INVALID_VALUE", "state"), ("/mailings?state=Draft", "INVALID_VALUE", "state")])
def test_bad_pages(call, path, code, field):
    """PUSH-79: bad parameters and page tokens, named in this door's words."""
    answer = call.get(path)
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (400, code, field)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_no_json_is_our_fault(call, value):
    """PUSH-105: whatever comes, no address answers 500."""
    for path in ("/subscribers?interest=News", "/subscribers/unsubscribe", "/subscribers/resubscribe", "/interests",
                 "/mailings", "/mailings/1/schedule", "/mailings/1/send", "/mailings/1/preview", "/mailings/1/cancel"):
        assert call.post(path, json=value).status_code < 500
        assert call.post(path, json=[value, value]).status_code < 500
