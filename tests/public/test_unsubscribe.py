"""The unsubscribe page, one-click, and the message in a browser (SEND-45, SEND-48, RFC 8058, ID-43)."""

import pytest
import sqlalchemy as sa

from gateway.db.models.accounts import brand
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.domain.tokens import Keys, Kind, Token, mint
from gateway.services import imports, reporting, testcopies
from gateway.services.reporting import PageRequest
from tests.support.mailhouse import HTML
from tests.support.mailreader import read
from tests.support.world import SECRET


@pytest.fixture
def sent(house, sink):
    """An instance sent to Ann, five seconds ago, and her mail."""
    house.add_person("ann@example.org", remote_id="17", values={"FirstName": "<Ann>"})
    instance_id = house.send(html=HTML.replace("</body>", '<a href="{{ view_url }}">browser</a></body>'))
    house.clock.advance(seconds=5)
    return instance_id, read(sink.messages[0].data)


def push(house, key, email, by="crm"):
    with house.unit(house.actor(by)) as unit:
        (outcome,) = imports.import_records(unit, [SubscriberRecord(key, email)],
                                            ImportOptions(interests=("News",))).outcomes
    return outcome


@pytest.mark.parametrize("late", [False, True])
def test_who_says_no_under_a_former_address_is_found_where_the_links_went(house, browser, sink, late):
    """ID-25, ID-43: with One-to-Many another record has the new address. A link that had left before the audience was
    frozen is somebody else's business."""
    with house.unit() as unit:
        unit.connection.execute(sa.update(brand).where(brand.c.id == 1).values(
            settings={"identityMode": "one_to_many"}))
    for key, by in (("17", "crm"), ("A", "ams"), ("9", "shop")):
        push(house, key, "ann@example.org", by)
    if late:
        assert push(house, "17", "old@example.org").rule == "ID-25"
        house.clock.advance(seconds=1)
    house.send()
    mails = {message.envelope_to[0]: read(message.data) for message in sink.messages}
    house.clock.advance(seconds=1)
    moves = [("A", "new@example.org", "ams"), ("A", "newer@example.org", "ams"), ("17", "new@example.org", "crm")]
    for key, email, by in moves[:2] if late else moves:
        push(house, key, email, by)
    assert browser.post(mails["ann@example.org"].unsubscribe).status_code == 200
    assert set(opted_out(house)) == ({"ann@example.org", "newer@example.org"} if late else
                                     {"ann@example.org", "new@example.org", "newer@example.org"})
    house.clock.advance(seconds=1)
    instance_id = house.send()
    assert {row.email for row in house.deliveries(instance_id) if row.reason is None} == (
        {"old@example.org"} if late else set())


def unsubscribes(house, instance_id=None):
    with house.gateway.feed(house.actor()) as unit:
        page = reporting.find_unsubscribes(unit, None, None, instance_id, PageRequest())
    return [(e.address, e.origin, e.instance_id) for e in page.items]


def opted_out(house):
    with house.reading() as unit:
        return unit.connection.execute(sa.text("SELECT email FROM address_status WHERE opted_out_at IS NOT NULL")
                                       ).scalars().all()


def test_looking_changes_nothing(house, browser, sent):
    """SEND-48: GET and HEAD only show a page; scanners that follow links opt nobody out."""
    _, mail = sent
    answer = browser.get(mail.unsubscribe)
    assert answer.status_code == 200
    page = answer.get_data(as_text=True)
    assert "Brand 1" in page and "a***@example.org" in page and "ann@example.org" not in page
    assert '<form method="post">' in page and "<script" not in page
    assert browser.head(mail.unsubscribe).status_code == 200
    assert opted_out(house) == []


