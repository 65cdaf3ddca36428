import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zxcvbn_rs_py import zxcvbn

from api.accounts import passwords
from api.accounts.passwords import JUDGED, LONGEST, explain_weakness, hash_password, verify_password
from tests.fuzz import times
from tests.in_turn import in_turn

EMAIL = "camille.durand@example.org"


@in_turn(
    "password",
    ["correct horse battery", "jaimelesfraises mauves", "Zx9-kq2L!vv03", "une phrase de passe", "pässwörd pässwörd"],
)  # fmt: skip
def test_a_password_that_takes_many_guesses_is_taken(password: str) -> None:
    assert explain_weakness(password, EMAIL) is None


@in_turn(
    "password",
    [
        "aaaaaaaaaaaaaaa", "motdepasse1234", "azertyuiop12", "password1234", EMAIL, "camille.durand", EMAIL + "1",
        "rdvpriority2026", "prefecture-rdv", "titredesejour", "RDVPriority-12",
        "".join(chr(ord(each) + 0xFEE0) for each in "password1234"),  # full-width: hashed as plain letters
    ],
)  # fmt: skip
def test_one_that_is_common_or_made_of_the_address_is_refused(password: str) -> None:
    assert "can be guessed" in (explain_weakness(password, EMAIL) or "")


# Each sign replaces letters, most of them several: zxcvbn takes longest for these.
SLOWEST = ("4@8({[<369!|1/|7+$5%2" * 7)[:LONGEST]


@in_turn(
    "password",
    [
        "a" * LONGEST, "ab1!" * (LONGEST // 4), "\U0001f600" * LONGEST, "p4$sW0rd" * 16, SLOWEST,
        "\ufdfa" * LONGEST,  # eighteen letters each, once normalised
    ],
)  # fmt: skip
def test_no_more_than_the_first_signs_of_a_password_are_judged(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []

    def judge(text: str, known: list[str]) -> object:
        judged.append(len(text))
        return zxcvbn(text, known)

    monkeypatch.setattr(passwords, "zxcvbn", judge)
    explain_weakness(password, EMAIL)
    assert judged == [JUDGED]


@given(st.text(st.characters(), max_size=40))
def test_every_text_is_judged(password: str) -> None:
    explain_weakness(password, EMAIL)
    explain_weakness(password + "\ud83d", EMAIL)


def test_every_password_fits_its_own_hash_typed_on_another_system_and_counts_whole() -> None:
    for password in ("x" * 73, "x" * 1000, "pässwörd", "\u2126 ohm", " spaces ", "half \ud83d"):
        assert verify_password(password, hash_password(password))
    assert verify_password("cafe\u0301", hash_password("caf\u00e9"))
    assert not verify_password("x" * 72 + "a", hash_password("x" * 72 + "b"))
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
