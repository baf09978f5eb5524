"""The table of rules of aapi.md section 7: names, comparison, order, pages, counts, and what is refused."""

import random

import pytest
from lxml import etree

from gateway.aapi.faults import AapiError
from gateway.aapi.grids.request import answer_grid
from gateway.errors import GatewayError
from gateway.services import grids, interests
from tests.aapi.door import NS
from tests.support.clocks import SettableClock
from tests.support.grids import Desk, among, day, fill, grid, single


@pytest.fixture(scope="module")
def desk(tmp_path_factory, sqlite_template):
    """One data set for the module; its tests only read, or add to brand 2."""
    folder = tmp_path_factory.mktemp("grids")
    (folder / "gateway.db").write_bytes(sqlite_template.read_bytes())
    with Desk(f"sqlite:///{folder / 'gateway.db'}", SettableClock(), folder, brands=(1, 2)) as made:
        made.ids = fill(made)
        yield made


def code(desk, asked):
    with pytest.raises(AapiError) as error:
        desk.written(asked)
    return error.value.code


def emails(desk, *where, **more):
    return [row[0].partition("@")[0] for row in desk.ask("subscriber", "email", where=where, **more)]


def test_names_in_any_case_and_with_or_without_underscores_are_echoed_as_asked_for(desk):
    """Section 7: type, element names, the alias EmailAddress; an unknown element is an empty Field."""
    written = desk.written(grid("SUBSCRIBERinterests", "EmailAddress", "Interest_Name", "Nope",
                                where=[single("SubscriberID", desk.ids["cat"])]))
    assert written == (
        '<Grid type="SUBSCRIBERinterests"><Record row="1"><Fields><Field element="EmailAddress">cat@example.net</Field>'
        '<Field element="Interest_Name">Jobs</Field><Field element="Nope" /></Fields></Record></Grid>')
    assert desk.ask("subscriber", "Nope", "&lt;odd&gt;") == [["", ""]] * 4


def test_no_rows_are_an_empty_grid(desk):
    """Section 7: no error."""
    assert desk.written(grid("MailingFolder", "name", where=[single("name", "x")])) == '<Grid type="MailingFolder" />'
    assert desk.written(grid("web_tracking_summary", "users")) == '<Grid type="web_tracking_summary" />'


def test_counts(desk):
    """Section 7: alone one record of row 0, paging ignored; beside others the total on each row; 0 for empty grids."""
    alone = '<Grid type="subscriber"><Record row="0"><Fields><Field element="count">4</Field></Fields></Record></Grid>'
    assert desk.written(grid("subscriber", "Count", start=99, size=1)) == alone
    short = '<Grid type="subscriber"><ReturnFields><Count /></ReturnFields></Grid>'
    assert desk.written(short) == alone
    assert desk.ask("subscriber", "Count", "email", size=2) == [["4", "ann@example.org"], ["4", "bob@example.org"]]
    assert ">0</Field>" in desk.written(grid("event", "count"))


@pytest.mark.parametrize("where, found", [
    ([single("email", "ANN@example.org")], ["ann"]),
    ([single("email", "ann@example.org", "NE")], ["bob", "cat", "gone"]),
    ([single("user_id", "r-1")], ["ann"]), ([single("user_id", "")], ["bob", "gone"]),
    ([single("user_id", "", "NEQ")], ["ann", "cat"]),
    ([single("user_id", "9", "GT")], ["ann", "cat"]),  # 77 as a number; R-1 as text
    ([single("user_id", "100", "LT")], ["cat"]), ([single("user_id", "9" * 140_000, "LT")], ["cat"]),
    ([among("cancel_id", 2, 4)], ["bob", "gone"]), ([among("cancel_id", 2, "", operator="EQ")], ["ann", "cat", "gone"]),
    ([among("cancel_id", 2, 4, operator="NOT IN")], ["ann", "cat"]),
    ([among("cancel_id", 2, operator="NEQ")], ["ann", "bob", "cat"]),
    ([single("is_unsubscriber", "true")], ["gone"]), ([single("is_unsubscriber", " 0 ")], ["ann", "bob", "cat"]),
    ([single("cancellation_date", "2026-01-12T12:00:00.0000000Z")], ["gone"]),
    ([single("cancellation_date", "2026-01-12T13:00+01:00")], ["gone"]),
    ([single("cancellation_date", "2026-01-13", "GTE")], ["bob"]),
    ([single("cancellation_date", "2026-01-12", "GTE"), single("Cancellation_Date", "2026-01-13", "LT")], ["gone"]),
    ([single("cancel_id", "1.5", "GT")], ["bob", "gone"]),
])
def test_conditions(desk, where, found):
    """Section 7: sets, empty values, case, remote IDs, bits, dates; several conditions on one element all apply."""
    assert emails(desk, *where) == found


