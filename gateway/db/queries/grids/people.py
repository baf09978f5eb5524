"""What do the grids of subscribers and their interests show? (aapi.md sections 7.3 and 7.5)"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.db.models.accounts import integration
from gateway.db.models.base import Instant
from gateway.db.models.mailings import event, instance, instance_interest, mailing_interest
from gateway.db.models.subscribers import (
    address_status,
    interest,
    interest_opt_out,
    membership,
    remote_key,
    subscriber,
)
from gateway.db.queries import status
from gateway.db.queries.grids.base import (
    ACCOUNT,
    BRAND,
    NOW,
    Dialect,
    Expression,
    Grid,
    Join,
    bit,
    null,
    number,
    remote_id,
    repeated_bouncer,
    words,
)
from gateway.db.queries.interests import open_now
from gateway.domain import events as types
from gateway.domain.suppression import ADMIN, COMPLAINT, FORM, LINK, ONE_CLICK

BY_API, BY_LINK, BY_COMPLAINT, BY_BOUNCES, BY_ADMIN = 1, 2, 3, 4, 7
CANCEL_TEXTS = {BY_API: "API", BY_LINK: "Link in a mailing", BY_COMPLAINT: "Complaint", BY_BOUNCES: "Bounces",
                BY_ADMIN: "Administrator"}
OPT_OUT_BY_LINK, OPT_OUT_BY_API = 1, 2
OPT_OUT_TEXTS = {OPT_OUT_BY_LINK: "Link in a mailing", OPT_OUT_BY_API: "API"}
BY_RECIPIENT = (LINK, ONE_CLICK, FORM)

LIVE = subscriber.c.merged_into.is_(None)
FACTS = Join(address_status, sa.and_(address_status.c.brand_id == BRAND,
                                     address_status.c.email == subscriber.c.email), optional=True)
LEFT = Join(interest_opt_out, sa.and_(interest_opt_out.c.subscriber_id == membership.c.subscriber_id,
                                      interest_opt_out.c.interest_id == membership.c.interest_id), optional=True)


def opted_out() -> Expression:
    """Whether the subscriber or its address is opted out; needs :data:`FACTS`."""
    return sa.or_(subscriber.c.opted_out_at.is_not(None), address_status.c.opted_out_at.is_not(None))


def cancel_code() -> Expression:
    """Why the subscriber is not mailed any more: a code of aapi.md section 7.1, or NULL; needs :data:`FACTS`."""
    s, a = subscriber.c, address_status.c
    origin = sa.func.coalesce(s.opt_out_origin, a.opt_out_origin, type_=sa.Text)
    return sa.case(
        (sa.and_(opted_out(), sa.or_(s.opt_out_origin == COMPLAINT, a.opt_out_origin == COMPLAINT)), BY_COMPLAINT),
        (sa.and_(opted_out(), origin.in_(BY_RECIPIENT)), BY_LINK),
        (sa.and_(opted_out(), origin == ADMIN), BY_ADMIN),
        (sa.or_(opted_out(), status.flagged(BRAND)), BY_API),  # a mark of the AMS came through an API, too
        (a.bounced_at.is_not(None), BY_BOUNCES), else_=sa.null())


def opt_out_code(origin: Expression) -> Expression:
    """The code of an interest's opt-out."""
    return sa.case((origin.is_(None), sa.null()), (origin.in_(BY_RECIPIENT), OPT_OUT_BY_LINK), else_=OPT_OUT_BY_API)


def code_text(code: Expression, texts: dict[int, str]) -> Expression:
    """The text of a code; NULL without one."""
    return sa.case(*((code == each, words(text)) for each, text in texts.items()), else_=sa.null())


def _flagged_at() -> Expression:
    k = remote_key.alias("flag").c
    return (sa.select(sa.func.max(k.flagged_at)).where(k.subscriber_id == subscriber.c.id, k.do_not_email)
            .correlate_except(k.id.table).scalar_subquery())


def _last_bounce() -> Expression:
    e = event.alias("bounce").c
    return (sa.select(sa.func.max(e.occurred_at))
            .where(e.subscriber_id == subscriber.c.id, e.type == types.BOUNCED, e.reason.in_(("hard", "soft")))
            .correlate_except(e.id.table).scalar_subquery())


