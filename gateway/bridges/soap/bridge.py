"""How do we read members from a SOAP service and write facts back through it?"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

from gateway.bridges.changes import answered_at, asked_since, cursor, moment
from gateway.bridges.http import calls
from gateway.bridges.port import Description, MemberStream, Outage, Refused, RemoteMember, WritebackItem
from gateway.bridges.soap.calls import Listing, SoapCall
from gateway.bridges.soap.client import Client
from gateway.bridges.soap.config import SoapConfig, read_config
from gateway.bridges.soap.contract import Misfit
from gateway.bridges.soap.listing import Pages, pages
from gateway.bridges.soap.offers import fetch, read_groups
from gateway.bridges.soap.people import asked_for, reader
from gateway.clock import system_clock
from gateway.domain.fields import fold
from gateway.domain.writeback import FIELD_CHANGED


class SoapBridge:
    """A system with a SOAP service of its own. Nothing is connected before the first call."""

    def __init__(self, config: SoapConfig) -> None:
        self._config = config
        self._client = Client(config)
        self._changes = {fold(name): call for name, call in config.changes.items()}
        self.writes = frozenset(config.writeback) | ({FIELD_CHANGED} if config.changes else frozenset())
        self.gives_changes = config.since is not None
        self.fields = frozenset() if config.values is None else frozenset(config.values.fields)

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> SoapBridge:
        """A bridge from a configuration; raises ``INVALID_VALUE`` naming the key at fault and the remedy."""
        return cls(read_config(config))

    @property
    def written_fields(self) -> frozenset[str] | None:
        """The fields whose changes the system takes; None: those of any field, if it takes ``field_changed`` at all."""
        return frozenset(self._config.changes) if self._config.changes else None

    def changed_since(self, since: str | None) -> MemberStream:
        """Everybody, or what changed since the cursor, ten minutes overlapping; one page in memory (ID-68).

        A cursor is refused where it is not ours, where the system does not take it any more, and some days after
        everybody was last read: changes do not show who was deleted.
        """
        rule, members = self._config.since, self._config.members
        if since is None:
            return self._stream(pages(self._client, members, members.call, {"since": None}), members.call, None)
        if rule is None:
            raise Refused("This system is not asked for changes; read everybody.")
        asked_from, everybody_at = asked_since(since, rule.full_every_days)
        changes = pages(self._client, members, rule.call, {"since": moment(asked_from, as_unix=rule.as_unix)})
        first = next(changes)  # what the system has to say against the cursor it says here
        return self._stream(chain([first], changes), rule.call, everybody_at)

    def members_by_id(self, remote_ids: Sequence[str], timeout_s: float) -> list[RemoteMember]:
        """The members with these remote IDs, all calls together within ``timeout_s``."""
        lookup, deadline = self._config.lookup, time.monotonic() + timeout_s
        if lookup is None:
            raise Refused("The bridge's configuration has no members_by_id.")
        found = [node for _, node in asked_for(self._client, lookup, remote_ids, lambda: self._left(deadline))]
        read = reader(self._client, lookup, self._config.members.fields) if found else None
        members = [read(node) for node in found if read is not None]
        return [each for each in members if (each.remote_id or "").strip() in remote_ids]

    def describe(self) -> Description:
        """The fields of the configuration, and the groups that the system lists now; asks only if there can be any."""
        groups = self._config.groups
        return Description(tuple(sorted(self.fields)), () if groups is None else read_groups(self._client, groups))

    def fetch(self, remote_ids: Sequence[str], fields: Collection[str], timeout_s: float) -> dict[str, dict[str, str]]:
        """Values of fields, all calls together within ``timeout_s``; a busy system is not waited for.

        Raises :class:`Outage` when not everybody was answered for.
        """
        asked, deadline = self._config.values, time.monotonic() + timeout_s
        if asked is None:
            raise Refused("The bridge's configuration has no values.")
        wanted = {name: where for name, where in asked.fields.items() if name in fields}
        return fetch(self._client, asked, remote_ids, wanted, lambda: self._left(deadline))

    def group_members(self, group_id: str) -> MemberStream:
        """The members of a group, one page in memory; its first page is asked for at once.

        Where it is empty, the list of groups must have the group: else somebody has deleted it, which empties nothing.
        """
        groups, members = self._config.groups, self._config.group_members
        if groups is None or members is None:
            raise Refused("The bridge's configuration has no groups.")
        found = pages(self._client, members, members.call, {"group_id": group_id})
        first = next(found)
        if not first[1] and group_id not in {each.group_id for each in read_groups(self._client, groups)}:
            raise Refused("The system lists no such group (any more).")
        return MemberStream(self._members(chain([first], found), members, members.call), lists_everybody=True)

    def write_back(self, item: WritebackItem) -> None:
        """Calls the operation of the item's kind; returns when the system says that it is done (ID-62).

        Raises :class:`Refused` when the system does not know the person or does not take the request.
        """
        call = self._config.writeback.get(item.kind)
        if item.kind == FIELD_CHANGED and self._changes:
            call = self._changes.get(fold(item.field or ""))
        if call is None:
            what = f"{item.kind} of this field" if item.kind == FIELD_CHANGED else item.kind
            raise Refused(f"The bridge has no call for {what}.")
        self._client.call(call, calls.values(item), key=f"gateway-{item.writeback_id}")

    def check(self) -> None:
        """Returns when the system answers, whatever it says, unless it is that it is away or does not know us.

        Raises :class:`Refused` as well, where the configuration does not fit the WSDL.
        """
        members, probe = self._config.members, self._config.probe
        first = 0 if members.paging is None else members.paging.first
        self._client.contract()
        try:
            self._client.call(probe or members.call,
                              {"since": None, "page": first, "offset": 0, "cursor": None, "size": 1})
        except Misfit:
            raise
        except Refused:
            return  # it answers

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _stream(self, found: Pages, call: SoapCall, everybody_at: dt.datetime | None) -> MemberStream:
        """The members of the pages; the cursor is the moment of the first one, by the slower of both clocks."""
        def read() -> Iterator[RemoteMember]:
            asked_at: dt.datetime | None = None
            person = None
            for reply, nodes in found:
                asked_at = asked_at or min(answered_at(reply.date), began)
                person = person or reader(self._client, call, self._config.members.fields)
                yield from map(person, nodes)
            if self._config.since is not None and asked_at is not None:
                stream.cursor = cursor(asked_at, everybody_at or asked_at)

        began = system_clock()
        stream = MemberStream(read(), lists_everybody=everybody_at is None)
        return stream

    def _members(self, found: Pages, listing: Listing, call: SoapCall) -> Iterator[RemoteMember]:
        person = None
        for _, nodes in found:
            person = person or reader(self._client, call, listing.fields)
            yield from map(person, nodes)

    def _left(self, deadline: float) -> float:
        left = min(deadline - time.monotonic(), self._config.timeout_s)
        if left <= 0:
            raise Outage("The system did not answer in time.")
        return left
