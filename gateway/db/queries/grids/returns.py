"""What do the grids of bounces, opt-outs and forwarded messages show? (aapi.md section 7.3)"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.db.models.mailings import delivery, event, instance
from gateway.db.queries.grids.base import (
    BRAND,
    OF_MAILING,
    Dialect,
    Expression,
    Grid,
    Join,
    bit,
    interest_name,
    repeated_bouncer,
)
from gateway.db.queries.grids.people import OPT_OUT_TEXTS, code_text, opt_out_code
from gateway.domain import events as types
from gateway.domain.bounces import BounceClass
from gateway.domain.grids import FORWARDED

CAME_BACK = sa.text("event.type IN ('bounced', 'complained')")
"""As the index of these events has it, which therefore need not be read for their type."""

REPLY = "^[2-5][0-9][0-9]"
"""How a reply of a mail server begins."""

DELIVERY = Join(delivery, delivery.c.id == event.c.delivery_id, optional=True)


def _bounces() -> Grid:
    e = event.c
    bounced = e.type == types.BOUNCED
    repeated = repeated_bouncer(delivery.c.subscriber_id, e.delivery_id)
    return Grid(event, (e.brand_id == BRAND, CAME_BACK, e.instance_id.is_not(None)), (e.id,), {
        "mailing_instance_id": e.instance_id, "is_repeat_bounce": bit(sa.and_(bounced, repeated == 1)),
        "is_hard_bounce": bit(sa.and_(bounced, e.reason == BounceClass.HARD.value)),
        "is_soft_bounce": bit(sa.and_(bounced, e.reason == BounceClass.SOFT.value)), "user_id": e.remote_id,
        "Email": e.address, "is_aol_complaint": bit(e.type == types.COMPLAINED), "email_status_code": _reply_code()},
        (DELIVERY,), solid=(e.instance_id,), order=(e.instance_id,))


def _reply_code() -> Expression:
    """The reply code; of an older bounce it stands in the code or at the beginning of what the server said."""
    e = event.c
    noted = e.raw["reply"].as_integer()
    said = e.raw["text"].as_string()
    return sa.case(
        (noted.is_not(None), noted),
        (e.code.regexp_match(REPLY + "$"), sa.cast(sa.func.substr(e.code, 1, 3), sa.Integer)),
        (said.regexp_match(REPLY + "([ -]|$)"), sa.cast(sa.func.substr(said, 1, 3), sa.Integer)), else_=sa.null())


def _optouts() -> Grid:
    e = event.c
    interest_id = e.raw["interestId"].as_integer()
    code = opt_out_code(e.origin)
    return Grid(event, (e.brand_id == BRAND, e.type == types.OPTED_OUT), (e.id,), {
        "Email": e.address, "Interest_name": interest_name(interest_id), "Interest_ID": interest_id,
        "mailing_instance_id": e.instance_id, "optout_code": code, "optout_date": e.occurred_at,
        "optout_description": code_text(code, OPT_OUT_TEXTS), "user_id": e.remote_id})


def _forward_counts() -> Grid:
    e = event.c
    found = (sa.select(e.instance_id, e.subscriber_id, sa.func.min(e.address).label("address"),
                       sa.func.min(e.remote_id).label("remote_id"), sa.func.count().label("forwards"))
             .where(e.brand_id == BRAND, e.type == FORWARDED).group_by(e.instance_id, e.subscriber_id)
             .subquery("forwards"))
    f = found.c
    return Grid(found, (), (f.instance_id, f.subscriber_id), {
        "Email": f.address, "forward_count": f.forwards, "mailing_instance_id": f.instance_id,
        "user_id": f.remote_id, "subscriber_id": f.subscriber_id}, wide=False)


def _friends() -> Grid:
    e = event.c
    return Grid(event, (e.brand_id == BRAND, e.type == FORWARDED), (e.id,), {
        "from_email": e.address, "mailing_id": instance.c.mailing_id, "mailing_instance_id": e.instance_id,
        "friend_email": e.raw["friend"].as_string(), "from_user_id": e.remote_id,
        "friend_message": e.raw["message"].as_string(), "friend_subscriber_id": e.raw["friendId"].as_integer()},
        OF_MAILING)


def build(_dialect: Dialect) -> dict[str, Grid]:
    """The grids of this family by token."""
    return {
        "mailing_activity_bounces": _bounces(), "mailing_activity_optout": _optouts(),
        "mailing_activity_forward_count": _forward_counts(), "mailing_activity_send_a_friend": _friends(),
    }
