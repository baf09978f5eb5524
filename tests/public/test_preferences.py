"""The preference form: what it shows, what it changes, and for whom (ID-36, ID-39, ID-42, ID-51, ID-56, ID-64)."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from gateway.bridges import registry
from gateway.db.models.subscribers import remote_key, source_values, subscriber
from gateway.db.queries import accounts, decisions
from gateway.domain.accounts import READER, system_actor
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, StatusEntry
from gateway.domain.tokens import Keys, Kind, Token, mint
from gateway.errors import GatewayError
from gateway.public.app import make_app
from gateway.services import formfields, history, integrations, interests, suppression, sync, testcopies, writebacks
from gateway.services.interests import InterestChanges
from tests.public.conftest import BROWSER
from tests.support.ams import WRITEBACK, MemoryAms, sqlite_ams
from tests.support.forms import ReadPage
from tests.support.world import SECRET

HTML = '<p>Dear {{ FirstName }}</p><a href="{{ preferences_url }}">Your preferences</a>'
CHANGE = "UPDATE members SET first_name = :value, changed_at = :occurred_at WHERE member_no = :remote_id"
FIELDS = ("FirstName", "City", "Birthday", "IsMember")


@pytest.fixture
def form(house, browser, sink):
    """Ann's form, and how to use it; she is in News, not in Jobs, and both are public."""
    return Form(house, browser, sink)


@pytest.fixture
def ams(house, tmp_path, monkeypatch):
    """A real database of members, whose member 17 is Ann; it tells first names and takes them."""
    made = sqlite_ams(tmp_path)
    made.put("17", "ann@example.org", groups="News")
    made.tell("17", FirstName="Ann", City="Bern")
    return made


class Form:
    """A person's way to the form, and what the store says afterwards."""

    def __init__(self, house, browser, sink):
        self.house, self.browser, self.sink = house, browser, sink
        self.interests = {name: house.add_interest(name) for name in ("News", "Jobs", "Board")}
        self.set_public(self.interests["News"])
        self.set_public(self.interests["Jobs"])

    def set_public(self, interest_id, public=True, brand_id=1):
        with self.house.unit(self.house.actor(brand_id=brand_id)) as unit:
            interests.update(unit, interest_id, InterestChanges(public=public))

    def show(self, *names, word="editable", brand_id=1):
        with self.house.unit(system_actor(brand_id)) as unit:
            for name in names:
                formfields.set_on_form(unit, name, word)

    def mail(self, email="ann@example.org", *, link=None, pushed=False, **person):
        """Sends her a mailing and answers her link; ``link``: (integration, remote ID). Her values come from an upload,
        or are ``pushed`` by the integration."""
        self.person = self.house.add_person(email, **person)
        if not pushed:
            self.uploaded()
        if link:
            with self.house.unit() as unit:
                unit.connection.execute(sa.insert(remote_key).values(
                    brand_id=1, integration_id=link[0], remote_id=link[1], subscriber_id=self.person,
                    created_at=unit.now))
                unit.connection.execute(sa.update(subscriber).where(subscriber.c.id == self.person).values(
                    keyless=False))
        self.instance = self.house.send(html=HTML)
        self.delivery = self.house.deliveries(self.instance)[-1].id
        self.path = "/p/" + mint(Keys.from_secret(SECRET), Token(Kind.PREFERENCES, 1, self.delivery))
        return self.path

    def uploaded(self):
        """All values are an upload's."""
        with self.house.unit() as unit:
            source_id = accounts.add_source(unit.connection, 1, "upload", "")
            unit.connection.execute(sa.update(source_values).where(source_values.c.brand_id == 1).values(
                source_id=source_id))

    def get(self, status=200):
        answer = self.browser.get(self.path)
        assert answer.status_code == status
        return ReadPage(answer.get_data(as_text=True))

    def post(self, sent, status=200, **more):
        answer = self.browser.post(self.path, data=sent, **more)
        assert answer.status_code == status, answer.get_data(as_text=True)
        self.house.clock.advance(seconds=1)
        return ReadPage(answer.get_data(as_text=True))

    def events(self):
        return [(e.type, e.reason) for e in self.house.events() if e.type not in ("sent",)]

    def written(self):
        with self.house.reading() as unit:
            rows = unit.connection.execute(sa.text("SELECT kind, state, payload FROM writeback ORDER BY id")).all()
        return [(row.kind, row.state, json.loads(row.payload) if isinstance(row.payload, str) else row.payload)
                for row in rows]

    def stored(self):
        with self.house.reading() as unit:
            return {row.source_id: json.loads(row.document) for row in unit.connection.execute(
                sa.select(source_values).where(source_values.c.subscriber_id == self.person))}

    def left(self):
        with self.house.reading() as unit:
            return set(unit.connection.scalars(sa.text("SELECT interest_id FROM interest_opt_out")))

    def tables(self):
        """Everything that a form may change."""
        with self.house.reading() as unit:
            return {name: unit.connection.execute(sa.text(f"SELECT * FROM {name} ORDER BY 1, 2")).all() for name in (
                "subscriber", "source_values", "membership", "interest_opt_out", "address_status", "event", "writeback",
                "decision")}


