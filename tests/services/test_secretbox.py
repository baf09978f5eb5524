import pytest

from gateway.errors import GatewayError
from gateway.services.secretbox import decrypt, encrypt

KEY = b"k" * 64


def test_what_was_sealed_opens_again_and_looks_different_each_time():
    first, second = encrypt(KEY, "integration", "pässword"), encrypt(KEY, "integration", "pässword")
    assert decrypt(KEY, "integration", first) == decrypt(KEY, "integration", second) == "pässword"
    assert first != second and "pässword" not in first


@pytest.mark.parametrize(("key", "purpose", "damage"), [
    (b"x" * 64, "integration", ""), (KEY, "user-secret", ""), (KEY, "integration", "x")])
def test_another_key_or_purpose_or_a_damaged_box_is_an_error_that_says_what_to_do(key, purpose, damage):
    sealed = encrypt(KEY, "integration", "secret")
    with pytest.raises(GatewayError, match="GATEWAY_SECRET_KEY") as caught:
        decrypt(key, purpose, damage + sealed)
    assert caught.value.code == "INTERNAL_ERROR"
