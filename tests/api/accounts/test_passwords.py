import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.accounts.passwords import hash_password, verify_password
from tests.fuzz import times


@pytest.mark.parametrize(
    "password", ["x" * 73, "x" * 1000, "pässwörd", "\u2126 ohm", " spaces ", "half \ud83d"]
)
def test_every_password_fits_its_own_hash(password: str) -> None:
    assert verify_password(password, hash_password(password))


def test_long_passwords_count_whole() -> None:
    assert not verify_password("x" * 72 + "a", hash_password("x" * 72 + "b"))


def test_the_same_letters_typed_on_another_system_fit() -> None:
    assert verify_password("cafe\u0301", hash_password("caf\u00e9"))


def test_no_hash_fits_nothing() -> None:
    assert not verify_password("anything", None)


def test_two_hashes_of_one_password_differ_and_cost_what_the_setting_says(
    settings_env: Callable[..., None],
) -> None:
    settings_env(BCRYPT_COST="5")
    first, second = hash_password("x"), hash_password("x")
    assert first != second
    assert first.startswith("$2b$05$")


@settings(max_examples=times(4))
@given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(st.characters(codec="utf-8"), max_size=40))
def test_another_password_does_not_fit(one: str, other: str) -> None:
    same = unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other)
    assert verify_password(one, hash_password(other)) is same