def add_ams(house, made, *, writes=True, brand_id=1):
    """The integration that reaches the database."""
    usual = {kind: WRITEBACK[kind] for kind in ("unsubscribe", "resubscribe", "bad_email")}
    config = {**made.config, "writeback": {**usual, **({"field_changed": {"FirstName": CHANGE}} if writes else {})}}
    with house.gateway.unit(system_actor(brand_id)) as unit:
        return integrations.add(unit, "ams", "sql", config)


def test_the_form_says_whose_it_is_and_changes_nothing(form, house):
    """SEND-48, ID-42: GET and HEAD; public interests alone, ticked by membership; fields only where chosen."""
    form.show("FirstName")
    form.show("City", word="shown")
    form.mail(values={"FirstName": "<Ann>", "City": "Bern", "Title": "Dr"})
    before = form.tables()
    page = form.get()
    assert "Brand 1" in page.text and "a***@example.org" in page.text and "ann@" not in page.text
    assert page.values() == {"First name": "<Ann>", "News": True, "Jobs": False}
    assert "Bern" in page.text and "Dr" not in page.text and "Board" not in page.text
    assert form.browser.head(form.path).status_code == 200
    assert page.acts() == ["save", "unsubscribe"]
    assert form.tables() == before


def test_fields_interests_and_nothing_else_are_saved_together(form, house):
    """ID-39, ID-56, ID-78: what was changed, once, with an event each; names in the history, no values."""
    form.show(*FIELDS)
    form.mail(values={"FirstName": "Ann", "City": "Bern"})
    sent = form.get().filled(First_name=" Anna ", Birthday="2000-02-29", Is_member="true", News=False, Jobs=True)
    done = form.post(sent)
    assert "Saved" in done.text and "First name" in done.text and "Anna" not in done.text
    assert [type_ for type_, _ in form.events()] == ["preference"] * 4 + ["opted_out"]
    assert {"FirstName": "Anna", "Birthday": "2000-02-29", "IsMember": "true"} in form.stored().values()
    assert form.left() == {form.interests["News"]}
    assert form.get().values() == {"First name": "Anna", "City": "Bern", "Birthday": "2000-02-29", "Is member": "true",
                                   "News": False, "Jobs": True}
    with house.reading() as unit:
        said = unit.connection.execute(sa.text("SELECT rule, changes, door FROM decision ORDER BY id")).all()
    assert [row.rule for row in said] == ["ID-56", "ID-39", "ID-39"] and {row.door for row in said} == {"public"}
    assert "Anna" not in str(said) and "field FirstName" in said[0].changes
    assert "Anna" not in str([(e.raw, e.reason) for e in house.events()])
    with house.gateway.feed(house.actor(role=READER)) as unit:
        unit.now = house.clock()
        told = history.find(unit, Identifier(subscriber_id=form.person), None, None, PageRequest()).items
    assert {"field FirstName", "interest News"} <= {entry.reason for entry in told}
    assert any(each.name == "field FirstName" and each.new == "changed by the person" for entry in told
               for each in entry.changes)


def test_sending_it_again_changes_nothing_and_a_later_change_counts(form):
    """ID-59: a double click, a reload and the way back are one change; another value of the same form is another."""
    form.show("FirstName")
    form.mail(values={"FirstName": "Ann"})
    page = form.get()
    form.post(page.filled(First_name="Bea", Jobs=True))
    once = form.tables()
    assert "Nothing to save" in form.post(page.filled(First_name="Bea", Jobs=True)).text
    assert form.tables() == once
    assert "Saved" in form.post(page.filled(First_name="Cis")).text
    assert "Saved" in form.post(page.filled(First_name="Bea")).text
    assert form.get().values()["First name"] == "Bea"


