"""What mail that comes back changes: figures, facts, opt-outs, quarantine (SEND-24, SEND-49..57)."""

import datetime as dt

import sqlalchemy as sa

from gateway.db.models.mailings import delivery
from gateway.db.models.subscribers import address_status, remote_key, subscriber
from gateway.db.models.sync import writeback
from gateway.db.models.transport import inbound_mail
from gateway.domain.accounts import ADMIN, SENDER, system_actor
from gateway.domain.records import Identifier, StatusEntry
from gateway.services import brandsettings, erasure, inbound, quarantine, suppression
from tests.support.mailhouse import MailHouse
from tests.support.returnedmail import Sent, table

EXPECTED = {row.name: row for row in table()}
ANN = "ann@example.org"


def sent_to(house, instance_id, email=ANN, brand_id=1):
    """The delivery of an instance to an address, as mails may be about it."""
    row = next(row for row in house.deliveries(instance_id) if row.email == email)
    return Sent(house.gateway.keys, brand_id, row.id, instance_id, email, inbound.bounce_domain(house.gateway))


def send_to(house, *emails, brand_id=1, **more):
    for email in emails or (ANN,):
        house.add_person(email, brand_id=brand_id, **more)
    return house.send(brand_id=brand_id)


def come(house, data, to, sender=""):
    """A mail comes in and is processed; answers its row."""
    inbound.receive(house.gateway, "lmtp", sender, to, data, len(data))
    return process(house)


def process(house):
    """All new mails are looked at; answers the row of the last mail."""
    t = inbound_mail.c
    with house.reading() as unit:
        waiting = list(unit.connection.scalars(sa.select(t.id).where(t.state == "new").order_by(t.id)))
    for mail_id in waiting:
        inbound.process(house.gateway, 0, mail_id)
    with house.reading() as unit:
        return unit.connection.execute(sa.select(inbound_mail).order_by(t.id.desc()).limit(1)).one()


def mails(house):
    with house.reading() as unit:
        return unit.connection.execute(sa.select(inbound_mail).order_by(inbound_mail.c.id)).all()


def one(house, about, name, to=None):
    """A mail of the corpus comes back to the delivery's return path."""
    return come(house, about.mail(name), to or f"{about.verp}@{about.domain}")


def address(house, email=ANN, brand_id=1):
    with house.reading() as unit:
        t = address_status.c
        return unit.connection.execute(sa.select(address_status).where(
            t.email == email, t.brand_id == brand_id)).one_or_none()


def row_of(house, about):
    with house.reading() as unit:
        return unit.connection.execute(sa.select(delivery).where(delivery.c.id == about.delivery_id)).one()


def events_of(house, *types):
    return [event for event in house.events() if event.type in types]


def writebacks(house):
    with house.reading() as unit:
        return sorted(unit.connection.scalars(sa.select(writeback.c.kind)))


def test_a_bounce_after_acceptance_changes_the_figures_not_the_state(house):
    """SEND-57, SEND-53: the report counts it as bounced; the delivery stays accepted; SEND-49: one normalised event."""
    instance_id = send_to(house, remote_id="17")
    about = sent_to(house, instance_id)
    before = house.check_sums(instance_id)
    mail = one(house, about, "postfix-unknown-user")
    assert (mail.state, mail.kind, mail.reason, mail.brand_id) == ("done", "report", "failed hard 5.1.1", 1)
    report = house.check_sums(instance_id)
    assert (before.delivered, report.delivered, report.bounced_hard, report.sent) == (1, 0, 1, 1)
    row = row_of(house, about)
    assert (row.state, row.bounce_class, row.code) == ("accepted", "hard", "5.1.1")
    [event] = events_of(house, "bounced")
    assert (event.reason, event.code, event.remote_id, event.address) == ("hard", "5.1.1", "17", ANN)
    assert event.once_key.startswith(f"dsn:{about.delivery_id}:") and event.once_key.endswith(":failed")
    assert "no such" in event.raw["text"]
    assert address(house).hard_in_a_row == 1


