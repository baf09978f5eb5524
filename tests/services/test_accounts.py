"""Who is calling? Log-ins, keys, digests; and how brands, users and keys are made (SOAP-13..18, PUSH-1, PUSH-2)."""

import base64
import datetime as dt
import hashlib
import subprocess
import sys

import pytest

from gateway.clock import instant
from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.services import accounts, passwords
from tests.support.world import World


@pytest.fixture
def gateway(database_url, clock):
    with World(database_url, clock, brands=()) as world:
        yield world.gateway


@pytest.fixture
def brand(gateway):
    accounts.add_brand(gateway, 9999, "Test Brand")
    with gateway.unit(system_actor(9999)) as unit:
        accounts.add_user(unit, "apiuser", "open sesame", "sender")
        accounts.add_user(unit, "digester", "open sesame", "reader", recoverable=True)
    return 9999


def digest_of(secret, nonce, created):
    made = hashlib.sha1(base64.b64decode(nonce) + created.encode() + secret.encode(), usedforsecurity=False).digest()
    return base64.b64encode(made).decode()


def refusal(call, *args, **kw):
    with pytest.raises(GatewayError) as caught:
        call(*args, **kw)
    return caught.value


def test_right_password_gives_the_users_rights(gateway, brand):
    """SOAP-18, SOAP-19: a sender may import, send and report, and speaks for integration api."""
    actor = accounts.authenticate_user(gateway, brand, "apiuser", "open sesame", "127.0.0.1", "soap")
    assert actor.brand_id == brand and actor.integration_name == "api"
    assert actor.scopes == {"import", "send", "report"} and not actor.is_admin
    assert refusal(actor.require, "writeback").code == "NOT_ALLOWED"


def test_every_wrong_login_gets_the_same_answer(gateway, brand):
    """SOAP-17: unknown brand, unknown user and wrong password cannot be told apart."""
    texts = {str(refusal(accounts.authenticate_user, gateway, number, name, password, "127.0.0.1", "soap"))
             for number, name, password in [(1, "apiuser", "open sesame"), (brand, "nobody", "open sesame"),
                                            (brand, "apiuser", "wrong"), (brand, "apiuser", "")]}
    assert len(texts) == 1 and texts.pop().startswith("NOT_AUTHENTICATED")


def test_a_hash_costs_what_guessing_should():
    """SOAP-17: scrypt with N = 2**14 where the product runs, also for a user who does not exist."""
    assert passwords.NOBODY.split("$")[:4] == ["scrypt", "16384", "8", "1"]
    code = "from gateway.services import passwords; print(passwords.hash_password('open sesame'))"
    stored = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert stored.split("$")[:4] == ["scrypt", "16384", "8", "1"]
    assert passwords.check_password("open sesame", stored) and not passwords.check_password("open sesam", stored)


def test_a_user_of_one_brand_is_nobody_in_another(gateway, brand):
    """ID-P15: the same name and password in another brand do not open this one."""
    accounts.add_brand(gateway, 8888, "Other Brand")
    assert refusal(accounts.authenticate_user, gateway, 8888, "apiuser", "open sesame", "127.0.0.1",
                   "soap").code == "NOT_AUTHENTICATED"


def test_guessing_is_slowed_down_but_only_for_the_guesser(gateway, brand, clock):
    """SOAP-17: after ten failures this user must wait at this address, and may come from another."""
    for _ in range(11):
        refusal(accounts.authenticate_user, gateway, brand, "apiuser", "wrong", "192.0.2.1", "soap")
    slowed = refusal(accounts.authenticate_user, gateway, brand, "apiuser", "open sesame", "192.0.2.1", "soap")
    assert slowed.code == "TOO_MANY_REQUESTS" and slowed.retry_after_s > 0
    assert accounts.authenticate_user(gateway, brand, "apiuser", "open sesame", "192.0.2.2", "soap")
    clock.advance(seconds=slowed.retry_after_s)
    assert accounts.authenticate_user(gateway, brand, "apiuser", "open sesame", "192.0.2.1", "soap")


def test_a_brand_can_be_bound_to_networks(gateway, clock):
    """operator.md: --allow-ip; a caller from elsewhere is refused like one with a wrong password."""
    accounts.add_brand(gateway, 7, "Bound", ["192.0.2.0/24"])
    with gateway.unit(system_actor(7)) as unit:
        accounts.add_user(unit, "apiuser", "open sesame", "admin")
        _, key = accounts.add_key(unit, "api", ["import"])
    assert accounts.authenticate_user(gateway, 7, "apiuser", "open sesame", "192.0.2.9", "soap").is_admin
    assert accounts.authenticate_key(gateway, key, "192.0.2.9", "push").scopes == {"import"}
    for call in (lambda: accounts.authenticate_user(gateway, 7, "apiuser", "open sesame", "198.51.100.1", "soap"),
                 lambda: accounts.authenticate_key(gateway, key, "198.51.100.1", "push")):
        assert refusal(call).code == "NOT_AUTHENTICATED"


