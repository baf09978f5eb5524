"""What do the grids of figures show: an instance's, and those of a folder's days? (aapi.md sections 7.3 and 7.4)"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.db.models.mailings import delivery, event, instance, mailing, mailing_folder
from gateway.db.queries.grids.base import (
    BRAND,
    CLICKED,
    NOW,
    OPENED,
    PAGE,
    Dialect,
    Expression,
    Grid,
    Join,
    bounced,
    number,
)
from gateway.db.queries.grids.deliveries import BLOCKED, HARD, SENT, SOFT
from gateway.db.queries.grids.hits import first_open
from gateway.domain import events as types
from gateway.domain.grids import FORWARDED

NOTHING = ("bounces_resent_count", "challenge_count", "opens_skim_count", "opens_read_count", "clicks_facebook_count",
           "clicks_twitter_count", "clicks_linkedin_count", "clicks_addthis_count", "opens_facebook_count",
           "opens_twitter_count", "opens_linkedin_count", "opens_addthis_count", "clicks_mailing_post_facebook_count",
           "clicks_mailing_post_twitter_count", "web_track_sessions_count", "web_track_unique_sessions_count",
           "web_track_pages_count", "web_track_duration_count", "web_track_events_count",
           "web_track_transactions_count", "web_track_transaction_value", "web_track_view_pages_count",
           "text_emails_count", "text_emails_bounce_count")
"""Elements that are 0: services that this product does not have, and mails of text alone, which it never sends."""

CLIENTS = {"opens_mobile_count": types.MOBILE, "opens_desktop_count": types.DESKTOP,
           "opens_web_browser_count": types.BROWSER, "opens_web_based_email_count": types.WEB_MAIL,
           "opens_unknown_count": types.UNKNOWN}
RARE = (types.COMPLAINED, FORWARDED, types.UNSUBSCRIBED, types.OPTED_OUT)


def _deliveries(*conditions: Expression) -> Expression:
    """How many deliveries of the instance are so."""
    return (sa.select(sa.func.count()).where(delivery.c.instance_id == instance.c.id, *conditions)
            .correlate(instance).scalar_subquery())


def _events(what: Expression, *conditions: Expression) -> Expression:
    """A count over events of the instance."""
    return (sa.select(sa.func.count(what)).where(event.c.instance_id == instance.c.id, *conditions)
            .correlate(instance).scalar_subquery())


def _first_opens(kind: str) -> Expression:
    """Deliveries whose first open came from a client of this type."""
    known = sa.func.coalesce(event.c.client_type, types.UNKNOWN)
    return _events(event.c.id, *OPENED, known == kind, first_open())


def _clicked_pairs() -> Expression:
    e = event.c
    pairs = (sa.select(e.delivery_id, e.link_number).where(e.instance_id == instance.c.id, *CLICKED)
             .distinct().correlate(instance).subquery("pairs"))
    return sa.select(sa.func.count()).select_from(pairs).correlate(instance).scalar_subquery()


def _per_instance(source: sa.FromClause, name: str, *conditions: Expression, **counts: Expression) -> sa.Subquery:
    """These counts for each instance, in one walk over the source."""
    of = source.c.instance_id
    return (sa.select(of, *(count.label(count_name) for count_name, count in counts.items()))
            .where(*conditions).group_by(of).subquery(name))


def _sent() -> sa.Subquery:
    return _per_instance(delivery, "sent", delivery.c.instance_id.in_(PAGE), sent=sa.func.count(sa.case((SENT, 1))),
                         blocked=sa.func.count(sa.case((BLOCKED, 1))), hard=sa.func.count(sa.case((bounced(HARD), 1))),
                         soft=sa.func.count(sa.case((bounced(SOFT), 1))),
                         bounced=sa.func.count(sa.case((bounced(HARD, SOFT), 1))))


def _opened() -> sa.Subquery:
    """How many deliveries were opened, in all and by the type of the first open's client.

    Nothing is said here of the index on hits: SQLite would take it, for its order, and walk over everybody's.
    """
    e = event.c
    place = sa.func.row_number().over(partition_by=e.delivery_id, order_by=(e.occurred_at, e.id))
    client = sa.func.coalesce(e.client_type, types.UNKNOWN).label("client")
    opens = (sa.select(e.instance_id, client, place.label("place"))
             .where(e.instance_id.in_(PAGE), e.type == types.OPENED, e.automated.is_(False)).subquery("ranked"))
    first = sa.select(opens).where(opens.c.place == 1).subquery("first")
    return _per_instance(first, "opens", unique=sa.func.count(), **{
        name: sa.func.count(sa.case((first.c.client == kind, 1))) for name, kind in CLIENTS.items()})


def _clicked() -> sa.Subquery:
    e = event.c
    pairs = (sa.select(e.instance_id, e.delivery_id, e.link_number).where(e.instance_id.in_(PAGE), *CLICKED)
             .distinct().subquery("pairs"))
    return _per_instance(pairs, "clicks", unique=sa.func.count())


def _answered() -> sa.Subquery:
    """What else came back: complaints, forwards, people who left."""
    t = event.c
    rare = (sa.select(t.instance_id, t.type, t.delivery_id)
            .where(t.instance_id.in_(PAGE), t.type.in_(RARE)).subquery("rare"))
    e = rare.c

    def people(kind: str) -> Expression:
        return sa.func.count(sa.distinct(sa.case((e.type == kind, e.delivery_id))))

    def times(kind: str) -> Expression:
        return sa.func.count(sa.case((e.type == kind, 1)))
    return _per_instance(
        rare, "answers", complained=people(types.COMPLAINED), forwarders=people(FORWARDED), forwards=times(FORWARDED),
        unsubscribed=times(types.UNSUBSCRIBED), opted_out=times(types.OPTED_OUT))


def _shown() -> tuple[dict[str, Expression], tuple[Join, ...]]:
    """The same figures for all instances of a page at once: each kind of rows is walked over a single time."""
    tables = sent, opens, clicks, answers = _sent(), _opened(), _clicked(), _answered()
    s, a = sent.c, answers.c
    found = {
        "sent_count": s.sent, "html_emails_count": s.sent, "blocked_count": s.blocked,
        "hard_bounce_count": s.hard, "soft_bounce_count": s.soft, "html_emails_bounce_count": s.bounced,
        "aol_complaint_count": a.complained, "forwards_unique_count": a.forwarders, "send_a_friend_count": a.forwards,
        "unsubscribes_count": a.unsubscribed, "opt_out_count": a.opted_out, "opens_unique_count": opens.c.unique,
        "links_clicked_unique_count": clicks.c.unique, **{name: opens.c[name] for name in CLIENTS}}
    joins = tuple(Join(each, each.c.instance_id == instance.c.id, optional=True) for each in tables)
    return {name: sa.func.coalesce(each, 0) for name, each in found.items()}, joins


def _activity() -> Grid:
    i, e = instance.c, event.c
    people = sa.distinct(e.delivery_id)
    shown, joins = _shown()
    return Grid(instance, (i.brand_id == BRAND,), (i.id,), {
        **{name: number(0) for name in NOTHING},
        "aol_complaint_count": _events(people, e.type == types.COMPLAINED),
        "blocked_count": _deliveries(BLOCKED), "sent_count": _deliveries(SENT), "html_emails_count": _deliveries(SENT),
        "hard_bounce_count": _deliveries(bounced(HARD)), "soft_bounce_count": _deliveries(bounced(SOFT)),
        "html_emails_bounce_count": _deliveries(bounced(HARD, SOFT)),
        "opens_unique_count": _events(people, *OPENED), "links_clicked_unique_count": _clicked_pairs(),
        **{name: _first_opens(kind) for name, kind in CLIENTS.items()},
        "forwards_unique_count": _events(people, e.type == FORWARDED),
        "send_a_friend_count": _events(e.id, e.type == FORWARDED),
        "unsubscribes_count": _events(e.id, e.type == types.UNSUBSCRIBED),
        "opt_out_count": _events(e.id, e.type == types.OPTED_OUT), "calculation_date": NOW,
        "mailing_ID": i.mailing_id, "mailing_instance_ID": i.id, "mailing_date": i.send_at,
        "mailing_name": mailing.c.name}, (Join(mailing, mailing.c.id == i.mailing_id), *joins), shown=shown)


def _totals(dialect: Dialect) -> Grid:
    """A row for each folder and UTC day: what was sent on that day, first opened and clicked."""
    d, e = delivery.c, event.c
    parts = sa.union_all(
        _days(dialect, d.instance_id, sa.func.coalesce(d.accepted_at, d.changed_at), 0, d.brand_id == BRAND, SENT),
        _days(dialect, e.instance_id, e.occurred_at, 1, e.brand_id == BRAND, *OPENED, first_open()),
        _days(dialect, e.instance_id, e.occurred_at, 2, e.brand_id == BRAND, *CLICKED)).subquery("parts")
    p, f = parts.c, mailing_folder.c
    rows = (sa.select(f.id.label("folder_id"), p.day, *(sa.cast(sa.func.sum(p[name]), sa.BigInteger).label(name)
                                                        for name in ("sent", "opens", "clicks")))
            .select_from(parts.join(instance, instance.c.id == p.instance_id)
                         .join(mailing, mailing.c.id == instance.c.mailing_id)
                         .outerjoin(mailing_folder, sa.and_(f.brand_id == BRAND, f.name == mailing.c.folder)))
            .group_by(f.id, p.day).subquery("totals"))
    t = rows.c
    return Grid(rows, (), (t.folder_id, t.day), {
        "activity_date": t.day, "click_count": t.clicks, "first_open_count": t.opens,
        "mailing_folder_id": t.folder_id, "Sent": t.sent}, wide=False)


def _days(dialect: Dialect, instance_id: Expression, at: Expression, place: int,
          *conditions: Expression) -> sa.Select[tuple]:
    day = dialect.day(at).label("day")
    counts = [sa.func.count() if at_place == place else number(0) for at_place in range(3)]
    return (sa.select(instance_id.label("instance_id"), day, *(
        count.label(name) for count, name in zip(counts, ("sent", "opens", "clicks"), strict=True)))
        .where(*conditions).group_by(instance_id, day))


def build(dialect: Dialect) -> dict[str, Grid]:
    """The grids of this family by token."""
    return {"mailing_activity": _activity(), "mailing_activity_totals": _totals(dialect)}
