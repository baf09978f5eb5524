"""Which value does an operation get for which text?"""

import pytest

from tests.spynekit.sample import TNS, XSI, echo, envelope, ours, send, stock
from tests.support.soap_fault import read_fault

NAMES = ("text", "flag", "blob", "colour", "number", "amount", "at", "day", "hour", "span", "code", "note")


@pytest.fixture(scope="module")
def endpoint():
    return ours()


def seen(app, inner):
    """The values as the operation saw them, in text."""
    answer = send(app, envelope(echo(inner)).encode())
    assert answer.accepted, answer
    return answer.body.decode().partition("seen>")[2].partition("<")[0]


def listed(**values):
    return repr([values.get(name) for name in NAMES])


@pytest.mark.parametrize("text", ["true", "1", " true ", "\n1\n"])
def test_true_in_all_its_forms(endpoint, text):
    """SOAP-30; spyne.md section 1, defect 2: stock reads a padded true as False."""
    assert seen(endpoint, f"<t:flag>{text}</t:flag>") == listed(flag=True)
    if text != text.strip():
        assert seen(stock(), f"<t:flag>{text}</t:flag>") == listed(flag=False)


@pytest.mark.parametrize("text", ["false", "0", " false "])
def test_false_in_all_its_forms(endpoint, text):
    """SOAP-30."""
    assert seen(endpoint, f"<t:flag>{text}</t:flag>") == listed(flag=False)


def test_yes_is_no_boolean(endpoint):
    """spyne.md section 1, defect 2: "yes" becomes False under soft."""
    assert seen(stock(validator="soft"), "<t:flag>yes</t:flag>") == listed(flag=False)
    answer = send(endpoint, envelope(echo("<t:flag>yes</t:flag>")).encode())
    assert read_fault(answer.body, TNS).message == "Echo/thing/flag: expected true, false, 1 or 0."


def test_nil_false_is_a_value(endpoint):
    """SOAP-23; spyne.md section 1, defect 4."""
    inner = '<t:note i:nil="false">kept</t:note>'
    assert seen(stock(), inner) == listed()
    assert seen(endpoint, inner) == listed(note="kept")


@pytest.mark.parametrize("nil", ["true", "1", " true "])
def test_nil_is_none_where_nil_means_something(endpoint, nil):
    """SOAP-23."""
    assert seen(endpoint, f'<t:note i:nil="{nil}"/>') == listed()


def test_empty_text_is_empty_and_not_none(endpoint):
    """SOAP-24."""
    assert seen(endpoint, "<t:text/><t:note></t:note>") == listed(text="", note="")


def test_base64_may_be_broken_into_lines(endpoint):
    assert seen(endpoint, "<t:blob>\n aGVs\n bG8=\n</t:blob>") == listed(blob=(b"hello",))


@pytest.mark.parametrize("text", ["a", "aGVsbG8", "=aaa", "aGk=aGk="])
def test_base64_is_strict_and_names_the_member(endpoint, text):
    """SOAP-81."""
    told = read_fault(send(endpoint, envelope(echo(f"<t:blob>{text}</t:blob>")).encode()).body, TNS)
    assert told.code in ("INVALID_VALUE", "INVALID_REQUEST")
    assert told.field == "Echo/thing/blob"


def test_an_enumeration_is_a_plain_word(endpoint):
    """SOAP-26."""
    assert seen(endpoint, "<t:colour>Red</t:colour>") == listed(colour="Red")


@pytest.mark.parametrize("word", ["red", "", "__doc__", "Blue"])
def test_another_word_is_refused_with_the_allowed_ones(endpoint, word):
    """SOAP-26: empty or in another case is another word; the fault names the allowed ones."""
    told = read_fault(send(endpoint, envelope(echo(f"<t:colour>{word}</t:colour>")).encode()).body, TNS)
    assert told.message == "Echo/thing/colour: expected one of Red, Green."


@pytest.mark.parametrize(("text", "expected"), [
    ("2026-01-31T12:00:00Z", "datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.timezone.utc)"),
    ("2026-01-31T12:00:00.1234567Z",
     "datetime.datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=datetime.timezone.utc)"),
    ("2026-01-31T12:00:00", "datetime.datetime(2026, 1, 31, 12, 0)"),
    ("9999-12-31T23:59:59.9999999", "datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)"),
])
def test_instants(endpoint, text, expected):
    """SOAP-29: up to seven digits; without offset it stays naive, for the door to refuse."""
    assert expected in seen(endpoint, f"<t:at>{text}</t:at>")


@pytest.mark.parametrize("inner", ["<t:at>12026-01-31T12:00:00Z</t:at>", "<t:at>-0001-01-31T12:00:00Z</t:at>",
                                   "<t:day>12026-01-31</t:day>", "<t:day>-2026-01-31</t:day>"])
def test_dates_out_of_range(endpoint, inner):
    """SOAP-29: valid for XML Schema, but no date we can keep."""
    assert read_fault(send(endpoint, envelope(echo(inner)).encode()).body, TNS).code == "INVALID_DATE"


@pytest.mark.parametrize("inner", ["<t:hour>24:00:00</t:hour>", "<t:span>P9999999999999Y</t:span>"])
def test_other_values_out_of_range(endpoint, inner):
    """Valid for XML Schema, impossible in Python: uncaught on stock."""
    request = envelope(echo(inner)).encode()
    assert send(stock(), request).uncaught is not None
    told = read_fault(send(endpoint, request).body, TNS)
    assert told.code == "INVALID_VALUE" and told.field.startswith("Echo/thing/")


