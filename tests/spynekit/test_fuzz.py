"""Whatever bytes come in, an answer or a proper fault goes out."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.spynekit.sample import E11, E12, TNS, TYPES, echo, envelope, ours, send
from tests.support.soap_fault import read_fault

HEADER = "<t:Credentials><t:userName>a</t:userName><t:password>p</t:password></t:Credentials>"
THING = ("<t:text>x</t:text><t:flag>true</t:flag><t:blob>aGk=</t:blob><t:colour>Red</t:colour><t:number>1</t:number>"
         "<t:amount>1.5</t:amount><t:at>2026-01-31T12:00:00Z</t:at><t:day>2026-01-31</t:day><t:code>a</t:code>"
         '<t:note i:nil="true"/>')
GOOD = {version: ('<?xml version="1.0" encoding="utf-8"?>' + envelope(echo(THING), HEADER, version)).encode()
        for version in (E11, E12)}
PIECES = [b"<", b">", b"&", b"&#0;", b"&x;", b"]]>", b"<![CDATA[", b"<!--", b"<?x ?>", b"<!DOCTYPE a>", b"\0", b"\xff",
          b"\xfe\xff", b"xmlns:t='urn:z'", b"i:nil='1'", b"i:type='t:x'", b"href='#a'", b"/", b"'", b"9" * 400, b"-",
          b"T24:00:00", b"\xef\xbb\xbf", b"<t:thing/>", b"</t:thing>", b" \r\n\t"]
ENDPOINT = ours()


@st.composite
def mutated(draw):
    """A good envelope of either version with one to six wounds."""
    version = draw(st.sampled_from([E11, E12]))
    data = bytearray(GOOD[version])
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 12))
        data[at:at + cut] = draw(st.one_of(st.just(b""), st.sampled_from(PIECES), st.binary(max_size=4)))
    return version, bytes(data)


def check(answer, version=None):
    assert answer.uncaught is None
    if answer.status == 200:
        etree.fromstring(answer.body)
    else:
        told = read_fault(answer.body, TNS)
        assert told.code != "INTERNAL_ERROR", told
        assert version is None or told.version == version


def test_the_good_ones_are_good():
    for version, data in GOOD.items():
        assert send(ENDPOINT, data, TYPES[version]).accepted


@settings(max_examples=400, deadline=None, derandomize=True)
@given(mutated())
def test_mutations_of_a_good_envelope(case):
    """SOAP-79, SOAP-80: never an exception, never an internal error."""
    version, data = case
    check(send(ENDPOINT, data, TYPES[version]), version)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.sampled_from(["text/xml", "text/xml; charset=utf-16", "application/soap+xml", "",
                                                 "text/xml; charset=windows-1252", ";;;", "x"]),
       st.sampled_from(["", "gzip", "br"]), st.booleans())
def test_any_bytes_under_any_headers(data, content_type, encoding, packed):
    """SOAP-7, SOAP-11, SOAP-81."""
    body = gzip.compress(data) if packed else data
    check(send(ENDPOINT, body, content_type, headers={"Content-Encoding": encoding} if encoding else {}))


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be", "utf-16", "cp1252", "iso-8859-1"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(case=mutated())
def test_mutations_in_other_charsets(charset, case):
    """SOAP-11."""
    version, data = case
    data = data.decode("utf-8", "replace").encode(charset, "replace")
    check(send(ENDPOINT, data, f"{TYPES[version].split(';')[0]}; charset={charset.replace('cp', 'windows-')}"), version)
