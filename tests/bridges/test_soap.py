"""Does the bridge to SOAP services cope with what real ones do?"""

import datetime as dt
from contextlib import closing

import pytest

from gateway.bridges.port import Outage, Refused, WritebackItem
from gateway.bridges.soap import contract as contracts
from gateway.clock import UTC, instant, system_clock
from gateway.db.queries import events
from gateway.domain.accounts import system_actor
from gateway.domain.events import NewEvent
from gateway.domain.records import Identifier
from gateway.services import integrations, subscribers, sync, writebacks
from tests.support.soap_ams import PASSWORD, SoapAms
from tests.support.soap_wsdl import SOAP11, TNS, TYPES, VARIANTS, wsdl
from tests.support.world import World

AT = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)
ITEM = WritebackItem(7, "unsubscribe", "17", "ann@example.org", AT, "link", "no more")


@pytest.fixture
def ams():
    with closing(SoapAms()) as made:
        yield made


def listed(ams, since=None, **change):
    with closing(ams.bridge(**change)) as bridge, closing(bridge.changed_since(since)) as stream:
        return list(stream)


def with_members(ams, **change):
    return {**ams.config["members"], **change}


def answering(body, status=200, **headers):
    """A trick: this content in an envelope."""
    whole = f'<s:Envelope xmlns:s="{SOAP11}"><s:Body>{body}</s:Body></s:Envelope>'.encode()
    return lambda handler: handler.raw(status, whole, **headers) or True


def members(inner, name="GetMembers"):
    return answering(f'<{name}Response xmlns="{TNS}" xmlns:x="http://www.w3.org/2001/XMLSchema-instance">'
                     f"{inner}</{name}Response>")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_page_is_read_whatever_the_paging(variant, count):
    """A page that is shorter than asked for is not the last one; a list of one is a list."""
    with closing(SoapAms(variant)) as ams:
        ams.put_many(count)
        with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
            found = list(stream)
            assert stream.complete
        assert [member.remote_id for member in found] == [str(number) for number in range(count)]
        assert {member.interests for member in found} == {("Members",)}


def test_nil_numbers_flags_and_types_that_extend_others(ams):
    """17.00 of a decimal is the number 17; a type that extends the declared one is read; nil says nothing."""
    types = TYPES.replace('name="Id" type="xs:string"', 'name="Id" type="xs:decimal"') + (
        '<xs:complexType name="Vip"><xs:complexContent><xs:extension base="tns:Member"><xs:sequence>'
        '<xs:element name="Active" type="xs:boolean"/></xs:sequence></xs:extension></xs:complexContent>'
        "</xs:complexType>")
    ams.documents["/decimal?wsdl"] = wsdl(ams.variant, ams.service, types)
    one = ('<Member x:type="t:Vip" xmlns:t="urn:example:ams"><Id> 17.00 </Id>'
           "<Contact><Email>ann@example.org</Email></Contact><Gone>0</Gone><Flags><NoMail> 1 </NoMail></Flags>"
           "<Groups x:nil='true'/><Active>false</Active></Member>")
    two = "<Member><Id>018.50</Id><Contact><Email x:nil='1'/></Contact><Flags/><Groups/><Active>true</Active></Member>"
    three = "<Member><Id>1E+999999999</Id><Contact/><Groups><string>A;B</string></Groups></Member>"
    ams.tricks = [members(one + two + three)]
    fields = {**ams.fields, "deleted": "!Active"}
    found = listed(ams, wsdl=f"{ams.origin}/decimal?wsdl", members=with_members(
        ams, fields=fields, paging=None, arguments={}, since=None))
    assert [(m.remote_id, m.email, m.do_not_email, m.interests, m.deleted) for m in found] == [
        ("17", "ann@example.org", True, None, True), ("18.50", None, None, (), False),
        ("1E+999999999", None, None, ("A;B",), False)]


