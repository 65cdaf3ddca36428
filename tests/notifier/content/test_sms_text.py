import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.sms_text import _BASIC, _EXTENDED, length, segments, to_gsm


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Créneau à Évry", "Créneau à Évry"),
        ("Forêt, île, août, Noël, ça", "Foret, ile, aout, Noel, ca"),
        ("l’alerte «\u202fété\u202f»…", 'l\'alerte " été "...'),
        ("cœur – 5\u00a0€", "coeur - 5 €"),
        ("rendez-vous 🎉 ici", "rendez-vous  ici"),
        ("Đà Nẵng", "à Nang"),
        ("[~]{}\\|^", "[~]{}\\|^"),
    ],
)
def test_what_does_not_fit_the_alphabet_is_said_otherwise(text: str, expected: str) -> None:
    assert to_gsm(text) == expected


@pytest.mark.parametrize(
    ("text", "places", "paid"),
    [
        ("a" * 160, 160, 1),
        ("a" * 161, 161, 2),
        ("€" * 80, 160, 1),
        ("€" * 81, 162, 2),
        ("a" * 307, 307, 3),
        ("", 0, 1),
    ],
)
def test_segments_are_counted_as_the_networks_do(text: str, places: int, paid: int) -> None:
    assert (length(text), segments(text)) == (places, paid)


@given(st.text())
def test_the_result_is_in_the_alphabet(text: str) -> None:
    assert set(to_gsm(text)) <= _BASIC | _EXTENDED


@given(st.text())
def test_what_is_in_the_alphabet_stays_as_it_is(text: str) -> None:
    made = to_gsm(text)
    assert to_gsm(made) == made.replace("`", "'")
