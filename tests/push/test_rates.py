"""How many requests may one key make? At every door, over all processes (PUSH-13)."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.push.compatible.app import make_app as make_compatible
from gateway.services.ratelimits import Rates
from tests.push.conftest import Caller
from tests.support.contract import Contract
from tests.support.installation import Installation


class Time:
    """A clock that stands until somebody sleeps."""

    def __init__(self):
        self.now, self.slept = 600.0, 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += seconds


def test_beyond_the_budget(door, call):
    """PUSH-13, PUSH-84: 429 with Retry-After, nothing done; other keys are not touched, open addresses not counted."""
    another = door.caller(integration="crm")
    door.gateway.rates = Rates(3, clock=Time())
    assert [call.get("/interests").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = call.post("/interests", json={"name": "x"})
    assert (refused.status_code, refused.json["code"], refused.json["retryable"]) == (429, "TOO_MANY_REQUESTS", True)
    assert 1 <= int(refused.headers["Retry-After"]) <= 120
    assert door.count("interest") == 0
    assert another.get("/interests").status_code == 200
    assert {door.stranger().get("/health").status_code for _ in range(9)} == {200}
    assert {door.stranger().get("/interests").status_code for _ in range(9)} == {401}
    door.gateway.rates = Rates(0)
    door.gateway.refusals.settle()
    door.world.clock.advance(seconds=1)
    assert [each["code"] for each in call.get("/errors").json["items"]] == ["TOO_MANY_REQUESTS"] * 2


def test_the_compatible_face_slows_down_first(door):
    """PUSH-13: its callers drop what is refused, so one call after the other is slowed down instead."""
    app = make_compatible(door.gateway)
    call = Caller(app, door.key(), Contract(app, "/v2"))
    time = Time()
    door.gateway.rates = Rates(60, clock=time, sleep=time.sleep)
    element = [{"ContactDetails": {"ContactId": "K-1", "PrimaryEmailAddress": "a@example.org"}}]
    assert {call.post("/contactinfo", json=element).status_code for _ in range(150)} == {200}
    assert time.slept >= 60


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An installation of two processes with a budget of 50 requests a minute."""
    with Installation(tmp_path_factory.mktemp("rates"), GATEWAY_REQUESTS_PER_MINUTE="50") as made:
        key = made.brand()
        made.serve("--workers", "2", "--no-worker", ready=False)
        yield made, key


def test_processes_share_a_budget(place):
    """PUSH-13: connections spread over the processes of one serve, the budget is one."""
    made, key = place
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: made.get("/push/v1/interests", {"ApiKey": key}), range(80)))
    statuses = [status for status, _text in answers]
    # requests that come at the very same moment may see each other too late; a new window may have begun
    assert statuses.count(200) + statuses.count(429) == 80
    assert 50 <= statuses.count(200) <= 70
    assert json.loads(next(text for status, text in answers if status == 429))["code"] == "TOO_MANY_REQUESTS"
