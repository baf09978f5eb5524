"""What do the ``_demo`` twins show that have rows? Two fixed ones each, in every brand (aapi.md section 7)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from gateway.db.models.base import Instant
from gateway.db.queries.grids.activity import NOTHING
from gateway.db.queries.grids.base import ACCOUNT, Dialect, Expression, Grid

_ACTIVITY = {
    "aol_complaint_count": (0, 1), "blocked_count": (2, 0), "sent_count": (498, 1200), "html_emails_count": (498, 1200),
    "hard_bounce_count": (6, 14), "soft_bounce_count": (3, 9), "html_emails_bounce_count": (9, 23),
    "opens_unique_count": (210, 480), "opens_mobile_count": (90, 200), "opens_desktop_count": (60, 150),
    "opens_web_browser_count": (30, 70), "opens_web_based_email_count": (20, 40), "opens_unknown_count": (10, 20),
    "links_clicked_unique_count": (55, 130), "forwards_unique_count": (0, 2), "send_a_friend_count": (0, 3),
    "unsubscribes_count": (1, 4), "opt_out_count": (0, 2), "mailing_ID": (1, 2), "mailing_instance_ID": (1, 2),
    "mailing_name": ("Sample newsletter", "Sample invitation"),
    "mailing_date": (dt.datetime(2026, 1, 12, 9, tzinfo=dt.UTC), dt.datetime(2026, 1, 19, 9, tzinfo=dt.UTC)),
    "calculation_date": (dt.datetime(2026, 2, 1, tzinfo=dt.UTC),) * 2, **dict.fromkeys(NOTHING, (0, 0)),
}
_SUPPRESSED = {
    "subscriber_match_id": (1, 2), "subscriber_id": (1, 2), "email": ("ann@example.org", "bob@example.org"),
    "reason": ("unsubscribed", "bad_email"), "mailing_id": (1, 1), "mailing_instance_id": (1, 1),
    "mailing_date": (dt.datetime(2026, 1, 12, 9, tzinfo=dt.UTC),) * 2, "mailing_name": ("Sample newsletter",) * 2,
    "mailing_instance_name": ("News of January",) * 2, "cancelled_id": (2, 4),
}


def _fixed(columns: Mapping[str, tuple[Any, Any]], key: str, **more: Expression) -> Grid:
    rows = sa.union_all(*(sa.select(*(_literal(values[at]).label(name) for name, values in columns.items()))
                          for at in range(2))).subquery("sample")
    return Grid(rows, (), (rows.c[key],), {**{name: rows.c[name] for name in columns}, **more}, wide=False)


def _literal(value: Any) -> Expression:
    if isinstance(value, dt.datetime):
        return sa.literal(value, Instant)
    return sa.literal(value, sa.Integer if isinstance(value, int) else sa.Text)


def build(_dialect: Dialect) -> dict[str, Grid]:
    """The grids of this family by token."""
    return {"mailing_activity_demo": _fixed(_ACTIVITY, "mailing_instance_ID"),
            "suppressed_subscribers_demo": _fixed(_SUPPRESSED, "subscriber_match_id", brand_id=ACCOUNT)}
