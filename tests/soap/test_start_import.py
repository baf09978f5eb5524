"""An import of any length in one message. (SOAP-41, SOAP-42, SOAP-74..83)"""

import base64
import gzip

import pytest

from gateway.services import uploadruns
from tests.soap.door import PASSWORD, Refused, credentials

CSV = "remoteId,email,FirstName\nK-1,ann@example.org,Ann\nK-2,nobody,Bo\n"
RECORDS = [{"remoteId": "K-1", "email": "ann@example.org", "field": [{"name": "FirstName", "value": "Ann"}]},
           {"remoteId": "K-2", "email": "nobody"}]
JSON = ('{"remoteId":"K-1","email":"ann@example.org","fields":{"FirstName":"Ann"}}',
        '{"remoteId":"K-2","email":"nobody"}')
XML = ("<list><subscriber><remoteId>K-1</remoteId><email>ann@example.org</email><field name='FirstName'>Ann</field>"
       "</subscriber><subscriber><remoteId>K-2</remoteId><email>nobody</email></subscriber></list>")
FILES = {"Csv": CSV, "Tsv": CSV.replace(",", "\t"), "Ndjson": "\n".join(JSON), "Json": f"[{','.join(JSON)}]",
         "Xml": XML}


def spooled(door):
    folder = door.gateway.settings.spool_dir
    return [path for path in folder.iterdir() if path.suffix != ".rejects"] if folder.is_dir() else []


def work(door, job, brand=1):
    """Does what the background would do, and answers the job."""
    uploadruns.run_import(door.gateway, brand, int(job.jobId.removeprefix("j-")))
    return door.call("GetImport", jobId=job.jobId, brand=brand)


def start(door, data, options="<g:mode>AddOrUpdate</g:mode><g:format>Records</g:format>", **how):
    return door.post(f"<g:StartImport>{options}{data}</g:StartImport>", **how)


@pytest.fixture
def fielded(any_door):
    any_door.world.add_field("FirstName")
    return any_door


def test_from_acceptance_to_the_errors(fielded, version):
    """SOAP-41, SOAP-42, PUSH-72: queued, its counters, its failed rows."""
    fielded.version = version
    job = fielded.call("StartImport", mode="AddOrUpdate", format="Records", record=RECORDS, interest=["News"])
    assert (job.jobId[:2], job.state, job.received, job.rowsDone, job.codeCount) == ("j-", "queued", 0, 0, [])
    assert job.queuedAt and job.startedAt is None
    done = work(fielded, job)
    assert (done.state, done.received, done.created, done.failed, done.rowsDone) == (
        "finished_with_errors", 2, 1, 1, 2)
    assert [(each.code, each.count) for each in done.codeCount] == [("INVALID_EMAIL", 1)]
    assert {each.name: each.value for each in done.extra} == {"mode": "AddOrUpdate", "dryRun": "false"}
    page = fielded.call("GetImportErrors", jobId=job.jobId, pageSize=1)
    assert [(each.row, each.line, each.remoteId, each.email, each.code, each.field) for each in page.item] == [
        (2, None, "K-2", "nobody", "INVALID_EMAIL", "email")]
    assert page.nextToken is None and page.requestId
    ann = fielded.call("GetSubscriber", identifier={"remoteId": "K-1"})
    assert [(each.name, each.value) for each in ann.field] == [("FirstName", "Ann")]
    assert [each.name for each in ann.interest] == ["News"]
    assert spooled(fielded) == []