def test_every_mail_that_names_its_delivery(house):
    """SEND-53, SEND-54: known by what is inside it, though it came to the postmaster."""
    names = [name for name, row in EXPECTED.items() if row.known_by != "-" and row.sort in ("report", "complaint")]
    instance_id = send_to(house, *(f"person{number}@example.org" for number in range(len(names))))
    kinds = {"failed": ["bounced"], "delayed": ["deferred"], "abuse": ["complained", "unsubscribed"]}
    rows = {row.email: row for row in house.deliveries(instance_id)}
    about = {name: Sent(house.gateway.keys, 1, rows[email].id, instance_id, email, inbound.bounce_domain(house.gateway))
             for number, name in enumerate(names) for email in [f"person{number}@example.org"]}
    for name, sent in about.items():
        data = sent.mail(name)
        inbound.receive(house.gateway, "lmtp", "", f"postmaster@{sent.domain}", data, len(data))
    process(house)
    events, classes = house.events(), {row.id: row.bounce_class for row in house.deliveries(instance_id)}
    for mail, (name, sent) in zip(mails(house), about.items(), strict=True):
        expected = EXPECTED[name]
        assert (mail.state, mail.kind, mail.delivery_id) == ("done", expected.sort, sent.delivery_id), name
        assert classes[sent.delivery_id] == (expected.bounce_class if expected.action == "failed" else None), name
        found = [event.type for event in events if event.delivery_id == sent.delivery_id]
        assert found == ["sent", *kinds.get(expected.action, [])], name
    house.check_sums(instance_id)


def test_what_changes_nothing(house):
    """SEND-53, SEND-54: relayed, delivered, expanded; feedback but abuse, and a complaint of nobody; automatic answers,
    to the unsubscribe address too; what nobody understands; reports about test copies (SEND-4), which name nobody."""
    about = sent_to(house, send_to(house))
    for name in ("relayed", "delivered", "expanded"):
        assert one(house, about, name).reason == name
        assert one(house, about, name, f"{about.unsubscribe}@{about.domain}").state == "done"
    for name, row in EXPECTED.items():
        if row.sort == "auto_reply":
            assert (one(house, about, name).state, mails(house)[-1].kind) == ("ignored", "auto_reply"), name
        elif row.sort == "feedback":
            mail = one(house, about, name)
            assert (mail.state, mail.kind, mail.reason) == ("ignored", "feedback", row.action), name
    one(house, about, "unsubscribe-out-of-office", f"{about.unsubscribe}@{about.domain}")
    assert one(house, about, "arf-redacted-all", f"fbl@{about.domain}").state == "quarantined"
    for name in ("person-writes", "spam", "minimal-rfc3464"):  # the last without its token: there are two brands
        data = about.mail(name).replace(about.verp.encode(), b"b-x")
        mail = come(house, data, f"postmaster@{about.domain}")
        assert (mail.state, mail.brand_id) == ("quarantined", None)
    copy = Sent(about.keys, 1, 0, 0, ANN, about.domain)
    assert one(house, copy, "postfix-unknown-user").state == "ignored"
    assert one(house, copy, "unsubscribe-by-mail", f"{copy.unsubscribe}@{about.domain}").state == "ignored"
    assert {event.type for event in house.events()} == {"sent"} and address(house) is None
    with house.unit(system_actor(1)) as unit:
        brandsettings.change(unit, {"ignoreAutoReplies": "false"})
    assert one(house, about, "vacation-german").state == "ignored"  # it came before
    assert come(house, about.mail("vacation-german") + b"!", f"{about.verp}@x.example").state == "quarantined"


def test_delayed_is_a_deferral(house):
    """SEND-53: an event, no bounce; the failure that follows is one. SEND-61, PUSH-6: its words and its envelope hold
    controls, halves of characters and NULs, which no store takes; what is left is stored."""
    about = sent_to(house, send_to(house))
    assert one(house, about, "postfix-delayed").reason == "delayed 4.4.1"
    [event] = events_of(house, "deferred")
    assert (event.code, event.delivery_id) == ("4.4.1", about.delivery_id)
    assert row_of(house, about).bounce_class is None
    data = (about.mail("postfix-expired").replace(b"connect to", b"no +2AA- \x01\x85\0 such")
            .replace(b"message/delivery-status", b"message/delivery-status; charset=utf-7"))
    assert come(house, data, f"{about.verp}@x\0\x01.example", "\0a@b").reason == "failed soft 4.4.1"
    row = row_of(house, about)
    assert row.bounce_class == "soft" and row.status_text.isprintable() and "such" in row.status_text


