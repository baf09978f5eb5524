"""How does a test ask a grid, and get something of everything to ask for? One data set, two brands, on one database."""

from __future__ import annotations

import datetime as dt
import functools

import sqlalchemy as sa
from lxml import etree

from gateway.aapi.grids.request import answer_grid
from gateway.db.models import metadata
from gateway.domain.accounts import READER
from tests.support.mailhouse import MailHouse

NOW = dt.datetime(2026, 1, 15, 12, 0, tzinfo=dt.UTC)
PHONE = ("Mobile Safari", "mobile")


def day(days=0, **more):
    """So long before :data:`NOW`."""
    return NOW - dt.timedelta(days=days, **more)


def single(element, value, comparator="EQ"):
    """A condition on one value."""
    return (f"<Condition><Single><DataElement>{element}</DataElement><DataValue>{value}</DataValue>"
            f"<Comparator>{comparator}</Comparator></Single></Condition>")


def among(element, *values, operator="IN"):
    """A condition on a set of values."""
    listed = "".join(f"<DataValue>{value}</DataValue>" for value in values)
    return (f"<Condition><Collection><DataElement>{element}</DataElement>{listed}"
            f"<SetOperator>{operator}</SetOperator></Collection></Condition>")


def between(element, low, high):
    """A condition on two values, both included."""
    return (f"<Condition><Between><DataElement>{element}</DataElement><DataValue>{low}</DataValue>"
            f"<DataValue>{high}</DataValue></Between></Condition>")


def grid(token, *fields, where=(), sort=None, order="asc", start=None, size=None):
    """A ``<Grid>`` as text."""
    parts = [f"<Conditions>{''.join(where)}</Conditions>"] if where else []
    named = "".join(f"<DataElement>{name}</DataElement>" for name in fields)
    parts.append(f"<ReturnFields>{named}</ReturnFields>")
    parts += [f'<SortField order="{order}">{sort}</SortField>'] if sort else []
    parts += [f"<StartRow>{start}</StartRow>"] if start is not None else []
    parts += [f"<NumberOfRows>{size}</NumberOfRows>"] if size is not None else []
    return f'<Grid type="{token}">{"".join(parts)}</Grid>'


class Desk(MailHouse):
    """A world that grids are asked in."""

    def written(self, asked, brand_id=1, integration="api"):
        """The answer as text."""
        with self.reading(self._reader(integration, brand_id)) as unit:
            return answer_grid(unit, etree.fromstring(asked))

    @functools.lru_cache(maxsize=8)  # noqa: B019  (a desk lives as long as its module's tests)
    def _reader(self, integration, brand_id):
        return self.actor(integration, brand_id=brand_id, role=READER, door="aapi")

    def ask(self, token, *fields, brand_id=1, integration="api", **more):
        """The rows of the answer: the texts of the fields in the order asked for."""
        tree = etree.fromstring(self.written(grid(token, *fields, **more), brand_id, integration))
        return [[field.text or "" for field in record.iter("Field")] for record in tree]

    def put(self, table, brand_id=1, **values):
        """A row; answers its id where it has one."""
        t = metadata.tables[table]
        with self.unit(self.actor(brand_id=brand_id)) as unit:
            added = unit.connection.execute(sa.insert(t).values(brand_id=brand_id, **values))
            return added.inserted_primary_key[0]

    def change(self, table, row_id, **values):
        """Changes a row by its id."""
        t = metadata.tables[table]
        with self.unit() as unit:
            unit.connection.execute(sa.update(t).where(t.c.id == row_id).values(**values))

    def happened(self, kind, at, *, brand_id=1, **values):
        """An event; answers its id."""
        number = self.__dict__.setdefault("events", iter(range(1, 100_000)))
        return self.put("event", brand_id, type=kind, occurred_at=at, recorded_at=at, once_key=f"test:{next(number)}",
                        **values)


