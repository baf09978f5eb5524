"""The library: one method per thing that a program wants done, over the frozen WSDL that comes with the package."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lxml import etree

from gateway_client import convert
from gateway_client.connection import MAX_RECORDS, NAMESPACE, chunks, identifier
from gateway_client.errors import translated
from gateway_client.jobs import Jobs
from gateway_client.mailings import Mailings
from gateway_client.models import (
    BatchResult,
    Event,
    Interest,
    Record,
    Report,
    Subscriber,
)
from gateway_client.people import People
from gateway_client.writebacks import Writebacks

_RECORD = etree.QName(NAMESPACE, "record")


class Gateway(Jobs, Mailings, People, Writebacks):
    """A connection to one gateway as one user of one brand; keep it and use it for many calls.

    Not for several threads at once: make one per thread. Every method raises a
    :class:`~gateway_client.errors.GatewayFault` (or a subclass) when the gateway refuses, and
    :class:`~gateway_client.errors.GatewayUnavailable` when there is no answer within ``timeout_s``.
    """

    # subscribers

    def import_subscribers(self, records: Iterable[Record], *, interests: Sequence[str] = (),
                           mode: str = "AddOrUpdate", source: str | None = None, dry_run: bool = False,
                           key: str | None = None) -> BatchResult:
        """Imports any number of records in calls of 1,000; ``interests`` are joined by all of them.

        ``mode``: Add, Update, AddOrUpdate or Remove (leave ``interests``). A bad record fails alone: look at
        ``result.failures``. ``key`` makes a repetition harmless: chunk n is sent with the request id
        ``key-n`` and answers what it answered before. ReplaceAll needs all records in one call, so more
        than 1,000 are refused (:class:`ValueError`).
        """
        if mode == "ReplaceAll":
            records = list(itertools.islice(records, MAX_RECORDS + 1))
            if len(records) > MAX_RECORDS:
                raise ValueError("ReplaceAll takes at most 1,000 records; use start_import")
        results: list[BatchResult] = []
        for number, chunk in enumerate(chunks(records)):
            answer = self._import_chunk(chunk, {
                "clientRequestId": f"{key}-{number}" if key else None, "mode": mode,
                "interest": list(interests) or None, "dryRun": dry_run or None, "source": source})
            results.append(convert.batch(answer, offset=number * MAX_RECORDS))
        return convert.total(results)

    def _import_chunk(self, records: Sequence[Record], options: Mapping[str, Any]) -> Any:
        # zeep takes 14 times as long as lxml to write a thousand records: it makes the envelope with one
        # empty record, and we put the records in its place.
        members = {name: value for name, value in options.items() if value is not None}
        with translated():
            binding = self._service._binding
            operation = binding.get("ImportSubscribers")
            envelope, headers = binding._create(operation.name, (), {"record": [{}], **members, "_soapheaders":
                                                self._header}, client=self._client,
                                                options=self._service._binding_options)
            placeholder = envelope.find(f".//{_RECORD}")
            parent = placeholder.getparent()
            at = parent.index(placeholder)
            parent[at:at + 1] = [convert.record_element(record) for record in records]
            response = self._client.transport.post_xml(self._service._binding_options["address"], envelope, headers)
            return binding.process_reply(self._client, operation, response)

    def get_subscriber(self, *, email: str | None = None, remote_id: str | None = None,
                       subscriber_id: str | None = None) -> Subscriber:
        """One person; raises :class:`NotFound`, or ``AMBIGUOUS_EMAIL`` when several have the address."""
        return convert.subscriber(self._call("GetSubscriber", identifier=identifier(email, remote_id, subscriber_id)))

    def find_subscribers(self, *, email: str | None = None, remote_id: str | None = None, status: str | None = None,
                         interest: str | None = None, changed_since: dt.datetime | None = None,
                         ) -> Iterator[Subscriber]:
        """All people that match, page by page."""
        return map(convert.subscriber, self._pages("FindSubscribers", email=email, remoteId=remote_id, status=status,
                                                   interest=interest, changedSince=changed_since))

    def unsubscribe(self, emails: Iterable[str], *, reason: str | None = None) -> BatchResult:
        """Opts these addresses out, known or not; no import undoes it."""
        return self._status("Unsubscribe", emails, reason)

    def resubscribe(self, emails: Iterable[str], *, reason: str) -> BatchResult:
        """Clears opt-outs made here, on the ground that ``reason`` states; warnings say what still blocks."""
        return self._status("Resubscribe", emails, reason)

    def _status(self, operation: str, emails: Iterable[str], reason: str | None) -> BatchResult:
        results = []
        for number, chunk in enumerate(chunks(emails)):
            entries = [{"email": email} | ({"reason": reason} if reason is not None else {}) for email in chunk]
            results.append(convert.batch(self._call(operation, entry=entries), offset=number * MAX_RECORDS))
        return convert.total(results)

    # interests

    def create_interest(self, name: str, *, description: str | None = None, public: bool = False) -> Interest:
        """A new interest; raises ``ALREADY_EXISTS`` when the name is taken."""
        return convert.interest(self._call("CreateInterest", name=name, description=description, public=public))

    def find_interests(self, *, name: str | None = None) -> Iterator[Interest]:
        """All interests, or the one of this name."""
        return map(convert.interest, self._pages("FindInterests", name=name))

    # reporting

    def get_report(self, *, instance_id: str | None = None, mailing_id: str | None = None) -> Report:
        """The figures of one instance, or of a mailing as the sum of its instances."""
        return convert.report(self._call("GetMailingReport", instanceId=instance_id, mailingId=mailing_id))

    def find_events(self, *, types: Sequence[str] = (), instance_id: str | None = None,
                    mailing_id: str | None = None, since: dt.datetime | None = None) -> Iterator[Event]:
        """Events in the order in which they were recorded."""
        return map(convert.event, self._pages("FindEvents", type=list(types) or None, instanceId=instance_id,
                                              mailingId=mailing_id, since=since))

    def find_unsubscribes(self, *, since: dt.datetime | None = None, instance_id: str | None = None,
                          ) -> Iterator[Event]:
        """Who unsubscribed, when, where and why."""
        return map(convert.event, self._pages("FindUnsubscribes", since=since, instanceId=instance_id))

    # server

    def get_version(self) -> str:
        """The product's version; needs no right credentials."""
        return str(self._call("GetVersion").product)

    def get_server_time(self) -> dt.datetime:
        """The gateway's clock: the safe first ``since``."""
        moment: dt.datetime = self._call("GetServerTime").now
        return moment
