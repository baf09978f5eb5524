"""Is the text of an answer what the schema says, whatever the values hold? (SOAP-21..32)"""

import datetime as dt

import pytest
from lxml import etree

from gateway.soap.encode import response
from gateway.soap.types.base import GatewayWarning
from gateway.soap.types.interests import Interest
from gateway.soap.types.subscribers import Subscriber
from tests.soap.door import TNS

NOW = dt.datetime(2026, 1, 15, 12, 30, 1, 999999, tzinfo=dt.timezone(dt.timedelta(hours=2)))
INTEREST = {"interestId": "1", "name": "News", "public": True, "members": 3, "sendable": 2, "createdAt": NOW}


def read(kind, values):
    """Member name -> text of the written answer."""
    root = etree.fromstring(response("X", kind, values))
    assert root.tag == f"{{{TNS}}}XResponse" and len(root) == 1
    return {etree.QName(each).localname: each.text for each in root[0]}


def test_simple_members():
    """SOAP-22, SOAP-29, SOAP-30: absent, never nil; UTC with three digits; xs:boolean and xs:int."""
    assert read(Interest, INTEREST) == {
        "interestId": "1", "name": "News", "public": "true", "members": "3", "sendable": "2",
        "createdAt": "2026-01-15T10:30:01.999Z"}


def test_order_is_the_schemas():
    """SOAP-3: strict clients refuse another order."""
    assert list(read(Interest, dict(reversed(INTEREST.items())))) == list(read(Interest, INTEREST))


@pytest.mark.parametrize("text, seen", [
    ("<b>&amp;\"']]>", "<b>&amp;\"']]>"), ("a\r\nb\rc\nd", "a\nb\nc\nd"), ("nul\0 esc\x1b", "nul? esc?"),
    ("\ud800 \ufffe \uffff", "? ? ?"), ("tab\t", "tab\t"), ("grüße 漢字 😀", "grüße 漢字 😀"), ("", None)])
def test_any_text(text, seen):
    """SOAP-32: always well-formed, line ends LF."""
    assert read(Interest, {**INTEREST, "name": text})["name"] == seen


def test_nested_types_and_lists():
    """SOAP-25, SOAP-31."""
    values = {"subscriberId": "1", "status": "active", "sendable": True, "source": "local", "firstSource": "local",
              "orphan": False, "createdAt": NOW, "changedAt": NOW, "blockedBy": ("opt_out", "orphan"),
              "field": [{"name": "City", "value": None, "source": "local", "changedAt": NOW}],
              "extra": [{"name": "later", "value": "fact"}]}
    root = etree.fromstring(response("X", Subscriber, values))[0]
    names = [etree.QName(each).localname for each in root]
    assert names.count("blockedBy") == 2 and names[-1] == "extra" and "interest" not in names
    field = root.find("{*}field")
    assert [etree.QName(each).localname for each in field] == ["name", "source", "changedAt"]


def test_our_own_mistakes_are_not_sent():
    """SOAP-21: an answer without a mandatory member, or with one the type lacks, is our fault."""
    with pytest.raises(ValueError, match="message"):
        response("X", GatewayWarning, {"code": "ORPHAN"})
    with pytest.raises(KeyError, match="colour"):
        response("X", GatewayWarning, {"code": "ORPHAN", "message": "m", "colour": "red"})
