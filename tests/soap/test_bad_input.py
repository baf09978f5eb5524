"""Does every bad request end in a fault with the right code, and leave nothing half-done?"""

import gzip

import pytest

from gateway.errors import GatewayError
from tests.soap.door import E11, TNS, Door

IMPORT = "<g:ImportSubscribers><g:mode>{mode}</g:mode>{records}</g:ImportSubscribers>"
RECORD = "<g:record><g:remoteId>K-{}</g:remoteId><g:email>p{}@example.org</g:email></g:record>"


def import_of(records, mode="Add"):
    return IMPORT.format(mode=mode, records=records)


def nobody_is_stored(door):
    door.world.clock.advance(seconds=1)  # a feed shows what lies before its bound
    return door.call("FindSubscribers").item == [] and door.call("FindInterests").item == []


def result(door, record):
    """The one result of an import of one record given as XML."""
    answer = door.post(import_of(f"<g:record>{record}</g:record>"))
    assert answer.status_code == 200, door.refusal(answer)
    return answer.text


@pytest.mark.parametrize("record, code", [
    ("<g:field><g:name>City</g:name><g:value>x</g:value></g:field>", "IDENTIFIER_MISSING"),
    ("<g:remoteId>K-1</g:remoteId>", "EMAIL_MISSING"),
    ("<g:email>no address</g:email>", "INVALID_EMAIL"),
    (f"<g:email>{'x' * 255}@example.org</g:email>", "INVALID_EMAIL"),
    (f"<g:remoteId>{'1' * 256}</g:remoteId><g:email>a@example.org</g:email>", "FIELD_TOO_LONG"),
    (f"<g:email>a@example.org</g:email><g:field><g:name>City</g:name><g:value>{'x' * 4001}</g:value></g:field>",
     "FIELD_TOO_LONG"),
    ("<g:email>a@example.org</g:email>" + "<g:field><g:name>City</g:name><g:value>x</g:value></g:field>" * 2,
     "INVALID_VALUE")])
def test_a_bad_record_is_a_result(door, record, code):
    """SOAP-34: never a fault, whatever is wrong with it."""
    text = result(door, record)
    assert "<status>failed</status>" in text and f"<code>{code}</code>" in text and "<overall>Failed" in text
    assert nobody_is_stored(door)


def test_an_unknown_field_is_a_warning(door):
    """FIELD_UNKNOWN: the record is stored without it."""
    text = result(door, "<g:email>a@example.org</g:email><g:field><g:name>Shoe</g:name><g:value>9</g:value></g:field>")
    assert "<status>created</status>" in text and "<warning><code>FIELD_UNKNOWN</code><field>Shoe</field>" in text


def test_1001_records(door, version):
    """SOAP-75: refused as a whole, and the bulk path is named."""
    answer = door.post(import_of("".join(RECORD.format(i, i) for i in range(1001))), version=version)
    told = door.refusal(answer)
    assert answer.status_code == 413 and told.code == "TOO_MANY_RECORDS" and "StartImport" in told.message
    assert nobody_is_stored(door)
    entries = "".join(f"<g:entry><g:email>p{i}@example.org</g:email></g:entry>" for i in range(1001))
    assert door.refusal(door.post(f"<g:Unsubscribe>{entries}</g:Unsubscribe>")).code == "TOO_MANY_RECORDS"


@pytest.mark.parametrize("body, where", [
    (import_of("<g:record><g:shoe>9</g:shoe></g:record>"), "ImportSubscribers/record/shoe"),
    (import_of("<g:record><g:email>a@b.c</g:email><g:remoteId>1</g:remoteId></g:record>"), "record/remoteId"),
    (import_of("", "Add"), "ImportSubscribers"),
    (import_of("<g:record/>", "add"), "ImportSubscribers/mode"),
    (import_of("<g:record/>", ""), "ImportSubscribers/mode"),
    (import_of("<g:record><g:doNotEmail>maybe</g:doNotEmail></g:record>"), "record/doNotEmail"),
    ("<g:GetSubscriber/>", "GetSubscriber"),
    ("<g:FindEvents><g:pageSize>many</g:pageSize></g:FindEvents>", "FindEvents/pageSize"),
    ("<g:DropTables/>", "DropTables")])