def fill(desk, brand_id=1):
    """Something of everything in a brand: two mailings, three instances (one old, one to come), people, hits, bounces,
    opt-outs, uploads. Answers the ids by name."""
    ids = {"news": desk.add_interest("News", brand_id=brand_id), "jobs": desk.add_interest("Jobs", brand_id=brand_id)}
    _people(desk, brand_id, ids)
    _mailings(desk, brand_id, ids)
    _deliveries(desk, brand_id, ids)
    _events(desk, brand_id, ids)
    values = {"created": 2, "adopted": 1, "updated": 3, "unchanged": 4, "failed": 5, "received": 15,
              "notes": {"emailChanged": 6, "metUnsubscribed": 7}, "warnings": {"DUPLICATE_IN_BATCH": 8}}
    ids["upload"] = desk.put("upload", brand_id, door="aapi", actor="user:tester", state="finished", counters=values,
                             integration_id=desk.integration("api", brand_id=brand_id), options={}, sha256="x",
                             queued_at=day(1))
    ids["old_upload"] = desk.put("upload", brand_id, door="soap", actor="user:tester", state="queued", counters={},
                                 integration_id=desk.integration("api", brand_id=brand_id), options={},
                                 queued_at=day(2))
    return ids


def _people(desk, brand_id, ids):
    tag = "" if brand_id == 1 else str(brand_id)
    ids["ann"] = desk.add_person(f"ann{tag}@example.org", "News", "Jobs", remote_id="R-1", brand_id=brand_id,
                                 values={"FirstName": "Ann", "Branch": "Steel"})
    ids["bob"] = desk.add_person(f"bob{tag}@example.org", "News", brand_id=brand_id, values={"FirstName": "Bob"})
    ids["cat"] = desk.add_person(f"cat{tag}@example.net", "Jobs", remote_id="77", brand_id=brand_id)
    ids["gone"] = desk.add_person(f"gone{tag}@example.org", "News", opted_out=True, brand_id=brand_id)
    desk.change("subscriber", ids["gone"], opted_out_at=day(3), opt_out_origin="link", last_upload_id=9)
    desk.put("address_status", brand_id, email=f"gone{tag}@example.org", opted_out_at=day(3), opt_out_origin="link",
             opt_out_reason="Too much")
    desk.put("address_status", brand_id, email=f"bob{tag}@example.org", bounced_at=day(1))
    desk.put("interest_opt_out", brand_id, subscriber_id=ids["ann"], interest_id=ids["jobs"], left_at=day(2),
             origin="api")
    with desk.reading(desk.actor(brand_id=brand_id)) as unit:
        m = metadata.tables["membership"].c
        source_id, ids["membership"] = unit.connection.execute(
            sa.select(m.source_id, m.id).where(m.subscriber_id == ids["ann"], m.interest_id == ids["jobs"])).one()
    ids["ended"] = desk.put("membership", brand_id, subscriber_id=ids["bob"], interest_id=ids["jobs"], channel="native",
                            source_id=source_id, since=day(5), until=day(4))
    with desk.reading(desk.actor(brand_id=brand_id)) as unit:
        f = metadata.tables["field"].c
        ids["field"] = unit.connection.scalar(sa.select(f.id).where(f.brand_id == brand_id, f.name == "FirstName"))
    desk.change("field", ids["field"], default_value="member", max_length=50)
    ids["branch"] = desk.put("field", brand_id, name="Branch", folded="branch", kind="text", max_length=50,
                             category="Industry", created_at=day(9))