def test_what_comes_back_is_evidence(house):
    """SEND-24: a delivery in doubt was accepted when a report, a complaint or a wish to unsubscribe comes of it."""
    mails = {"drop-after-dot@example.org": "relayed", "drop-after-dot@example.net": "arf-minimal",
             "drop-after-dot@example.com": "unsubscribe-by-mail"}
    instance_id = send_to(house, *mails)
    assert set(house.states(instance_id).values()) == {"in_doubt"}
    for email, name in mails.items():
        about = sent_to(house, instance_id, email)
        one(house, about, name, f"{about.unsubscribe if name.startswith('uns') else about.verp}@{about.domain}")
        assert row_of(house, about).state == "accepted", name
    report = house.check_sums(instance_id)
    assert (report.in_doubt, report.sent, report.delivered) == (0, 3, 3)


def test_the_same_mail_twice_is_one(house):
    """SEND-50: once as a mail; once as a report that came on two ways; and processed twice."""
    about = sent_to(house, send_to(house))
    data = about.mail("postfix-unknown-user")
    to = f"{about.verp}@{about.domain}"
    assert inbound.receive(house.gateway, "lmtp", "", to, data, len(data)) is True
    assert inbound.receive(house.gateway, "lmtp", "", to.upper(), data, len(data)) is False
    first = process(house)
    inbound.process(house.gateway, 0, first.id)
    moved = b"Received: from elsewhere\r\n" + data
    assert come(house, moved, to).state == "done"
    assert len(mails(house)) == 2
    assert len(events_of(house, "bounced")) == 1
    assert address(house).hard_in_a_row == 1


def test_refused_and_reported_counts_once(house):
    """SEND-55: the refusal in the conversation and a report about it are one bounce of the last class."""
    instance_id = send_to(house, "bounce-5xx@example.org")
    about = sent_to(house, instance_id, "bounce-5xx@example.org")
    assert address(house, about.email).hard_in_a_row == 1
    one(house, about, "office365-full")
    row = address(house, about.email)
    assert (row.hard_in_a_row, row.soft_in_a_row) == (1, 0)
    report = house.check_sums(instance_id)
    assert (report.bounced_hard, report.bounced_soft, report.sent) == (0, 1, 1)
    assert row_of(house, about).state == "refused"


def again(house, mailing_id, name, **advance):
    house.clock.advance(**advance)
    instance_id = house.schedule(mailing_id, again=True)
    house.run(instance_id)
    about = sent_to(house, instance_id)
    if name:
        one(house, about, name)
    return about


def test_two_hard_reports_in_a_row_give_the_address_up(house):
    """SEND-55, ID-44: the fact with its code, and a writeback; the next audience leaves the address out."""
    house.add_person(ANN, remote_id="17")
    mailing_id = house.create()
    again(house, mailing_id, "postfix-unknown-user")
    assert address(house).bounced_at is None
    again(house, mailing_id, "gmail-not-found", days=1)
    assert (address(house).bounced_at, address(house).bounce_code) == (house.clock.now, "5.1.1")
    third = house.schedule(mailing_id, again=True)
    house.run(third)
    assert house.states(third) == {ANN: "bad_email"}


def test_five_soft_reports_over_fourteen_days(house):
    """SEND-55: five alone are not enough, nor are fourteen days."""
    house.add_person(ANN)
    mailing_id = house.create()
    for day in range(5):
        again(house, mailing_id, "gmail-full", days=1 if day else 0)
    assert address(house).bounced_at is None and address(house).soft_in_a_row == 5
    again(house, mailing_id, "gmail-full", days=11)
    assert address(house).bounced_at == house.clock.now


def test_the_ams_is_told(house, ams):
    """SEND-54, SEND-55, ID-55: a writeback for the address that is given up, and one for the complaint."""
    house.add_person(ANN, remote_id="17")
    integration_id = house.integration("ams", kind="memory")
    with house.unit() as unit:
        unit.connection.execute(sa.update(remote_key).values(integration_id=integration_id))
    mailing_id = house.create()
    again(house, mailing_id, "postfix-unknown-user")
    assert writebacks(house) == []
    about = again(house, mailing_id, "gmail-not-found", days=1)
    assert writebacks(house) == ["bad_email"]
    one(house, about, "arf-minimal")
    assert writebacks(house) == ["bad_email", "unsubscribe"]


def test_blocks_never_count(house):
    """SEND-54: what is about us says nothing about the address."""
    house.add_person(ANN)
    mailing_id = house.create()
    for _ in range(2):
        again(house, mailing_id, "office365-blocked", days=1)
    assert (address(house).hard_in_a_row, address(house).bounced_at) == (0, None)


