"""Names and numbers as people and strangers type them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.declarations.schemas import LONGEST_NAME, LONGEST_REFERENCE, clean_name, clean_reference
from tests.in_turn import in_turn


@in_turn(
    "typed, name",
    [
        ("  Camille   Martin ", "Camille Martin"),
        ("J.-P. d’Été-Nuñez, Jr.", "J.-P. d’Été-Nuñez, Jr."),
        ("محمد بن عبد الله", "محمد بن عبد الله"),
        ("E\u0301lodie", "Élodie"),
        ("Camille\u202enitraM\u2066x\u200b", "CamillenitraMx"),
        ("Camille\r\nBcc: x@example.org\0", "Camille Bcc x example. org"),
        ("<b>Camille</b>", "b Camille b"),
        ("https://evil.example/pay?x=1", "https evil. example pay x"),
        ("Anne\u2010Marie Le\u00a0Gall", "Anne-Marie Le Gall"),
        ("Lopez\u2013Garcia \u2212 Ines", "Lopez-Garcia - Ines"),
        ("N\u02bcDiaye, O`Brien, L\u2018A", "N'Diaye, O'Brien, L'A"),
        ("DIALLO/BARRY Awa", "DIALLO BARRY Awa"),
        ("Jean\u00adne", "Jeanne"),
        ("\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"),
        ("Gagné 1000 euros sur evil.com", "Gagné euros sur evil. com"),
        ("Camille\ud800", "Camille"),
    ],
)
def test_a_name_keeps_its_letters_and_nothing_that_acts(typed: str, name: str) -> None:
    assert clean_name(typed) == name


@in_turn("typed", ["", "   ", "\u202e\u200b", "1234", "🙂", "\0", "...", "\ud800"])
def test_what_has_no_letter_is_no_name(typed: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        clean_name(typed)


@given(st.text(max_size=300))
def test_whatever_is_typed_becomes_a_short_line_that_can_be_stored(typed: str) -> None:
    try:
        name = clean_name(typed)
    except ValueError:
        return
    assert 0 < len(name) <= LONGEST_NAME
    assert name.isprintable() or {unicodedata.category(each) for each in name} & {"Cf"}
    name.encode()
    assert not set(name) & set('<>@/:\\"\n\r\t\0\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069')


@in_turn(
    "typed, number",
    [
        ("7KQ2M9XWPA", "7KQ2M9XWPA"),
        ("N° de commande : 23456-789AB", "23456789AB"),
        ("Order number: 23456 789AB", "23456789AB"),
        ("« 23456\u202f789AB »", "23456789AB"),
        ("23456 \u2212 789AB", "23456789AB"),
        ("RDVPriority, commande n°\u00a023456-789AB du 3 octobre 2026", "23456789AB"),
        ("12 34-xyz", "1234-xyz"),
        ("Commande n°7KQ2M9XWPA", "7KQ2M9XWPA"),
        ("Nº7KQ2M-9XWPA", "7KQ2M9XWPA"),
        ("commande no7KQ2M 9XWPA du 12 mars", "7KQ2M9XWPA"),
        ("NR3KQ2M9XW", "NR3KQ2M9XW"),
        ("".join(chr(ord(each) + 0xFEE0) for each in "7KQ2M9XWPA"), "7KQ2M9XWPA"),  # full width
        ("\u202e7KQ2M9XWPA", "7KQ2M9XWPA"),
        ("\u0667KQ\u0662M\u0669XWPA", "7KQ2M9XWPA"),  # an Arabic keyboard's figures
        ("01a20378-32a3-7645-b8a2-defa64f5ae87", "01a20378-32a3-7645-b8a2-defa64f5ae87"),
    ],
)
def test_a_number_loses_what_stands_around_it(typed: str, number: str) -> None:
    assert clean_reference(typed) == number


@given(st.text(max_size=300))
def test_whatever_is_typed_as_a_number_is_short_and_plain(typed: str) -> None:
    try:
        number = clean_reference(typed)
    except ValueError:
        return
    assert 0 < len(number) <= LONGEST_REFERENCE
    assert number.isascii()
