"""When is a send window open, and which moment is a time on the wall? (SEND-5)"""

import datetime as dt

import pytest

from gateway.domain import window

BERLIN = "Europe/Berlin"


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def office(text="mon-fri 08:00-18:00", zone=BERLIN):
    made = window.parse(text, zone)
    assert made is not None
    return made


@pytest.mark.parametrize(("now", "opens"), [
    ("2026-01-15T06:59", "2026-01-15T07:00"),  # a Thursday in winter: Berlin is an hour ahead
    ("2026-01-15T07:00", "2026-01-15T07:00"), ("2026-01-15T16:59", "2026-01-15T16:59"),
    ("2026-01-15T17:00", "2026-01-16T07:00"), ("2026-01-16T17:00", "2026-01-19T07:00"),  # over the weekend
    ("2026-07-16T05:59", "2026-07-16T06:00")])  # in summer two
def test_office_hours(now, opens):
    """SEND-5: hours, days, time zone; its end is no part of it."""
    assert office().opens_at(at(now)) == at(opens)
    assert office().is_open(at(now)) == (now == opens)


def test_a_span_over_midnight_and_several_spans():
    """The night from Friday to Saturday belongs to Friday; spans add up."""
    night = office("fri 22:00-06:00; sun 10:00-24:00", "UTC")
    assert [night.is_open(at(f"2026-01-{when}")) for when in (
        "16T21:59", "16T22:00", "17T05:59", "17T06:00", "17T22:30", "18T10:00", "18T23:59", "19T00:00")] == [
        False, True, True, False, False, True, True, False]
    assert night.opens_at(at("2026-01-17T06:00")) == at("2026-01-18T10:00")


def test_days_around_the_weekend_and_the_whole_day():
    """A range of days may pass the end of the week; the same hour twice is a whole day."""
    assert office("sat-mon 00:00-24:00", "UTC").spans[0].days == {5, 6, 0}
    assert office("mon, wed 09:00-09:00", "UTC").spans[0].minutes == 24 * 60


def test_no_window_is_always_open():
    """Empty: always."""
    assert window.parse("", "UTC") == window.SendWindow() == window.of({})
    assert window.SendWindow().opens_at(at("2026-01-15T03:00")) == at("2026-01-15T03:00")


@pytest.mark.parametrize("text", [
    "always", "mon", "mon 8-18", "mon 08:00-25:00", "mon 24:00-08:00", "mon-tue-wed 08:00-18:00", "moo 08:00-18:00",
    "mon 08:00-18:00;", "mon-fri08:00-18:00", "mon 08:60-18:00", "mon 08:00-18:00;" * 40])
def test_what_is_no_window(text):
    """It is refused, not guessed."""
    assert window.parse(text, "UTC") is None


@pytest.mark.parametrize(("local", "there"), [
    ("2026-03-29T01:59", "2026-03-29T00:59"), ("2026-03-29T02:30", "2026-03-29T01:30"),  # left out: it is 03:30
    ("2026-03-29T03:30", "2026-03-29T01:30"),
    ("2026-10-25T02:30", "2026-10-25T00:30"),  # comes twice: the first
    ("2026-10-25T03:00", "2026-10-25T02:00"), ("2026-05-01T09:00:30", "2026-05-01T07:00:30")])
def test_times_on_the_wall(local, there):
    """SEND-5: where clocks are put forward or back, the moment is defined."""
    assert window.moment(window.local_time(local), BERLIN) == at(there)


@pytest.mark.parametrize("text", ["2026-05-01", "2026-05-01T09:00Z", "2026-05-01T09:00+02:00", "2026-02-30T09:00",
                                  "tomorrow", "0001-01-01T00:00", "9999-12-31T23:59"])
def test_what_is_no_time_on_the_wall(text):
    """An offset belongs to the other member."""
    assert window.local_time(text) is None


@pytest.mark.parametrize("name", ["", "Berlin", "../etc/passwd", "/etc/localtime", "Europe", "Europe/Berlin\0",
                                  "x" * 999])
def test_what_is_no_zone(name):
    """Whatever the library says about it, it is one error."""
    with pytest.raises(ValueError, match="time zone"):
        window.zone(name)


def test_a_window_that_clocks_are_put_into():
    """A window in the hour that is left out does not open that day; in the one that comes twice it opens once."""
    early = office("sun 02:30-03:30")
    assert early.opens_at(at("2026-03-29T00:00")) == at("2026-04-05T00:30")
    assert office("sun 02:30-04:00").opens_at(at("2026-03-29T00:00")) == at("2026-03-29T01:30")
    autumn = office("sun 02:00-03:00")
    assert [autumn.is_open(at(f"2026-10-25T{when}")) for when in ("00:00", "00:59", "01:30", "01:59", "02:00")] == [
        True, True, True, True, False]
