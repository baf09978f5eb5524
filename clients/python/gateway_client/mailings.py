"""Acts on mailings: make, review, publish, stop, go on, decide."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from gateway_client import convert
from gateway_client.connection import Connection, identifier
from gateway_client.models import Audience, Decided, Instance, Mailing, MailingDraft, MailingFile, Preview, TestResult

_MEMBERS = {"name": "name", "subject": "subject", "from_name": "fromName", "from_address": "fromAddress",
            "reply_to": "replyTo", "html": "html", "text": "text", "interests": "interest",
            "exclude_interests": "excludeInterest"}
"""What the contract calls a member of :class:`MailingDraft`."""


class Mailings(Connection):
    """The calls about mailings and their publications."""

    def create_mailing(self, draft: MailingDraft, *, key: str | None = None) -> Mailing:
        """A new draft; ``warnings`` name merge tags that no field fills. With ``key`` it is made once."""
        content = {field.name: getattr(draft, field.name) for field in dataclasses.fields(draft)}
        return convert.mailing(self._call("CreateMailing", clientRequestId=key, **_content(content)))

    def update_mailing(self, mailing_id: str, *, key: str | None = None, **changes: Any) -> Mailing:
        """Changes a draft; ``changes`` are named as in :class:`MailingDraft`; what is not named, or None, is kept.

        A mailing that was approved is a draft again. Raises :class:`TypeError` for a name that there is not.
        """
        unknown = sorted(changes.keys() - _MEMBERS.keys())
        if unknown:
            raise TypeError(f"a mailing has no {unknown[0]}; it has {', '.join(_MEMBERS)}")
        return convert.mailing(self._call("UpdateMailing", clientRequestId=key, mailingId=mailing_id,
                                          **_content(changes)))

    def set_mailing_files(self, mailing_id: str, files: Sequence[MailingFile], *, key: str | None = None) -> None:
        """Makes the files of a mailing exactly these; the HTML shows one that has a ``content_id`` as ``cid:NAME``."""
        self._call("SetMailingFiles", clientRequestId=key, mailingId=mailing_id, file=[
            {"name": each.name, "contentType": each.content_type, "contentId": each.content_id, "data": each.data}
            for each in files] or None)

    def get_mailing(self, mailing_id: str) -> Mailing:
        """A mailing with its instances, newest first."""
        return convert.mailing(self._call("GetMailing", mailingId=mailing_id))

    def find_mailings(self, *, state: str | None = None, name: str | None = None) -> Iterator[Mailing]:
        """All mailings that match."""
        return map(convert.mailing, self._pages("FindMailings", state=state, name=name))

    def preview_mailing(self, mailing_id: str, *, email: str | None = None, remote_id: str | None = None) -> Preview:
        """The message as one person would get it (or with defaults), and how many would get it now."""
        return convert.preview(self._call("PreviewMailing", mailingId=mailing_id, identifier=_who(email, remote_id)))

    def count_audience(self, mailing_id: str, audience: str | None = None) -> Audience:
        """Whom it would reach now: everybody, or who ``never_received`` it, did ``not_opened`` it, or ``failed``."""
        return convert.audience(self._call("CountAudience", mailingId=mailing_id, audience=audience))

    def send_test(self, mailing_id: str, addresses: Sequence[str], *, email: str | None = None,
                  remote_id: str | None = None, key: str | None = None) -> tuple[TestResult, ...]:
        """Sends a test copy to each of 1 to 20 addresses, with the values of the person that ``email`` or ``remote_id``
        names; no instance and no figures come of it."""
        answer = self._call("SendTestMailing", clientRequestId=key, mailingId=mailing_id, address=list(addresses),
                            identifier=_who(email, remote_id))
        return tuple(TestResult(copy.address, copy.status, copy.message) for copy in answer.copy or ())

    # review

    def submit_mailing(self, mailing_id: str) -> Mailing:
        """Asks an administrator to approve a draft, where the brand reviews its mailings."""
        return convert.mailing(self._call("SubmitMailing", mailingId=mailing_id))

    def approve_mailing(self, mailing_id: str, *, note: str | None = None) -> Mailing:
        """Lets a submitted mailing be sent; needs an administrator."""
        return convert.mailing(self._call("ApproveMailing", mailingId=mailing_id, note=note))

    def reject_mailing(self, mailing_id: str, *, note: str | None = None) -> Mailing:
        """Makes a submitted or approved mailing a draft again; needs an administrator."""
        return convert.mailing(self._call("RejectMailing", mailingId=mailing_id, note=note))

    # publishing

    def send_mailing(self, mailing_id: str, *, again: bool = False, key: str | None = None) -> Instance:
        """Sends now. A mailing that was sent before is sent again only with ``again``."""
        return convert.instance(self._call("SendMailing", mailingId=mailing_id, again=again or None,
                                           clientRequestId=key))

    def schedule_mailing(self, mailing_id: str, send_at: dt.datetime, *, again: bool = False,
                         key: str | None = None) -> Instance:
        """Sends at an instant, which must have a time zone."""
        return convert.instance(self._call("ScheduleMailing", mailingId=mailing_id, sendAt=_aware(send_at, "send_at"),
                                           again=again or None, clientRequestId=key))

    def publish_mailing(self, mailing_id: str, *, send_at: dt.datetime | None = None, time_zone: str | None = None,
                        not_after: dt.datetime | None = None, again: bool = False, audience: str | None = None,
                        spread_over: dt.timedelta | None = None, key: str | None = None) -> Instance:
        """Sends now or at ``send_at``, with everything that can be chosen.

        ``send_at`` without a time zone is the time on the wall in ``time_zone`` (``Europe/Berlin``), else in the
        brand's. ``not_after``: nothing of it leaves later. ``audience``, only with ``again``: ``never_received``,
        ``not_opened`` or ``failed``. ``spread_over``: distributed over so long, a minute to 14 days.
        """
        local = send_at is not None and send_at.tzinfo is None
        return convert.instance(self._call(
            "PublishMailing", clientRequestId=key, mailingId=mailing_id, sendAt=None if local else send_at,
            sendAtLocal=send_at.isoformat(timespec="seconds") if local and send_at else None, timeZone=time_zone,
            notAfter=not_after and _aware(not_after, "not_after"), again=again or None, audience=audience,
            spreadOver=None if spread_over is None else str(round(spread_over.total_seconds()))))

    def pause_mailing(self, instance_id: str) -> Instance:
        """Stops an instance until it is resumed; what is out is out. Repeating it changes nothing."""
        return convert.instance(self._call("PauseMailing", instanceId=instance_id))

    def resume_mailing(self, instance_id: str) -> Instance:
        """Lets a paused instance go on where it stopped; nobody gets it twice. Repeating it changes nothing."""
        return convert.instance(self._call("ResumeMailing", instanceId=instance_id))

    def cancel_mailing(self, instance_id: str) -> Instance:
        """Stops an instance for good; what is out is out. Repeating it changes nothing."""
        return convert.instance(self._call("CancelMailing", instanceId=instance_id))

    def decide_in_doubt(self, instance_id: str, decision: str, delivery_ids: Sequence[str] | None = None, *,
                        key: str | None = None) -> Decided:
        """Decides messages of which nobody knows whether they arrived: ``resend``, so that they may arrive twice, or
        ``count_as_sent``; those named (``find_deliveries(..., states=["in_doubt"])``), or None: all of the instance."""
        answer = self._call("DecideInDoubt", clientRequestId=key, instanceId=instance_id, decision=decision,
                            deliveryId=None if delivery_ids is None else list(delivery_ids),
                            all=True if delivery_ids is None else None)
        return Decided(answer.decided, convert.instance(answer.instance))


def _content(given: dict[str, Any]) -> dict[str, Any]:
    return {_MEMBERS[name]: (list(value) or None) if name.endswith("interests") else value
            for name, value in given.items()}


def _who(email: str | None, remote_id: str | None) -> dict[str, str] | None:
    return identifier(email, remote_id, None) if email or remote_id else None


def _aware(moment: dt.datetime, name: str) -> dt.datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{name} needs a time zone")
    return moment