@pytest.mark.parametrize("way", ["text", "base64", "gzip"])
@pytest.mark.parametrize("name", FILES)
def test_every_format_ends_in_the_same_state(door, name, way):
    """SOAP-41: text and base64 come in pieces; PUSH-57."""
    door.world.add_field("FirstName")
    data = {"text": FILES[name], "base64": FILES[name].encode(), "gzip": gzip.compress(FILES[name].encode())}[way]
    member = "text" if way == "text" else "base64"
    options = {"compression": "Gzip"} if way == "gzip" else {}
    job = door.call("StartImport", mode="AddOrUpdate", format=name, **options,
                    **{member: [data[at:at + 7] for at in range(0, len(data), 7)]})
    done = work(door, job)
    assert (done.state, done.created, done.failed) == ("finished_with_errors", 1, 1), done
    assert [each.line for each in door.call("GetImportErrors", jobId=job.jobId).item] != [None]


def test_options_of_tables(door):
    """PUSH-59 to PUSH-61."""
    data = "K-1;ann@example.org;Köln".encode("windows-1252")
    job = door.call("StartImport", mode="Add", format="Csv", delimiter=";", charset="windows-1252", quote="None",
                    column=["remoteId", "email", "City"], base64=[data])
    assert work(door, job).state == "finished"
    text = door.call("StartImport", mode="Add", format="Csv", charset="utf-16", text=["email\n", "cy@example.org"])
    assert work(door, text).created == 1, "a text is text, whatever its charset was"


def test_a_text_is_text_whatever_it_says_of_itself(door):
    """SOAP-41: a document in pieces of text has been decoded; its own declaration does not count once more."""
    door.world.add_field("FirstName")
    text = '<?xml version="1.0" encoding="windows-1252"?>' + XML.replace(">Ann<", ">Jürgen<")
    job = door.call("StartImport", mode="Add", format="Xml", text=[text])
    assert work(door, job).created == 1
    assert door.call("GetSubscriber", identifier={"remoteId": "K-1"}).field[0].value == "Jürgen"
    packed = door.call("StartImport", mode="Update", format="Xml", base64=[text.encode("windows-1252")])
    assert work(door, packed).unchanged == 1


def test_what_became_of_a_job_is_told_in_the_contracts_words(door):
    """SOAP-6: no parameter of a URL in it."""
    job = work(door, door.call("StartImport", mode="Add", format="Csv", text=["City\nRome\n"]))
    assert (job.state, "columns=" in job.message, " column" in job.message) == ("rejected", False, True)


RECORD_CASES = """
<g:record/>
<g:record><g:remoteId/><g:email/></g:record>
<g:record><g:remoteId>1</g:remoteId><g:email>a@example.org</g:email>
  <g:field><g:name>City</g:name><g:value>Rome</g:value></g:field><g:addInterest>A</g:addInterest></g:record>
<g:record><g:remoteId>1</g:remoteId><g:email>a@example.org</g:email>
  <g:field><g:name>City</g:name><g:value xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/></g:field>
  <g:removeInterest>A</g:removeInterest><g:doNotEmail>true</g:doNotEmail></g:record>
<g:record><g:remoteId>2</g:remoteId><g:email>b@example.org</g:email>
  <g:field><g:name>City</g:name><g:value>A</g:value></g:field><g:field><g:name>City</g:name><g:value>B</g:value></g:field>
</g:record>
<g:record><g:remoteId>3</g:remoteId><g:email>c@example.org</g:email>
  <g:field><g:name>City</g:name><g:value>Oslo</g:value></g:field></g:record>
<g:record><g:remoteId>3</g:remoteId><g:field><g:name>City</g:name><g:value></g:value></g:field></g:record>
"""


