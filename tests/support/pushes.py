"""Which records do property tests push? Few names, so that they meet, in all the mess of real exports."""

from __future__ import annotations

from hypothesis import strategies as st

from gateway.domain.records import SubscriberRecord

ADDRESSES = ("ann@example.org", "bo@example.org", "cy@example.org", "dee@example.org")
_SPELLINGS = (*ADDRESSES, "ANN@example.org", " bo@Example.org ", "", "not an address")
REMOTE_IDS = ("1", "2", "3", "4")


def records() -> st.SearchStrategy[SubscriberRecord]:
    """One record, sometimes without identifiers, sometimes with one that is wrong."""
    return st.builds(
        SubscriberRecord,
        remote_id=st.sampled_from((None, *REMOTE_IDS, " 1 ")),
        email=st.sampled_from((None, *_SPELLINGS)),
        values=st.dictionaries(st.sampled_from(("FirstName", "last name", "Birthday", "Nonsense")),
                               st.sampled_from((None, "", "A", "B", "1980-02-03")), max_size=3),
        add_interests=st.lists(st.sampled_from(("News", "Events")), max_size=2).map(tuple),
        remove_interests=st.lists(st.sampled_from(("News", "Events", "Unheard of")), max_size=1).map(tuple),
        do_not_email=st.sampled_from((None, None, None, True, False)))


def plain_records() -> st.SearchStrategy[SubscriberRecord]:
    """A record that names somebody rightly and brings few values."""
    return st.builds(
        SubscriberRecord,
        remote_id=st.sampled_from((None, *REMOTE_IDS)), email=st.sampled_from((*ADDRESSES, ADDRESSES[0].upper())),
        values=st.dictionaries(st.just("FirstName"), st.sampled_from(("A", "B")), max_size=1))
