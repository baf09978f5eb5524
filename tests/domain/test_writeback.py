"""Every step a writeback may take, and when it is tried again (ID-60)."""

import pytest

from gateway.domain import writeback as rules
from gateway.errors import GatewayError

LEGAL = {
    ("ready", "claimed"): "processing", ("error", "claimed"): "processing", ("processing", "written"): "sent",
    ("processing", "refused"): "error", ("processing", "refused finally"): "failed",
    ("processing", "outage"): "ready", ("processing", "lease lost"): "ready", ("processing", "not taken"): "closed",
    ("ready", "aged"): "expired", ("error", "aged"): "expired", ("failed", "aged"): "expired",
    ("failed", "retried"): "ready", ("ready", "dismissed"): "closed", ("error", "dismissed"): "closed",
    ("failed", "dismissed"): "closed", ("expired", "dismissed"): "closed",
    ("ready", "acknowledged"): "sent", ("error", "acknowledged"): "sent", ("failed", "acknowledged"): "sent",
    ("expired", "acknowledged"): "sent", ("ready", "declined"): "error", ("error", "declined"): "error",
    ("ready", "declined finally"): "failed", ("error", "declined finally"): "failed",
}
STEPS = ("claimed", "written", "refused", "refused finally", "outage", "lease lost", "not taken", "aged", "retried",
         "dismissed", "acknowledged", "declined", "declined finally")


@pytest.mark.parametrize("state", rules.STATES)
@pytest.mark.parametrize("step", STEPS)
def test_steps(state, step):
    """ID-60: a refused row has two more tries; an outage uses none up; what is over stays over."""
    if (state, step) in LEGAL:
        assert rules.next_state(state, step) == LEGAL[state, step]
        assert state in rules.states_before(step)
    else:
        with pytest.raises(GatewayError) as caught:
            rules.next_state(state, step)
        assert caught.value.code == "STATE_CONFLICT"
        assert state not in rules.states_before(step)


def test_two_more_tries_after_5_and_30_minutes():
    waits = [rules.retry_after(tries) for tries in (1, 2, 3)]
    assert [wait and wait.total_seconds() / 60 for wait in waits] == [5, 30, None]


def test_probes_after_1_2_4_8_then_every_15_minutes():
    assert [rules.probe_after(n).total_seconds() / 60 for n in range(1, 8)] == [1, 2, 4, 8, 15, 15, 15]