def test_text_is_compared_without_case_beyond_ascii_too(door):
    """Section 7: SQLite's own lower case ends with ASCII; that of PostgreSQL is its locale's."""
    with door.world.unit() as unit:
        ids = [interests.create(unit, name).interest_id for name in ("Ärzte", "Arzt")]
    for asked in ("ÄRZTE", "ärzte", "Ärzte"):
        answer = door.grids(grid("interest_target_group", "target_group_id", where=[
            among("target_group_name", asked, "x"), single("target_group_name", asked, "GTE")]), user="reader")
        assert [field.text for field in answer.iter(f"{{{NS}}}Field")] == [str(ids[0])]
    kept = door.grids(grid("interest_target_group", "Count", where=[single("target_group_name", "äRZTE", "NE")]),
                          user="reader")
    assert [field.text for field in kept.iter(f"{{{NS}}}Field")] == ["1"]


def test_as_many_conditions_and_values_as_are_taken(desk):
    """They reach the database: no statement is too long or too deep."""
    assert emails(desk, among("subscriber_id", *range(9_901)), *[single("email", "x", "NE")] * 99) == [
        "ann", "bob", "cat", "gone"]


def test_order_and_pages(desk):
    """Section 7: NULL first, the key breaks ties; 0 is 1; row is the ordinal; behind the end there is nothing."""
    assert emails(desk, sort="cancel_id") == ["ann", "cat", "gone", "bob"]
    assert emails(desk, sort="cancel_id", order="desc") == ["ann", "cat", "bob", "gone"]
    assert emails(desk, start=0, size=2) == emails(desk, start=1, size=2) == ["ann", "bob"]
    assert emails(desk, start=5) == []
    nested = ('<Grid type="subscriber"><ReturnFields><DataElement>email</DataElement></ReturnFields><SortField '
              'order="desc"><DataElement>email</DataElement></SortField><StartRow>3</StartRow></Grid>')
    assert [(record.get("row"), record[0][0].text) for record in etree.fromstring(desk.written(nested))] == [
        ("3", "bob@example.org"), ("4", "ann@example.org")]


@pytest.mark.parametrize("asked, expected", [
    (grid("nonsense", "a"), "InvalidGridCategoryException"), (grid("", "a"), "InvalidGridCategoryException"),
    ('<Grid type="subscriber" />', "InsufficientInformationToCompleteActionException"),
    ('<Grid type="subscriber"><ReturnFields /></Grid>', "InsufficientInformationToCompleteActionException"),
    (grid("subscriber", "email", where=[single("nope", 1)]), "UnexpectedInputException"),
    (grid("subscriber", "email", where=[single("Count", 1)]), "UnexpectedInputException"),
    (grid("event", "name", where=[single("nope", 1)]), "UnexpectedInputException"),
    (grid("event", "name", where=[single("event_id", "x")]), "InvalidDataFormatException"),
    (grid("subscriber", "email", sort="nope"), "UnexpectedInputException"),
    (grid("subscriber", "email", sort="email", order="up"), "UnexpectedInputException"),
    (grid("subscriber", "email", where=[single("email", "x", "LIKE")]), "UnexpectedInputException"),
    (grid("subscriber", "email", where=[among("email", "x", operator="NEAR")]), "UnexpectedInputException"),
    (grid("subscriber", "email", where=["<Condition />"]), "UnexpectedInputException"),
    (grid("subscriber", "email", where=[single("email</DataElement><DataElement>user_id", "x")]),
     "UnexpectedInputException"),
    (grid("subscriber", "email", where=[single("email", "x", "EQ</Comparator><Comparator>NEQ")]),
     "UnexpectedInputException"),
    (grid("subscriber", "email", where=["<Condition><Single><DataElement>email</DataElement><Comparator>EQ"
                                        "</Comparator></Single></Condition>"]),
     "InsufficientInformationToCompleteActionException"),
    (grid("subscriber", "email", where=[single("subscriber_id", "x")]), "InvalidDataFormatException"),
    (grid("subscriber", "email", where=[single("is_unsubscriber", "yes")]), "InvalidDataFormatException"),
    (grid("subscriber", "email", where=[single("bounce_date", "yesterday")]), "InvalidDataFormatException"),
    (grid("subscriber", "email", where=[single("bounce_date", "", "GT")]), "InvalidDataFormatException"),
    (grid("subscriber", "email", size=0), "InvalidDataFormatException"),
    (grid("subscriber", "email", size="ten"), "InvalidDataFormatException"),
    (grid("subscriber", "email", start=-1), "InvalidDataFormatException"),
    (grid("subscriber", *["email"] * 501), "UnexpectedInputException"),
    (grid("subscriber", "email", where=[single("email", "x")] * 101), "UnexpectedInputException"),
    (grid("subscriber", "email", where=[among("subscriber_id", *range(10_001))]), "UnexpectedInputException"),
    (grid("subscriber", "email", where=[among("subscriber_id", *range(5_001))] * 2), "UnexpectedInputException"),
    (grid("subscriber_message_categories", "email"), "InsufficientInformationToCompleteActionException"),
    (grid("get_subscriber_interest_changes", "email", where=[single("start_date", "2026-01-01")]),
     "InsufficientInformationToCompleteActionException"),
    (grid("get_subscriber_interest_changes", "email", where=[single("action_date", "2026-01-01", "GTE"),
                                                              single("action_date", "2026-01-09", "LTE")]),
     "UnexpectedInputException"),
])
def test_what_is_refused(desk, asked, expected):
    """Sections 7, 7.5 and 7.6: a filter is never ignored, a value that cannot be read is never guessed."""
    assert code(desk, asked) == expected


