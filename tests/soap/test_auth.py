"""Who may call? (SOAP-10, SOAP-13..20)"""

import base64
import datetime as dt
import hashlib

import pytest

from gateway.domain.accounts import system_actor
from gateway.services import accounts
from tests.soap.door import PASSWORD, Refused, credentials

FIND = "<g:FindEvents/>"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
REFUSED = "NOT_AUTHENTICATED"


def security(inner):
    return f'<w:Security xmlns:w="{WSSE}" xmlns:u="{WSU}" s:mustUnderstand="1">{inner}</w:Security>'


def text_token(user="1/sender", password=PASSWORD):
    return f"<w:UsernameToken><w:Username>{user}</w:Username><w:Password>{password}</w:Password></w:UsernameToken>"


def digest_token(created, nonce=b"some nonce", user="1/digester", password=PASSWORD):
    digest = base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()
    return (f"<w:UsernameToken><w:Username>{user}</w:Username>"
            f'<w:Password Type="{PROFILE}#PasswordDigest">{digest}</w:Password>'
            f"<w:Nonce>{base64.b64encode(nonce).decode()}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken>")


def basic(user="1/sender", password=PASSWORD):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def digester(door):
    with door.gateway.unit(system_actor(1, "cli")) as unit:
        accounts.add_user(unit, "digester", PASSWORD, "sender", recoverable=True)
    return door


def code_of(door, answer):
    return None if answer.status_code == 200 else door.refusal(answer).code


def test_header_credentials(door, version):
    """SOAP-13."""
    assert door.call("FindEvents", version=version).item == []


def test_username_token_with_text(door, version):
    """SOAP-14."""
    door.user("sender")
    assert code_of(door, door.post(FIND, header=security(text_token()), version=version)) is None
    assert code_of(door, door.post(FIND, header=security(text_token(password="wrong one")))) == REFUSED


