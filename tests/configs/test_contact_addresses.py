"""Addresses of people: one spelling each."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.contact_addresses import (
    digest,
    email_address,
    fold_address,
    group_network_address,
    parse_countries,
    phone_number,
    receives_sms,
    sender,
    shorten_address,
)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("jean@EXAMPLE.fr", "jean@example.fr"),
        (" Jean.Dupont+rdv@example.fr\n", "Jean.Dupont+rdv@example.fr"),
        ("jean@BÜCHER.example.fr", "jean@bücher.example.fr"),
        ("e\u0301lise@example.fr", "élise@example.fr"),
    ],
)
def test_an_email_address_has_one_spelling(written: str, kept: str) -> None:
    assert email_address(written) == kept


@pytest.mark.parametrize(
    "spelling",
    ["É.B@BÜCHER.example.fr", " e\u0301.b@bücher.example.fr ", "é.b@xn--bcher-kva.example.fr"],
)
def test_all_spellings_of_an_address_are_counted_as_one(spelling: str) -> None:
    assert fold_address(spelling) == fold_address("é.b@bücher.example.fr")


@pytest.mark.parametrize("text", ["", " X ", "\ud800", "a" * 60_000 + "@example.fr", "a@" + "é." * 30_000])
def test_what_is_no_address_is_counted_by_its_letters(text: str) -> None:
    assert fold_address(text) == text.strip().casefold()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jean",
        "@example.fr",
        "jean@",
        "jean@localhost",
        "a b@example.fr",
        "a@b@example.fr",
        "a@example.fr\nBcc: x@y.fr",
        "a\0@example.fr",
        "<a@example.fr>",
        "a" * 65 + "@example.fr",
        "a@" + "b." * 130 + "fr",
        "a@exam_ple.fr",
    ],
)
def test_what_is_no_email_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an e-mail address"):
        email_address(text)


LONGEST_EMAIL = 254  # RFC 5321, section 4.5.3.1.3: a path of 256 with its brackets


@pytest.mark.parametrize("length", [LONGEST_EMAIL, LONGEST_EMAIL + 1])
def test_an_email_address_fits_its_column(length: int) -> None:
    domain = ".".join(["b" * 60] * 3)
    text = f"{'a' * 60}@{domain}.{'c' * (length - 60 - 1 - len(domain) - 1 - 3)}.fr"
    assert len(text) == length
    if length > LONGEST_EMAIL:
        with pytest.raises(ValueError, match="not an e-mail address"):
            email_address(text)
    else:
        assert email_address(text) == text


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("06 12 34 56 78", "+33612345678"),
        ("0612345678", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "+33612345678"),
        ("00 33 6 12 34 56 78", "+33612345678"),
        ("+262 692 12 34 56", "+262692123456"),
        ("+32 470 12 34 56", "+32470123456"),
    ],
)
def test_a_phone_number_has_one_spelling(written: str, kept: str) -> None:
    assert phone_number(written) == kept


@pytest.mark.parametrize(
    "text", ["", "06", "hello", "0012", "+33 6 12 34 56", "06123456789", "+999612345678", "\0", "1" * 400]
)
def test_what_is_no_phone_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a phone number"):
        phone_number(text)


def _read(reader: Callable[[str], str], text: str) -> tuple[str | None, str]:
    try:
        return reader(text), ""
    except ValueError as error:
        return None, str(error)


@given(st.text(max_size=40))
def test_no_text_makes_either_fail_in_another_way(text: str) -> None:
    for reader in (email_address, phone_number):
        kept, told = _read(reader, text)
        assert told.startswith("not a") if kept is None else reader(kept) == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("RDVPriority <alerte@RDVPRIORITY.fr>", "RDVPriority <alerte@rdvpriority.fr>"),
        ("alerte@rdvpriority.fr", "alerte@rdvpriority.fr"),
        ("Créneaux <alerte@rdvpriority.fr>", "Créneaux <alerte@rdvpriority.fr>"),
    ],
)
def test_a_sender_is_a_name_and_an_address(written: str, kept: str) -> None:
    assert sender(written) == kept


@pytest.mark.parametrize(
    "text", ["", "RDVPriority", "RDVPriority <>", "a <a@example.fr>\r\nBcc: b@example.fr"]
)
def test_what_could_forge_a_header_is_no_sender(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an e-mail|control character"):
        sender(text)


def test_a_digest_names_an_address_without_showing_it() -> None:
    assert digest("a@example.org") == digest("a@example.org") != digest("b@example.org")
    assert re.fullmatch("[0-9a-f]{16}", digest("é@exämple.fr"))


@pytest.mark.parametrize(
    ("number", "countries", "receives"),
    [
        ("+33612345678", "", True),
        ("+262692123456", "", True),
        ("+508551234", "", True),
        ("+33123456789", "", False),
        ("+32470123456", "", False),
        ("+32470123456", " be,CH", True),
        ("+3225551234", "BE", False),
    ],
)
def test_codes_go_to_mobile_numbers_of_some_countries(number: str, countries: str, receives: bool) -> None:
    assert receives_sms(number, parse_countries(countries)) is receives


def test_a_shortened_address_is_recognised_and_not_read() -> None:
    assert shorten_address("camille@example.org") == "c…@example.org"
    assert shorten_address("+33612345678") == "…78"


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # a socket for both versions
        ("nobody", "nobody"),
    ],
)
def test_the_addresses_of_one_subscriber_are_one(address: str, group: str) -> None:
    assert group_network_address(address) == group