def test_a_form_is_stored_whole_or_not_at_all(form, monkeypatch):
    """ID-59: what breaks at the very end, as a kill would, leaves nothing of it; sent again, all of it is stored."""
    form.show("FirstName")
    form.mail()
    sent, before = form.get().filled(First_name="Bea", News=False, Jobs=True), form.tables()
    with monkeypatch.context() as broken:
        broken.setattr(decisions, "record", lambda *_, **__: 1 / 0)
        form.post(sent, 500)
    assert form.tables() == before
    form.post(sent)
    assert form.get().values() == {"First name": "Bea", "News": False, "Jobs": True}


def test_an_old_form_leaves_alone_what_it_did_not_touch(form, house):
    """ID-36: what changed elsewhere meanwhile stays, for the person changed something else."""
    form.show("FirstName", "City")
    form.mail(values={"FirstName": "Ann", "City": "Bern"})
    page = form.get()
    with house.unit() as unit:
        unit.connection.execute(sa.update(source_values).values(document='{"City":"Ulm","FirstName":"Ann"}'))
        unit.connection.execute(sa.text(
            "INSERT INTO membership (brand_id, subscriber_id, interest_id, source_id, channel, since) "
            "SELECT brand_id, subscriber_id, :jobs, source_id, 'native', since FROM membership"),
            {"jobs": form.interests["Jobs"]})
    form.post(page.filled(First_name="Bea"))
    assert form.get().values() == {"First name": "Bea", "City": "Ulm", "News": True, "Jobs": True}


def test_an_interest_that_is_private_by_now_is_not_there(form):
    """ID-42: nor can an old form change it."""
    form.mail()
    page = form.get()
    form.set_public(form.interests["News"], False)
    assert form.get().values() == {"Jobs": False}
    assert "Nothing to save" in form.post(page.filled(News=False)).text and form.left() == set()


def test_two_that_send_the_same_form_at_once_make_one_change(form, house):
    """ID-59: one waits for the other, and finds it done."""
    form.show("FirstName")
    form.mail()
    sent = form.get().filled(First_name="Bea", News=False, Jobs=True)
    clients = [make_app(house.gateway).test_client() for _ in range(2)]
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda client: client.post(form.path, data=sent, headers={"User-Agent": BROWSER}).data,
                                clients))
    assert sorted(b"Nothing to save" in answer for answer in answers) == [False, True]
    assert sorted(kind for kind, _ in form.events()) == ["opted_out", "preference", "preference"]


def test_leaving_and_coming_back(form):
    """ID-39: who left by the form is in again by the form; nothing is opened twice."""
    form.mail()
    form.post(form.get().filled(News=False, Jobs=True))
    form.post(form.get().filled(News=True, Jobs=False))
    assert form.get().values() == {"News": True, "Jobs": False}
    form.post(form.get().filled(Jobs=True))
    assert form.get().values() == {"News": True, "Jobs": True}
    assert [kind for kind, _ in form.events()] == [
        "preference", "opted_out", "rejoined", "opted_out", "rejoined"]


@pytest.mark.parametrize(("changes", "field", "said"), [
    ({"First_name": "x" * 4001}, "First name", "at most 4000"),
    ({"Birthday": "2001-02-29"}, "Birthday", "a day that exists"),
    ({"Birthday": "tomorrow"}, "Birthday", "year-month-day"), ({"Is_member": "perhaps"}, "Is member", "yes or no"),
    ({"First_name": "a\x00b"}, "First name", "cannot be stored")])
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_saved(form, changes, field, said):
    """PUSH-5..9 in plain words; the form keeps what was typed."""
    form.show(*FIELDS)
    form.mail(values={"FirstName": "Ann"})
    before = form.tables()
    page = form.post(form.get().filled(City="Ulm", News=False, **changes), 422)
    assert "Nothing is saved yet" in page.text and page.text.count(said) == 2 and f"{field}: " in page.text
    assert page.values()["City"] == "Ulm" and page.values()["News"] is False
    assert form.tables() == before
    mended = {name.replace(" ", "_"): "" for name in [field]}
    assert "Saved" in form.post(page.filled(**mended)).text
    assert form.get().values()["City"] == "Ulm" and form.get().values()["News"] is False