def _cancel_instance() -> Expression:
    """Where the opt-out that holds was asked for; an earlier one, which somebody has ended since, says nothing."""
    e, since = event.alias("goodbye").c, sa.func.coalesce(subscriber.c.opted_out_at, address_status.c.opted_out_at)
    found = (sa.select(e.instance_id).where(e.subscriber_id == subscriber.c.id, e.type == types.UNSUBSCRIBED,
                                            e.instance_id.is_not(None), e.occurred_at >= since)
             .order_by(e.id.desc()).limit(1)
             .correlate_except(e.id.table).scalar_subquery())
    return sa.case((opted_out(), found), else_=sa.null())


def _imis_id() -> Expression:
    k, i = remote_key.alias("imis").c, integration.alias("imis_integration").c
    return (sa.select(k.remote_id).where(
        k.subscriber_id == subscriber.c.id, k.ended_at.is_(None), i.id == k.integration_id,
        sa.or_(i.identity == "imis_legacy", sa.func.lower(i.name).contains("imis"))).order_by(k.id).limit(1)
        .correlate_except(k.id.table, i.id.table).scalar_subquery())


def _subscriber() -> Grid:
    s, a = subscriber.c, address_status.c
    return Grid(subscriber, (s.brand_id == BRAND, LIVE), (s.id,), {
        "bounce_date": _last_bounce(), "cancel_id": cancel_code(),
        "cancellation_mailing_instance_id": _cancel_instance(),
        "cancellation_date": sa.func.coalesce(s.opted_out_at, a.opted_out_at, _flagged_at(), a.bounced_at,
                                              type_=Instant),
        "cancellation_message": sa.case((opted_out(), a.opt_out_reason), else_=sa.null()),
        "Email": s.email, "subscriber_id": s.id, "is_repeated_bouncer": bit(repeated_bouncer(s.id) == 1),
        "is_unsubscriber": bit(sa.or_(opted_out(), status.flagged(BRAND))), "modified_date": s.changed_at,
        "service_since_date": s.created_at, "user_id": remote_id(s.id), "subscriber_upload_id": s.last_upload_id,
        "imis_name_id": _imis_id()}, (FACTS,), person=s.id)


def _interests(*, ended: bool) -> Grid:
    m, s = membership.c, subscriber.c
    elements = {
        "cancellation_date": interest_opt_out.c.left_at, "cancelled_id": opt_out_code(interest_opt_out.c.origin),
        "Email": s.email, "interest_id": m.interest_id, "interest_name": interest.c.name,
        "subscriber_to_interest_id": m.id, "subscriber_id": m.subscriber_id, "service_since_date": m.since,
        "user_id": remote_id(m.subscriber_id)}
    if ended:
        elements["deleted_from_interest_date"] = m.until
    return Grid(membership, (m.brand_id == BRAND, m.until.is_not(None) if ended else m.until.is_(None), LIVE), (m.id,),
                elements, (Join(subscriber, s.id == m.subscriber_id), Join(interest, interest.c.id == m.interest_id),
                           LEFT), person=m.subscriber_id)


def _target_groups() -> Grid:
    i = interest.c
    return Grid(interest, (i.brand_id == BRAND,), (i.id,), {
        "brand_ID": ACCOUNT, "is_deleted": number(0), "target_group_id": i.id, "target_group_name": i.name})


def _target_group_counts() -> Grid:
    i, m, s = interest.c, membership.c, subscriber.c
    has_left = sa.exists().where(interest_opt_out.c.subscriber_id == m.subscriber_id,
                                 interest_opt_out.c.interest_id == m.interest_id)
    members = (sa.select(sa.func.count(sa.distinct(m.subscriber_id)))
               .where(m.interest_id == i.id, open_now(NOW), s.id == m.subscriber_id, LIVE, ~has_left)
               .correlate(interest).scalar_subquery())
    return Grid(interest, (i.brand_id == BRAND,), (i.id,), {
        "name": i.name, "id": i.id, "description": null(sa.Text), "target_group_count": members, "count_date": NOW,
        "target_group_count_error": number(0), "last_used_date": _last_used(), "type_name": words("Interest")})


