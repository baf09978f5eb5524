"""How does a test get people, a mailing and its deliveries? A world with a mail room, filled by plain inserts."""

from __future__ import annotations

import datetime as dt
import functools
import json

import sqlalchemy as sa

from gateway.db.models.accounts import source
from gateway.db.models.mailings import delivery, event
from gateway.db.models.mailings import instance as instance_table
from gateway.db.models.subscribers import (
    address_status,
    interest,
    interest_opt_out,
    membership,
    remote_key,
    source_values,
    subscriber,
)
from gateway.domain.mailing import MailingDraft
from gateway.public.app import make_app
from gateway.services import hits, mailings, reporting, sending
from gateway.services.sender import Pace
from tests.support.world import World

HTML = ('<html><body><p>Dear {{ FirstName|default("member") }}</p>\n<p><a href="https://example.org/a?x=1&amp;y=2">one</a>'
        '</p>\n<p><a href="https://example.org/b">two</a></p></body></html>')
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
QUICK = Pace(lease_s=30.0)


class MailHouse(World):
    """A world whose people are rows, put there without the import services that other tests look after."""

    def add_interest(self, name: str = "News", *, brand_id: int = 1) -> int:
        """The id of the brand's interest, added when it is new."""
        with self.unit(self.actor(brand_id=brand_id)) as unit:
            t = interest.c
            found = unit.connection.scalar(sa.select(t.id).where(t.brand_id == brand_id, t.name == name))
            return found or unit.connection.execute(sa.insert(interest).values(
                brand_id=brand_id, name=name, created_at=unit.now).returning(t.id)).scalar_one()

    def add_person(self, email: str | None, *interests: str, remote_id: str | None = None, flagged: bool = False,
                   ended: bool = False, orphan: bool = False, opted_out: bool = False, values: dict | None = None,
                   brand_id: int = 1, merged_into: int | None = None) -> int:
        """A subscriber in these interests (default: News); answers the id."""
        ids = [self.add_interest(name, brand_id=brand_id) for name in interests or ("News",)]
        integration_id = self.integration("api", brand_id=brand_id)
        with self.unit(self.actor(brand_id=brand_id)) as unit:
            db, now = unit.connection, unit.now
            source_id = db.scalar(sa.select(source.c.id).where(source.c.brand_id == brand_id).limit(1))
            keyless = remote_id is None and not self._taken(db, brand_id, email)
            person = db.execute(sa.insert(subscriber).values(
                brand_id=brand_id, email=email, keyless=keyless, source_id=source_id, first_source_id=source_id,
                orphan=orphan, opted_out_at=now if opted_out else None, created_at=now, changed_at=now,
                merged_into=merged_into).returning(subscriber.c.id)).scalar_one()
            for interest_id in ids:
                db.execute(sa.insert(membership).values(brand_id=brand_id, subscriber_id=person, channel="native",
                                                        interest_id=interest_id, source_id=source_id, since=now))
            if remote_id is not None:
                db.execute(sa.insert(remote_key).values(
                    brand_id=brand_id, integration_id=integration_id, remote_id=remote_id, subscriber_id=person,
                    do_not_email=flagged, created_at=now, ended_at=now if ended else None))
            if values:
                db.execute(sa.insert(source_values).values(
                    brand_id=brand_id, subscriber_id=person, source_id=source_id, document=json.dumps(values),
                    changed="{}", changed_at=now))
            return person

    @staticmethod
    def _taken(db, brand_id, email) -> bool:
        t = subscriber.c
        return db.scalar(sa.select(sa.exists().where(t.brand_id == brand_id, t.email == email, t.keyless)))

    def add_people(self, emails: list[str], *, interest_name: str = "News", brand_id: int = 1) -> None:
        """Many subscribers at once."""
        interest_id = self.add_interest(interest_name, brand_id=brand_id)
        with self.unit(self.actor(brand_id=brand_id)) as unit:
            db, now = unit.connection, unit.now
            source_id = db.scalar(sa.select(source.c.id).where(source.c.brand_id == brand_id).limit(1))
            db.execute(sa.insert(subscriber), [
                {"brand_id": brand_id, "email": email, "keyless": True, "source_id": source_id, "orphan": False,
                 "first_source_id": source_id, "created_at": now, "changed_at": now} for email in emails])
            rows = sa.select(sa.literal(brand_id), subscriber.c.id, sa.literal(interest_id), sa.literal(source_id),
                             sa.literal("native"), sa.literal(now, membership.c.since.type)).where(
                subscriber.c.brand_id == brand_id, subscriber.c.email.in_(emails))
            db.execute(sa.insert(membership).from_select(
                ["brand_id", "subscriber_id", "interest_id", "source_id", "channel", "since"], rows))

    def set_address(self, email: str, *, brand_id: int = 1, **values: object) -> None:
        """Stores facts about an address."""
        with self.unit(self.actor(brand_id=brand_id)) as unit:
            unit.connection.execute(sa.delete(address_status).where(
                address_status.c.brand_id == brand_id, address_status.c.email == email))
            unit.connection.execute(sa.insert(address_status).values(brand_id=brand_id, email=email, **values))

    def leave(self, person: int, name: str, *, brand_id: int = 1) -> None:
        """The person leaves an interest (ID-39)."""
        interest_id = self.add_interest(name, brand_id=brand_id)
        with self.unit(self.actor(brand_id=brand_id)) as unit:
            unit.connection.execute(sa.insert(interest_opt_out).values(
                brand_id=brand_id, subscriber_id=person, interest_id=interest_id, left_at=unit.now, origin="form"))

    def draft(self, **changes: object) -> MailingDraft:
        """A mailing to News."""
        content = {"name": "March", "subject": "News for {{ FirstName|default('you') }}", "html": HTML,
                   "from_address": "news@example.org", "from_name": "The Office", "interests": ("News",)}
        return MailingDraft(**{**content, **changes})

    def create(self, *, brand_id: int = 1, **changes: object) -> int:
        """A stored mailing; answers its id."""
        self.add_interest(brand_id=brand_id)
        with self.unit(self.actor(brand_id=brand_id)) as unit:
            return mailings.create(unit, self.draft(**changes)).mailing_id

    def schedule(self, mailing_id: int | None = None, *, delay_s: float = 0, brand_id: int = 1, again: bool = False,
                 not_after: dt.datetime | None = None, **changes: object) -> int:
        """An instance of a (new) mailing; answers its id."""
        mailing_id = mailing_id or self.create(brand_id=brand_id, **changes)
        with self.unit(self.actor(brand_id=brand_id)) as unit:
            return mailings.schedule(unit, mailing_id, unit.now + dt.timedelta(seconds=delay_s), not_after,
                                     again).instance_id

    def run(self, instance_id: int, *, brand_id: int = 1, pace: Pace = QUICK) -> None:
        """Lets a worker have a go; then SEND-11 must hold."""
        sending.run_instance(self.gateway, brand_id, instance_id, pace)
        self.check_sums(instance_id, brand_id=brand_id)

    def send(self, *, brand_id: int = 1, **changes: object) -> int:
        """Schedules a new mailing for now and runs it; answers the instance."""
        instance_id = self.schedule(brand_id=brand_id, **changes)
        self.run(instance_id, brand_id=brand_id)
        return instance_id

    def fold(self) -> None:
        """Brings all opens and clicks that were answered into the database."""
        hits.fold(self.gateway, dt.timedelta(0))

    def hit(self, path: str, agent: str = BROWSER, method: str = "GET") -> int:
        """Opens a tracking address as a mail client or browser does; answers the status."""
        return self._public.test_client().open(path, method=method, headers={"User-Agent": agent}).status_code

    @functools.cached_property
    def _public(self):
        return make_app(self.gateway)

    def instance(self, instance_id: int):
        """The stored row of an instance."""
        with self.reading() as unit:
            return unit.connection.execute(
                sa.select(instance_table).where(instance_table.c.id == instance_id)).one()

    def deliveries(self, instance_id: int) -> list:
        """All delivery rows in order of their ids."""
        self.fold()
        with self.reading() as unit:
            return unit.connection.execute(
                sa.select(delivery).where(delivery.c.instance_id == instance_id).order_by(delivery.c.id)).all()

    def states(self, instance_id: int) -> dict[str, str]:
        """address -> state (or reason, of those left out)."""
        return {row.email: row.reason or row.state for row in self.deliveries(instance_id)}

    def events(self, instance_id: int | None = None) -> list:
        """All event rows (of an instance) in order."""
        self.fold()
        with self.reading() as unit:
            query = sa.select(event).order_by(event.c.id)
            if instance_id is not None:
                query = query.where(event.c.instance_id == instance_id)
            return unit.connection.execute(query).all()

    def report(self, instance_id: int | None = None, *, brand_id: int = 1, mailing_id: int | None = None):
        """The report of an instance."""
        self.fold()
        with self.reading(self.actor(brand_id=brand_id)) as unit:
            return reporting.report(unit, instance_id=instance_id, mailing_id=mailing_id)

    def check_sums(self, instance_id: int, *, brand_id: int = 1):
        """Asserts SEND-11 and SEND-58 and answers the report."""
        found = self.report(instance_id, brand_id=brand_id)
        assert found.targeted == (found.left_out_total + found.pending + found.in_doubt + found.sent
                                  + found.cancelled), found
        assert found.sent == found.delivered + found.bounced, found
        for counts in (found.opens, found.clicks):
            assert counts.unique <= counts.total and counts.unique_automated <= counts.total_automated, found
        assert len(self.deliveries(instance_id)) == found.targeted
        return found
