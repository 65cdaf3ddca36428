"""Keys: their values, and the one line that each wrong one gets at start."""

import hashlib
from collections.abc import Callable

from api.payments.exchange.events import stripe_lease_seconds
from api.payments.gateway.client import stripe_answer_seconds, stripe_connect_seconds, stripe_rest_seconds
from configs.programs.circuit_breaker import provider_rest_seconds
from configs.settings import load
from configs.settings.groups import split_mediator
from configs.world.sales_terms import name_seller, write_vat_line
from crawler.dispatcher import renewed_seconds, silent_seconds, speaks_seconds
from notifier.channels.provider_base import provider_timeout_seconds
from notifier.channels.providers.web_push import push_timeout_seconds
from notifier.delivery.nudges import lease_seconds
from tests.configs.settings.test_program_settings import given_to, refused
from tests.in_turn import in_turn
from tests.rotation import NEW

Put = Callable[..., None]


@in_turn(
    "name, value",
    [
        ("SENDGRID_API_KEY", "SG.aé"),
        ("SENDGRID_API_KEY", "SG.a\u200b"),
        ("JWT_SECRET", f"\ufeff{NEW}"),
    ],
)
def test_a_key_that_cannot_work_is_named(bare: Put, name: str, value: str) -> None:
    bare(**{name: value})
    assert refused() == [f"{name}: holds an invisible character, or a letter that no key has: copy it again"]


# SMTP_URL and MAIL_PROVIDERS

PASSWORD = hashlib.sha256(b"an invented password").hexdigest()[:24]
URL = f"smtps://rdv:{PASSWORD}@mail.example"


@in_turn(
    "text",
    ["smtps://mail.example", "smtp://127.0.0.1:2525/", "smtps://a%40b.example:p%2F%3A%40@[::1]:1"],
)
def test_an_address_of_a_mail_server_is_taken(bare: Put, text: str) -> None:
    bare(SMTP_URL=text)
    assert load().require("smtp_url") == text


@in_turn("program", ["notifier", "background"])
@in_turn("order, missing", [("smtp", "SMTP_URL"), ("smtp,sendgrid", "SMTP_URL")])
def test_production_needs_the_settings_of_the_providers_in_use(
    bare: Put, program: str, order: str, missing: str
) -> None:
    given = given_to(program) | {"MAIL_PROVIDERS": order}
    bare(**given | {missing: ""})
    assert refused()[0].startswith(f"{missing} is not set")
    bare(**given | {"SMTP_URL": URL})
    assert load().mail_providers == tuple(order.split(","))


def test_production_needs_no_key_of_a_provider_that_is_not_in_use(bare: Put) -> None:
    bare(**given_to("notifier") | {"MAIL_PROVIDERS": "smtp", "SMTP_URL": URL, "SENDGRID_API_KEY": ""})
    assert load().sendgrid_api_key is None


# The names that the law wants

MEDIATOR = "Médiation de l'Exemple, 1 rue du Droit, 75001 Paris, https://mediateur.example"


def test_a_mediator_has_a_name_an_address_and_a_site() -> None:
    assert split_mediator(MEDIATOR) == (
        "Médiation de l'Exemple",
        "1 rue du Droit, 75001 Paris",
        "https://mediateur.example",
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


# Constants of the product


def test_a_wait_outlives_what_it_waits_for(bare: Put) -> None:
    # A second worker would send, or read again, what the first still waits for; two probes would go out at once.
    stripe = stripe_connect_seconds() + stripe_answer_seconds()
    assert lease_seconds() > max(provider_timeout_seconds(), push_timeout_seconds())
    assert provider_rest_seconds() > provider_timeout_seconds()
    assert min(stripe_rest_seconds(), stripe_lease_seconds()) > stripe
    assert renewed_seconds() * 2 < speaks_seconds() <= silent_seconds()  # or a spider ends itself


@in_turn("methods, refused_ones", [("card,sepa_debit,boleto", "sepa_debit, boleto"), ("card,cards", "cards")])
def test_means_of_payment_that_do_not_settle_at_once_are_refused(
    bare: Put, methods: str, refused_ones: str
) -> None:
    bare(STRIPE_PAYMENT_METHODS=methods)
    known = "card, paypal, link, amazon_pay, revolut_pay, klarna"
    said = f"has {refused_ones}: name only means that settle at once, of these: {known}"
    assert refused() == [f"STRIPE_PAYMENT_METHODS: {said}"]