def test_what_the_schema_does_not_take(door, version, body, where):
    """SOAP-26, SOAP-80: INVALID_REQUEST with the path and what was expected."""
    answer = door.post(body, version=version)
    told = door.refusal(answer)
    assert told.code == "INVALID_REQUEST" and where in f"{told.field} {told.message}", told
    assert answer.status_code == (500 if version == "1.1" else 400)
    assert nobody_is_stored(door)


def test_the_allowed_words_are_named(door):
    """SOAP-26."""
    told = door.refusal(door.post(import_of("<g:record/>", "add")))
    assert "AddOrUpdate" in told.message and "ReplaceAll" in told.message


def test_an_instant_that_does_not_exist(door):
    """SOAP-29, SOAP-80."""
    for text in ("2026-02-30T09:00:00Z", "yesterday", "2026-01-15"):
        told = door.refusal(door.post(f"<g:FindEvents><g:since>{text}</g:since></g:FindEvents>"))
        assert told.code in ("INVALID_REQUEST", "INVALID_DATE") and "since" in told.field
    told = door.refusal(door.post("<g:FindEvents><g:until>2026-01-15T09:00:00</g:until></g:FindEvents>"))
    assert (told.code, told.field) == ("INVALID_DATE", "until")
    told = door.refusal(door.post("<g:FindEvents><g:until>9999-12-31T23:59:59-14:00</g:until></g:FindEvents>"))
    assert (told.code, told.field) == ("INVALID_DATE", "until")


@pytest.mark.parametrize("content, code", [
    (b"", "MALFORMED_REQUEST"), (b"not xml", "MALFORMED_REQUEST"), (b"<a><b></a>", "MALFORMED_REQUEST"),
    (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "MALFORMED_REQUEST"),
    (b"<a/>", "MALFORMED_REQUEST"),
    (f'<s:Envelope xmlns:s="{E11}"><s:Body/></s:Envelope>'.encode(), "INVALID_REQUEST")])
def test_what_is_no_request(door, version, content, code):
    """SOAP-8, SOAP-76, SOAP-79."""
    told = door.refusal(door.send(content, version=version))
    assert told.code == code or version == "1.2" and b"Envelope" in content


def test_the_other_versions_envelope(door):
    """SOAP-7."""
    assert b"VersionMismatch" in door.send(f'<s:Envelope xmlns:s="{E11}"><s:Body/></s:Envelope>'.encode(),
                                           version="1.2").data


def test_another_content_type(door):
    """SOAP-7."""
    answer = door.send(b"{}", content_type="application/json")
    assert answer.status_code == 415 and door.refusal(answer).code == "UNSUPPORTED_MEDIA_TYPE"


def envelope_in(door, charset, declared):
    user = door.user("sender")
    text = (f'<?xml version="1.0" encoding="{declared}"?><s:Envelope xmlns:s="{E11}" xmlns:g="{TNS}"><s:Header>'
            f"<g:Credentials><g:brandId>1</g:brandId><g:userName>{user['userName']}</g:userName>"
            f"<g:password>{user['password']}</g:password></g:Credentials></s:Header><s:Body>"
            + import_of("<g:record><g:remoteId>K-1</g:remoteId><g:email>a@example.org</g:email><g:field>"
                        "<g:name>City</g:name><g:value>Köln</g:value></g:field></g:record>")
            + "</s:Body></s:Envelope>")
    return text.encode(charset)


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_charsets_that_are_taken(door, charset):
    """SOAP-11."""
    answer = door.send(envelope_in(door, charset, charset), content_type="text/xml")
    assert answer.status_code == 200, answer.text
    who = door.call("GetSubscriber", identifier={"remoteId": "K-1"})
    assert [each.value for each in who.field] == ["Köln"]