def test_only_a_settled_success_breaks_the_row(house):
    """SEND-56: our relay's acceptance resets nothing, 72 quiet hours do; the bounced message is no success itself."""
    house.add_person(ANN)
    mailing_id = house.create()
    first = again(house, mailing_id, None)
    house.clock.advance(days=5)
    one(house, first, "postfix-unknown-user")  # after five days in a queue, as is usual
    again(house, mailing_id, None, hours=1)
    again(house, mailing_id, "exchange-onpremises", hours=73)
    assert (address(house).hard_in_a_row, address(house).bounced_at) == (1, None)
    again(house, mailing_id, None, hours=1)
    again(house, mailing_id, "sendmail-unknown-user", hours=71)
    assert address(house).bounced_at == house.clock.now


def test_a_block_does_not_hide_a_success(house):
    """SEND-56, SEND-54: what was accepted before a block and stayed quiet breaks the row all the same."""
    house.add_person(ANN)
    mailing_id = house.create()
    again(house, mailing_id, "postfix-unknown-user")
    again(house, mailing_id, None, days=1)
    again(house, mailing_id, "office365-blocked", days=1)
    again(house, mailing_id, "gmail-not-found", days=8)
    assert (address(house).hard_in_a_row, address(house).bounced_at) == (1, None)


def test_a_complaint_opts_out_at_once(house):
    """SEND-54, ID-43: origin complaint, both events, a writeback, the figures; a second report changes nothing."""
    instance_id = send_to(house, remote_id="17")
    about = sent_to(house, instance_id)
    mail = one(house, about, "arf-yahoo-like", f"fbl@{about.domain}")
    assert (mail.state, mail.kind, mail.reason) == ("done", "complaint", "abuse")
    assert address(house).opt_out_origin == "complaint"
    complained, unsubscribed = events_of(house, "complained", "unsubscribed")
    assert (complained.type, unsubscribed.origin) == ("complained", "complaint")
    assert complained.once_key.startswith(f"arf:{about.delivery_id}:")
    report = house.check_sums(instance_id)
    assert (report.complaints, report.unsubscribed) == (1, 1)
    one(house, about, "arf-headers-only", f"fbl@{about.domain}")
    assert house.check_sums(instance_id).complaints == 1
    assert len(events_of(house, "unsubscribed")) == 1


def resubscribe(house, role, **who):
    """What an integration or an administrator is told who wants to mail them again."""
    with house.unit(house.actor(role=role)) as unit:
        [outcome] = suppression.resubscribe(unit, [StatusEntry(Identifier(**who), "asked by phone")]).outcomes
    return outcome.problem and outcome.problem.code or outcome.status


def test_a_complaint_outweighs_an_older_opt_out(house):
    """ID-51: whoever opted out by themselves and then complains is resubscribed by an administrator only, under the
    address that was mailed and the one of today; no second opt-out is told. SEND-50: the same report once more, on
    another way, does not undo that."""
    about = sent_to(house, send_to(house, remote_id="17"))
    with house.unit() as unit:
        unit.connection.execute(sa.update(subscriber).values(email="new@example.org"))
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email=email)) for email in (ANN, "new@example.org")])
    since = address(house).opted_out_at
    house.clock.advance(days=1)
    assert one(house, about, "arf-minimal", f"fbl@{about.domain}").state == "done"
    for email in (ANN, "new@example.org"):
        assert (address(house, email).opt_out_origin, address(house, email).opted_out_at) == ("complaint", since)
        assert resubscribe(house, SENDER, email=email) == "NOT_ALLOWED"
    assert resubscribe(house, SENDER, remote_id="17") == "NOT_ALLOWED"
    assert [event.origin for event in events_of(house, "unsubscribed")] == ["api", "api"]
    assert resubscribe(house, ADMIN, remote_id="17") == "updated"
    come(house, b"Received: from elsewhere\r\n" + about.mail("arf-minimal"), f"fbl@{about.domain}")
    assert address(house, "new@example.org").opted_out_at is None
    assert one(house, about, "arf-yahoo-like", f"fbl@{about.domain}").state == "done"
    assert address(house, "new@example.org").opt_out_origin == "complaint"


