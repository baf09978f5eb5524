"""What must every bridge to a foreign system be able to do, and how does it say that it could not?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.records import Problem


class Outage(Exception):
    """The foreign system is away: no connection, a timeout, a server error (ID-60).

    It says nothing about the record at hand, which is tried again later. The text is safe to show and to
    log: no address, statement, host credentials.
    """


class Refused(Exception):
    """The foreign system answered and does not take this record or request; the text is safe to show."""


@dataclass(frozen=True, slots=True)
class RemoteMember:
    """One person as the foreign system lists them (ID-65); nothing is normalised yet.

    ``do_not_email``: None when the system does not say, which changes nothing (ID-45). ``interests``: names of
    all interests this system puts the person in; None when it does not say. ``deleted``: the person has ended
    there (ID-32). ``problem``: the row could not be read; it is rejected with that, in its place.
    """

    remote_id: str | None
    email: str | None
    do_not_email: bool | None = None
    interests: tuple[str, ...] | None = None
    deleted: bool = False
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class RemoteGroup:
    """A group, list or saved search of the foreign system. ``size``: how many are in it, if the system says so."""

    group_id: str
    name: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What the foreign system offers beside its members: its groups, and the fields of ours that it can tell."""

    fields: tuple[str, ...] = ()
    groups: tuple[RemoteGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class WritebackItem:
    """One fact to write into the foreign system (ID-53..57).

    ``writeback_id`` is stable and the key by which a system may recognise a repetition (ID-62). ``reason`` has
    at most 250 characters. ``code`` and ``bounce_class`` are given for ``bad_email``, ``interest`` (its name)
    for ``interest_left`` and ``interest_joined``, ``field`` and ``value`` for ``field_changed`` (ID-56); a value that
    was cleared is None. ``sent``, ``opened``, ``clicked`` and ``bounced`` have ``instance_id`` and ``mailing`` (its
    name), ``clicked`` the ``link`` as well, ``bounced`` the ``code`` and ``bounce_class`` (ID-57).
    """

    writeback_id: int
    kind: str
    remote_id: str
    email: str
    occurred_at: dt.datetime
    origin: str | None = None
    reason: str | None = None
    code: str | None = None
    bounce_class: str | None = None
    interest: str | None = None
    field: str | None = None
    value: str | None = None
    instance_id: int | None = None
    mailing: str | None = None
    link: str | None = None


class MemberStream(Iterator[RemoteMember]):
    """Members one by one, in flat memory.

    ``complete`` turns true only when the source was read to its end *and* listed everybody: absence may then be
    inferred (ID-69). ``lists_everybody`` is false for a list of changes, which never says that. ``cursor`` is what
    the next run may ask for changes since, opaque to us (ID-68); it holds only once the stream has ended. Iterating
    raises :class:`Outage` or :class:`Refused`. Close it in any case.
    """

    def __init__(self, members: Iterator[RemoteMember], *, lists_everybody: bool, cursor: str | None = None) -> None:
        self._members = members
        self.lists_everybody = lists_everybody
        self.complete = False
        self.cursor = cursor

    def __next__(self) -> RemoteMember:
        try:
            return next(self._members)
        except StopIteration:
            self.complete = self.lists_everybody
            raise

    def close(self) -> None:
        """Ends the reading and lets go of the foreign system; a stream that was not at its end stays incomplete."""
        close = getattr(self._members, "close", None)
        if close is not None:
            close()

    def settle(self, state: str, message: str) -> None:
        """Called once after a run, with how it ended (ID-72) and why, when what it did is stored; never for a preview.

        For sources that are used up, such as files. A process may die before it: what was read then comes again.
        """


class Bridge(Protocol):
    """One foreign system, opened for a piece of work. Every method may raise :class:`Outage`."""

    writes: frozenset[str]
    """The kinds of writeback that this system takes; ``unsubscribe`` is among them unless a webhook takes it, or the
    system fetches it (ID-53)."""

    fields: frozenset[str]
    """Names of our fields that :meth:`fetch` can tell; known without connecting."""

    written_fields: frozenset[str] | None
    """Names of our fields whose ``field_changed`` the system takes, if it takes that kind; None: any (ID-56)."""

    def changed_since(self, since: str | None) -> MemberStream:
        """Who is there: everybody, or what changed since the cursor. Raises :class:`Refused` for a bad cursor."""

    def members_by_id(self, remote_ids: Sequence[str], timeout_s: float) -> list[RemoteMember]:
        """What the system says now of a few people by their remote IDs, each as :meth:`changed_since` would list it.

        Others may be among them; who is not listed is absent. To answer a person who waits: it gives up after about
        ``timeout_s``. Raises :class:`Refused` when the system cannot be asked for single people.
        """

    def describe(self) -> Description:
        """What the system offers now, for a person who sets up lists and mailings."""

    def fetch(self, remote_ids: Sequence[str], fields: Collection[str], timeout_s: float) -> dict[str, dict[str, str]]:
        """remote ID -> field -> text, as the system has it now, of up to 200 people (ID-76): one call where it can.

        Whom the system does not know, and fields where it has nothing, are absent; ``fields`` are of :attr:`fields`.
        Nothing of it is kept. Gives up after about ``timeout_s``. Raises :class:`Outage`, :class:`Refused`.
        """

    def group_members(self, group_id: str) -> MemberStream:
        """Who is in one of the groups that :meth:`describe` lists, as :meth:`changed_since` would list them.

        Raises :class:`Refused` for a group that is not there (any more).
        """

    def write_back(self, item: WritebackItem) -> None:
        """Sets what the item says; returns when the system has stored it. Doing it twice changes nothing (ID-62).

        Raises :class:`Refused` when the system does not take this record.
        """

    def check(self) -> None:
        """Returns when the system answers."""

    def close(self) -> None:
        """Lets go of connections; the bridge is not used any more."""


class WatchedBridge(Bridge, Protocol):
    """One whose system puts things down at times of its own, for which somebody has to look."""

    def has_news(self) -> bool:
        """Whether a run would find anything. Raises :class:`Outage`."""
