"""Which value is shown, where did it come from, and when is a system left alone? (ID-76, ID-77)"""

import datetime as dt

import pytest

from gateway.domain.tiers import CLOSED, HALF_OPEN, OPEN, Breaker, Fetched, cleaned, read, serve, told
from gateway.domain.values import Field

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
DEFAULTS = {"City": "your town", "Motto": "-"}


@pytest.mark.parametrize(("fetched", "stored", "text", "tiers"), [
    (Fetched(1, {"City": "Rome"}, {"City": "Bonn"}), {"City": "Kiel"}, "Rome", "live:City"),
    (Fetched(1, {}, {"City": "Bonn"}), {"City": "Kiel"}, "Bonn", "cached:City"),
    (Fetched(1), {"City": "Kiel"}, "Kiel", "stored:City"),
    (None, {"City": "Kiel"}, "Kiel", "stored:City"),
    (Fetched(1), {}, "your town", "default:City"),
    (None, {}, "your town", "default:City"),
    (Fetched(1, {"City": "Rome"}, held={"City": "Pisa"}), {"City": "Kiel"}, "Pisa", "stored:City"),
    (Fetched(1, {"City": "Rome"}, held={"City": None}), {"City": "Kiel"}, "your town", "default:City"),
    (Fetched(1, {"City": ""}), {"City": ""}, "your town", "default:City"),
])
def test_the_order_of_tiers(fetched, stored, text, tiers):
    """ID-76: live, cached, stored, default; a change that waits to be written back beats all (ID-36)."""
    assert serve(("City",), fetched, stored, DEFAULTS) == ({"Motto": "-", "City": text}, tiers)


def test_empty_is_a_tier_and_shows_nothing():
    """ID-76: the last tier; other fields are shown as they are stored."""
    shown, tiers = serve(("City", "Title"), Fetched(1, held={"Title": None}), {"Title": "Dr", "Motto": "x"}, {})
    assert (shown, tiers) == ({"Motto": "x"}, "empty:City,Title")


def test_tiers_as_text_hold_names_only_and_can_be_read():
    """ID-76: sorted, compact; also for fields whose names have the marks in them."""
    text = told((("live", "b"), ("default", "x;y:z,%"), ("live", "a")))
    assert text == "live:a,b;default:x%3By%3Az%2C%25"
    assert read(text) == {"live": ("a", "b"), "default": ("x;y:z,%",)}
    assert read(None) == {}


@pytest.mark.parametrize(("kind", "text", "expected"), [
    ("text", "Ann", "Ann"), ("text", " a\r\nb\rc\x00\x07 ", "a\nb\nc"),
    ("text", "x" * 30, "x" * 20), ("text", "\x00", None),
    ("text", 17, None), ("text", None, None), ("html", "<b>x</b>", "<b>x</b>"), ("html", "<b>" + "x" * 20, None),
    ("date", "2026-02-03T10:00:00Z", "2026-02-03"), ("date", "tomorrow", None), ("date", "", None),
    ("date", "2026-02-03 00:00:00", "2026-02-03"), ("date", "2026-02-03 23:30:00.5+02:00", "2026-02-03"),
    ("date", "0001-01-01 00:00:00", None), ("boolean", "1", "true"), ("boolean", "perhaps", None),
    ("boolean", "yes", "true"), ("boolean", " No ", "false"), ("boolean", "T", "true"), ("boolean", "off", "false")])
def test_what_a_system_may_say(kind, text, expected):
    """ID-76: control characters go, lengths are kept, and what is no value of its kind is none."""
    assert cleaned(Field("F", kind, 20), text) == expected


A, F, Q = "answered", "failed", "ask"


@pytest.mark.parametrize(("story", "state"), [
    ([], CLOSED), ([F, F], CLOSED), ([F, F, F], OPEN), ([F, F, A, F, F], CLOSED), ([F, F, A, F, F, F], OPEN),
    ([F, F, F, 59, Q], OPEN), ([F, F, F, 60, Q], HALF_OPEN), ([F, F, F, 60, Q, A], CLOSED),
    ([F, F, F, 60, Q, F], OPEN), ([F, F, F, 60, Q, F, 59, Q], OPEN), ([F, F, F, 60, Q, F, 60, Q], HALF_OPEN),
    ([F, F, F, A], CLOSED),  # a batch that was under way proves it
    ([F, F, F, 30, F, 30, Q], HALF_OPEN),  # one that failed late prolongs nothing
    ([F, F, F, 60, Q, 60, Q], HALF_OPEN),  # nobody told what became of the try
    ([F, F, F, -3600, Q], HALF_OPEN),  # a clock that was put back shuts nobody out for an hour
])
def test_the_breaker(story, state):
    """ID-77: three failed batches, 60 s without it, then one batch tries."""
    breaker, now = Breaker(), NOW
    for step in story:
        if isinstance(step, int):
            now += dt.timedelta(seconds=step)
        elif step == Q:
            breaker, _ = breaker.ask(now)
        else:
            breaker = breaker.answered() if step == A else breaker.failed(now)
    assert breaker.state == state


def test_only_one_batch_tries():
    """ID-77: half open is one batch."""
    breaker, later = Breaker(OPEN, 3, NOW), NOW + dt.timedelta(seconds=60)
    breaker, may = breaker.ask(later)
    assert may
    assert not breaker.ask(later + dt.timedelta(seconds=1))[1]
    assert Breaker().ask(NOW) == (Breaker(), True)