def test_unsubscribing_by_mail(house):
    """SEND-42, RFC 2369: whatever it says, whoever sends it; twice changes nothing."""
    names = [name for name, row in EXPECTED.items() if row.sort == "unsubscribe"]
    instance_id = send_to(house, "traveller@example.org", *(f"{name}@example.org" for name in names))
    for name in names:
        about = sent_to(house, instance_id, f"{name}@example.org")
        to = f"{about.unsubscribe}@{about.domain}"
        assert one(house, about, name, to).kind == "unsubscribe"
        assert address(house, about.email).opt_out_origin == "one-click"
        come(house, b"Subject: again\r\n\r\n", to)
    about = sent_to(house, instance_id, "traveller@example.org")
    come(house, b"Subject: Re: Vacation in May\r\n\r\nNo more!", f"{about.unsubscribe}@{about.domain}")
    assert address(house, about.email).opt_out_origin == "one-click"
    assert len(events_of(house, "unsubscribed")) == len(names) + 1
    assert house.check_sums(instance_id).unsubscribed == len(names) + 1


def test_two_brands_with_one_address(house):
    """ID-44: a report counts for the brand of its token, and only there."""
    send_to(house, brand_id=1)
    about = sent_to(house, send_to(house, brand_id=2), brand_id=2)
    assert one(house, about, "postfix-unknown-user").brand_id == 2
    assert address(house, brand_id=1) is None and address(house, brand_id=2).hard_in_a_row == 1


def test_by_address_where_there_is_one_brand(database_url, clock, tmp_path, sink):
    """SEND-53: Final-Recipient last, for somebody whom we have mailed within two weeks; never by words alone."""
    with MailHouse(database_url, clock, tmp_path, smtp_url=sink.url) as house:
        about = sent_to(house, send_to(house, ANN, "bob@example.org"))
        for name, state in (("minimal-rfc3464", "done"), ("yahoo-text", "quarantined")):
            data = about.mail(name).replace(b"b-", b"x-").replace(b"m-", b"x-").replace(b"u-", b"x-")
            assert come(house, data, "postmaster@x.example").state == state
        assert address(house).hard_in_a_row == 1
        house.clock.advance(days=15)
        late = Sent(about.keys, 1, about.delivery_id, 1, "bob@example.org", "x.example")
        assert come(house, late.mail("minimal-rfc3464").replace(b"b-", b"x-"), "abuse@x.example").state == "quarantined"


def test_a_merged_person(house):
    """SEND-51: the survivor of a merge is meant, under the address that was mailed and the one of today."""
    instance_id = send_to(house)
    about = sent_to(house, instance_id)
    survivor = house.add_person("new@example.org", "Others")
    with house.unit() as unit:
        unit.connection.execute(sa.update(subscriber).where(subscriber.c.email == ANN).values(merged_into=survivor))
    one(house, about, "postfix-unknown-user")
    [bounced] = events_of(house, "bounced")
    assert (bounced.subscriber_id, bounced.address) == (survivor, ANN)
    one(house, about, "arf-minimal")
    assert {address(house, email).opt_out_origin for email in (ANN, "new@example.org")} == {"complaint"}


def test_an_erased_person(house):
    """SEND-51: the figures count it, without person, address and words; nothing of them is written down again."""
    instance_id = send_to(house)
    about = sent_to(house, instance_id)
    with house.unit(system_actor(1)) as unit:
        erasure.erase(unit, Identifier(None, None, ANN), confirmed=True)
    one(house, about, "postfix-unknown-user")
    one(house, about, "arf-minimal")
    one(house, about, "unsubscribe-by-mail", f"{about.unsubscribe}@{about.domain}")
    for event in events_of(house, "bounced", "complained"):
        assert (event.subscriber_id, event.address, event.raw) == (None, None, None)
    assert address(house) is None and events_of(house, "unsubscribed") == []
    report = house.check_sums(instance_id)
    assert (report.bounced_hard, report.complaints) == (1, 1)
    assert row_of(house, about).status_text is None
    assert [(mail.state, mail.data, mail.envelope_from) for mail in mails(house)] == [
        ("done", b"", None)] * 3


