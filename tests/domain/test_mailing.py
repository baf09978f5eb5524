"""The state tables of mailings and instances, row by row (SEND-2, SEND-3)."""

import itertools

import pytest

from gateway.domain.mailing import INSTANCE_STEPS, MAILING_STEPS, MailingDraft, check_texts, next_state, resume_event
from gateway.errors import GatewayError

MAILING = [
    ("draft", "change", "draft"), ("draft", "submit", "in_review"), ("draft", "release", "released"),
    ("in_review", "submit", "in_review"), ("in_review", "change", "draft"), ("in_review", "approve", "approved"),
    ("in_review", "reject", "draft"), ("approved", "approve", "approved"), ("approved", "change", "draft"),
    ("approved", "reject", "draft"), ("approved", "release", "released"), ("released", "release", "released"),
    ("released", "withdraw", "draft")]
INSTANCE = [
    ("scheduled", "time_reached", "preparing"), ("scheduled", "pause", "paused"), ("scheduled", "restore", "paused"),
    ("scheduled", "resume", "scheduled"), ("scheduled", "cancel", "cancelled"), ("scheduled", "too_late", "cancelled"),
    ("preparing", "audience_committed", "sending"), ("preparing", "sync_failed", "paused"),
    ("preparing", "pause", "paused"), ("preparing", "restore", "paused"), ("preparing", "resume", "preparing"),
    ("preparing", "cancel", "cancelled"), ("preparing", "too_late", "cancelled"), ("sending", "all_settled", "sent"),
    ("sending", "pause", "paused"), ("sending", "transport_refused", "paused"), ("sending", "restore", "paused"),
    ("sending", "resume", "sending"), ("sending", "resend", "sending"), ("sending", "cancel", "cancelled"),
    ("sending", "too_late", "cancelled"), ("paused", "pause", "paused"), ("paused", "restore", "paused"),
    ("paused", "resume_scheduled", "scheduled"), ("paused", "resume_preparing", "preparing"),
    ("paused", "resume_sending", "sending"), ("paused", "resend", "paused"), ("paused", "cancel", "cancelled"),
    ("paused", "too_late", "cancelled"), ("sent", "resend", "sending"), ("cancelled", "cancel", "cancelled")]


@pytest.mark.parametrize(("state", "event", "after"), MAILING)
def test_mailing_step(state, event, after):
    """SEND-2, one row each."""
    assert next_state(MAILING_STEPS, "mailing", state, event) == after


@pytest.mark.parametrize(("state", "event", "after"), INSTANCE)
def test_instance_step(state, event, after):
    """SEND-3, one row each."""
    assert next_state(INSTANCE_STEPS, "instance", state, event) == after


@pytest.mark.parametrize(("steps", "rows"), [(MAILING_STEPS, MAILING), (INSTANCE_STEPS, INSTANCE)])
def test_every_other_pair_is_refused(steps, rows):
    """SEND-3: an unlisted pair is STATE_CONFLICT and names the state."""
    listed = {(state, event) for state, event, _ in rows}
    assert listed == set(steps)
    states = {state for state, _ in steps} | set(steps.values())
    for state, event in itertools.product(states, {event for _, event in steps}):
        if (state, event) not in listed:
            with pytest.raises(GatewayError) as refused:
                next_state(steps, "thing", state, event)
            assert refused.value.code == "STATE_CONFLICT" and f"'{state}'" in refused.value.message


@pytest.mark.parametrize("came_from", ["scheduled", "preparing", "sending"])
def test_a_paused_one_goes_back_to_where_it_came_from(came_from):
    """SEND-3: resume of paused; SEND-38: of one that runs it changes nothing; of one that has ended it is refused."""
    assert next_state(INSTANCE_STEPS, "instance", "paused", resume_event("paused", came_from)) == came_from
    assert next_state(INSTANCE_STEPS, "instance", came_from, resume_event(came_from, None)) == came_from
    for ended in ("sent", "cancelled"):
        with pytest.raises(GatewayError, match="resume"):
            next_state(INSTANCE_STEPS, "instance", ended, resume_event(ended, None))


def draft(**changes):
    return MailingDraft(**({"name": "n", "subject": "s", "from_address": "a@example.org", "html": "h"} | changes))


def test_check_texts_takes_what_is_in_order():
    """Line ends and tabs belong into html and text; longest texts are taken."""
    check_texts(draft(html="a\r\n\tb", text="a\nb", name="x" * 255, subject="x" * 998, from_name="", folder=None))


@pytest.mark.parametrize(("changes", "code"), [
    ({"html": "\n"}, "INVALID_REQUEST"), ({"folder": "a\nb"}, "INVALID_CHARACTER"),
    ({"reply_to": "x" * 255}, "FIELD_TOO_LONG"), ({"text": "\ud800"}, "INVALID_CHARACTER")])
def test_check_texts_refuses(changes, code):
    """PUSH-6 and the limits of the columns."""
    with pytest.raises(GatewayError) as refused:
        check_texts(draft(**changes))
    assert refused.value.code == code
