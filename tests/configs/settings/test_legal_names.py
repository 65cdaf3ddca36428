"""The names that the law wants: what their settings refuse, and how texts get them."""

from collections.abc import Callable

import pytest

from configs.settings import SettingsRefused, load
from configs.settings.legal_names import LONGEST, Mediator, split_mediator
from configs.world.sales_terms import name_seller, write_vat_line

Put = Callable[..., None]
MEDIATOR = "Médiation de l'Exemple, 1 rue du Droit, 75001 Paris, https://mediateur.example"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SELLER_NAME", "x" * (LONGEST + 1), f"at most {LONGEST} characters"),
        ("SELLER_NAME", "   ", "at least 1 character"),
        ("SELLER_ADDRESS", "1 rue\n75001 Paris", "control character"),
        ("SELLER_NAME", "Vigie\u202eSAS", "control character"),
        ("SELLER_PHONE", "appelez-nous", "no phone number"),
        ("SELLER_PHONE", "01 23", "no phone number"),
        ("SELLER_PHONE", "0899 12 34 56", "premium-rate"),
        ("SELLER_SIREN", "123 456", "nine digits"),
        ("SELLER_VAT", "20 %", "no VAT number"),
        ("MEDIATOR", "Le médiateur", "name, postal address, https://site"),
        ("MEDIATOR", "Le médiateur, https://mediateur.example", "name, postal address, https://site"),
        ("MEDIATOR", "Le médiateur, Paris, javascript:alert(1)", "name, postal address, https://site"),
        ("HOST_COMPANY", "Hébergeur, +33199000001", "name, postal address, phone"),
        ("HOST_COMPANY", "Hébergeur, 1 rue du Port, Paris", "must end with the phone number"),
        ("HOST_COMPANY", "x, " * 200 + "+33199000001", "at most 500 characters"),
    ],
)
def test_a_name_that_the_law_would_not_take_is_refused(bare: Put, name: str, value: str, said: str) -> None:
    bare(**{name: value})
    with pytest.raises(SettingsRefused) as caught:
        load()
    line = str(caught.value).split("\n")[1]
    assert line.startswith(f"  {name}: ")
    assert said in line


def test_a_mediator_has_a_name_an_address_and_a_site() -> None:
    assert split_mediator(MEDIATOR) == Mediator(
        "Médiation de l'Exemple", "1 rue du Droit, 75001 Paris", "https://mediateur.example"
    )


def test_texts_get_every_name_and_say_which_is_missing(settings_env: Put) -> None:
    assert {name_seller("fr")[each] for each in ("mediator_name", "mediator_site")} == {"[MEDIATOR]"}
    assert name_seller("fr")["host_company"] == "[HOST_COMPANY]"
    settings_env(MEDIATOR=MEDIATOR, SELLER_NAME="Vigie SAS", API_URL="https://api.example.org")
    names = name_seller("fr")
    assert (names["seller_name"], names["mediator_site"]) == ("Vigie SAS", "https://mediateur.example")
    assert names["withdraw_url"] == "https://api.example.org/l/retractation"
    assert names["cancel_url"] == "https://api.example.org/l/resilier"
    assert set(name_seller("en")) == set(names)


def test_the_line_on_vat_names_the_number_or_the_article(settings_env: Put) -> None:
    assert write_vat_line() == "TVA non applicable, art. 293 B du CGI"
    settings_env(SELLER_VAT="FR40123456789")
    assert write_vat_line() == "N° de TVA intracommunautaire : FR40123456789"
