"""Tokens: what we minted is read back, everything else is None (SEND-44, SEND-45, SOAP-69)."""

import base64
import datetime as dt
import hmac
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import tokens
from gateway.domain.tokens import Keys, Kind, Token

KEYS = Keys.from_secret(b"k" * 32)
OTHER = Keys.from_secret(b"x" * 32)
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=7)

numbers = st.integers(0, tokens.MAX_NUMBER)
HITS = (Kind.INSTANCE_OPEN, Kind.INSTANCE_CLICK)
hit_tokens = st.builds(Token, st.sampled_from(HITS), numbers, numbers, st.integers(0, 65_535), numbers)
any_token = st.builds(Token, st.sampled_from([kind for kind in Kind if kind not in HITS]), numbers, numbers, numbers,
                      st.just(0))
payloads = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20),
                        lambda inner: (st.lists(inner, max_size=4)
                                       | st.dictionaries(st.text(max_size=9), inner, max_size=4)),
                        max_leaves=8)
FORMS = [(tokens.mint, tokens.read), (tokens.mint_address, tokens.read_address)]
both_forms = pytest.mark.parametrize(("mint", "read"), FORMS, ids=["link", "address"])


def changed(text, data):
    """``text`` with one character replaced, inserted or removed."""
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567ABCXYZ0189-_=. \x00\u00e9"))
    return data.draw(st.sampled_from([text[:at] + new + text[at + 1:], text[:at] + new + text[at:],
                                      text[:at] + text[at + 1:], text + new]))


@both_forms
@given(token=any_token)
def test_a_token_is_read_back(mint, read, token):
    """SEND-45."""
    assert read(KEYS, mint(KEYS, token)) == token


@both_forms
@given(token=any_token, data=st.data())
def test_any_changed_byte_is_refused(mint, read, token, data):
    """SEND-45; an address may change its letter case, for mail systems fold it."""
    text = mint(KEYS, token)
    other = changed(text, data)
    same = other.lower() == text if read is tokens.read_address else other == text
    assert read(KEYS, other) == (token if same else None)


@both_forms
@given(token=any_token)
def test_another_key_is_refused(mint, read, token):
    """SEND-45."""
    assert read(OTHER, mint(KEYS, token)) is None


@both_forms
@given(text=st.text() | st.text("abcdefABCDEF234567-_=", max_size=60) | st.just("A" * 100_000))
def test_arbitrary_text_never_raises(mint, read, text):
    """SEND-45: a wrong one is None."""
    assert read(KEYS, text) is None
    assert tokens.read_local_part(KEYS, text) is None
    assert tokens.unseal(KEYS, "page", text, NOW) is None


@given(token=any_token)
def test_the_two_forms_do_not_stand_in_for_each_other(token):
    """The 80-bit form must not weaken the 128-bit form."""
    assert tokens.read(KEYS, tokens.mint_address(KEYS, token)) is None
    assert tokens.read_address(KEYS, tokens.mint(KEYS, token)) is None


@given(text=st.text())
def test_random_bytes_with_a_sound_head_are_refused(text):
    """A guessed checksum does not pass."""
    head = tokens.mint(KEYS, Token(Kind.OPEN, 1, 2))[:-22]
    guess = "".join(random.Random(text).choices("abcdefghijklmnopqrstuvwxyzABCDEFG0123456789-_", k=22))
    assert tokens.read(KEYS, head + guess) is None


def test_old_keys_verify_and_the_newest_signs():
    """SEND-45: unsubscribe links of years ago still work after a new key."""
    token = Token(Kind.UNSUBSCRIBE, 9999, 123)
    old = tokens.mint(KEYS, token)
    both = Keys.from_secret(b"n" * 32, older=[b"k" * 32])
    assert tokens.read(both, old) == token
    new = tokens.mint(both, token)
    assert new != old and tokens.read(both, new) == token and tokens.read(KEYS, new) is None
    assert tokens.mint(both.pinned(1), token) == old


@given(brand_id=numbers, delivery_id=numbers, instance_id=numbers, count=st.integers(0, 300))
def test_click_tokens_in_bulk_are_the_same_tokens(brand_id, delivery_id, instance_id, count):
    """SEND-45: the link index is part of the token."""
    one_by_one = [tokens.mint(KEYS, Token(Kind.INSTANCE_CLICK, brand_id, delivery_id, n, instance_id))
                  for n in range(count)]
    assert tokens.mint_message(KEYS, brand_id, delivery_id, instance_id, count).clicks == one_by_one


@given(brand_id=numbers, delivery_id=numbers, instance_id=numbers, count=st.integers(0, 9))
def test_the_tokens_of_a_message_are_the_same_tokens(brand_id, delivery_id, instance_id, count):
    """SEND-44, SEND-45: what a message carries is what is minted one by one, with the key that signs."""
    keys = Keys.from_secret(b"n" * 32, older=[b"k" * 32])
    leave = Token(Kind.UNSUBSCRIBE, brand_id, delivery_id)
    assert tokens.mint_message(keys, brand_id, delivery_id, instance_id, count) == tokens.MessageTokens(
        unsubscribe=tokens.mint(keys, leave),
        opened=tokens.mint(keys, Token(Kind.INSTANCE_OPEN, brand_id, delivery_id, 0, instance_id)),
        clicks=[tokens.mint(keys, Token(Kind.INSTANCE_CLICK, brand_id, delivery_id, n, instance_id))
                for n in range(count)],
        return_path=tokens.mint_address(keys, Token(Kind.BOUNCE, brand_id, delivery_id)),
        message_id=tokens.mint_address(keys, Token(Kind.MESSAGE, brand_id, delivery_id, instance_id)),
        unsubscribe_address=tokens.mint_address(keys, leave))


