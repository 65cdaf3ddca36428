import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.content.outgoing_message import RenderedMessage
from notifier.content.sms_text import _BASIC, _EXTENDED, fit_text, length, segments, to_gsm


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
        ("я" * 70, 70, 1),
        ("я" * 71, 71, 2),
        ("я" * 135, 135, 3),
        ("🎉" * 35, 70, 1),
        ("a" * 70 + "好", 71, 2),
    ],
)
def test_segments_are_counted_as_the_networks_do(text: str, places: int, paid: int) -> None:
    assert (length(text), segments(text)) == (places, paid)


@pytest.mark.parametrize(
    ("language", "text", "sent"),
    [
        ("ru", "Место «Ж» – 5\u00a0€", 'Место "Ж" - 5 €'),
        ("ar", "\u2068Paris (75)\u2069 موعد", "Paris (75) موعد"),
        ("es", "¡Está aquí, mañana!", "¡Esta aqui, mañana!"),
        ("", "Место", ""),
    ],
)
def test_only_languages_without_latin_letters_leave_the_alphabet(language: str, text: str, sent: str) -> None:
    assert fit_text(RenderedMessage(text=text, language=language)) == sent


def test_the_brief_text_is_taken_where_it_saves_a_segment() -> None:
    long, brief = "я" * 71, "я" * 70
    assert fit_text(RenderedMessage(text=long, brief=brief, language="ru")) == brief
    assert fit_text(RenderedMessage(text=long, brief=long[:-1] + "яя", language="ru")) == long


@given(st.text())
def test_the_result_is_in_the_alphabet(text: str) -> None:
    assert set(to_gsm(text)) <= _BASIC | _EXTENDED


@given(st.text())
def test_what_is_in_the_alphabet_stays_as_it_is(text: str) -> None:
    made = to_gsm(text)
    assert to_gsm(made) == made.replace("`", "'")
