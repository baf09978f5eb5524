"""Credentials as they stand in requests."""

import base64
import datetime as dt

import pytest
from lxml import etree
from zeep.wsse.username import UsernameToken as ZeepToken

from gateway.errors import GatewayError
from gateway.spynekit import wsse
from tests.spynekit.sample import E11, TNS, envelope, ours, send
from tests.support.soap_fault import read_fault

PLAIN = f'<w:Security xmlns:w="{wsse.WSSE_NS}" xmlns:u="{wsse.WSU_NS}">{{}}</w:Security>'


def read(inner):
    return wsse.read_security([etree.fromstring("<other/>"), etree.fromstring(PLAIN.format(inner))])


def token(inner):
    return read(f"<w:UsernameToken>{inner}</w:UsernameToken>")


def from_zeep(**options):
    root = etree.fromstring(envelope("<t:Ping/>", " ").encode())
    root, _ = ZeepToken("1/ann", "secret", **options).apply(root, {})
    return wsse.read_security(root.find(f"{{{E11}}}Header"))


def test_no_header_is_no_credential():
    assert wsse.read_security([]) == wsse.Security()


def test_a_password_in_text():
    """SOAP-14."""
    found = from_zeep().token
    assert (found.user_name, found.secret, found.is_digest) == ("1/ann", "secret", False)
    assert token("<w:Username>a</w:Username><w:Password>b</w:Password>").token.secret == "b"


def test_a_password_digest():
    """SOAP-15: nonce and created are the octets that were hashed."""
    found = from_zeep(use_digest=True, nonce="n0nce", created=dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)).token
    assert found.is_digest and found.nonce == b"n0nce"
    assert found.created == dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC) and found.created_text.startswith("2026-01-31")


def test_a_timestamp():
    """SOAP-20."""
    found = read("<u:Timestamp><u:Created>2026-01-31T12:00:00Z</u:Created>"
                 "<u:Expires>2026-01-31T12:05:00</u:Expires></u:Timestamp>").timestamp
    assert found == wsse.Timestamp(dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC),
                                   dt.datetime(2026, 1, 31, 12, 5, tzinfo=dt.UTC))


@pytest.mark.parametrize("inner", [
    '<d:Signature xmlns:d="http://www.w3.org/2000/09/xmldsig#"/>',
    '<x:EncryptedData xmlns:x="http://www.w3.org/2001/04/xmlenc#"/>',
    '<w:UsernameToken><x:EncryptedKey xmlns:x="http://www.w3.org/2001/04/xmlenc#"/></w:UsernameToken>'])
def test_signature_and_encryption_are_never_ignored(inner):
    """SOAP-20."""
    with pytest.raises(GatewayError) as caught:
        read(inner)
    assert caught.value.code == "NOT_SUPPORTED"


@pytest.mark.parametrize("inner", [
    "<w:Username>a</w:Username>", "<w:Password>secret</w:Password>",
    '<w:Username>a</w:Username><w:Password Type="x">secret</w:Password>',
    f'<w:Username>a</w:Username><w:Password Type="{wsse.DIGEST_TYPE}">secret</w:Password>',
    f'<w:Username>a</w:Username><w:Password Type="{wsse.DIGEST_TYPE}">secret</w:Password><w:Nonce>#</w:Nonce>',
    f'<w:Username>a</w:Username><w:Password Type="{wsse.DIGEST_TYPE}">secret</w:Password><w:Nonce>YQ==</w:Nonce>'
    "<u:Created>yesterday</u:Created>"])
def test_an_unreadable_token_is_refused_without_quoting_it(inner):
    with pytest.raises(GatewayError) as caught:
        token(inner)
    assert caught.value.code == "INVALID_REQUEST" and "secret" not in caught.value.message


def test_two_tokens_are_refused():
    one = "<w:UsernameToken><w:Username>a</w:Username><w:Password>b</w:Password></w:UsernameToken>"
    with pytest.raises(GatewayError):
        read(one + one)


@pytest.mark.parametrize(("user", "password"), [("1/ann", "secret"), ("", ""), ("\u00e9", "a:b")])
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_http_basic(user, password, charset):
    """SOAP-16."""
    header = "basic " + base64.b64encode(f"{user}:{password}".encode(charset)).decode()
    assert wsse.read_basic(header) == wsse.BasicCredentials(user, password)


def test_no_or_another_scheme_is_none_and_a_bad_one_refused():
    assert wsse.read_basic(None) is None and wsse.read_basic("Bearer x") is None
    for header in ("Basic", "Basic #", "Basic YQ=="):
        with pytest.raises(GatewayError):
            wsse.read_basic(header)


def test_secrets_have_no_repr():
    assert "secret" not in repr(from_zeep().token) + repr(wsse.BasicCredentials("a", "secret"))


def test_a_security_header_that_must_be_understood_is():
    """SOAP-9."""
    header = PLAIN.format("").replace("<w:Security", '<w:Security s:mustUnderstand="1"')
    assert send(ours(), envelope("<t:Ping/>", header).encode()).accepted


def test_two_timestamps_are_refused():
    """SOAP-20: none of them is ignored."""
    with pytest.raises(GatewayError):
        read("<u:Timestamp/><u:Timestamp/>")


def test_a_timestamp_alone_is_no_credential_but_any_token_is():
    """SOAP-10: HTTP Basic is asked for only where nothing was tried."""
    def carries(inner):
        return wsse.has_token(etree.fromstring(PLAIN.format(inner)))

    assert not carries("") and not carries("<u:Timestamp/>")
    assert carries("<w:UsernameToken/>") and carries("<u:Timestamp/><w:BinarySecurityToken/>")


def test_credentials_are_given_once():
    """Section 3 of soap.md: all that are sent must be right, so a second one is never skipped."""
    one = "<t:Credentials><t:userName>a</t:userName><t:password>b</t:password></t:Credentials>"
    assert send(ours(), envelope("<t:Ping/>", one).encode()).accepted
    told = read_fault(send(ours(), envelope("<t:Ping/>", one + one).encode()).body, TNS)
    assert told.code == "INVALID_REQUEST"