def test_attributes_places_and_what_cannot_be_read(ams):
    """Paths lead to attributes, and to one of several; an object in the place of a text is a problem of its row."""
    ams.tricks = [members(
        '<Member no="17"><Mail kind="x">a@example.org</Mail><Mail><Deep>1</Deep></Mail></Member>'
        '<Member no="18"><Mail><Deep>1</Deep></Mail><Mail>c@example.org</Mail></Member>'
        '<Member no="19"><Mail><![CDATA[<d>@example.org]]></Mail></Member>')]
    fields = {"remote_id": "@no", "email": "Mail.0"}
    found = listed(ams, members={"operation": "GetMembers", "result": "Member", "fields": fields})
    assert [(m.remote_id, m.email, m.problem and m.problem.field) for m in found] == [
        ("17", "a@example.org", None), ("18", None, "email"), ("19", "<d>@example.org", None)]


def test_an_answer_of_another_shape_is_no_empty_list():
    """ID-69: nobody is gone because a list stands somewhere else, or because the answer is an error in disguise."""
    with closing(SoapAms("any")) as ams:
        ams.put("17", "ann@example.org")
        ams.tricks = [members("<GetMembersResult><diffgram><Error>7</Error></diffgram></GetMembersResult>")]
        with pytest.raises(Refused):
            listed(ams)
        ams.tricks = [members("<GetMembersResult><diffgram/></GetMembersResult><Total>0</Total>")]
        assert listed(ams) == []
    with closing(SoapAms()) as ams:
        with pytest.raises(Refused) as caught:
            listed(ams, members=with_members(ams, result="Members"))
        assert "no Members" in str(caught.value) and "Member, Total, Next" in str(caught.value)


def test_a_list_that_ends_early_or_turns_in_circles(ams):
    """ID-69."""
    ams.put_many(4)
    ams.tricks = [lambda h: False, members("<Total>4</Total>")]
    with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
        with pytest.raises(Outage):
            list(stream)
        assert not stream.complete
    with pytest.raises(Refused) as caught:
        listed(ams, members=with_members(ams, arguments={"page": "{page}", "cursor": "0"}, since=None))
    assert "same page again" in str(caught.value)
    with closing(SoapAms("soap12")) as ams:
        ams.put_many(5)
        with pytest.raises(Refused) as caught:
            listed(ams, members=with_members(ams, arguments={"offset": 2, "page": "{cursor}"}, since=None))
        assert "leads back" in str(caught.value)


@pytest.mark.parametrize(("code", "detail", "error"), [
    ("Server", None, Outage), ("Client", None, Refused), ("Client.NotFound", None, Refused),
    ("MustUnderstand", None, Refused), ("Server", "Odd", Refused), ("Client", "Gone", Outage),
    ("Client.Odd", None, Refused), ("Own", None, Refused)])
def test_what_a_fault_means_and_that_its_text_shows_nothing(ams, code, detail, error):
    """ID-60: an error of the server says nothing about the record, unless the configuration knows better."""
    ams.tricks = [lambda h: h.fault(code, f"{PASSWORD} of ann@example.org", detail=detail) or True]
    with closing(ams.bridge(faults={"refused": ["Odd"], "away": ["Gone"]})) as bridge, pytest.raises(error) as caught:
        bridge.write_back(ITEM)
    assert code.split(".")[-1] in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (PASSWORD, "ann@", "127.0.0.1"))


def test_codes_of_soap_12_and_credentials_that_do_not_count():
    with closing(SoapAms("soap12")) as ams:
        for code, error in (("Receiver", Outage), ("Sender", Refused), ("Odd", Refused), ("Busy", Outage)):
            ams.tricks = [lambda h, code=code: h.fault(code, "x") or True]
            with closing(ams.bridge(faults={"away": ["Busy"]})) as bridge, pytest.raises(error):
                bridge.write_back(ITEM)
        with closing(ams.bridge(auth={**ams.config["auth"], "password": "wrong"})) as bridge:
            with pytest.raises(Outage) as caught:
                bridge.write_back(ITEM)
        assert "FailedAuthentication" in str(caught.value)


