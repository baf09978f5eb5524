"""May this person be mailed, and which facts say no? (ID-43..47)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

UNSUBSCRIBED, BAD_EMAIL, ACTIVE = "unsubscribed", "bad_email", "active"
STATUSES = (UNSUBSCRIBED, BAD_EMAIL, ACTIVE)
OPT_OUT, REMOTE_FLAG, ORPHAN = "opt_out", "remote_flag", "orphan"
"""Words of ``blocked_by``; a bounce is ``bad_email`` there too."""

LINK, ONE_CLICK, FORM, COMPLAINT, ADMIN, API = "link", "one-click", "form", "complaint", "admin", "api"
ORIGINS = (LINK, ONE_CLICK, FORM, COMPLAINT, ADMIN, API)
BY_THE_PERSON = (LINK, ONE_CLICK, FORM)
"""Origins of what people did themselves, and may take back themselves on the preference form (ID-51, ID-52)."""
MAX_REASON = 250


@dataclass(slots=True)
class AddressFacts:
    """What is known of an address itself, whoever has it (ID-43, ID-44)."""

    opted_out_at: dt.datetime | None = None
    opt_out_origin: str | None = None
    bounced_at: dt.datetime | None = None


def stricter(one: str | None, other: str | None) -> str | None:
    """The origin that stays when one opt-out meets another: a complaint, else the first (ID-51)."""
    return COMPLAINT if COMPLAINT in (one, other) else one or other


def blocked_by(*, opted_out: bool, flagged: bool, bounced: bool, orphan: bool) -> tuple[str, ...]:
    """The facts that block mail to a record, none if it is sendable (ID-46).

    ``opted_out``: on the address or the record; ``flagged``: any key of any record at the address;
    ``bounced``: on the address.
    """
    facts = ((OPT_OUT, opted_out), (REMOTE_FLAG, flagged), (BAD_EMAIL, bounced), (ORPHAN, orphan))
    return tuple(name for name, holds in facts if holds)


def status(blockers: tuple[str, ...]) -> str:
    """The status shown for a record that these facts block: bad e-mail is not unsubscribed (ID-46)."""
    if OPT_OUT in blockers or REMOTE_FLAG in blockers:
        return UNSUBSCRIBED
    return BAD_EMAIL if BAD_EMAIL in blockers else ACTIVE