def test_changes_over_a_longer_time_need_a_name(desk):
    """7.5: more than a week is fine with an interest's name or an address."""
    span = [single("start_date", "2025-01-01"), single("end_date", "2026-02-01")]
    assert desk.ask("get_subscriber_interest_changes", "email", where=[*span, single("interest_name", "jobs")])


def test_the_hundredth_day_is_in_the_recent_grids(desk):
    """Section 7: complements; a publishing of just 100 days ago belongs to the recent ones."""
    edge = desk.put("mailing_instance", 1, mailing_id=desk.ids["other"], send_at=day(100), created_by="t", state="sent",
                    created_at=day(100), frozen_at=day(100))
    desk.put("delivery", 1, instance_id=edge, subscriber_id=desk.ids["ann"], email="edge@example.org",
             state="accepted", changed_at=day(100))
    where = [single("mailing_instance_id", edge)]
    assert desk.ask("subscriber_mailing_history", "email", where=where) == [["edge@example.org"]]
    assert desk.ask("subscriber_mailing_history_all", "email", where=where) == []
    desk.change("mailing_instance", edge, send_at=day(100, seconds=1))
    assert desk.ask("subscriber_mailing_history", "email", where=where) == []
    assert desk.ask("subscriber_mailing_history_all", "email", where=where) == [["edge@example.org"]]


def test_demo_twins_have_two_fixed_rows(desk):
    """Section 7: of two grids; the other twins are empty."""
    assert [row[0] for row in desk.ask("mailing_activity_demo", "mailing_name")] == ["Sample newsletter",
                                                                                   "Sample invitation"]
    assert len(desk.ask("suppressed_subscribers_demo", "email")) == 2
    assert desk.ask("campaign_summary_demo", "campaign_id") == []


