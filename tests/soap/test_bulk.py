"""Does the fast reader of imports read what Spyne would have read? (SOAP-23, SOAP-24, SOAP-30, SOAP-39)"""

import pytest
from lxml import etree

from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.soap.bulk import read_import
from tests.soap.door import TNS, schema

NIL = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil'


def read(inner, valid=True):
    entry = etree.fromstring(f'<ImportSubscribers xmlns="{TNS}">{inner}</ImportSubscribers>')
    assert schema().validate(entry) is valid, schema().error_log
    return read_import(entry)


def only_record(inner):
    return read(f"<mode>Add</mode><record>{inner}</record>").records[0]


def test_every_option():
    call = read("<clientRequestId>k</clientRequestId><mode>ReplaceAll</mode><emptyValue>Clear</emptyValue>"
                "<interest>A</interest><interest>B</interest><dryRun> 1 </dryRun><detail>None</detail>"
                "<integration>crm</integration><source>March</source><record/><record/>")
    assert call.clientRequestId == "k" and call.records == [SubscriberRecord(), SubscriberRecord()]
    assert call.options == ImportOptions(mode="ReplaceAll", empty_value="Clear", interests=("A", "B"), dry_run=True,
                                         detail="None", label="March", integration="crm")


def test_defaults():
    call = read("<mode>AddOrUpdate</mode><record/>")
    assert call.options == ImportOptions() and call.clientRequestId is None


def test_every_member_of_a_record():
    record = only_record(
        "<remoteId> 007 </remoteId><email>Ann@Example.org</email><field><name>City</name><value>Köln &amp; Bonn</value>"
        f'</field><field><name>Phone</name><value {NIL}="true"/></field><field><name>Title</name><value/></field>'
        f'<field><name>Suffix</name><value {NIL}="0">MD</value></field><addInterest>A</addInterest>'
        "<addInterest>B</addInterest><removeInterest>C</removeInterest><doNotEmail> true </doNotEmail>")
    assert record == SubscriberRecord(
        " 007 ", "Ann@Example.org", {"City": "Köln & Bonn", "Phone": None, "Title": "", "Suffix": "MD"}, ("A", "B"),
        ("C",), True)


@pytest.mark.parametrize("text, value", [("true", True), ("1", True), (" false ", False), ("0", False)])
def test_the_four_forms_of_a_boolean(text, value):
    assert only_record(f"<doNotEmail>{text}</doNotEmail>").do_not_email is value


def test_an_empty_element_is_empty_text():
    assert only_record("<remoteId/><email></email>") == SubscriberRecord("", "")


def test_a_field_given_twice_is_the_records_problem():
    record = only_record("<field><name>City</name><value>A</value></field>" * 2)
    assert (record.problem.code, record.problem.field) == ("INVALID_VALUE", "City")
