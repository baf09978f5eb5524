"""The state table of deliveries, row by row, and bounces in a row (SEND-10, SEND-55)."""

import datetime as dt
import itertools

import pytest

from gateway.domain.delivery import OPEN, STATES, STEPS, Streak, count_bounce, states_before

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
ROWS = [
    ("queued", "claim", "claimed"), ("deferred", "claim", "claimed"), ("claimed", "release", "queued"),
    ("claimed", "accept", "accepted"), ("claimed", "refuse", "refused"), ("claimed", "defer", "deferred"),
    ("claimed", "expire", "expired"), ("claimed", "doubt", "in_doubt"), ("claimed", "leave_out", "left_out"),
    ("claimed", "cancel", "cancelled"), ("queued", "cancel", "cancelled"), ("deferred", "cancel", "cancelled"),
    ("in_doubt", "accept", "accepted"), ("in_doubt", "refuse", "refused"), ("in_doubt", "defer", "deferred"),
    ("in_doubt", "expire", "expired"), ("in_doubt", "resend", "queued"), ("in_doubt", "count_as_sent", "accepted")]


@pytest.mark.parametrize(("state", "event", "after"), ROWS)
def test_step(state, event, after):
    """SEND-10, one row each."""
    assert STEPS[state, event] == after


def test_the_table_has_no_other_rows():
    """What is out is out: no row leaves a final state."""
    assert len(STEPS) == len(ROWS)
    final = {"left_out", "accepted", "refused", "expired", "cancelled"}
    assert not {state for state, _ in STEPS} & final
    assert final | set(OPEN) | {"in_doubt"} == set(STATES)


def test_states_before():
    """The guards of the SQL come from the table."""
    assert states_before("accept") == ("claimed", "in_doubt")
    assert states_before("leave_out") == ("claimed",)


def bad_after(bounces):
    streak, bad = Streak(), False
    for bounce_class, at in bounces:
        streak, bad = count_bounce(streak, bounce_class, at)
    return bad


@pytest.mark.parametrize(("classes", "days", "bad"), [
    (["hard"], 1, False), (["hard", "hard"], 0, True), (["hard", "block", "hard"], 1, True),
    (["hard", "soft"], 1, False), (["soft"] * 5, 3.5, True), (["soft"] * 5, 3.4, False), (["soft"] * 4, 30, False),
    (["soft"] * 9, 1, False), (["block"] * 20, 1, False), (["other"] * 20, 1, False),
    (["soft", "soft", "hard", "soft", "soft", "soft"], 3, True)])
def test_thresholds(classes, days, bad):
    """SEND-55: 2 hard in a row; 5 soft in a row over at least 14 days; block and other never count."""
    assert bad_after([(kind, NOW + n * dt.timedelta(days=days)) for n, kind in enumerate(classes)]) is bad


def test_counting_is_pure():
    """The streak before is left as it was."""
    for hard, soft in itertools.product(range(3), range(3)):
        before = Streak(hard, soft, None)
        after, _ = count_bounce(before, "hard", NOW)
        assert before == Streak(hard, soft, None) and after.hard == hard + 1
