"""What does the grid of uploads show? (aapi.md section 7.3)"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.db.models.accounts import user
from gateway.db.models.imports import upload
from gateway.db.queries.grids.base import ACCOUNT, BRAND, Dialect, Expression, Grid, Join, null, number, words
from gateway.domain.upload import FINISHED, FINISHED_WITH_ERRORS, HELD, QUEUED, RUNNING

STATUS = {QUEUED: "Pending", RUNNING: "Processing", HELD: "Processing", FINISHED: "Complete",
          FINISHED_WITH_ERRORS: "Complete"}
"""The others have failed: the upload was not applied, or not to its end."""

USER = "user:"
WHO = Join(user, sa.and_(user.c.brand_id == BRAND, USER + user.c.name == upload.c.actor), optional=True)


def _counter(*path: str) -> Expression:
    """A counter of the upload; 0 where an old row lacks it."""
    found = upload.c.counters[path if len(path) > 1 else path[0]]
    return sa.func.coalesce(found.as_integer(), 0, type_=sa.Integer)


def build(_dialect: Dialect) -> dict[str, Grid]:
    """The grids of this family by token."""
    u = upload.c
    found = _counter("adopted") + _counter("updated") + _counter("unchanged")
    status = sa.case(*((u.state == state, words(text)) for state, text in STATUS.items()), else_=words("Failed"))
    name = sa.case((u.actor.startswith(USER), sa.func.substr(u.actor, len(USER) + 1, type_=sa.Text)), else_=u.actor)
    return {"upload_history": Grid(upload, (u.brand_id == BRAND,), (u.id,), {
        "upload_id": u.id, "brand_id": ACCOUNT, "uploader_subscriber_id": null(),
        "uploader_user_id": sa.cast(user.c.id, sa.Text), "uploader_user_id_source": words("AAPI"),
        "uploader_email": name, "uploader_name": name, "date": u.queued_at, "status": status,
        "total_email_count": _counter("received"), "invalid_email_count": _counter("failed"),
        "changed_email_count": _counter("notes", "emailChanged"), "previous_count": found,
        "new_count": _counter("created"), "duplicate_email_count": _counter("warnings", "DUPLICATE_IN_BATCH"),
        "mobile_email_count": number(0), "previous_unsubscriber_count": _counter("notes", "metUnsubscribed"),
        "invalid_mobile_phone_count": number(0), "invalid_mobile_phones_num": number(0)}, (WHO,))}
