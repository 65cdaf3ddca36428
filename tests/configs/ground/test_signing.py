"""Signed tokens: for one scope, for a time, by our key."""

from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.ground.encryption import (
    DecryptionFailed,
    decrypt,
    encrypt,
    lookup_hash,
    lookup_hashes,
    renew_encryption,
)
from configs.ground.signing import LinkRefused, sign, unsign
from configs.settings import SettingMissing
from tests.fuzz import times
from tests.in_turn import in_turn

ALERT = {"alert": "0190a3c2-1111-7222-8333-444455556666"}


def _reason(scope: str, token: str, age: float = 60) -> str:
    with pytest.raises(LinkRefused) as caught:
        unsign(scope, token, age)
    assert caught.value.reason in str(caught.value)
    return caught.value.reason


@pytest.mark.fuzz
@hypothesis.settings(max_examples=times(30))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_was_signed_comes_back(payload: Any) -> None:
    assert unsign("stop", sign("stop", payload), 60) == payload


def test_a_token_of_the_previous_key_is_good_and_the_new_key_signs(settings_env: Callable[..., None]) -> None:
    old, new = "the-old-key-the-old-key-the-old-key-1", "the-new-key-the-new-key-the-new-key-2"
    settings_env(JWT_SECRET=old)
    token = sign("stop", ALERT)
    settings_env(JWT_SECRET=new, JWT_SECRET_PREVIOUS=old)
    assert unsign("stop", token, 60) == ALERT
    following = sign("stop", ALERT)
    settings_env(JWT_SECRET=old, JWT_SECRET_PREVIOUS="")
    assert _reason("stop", following) == "forged"
    settings_env(JWT_SECRET=new)
    assert unsign("stop", following, 60) == ALERT
    assert _reason("stop", token) == "forged"


@in_turn("token", ["", ".", "..", "a.b.c", "é", "\ud800", "\0", "a" * 10_000])
def test_what_is_no_token_is_forged(token: str) -> None:
    assert _reason("stop", token) == "forged"


@given(st.data())
def test_a_token_that_was_touched_is_forged(data: st.DataObject) -> None:
    token = sign("stop", ALERT)
    at = data.draw(st.integers(0, len(token) - 2))  # the last sign has two bits that base64 ignores
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != token[at]))
    assert _reason("stop", token[:at] + other + token[at + 1 :]) == "forged"


def test_without_a_key_the_variable_is_named(bare: Callable[..., None]) -> None:
    with pytest.raises(SettingMissing, match="JWT_SECRET"):
        sign("stop", ALERT)


Put = Callable[..., None]
OLD = "old-key-old-key-old-key-old-key-old-key"
NEW = "new-key-new-key-new-key-new-key-new-key"
PHONE = "+33612345678"


def test_the_first_key_encrypts_and_renews_and_all_decrypt(settings_env: Put) -> None:
    settings_env(DATA_KEYS=OLD)
    before = encrypt(PHONE)
    settings_env(DATA_KEYS=f"{NEW}, {OLD}")
    after, renewed = encrypt(PHONE), renew_encryption(before)
    assert {decrypt(each) for each in (before, after, renewed)} == {PHONE}
    assert renew_encryption(renewed) == renewed
    settings_env(DATA_KEYS=NEW)
    assert decrypt(after) == decrypt(renewed) == PHONE
    for refuse in (decrypt, renew_encryption):
        with pytest.raises(DecryptionFailed):
            refuse(before)


@in_turn("text", ["", "x", PHONE, "gAAAAA", "é", "\0"])
def test_what_nobody_encrypted_is_refused(text: str) -> None:
    with pytest.raises(DecryptionFailed):
        decrypt(text)


def test_a_look_up_tries_all_keys_and_the_first_is_written(settings_env: Put) -> None:
    settings_env(LOOKUP_KEY=OLD)
    before = lookup_hash(PHONE)
    settings_env(LOOKUP_KEY=f"{NEW},{OLD}")
    assert lookup_hashes(PHONE) == [lookup_hash(PHONE), before]
    assert lookup_hash(PHONE) != before
    assert lookup_hash("sms:1") != lookup_hash("telegram:1")
    assert len(before) == 32


def test_the_keys_of_both_purposes_differ(settings_env: Put) -> None:
    settings_env(DATA_KEYS=OLD, LOOKUP_KEY=OLD)
    first = lookup_hash(PHONE)
    settings_env(DATA_KEYS=NEW)
    assert lookup_hash(PHONE) == first
