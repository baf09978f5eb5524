"""Is the frozen contract what the code makes and what a server serves, and can clients read it? (SOAP-1..6)"""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import zeep
from lxml import etree
from werkzeug.test import Client

from gateway.soap import contract
from gateway.soap.app import make_app
from tests.support.bp_check import complaints
from tests.support.world import World

ROOT = Path(__file__).parents[2]
PUBLIC_URL = "https://mail.example.com/gw"
XS = "{http://www.w3.org/2001/XMLSchema}"
OPERATIONS = {
    "GetVersion", "GetServerTime", "DescribeFields", "ImportSubscribers", "ImportRows", "StartImport", "GetImport",
    "GetImportErrors", "CancelImport", "OptOut", "ExplainSubscriber", "GetSubscriberHistory", "ChangeRemoteId",
    "UpdateInterest", "ChangeInterestMembers", "FindInterestChanges", "FindDeliveries", "GetSubscriber",
    "FindSubscribers", "Unsubscribe",
    "Resubscribe", "CreateInterest", "FindInterests", "CreateMailing", "UpdateMailing", "GetMailing",
    "FindMailings", "PreviewMailing", "SendTestMailing", "ScheduleMailing", "SendMailing", "CancelMailing",
    "SubmitMailing", "ApproveMailing", "RejectMailing", "PublishMailing", "PauseMailing", "ResumeMailing",
    "CountAudience", "DecideInDoubt", "SetMailingFiles", "GetMailingReport", "FindEvents", "FindUnsubscribes",
    "FindWritebacks", "AckWritebacks", "RetryWriteback", "CloseWriteback", "SetMailingActivity",
    "FindRemoteGroups", "AddDynamicInterest", "ResolveInterest", "FindOrphans", "ReconcileIntegration",
    "StartSync", "GetSyncRun", "FindSyncRuns"}
REQUEST_TYPES = {"Credentials", "Identifier", "SubscriberRecord", "RecordField", "UnsubscribeEntry", "ResubscribeEntry",
                 "OptOutEntry", "ImportRow", "MailingFile", "WritebackAck",
                 "Extra"}

CLEARABLE = {("RecordField", "value"), ("ImportRow", "v")}


@pytest.fixture(params=["gateway-v1.wsdl", "gateway-v1-soap11.wsdl"])
def name(request):
    return request.param


@pytest.fixture
def document(name):
    return (ROOT / "wsdl" / name).read_bytes()


@pytest.fixture
def browser(sqlite_url):
    with World(sqlite_url, public_url=PUBLIC_URL) as world:
        yield Client(make_app(world.gateway))


def types_of(document):
    schema = etree.fromstring(document).find(f".//{XS}schema")
    return {each.get("name"): each for each in schema.findall(f"{XS}complexType")}


def test_the_frozen_file_is_what_the_code_makes(name, document):
    """SOAP-2: file and code agree, byte for byte."""
    assert document == contract.published()[name]
    assert contract.check() == []


@pytest.mark.parametrize("query", ["wsdl", "WSDL", "Wsdl", "wsdl11"])
def test_the_served_document_is_the_frozen_file_with_another_address(browser, query):
    """SOAP-1, SOAP-2: only the public address differs, and no Host header changes it."""
    frozen = (ROOT / "wsdl" / contract.FILES[query.lower()]).read_bytes()
    answer = browser.get("/", query_string=query, headers={"Host": "evil.example"})
    assert answer.status_code == 200 and answer.content_type.startswith("text/xml")
    assert answer.data == frozen.replace(contract.PLACEHOLDER.encode(), f"{PUBLIC_URL}/soap/v1".encode())
    assert b"evil" not in answer.data


def test_get_without_query_says_where_the_contract_is(browser):
    """SOAP-7."""
    answer = browser.get("/")
    assert answer.status_code == 200 and f"{PUBLIC_URL}/soap/v1?wsdl" in answer.text


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_every_run_makes_the_same_bytes(seed):
    """SOAP-4: the document does not depend on hashes or memory addresses."""
    script = ("import hashlib; from gateway.soap import contract\n"
              "print(*(hashlib.sha256(d).hexdigest() for d in contract.published().values()))")
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True,
                         check=True, env={"PYTHONHASHSEED": seed, "PATH": ""})
    assert run.stdout.split() == [hashlib.sha256(document).hexdigest() for document in contract.published().values()]


def test_picky_generators_have_no_complaint(document):
    """SOAP-4, SOAP-5, SOAP-6: Basic Profile, the type profile, documentation everywhere."""
    assert list(complaints(document)) == []