def test_a_value_of_several_lines_stays_one(form):
    """Browsers send CR LF: that is no change."""
    form.show("FirstName", "City")
    form.mail(values={"FirstName": "Ann\nLee", "City": "\nBern\n"})
    page = form.get()
    sent = {name: value.replace("\n", "\r\n") for name, value in page.filled().items()}
    assert "Nothing to save" in form.post(sent).text and form.events() == []


def test_a_field_can_be_emptied(form, house):
    """ID-37: the value of the form goes; another source's would count again."""
    form.show("FirstName")
    form.mail()
    form.post(form.get().filled(First_name="Bea"))
    form.post(form.get().filled(First_name=""))
    assert form.get().values()["First name"] == "" and form.stored() in ({}, dict.fromkeys(form.stored(), {}))


def test_a_field_that_is_only_shown_or_not_there_cannot_be_changed(form, house):
    """ID-56: what is posted for other fields is passed over, as are private interests and those of another brand."""
    form.show("FirstName", word="shown")
    form.mail(values={"FirstName": "Ann", "City": "Bern"})
    with house.unit() as unit:
        ids = list(unit.connection.scalars(sa.text("SELECT id FROM field")))
    theirs = house.add_interest("Theirs", brand_id=2)
    form.set_public(theirs, brand_id=2)
    before = form.tables()
    sent = form.get().filled()
    for number in ids:
        sent |= {f"f{number}": "x", f"o{number}": ""}
    for number in (form.interests["Board"], theirs, 10**17):
        sent |= {f"i{number}": "1", f"w{number}": "0"}
    assert "Nothing to save" in form.post(sent).text
    assert form.tables() == before


def test_a_system_that_knows_the_person_tells_and_gets_the_values(form, house, ams):
    """ID-76, ID-56, ID-36, ID-64: live values; a change lives in its writeback until the system has it, is stored
    nowhere else, and no sync undoes it."""
    link = (add_ams(house, ams), "17")
    form.show("FirstName")
    form.show("City", word="shown")
    form.mail(link=link)
    assert form.get().values()["First name"] == "Ann" and "Bern" in form.get().text
    form.post(form.get().filled(First_name="Bea"))
    assert form.stored() == {} and [row[:2] for row in form.written()] == [("field_changed", "ready")]
    assert form.get().values()["First name"] == "Bea", "the open writeback counts"
    sync.run(house.gateway, 1, link[0])
    assert form.get().values()["First name"] == "Bea" and ams.row("17")["first_name"] == "Ann"
    writebacks.run_writebacks(house.gateway, 1, link[0])
    assert ams.row("17")["first_name"] == "Bea"
    (written,) = form.written()
    assert written[:2] == ("field_changed", "sent") and "Bea" not in str(written[2])
    assert form.get().values()["First name"] == "Bea"
    ams.tell("17", FirstName="Cis")
    assert form.get().values()["First name"] == "Cis", "what the system says counts again"
    form.post(form.get().filled(First_name=""))
    assert form.get().values()["First name"] == ""
    writebacks.run_writebacks(house.gateway, 1, link[0])
    assert not ams.row("17")["first_name"] and form.get().values()["First name"] == ""


def test_a_local_value_from_before_the_system_told_the_field_goes_with_the_change(form, house, ams):
    """ID-36: a field that is emptied stays empty, though an earlier form had left a value of it here."""
    form.show("FirstName")
    form.mail()
    form.post(form.get().filled(First_name="Old"))
    link = (add_ams(house, ams), "17")
    with house.unit() as unit:
        unit.connection.execute(sa.insert(remote_key).values(
            brand_id=1, integration_id=link[0], remote_id=link[1], subscriber_id=form.person, created_at=unit.now))
    assert form.get().values()["First name"] == "Ann"
    form.post(form.get().filled(First_name=""))
    writebacks.run_writebacks(house.gateway, 1, link[0])
    assert not ams.row("17")["first_name"] and form.get().values()["First name"] == ""


