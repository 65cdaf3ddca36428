"""The public plans and terms, and the two pages to which Checkout leads back."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from configs.world.plan import PlanName, plans
from configs.world.sales_terms import UnknownTerms, find_newest_version, read_consent, read_terms

CHANNELS = {  # as the terms call them
    "fr": {
        "email": "courriel", "telegram": "Telegram", "sms": "SMS", "voice": "appels téléphoniques",
        "push": "notification dans votre navigateur",
    },
    "en": {
        "email": "e-mail", "telegram": "Telegram", "sms": "SMS", "voice": "phone calls",
        "push": "notification in your browser",
    },
}  # fmt: skip


def test_the_plans_are_public_and_have_an_etag(bare: FlaskClient) -> None:
    answer = bare.get("/api/billing/plans")
    assert answer.json
    assert [each["plan"] for each in answer.json["items"]] == ["URGENCE_24H", "URGENCE_7J", "URGENCE_TOTAL"]
    assert answer.json["termsVersion"] == find_newest_version()
    assert "pleinement exécuté" in answer.json["consent"]["acknowledgesLoss"]["fr"]
    same = bare.get("/api/billing/plans", headers={"If-None-Match": answer.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")


def test_the_terms_name_the_seller(bare: FlaskClient, settings_env: Callable[..., None]) -> None:
    settings_env(
        SELLER_NAME="Vigie SAS",
        MEDIATOR="Médiation, 1 rue du Droit, 75001 Paris, https://mediateur.example",
        SUPPORT_EMAIL="aide@example.org",
    )
    terms = bare.get("/api/billing/terms").json
    assert terms
    for text in (terms["fr"], terms["en"]):
        assert "Vigie SAS" in text
        assert "Médiation, 1 rue du Droit, 75001 Paris" in text
        assert "https://mediateur.example" in text
        assert "aide@example.org" in text
        assert "${" not in text
    assert "non applicable, art. 293 B" in terms["fr"]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_terms_say_the_prices_and_the_channels_of_the_plans(language: str) -> None:
    text = read_terms(find_newest_version(), language).replace("\N{NO-BREAK SPACE}", " ")
    for name, each in plans().items():
        if name is PlanName.NONE:
            continue
        euros, cents = divmod(each.price_cents, 100)
        price = f"{euros},{cents:02} €" if language == "fr" else f"€{euros}.{cents:02}"
        (line,) = [
            row for row in text.splitlines() if re.match(rf"\* {name.value.replace('_', ' ')} ?:", row)
        ]
        assert price in line
        assert f" {each.interval_seconds} second" in line
        assert {channel for channel, words in CHANNELS[language].items() if words in line} == each.channels


def test_the_right_to_withdraw_is_lost_once_performed_never_once_begun() -> None:
    fr = read_terms(find_newest_version(), "fr")
    assert "quand le service a été pleinement exécuté" in fr
    assert not re.search(r"per(d|te)[^.]*dès (le|que le) (début|service commence)", fr)
    assert "quatorze jours" in fr


def test_both_languages_have_the_same_parts() -> None:
    heads = [
        re.findall(r"^## (\d+)", read_terms(find_newest_version(), each), re.MULTILINE)
        for each in ("fr", "en")
    ]
    assert heads[0] == heads[1]
    assert len(heads[0]) == 13


def test_other_languages_get_french_and_other_versions_an_error() -> None:
    version = find_newest_version()
    assert read_terms(version, "ar") == read_terms(version, "fr")
    assert read_consent(version, "ar") == read_consent(version, "fr")
    for wrong in ("2020-01-01", "../terms", ".."):
        with pytest.raises(UnknownTerms):
            read_terms(wrong, "fr")