def _mailings(desk, brand_id, ids):
    ids["user"] = desk.put("user_account", brand_id, integration_id=desk.integration("api", brand_id=brand_id),
                           name="tester", password_hash="x", role="sender", created_at=day(9))
    ids["folder"] = desk.put("mailing_folder", brand_id, name="Letters")
    html = '<html><head><title>t</title></head><body class="x"><h1>Top</h1>{{ content }}<p>End</p></body></html>'
    ids["template"] = desk.put("mailing_template", brand_id, name="Plain", html=html, created_at=day(9))
    ids["code"] = desk.put("accounting_code", brand_id, code="General", description="All", is_default=True)
    shared = {"subject": "Spring", "from_address": "office@example.org", "html": "<p>x</p>", "state": "released",
              "created_by": "user:tester", "created_at": day(200), "changed_at": day(1)}
    ids["mailing"] = desk.put("mailing", brand_id, name="Spring news", from_name="Office", reply_to="re@example.org",
                              folder="Letters", changed_by="user:tester", accounting_code="General", schedule_choice=2,
                              template_id=ids["template"], **shared)
    ids["other"] = desk.put("mailing", brand_id, name="Other", **shared)
    ids["story"] = desk.put("mailing_story", brand_id, mailing_id=ids["mailing"], story_id="1", position=1,
                            title="Welcome", html="<p>x</p>", text="x")
    desk.put("mailing_interest", brand_id, mailing_id=ids["mailing"], interest_id=ids["news"], exclude=False)
    for name, mailing, at, more in (
            ("old", "mailing", day(101), {"frozen_at": day(101), "state": "sent"}),
            ("instance", "mailing", day(1), {"frozen_at": day(1), "state": "sent", "is_test": True}),
            ("again", "mailing", day(0, hours=2), {"frozen_at": day(0, hours=2), "state": "sent",
                                                   "audience": "never_received"}),
            ("later", "other", day(-1), {"state": "scheduled"})):
        ids[name] = desk.put("mailing_instance", brand_id, mailing_id=ids[mailing], send_at=at, created_by="t",
                             created_at=at, **more)
    desk.put("instance_interest", brand_id, instance_id=ids["instance"], interest_id=ids["jobs"])


def _deliveries(desk, brand_id, ids):
    tag = "" if brand_id == 1 else str(brand_id)
    rows = (("d_ann", "instance", "ann", "ann{}@example.org", "accepted", None, "R-1"),
            ("d_bob", "instance", "bob", "bob{}@example.org", "refused", "hard", None),
            ("d_cat", "instance", "cat", "cat{}@example.net", "refused", "block", "77"),
            ("d_gone", "instance", "gone", "gone{}@example.org", "left_out", None, None),
            ("o_ann", "old", "ann", "ann{}@example.org", "accepted", None, "R-1"))
    for name, instance, person, email, state, bounce, remote_id in rows:
        ids[name] = desk.put(
            "delivery", brand_id, instance_id=ids[instance], subscriber_id=ids[person], email=email.format(tag),
            state=state, bounce_class=bounce, remote_id=remote_id, changed_at=day(1), accepted_at=day(1),
            reason="unsubscribed" if state == "left_out" else None)


def _events(desk, brand_id, ids):
    tag = "" if brand_id == 1 else str(brand_id)
    of = {"instance_id": ids["instance"], "delivery_id": ids["d_ann"], "subscriber_id": ids["ann"], "remote_id": "R-1",
          "address": f"ann{tag}@example.org", "brand_id": brand_id}
    phone = dict(zip(("client_name", "client_type"), PHONE, strict=True)) | {"raw": {"ip": "192.0.2.0/24"}}
    at = day(0, hours=20)
    ids["open"] = desk.happened("opened", at, **of, **phone)
    desk.happened("opened", at + dt.timedelta(hours=1), **of, client_name="Chrome", client_type="web browser", raw={})
    desk.happened("opened", at - dt.timedelta(hours=1), **of, automated=True, rule="head")
    ids["click"] = desk.happened("clicked", at, **of, url="https://example.org/a", link_number=0)
    desk.happened("clicked", at + dt.timedelta(minutes=1), **of, url="https://example.org/a", link_number=0)
    desk.happened("forwarded", at, **of, raw={"friend": "fay@example.org", "message": "Read this"})
    desk.happened("unsubscribed", day(3), **{**of, "subscriber_id": ids["gone"], "delivery_id": ids["d_gone"]},
                  origin="link")
    desk.happened("opted_out", day(2), brand_id=brand_id, subscriber_id=ids["ann"], address=of["address"], origin="api",
                  raw={"interestId": ids["jobs"]}, remote_id="R-1")
    bob = {**of, "delivery_id": ids["d_bob"], "subscriber_id": ids["bob"], "address": f"bob{tag}@example.org",
           "remote_id": None}
    ids["bounce"] = desk.happened("bounced", day(1), **bob, reason="hard", code="5.1.1",
                                  raw={"text": "550 5.1.1 no such user"})
    ids["complaint"] = desk.happened("complained", day(1), **of)
