"""The sums of a report (SEND-11, SEND-58), whatever was counted."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.bounces import BounceClass
from gateway.domain.delivery import REASONS, STATES
from gateway.domain.metrics import DeliveryCount, EventCounts, HitCounts, summarise

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)


def report(rows, events=EventCounts(), finished_at=None):  # noqa: B008 - frozen
    return summarise(mailing_id=1, instance_ids=(1,), as_of=NOW, rows=rows, events=events, finished_at=finished_at)


@st.composite
def counts(draw):
    state = draw(st.sampled_from(STATES))
    reason = draw(st.sampled_from(REASONS)) if state == "left_out" else None
    bounced = draw(st.sampled_from([c.value for c in BounceClass])) if state in ("refused", "expired") else None
    return DeliveryCount(state, reason, bounced, draw(st.integers(0, 1000)))


@given(st.lists(counts(), max_size=30))
def test_sums(rows):
    """SEND-11, SEND-58: targeted = left out + pending + in doubt + sent + cancelled; sent = delivered + bounced."""
    found = report(rows)
    assert found.targeted == sum(row.number for row in rows)
    assert found.targeted == (found.left_out_total + found.pending + found.in_doubt + found.sent + found.cancelled)
    assert found.sent == found.delivered + found.bounced
    assert found.delivered == sum(row.number for row in rows if row.state == "accepted")
    assert found.figures()["leftOut"] == sum(found.left_out.values())
    assert found.rates()["delivered"] == (found.delivered, found.sent)


def test_settled():
    """Section 8: false until 24 h after the last message; an unfinished instance is not settled."""
    assert not report([]).settled
    assert not report([], finished_at=NOW - dt.timedelta(hours=23, minutes=59)).settled
    assert report([], finished_at=NOW - dt.timedelta(hours=24)).settled


def test_notes():
    """Section 8: what a reader must know stands in the notes."""
    events = EventCounts(opens=HitCounts(3, 3), clicks=HitCounts(1, 1), implied_opens=1)
    found = report([DeliveryCount("in_doubt", None, None, 1)], events)
    assert len(found.notes) == 2 and "Clicked without" in found.notes[0] and "doubt" in found.notes[1]
    assert report([]).notes == ()


def test_a_late_bounce_changes_the_figures_not_the_state():
    """SEND-57: an accepted delivery with a bounce class counts as bounced."""
    found = report([DeliveryCount("accepted", None, "soft", 2), DeliveryCount("accepted", None, None, 3)])
    assert (found.sent, found.delivered, found.bounced_soft) == (5, 3, 2)


def test_a_report_that_overtakes_our_own_answer_counts_with_it():
    """SEND-57, SEND-58: a report may come before the outcome is folded; nobody is delivered less than nobody."""
    for state in ("claimed", "deferred", "in_doubt", "queued", "cancelled"):
        found = report([DeliveryCount(state, None, "hard", 1)])
        assert (found.sent, found.delivered, found.bounced) == (0, 0, 0), state
