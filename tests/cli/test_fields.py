"""Does an operator get a field whose values are markup, and only then? (SEND-40)"""

from __future__ import annotations

import email
import email.policy
import json

import pytest

from gateway.clock import system_clock
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.services import imports
from tests.support.mailhouse import MailHouse
from tests.support.smtp_sink import SmtpSink


def field(typed, act, *arguments, brand="9999"):
    code, out, _err = typed("field", act, "--brand", brand, "--json", *arguments)
    return code, json.loads(out)


def test_values_of_a_field_of_kind_html_stand_in_the_mail_as_they_are(branded, tmp_path):
    """SEND-40: raw only for fields of kind html, from the shell through an import to the mail."""
    assert field(branded, "add", "--name", "Offer", "--kind", "html") == (
        0, {"name": "Offer", "kind": "html", "max_length": 4000})
    assert field(branded, "add", "--name", "Motto")[1]["kind"] == "text"
    with SmtpSink() as sink, MailHouse(f"sqlite:///{tmp_path}/data/gateway.db", system_clock, tmp_path / "data",
                                       smtp_url=sink.url, brands=(1,)) as house:
        house.integration("api", brand_id=9999)
        with house.unit(house.actor(brand_id=9999)) as unit:
            imports.import_records(unit, [SubscriberRecord("1", "ann@example.net", {
                "offer": "<b>10 % off</b>", "Motto": "<i>x</i>"}, ("News",))], ImportOptions())
        house.send(brand_id=9999, html="<p>{{ Offer }} {{ Motto }}</p>")
        html = email.message_from_bytes(sink.messages[0].data, policy=email.policy.default).get_body(("html",))
        assert "<p><b>10 % off</b> &lt;i&gt;x&lt;/i&gt;</p>" in html.get_content()


@pytest.mark.parametrize(("name", "code"), [("first_name", "ALREADY_EXISTS"), ("", "INVALID_VALUE"),
                                            ("- _", "INVALID_VALUE"), ("x" * 101, "INVALID_VALUE"),
                                            ("a\x07b", "INVALID_VALUE")])
def test_names_that_cannot_be(branded, name, code):
    assert field(branded, "add", "--name", name)[1]["error"]["code"] == code


def test_a_brand_has_its_own_fields_and_not_too_many(branded, monkeypatch):
    """Two brands; LIMIT_EXCEEDED names the limit."""
    assert branded("brand", "add", "--id", "7", "--name", "Other")[0] == 0
    field(branded, "add", "--name", "Motto")
    names = [each["name"] for each in field(branded, "list")[1]["fields"]]
    assert "Motto" in names and "FirstName" in names
    assert "Motto" not in [each["name"] for each in field(branded, "list", brand="7")[1]["fields"]]
    assert field(branded, "add", "--name", "Motto", brand="8")[1]["error"]["code"] == "NOT_FOUND"
    monkeypatch.setattr("gateway.services.catalogue.MAX_FIELDS", len(names))
    assert field(branded, "add", "--name", "More")[1]["error"]["code"] == "LIMIT_EXCEEDED"


def test_a_field_goes_onto_the_preference_form_and_off_again(branded):
    """ID-56: off at first, of one brand alone; a kind that nobody reads in a form is refused."""
    assert branded("brand", "add", "--id", "7", "--name", "Other")[0] == 0

    def on_form(brand="9999"):
        return {each["name"]: each["on_form"] for each in field(branded, "list", brand=brand)[1]["fields"]
                if each["on_form"]}
    assert on_form() == {}
    assert field(branded, "set", "--name", "first_name", "--on-form", "editable")[1]["on_form"] == "editable"
    assert field(branded, "set", "--name", "City", "--on-form", "shown")[0] == 0
    assert on_form() == {"FirstName": "editable", "City": "shown"} and on_form("7") == {}
    assert "City (text, shown on the form)" in branded("field", "list", "--brand", "9999")[1]
    assert field(branded, "set", "--name", "City", "--on-form", "none")[1]["on_form"] is None
    field(branded, "add", "--name", "Offer", "--kind", "html")
    assert field(branded, "set", "--name", "Offer", "--on-form", "shown")[1]["error"]["code"] == "INVALID_VALUE"
    assert on_form() == {"FirstName": "editable"}


def test_how_a_field_is_treated_is_chosen_at_the_shell(branded):
    """ID-77: hours, required, and back; what is not named stays as it was."""
    assert field(branded, "add", "--name", "Motto")[0] == 0
    code, told = field(branded, "set", "--name", "motto", "--cache-hours", "24")
    assert (code, told["name"], told["cache_hours"], told["required"]) == (0, "Motto", 24, False)
    assert field(branded, "set", "--name", "Motto", "--required", "yes")[1]["cache_hours"] == 24
    (shown,) = [each for each in field(branded, "list")[1]["fields"] if each["name"] == "Motto"]
    assert (shown["cache_hours"], shown["required"]) == (24, True)
    assert "Motto (text, kept for 24 h, required)" in branded("field", "list", "--brand", "9999")[1]
    told = field(branded, "set", "--name", "Motto", "--cache-hours", "none", "--required", "no")[1]
    assert (told["cache_hours"], told["required"]) == (None, False)


@pytest.mark.parametrize(("name", "hours", "code"), [
    ("Title", "0", "INVALID_VALUE"), ("Title", "721", "INVALID_VALUE"), ("Title", "-1", "INVALID_VALUE"),
    ("Title", "soon", "INVALID_VALUE"), ("Title", "", "INVALID_VALUE"), ("Nothing", "5", "NOT_FOUND"),
    ("Orders", "5", "INVALID_VALUE")])
def test_hours_that_cannot_be(branded, name, hours, code):
    """ID-77."""
    assert field(branded, "set", "--name", name, f"--cache-hours={hours}")[1]["error"]["code"] == code