def _last_used() -> Expression:
    """The newest publishing that went to the interest: its own choice, or that of its mailing."""
    p, own, usual = instance.alias("publishing").c, instance_interest.alias("own").c, mailing_interest.alias("usual").c
    named = sa.exists().where(own.instance_id == p.id, own.interest_id == interest.c.id)
    chose = sa.exists().where(own.instance_id == p.id).correlate(p.id.table)
    of_mailing = sa.exists().where(usual.mailing_id == p.mailing_id, usual.interest_id == interest.c.id,
                                   ~usual.exclude)
    return (sa.select(sa.func.max(p.send_at))
            .where(p.brand_id == BRAND, p.frozen_at.is_not(None),
                   sa.or_(named.correlate(p.id.table, interest),
                          sa.and_(of_mailing.correlate(p.id.table, interest), ~chose)))
            .correlate(interest).scalar_subquery())


ADDED, REMOVED = "Added", "Removed"


def _changes() -> Grid:
    """Memberships that began and ended, and people's own acts, which are written into events."""
    log = sa.union_all(_began_or_ended(0), _began_or_ended(1), _acts()).subquery("change")
    c, s, m = log.c, subscriber.c, membership.c
    cancelled = opt_out_code(interest_opt_out.c.origin)
    left = Join(interest_opt_out, sa.and_(interest_opt_out.c.subscriber_id == c.subscriber_id,
                                          interest_opt_out.c.interest_id == c.interest_id), optional=True)
    interest_of, name, person = c.interest_id, interest.c.name, remote_id(c.subscriber_id)
    return Grid(log, (LIVE, interest.c.brand_id == BRAND), (c.kind, c.id), {
        "cancellation_date": interest_opt_out.c.left_at, "cancelled_id": cancelled,
        "cancelled": sa.case((cancelled.is_(None), words("N")), else_=words("Y")), "Email": s.email,
        "subscriber_email": s.email, "interest_id": interest_of, "news_type_id": interest_of, "interest_name": name,
        "news_type_name": name, "subscriber_to_interest_id": c.membership_id, "subscriber_id": c.subscriber_id,
        "service_since_date": m.since, "user_id": person, "remote_id": person, "action": c.action,
        "action_date": c.at, "start_date": null(Instant), "end_date": null(Instant)},
        (Join(subscriber, s.id == c.subscriber_id), Join(interest, interest.c.id == c.interest_id),
         Join(membership, m.id == c.membership_id, optional=True), left), wide=False,
        person=c.subscriber_id)


def _began_or_ended(kind: int) -> sa.Select[tuple]:
    m = membership.alias(f"log_{kind}").c
    at, action = (m.since, ADDED) if kind == 0 else (m.until, REMOVED)
    return (sa.select(number(kind).label("kind"), m.id.label("id"), m.id.label("membership_id"), m.subscriber_id,
                      m.interest_id, at.label("at"), words(action).label("action"))
            .where(m.brand_id == BRAND, at.is_not(None)))


def _acts() -> sa.Select[tuple]:
    e, m = event.alias("act").c, membership.alias("acted").c
    interest_id = e.raw["interestId"].as_integer()
    of = (sa.select(sa.func.min(m.id)).where(m.subscriber_id == e.subscriber_id, m.interest_id == interest_id)
          .correlate(e.id.table).scalar_subquery())
    return (sa.select(number(2).label("kind"), e.id.label("id"), of.label("membership_id"), e.subscriber_id,
                      interest_id.label("interest_id"), e.occurred_at.label("at"),
                      sa.case((e.type == types.OPTED_OUT, words(REMOVED)), else_=words(ADDED)).label("action"))
            .where(e.brand_id == BRAND, e.type.in_((types.OPTED_OUT, types.REJOINED)), e.subscriber_id.is_not(None)))


def build(_dialect: Dialect) -> dict[str, Grid]:
    """The grids of this family by token."""
    return {
        "subscriber": _subscriber(), "subscriber_interests": _interests(ended=False),
        "subscriber_interests_deleted": _interests(ended=True), "interest_target_group": _target_groups(),
        "target_group_counts": _target_group_counts(), "get_subscriber_interest_changes": _changes(),
    }
