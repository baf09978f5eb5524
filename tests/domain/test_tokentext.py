"""Tokens as text: what the standard says, and back."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.tokentext import from_base32, from_base64, to_base32, to_base64


@given(data=st.binary(max_size=40))
def test_base32_is_that_of_the_standard(data):
    """SEND-44: RFC 4648 in lower case without padding, of any length that a token has; read in any case."""
    text = to_base32(data)
    assert text == base64.b32encode(data).decode().rstrip("=").lower()
    assert from_base32(text.upper()) == data == from_base32(text)


@given(data=st.binary(max_size=200))
def test_base64_is_that_of_addresses(data):
    """SEND-45: RFC 4648, 5, without padding."""
    text = to_base64(data)
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert from_base64(text) == data
