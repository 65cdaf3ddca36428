"""Phrases that the law wants in the terms of sale, in each version that was ever sold under it.

Statutory texts are compared word for word where docs/legal.md says that they were found so.
"""

import re
from collections.abc import Callable
from itertools import product

import pytest
from flask.testing import FlaskClient

from configs.world.plan import PlanName, plans
from configs.world.sales_terms import (
    BINDING,
    TERMS,
    UnknownTerms,
    find_newest_version,
    read_consent,
    read_terms,
)
from tests.in_turn import in_turn

VERSIONS = sorted(path.name for path in TERMS.iterdir() if path.is_dir())
IN_EVERY_VERSION = {
    "box of D.211-4": "durant ce délai, le consommateur n’est tenu d’établir que l’existence du défaut",
    "L.242-18-1, in the box": "amende civile d’un montant maximal de 300 000 euros",
    "hidden defects, in the box": "articles 1641 à 1649 du code civil",
    "L.215-1": "article l. 215-1. pour les contrats de prestations de services conclus pour une durée déterminée",
    "L.215-1, fifth paragraph": "dès lors qu’il change de domicile ou que son foyer fiscal évolue",
    "L.215-1-1": "article l. 215-1-1. lorsqu’un contrat a été conclu par voie électronique",
    "L.215-2": "article l. 215-2. les dispositions du présent chapitre, à l’exception de l’article l. 215-1-1",
    "L.215-3": "article l. 215-3. les dispositions du présent chapitre sont également applicables",
    "L.241-3": "article l. 241-3. lorsque le professionnel n’a pas procédé au remboursement",
    "L.221-18": "sans donner de motif dans un délai de quatorze jours",
    "L.221-19": "un samedi, un dimanche ou un jour férié",
    "L.221-25": "demandé expressément qu’il commence tout de suite",
    "L.221-28 1°": "quand le service a été pleinement exécuté",
    "R.221-1, the form": "je vous notifie par la présente ma rétractation du contrat pour la prestation de services",
    "R.221-2": "téléphone :",
    "L.224-25-8": "numéro non surtaxé",
    "L.224-25-9": "à dix jours après votre demande",
    "open-ended": "à durée indéterminée",
    "L.224-25-5, quality": "niveau minimal de qualité",
    "L.224-25-5, data": "données nécessaires",
    "L.224-25-5, security": "incident de sécurité",
    "L.224-25-5, accessibility": "accessibilité",
    "L.224-25-14 III": "accepté séparément, à la commande, le seuil d’une heure",
    "L.224-25-16": "c’est à nous de prouver",
    "L.224-25-23": "dans les quatorze jours, par le moyen de paiement",
    "L.224-25-26": "sans frais pendant trente jours",
    "R.616-1": "le médiateur de la consommation",
    "private service": "rdvpriority est un service privé",
    "free appointments": "un rendez-vous en préfecture est gratuit",
}
SINCE_THE_ONLINE_FUNCTION = {
    "R.221-3 (3), the address": "exercer votre droit de rétractation en ligne sur http",
    "R.221-3 (3), the receipt": "un accusé de réception de la rétractation sur un support durable (par exemple, par "
    "courriel), y compris son contenu ainsi que la date et l’heure de sa soumission",
    "R.221-3 (6)": "vous devrez nous payer un montant proportionnel à ce qui vous a été fourni",
    "R.221-1, the instruction": "uniquement si vous souhaitez vous rétracter du contrat",
    "D.221-5, the words and the place": "« renoncer au contrat ici » se trouve, pendant tout le délai, dans votre compte",
    "D.215-1, the words": "« résilier votre contrat » au bas de chaque page",
    "L.215-1-1, without a login": "sans compte ni mot de passe, sur http",
    "open-ended, billed monthly": "sans durée minimale, facturé chaque mois d’avance",
    "box of D.211-4, first X": "durant un délai de 24 heures (urgence 24h), de 7 jours (urgence 7j)",
    "box of D.211-4, second X": "du service numérique durant 24 heures (urgence 24h), 7 jours (urgence 7j)",
    "L.221-14, the button": "« commande avec obligation de paiement »",
    "L.223-2": "il est interdit de démarcher par téléphone un consommateur sans son consentement préalable",
    "L.224-25-14 I 4°": "sans interruption",
    "L.224-25-18": "aucun paiement n’est dû pour le temps où le service n’était pas conforme",
    "L.224-25-21": "proportionnelle au temps non surveillé",
    "arrêté 83-50/A": "à partir de 25 €, la page de commande montre avant le paiement une note",
    "L.213-1": "pendant dix ans",
}


def read_words(version: str) -> str:
    return " ".join(read_terms(version, BINDING).replace("> ", "").lower().split())


@in_turn("version", VERSIONS)
def test_every_version_has_what_the_law_wants(version: str) -> None:
    words = read_words(version)
    wanted = IN_EVERY_VERSION | (SINCE_THE_ONLINE_FUNCTION if version >= "2026-11-22" else {})
    assert [article for article, each in wanted.items() if each not in words] == []


@in_turn("version", VERSIONS)
def test_no_version_calls_the_right_lost_once_begun_nor_names_the_closed_platform(version: str) -> None:
    words = read_words(version)
    assert not re.search(r"per(d|te)[^.]*dès (le|que le) (début|service commence)", words)
    assert "ec.europa.eu/consumers/odr" not in words
    assert "contenu numérique non fourni sur un support matériel" not in words  # L.221-28 13° is not ours


@in_turn("language, version", product(("fr", "en"), VERSIONS))
def test_every_version_is_complete_and_none_awaits_a_lawyers_text(version: str, language: str) -> None:
    text = read_terms(version, language)
    assert "${" not in text
    assert not re.search(r"\[(?!SELLER_|SUPPORT_EMAIL|MEDIATOR)[^\]]*\]", text), "a gap that was never filled"
    sentences = read_consent(version, language)
    assert sentences.start_now
    assert sentences.acknowledges_loss != sentences.accepts_hour_threshold


def test_the_newest_asks_for_an_express_request_in_the_laws_words() -> None:
    version = find_newest_version()
    assert "expressément" in read_consent(version, "fr").start_now
    assert "expressly" in read_consent(version, "en").start_now
    for language, word in (("fr", "sépar"), ("en", "separ")):
        assert read_consent(version, language).accepts_hour_threshold.count(word) == 1


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


@in_turn("language", ["fr", "en"])
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


def test_other_languages_get_french_and_other_versions_an_error() -> None:
    version = find_newest_version()
    assert read_terms(version, "ar") == read_terms(version, "fr")
    assert read_consent(version, "ar") == read_consent(version, "fr")
    for wrong in ("2020-01-01", "../terms", ".."):
        with pytest.raises(UnknownTerms):
            read_terms(wrong, "fr")