def test_the_button_acts_once(house, browser, sent):
    """SEND-48, ID-50: POST acts; repeats are answered alike and change nothing; it is counted once."""
    instance_id, mail = sent
    for _ in range(3):
        answer = browser.post(mail.unsubscribe)
        assert answer.status_code == 200 and "You are unsubscribed" in answer.get_data(as_text=True)
        house.clock.advance(seconds=1)
    assert opted_out(house) == ["ann@example.org"]
    house.clock.advance(seconds=1)
    assert unsubscribes(house) == [("ann@example.org", "link", instance_id)]
    assert unsubscribes(house, instance_id + 1) == []
    report = house.check_sums(instance_id)
    assert (report.unsubscribed, report.clicks.total) == (1, 0), "an unsubscribe is no click (SEND-46)"


@pytest.mark.parametrize("body", [
    {"data": {"List-Unsubscribe": "One-Click"}},
    {"data": "List-Unsubscribe=One-Click", "content_type": "application/x-www-form-urlencoded"},
    {"data": {"List-Unsubscribe": "One-Click"}, "content_type": "multipart/form-data"},
    {"data": "x=1&List-Unsubscribe=One-Click&y=2", "content_type": "application/x-www-form-urlencoded"},
    {"data": {"List-Unsubscribe": "One-Click"}, "headers": {"User-Agent": "SomeBot/1.0"}}])
def test_one_click(house, browser, sent, body):
    """RFC 8058 section 3.2: no cookie, log-in or redirect; 200, also on repeats; both form encodings."""
    instance_id, mail = sent
    assert mail.one_click == mail.unsubscribe
    for _ in range(2):
        answer = browser.post(mail.one_click, **body)
        assert answer.status_code == 200 and "Set-Cookie" not in answer.headers
    house.clock.advance(seconds=1)
    assert unsubscribes(house) == [("ann@example.org", "one-click", instance_id)]


