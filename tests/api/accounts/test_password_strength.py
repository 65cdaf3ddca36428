import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.accounts.password_strength import LONGEST, explain_weakness

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


@pytest.mark.parametrize(
    "password", ["a" * LONGEST, "ab1!" * (LONGEST // 4), "\U0001f600" * LONGEST, "p4$sW0rd" * 16]
)
def test_the_longest_password_is_judged_soon(password: str) -> None:
    began = time.thread_time()
    explain_weakness(password, EMAIL)
    assert time.thread_time() - began < 1


@given(st.text(st.characters(), max_size=40))
def test_every_text_is_judged(password: str) -> None:
    explain_weakness(password, EMAIL)
    explain_weakness(password + "\ud83d", EMAIL)