def test_a_fault_may_mean_that_nobody_has_this_id(ams):
    """Of a lookup it is an answer; a write is refused."""
    ams.put("17", "ann@example.org")
    lookup = {**ams.config["members_by_id"], "arguments": {"ids": {"string": ["{remote_id}"]}}}
    ams.tricks = [lambda h: h.fault("Client", "x", detail="NotFound") or True]
    with closing(ams.bridge(members_by_id=lookup, faults={"absent": ["NotFound"]})) as bridge:
        assert bridge.members_by_id(["16"], 2.0) == []
        assert [member.remote_id for member in bridge.members_by_id(["17"], 2.0)] == ["17"]
        with pytest.raises(Refused):
            bridge.write_back(WritebackItem(1, "unsubscribe", "16", "", AT))
    with closing(ams.bridge(members_by_id=None)) as bridge, pytest.raises(Refused):
        bridge.members_by_id(["17"], 2.0)


@pytest.mark.parametrize(("status", "error"), [
    (500, Outage), (503, Outage), (429, Outage), (404, Outage), (401, Outage), (400, Refused), (403, Refused),
    (413, Refused), (302, Refused)])
def test_what_a_status_means_without_a_soap_answer(ams, status, error):
    """ID-60."""
    page = f"<html>{PASSWORD} ann@example.org".encode()
    ams.tricks = [lambda h: h.raw(status, page, Content_Type="text/html") or True]
    with closing(ams.bridge()) as bridge, pytest.raises(error) as caught:
        bridge.write_back(ITEM)
    assert str(status) in str(caught.value) and PASSWORD not in str(caught.value)


def test_a_service_that_answers_with_flags():
    """A flag that is not there is no yes; with ``!``, a text that says what went wrong."""
    with closing(SoapAms("net")) as ams:
        ams.put("17", "ann@example.org")
        writes = ams.config["writeback"]
        for ok, inner, good in (("SetMailResult.Done", "<Done>1</Done>", True), ("SetMailResult.Done", "", False),
                                ("!SetMailResult.Error", "<Done>0</Done>", True),
                                ("!SetMailResult.Error", "<Error/>", True),
                                ("!SetMailResult.Error", "<Error>nobody</Error>", False)):
            ams.tricks = [members(f"<SetMailResult>{inner}</SetMailResult>", "SetMail")]
            with closing(ams.bridge(writeback={"unsubscribe": {**writes["unsubscribe"], "ok": ok}})) as bridge:
                if good:
                    bridge.write_back(ITEM)
                else:
                    with pytest.raises(Refused):
                        bridge.write_back(ITEM)


def test_a_write_carries_what_the_template_says_and_its_key(ams):
    """ID-62: the row's id is the key, as an argument and as a header."""
    call = {"operation": "SetMail", "arguments": {"id": "{remote_id}", "why": "{writeback_id}{code} & <{origin}>",
                                                  "noMail": True, "since": "{occurred_at}"}}
    change = {"operation": "AddBounce", "arguments": {"id": "{remote_id}", "code": "{field}", "email": "{value}"}}
    ams.put("17", "ann@example.org")
    with closing(ams.bridge(writeback={"unsubscribe": call, "field_changed": change})) as bridge:
        assert bridge.writes == {"unsubscribe", "field_changed"} and bridge.written_fields is None
        bridge.write_back(ITEM)
        bridge.write_back(WritebackItem(8, "field_changed", "17", "", AT, field="Title"))
        with pytest.raises(Refused):
            bridge.write_back(WritebackItem(1, "bad_email", "17", "", AT))
        with pytest.raises(Refused):  # no XML may have it
            bridge.write_back(WritebackItem(1, "unsubscribe", "a\x01b", "", AT))
    assert ams.asked == [("SetMail", {"id": "17", "noMail": "true", "since": "2026-01-15T12:00:00.000Z",
                                      "why": "7 & <link>"}),
                         ("AddBounce", {"id": "17", "code": "Title"})]
    assert ams.headers[0]["Idempotency-Key"] == "gateway-7" and ams.headers[0]["SOAPAction"] == f'"{TNS}/SetMail"'
    with closing(ams.bridge(writeback={"unsubscribe": call, "field_changed": {"Job Title": {
            **change, "arguments": {"id": "{remote_id}", "email": "{value}"}}}})) as bridge:
        assert bridge.written_fields == {"Job Title"}
        bridge.write_back(WritebackItem(9, "field_changed", "17", "", AT, field="job_title", value="Dr"))
        with pytest.raises(Refused):
            bridge.write_back(WritebackItem(9, "field_changed", "17", "", AT, field="City", value="x"))
    assert ams.asked[-1] == ("AddBounce", {"id": "17", "email": "Dr"})


