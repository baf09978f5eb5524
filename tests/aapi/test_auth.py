"""Whose account is it, who calls from where, and may they? (aapi.md section 2.1)"""

import dataclasses
import ipaddress

import pytest

from gateway.domain.accounts import system_actor
from gateway.domain.paging import PageRequest
from gateway.domain.refusals import ErrorFilter
from gateway.errors import GatewayError
from gateway.services import accounts, brandsettings, refusals
from tests.aapi.door import NS, PASSWORD, Door, inner_document, read_fault

ASK = ("ActionRequest", "Actions", "<Echo>hello</Echo>")
ANSWER = f"{{{NS}}}ActionResponse"
pytestmark = pytest.mark.usefixtures("echo")


def code(door, text, **options):
    return read_fault(door.post(text, **options)).code


def choose(door, brand=1, **choices):
    with door.gateway.unit(system_actor(brand, "cli")) as unit:
        return brandsettings.change(unit, choices)


def block(door, **values):
    with door.gateway.engine.begin() as connection:
        sets = ", ".join(f"{name} = :{name}" for name in values)
        connection.exec_driver_sql(f"UPDATE user_account SET {sets}", values)


def test_the_checks_come_in_their_order(door):
    """Brand, address, user and password, disabled, right: the first that fails is told, whatever else is wrong."""
    door.user("reader")
    with door.gateway.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE brand SET allow_ip = '[\"192.0.2.0/24\"]' WHERE id = 1")
    block(door, blocked=True)
    wrong = inner_document(*ASK, brand=9, user="nobody")
    assert code(door, wrong) == "BrandNotFoundException"
    assert code(door, wrong.replace('id="9"', 'id="1"')) == "NoAvailableIPAddressException"
    here = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}
    assert code(door, wrong.replace('id="9"', 'id="1"'), **here) == "InvalidCredentialsException"
    assert code(door, inner_document(*ASK, user="reader", password="wrong one"), **here) == (
        "InvalidCredentialsException")
    assert code(door, inner_document(*ASK, user="reader"), **here) == "ValidUserNotFoundException"
    block(door, blocked=False)
    assert code(door, inner_document(*ASK, user="reader"), **here) == "SystemAccessException"
    assert door.send(inner_document(*ASK, user=door.user("sender")), **here).tag == ANSWER


def test_an_expired_user_is_disabled(door):
    door.user("sender")
    block(door, expires_at="2000-01-01 00:00:00")
    assert code(door, inner_document(*ASK)) == "ValidUserNotFoundException"


@pytest.mark.parametrize("brand", ["", "0", "-1", "1.0", "x", "99999999999", "9", "\u0661"])
def test_what_names_no_account(door, brand):
    assert code(door, inner_document(*ASK, brand=brand)) == "BrandNotFoundException"


def test_no_brand_and_no_user(door):
    door.user("sender")
    text = inner_document(*ASK)
    assert code(door, text.replace('<Brand id="1">x</Brand>', "")) == "BrandNotFoundException"
    assert code(door, text.replace("<User>sender</User>", "")) == "InvalidCredentialsException"
    assert code(door, text.replace(f"<Password>{PASSWORD}</Password>", "")) == "InvalidCredentialsException"
    assert code(door, text.replace(f"<Password>{PASSWORD}</Password>", "<Password/>")) == "InvalidCredentialsException"


def test_unknown_user_and_wrong_password_look_the_same(door):
    door.user("sender")
    texts = set()
    for user, password in (("nobody", PASSWORD), ("sender", "not this one"), ("", ""), ("x" * 300, PASSWORD)):
        fault = read_fault(door.post(inner_document(*ASK, user=user, password=password)))
        texts.add((fault.side, fault.code, fault.reason))
    assert len(texts) == 1


def test_a_user_of_another_account_is_nobody(door):
    """Two brands with a user of one name and different rights."""
    door.user("sender", 2)
    assert code(door, inner_document(*ASK, brand=1)) == "InvalidCredentialsException"
    assert door.send(inner_document(*ASK, brand=2)).find("{*}Brand").get("id") == "2"