def test_operations_and_ports(name, document):
    """SOAP-4: one port type with exactly these operations, each with header and fault."""
    root = etree.fromstring(document)
    wsdl = "{http://schemas.xmlsoap.org/wsdl/}"
    operations = root.findall(f"{wsdl}portType[@name='Gateway']/{wsdl}operation")
    assert {each.get("name") for each in operations} == OPERATIONS
    assert all([fault.get("name") for fault in each.findall(f"{wsdl}fault")] == ["GatewayFault"] for each in operations)
    ports = [each.get("name") for each in root.findall(f"{wsdl}service[@name='Gateway']/{wsdl}port")]
    assert ports == (["GatewaySoap", "GatewaySoap12"] if name == "gateway-v1.wsdl" else ["GatewaySoap"])
    for binding in root.findall(f"{wsdl}binding"):
        for operation in binding.findall(f"{wsdl}operation"):
            headers = [each.get("part") for each in operation.find(f"{wsdl}input") if each.tag.endswith("}header")]
            assert headers == ["Credentials"], operation.get("name")


def test_every_answer_type_ends_with_extra(document):
    """SOAP-31: nested types too; the wrapper of an answer holds the answer alone, so that generators unwrap it."""
    types = types_of(document)
    for type_name, node in types.items():
        members = [each.get("name") for each in node.iter(f"{XS}element")]
        if type_name in OPERATIONS | REQUEST_TYPES:
            continue
        if type_name.removesuffix("Response") in OPERATIONS:
            assert members == ["answer"], type_name
        else:
            assert members[-1] == "extra", type_name


def test_member_rules(document):
    """SOAP-21..30: nil only where it clears, counts are xs:int, no float, enumerations in requests only (SOAP-26,
    SOAP-27)."""
    types = types_of(document)
    closed: dict[str, set[str]] = {}
    for type_name, node in types.items():
        for member in node.iter(f"{XS}element"):
            kind = member.get("type")
            nil = member.get("nillable") == "true"
            assert nil == ((type_name, member.get("name")) in CLEARABLE), (type_name, member.get("name"))
            assert kind not in ("xs:float", "xs:double", "xs:decimal", "xs:integer", "xs:anyType")
            if kind.startswith("tns:") and kind.removeprefix("tns:") not in types:
                closed.setdefault(type_name, set()).add(kind.removeprefix("tns:"))
            assert member.get("name")[0].islower()
    options = {"ImportMode", "EmptyValue", "Detail"}
    assert closed == {"ImportSubscribers": options, "ImportRows": options, "ChangeInterestMembers": {"MemberMode"},
                      "StartImport": options | {"ImportFormat", "Compression", "Quote"},
                      "PublishMailing": {"Audience"}, "CountAudience": {"Audience"},
                      "DecideInDoubt": {"InDoubtDecision"}, "WritebackAck": {"AckStatus"}}


def test_no_facet_turns_a_bad_record_into_a_fault(document):
    """SOAP-34: a record's members are plain text."""
    types = types_of(document)
    for type_name in ("SubscriberRecord", "RecordField"):
        kinds = {each.get("name"): each.get("type") for each in types[type_name].iter(f"{XS}element")}
        assert set(kinds.values()) <= {"xs:string", "xs:boolean", "tns:RecordField"}, kinds


def test_zeep_in_strict_mode_builds_a_client(name):
    """SOAP-87: every operation of every port has a signature."""
    client = zeep.Client(str(ROOT / "wsdl" / name))
    for port in client.wsdl.services["Gateway"].ports.values():
        operations = port.binding._operations
        assert set(operations) == OPERATIONS
        assert "record: " in str(operations["ImportSubscribers"]) or operations["ImportSubscribers"].input.signature()


def test_check_names_a_file_that_differs(monkeypatch, tmp_path):
    """SOAP-2: ``gateway wsdl --check`` looks at the files, not at itself."""
    monkeypatch.setattr(contract, "FOLDER", tmp_path)
    assert contract.check() == ["gateway-v1.wsdl", "gateway-v1-soap11.wsdl"]
    assert contract.write() == ["gateway-v1.wsdl", "gateway-v1-soap11.wsdl"]
    assert contract.check() == []
    (tmp_path / "gateway-v1.wsdl").write_bytes(b"changed")
    assert contract.check() == ["gateway-v1.wsdl"]
    (tmp_path / "gateway-v1.wsdl").unlink()
    with pytest.raises(FileNotFoundError):
        contract.documents(PUBLIC_URL)


def test_an_installed_package_finds_the_same_files():
    """The package's folder is the repository's, so there is one copy."""
    assert contract.FOLDER.resolve() == (ROOT / "wsdl").resolve()