def test_a_header_that_the_wsdl_does_not_know_is_sent_as_it_is(ams):
    auth = {"kind": "header", "name": "{urn:keys}ApiKey", "value": "k-1"}
    ams.tricks = [members("")]
    listed(ams, auth=auth, members=with_members(ams, paging=None, arguments={}, since=None))
    assert b'<ApiKey xmlns="urn:keys">k-1</ApiKey>' in ams.last_sent


@pytest.mark.parametrize(("change", "says"), [
    ({"operation": "Delete"}, "has no operation Delete"), ({"arguments": {"ids": ["1"]}}, "takes since, page"),
    ({"arguments": {"page": [1, 2]}}, "takes since, page"),
    ({"arguments": {"page": {"x": 1}}}, "takes since, page")])
def test_what_does_not_fit_the_wsdl_is_refused_with_what_it_has(ams, change, says):
    with closing(ams.bridge(members=with_members(ams, paging=None, since=None, arguments={}) | change)) as bridge:
        with pytest.raises(Refused) as caught:
            list(bridge.changed_since(None))
        assert says in str(caught.value)
        with pytest.raises(Refused):
            bridge.check()


@pytest.mark.parametrize(("change", "says"), [
    ({"service": "Other"}, "no service Other. It has AmsService"),
    ({"port": "Other"}, "no port Other. It has AmsPort")])
def test_a_service_or_port_that_is_not_there_is_said(ams, change, says):
    with closing(ams.bridge(**change)) as bridge, pytest.raises(Refused) as caught:
        bridge.check()
    assert says in str(caught.value)


def test_a_check_answers_unless_the_system_is_away(ams):
    with closing(ams.bridge()) as bridge:
        bridge.check()
        assert ams.asked == [("GetMembers", {"page": "1", "size": "1"})]
        ams.tricks = [lambda h: h.fault("Client", "x") or True]
        bridge.check()
        ams.tricks = [lambda h: h.fault("Server", "x") or True]
        with pytest.raises(Outage):
            bridge.check()
    with closing(ams.bridge(check={"operation": "GetGroups"})) as bridge:
        bridge.check()
    assert ams.calls()[-1] == "GetGroups"


def test_a_wsdl_is_read_once_in_five_minutes_and_again_when_it_does_not_fit(ams, monkeypatch):
    ams.put("17", "ann@example.org")
    for _ in range(3):
        assert len(listed(ams)) == 1
    assert len(ams.loaded) == 1
    ams.tricks = [members("", "Other")]
    with pytest.raises(Outage):
        listed(ams)
    assert len(listed(ams)) == 1 and len(ams.loaded) == 2
    listed(ams, timeout_s=4)  # another configuration
    assert len(ams.loaded) == 3
    monkeypatch.setattr(contracts, "KEPT_S", 0.0)
    listed(ams, timeout_s=3)
    listed(ams, timeout_s=3)
    assert len(ams.loaded) == 5