def test_a_value_that_is_too_long_for_us_is_only_shown(form, house, ams):
    """ID-56: who corrected its beginning would cut off its end in the system."""
    form.show("FirstName")
    ams.tell("17", FirstName="Ann" * 20)
    form.mail(link=(add_ams(house, ams), "17"))
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE field SET max_length = 50 WHERE name = 'FirstName'"))
    page = form.get()
    assert "First name" not in page.values() and "AnnAnn" in page.text
    ams.tell("17", FirstName="Ann")
    assert form.get().values()["First name"] == "Ann"


def test_a_system_that_takes_no_changes_is_only_shown(form, house, ams):
    """ID-36: a value that would count nowhere is not asked for."""
    form.show("FirstName", "Birthday")
    form.mail(link=(add_ams(house, ams, writes=False), "17"))
    page = form.get()
    assert "First name" not in page.values() and "Ann" in page.text and "Birthday" in page.values()


def test_a_value_that_another_system_pushed_is_only_shown_unless_it_takes_changes(form, house):
    """ID-36, ID-37: an integration's stored value stands before a local one."""
    form.show("FirstName", "City")
    form.mail(remote_id="9", values={"FirstName": "Ann"}, pushed=True)
    assert "First name" not in form.get().values() and "City" in form.get().values()
    api = house.integration("api")
    with house.unit(system_actor(1)) as unit:
        integrations.set_pulls(unit, api, ["field_changed"])
    form.post(form.get().filled(First_name="Bea"))
    assert form.get().values()["First name"] == "Bea" and form.written()[0][2]["value"] == "Bea"


def test_a_system_that_is_away_or_slow_keeps_nobody(form, house, monkeypatch):
    """ID-76: the form says so, within its deadline; interests can be changed and mail be stopped."""
    ams = MemoryAms()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: ams)
    ams.writes = frozenset({"unsubscribe", "field_changed", "interest_left"})
    ams.tell("17", FirstName="Ann")
    with house.gateway.unit(system_actor(1)) as unit:
        link = integrations.add(unit, "ams", "memory", {})
    form.show("FirstName")
    form.mail(link=(link, "17"))
    ams.is_away = True
    page = form.get()
    assert "does not answer at the moment" in page.text and page.values() == {
        "First name": "", "News": True, "Jobs": False}
    assert "Saved" in form.post(page.filled(News=False)).text
    assert [row[0] for row in form.written()] == ["interest_left"]


@pytest.mark.parametrize("agent", ["SomeBot/1.0", "Mozilla/5.0 (compatible; SomeBot/1.0)"])
def test_a_scanner_that_sends_the_form_changes_nothing(form, agent):
    """SEND-52: it gets the form again."""
    form.mail()
    before = form.tables()
    for sent in (form.get().filled(News=False), {"act": "unsubscribe"}):
        form.post(sent, headers={"User-Agent": agent})
    assert form.tables() == before


@pytest.mark.parametrize("agent", ["Lynx/2.9.0dev.12 libwww-FM/2.14", "w3m/0.5.3+git2023", "Links (2.29; Linux)", ""])
def test_text_browsers_are_people(form, agent):
    """SEND-52: who reads without pictures can save."""
    form.mail()
    assert "Saved" in form.post(form.get().filled(News=False), headers={"User-Agent": agent}).text


@pytest.mark.parametrize(("more", "status"), [
    ({"headers": {"Sec-Fetch-Site": "cross-site"}}, 403), ({"headers": {"Origin": "https://evil.example"}}, 403),
    ({"headers": {"Origin": "null", "Sec-Fetch-Site": "same-origin"}}, 200),
    ({"content_type": "multipart/form-data"}, 415),
    ({"content_type": "application/json"}, 415), ({"content_type": "text/plain"}, 415)])
def test_only_its_own_page_may_send_it(form, more, status):
    """A form that another site sends, or another kind of body, changes nothing."""
    form.mail()
    before = form.tables()
    form.browser.post(form.path, data={"act": "unsubscribe"} if "content_type" not in more else b"{}", **more)
    assert (form.tables() == before) == (status != 200)
    assert form.browser.post(form.path, data={"act": "save"} if "content_type" not in more else b"{}",
                             **more).status_code == status