def test_an_erase_reaches_the_mails_that_came_back(house):
    """ID-35, SEND-51: what was kept of them is blanked, that they came is not; quarantine stays and is named (SEND-53).
    Mails about others stay as they are, and a blank one is not looked at again."""
    instance_id = send_to(house, ANN, "bob@example.org")
    about, other = sent_to(house, instance_id), sent_to(house, instance_id, "bob@example.org")
    one(house, about, "arf-redacted-all", f"{about.verp}@{about.domain}")  # names nobody; its token does
    come(house, about.mail("unsubscribe-by-mail"), f"{about.unsubscribe}@{about.domain}", sender=ANN)
    away = f"From: Ann <{ANN.upper()}>\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.".encode()
    come(house, away, f"postmaster@{about.domain}", sender=ANN)
    one(house, about, "person-writes")
    come(house, about.mail("person-writes") + b"!", f"abuse@{about.domain}")
    one(house, other, "postfix-unknown-user")
    house.integration("api", brand_id=2)
    with house.unit() as unit:  # of another brand, about the same address
        unit.connection.execute(sa.insert(inbound_mail).values(
            brand_id=2, received_at=unit.now, changed_at=unit.now, came_by="lmtp", once_key="x", state="ignored",
            data=ANN.encode()))
    kept = mails(house)
    assert [mail.state for mail in kept] == ["done", "done", "ignored", "quarantined", "quarantined", "done", "ignored"]
    assert [mail.delivery_id for mail in kept[:3]] == [about.delivery_id, about.delivery_id, None]
    with house.unit(system_actor(1)) as unit:
        view = erasure.erase(unit, Identifier(None, None, ANN), confirmed=True)
    assert (view.mails, view.quarantined_mails) == (3, (kept[3].id, kept[4].id))
    assert [mail.data for mail in mails(house)] == [b""] * 3 + [mail.data for mail in kept[3:]]
    assert [mail.envelope_from for mail in mails(house)[:3]] == [None] * 3
    with house.unit(system_actor(0)) as unit:
        assert quarantine.reprocess(unit, [kept[2].id, kept[3].id]) == 1


def test_a_mail_about_somebody_erased_that_waited(house):
    """SEND-51: what comes in before the erase and is understood after it."""
    about = sent_to(house, send_to(house))
    data = about.mail("postfix-unknown-user")
    inbound.receive(house.gateway, "lmtp", "", f"{about.verp}@{about.domain}", data, len(data))
    with house.unit(system_actor(1)) as unit:
        erasure.erase(unit, Identifier(None, None, ANN), confirmed=True)
    assert (process(house).state, mails(house)[-1].data) == ("done", b"")


def test_a_mail_about_a_delivery_in_hand_waits(house):
    """SEND-57: a report that is faster than the sender's note of the outcome is looked at again by the sweep."""
    about = sent_to(house, send_to(house))
    with house.unit() as unit:
        unit.connection.execute(sa.update(delivery).where(delivery.c.id == about.delivery_id).values(state="claimed"))
    assert one(house, about, "postfix-unknown-user").state == "new"
    assert inbound.due(house.gateway) == []
    house.clock.advance(seconds=61)
    [mail] = mails(house)
    assert inbound.due(house.gateway) == [(0, mail.id)]
    with house.unit() as unit:
        unit.connection.execute(sa.update(delivery).where(delivery.c.id == about.delivery_id).values(state="accepted"))
    assert process(house).state == "done"
    assert row_of(house, about).bounce_class == "hard"


def test_a_mail_that_cannot_be_settled_ends_in_quarantine(house):
    """SEND-61: a mail that kills its worker each time, or waits for ever, is set aside in the end."""
    about = sent_to(house, send_to(house))
    with house.unit() as unit:
        unit.connection.execute(sa.update(delivery).where(delivery.c.id == about.delivery_id).values(state="claimed"))
    inbound.receive(house.gateway, "lmtp", "", f"{about.verp}@x.example", about.mail("postfix-unknown-user"), 1)
    with house.unit() as unit:
        unit.connection.execute(sa.update(inbound_mail).values(tries=inbound.MAX_TRIES - 2))
    assert process(house).state == "new"
    mail = process(house)
    assert (mail.state, mail.reason) == ("quarantined", "its delivery is claimed")
    with house.unit() as unit:
        unit.connection.execute(sa.update(inbound_mail).values(state="new"))
    assert "did not settle" in process(house).reason


def test_what_was_dealt_with_is_forgotten_in_time_and_quarantine_never(house):
    """SEND-53: quarantine is never deleted."""
    about = sent_to(house, send_to(house))
    one(house, about, "postfix-unknown-user")
    one(house, about, "vacation-english")
    one(house, about, "person-writes")
    house.clock.advance(seconds=(inbound.KEPT + dt.timedelta(seconds=1)).total_seconds())
    inbound.tidy(house.gateway)
    assert [mail.state for mail in mails(house)] == ["quarantined"]
