"""Was this request answered before? (SOAP-72, PUSH-73, PUSH-74)"""

import dataclasses
import threading

import pytest

from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.services import idempotency
from tests.support.world import World

ACTOR = dataclasses.replace(system_actor(1, "push"), label="key:1")


@pytest.fixture
def gateway(database_url, clock):
    with World(database_url, clock, brands=(1, 2)) as world:
        yield world.gateway


def ask(unit, key="k-1", fingerprint="f1", operation="POST /mailings"):
    return idempotency.replay(unit, operation=operation, key=key, fingerprint=fingerprint, field="Idempotency-Key")


def keep(unit, answer=b"{}"):
    idempotency.remember(unit, operation="POST /mailings", key="k-1", fingerprint="f1", status=200, answer=answer)


def test_the_same_request_gets_the_stored_answer(gateway):
    """PUSH-73: same key and content: the stored status and body."""
    with gateway.unit(ACTOR) as unit:
        assert ask(unit) is None
        keep(unit, b'{"mailingId": "5"}')
    with gateway.unit(ACTOR) as unit:
        found = ask(unit)
    assert (found.status, found.answer) == (200, b'{"mailingId": "5"}')


def test_other_content_under_the_key_is_a_conflict(gateway):
    """PUSH-73: the key is not to be reused."""
    with gateway.unit(ACTOR) as unit:
        keep(unit)
    with gateway.unit(ACTOR) as unit, pytest.raises(GatewayError) as caught:
        ask(unit, fingerprint="f2")
    assert (caught.value.code, caught.value.field) == ("IDEMPOTENCY_CONFLICT", "Idempotency-Key")


def test_keys_belong_to_caller_operation_and_brand(gateway):
    """SOAP-72: kept per user and operation; another brand's caller never sees the answer."""
    with gateway.unit(ACTOR) as unit:
        keep(unit)
    with gateway.unit(ACTOR) as unit:
        assert ask(unit, operation="POST /interests") is None
    for stranger in (dataclasses.replace(ACTOR, label="key:2"), dataclasses.replace(ACTOR, brand_id=2)):
        with gateway.unit(stranger) as unit:
            assert ask(unit) is None


def test_a_rolled_back_request_leaves_no_answer(gateway):
    """PUSH-74: the key is stored in the transaction of the work."""
    with pytest.raises(RuntimeError), gateway.unit(ACTOR) as unit:
        keep(unit)
        raise RuntimeError
    with gateway.unit(ACTOR) as unit:
        assert ask(unit) is None


def test_answers_run_out_after_seven_days(gateway, clock):
    """SOAP-72: kept 7 days; then the key is new again."""
    with gateway.unit(ACTOR) as unit:
        keep(unit)
    clock.advance(seconds=7 * 86400 + 1)
    with gateway.unit(ACTOR) as unit:
        assert ask(unit, fingerprint="f2") is None
        keep(unit, b"second")
    with gateway.unit(ACTOR) as unit:
        assert ask(unit).answer == b"second"


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256, "a\n"])
def test_bad_keys_are_refused(gateway, key):
    """PUSH-73: 1-255 visible ASCII."""
    with gateway.unit(ACTOR) as unit, pytest.raises(GatewayError) as caught:
        ask(unit, key=key)
    assert caught.value.code == "INVALID_VALUE"


def test_a_request_that_still_runs_is_in_progress(gateway):
    """PUSH-73: 409 IN_PROGRESS on PostgreSQL; SQLite's second writer waits and then gets the stored answer."""
    inside, go_on, results = threading.Event(), threading.Event(), []

    def first():
        with gateway.unit(ACTOR) as unit:
            ask(unit)
            inside.set()
            go_on.wait(30)
            keep(unit, b"first")

    def second():
        try:
            with gateway.unit(ACTOR) as unit:
                results.append(ask(unit).answer)
        except GatewayError as error:
            results.append(error.code)

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    if gateway.engine.dialect.name == "postgresql":
        threads[1].join(30)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert results == (["IN_PROGRESS"] if gateway.engine.dialect.name == "postgresql" else [b"first"])


def test_a_reserved_key_is_in_progress_for_a_while(gateway, clock):
    """SOAP-72, PUSH-73: for other content it is a conflict; whoever was killed holds it for 15 minutes at most."""
    def reserve():
        with gateway.unit(ACTOR) as unit:
            assert ask(unit) is None
            idempotency.reserve(unit, operation="POST /mailings", key="k-1", fingerprint="f1")

    def refusal(**kw):
        with pytest.raises(GatewayError) as refused, gateway.unit(ACTOR) as unit:
            ask(unit, **kw)
        return refused.value.code

    reserve()
    assert (refusal(), refusal(fingerprint="f2")) == ("IN_PROGRESS", "IDEMPOTENCY_CONFLICT")
    with gateway.unit(ACTOR) as unit:
        idempotency.release(unit, operation="POST /mailings", key="k-1")
    reserve()
    clock.advance(minutes=16)
    reserve()
    with gateway.unit(ACTOR) as unit:
        keep(unit, b"1")
    with gateway.unit(ACTOR) as unit:
        assert ask(unit).answer == b"1"