@pytest.mark.parametrize("empty", ["Keep", "Clear"])
def test_records_mean_what_they_mean_to_import_subscribers(door, empty):
    """SOAP-41: nil, empty texts, interests, the flag and bad records are the same in both; brand 2 has the other."""
    for brand in (1, 2):
        door.world.add_field("City", brand_id=brand)
    options = f"<g:mode>AddOrUpdate</g:mode><g:emptyValue>{empty}</g:emptyValue>"
    answer = start(door, RECORD_CASES, options + "<g:format>Records</g:format>")
    assert answer.status_code == 200, answer.data
    job_id = answer.data.decode().split("<jobId>")[1].split("<")[0]
    uploadruns.run_import(door.gateway, 1, int(job_id[2:]))
    door.call("ImportSubscribers", brand=2, mode="Add", record=[{"email": "x@example.org"}])
    door.post(f"<g:ImportSubscribers>{options}{RECORD_CASES}</g:ImportSubscribers>", brand=2)
    door.world.clock.advance(seconds=1)

    def state(brand):
        found = door.call("FindSubscribers", brand=brand).item
        return [(each.remoteId, each.email, each.blockedBy, [(one.name, one.value) for one in each.field],
                 [(one.name, one.until) for one in each.interest]) for each in found if each.email != "x@example.org"]

    assert state(1) == state(2) and len(state(1)) == 2
    job = door.call("GetImport", jobId=job_id)
    assert (job.received, job.failed, [(each.code, each.count) for each in job.codeCount]) == (
        7, 3, [("IDENTIFIER_MISSING", 2), ("INVALID_VALUE", 1)])


FAULTS = {
    "no data": ("", {}, "INVALID_REQUEST", "record"),
    "a file as record": ("<g:text>a</g:text>", {}, "INVALID_REQUEST", "format"),
    "records as a file": ("<g:record/>", {"format": "Csv"}, "INVALID_REQUEST", "format"),
    "packed text": ("<g:text>a</g:text>", {"format": "Csv", "compression": "Gzip"}, "INVALID_REQUEST", "compression"),
    "bad base64": ("<g:base64>QUJD</g:base64><g:base64>QUI</g:base64>", {"format": "Csv"}, "INVALID_VALUE",
                   "StartImport/base64[2]"),
    "strange base64": ("<g:base64>QU*JD</g:base64>", {"format": "Csv"}, "INVALID_VALUE",
                       "StartImport/base64[1]"),
    "bad gzip": ("<g:base64>QUJD</g:base64>", {"format": "Csv", "compression": "Gzip"}, "INVALID_VALUE", "base64"),
    "cut gzip": (f"<g:base64>{base64.b64encode(gzip.compress(b'email')[:-1]).decode()}</g:base64>",
                 {"format": "Csv", "compression": "Gzip"}, "INVALID_VALUE", "base64"),
    "charset of records": ("<g:record/>", {"charset": "utf-8"}, "INVALID_REQUEST", "charset"),
    "unknown charset": ("<g:text>a</g:text>", {"format": "Csv", "charset": "ebcdic"}, "INVALID_VALUE", "charset"),
    "columns of JSON": ("<g:text>a</g:text>", {"format": "Json", "column": "a"}, "INVALID_REQUEST", "column"),
    "delimiter of TSV": ("<g:text>a</g:text>", {"format": "Tsv", "delimiter": ";"}, "INVALID_REQUEST", "delimiter"),
    "bad delimiter": ("<g:text>a</g:text>", {"format": "Csv", "delimiter": ""}, "INVALID_REQUEST", "delimiter"),
    "ReplaceAll of nothing": ("<g:record/>", {"mode": "ReplaceAll"}, "INVALID_REQUEST", "interest"),
    "unknown integration": ("<g:record/>", {"integration": "nobody"}, "NOT_ALLOWED", "integration"),
    "unknown mapping": ("<g:text>a</g:text>", {"format": "Csv", "mapping": "none"}, "NOT_FOUND", "mapping"),
    "columns twice": ("<g:text>a</g:text>", {"format": "Csv", "column": "City", "mapping": "none"}, "INVALID_REQUEST",
                      "mapping"),
    "no identifier": ("<g:text>a</g:text>", {"format": "Csv", "column": "City"}, "INVALID_REQUEST", "column"),
    "a control character": ("<g:text>a</g:text>", {"format": "Csv", "column": "email\x85"}, "INVALID_CHARACTER",
                            "column"),
    "unknown word": ("<g:record/>", {"format": "csv"}, "INVALID_REQUEST", "StartImport/format"),
    "a bad flag": ("<g:record/>" * 30_000 + "<g:record><g:doNotEmail>yes</g:doNotEmail></g:record>", {},
                   "INVALID_REQUEST", "StartImport/record[30001]/doNotEmail"),
    "cut off": ("<g:record/>" * 30_000 + "<!--", {}, "MALFORMED_REQUEST", None),
    "a long text": (f"<g:text>{'a' * (4 * 1024 ** 2 + 1)}</g:text>", {"format": "Csv"}, "TOO_LARGE", None),
    "long base64": (f"<g:base64>QUJD</g:base64><g:base64>{'QUJD' * 1024 ** 2}QUJD</g:base64>", {"format": "Csv"},
                    "TOO_LARGE", None),
    "both": ("<g:record/><g:text>a</g:text>", {}, "INVALID_REQUEST", "text"),
}
ORDER = ("mode", "integration", "format", "compression", "charset", "column", "mapping", "delimiter")


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_stores_nothing(door, name):
    """SOAP-78, SOAP-80 to SOAP-82: no job and no file."""
    data, members, code, field = FAULTS[name]
    given = {"mode": "AddOrUpdate", "format": "Records", **members}
    options = "".join(f"<g:{each}>{given[each]}</g:{each}>" for each in ORDER if each in given)
    told = door.refusal(start(door, data, options))
    assert (told.code, told.field) == (code, field), told
    assert spooled(door) == []
    with pytest.raises(Refused, match="NOT_FOUND"):
        door.call("GetImport", jobId="j-1")


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
DIGEST = (f'<w:Password Type="{WSS}username-token-profile-1.0#PasswordDigest">eHh4</w:Password>'
          f'<w:Nonce>bm9uY2U=</w:Nonce><u:Created xmlns:u="{WSS}wssecurity-utility-1.0.xsd">2026-05-01T00:00:00Z'
          "</u:Created>")