def test_who_guesses_is_slowed_down_and_told_so(door):
    door.user("sender")
    for _ in range(11):
        assert code(door, inner_document(*ASK, password="guess guess")) == "InvalidCredentialsException"
    fault = read_fault(door.post(inner_document(*ASK)))
    assert fault.code == "InvalidCredentialsException" and "wait" in fault.reason
    door.world.clock.advance(seconds=61)
    assert door.send(inner_document(*ASK)).tag == ANSWER


def test_behind_a_trusted_proxy_the_address_that_it_reports_counts(sqlite_url, tmp_path, clock):
    door = Door(sqlite_url, clock=clock, data_dir=tmp_path)
    try:
        door.user("sender")
        with door.gateway.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE brand SET allow_ip = '[\"192.0.2.0/24\"]' WHERE id = 1")
        proxy = {"environ_base": {"REMOTE_ADDR": "10.0.0.1"}, "headers": {"X-Forwarded-For": "192.0.2.7"}}
        assert code(door, inner_document(*ASK), **proxy) == "NoAvailableIPAddressException"
        door.gateway.settings = dataclasses.replace(door.gateway.settings,
                                                    trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),))
        assert door.send(inner_document(*ASK), **proxy).tag == ANSWER
    finally:
        door.close()


def test_an_account_may_have_a_number_of_its_own(any_door):
    """Brand/@id is the brand's own number, else its id; no two brands are known by one."""
    any_door.user("sender")
    assert choose(any_door, aapiAccount="4711")["aapiAccount"] == 4711
    assert code(any_door, inner_document(*ASK, brand=1)) == "BrandNotFoundException"
    answer = any_door.send(inner_document(*ASK, brand=4711))
    assert answer.find("{*}Brand").get("id") == "4711"
    for taken in ("4711", "1"):
        if taken == "1":
            choose(any_door, aapiAccount="")
        with pytest.raises(GatewayError) as refused:
            choose(any_door, brand=2, aapiAccount=taken)
        assert (refused.value.code, refused.value.field) == ("ALREADY_EXISTS", "aapiAccount")
    with pytest.raises(GatewayError):
        choose(any_door, aapiAccount="0")
    choose(any_door, aapiAccount="33")
    with pytest.raises(GatewayError) as refused:
        accounts.add_brand(any_door.gateway, 33, "Another")
    assert refused.value.code == "ALREADY_EXISTS"
    choose(any_door, aapiAccount="3")
    assert accounts.add_brand(any_door.gateway, None, "Another") == 4


def test_key_and_vector_are_sealed_and_never_told(door):
    for name in ("aapiKey", "aapiIv"):
        with pytest.raises(GatewayError) as refused:
            choose(door, **{name: "0123deadbeef"})
        assert "deadbeef" not in refused.value.message
    shown = choose(door, aapiKey="11" * 24, aapiIv="2" * 15)
    assert (shown["aapiKey"], shown["aapiIv"]) == ("set", "set")
    with door.gateway.engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT settings FROM brand WHERE id = 1").scalar()
    assert "1111" not in stored and "2222" not in stored
    assert choose(door, aapiKey="")["aapiKey"] == ""


def test_what_was_refused_is_kept_where_administrators_look(door):
    """PUSH-14: who, at which door, why; only once it is known whose brand it is."""
    door.user("sender")
    door.fault("<Nonsense/>")
    told = door.last_answer
    door.post(inner_document(*ASK, password="wrong one"))
    door.gateway.refusals.settle()
    door.world.clock.advance(seconds=5)
    with door.gateway.feed(door.actor("sender")) as unit:
        (kept,) = refusals.find(unit, ErrorFilter(), PageRequest()).items
    assert (kept.actor, kept.door, kept.operation, kept.code) == (
        "user:sender", "aapi", "ActionRequest", "UnknownActionException")
    assert "There is no action Nonsense" in kept.message and kept.request_id == told.headers["X-Request-Id"]
    with door.gateway.feed(door.actor("sender", 2)) as unit:
        assert refusals.find(unit, ErrorFilter(), PageRequest()).items == ()