def test_too_large_a_form_and_too_many_of_them(form):
    """A hostile body is refused before it is read; one token cannot keep a server busy."""
    form.mail()
    assert form.browser.post(form.path, data=b"f1=" + b"x" * 300_000,
                             content_type="application/x-www-form-urlencoded").status_code == 413
    assert [form.browser.get(form.path).status_code for _ in range(32)][-1] == 429


def test_unsubscribing_and_coming_back(form, house):
    """ID-50, ID-51: both here, as deliberate acts of origin form; doing either twice changes nothing."""
    form.mail()
    for _ in range(2):
        assert "You are unsubscribed" in form.post({"act": "unsubscribe"}).text
    page = form.get()
    assert "You have unsubscribed" in page.text and page.acts() == ["return", "save"]
    assert "You are subscribed again" in form.post({"act": "return"}).text
    once = form.tables()
    form.post({"act": "return"})
    assert form.tables() == once
    found = [(e.type, e.origin, e.delivery_id) for e in house.events() if e.type != "sent"]
    assert found == [("unsubscribed", "form", form.delivery), ("resubscribed", "form", form.delivery)]
    second = house.send()
    assert house.states(second) == {"ann@example.org": "accepted"}


@pytest.mark.parametrize("origin", ["complaint", "admin", "api", None])
def test_what_others_stopped_cannot_be_undone_here(form, house, origin):
    """ID-51: a complaint, an administrator's act, and one of unknown origin."""
    form.mail()
    house.set_address("ann@example.org", opted_out_at=house.clock(), opt_out_origin=origin)
    page = form.get()
    assert "Please write to Brand 1" in page.text and page.acts() == ["save"]
    before = form.tables()
    form.post({"act": "return"})
    assert form.tables() == before


def test_a_flag_says_where_it_can_be_undone(form, house):
    """ID-45, ID-52: by the integration that set it, also beside an opt-out of the person's own."""
    form.mail(remote_id="17")
    form.post({"act": "unsubscribe"})
    with house.unit() as unit:
        unit.connection.execute(sa.update(remote_key).values(do_not_email=True))
    form.post({"act": "return"})
    page = form.get()
    assert "Your entry in api says that you want no mail" in page.text and page.acts() == ["save", "unsubscribe"]


def test_an_administrators_resubscribe_is_as_before(form, house):
    """ID-51: the same clearing, of origin api."""
    form.mail()
    form.post({"act": "unsubscribe"})
    with house.unit() as unit:
        report = suppression.resubscribe(unit, [StatusEntry(Identifier(email="ann@example.org"), "phoned")])
    assert report.counters.updated == 1 and house.events()[-1].origin == "api"


def test_a_former_address_shows_nothing_and_may_unsubscribe(form, house):
    """ID-43: who holds an old message learns nothing of the person, whatever they send."""
    form.show("FirstName")
    form.mail(values={"FirstName": "Ann"})
    sent = form.get().filled(First_name="Bea", News=False)
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE subscriber SET email = 'new@example.org'"))
    before = form.tables()
    page = form.get()
    assert "Ann" not in page.text and "new" not in page.text.replace("newer", "") and page.acts() == ["unsubscribe"]
    form.post(sent)
    form.post({"act": "return"})
    assert form.tables() == before
    assert "You are unsubscribed" in form.post({"act": "unsubscribe"}).text


def test_a_merged_record_leads_to_its_survivor(form, house):
    """ID-26: the survivor's values and interests, if it has the address."""
    form.show("FirstName")
    form.mail(values={"FirstName": "Old"})
    survivor = house.add_person("ann@example.org", "Jobs", remote_id="9", values={"FirstName": "New"})
    form.uploaded()
    with house.unit() as unit:
        unit.connection.execute(sa.update(subscriber).where(subscriber.c.id == form.person).values(
            merged_into=survivor))
    assert form.get().values() == {"First name": "New", "News": False, "Jobs": True}


def test_an_orphan_is_told_so(form, house):
    """ID-34."""
    form.mail()
    with house.unit() as unit:
        unit.connection.execute(sa.update(subscriber).values(orphan=True))
    assert "has ended" in form.get().text


def test_an_erased_person_leaves_nothing(form, house):
    """ID-35, SEND-45: the link goes on working and says nothing."""
    form.show("FirstName")
    form.mail(values={"FirstName": "Ann"})
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE delivery SET email = NULL"))
    page = form.get()
    assert "Nothing is kept" in page.text and page.forms == [] and "Ann" not in page.text
    before = form.tables()
    for act in ("save", "unsubscribe", "return"):
        form.post({"act": act})
    assert form.tables() == before