def token(user, secret):
    return (f'<w:Security xmlns:w="{WSS}wssecurity-secext-1.0.xsd" s:mustUnderstand="1"><w:UsernameToken>'
            f"<w:Username>{user}</w:Username>{secret}</w:UsernameToken></w:Security>")


@pytest.mark.parametrize(("how", "code"), [
    ({"user": None}, "NOT_AUTHENTICATED"), ({"user": "reader"}, "NOT_ALLOWED"),
    ({"header": credentials("1", "sender", "wrong")}, "NOT_AUTHENTICATED"),
    ({"header": credentials("2", "sender", PASSWORD)}, "NOT_AUTHENTICATED"),
    ({"header": token("1/sender", "<w:Password>wrong</w:Password>")}, "NOT_AUTHENTICATED"),
    ({"header": token("1/sender", DIGEST)}, "NOT_AUTHENTICATED"),
    ({"header": " ", "headers": basic("1/sender", "wrong")}, "NOT_AUTHENTICATED"),
    ({"header": credentials("1", "sender", "wrong"), "headers": basic("1/sender", PASSWORD)}, "NOT_AUTHENTICATED"),
    ({"header": '<x xmlns="urn:x" s:mustUnderstand="1"/>'}, "INVALID_REQUEST")])
def test_who_may_not_stores_nothing(door, version, how, code):
    """SOAP-9, SOAP-13 to SOAP-18: said before the data is looked at."""
    door.user("sender")
    for end in ("<g:broken", "<g:bad/>", ""):
        answer = start(door, "<g:record/>" * 30_000 + end, version=version, **how)
        assert door.refusal(answer).code == code
    assert not door.gateway.settings.spool_dir.exists(), "not even begun"


