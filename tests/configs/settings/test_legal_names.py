"""The names that the law wants: what their settings refuse, and how texts get them."""

from collections.abc import Callable

from configs.settings.legal_names import Mediator, split_mediator
from configs.world.sales_terms import name_seller, write_vat_line

Put = Callable[..., None]
MEDIATOR = "Médiation de l'Exemple, 1 rue du Droit, 75001 Paris, https://mediateur.example"


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