def test_two_brands(form, house):
    """ID-P15: a token of brand 2 with the number of brand 1's delivery shows and changes nothing."""
    form.show("FirstName")
    form.mail(values={"FirstName": "Ann"})
    sent = form.get().filled(First_name="Bea", News=False)
    before = form.tables()
    form.path = "/p/" + mint(Keys.from_secret(SECRET), Token(Kind.PREFERENCES, 2, form.delivery))
    assert "Brand 2" in form.get().text and form.get().forms == []
    form.post(sent)
    form.post({"act": "unsubscribe"})
    assert form.tables() == before
    with house.reading(system_actor(2)) as unit:
        assert formfields.find(unit) == {}


def test_wrong_and_test_tokens(form, house, browser, sink):
    """SEND-4, SEND-45: one 404 for all that is wrong; a test copy's says so; an unsubscribe token opens no form."""
    form.mail()
    others = [mint(Keys.from_secret(SECRET), Token(kind, 1, form.delivery)) for kind in (Kind.UNSUBSCRIBE, Kind.VIEW)]
    wrong = [form.path[:-1], form.path + "a", *(f"/p/{text}" for text in others), "/p/x", "/p/%00"]
    pages = {(answer.status_code, answer.data) for path in wrong
             for answer in (browser.get(path), browser.post(path, data={"act": "unsubscribe"}))}
    assert len(pages) == 1 and pages.pop()[0] == 404
    testcopies.send_tests(house.gateway, house.actor(), house.create(html=HTML), ["me@example.org"])
    form.path = "/p/" + mint(Keys.from_secret(SECRET), Token(Kind.PREFERENCES, 1, 0))
    assert form.path in sink.messages[-1].data.decode().replace("=\r\n", "")
    assert "test copy" in form.get().text and "test copy" in form.post({"act": "unsubscribe"}).text
    assert form.get().forms == []


def test_the_unsubscribe_page_leads_here(form, browser):
    """SEND-48: less than everything can be left."""
    form.mail()
    link = "/u/" + mint(Keys.from_secret(SECRET), Token(Kind.UNSUBSCRIBE, 1, form.delivery))
    assert f'href="{form.path}"' in browser.get(link).get_data(as_text=True)
    assert f'href="{form.path}"' in browser.post(link).get_data(as_text=True)


def test_the_form_is_safe_to_show(form, browser):
    """No script, referrer, cache, frame or index; nothing of a value breaks out of its place."""
    form.show("FirstName")
    form.mail(values={"FirstName": '"><script>x</script>{{ 7919 * 7907 }}'})
    answer = browser.get(form.path)
    assert answer.headers["Cache-Control"].startswith("no-store") and "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["Referrer-Policy"] == "no-referrer" and "Set-Cookie" not in answer.headers
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert b"<script" not in answer.data and b"62615533" not in answer.data
    assert form.get().values()["First name"] == '"><script>x</script>{{ 7919 * 7907 }}'


def test_fuzzed_forms_never_fail(form):
    """Whatever is posted is answered with a page, and only what a form can change is changed."""
    form.show(*FIELDS)
    form.mail()
    names = ["act", "form", "f1", "o1", "f" + "9" * 30, "i-1", "w" + "0" * 400, "i1", "f\u0661", "\x00", "f1", ""]
    values = ["", "1", "\x00", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "x" * 5000, "%", "save",
              "\u0663"]
    for number in range(24):
        sent = {name: values[(place * 7 + number) % len(values)] for place, name in enumerate(names)}
        assert form.browser.post(form.path, data=sent).status_code in (200, 422)


@pytest.mark.parametrize(("name", "word", "code"), [
    ("Nothing", "shown", "NOT_FOUND"), ("FirstName", "hidden", "INVALID_VALUE"), ("Orders", "shown", "INVALID_VALUE")])
def test_what_cannot_stand_on_the_form(house, name, word, code):
    """ID-56: unknown fields and words, and kinds that nobody reads."""
    with house.unit(system_actor(1)) as unit, pytest.raises(GatewayError) as raised:
        formfields.set_on_form(unit, name, word)
    assert raised.value.code == code