def test_digest_is_good_once_and_for_five_minutes(gateway, brand, clock):
    """SOAP-15: fresh Created, a nonce only once, and only for users whose secret is kept recoverable."""
    nonce, created = base64.b64encode(b"0123456789abcdef").decode(), instant(clock())

    def attempt(name="digester", secret="open sesame", nonce=nonce, created=created):
        return accounts.check_digest(gateway, brand, name, digest_of(secret, nonce, created), nonce, created,
                                     "127.0.0.1", "soap")

    assert attempt().label == "user:digester"
    assert refusal(attempt).code == "NOT_AUTHENTICATED"
    other = base64.b64encode(b"another nonce 16").decode()
    assert refusal(attempt, nonce=other, secret="wrong").code == "NOT_AUTHENTICATED"
    assert refusal(attempt, nonce=other, name="apiuser").code == "NOT_AUTHENTICATED"
    assert refusal(attempt, nonce=other, created="yesterday").code == "NOT_AUTHENTICATED"
    assert refusal(attempt, nonce=other, created="2026-01-15T12:00:00").code == "NOT_AUTHENTICATED"
    clock.advance(seconds=301)
    assert refusal(attempt, nonce=other).code == "NOT_AUTHENTICATED"


def test_keys_are_shown_once_and_stored_as_hash(gateway, brand):
    """PUSH-2: 256 random bits; the database has only a hash; a new integration name is added as kind api."""
    with gateway.unit(system_actor(brand)) as unit:
        _, key = accounts.add_key(unit, "crm", ["import", "report"])
    actor = accounts.authenticate_key(gateway, key, "127.0.0.1", "push")
    assert (actor.brand_id, actor.integration_name, actor.scopes) == (brand, "crm", {"import", "report"})
    with gateway.engine.connect() as connection:
        assert key not in str(connection.exec_driver_sql("SELECT * FROM api_key").all())
    assert refusal(accounts.authenticate_key, gateway, key + "x", "127.0.0.1", "push").code == "NOT_AUTHENTICATED"


def test_an_expired_key_is_refused(gateway, brand, clock):
    """PUSH-2: optional expiry."""
    with gateway.unit(system_actor(brand)) as unit:
        _, key = accounts.add_key(unit, "api", ["import"], expires_at=clock() + dt.timedelta(hours=1))
    assert accounts.authenticate_key(gateway, key, "127.0.0.1", "push")
    clock.advance(seconds=3600)
    assert refusal(accounts.authenticate_key, gateway, key, "127.0.0.1", "push").code == "NOT_AUTHENTICATED"


@pytest.mark.parametrize(("field", "brand_id", "name", "networks"), [
    ("id", 9999, "Again", []), ("id", 0, "Zero", []), ("name", 1, " ", []), ("allow-ip", 1, "Net", ["300.0.0.1"]),
])
def test_bad_brands_are_refused_with_the_field(gateway, brand, field, brand_id, name, networks):
    """Every refusal names what is wrong with which field."""
    assert refusal(accounts.add_brand, gateway, brand_id, name, networks).field == field


@pytest.mark.parametrize(("field", "change"), [
    ("name", {"name": "apiuser"}), ("name", {"name": "a/b"}), ("password", {"password": "short"}),
    ("role", {"role": "king"}), ("integration", {"integration": "nowhere"}),
])
def test_bad_users_are_refused_with_the_field(gateway, brand, field, change):
    """Every refusal names what is wrong with which field."""
    values = {"name": "new", "password": "open sesame", "role": "sender"} | change
    with gateway.unit(system_actor(brand)) as unit:
        assert refusal(accounts.add_user, unit, **values).field == field


@pytest.mark.parametrize("scopes", [["everything"], []])
def test_bad_scopes_are_refused(gateway, brand, scopes):
    """PUSH-2: a key has one or more of the four rights."""
    with gateway.unit(system_actor(brand)) as unit:
        assert refusal(accounts.add_key, unit, "api", scopes).field == "scope"


def test_no_user_without_a_brand(gateway):
    """A brand that does not exist is named with the remedy."""
    with gateway.unit(system_actor(1)) as unit:
        assert "gateway brand add" in refusal(accounts.add_user, unit, "x", "open sesame", "sender").message