def test_credentials_of_every_kind(door):
    """SOAP-14, SOAP-16."""
    who = door.user("sender")
    right = basic("1/sender", who["password"])
    assert start(door, "<g:record/>", header=" ", headers=right).status_code == 200
    as_token = token("1/sender", f"<w:Password>{who['password']}</w:Password>")
    assert start(door, "<g:record/>", header=as_token).status_code == 200


def test_gzip_of_the_whole_message(door):
    """SOAP-11."""
    header = credentials(**door.user("sender"))
    text = ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:g="urn:gateway:v1"><s:Header>'
            f"{header}</s:Header><s:Body><g:StartImport><g:mode>Add</g:mode><g:format>Records</g:format>"
            f"{'<g:record/>' * 50_000}</g:StartImport></s:Body></s:Envelope>")
    assert door.send(gzip.compress(text.encode()), headers={"Content-Encoding": "gzip"}).status_code == 200


def test_a_key_makes_a_repetition_harmless(any_door, clock):
    """SOAP-72: same data, other data, and how the message is written."""
    call = {"mode": "Add", "format": "Csv", "clientRequestId": "k1"}
    first = any_door.call("StartImport", **call, text=["email\n", "ann@example.org"])
    clock.advance(minutes=1)
    again = any_door.call("StartImport", **call, text=["email\nann@", "example.org"])
    assert (again.jobId, again.queuedAt) == (first.jobId, first.queuedAt)
    assert ("replayed", "true") in [(each.name, each.value) for each in again.extra]
    with pytest.raises(Refused, match="IDEMPOTENCY_CONFLICT"):
        any_door.call("StartImport", **call, text=["email\nbo@example.org"])
    with pytest.raises(Refused, match="IDEMPOTENCY_CONFLICT"):
        any_door.call("StartImport", **{**call, "mode": "Update"}, text=["email\nann@example.org"])
    assert len(spooled(any_door)) == 1


def test_without_a_key_an_open_job_is_not_doubled(any_door):
    """PUSH-75."""
    first = any_door.call("StartImport", mode="Add", format="Records", record=RECORDS)
    again = any_door.call("StartImport", mode="Add", format="Records", record=RECORDS)
    assert again.jobId == first.jobId
    assert ("replayed", "true") in [(each.name, each.value) for each in again.extra]
    assert len(spooled(any_door)) == 1
    work(any_door, first)
    assert any_door.call("StartImport", mode="Add", format="Records", record=RECORDS).jobId != first.jobId


def test_cancel(any_door):
    """SOAP-42, PUSH-70: cancelling twice changes nothing; what has ended is named."""
    job = any_door.call("StartImport", mode="Add", format="Records", record=RECORDS)
    assert any_door.call("CancelImport", jobId=job.jobId).state == "cancelled"
    assert any_door.call("CancelImport", jobId=job.jobId).state == "cancelled"
    done = any_door.call("StartImport", mode="Add", format="Records", record=RECORDS)
    work(any_door, done)
    with pytest.raises(Refused, match="STATE_CONFLICT"):
        any_door.call("CancelImport", jobId=done.jobId)


@pytest.mark.parametrize("operation", ["GetImport", "GetImportErrors", "CancelImport"])
def test_a_job_of_another_brand_is_not_there(door, operation):
    """SOAP-18."""
    job = door.call("StartImport", mode="Add", format="Records", record=RECORDS)
    for job_id, brand in ((job.jobId, 2), ("j-999", 1), ("j-", 1), ("1", 1), ("", 1), ("j-1 2", 1)):
        with pytest.raises(Refused) as refused:
            door.call(operation, jobId=job_id, brand=brand)
        assert refused.value.code == "NOT_FOUND"


def test_an_operation_behind_a_very_long_header(door):
    """SOAP-41: it is not taken for a stream, and says so."""
    header = credentials(**door.user("sender")) + f"<x>{' ' * 70_000}</x>"
    told = door.refusal(start(door, "<g:record/>", header=header))
    assert (told.code, "64 KiB" in told.message) == ("INVALID_REQUEST", True)