def test_a_wrong_charset(door):
    """SOAP-79: bytes that are not what they say."""
    told = door.refusal(door.send(envelope_in(door, "iso-8859-1", "utf-8"), content_type="text/xml"))
    assert told.code == "MALFORMED_REQUEST" and nobody_is_stored(door)
    told = door.refusal(door.send(envelope_in(door, "utf-8", "ebcdic"), content_type="text/xml"))
    assert told.code == "MALFORMED_REQUEST"


@pytest.mark.parametrize("nul", ["\0", "&#0;", "&#x1b;"])
def test_a_nul_in_a_name(door, nul):
    """SOAP-79: XML cannot carry it, so the request is not readable."""
    body = import_of(f"<g:record><g:email>a@example.org</g:email><g:field><g:name>City</g:name><g:value>Kö{nul}ln"
                     "</g:value></g:field></g:record>")
    assert door.refusal(door.post(body)).code == "MALFORMED_REQUEST" and nobody_is_stored(door)


def test_a_request_that_is_too_large(door):
    """SOAP-74: as sent and as inflated."""
    big = import_of("<g:record><g:email>" + "x" * 17_000_000 + "</g:email></g:record>")
    answer = door.post(big)
    assert answer.status_code == 413 and door.refusal(answer).code == "TOO_LARGE"
    answer = door.send(gzip.compress(b" " * 17_000_000), headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413


def test_a_gzip_request_and_a_gzip_answer(door):
    """SOAP-11."""
    answer = door.send(gzip.compress(envelope_in(door, "utf-8", "utf-8")), content_type="text/xml",
                       headers={"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    body = gzip.decompress(answer.data) if answer.headers.get("Content-Encoding") == "gzip" else answer.data
    assert b"<created>1</created>" in body


def test_the_store_is_away(tmp_path, sqlite_url, clock, monkeypatch):
    """SOAP-10: UNAVAILABLE with Retry-After, and the same call works later."""
    door = Door(sqlite_url, clock=clock, data_dir=tmp_path)
    body = import_of(RECORD.format(1, 1))
    door.user("sender")
    assert door.post("<g:FindEvents/>").status_code == 200

    def away(actor):
        raise GatewayError("UNAVAILABLE", retry_after_s=5)

    with monkeypatch.context() as patch:
        patch.setattr(type(door.gateway), "unit", staticmethod(away))
        answer = door.post(body)
    told = door.refusal(answer)
    assert (answer.status_code, told.code, told.retryable, answer.headers["Retry-After"]) == (
        500, "UNAVAILABLE", "true", "5")
    assert door.post(body).status_code == 200
    door.world.close()


def test_an_error_of_ours_tells_nothing(door, monkeypatch, caplog):
    """SOAP-85, SOAP-84: INTERNAL_ERROR, nothing stored, no values in fault or log."""
    monkeypatch.setattr("gateway.soap.convert.batch", lambda report: {"overall": "secret of another"})
    answer = door.post(import_of(RECORD.format(1, 1)))
    assert answer.status_code == 500 and door.refusal(answer).code == "INTERNAL_ERROR"
    assert b"secret" not in answer.data and "secret" not in caplog.text
    monkeypatch.undo()
    assert nobody_is_stored(door)


def test_unknown_interests_of_a_whole_call(door):
    """ID-42, LIST_UNKNOWN is for those who may not create; a sender may."""
    batch = door.call("ImportSubscribers", mode="Add", interest=["New one"], record=[{"email": "a@example.org"}])
    door.world.clock.advance(seconds=1)
    assert batch.overall == "OK" and [each.name for each in door.call("FindInterests").item] == ["New one"]


def test_another_integration(door):
    """SOAP-19: an unknown one is refused, and nothing is stored."""
    told = door.refusal(door.post("<g:ImportSubscribers><g:mode>Add</g:mode><g:integration>none</g:integration>"
                                  f"{RECORD.format(1, 1)}</g:ImportSubscribers>"))
    assert told.code in ("NOT_FOUND", "NOT_ALLOWED") and told.field == "integration" and nobody_is_stored(door)