@given(token=hit_tokens, data=st.data())
def test_tokens_of_hits_carry_their_instance(token, data):
    """SEND-45, SEND-46: read back as a whole, short and URL-safe; any changed byte, another key or form: None."""
    text = tokens.mint(KEYS, token)
    assert tokens.read(KEYS, text) == token
    assert len(text) < 70 and set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    other = changed(text, data)
    assert tokens.read(KEYS, other) == (token if other == text else None)
    assert tokens.read(OTHER, text) is None and tokens.read_address(KEYS, text) is None
    if token.kind is Kind.INSTANCE_OPEN and not token.link:
        assert tokens.mint_message(KEYS, token.brand_id, token.delivery_id, token.instance_id, 0).opened == text


@given(token=hit_tokens)
def test_the_checksums_of_two_links_are_the_halves_of_one_hmac(token):
    """SEND-45: HMAC-SHA256 cut to 128 bits; two neighbours get half of it each."""
    data = base64.urlsafe_b64decode(tokens.mint(KEYS, token))
    head, link, mac = data[:-18], data[-18:-16], data[-16:]
    assert int.from_bytes(link, "big") == token.link
    whole = hmac.digest(tokens.derive(b"k" * 32, "hit"), head + bytes((link[0], link[1] & 254)), "sha256")
    assert mac == (whole[16:] if token.link % 2 else whole[:16])


def test_a_hit_has_no_address_and_a_link_has_its_bounds():
    """A token never says something else than was asked for."""
    with pytest.raises(ValueError, match="no address"):
        tokens.mint_address(KEYS, Token(Kind.INSTANCE_OPEN, 1, 1, 0, 1))
    assert len(set(tokens.mint_message(KEYS, 1, 1, 1, 65_536).clicks)) == 65_536
    with pytest.raises(ValueError, match="65,536"):
        tokens.mint_message(KEYS, 1, 1, 1, 65_537)


@given(token=any_token)
def test_the_checksum_is_hmac_sha256_cut_to_its_length(token):
    """SEND-45: 128 bits in links, 80 in addresses, by the standard library's own HMAC."""
    for text, purpose, size, decode in ((tokens.mint(KEYS, token), "link", 16, base64.urlsafe_b64decode),
                                        (tokens.mint_address(KEYS, token).upper(), "address", 10, base64.b32decode)):
        data = decode(text + "=" * (-len(text) % 8 if size == 10 else -len(text) % 4))
        key = tokens.derive(b"k" * 32, purpose)
        assert data[-size:] == hmac.digest(key, data[:-size], "sha256")[:size]


@given(brand_id=numbers, delivery_id=numbers)
def test_the_return_path_fits_a_local_part_and_survives_case_folding(brand_id, delivery_id):
    """SEND-44."""
    local = "b-" + tokens.mint_message(KEYS, brand_id, delivery_id, 1, 0).return_path
    assert len(local) <= 64 and local == local.lower()
    for form in (local, local.upper()):
        assert tokens.read_local_part(KEYS, form) == Token(Kind.BOUNCE, brand_id, delivery_id)
    assert tokens.read_local_part(KEYS, "u" + local[1:]) is None


@given(token=any_token)
def test_link_tokens_are_short_and_url_safe(token):
    """SEND-45."""
    text = tokens.mint(KEYS, token)
    assert len(text) < 70 and set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_each_kind_has_its_address():
    """operator.md, Addresses."""
    assert [tokens.path(Token(kind, 1, 1), "x") for kind in list(Kind)[:4]] == ["/t/x", "/t/x", "/u/x", "/v/x"]


def test_negative_and_huge_ids_are_refused():
    """A token never says something else than was asked for."""
    for bad in (-1, tokens.MAX_NUMBER + 1):
        with pytest.raises(ValueError, match="not negative"):
            tokens.mint(KEYS, Token(Kind.OPEN, 1, bad))


def test_keys_do_not_show_their_secrets_and_are_checked():
    """No secret in a log."""
    assert "kkk" not in repr(KEYS)
    for secrets, signing in (({}, 1), ({1: b""}, 1), ({1: b"k"}, 2), ({128: b"k"}, 128)):
        with pytest.raises(ValueError, match="numbered"):
            Keys(secrets, signing)


@given(payload=payloads)
def test_a_sealed_payload_comes_back(payload):
    """SOAP-69."""
    text = tokens.seal(KEYS, "FindEvents", payload, LATER)
    assert tokens.unseal(KEYS, "FindEvents", text, NOW) == payload
    assert tokens.unseal(KEYS, "FindMailings", text, NOW) is None
    assert tokens.unseal(OTHER, "FindEvents", text, NOW) is None
    assert tokens.unseal(KEYS, "FindEvents", text, LATER) is None


@given(payload=payloads.filter(lambda p: p is not None), data=st.data())
def test_a_changed_or_cut_page_token_is_refused(payload, data):
    """SOAP-69: a changed byte is INVALID_TOKEN at the door, None here."""
    text = tokens.seal(KEYS, "p", payload, LATER)
    other = changed(text, data)
    assert tokens.unseal(KEYS, "p", other, NOW) == (payload if other == text else None)
    assert tokens.unseal(KEYS, "p", text[:data.draw(st.integers(0, len(text) - 1))], NOW) is None


def test_sealing_refuses_what_it_cannot_keep():
    """A naive time, a payload that is not JSON, one that no URL could carry."""
    with pytest.raises(ValueError, match="naive"):
        tokens.seal(KEYS, "p", 1, dt.datetime(2026, 1, 1))
    with pytest.raises(TypeError):
        tokens.seal(KEYS, "p", object(), LATER)
    with pytest.raises(ValueError, match="too long"):
        tokens.seal(KEYS, "p", "x" * 7000, LATER)
