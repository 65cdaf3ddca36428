"""SMTP_URL and MAIL_PROVIDERS: what they may say, and what production asks for."""

import hashlib
from collections.abc import Callable

import pytest

from configs.settings import SettingsRefused, load
from configs.settings.groups import MailServer, parse_mail_providers, parse_mail_server
from tests.configs.settings.test_program_settings import given_to

Put = Callable[..., None]
PASSWORD = hashlib.sha256(b"an invented password").hexdigest()[:24]
URL = f"smtps://rdv:{PASSWORD}@mail.example"


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("smtps://mail.example", MailServer("mail.example", 465, "", "", is_tls_from_start=True)),
        ("smtp://mail.example", MailServer("mail.example", 587, "", "", is_tls_from_start=False)),
        ("smtp://127.0.0.1:2525/", MailServer("127.0.0.1", 2525, "", "", is_tls_from_start=False)),
        (
            "smtps://a%40b.example:p%2F%3A%40@[::1]:1",
            MailServer("::1", 1, "a@b.example", "p/:@", is_tls_from_start=True),
        ),
    ],
)
def test_an_address_names_server_and_login(text: str, server: MailServer) -> None:
    assert parse_mail_server(text) == server


def test_providers_of_mail_have_an_order() -> None:
    assert parse_mail_providers("smtp, sendgrid") == ("smtp", "sendgrid")


@pytest.mark.parametrize("program", ["notifier", "background"])
@pytest.mark.parametrize(("order", "missing"), [("smtp", "SMTP_URL"), ("sendgrid,smtp", "SMTP_URL")])
def test_production_needs_the_settings_of_the_providers_in_use(
    bare: Put, program: str, order: str, missing: str
) -> None:
    given = given_to(program) | {"MAIL_PROVIDERS": order}
    bare(**given | {missing: ""})
    with pytest.raises(SettingsRefused) as refused:
        load()
    assert str(refused.value).startswith(f"settings refused:\n  {missing} is not set")
    bare(**given | {"SMTP_URL": URL})
    assert load().mail_providers == tuple(order.split(","))


def test_production_needs_no_key_of_a_provider_that_is_not_in_use(bare: Put) -> None:
    bare(**given_to("notifier") | {"MAIL_PROVIDERS": "smtp", "SMTP_URL": URL, "SENDGRID_API_KEY": ""})
    assert load().sendgrid_api_key is None


def test_production_refuses_a_password_that_can_be_guessed(bare: Put) -> None:
    bare(**given_to("notifier") | {"MAIL_PROVIDERS": "smtp", "SMTP_URL": "smtps://rdv:secret@mail.example"})
    with pytest.raises(SettingsRefused, match="the password in SMTP_URL"):
        load()
