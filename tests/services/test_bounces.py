"""When an address is given up, and what breaks a row of bounces (SEND-54..56, ID-44)."""

import sqlalchemy as sa

from gateway.db.models.subscribers import address_status


def facts(house, email, brand_id=1):
    with house.reading() as unit:
        t = address_status.c
        return unit.connection.execute(sa.select(address_status).where(
            t.email == email, t.brand_id == brand_id)).one_or_none()


def mail_again(house, mailing_id, **advance):
    house.clock.advance(**advance)
    instance_id = house.schedule(mailing_id, again=True)
    house.run(instance_id)
    return instance_id


def test_two_hard_bounces_in_a_row(house):
    """SEND-55: the second sets the bounce fact with its code; the next audience leaves the address out."""
    house.add_person("bounce-5xx@example.org", remote_id="17")
    mailing_id = house.create()
    mail_again(house, mailing_id)
    assert facts(house, "bounce-5xx@example.org").bounced_at is None
    second = mail_again(house, mailing_id, days=1)
    row = facts(house, "bounce-5xx@example.org")
    assert (row.bounced_at, row.bounce_code) == (house.clock.now, "5.1.1")
    third = mail_again(house, mailing_id, days=1)
    assert house.states(third) == {"bounce-5xx@example.org": "bad_email"}
    [bounced] = [e for e in house.events(second) if e.type == "bounced"]
    assert (bounced.code, bounced.reason, bounced.remote_id) == ("5.1.1", "hard", "17")
    assert "no such mailbox" in bounced.raw["text"]


def test_five_soft_bounces_over_fourteen_days(house):
    """SEND-55: five alone are not enough, nor fourteen days."""
    house.add_person("full@example.org")
    mailing_id = house.create()
    for _ in range(5):
        mail_again(house, mailing_id, days=1)
    assert facts(house, "full@example.org").bounced_at is None
    mail_again(house, mailing_id, days=10)
    assert facts(house, "full@example.org").bounced_at == house.clock.now


def test_blocks_never_count(house):
    """SEND-54: a refusal that is about us says nothing about the address."""
    house.add_person("reject-data@example.org")
    mailing_id = house.create()
    for _ in range(2):
        mail_again(house, mailing_id, days=1)
    assert facts(house, "reject-data@example.org").bounced_at is None


def test_a_settled_success_breaks_the_row(house, sink):
    """SEND-56: accepted and quiet for 72 h; an acceptance younger than that proves nothing."""
    house.add_person("ann@example.org")
    mailing_id = house.create()

    def bounce(**advance):
        house.clock.advance(**advance)
        house.gateway.settings, good = with_url(house, refusing.url), house.gateway.settings
        mail_again(house, mailing_id)
        house.gateway.settings = good

    with type(sink)(replies={"RCPT": b"550 5.1.1 no such mailbox\r\n"}) as refusing:
        bounce()
        mail_again(house, mailing_id, days=1)
        bounce(hours=73)
        assert facts(house, "ann@example.org").bounced_at is None
        assert facts(house, "ann@example.org").hard_in_a_row == 1
        mail_again(house, mailing_id, days=1)
        bounce(hours=71)
        assert facts(house, "ann@example.org").bounced_at == house.clock.now


def with_url(house, url):
    settings = house.gateway.settings
    return type(settings)(**{name: getattr(settings, name) for name in settings.__slots__} | {"smtp_url": url})


def test_the_row_belongs_to_address_and_brand(house):
    """ID-44, ID-P15: another brand's bounces do not count here."""
    house.add_person("bounce-5xx@example.org", brand_id=1)
    house.add_person("bounce-5xx@example.org", brand_id=2)
    house.send(brand_id=1)
    house.send(brand_id=2)
    for brand_id in (1, 2):
        row = facts(house, "bounce-5xx@example.org", brand_id)
        assert (row.hard_in_a_row, row.bounced_at) == (1, None)
