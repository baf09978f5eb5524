"""How do we read members from a REST interface and write facts back through it?"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

from gateway.bridges.changes import answered_at, asked_since, cursor, moment
from gateway.bridges.http.calls import filled_body, filled_path, values
from gateway.bridges.http.client import Client, NotThere, parsed
from gateway.bridges.http.config import HttpConfig, read_config
from gateway.bridges.http.fetching import fetch
from gateway.bridges.http.grouping import read_groups
from gateway.bridges.http.listing import items, pages, with_parameter
from gateway.bridges.http.places import Json, at, member
from gateway.bridges.http.wire import Answer
from gateway.bridges.port import Description, MemberStream, Outage, Refused, RemoteMember, WritebackItem
from gateway.clock import system_clock
from gateway.domain.fields import fold
from gateway.domain.writeback import FIELD_CHANGED

_Pages = Iterator[tuple[Answer, list[Json]]]


class HttpBridge:
    """A system with a REST interface that speaks JSON. Nothing is connected before the first call."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._client = Client(config)
        self._changes = {fold(name): call for name, call in config.changes.items()}
        self.writes = frozenset(config.writeback) | ({FIELD_CHANGED} if config.changes else frozenset())
        self.fields = frozenset() if config.values is None else frozenset(config.values.fields)

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> HttpBridge:
        """A bridge from a configuration; raises ``INVALID_VALUE`` naming the key at fault and the remedy."""
        return cls(read_config(config))

    def changed_since(self, since: str | None) -> MemberStream:
        """Everybody, or what changed since the cursor, ten minutes overlapping; one page in memory (ID-68).

        A cursor is refused where it is not ours, where the system does not take it any more, and some days after
        everybody was last read: changes do not show who was deleted.
        """
        rule = self._config.since
        if since is None:
            return self._stream(self._pages(self._client.url(self._config.path)), None)
        if rule is None:
            raise Refused("This system is not asked for changes; read everybody.")
        asked_from, everybody_at = asked_since(since, rule.full_every_days)
        since_when = moment(asked_from, as_unix=rule.as_unix)
        url = with_parameter(self._client.url(self._config.path), rule.parameter, since_when)
        changes = self._pages(url)
        first = next(changes)  # what the system has to say against the cursor it says here
        return self._stream(chain([first], changes), everybody_at)

    def members_by_id(self, remote_ids: Sequence[str], timeout_s: float) -> list[RemoteMember]:
        """The members with these remote IDs, all requests together within ``timeout_s``."""
        lookup, deadline = self._config.lookup, time.monotonic() + timeout_s
        if lookup is None:
            raise Refused("The bridge's configuration has no members_by_id.")
        found: list[Json] = []
        if lookup.parameter is not None:
            url = with_parameter(self._client.url(lookup.path), lookup.parameter, lookup.separator.join(remote_ids))
            found = items(self._look(url, deadline), lookup.items)
        else:
            for remote_id in remote_ids:
                url = self._client.url(filled_path(lookup.path, {"remote_id": remote_id}))
                try:
                    one = at(self._look(url, deadline), lookup.items)
                except NotThere:
                    continue
                found += one if isinstance(one, list) else [] if one is None else [one]
        members = [member(each, self._config.fields) for each in found]
        return [each for each in members if (each.remote_id or "").strip() in remote_ids]

    @property
    def gives_changes(self) -> bool:
        """Whether the system can be asked for what changed since a run."""
        return self._config.since is not None

    @property
    def written_fields(self) -> frozenset[str] | None:
        """The fields whose changes the system takes; None: those of any field, if it takes ``field_changed`` at all."""
        return frozenset(self._config.changes) if self._config.changes else None

    def describe(self) -> Description:
        """The fields of the configuration, and the groups that the system lists now; asks only if there can be any."""
        groups = self._config.groups
        return Description(tuple(sorted(self.fields)),
                           () if groups is None else read_groups(self._client, groups.listed))

    def fetch(self, remote_ids: Sequence[str], fields: Collection[str], timeout_s: float) -> dict[str, dict[str, str]]:
        """Values of fields, all requests together within ``timeout_s``; a busy system is not waited for.

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
        groups = self._config.groups
        if groups is None:
            raise Refused("The bridge's configuration has no groups.")
        members = groups.members
        found = pages(self._client, self._client.url(filled_path(members.path, {"group_id": group_id})), members.items,
                      members.paging)
        first = next(found)
        if not first[1] and group_id not in {each.group_id for each in read_groups(self._client, groups.listed)}:
            raise Refused("The system lists no such group (any more).")
        return MemberStream((member(each, members.fields) for _, listed in chain([first], found) for each in listed),
                            lists_everybody=True)

    def write_back(self, item: WritebackItem) -> None:
        """Sends the call of the item's kind; returns when the system says that it is done.

        Raises :class:`Refused` when the system does not know the person or does not take the request.
        """
        call = self._config.writeback.get(item.kind)
        if item.kind == FIELD_CHANGED and self._changes:
            call = self._changes.get(fold(item.field or ""))
        if call is None:
            what = f"{item.kind} of this field" if item.kind == FIELD_CHANGED else item.kind
            raise Refused(f"The bridge has no call for {what}.")
        known = values(item)
        self._client.send(call.method, self._client.url(filled_path(call.path, known)), filled_body(call.body, known),
                          f"gateway-{item.writeback_id}")

    def check(self) -> None:
        """Returns when the system answers, whatever it says, unless it is that it is away or does not know us."""
        self._client.status(self._client.url(self._config.probe or self._config.path))

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _pages(self, url: str) -> _Pages:
        return pages(self._client, url, self._config.items, self._config.paging)

    def _stream(self, found: _Pages, everybody_at: dt.datetime | None) -> MemberStream:
        """The members of the pages; the cursor is the moment of the first one, by the slower of both clocks."""
        def read() -> Iterator[RemoteMember]:
            asked_at: dt.datetime | None = None
            for answer, listed in found:
                asked_at = asked_at or min(answered_at(answer.headers.get("date", "")), began)
                yield from (member(each, self._config.fields) for each in listed)
            if self._config.since is not None and asked_at is not None:
                stream.cursor = cursor(asked_at, everybody_at or asked_at)

        began = system_clock()
        stream = MemberStream(read(), lists_everybody=everybody_at is None)
        return stream

    def _look(self, url: str, deadline: float) -> Json:
        return parsed(self._client.get(url, self._left(deadline)))

    def _left(self, deadline: float) -> float:
        left = min(deadline - time.monotonic(), self._config.timeout_s)
        if left <= 0:
            raise Outage("The system did not answer in time.")
        return left
