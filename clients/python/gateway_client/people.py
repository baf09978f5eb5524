"""Acts on people and interests, and the questions about one person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from gateway_client import convert
from gateway_client.connection import MAX_RECORDS, Connection, chunks, identifier
from gateway_client.models import (
    BatchResult,
    Delivery,
    Description,
    Explanation,
    Happening,
    Interest,
    InterestChange,
    RecordResult,
)


class People(Connection):
    """The calls about people that are known, and about the interests that they are in."""

    def describe_fields(self, *, integration: str | None = None) -> Description:
        """Which fields records may have, what people call them, and the limits in force."""
        return convert.description(self._call("DescribeFields", integration=integration))

    def opt_out(self, interests: Sequence[str], emails: Iterable[str], *, reason: str | None = None) -> BatchResult:
        """Lets everybody with one of these addresses leave these interests and no others; imports do not undo it."""
        results = []
        for number, chunk in enumerate(chunks(emails)):
            entries = [{"email": email} | ({"reason": reason} if reason is not None else {}) for email in chunk]
            results.append(convert.batch(self._call("OptOut", interest=list(interests), entry=entries),
                                         offset=number * MAX_RECORDS))
        return convert.total(results)

    def change_remote_id(self, old: str, new: str, *, integration: str | None = None,
                         key: str | None = None) -> RecordResult:
        """Tells that your system calls a person ``new`` now; two records become one if somebody has that already."""
        return convert.result(self._call("ChangeRemoteId", clientRequestId=key, oldRemoteId=old, newRemoteId=new,
                                         integration=integration))

    def explain(self, *, email: str | None = None, remote_id: str | None = None, subscriber_id: str | None = None,
                mailing_id: str | None = None, instance_id: str | None = None) -> Explanation:
        """Why a person is as it is, and whether mail (of a mailing or an instance, if named) reaches them."""
        return convert.explanation(self._call(
            "ExplainSubscriber", identifier=identifier(email, remote_id, subscriber_id), mailingId=mailing_id,
            instanceId=instance_id))

    def history(self, *, email: str | None = None, remote_id: str | None = None, subscriber_id: str | None = None,
                since: dt.datetime | None = None) -> Iterator[Happening]:
        """What happened to one person, oldest first."""
        return map(convert.happening, self._pages(
            "GetSubscriberHistory", identifier=identifier(email, remote_id, subscriber_id), since=since))

    def update_interest(self, interest_id: str, *, name: str | None = None, description: str | None = None,
                        public: bool | None = None) -> Interest:
        """Renames or describes an interest; what is None stays."""
        return convert.interest(self._call("UpdateInterest", interestId=interest_id, name=name,
                                           description=description, public=public))

    def change_interest_members(self, interest: str, mode: str, *, remote_ids: Sequence[str] = (),
                                emails: Sequence[str] = ()) -> BatchResult:
        """Adds, removes or replaces (``mode``: Add, Remove, ReplaceAll) the members that you gave an interest.

        At most 1,000 people, who are known. A ReplaceAll that would take out many is refused with ``BRAKE_HELD``.
        """
        members = [{"remoteId": each} for each in remote_ids] + [{"email": each} for each in emails]
        return convert.batch(self._call("ChangeInterestMembers", interest=interest, mode=mode, member=members))

    def find_interest_changes(self, *, interest: str | None = None, since: dt.datetime | None = None,
                              until: dt.datetime | None = None) -> Iterator[InterestChange]:
        """Who joined and left, in the order recorded; of all interests for at most a week."""
        return map(convert.interest_change, self._pages("FindInterestChanges", interest=interest, since=since,
                                                        until=until))

    def find_deliveries(self, instance_id: str, *, states: Sequence[str] = (), reasons: Sequence[str] = (),
                        ) -> Iterator[Delivery]:
        """What became of each person that a mailing was for, and who was left out and why."""
        return map(convert.delivery, self._pages("FindDeliveries", instanceId=instance_id, state=list(states) or None,
                                                 reason=list(reasons) or None))