@pytest.mark.parametrize("method", ["put", "delete", "options", "patch"])
def test_no_other_method_does_anything(house, browser, sent, method):
    """SEND-48: POST acts, and only POST."""
    answer = getattr(browser, method)(sent[1].unsubscribe, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 405 and set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert opted_out(house) == []


def test_a_scanner_that_presses_the_button_unsubscribes_nobody(house, browser, sent):
    """SEND-52: it gets the page again."""
    answer = browser.post(sent[1].unsubscribe, headers={"User-Agent": "Mozilla/5.0 (compatible; SomeBot/1.0)"})
    assert answer.status_code == 200 and '<form method="post">' in answer.get_data(as_text=True)
    assert opted_out(house) == []


def test_the_next_mailing_leaves_her_out(house, browser, sent, sink):
    """ID-43: an opt-out holds for the address; the next audience leaves it out."""
    browser.post(sent[1].unsubscribe)
    second = house.send()
    assert house.states(second) == {"ann@example.org": "unsubscribed"}
    assert len(sink.messages) == 1


def test_who_moved_means_the_new_address_too(house, browser, sent):
    """ID-43: a link in an old message opts out the address mailed and the one that the person has now; counted once."""
    instance_id, mail = sent
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE subscriber SET email = 'new@example.org'"))
    browser.post(mail.unsubscribe)
    assert sorted(opted_out(house)) == ["ann@example.org", "new@example.org"]
    assert house.check_sums(instance_id).unsubscribed == 1


def test_a_doubt_is_settled_by_an_unsubscribe(house, browser, sink):
    """SEND-24: who unsubscribes has got the message."""
    house.add_person("drop-after-dot@example.org")
    instance_id = house.send()
    browser.post(read(sink.messages[0].data).unsubscribe)
    assert house.states(instance_id) == {"drop-after-dot@example.org": "accepted"}


def test_wrong_and_test_tokens(house, browser, sent):
    """SEND-45, SEND-4: a wrong token is a 404 for POST too; one of a test copy says so and acts on nobody."""
    _, mail = sent
    assert browser.post(mail.unsubscribe[:-1]).status_code == 404
    test_link = "/u/" + mint(Keys.from_secret(SECRET), Token(Kind.UNSUBSCRIBE, 1, 0))
    for answer in (browser.get(test_link), browser.post(test_link)):
        assert answer.status_code == 200 and "test copy" in answer.get_data(as_text=True)
    assert browser.get("/u/" + mint(Keys.from_secret(SECRET), Token(Kind.UNSUBSCRIBE, 99, 1))).status_code == 404
    assert opted_out(house) == []


def test_every_link_of_a_test_copy_works_and_changes_nothing(house, browser, sink):
    """SEND-4: who tests a mailing clicks its links; they lead where they say, and nothing is counted."""
    mailing_id = house.create(html=HTML.replace("</body>", '<a href="{{ view_url }}">browser</a></body>'))
    testcopies.send_tests(house.gateway, house.actor(), mailing_id, ["me@example.org"])
    mail = read(sink.messages[0].data)
    assert 'href="https://example.org/b"' in mail.html and "https://example.org/b" in mail.text
    assert (mail.clicks, mail.pixel, mail.hidden) == ([], None, None)
    assert "/t/" not in mail.html + mail.text
    for path in (mail.view, mail.unsubscribe):
        for answer in (browser.get(path), browser.head(path)):
            assert answer.status_code == 200 and answer.headers["Content-Security-Policy"].startswith("default-src 'n")
        assert "test copy" in browser.get(path).get_data(as_text=True)
    assert browser.post(mail.one_click, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert browser.get(mail.view[:-1]).status_code == 404
    with house.reading() as unit:
        assert opted_out(house) == [] and not unit.connection.scalar(sa.text("SELECT count(*) FROM event"))


def test_another_brands_delivery_is_untouched(house, browser, sent):
    """ID-P15: a token of brand 2 with the number of brand 1's delivery acts on nobody."""
    instance_id, _ = sent
    delivery_id = house.deliveries(instance_id)[0].id
    link = "/u/" + mint(Keys.from_secret(SECRET), Token(Kind.UNSUBSCRIBE, 2, delivery_id))
    page = browser.post(link).get_data(as_text=True)
    assert "Brand 2" in page and "example.org" not in page
    assert opted_out(house) == []


def test_the_link_works_after_an_erase(house, browser, sent):
    """SEND-45: unsubscribe tokens never expire; without an address there is nothing left to do."""
    instance_id, mail = sent
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE delivery SET email = NULL"))
    assert browser.post(mail.unsubscribe).status_code == 200
    assert opted_out(house) == []


def test_too_large_a_form_is_refused(browser, sent):
    """A hostile body is refused with a page, before it is read."""
    answer = browser.post(sent[1].unsubscribe, data=b"x" * 20_000, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 413 and b"<h1>Too large</h1>" in answer.data


def test_the_message_in_a_browser(house, browser, sent):
    """The message of this delivery from current values, escaped, without the open pixel and without an event."""
    instance_id, mail = sent
    answer = browser.get(mail.view)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200 and "Dear &lt;Ann&gt;" in page
    assert "<img" not in page and mail.clicks[0] in page and mail.unsubscribe in page
    assert answer.headers["Content-Security-Policy"].startswith("sandbox ")
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert [e.type for e in house.events(instance_id)] == ["sent"]
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE delivery SET email = NULL"))
    assert browser.get(mail.view).status_code == 404


def test_every_page_is_safe_to_show(browser, sent):
    """No script, no referrer (the token is in the address), no cache, no frame, no index."""
    for path in (sent[1].unsubscribe, "/nowhere"):
        headers = browser.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in headers["Cache-Control"]


def test_an_unexpected_error_shows_no_detail(house, browser, sent, monkeypatch, caplog):
    """A page without traceback; the log has it."""
    monkeypatch.setattr(type(house.gateway), "reading", lambda *_: 1 / 0)
    answer = browser.get(sent[1].unsubscribe)
    assert answer.status_code == 500 and b"division" not in answer.data and b"Traceback" not in answer.data
    assert "public page failed" in caplog.text