def test_a_wsdl_in_a_file_with_its_schema_beside_it(ams, tmp_path):
    ams.put("17", "ann@example.org")
    whole = wsdl(ams.variant, ams.service).decode()
    start, end = whole.index("<xs:schema"), whole.index("</xs:schema>") + len("</xs:schema>")
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "ams.xsd").write_text(whole[start:end].replace(
        "<xs:schema", f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:tns="{TNS}"', 1))
    path = tmp_path / "ams.wsdl"
    path.write_text(whole[:start] + f'<xs:schema><xs:import namespace="{TNS}" schemaLocation="types/ams.xsd"/>'
                    '<xs:import namespace="http://www.w3.org/XML/1998/namespace"/></xs:schema>' + whole[end:])
    assert len(listed(ams, wsdl=str(path))) == 1
    assert ams.loaded == []
    path.write_text(path.read_text().replace(ams.service, "http://ams.example.org/"))
    with pytest.raises(Refused):  # not encrypted, and not on this machine
        listed(ams, wsdl=str(path), timeout_s=6)
    assert len(listed(ams, wsdl=str(path), endpoint=ams.service)) == 1
    path.unlink()
    with pytest.raises(Outage):
        listed(ams, wsdl=str(path), timeout_s=7)


def test_changes_are_asked_for_with_an_overlap_and_never_list_everybody(ams):
    """ID-68: ten minutes; the moment is that of the first page, and a list of changes ends no link."""
    ams.put_many(3)
    before = system_clock()
    with closing(ams.bridge()) as bridge:
        with closing(bridge.changed_since(None)) as stream:
            list(stream)
            cursor = stream.cursor
        asked, everybody = (dt.datetime.fromisoformat(each) for each in cursor.split(" "))
        assert asked == everybody and before - dt.timedelta(seconds=2) <= asked <= system_clock()
        ams.people[1]["changed"] = "9999"
        with closing(bridge.changed_since(cursor)) as stream:
            assert [m.remote_id for m in stream] == ["1"]
            assert not stream.complete and stream.cursor.split(" ")[1] == instant(everybody)
        assert ams.asked[-1][1]["since"] == (asked - dt.timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
        old = instant(system_clock() - dt.timedelta(days=7))
        ams.tricks = [lambda h: h.fault("Client", "too old") or True]
        for bad in (f"{instant(asked)} {old}", instant(asked), "x y", "", cursor):
            with pytest.raises(Refused):
                bridge.changed_since(bad)


def test_values_one_person_a_call(ams):
    """ID-76: all within the time; one call that fails fails them all."""
    for number in range(9):
        ams.put(str(number), f"m{number}@example.org")
        ams.tell(str(number), FirstName=f"A{number}", City=None)
    values = {**ams.config["values"], "arguments": {"ids": {"string": ["{remote_id}"]}}}
    del values["remote_id"]
    with closing(ams.bridge(values=values)) as bridge:
        assert bridge.fetch([str(number) for number in range(12)], ["FirstName"], 5.0) == {
            str(number): {"FirstName": f"A{number}"} for number in range(9)}
        ams.tricks = [lambda h: False, lambda h: h.fault("Server", "x") or True]
        with pytest.raises(Outage):
            bridge.fetch(["1", "2", "3"], ["FirstName"], 5.0)
        with pytest.raises(Outage):
            bridge.fetch(["1"], ["FirstName"], 0.0)


@pytest.fixture
def world(sqlite_url, clock, tmp_path):
    with World(sqlite_url, clock, tmp_path / "world", brands=(1,)) as made:
        yield made


@pytest.mark.parametrize("variant", ["net", "soap12"])
def test_from_the_first_sync_to_an_unsubscribe_and_a_deletion(variant, world):
    """ID-65, ID-68, ID-69, ID-53: the whole way, and a sync that reads changes only."""
    with closing(SoapAms(variant)) as ams:
        ams.put("17", "ann@example.org", 0, "Gold")
        ams.put("18", "bo@example.org", 1)
        ams.put("19", "cy@example.org")
        with world.gateway.unit(system_actor(1)) as unit:
            made = integrations.add(unit, "ams", "soap", ams.config)
        assert sync.run(world.gateway, 1, made, full=False).counters["new"] == 3
        ams.people[1] |= {"changed": "9999", "Contact": {"Email": "bo@new.example.org"}}
        ams.drop("19")
        report = sync.run(world.gateway, 1, made, full=False)
        assert (report.state, report.full) == ("success", False)
        assert (report.counters["read"], report.counters["changed"]) == (1, 1)
        with world.gateway.unit(system_actor(1)) as unit:
            event_id = events.add(unit.connection, 1, NewEvent("unsubscribed", unit.now, "u"), unit.now)
            writebacks.queue(unit, kind="unsubscribe", event_id=event_id, email="ann@example.org",
                             payload={"origin": "link", "reason": "too much"})
        writebacks.run_writebacks(world.gateway, 1, made)
        assert (ams.row("17")["no_mail"], ams.row("17")["reason"]) == (1, "link: too much")
        report = sync.run(world.gateway, 1, made, full=True)
        assert (report.state, report.counters["swept"], report.counters["flagged"]) == ("success", 1, 1)
        with world.reading(world.actor("ams")) as unit:
            assert "orphan" in subscribers.get(unit, Identifier(remote_id="19")).blocked_by
