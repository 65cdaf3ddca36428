import pytest
from hypothesis import given
from hypothesis import strategies as st
from zxcvbn_rs_py import zxcvbn

from api.accounts import passwords
from api.accounts.passwords import JUDGED, LONGEST, explain_weakness

EMAIL = "camille.durand@example.org"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "jaimelesfraises mauves",
        "Zx9-kq2L!vv03",
        "une phrase de passe",
        "pässwörd pässwörd",
    ],
)
def test_a_password_that_takes_many_guesses_is_taken(password: str) -> None:
    assert explain_weakness(password, EMAIL) is None


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaaaaa",
        "motdepasse1234",
        "azertyuiop12",
        "password1234",
        EMAIL,
        "camille.durand",
        EMAIL + "1",
        "rdvpriority2026",
        "prefecture-rdv",
        "titredesejour",
        "RDVPriority-12",
        "".join(chr(ord(each) + 0xFEE0) for each in "password1234"),  # full-width: hashed as plain letters
    ],
)
def test_one_that_is_common_or_made_of_the_address_is_refused(password: str) -> None:
    assert "can be guessed" in (explain_weakness(password, EMAIL) or "")


# Each sign replaces letters, most of them several: zxcvbn takes longest for these.
SLOWEST = ("4@8({[<369!|1/|7+$5%2" * 7)[:LONGEST]


@pytest.mark.parametrize(
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
