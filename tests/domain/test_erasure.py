"""Do the hashes of the erased tell people, brands and systems apart, and say nothing without the key?"""

from __future__ import annotations

from gateway.domain.erasure import address_hash, remote_hash

KEY = b"k" * 32


def test_the_same_person_has_the_same_hash_for_ever():
    """ID-35: a hash made years ago still finds who was erased; these values may never change."""
    assert address_hash(KEY, 9999, "ann@example.org") == (
        "240af413a6a3d9de06a3e7232332d4c16f3ef185acd7309f695640fea06d7207")
    assert remote_hash(KEY, 9999, 3, "17") == (
        "c748719a734f494acbe522efe762fa295534c04eaeaa6b8c2f236a97ed085405")


def test_brand_system_kind_and_key_all_count():
    """ID-P15, ID-6: another brand, integration, spelling or key gives another hash."""
    hashes = [address_hash(KEY, 1, "a@example.org"), address_hash(KEY, 2, "a@example.org"),
              address_hash(b"x" * 32, 1, "a@example.org"), remote_hash(KEY, 1, 1, "a@example.org"),
              remote_hash(KEY, 1, 1, "17"), remote_hash(KEY, 1, 11, "7"), remote_hash(KEY, 1, 2, "17"),
              remote_hash(KEY, 2, 1, "17"), remote_hash(KEY, 1, 1, "017")]
    assert len(set(hashes)) == len(hashes)
    assert all(len(each) == 64 and "example" not in each for each in hashes)
