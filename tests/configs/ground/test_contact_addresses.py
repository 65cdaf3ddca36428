"""Addresses of people: one spelling each."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.ground import addresses
from tests.in_turn import in_turn


@in_turn(
    "written, kept",
    [
        ("jean@EXAMPLE.fr", "jean@example.fr"),
        (" Jean.Dupont+rdv@example.fr\n", "Jean.Dupont+rdv@example.fr"),
        ("jean@BÜCHER.example.fr", "jean@bücher.example.fr"),
        ("\uff4eadia\uff20example\uff0efr", "nadia@example.fr"),
        ("\u202acamille@example.fr\u202c\u200b", "camille@example.fr"),
        ("jean@stra\u00adße.example.de", "jean@straße.example.de"),
        ("o\u2019brien@example.fr", "o'brien@example.fr"),
    ],
)
def test_an_email_address_has_one_spelling(written: str, kept: str) -> None:
    assert addresses.email_address(written) == kept


@in_turn(
    "spelling",
    [
        "E.B@BÜCHER.example.fr",
        " e.b@bu\u0308cher.example.fr\u200b",
        "e.b@xn--bcher-kva.example.fr",
        "\uff45.b@bücher.example.fr",
    ],
)
def test_all_spellings_of_an_address_are_counted_as_one(spelling: str) -> None:
    assert addresses.fold_address(spelling) == "e.b@bücher.example.fr"


@in_turn(
    "text",
    [
        "",
        "jean",
        "jean@localhost",
        "a@example.fr\nBcc: x@y.fr",
        "a\0@example.fr",
        "<a@example.fr>",
        "a" * 65 + "@example.fr",
        "a@" + "b." * 130 + "fr",
    ],
)
def test_what_is_no_email_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an e-mail address"):
        addresses.email_address(text)


LONGEST_EMAIL = 254  # RFC 5321, section 4.5.3.1.3: a path of 256 with its brackets


@in_turn("length", [LONGEST_EMAIL, LONGEST_EMAIL + 1])
def test_an_email_address_fits_its_column(length: int) -> None:
    domain = ".".join(["b" * 60] * 3)
    text = f"{'a' * 60}@{domain}.{'c' * (length - 60 - 1 - len(domain) - 1 - 3)}.fr"
    assert len(text) == length
    if length > LONGEST_EMAIL:
        with pytest.raises(ValueError, match="not an e-mail address"):
            addresses.email_address(text)
    else:
        assert addresses.email_address(text) == text


@in_turn(
    "written, kept",
    [
        ("06 12 34 56 78", "+33612345678"),
        ("+262 692 12 34 56", "+262692123456"),
        ("+32 470 12 34 56", "+32470123456"),
        ("0033 (0)6.12.34.56.78", "+33612345678"),
        ("06\u201012\u201234\u201356\u221278", "+33612345678"),
        ("06\u202f12\u00a034\u200956\u200b78", "+33612345678"),
        ("٠٦١٢٣٤٥٦٧٨", "+33612345678"),
        ("\uff10\uff16\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", "+33612345678"),
        ("tel:+33612345678", "+33612345678"),
        ("Tél. : 06 12 34 56 78", "+33612345678"),
        ("« 06,12,34,56,78 »", "+33612345678"),
        ("0690 62 90 42", "+590690629042"),
        ("06 92 12 34 56", "+262692123456"),
        ("+33 690 62 90 42", "+590690629042"),
        ("+590 692 12 34 56", "+262692123456"),
        ("0508 55 12 34", "+508551234"),
    ],
)
def test_a_phone_number_has_one_spelling(written: str, kept: str) -> None:
    assert addresses.phone_number(written) == kept


@in_turn(
    "text",
    [
        "",
        "hello",
        "+33 6 12 34 56",
        "+999612345678",
        "\0",
        "1" * 400,
        "0612ABCDEF",
        "06 12 34 56 78 / 07 12 34 56 78",
    ],
)
def test_what_is_no_phone_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a phone number"):
        addresses.phone_number(text)


def _read(reader: Callable[[str], str], text: str) -> tuple[str | None, str]:
    try:
        return reader(text), ""
    except ValueError as error:
        return None, str(error)


@in_turn(
    "text, letter",
    [
        ("zoé@example.fr", "é"),
        ("Élodie.m@example.fr", "É"),
        ("nad\u0130a@example.fr", "\u0130"),
        ("🎈@example.fr", "🎈"),
    ],
)
def test_an_address_that_no_provider_takes_is_refused_by_its_letter(text: str, letter: str) -> None:
    with pytest.raises(addresses.LetterNotSent) as refusal:
        addresses.email_address(text)
    assert refusal.value.letter == letter


@given(st.emails() | st.from_regex(r"[a-zé.'!]{1,9}@[a-zßé]{1,9}\.fr", fullmatch=True))
def test_each_address_that_is_taken_can_be_sent_to(text: str) -> None:
    kept, _ = _read(addresses.email_address, text)
    assert kept is None or addresses.ascii_address(kept).isascii()


@in_turn(
    "written, kept",
    [
        ("RDVPriority <alerte@RDVPRIORITY.fr>", "RDVPriority <alerte@rdvpriority.fr>"),
        ("alerte@rdvpriority.fr", "alerte@rdvpriority.fr"),
        ("Créneaux <alerte@rdvpriority.fr>", "Créneaux <alerte@rdvpriority.fr>"),
        ('"Créneaux, alertes" <alerte@rdvpriority.fr>', '"Créneaux, alertes" <alerte@rdvpriority.fr>'),
        ("Créneaux <alerte@bücher.example.fr>", "Créneaux <alerte@xn--bcher-kva.example.fr>"),
        ("Créneaux, alertes <alerte@rdvpriority.fr>", '"Créneaux, alertes" <alerte@rdvpriority.fr>'),
        ('"L\\"alerte" <alerte@rdvpriority.fr>', '"L\\"alerte" <alerte@rdvpriority.fr>'),
        ("RDV (alertes) <alerte@rdvpriority.fr>", '"RDV (alertes)" <alerte@rdvpriority.fr>'),
    ],
)
def test_a_sender_is_a_name_and_an_address(written: str, kept: str) -> None:
    assert addresses.sender(written) == kept


@in_turn(
    "text",
    [
        "",
        "RDVPriority",
        "RDVPriority <>",
        "RDVPriority <zoé@rdvpriority.fr>",
        "a <a@example.fr>, b <b@example.fr>",
        "a <a@example.fr>\r\nBcc: b@example.fr",
    ],
)
def test_what_could_forge_a_header_is_no_sender(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an e-mail|control character"):
        addresses.sender(text)


@in_turn(
    "number, countries, receives",
    [
        ("+33612345678", "", True),
        ("+262692123456", "", True),
        ("+508551234", "", True),
        ("+687751234", "", True),
        ("+33123456789", "", False),
        ("+33899123456", "", False),  # premium rate
        ("+32470123456", "", False),
        ("+32470123456", "BE,CH", True),
        ("+3225551234", "BE", False),
    ],
)
def test_codes_go_to_mobile_numbers_of_some_countries(number: str, countries: str, receives: bool) -> None:
    assert addresses.receives_sms(number, countries.split(",")) is receives