@pytest.mark.parametrize("sort, order", [(None, "asc"), ("open_date", "desc"), ("email", "asc")])
def test_a_page_far_behind_goes_on_where_the_one_before_it_ended(desk, monkeypatch, sort, order):
    """Whoever pages on sees each row once, though rows come in before the page; the first page is counted anew."""
    monkeypatch.setattr(grids, "DEEP", 4)
    instance = desk.put("mailing_instance", 2, mailing_id=1, send_at=day(1), created_by="t", created_at=day(1),
                        state="sent")
    for n in range(12):
        desk.happened("opened", day(0, minutes=n % 5), brand_id=2, instance_id=instance, delivery_id=n + 1,
                      address=f"p{n:02}@example.org")
    where = [single("mailing_instance_id", instance)]

    def page(start):
        return [tuple(row) for row in desk.ask("mailing_activity_opens", "email", "open_date", where=where, sort=sort,
                                               order=order, start=start, size=4, brand_id=2)]

    whole = [tuple(row) for row in desk.ask("mailing_activity_opens", "email", "open_date", where=where, sort=sort,
                                            order=order, brand_id=2)]
    assert page(1) + page(5) + page(9) == whole
    assert page(7) == page(7) == whole[6:10], "out of the blue, and once more"
    assert page(40) == []
    desk.happened("opened", day(-3 if order == "desc" else 3), brand_id=2, instance_id=instance, delivery_id=99,
                  address="a@example.org")
    assert page(9) == whole[8:], "it goes on behind the row that was seen last"
    assert page(1)[0][0] == "a@example.org"
    assert page(9) == whole[7:11], "whoever began anew counts the new row in"
    page(11)
    desk.clock.advance(minutes=3)
    desk.happened("opened", day(-4 if order == "desc" else 4), brand_id=2, instance_id=instance, delivery_id=98,
                  address="a2@example.org")
    assert page(11) == whole[8:], "the place is not remembered for long"


@pytest.mark.parametrize("seed", range(3))
def test_no_row_is_left_out_whichever_process_serves_a_page(desk, monkeypatch, seed):
    """Rows come in between the pages of a walk, which two processes serve by turns; each remembers its own places."""
    monkeypatch.setattr(grids, "DEEP", 4)
    chance, processes = random.Random(seed), (grids.Boundaries(), grids.Boundaries())
    instance = desk.put("mailing_instance", 2, mailing_id=1, send_at=day(1), created_by="t", created_at=day(1),
                        state="sent")

    def come_in(address):
        desk.happened("opened", day(1), brand_id=2, instance_id=instance, delivery_id=1, address=address)
    there = [f"p{n:02}@example.org" for n in range(40)]
    for address in there:
        come_in(address)
    found, start, page = [], 1, [""]
    while page:
        monkeypatch.setitem(grids._BOUNDARIES, desk.gateway.engine, chance.choice(processes))
        page = [row[0] for row in desk.ask("mailing_activity_opens", "email", start=start, size=3, brand_id=2,
                                           where=[single("mailing_instance_id", instance)])]
        found, start = found + page, start + 3
        if start % 2:
            come_in(f"p{chance.randrange(40):02}{start}@example.org")
    assert set(there) <= set(found)


def test_places_of_pages_are_remembered_within_bounds():
    """Pages of one row each, of whatever questions, cannot fill the memory; the latest are known."""
    places, now = grids.Boundaries(), day(0)
    for rows in range(grids.DEEP, grids.DEEP + 1000):
        places.note("question", rows, (rows,), now)
    assert len(places.known["question"]) == grids.MOST_PLACES
    assert places.before("question", grids.DEEP + 999, now) == (grids.DEEP + 999,)
    assert places.before("question", grids.DEEP + 5000, now) is None
    for number in range(500):
        places.note(number, grids.DEEP, (0,), now)
    assert len(places.known) == grids.MOST_QUERIES


def test_values_are_escaped_and_forbidden_characters_dropped(desk):
    """Section 4: control characters are dropped; markup in a name stays text."""
    desk.put("mailing_folder", 2, name="R&D <b>\x01é")
    assert desk.written(grid("mailing_folder", "name"), brand_id=2) == (
        '<Grid type="mailing_folder"><Record row="1"><Fields><Field element="name">R&amp;D &lt;b&gt;é</Field></Fields>'
        "</Record></Grid>")


def test_two_grids_through_the_door_and_a_faulty_one_makes_the_answer_a_fault(door):
    """Sections 7 and 9.2: answered in order, in the namespace of the document."""
    counted, empty = grid("subscriber", "Count"), grid("mailing", "name")
    root = door.grids(counted, empty, user="reader")
    assert [each.get("type") for each in root.iter(f"{{{NS}}}Grid")] == ["subscriber", "mailing"]
    assert door.fault(counted, grid("nonsense", "a"), user="reader").code == "InvalidGridCategoryException"


def test_the_right_to_report_is_asked_for(desk):
    """Section 2.1: whoever may not read reports gets no grid."""
    actor = desk.key_actor(scopes=("import",))
    with desk.reading(actor) as unit, pytest.raises(GatewayError, match="report"):
        answer_grid(unit, etree.fromstring(grid("subscriber", "email")))
