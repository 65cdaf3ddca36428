"""Encryption at rest and lookup hashes: the first key writes, all read; a lost key says so."""

from collections.abc import Callable

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

Put = Callable[..., None]
OLD = "old-key-old-key-old-key-old-key-old-key"
NEW = "new-key-new-key-new-key-new-key-new-key"
PHONE = "+33612345678"


@given(st.text())
def test_what_was_encrypted_comes_back(text: str) -> None:
    assert decrypt(encrypt(text)) == text


def test_the_first_key_encrypts_and_all_decrypt(settings_env: Put) -> None:
    settings_env(DATA_KEYS=OLD)
    before = encrypt(PHONE)
    settings_env(DATA_KEYS=f"{NEW}, {OLD}")
    after = encrypt(PHONE)
    assert decrypt(before) == decrypt(after) == PHONE
    settings_env(DATA_KEYS=NEW)
    assert decrypt(after) == PHONE
    with pytest.raises(DecryptionFailed):
        decrypt(before)


def test_renewal_writes_under_the_first_key_and_leaves_what_has_it(settings_env: Put) -> None:
    settings_env(DATA_KEYS=OLD)
    before = encrypt(PHONE)
    settings_env(DATA_KEYS=f"{NEW},{OLD}")
    renewed = renew_encryption(before)
    assert renew_encryption(renewed) == renewed
    settings_env(DATA_KEYS=NEW)
    assert decrypt(renewed) == PHONE
    with pytest.raises(DecryptionFailed):
        renew_encryption(before)


@pytest.mark.parametrize("text", ["", "x", PHONE, "gAAAAA", "é", "\0"])
def test_what_nobody_encrypted_is_refused(text: str) -> None:
    with pytest.raises(DecryptionFailed):
        decrypt(text)


def test_a_text_that_was_touched_is_refused() -> None:
    token = encrypt(PHONE)
    with pytest.raises(DecryptionFailed):
        decrypt(token[:20] + ("A" if token[20] != "A" else "B") + token[21:])


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