def test_a_day_is_kept_as_written(endpoint):
    """SOAP-29."""
    assert "datetime.date(2026, 1, 31)" in seen(endpoint, "<t:day>2026-01-31+14:00</t:day>")


@pytest.mark.parametrize(("body", "operation"), [
    ("<t:Ping> </t:Ping>", "Ping"), ('<t:Ping i:nil="true"/>', "Ping"), ("<t:Ping>\n</t:Ping>", "Ping")])
def test_empty_calls_in_every_client_s_way(endpoint, body, operation):
    """interop.md 3.9: stock under the schema validator refuses them."""
    request = envelope(body).encode()
    assert b"Fault" in send(stock(), request).body
    assert send(endpoint, request).accepted


def test_href_and_id_are_not_followed(endpoint):
    """SOAP-5: multi-reference values are refused, never resolved."""
    body = echo('<t:text href="#a"/>') + '<a id="a">secret</a>'
    told = read_fault(send(endpoint, envelope(body).encode()).body, TNS)
    assert told.code == "INVALID_REQUEST"


def test_headers_are_decoded_and_validated(endpoint):
    """spyne.md section 6: stock does not validate headers."""
    good = "<t:Credentials><t:userName>ann</t:userName><t:password>p</t:password></t:Credentials>"
    bad = "<t:Credentials><t:userName>ann</t:userName><t:nonsense/></t:Credentials>"
    assert b"caller>ann<" in send(endpoint, envelope(echo(""), good).encode()).body
    assert send(stock(), envelope(echo(""), bad).encode()).accepted
    told = read_fault(send(endpoint, envelope(echo(""), bad).encode()).body, TNS)
    assert told.message == "Credentials/nonsense: expected another element: password."


def test_a_header_may_carry_must_understand(endpoint):
    """SOAP-9: declared headers are known."""
    header = ('<t:Credentials s:mustUnderstand="1" s:actor="x"><t:userName>ann</t:userName>'
              "<t:password>p</t:password></t:Credentials>")
    assert b"caller>ann<" in send(endpoint, envelope(echo(""), header).encode()).body


def test_xsi_type_on_values_is_ignored(endpoint):
    """Clients of section 5 encoding habits write it everywhere; it changes nothing."""
    inner = f'<t:number xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:q="{XSI}" q:type="x:int">7</t:number>'
    assert seen(endpoint, inner) == listed(number=7)


@pytest.mark.parametrize(("inner", "message"), [
    ("<t:code>toolongcode</t:code>", "Echo/thing/code: expected at most 8 characters."),
    ("<t:code>a1</t:code>", "Echo/thing/code: expected text of another form."),
    ("<t:number>1.5</t:number>", "Echo/thing/number: expected a whole number."),
    ("<t:amount>-1</t:amount>", "Echo/thing/amount: expected a number of at least 0."),
    ("<t:at>yesterday</t:at>", "Echo/thing/at: expected an instant such as 2026-01-31T09:30:00Z."),
    ("<t:text i:nil='true'/>", "Echo/thing/text: expected a value; nil is not allowed."),
    ("<t:text><t:b/></t:text>", "Echo/thing/text: expected text without elements."),
    ("hello", "Echo/thing: expected elements without text between them."),
    ("<t:text a='1'/>", "Echo/thing/text: expected no attributes."),
])
def test_schema_faults_say_where_and_what_was_expected(endpoint, inner, message):
    """SOAP-80: one sentence with the element path, never the value."""
    assert read_fault(send(endpoint, envelope(echo(inner)).encode()).body, TNS).message == message


def test_the_path_counts_repeated_elements(endpoint):
    """SOAP-80."""
    body = "<t:Echo>" + "<t:thing/>" * 3 + "<t:thing><t:number>x</t:number></t:thing></t:Echo>"
    told = read_fault(send(endpoint, envelope(body).encode()).body, TNS)
    assert told.field == "Echo/thing[4]/number"


@pytest.mark.parametrize(("body", "field"), [
    ("<t:thing><t:number>x</t:number></t:thing>" * 20_000, "Bulk/thing[1]/number"),
    ("<t:thing><t:number>1</t:number></t:thing>" * 10_000 + "<t:thing><t:number>x</t:number></t:thing>" * 10_000,
     "Bulk/thing[10001]/number"),
    ("<t:thing>" + "<t:number>1</t:number>" * 20_000 + "</t:thing>", "Bulk/thing/number[2]"),
    ("<t:nonsense/>" * 20_000, "Bulk/nonsense[1]")])
def test_many_errors_cost_no_more_than_one(endpoint, body, field):
    """SOAP-80: lxml notes a path for every error, quadratic in the siblings; the first one is enough.

    Stock keeps them all: shown at a small size.
    """
    app = stock()
    send(app, envelope("<t:Bulk>" + "<t:thing><t:number>x</t:number></t:thing>" * 50 + "</t:Bulk>").encode())
    assert len(app.app.in_protocol.validation_schema.error_log) == 50
    request = envelope(f"<t:Bulk>{body}</t:Bulk>").encode()
    assert read_fault(send(endpoint, request).body, TNS).field == field
    checker = endpoint.applications["1.1"].in_protocol.checker
    assert len(checker.schema.error_log) < 200


def test_a_large_good_request_passes_the_screen(endpoint):
    """SOAP-77: within the limit of elements."""
    request = envelope("<t:Bulk>" + "<t:thing><t:number>1</t:number></t:thing>" * 20_000 + "</t:Bulk>").encode()
    assert b"count>20000<" in send(endpoint, request).body