def test_username_token_with_digest(digester, clock):
    """SOAP-15: a nonce is good once, the time within five minutes."""
    now = clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    header = security(digest_token(now))
    assert code_of(digester, digester.post(FIND, header=header)) is None
    assert code_of(digester, digester.post(FIND, header=header)) == REFUSED
    late = (clock() - dt.timedelta(minutes=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert code_of(digester, digester.post(FIND, header=security(digest_token(late, b"2")))) == REFUSED


def test_digest_needs_a_recoverable_secret(door, clock):
    """SOAP-15: a digest cannot be checked against a hash."""
    door.user("sender")
    header = security(digest_token(clock().strftime("%Y-%m-%dT%H:%M:%SZ"), user="1/sender"))
    assert code_of(door, door.post(FIND, header=header)) == REFUSED


def test_http_basic(door):
    """SOAP-16."""
    door.user("sender")
    assert code_of(door, door.post(FIND, header="", headers=basic())) is None
    assert code_of(door, door.post(FIND, header="", headers=basic(password="wrong one"))) == REFUSED


@pytest.mark.parametrize("who", [
    {"brandId": "2"}, {"brandId": "99"}, {"brandId": "one"}, {"brandId": ""}, {"brandId": "9" * 30},
    {"userName": "nobody"}, {"userName": ""}, {"userName": "x" * 5000}, {"password": "wrong one"}, {"password": ""}])
def test_one_answer_to_everything_wrong(door, who):
    """SOAP-17: unknown brand, user and wrong password look alike."""
    right = door.user("sender")
    told = door.refusal(door.post(FIND, header=credentials(**{**right, **who})))
    nobody = door.refusal(door.post(FIND, header=credentials("1", "nobody at all", "wrong one")))
    assert (told.code, told.message) == (REFUSED, nobody.message)


def test_a_nul_in_a_basic_user_name(door):
    """SOAP-17: what XML cannot carry comes by HTTP."""
    assert code_of(door, door.post(FIND, header="", headers=basic("1/sen\0der"))) == REFUSED
    assert code_of(door, door.post(FIND, header="", headers=basic("no brand"))) == REFUSED


def test_401_only_if_no_credential_came(door, version):
    """SOAP-10: clients that send Basic only when asked are asked; others get the usual status."""
    none = door.post(FIND, header="", version=version)
    assert none.status_code == 401 and none.headers["WWW-Authenticate"].startswith("Basic ")
    assert door.refusal(none).code == REFUSED
    wrong = door.post(FIND, header=credentials("1", "nobody", "wrong one"), version=version)
    assert wrong.status_code == (500 if version == "1.1" else 400) and "WWW-Authenticate" not in wrong.headers
    wrong = door.post(FIND, header="", headers=basic(password="wrong one"), version=version)
    assert wrong.status_code != 401


def test_several_credentials_must_all_be_right_and_name_one_user(door):
    """SOAP-13 to SOAP-16 together."""
    header = credentials(**door.user("sender"))
    door.user("reader")
    assert code_of(door, door.post(FIND, header=header + security(text_token()), headers=basic())) is None
    assert code_of(door, door.post(FIND, header=header, headers=basic(password="wrong one"))) == REFUSED
    assert code_of(door, door.post(FIND, header=header, headers=basic("1/reader"))) == REFUSED
    assert code_of(door, door.post(FIND, header=header + security(text_token("1/reader")))) == REFUSED


def test_repeated_failures_are_slowed_down(door, version):
    """SOAP-17, SOAP-10: Retry-After, before any check."""
    door.user("sender")
    codes = [code_of(door, door.post(FIND, header=credentials("1", "sender", "wrong one"))) for _ in range(12)]
    assert codes[0] == REFUSED and codes[-1] == "TOO_MANY_REQUESTS"
    answer = door.post(FIND, version=version)
    assert int(answer.headers["Retry-After"]) > 0 and answer.status_code == 500


@pytest.mark.parametrize("operation, members", [
    ("ImportSubscribers", {"mode": "AddOrUpdate", "record": [{"email": "ann@example.org"}]}),
    ("Unsubscribe", {"entry": [{"email": "ann@example.org"}]}),
    ("Resubscribe", {"entry": [{"email": "ann@example.org", "reason": "asked"}]}),
    ("CreateInterest", {"name": "News"}),
    ("CreateMailing", {"name": "n", "subject": "s", "fromAddress": "a@example.org", "html": "<p>x</p>"}),
    ("UpdateMailing", {"mailingId": "1"}),
    ("PreviewMailing", {"mailingId": "1"}),
    ("SendTestMailing", {"mailingId": "1", "address": ["a@example.org"]}),
    ("ScheduleMailing", {"mailingId": "1", "sendAt": dt.datetime(2026, 2, 1, tzinfo=dt.UTC)}),
    ("SendMailing", {"mailingId": "1"}),
    ("CancelMailing", {"instanceId": "1"})])
def test_a_reader_may_not_write(door, operation, members):
    """SOAP-18."""
    with pytest.raises(Refused) as refused:
        door.call(operation, user="reader", **members)
    assert refused.value.code == "NOT_ALLOWED"


def test_a_reader_may_read(door):
    """SOAP-18."""
    for operation in ("FindSubscribers", "FindInterests", "FindMailings", "FindEvents", "FindUnsubscribes"):
        assert door.call(operation, user="reader").item == []


@pytest.mark.parametrize("tag", ["Signature", "EncryptedData"])
@pytest.mark.parametrize("body", [FIND, "<g:GetVersion/>"])
def test_signature_and_encryption_are_not_ignored(door, tag, body):
    """SOAP-20."""
    namespace = DSIG if tag == "Signature" else "http://www.w3.org/2001/04/xmlenc#"
    answer = door.post(body, header=security(f'<d:{tag} xmlns:d="{namespace}"/>'))
    assert door.refusal(answer).code == "NOT_SUPPORTED"


@pytest.mark.parametrize("created, expires, right", [
    ("2026-01-15T12:00:00Z", "2026-01-15T12:05:00Z", True),
    ("2026-01-15T11:00:00Z", "2026-01-15T11:05:00Z", False),
    ("2026-01-15T13:00:00Z", "2026-01-15T13:05:00Z", False)])
def test_a_timestamp_is_checked(door, created, expires, right):
    """SOAP-20."""
    stamp = f"<u:Timestamp><u:Created>{created}</u:Created><u:Expires>{expires}</u:Expires></u:Timestamp>"
    answer = door.post(FIND, header=credentials(**door.user("sender")) + security(stamp))
    assert code_of(door, answer) == (None if right else REFUSED)


def test_unknown_header_that_must_be_understood(door):
    """SOAP-9."""
    header = credentials(**door.user("sender")) + '<x:Other xmlns:x="urn:x" s:mustUnderstand="1"/>'
    answer = door.post(FIND, header=header)
    assert b"MustUnderstand" in answer.data and answer.status_code == 500


def test_no_secret_reaches_the_log(door, caplog):
    """SOAP-20."""
    caplog.set_level("DEBUG")
    header = credentials("1", "sender", "hunter-two-secret")
    door.post(FIND, header=header)
    door.post(FIND, header=header, headers=basic(password="hunter-two-secret"))
    door.send(b"<broken " + header.encode())
    assert "hunter-two-secret" not in caplog.text
