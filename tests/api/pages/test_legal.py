"""Legal pages: what each must say, in which language, and that nothing of a text becomes markup."""

from collections.abc import Callable

from api.pages.legal.routes import list_versions, read_document, render_markdown
from configs.world import retention
from configs.world.sales_terms import CANCEL_PATH, WITHDRAW_PATH, find_newest_version
from tests.clients import Browser
from tests.in_turn import in_turn

PAGES = {
    "/conditions": ("Conditions générales de vente", "Droit de rétractation"),
    "/vie-privee": ("Vie privée", "CNIL"),
    "/mentions-legales": ("Mentions légales", "Hébergeur"),
    "/accessibilite": ("Accessibilité", "Défenseur des droits"),
    "/contact": ("Contact", "Par téléphone"),
    "/mediation": ("Médiation", "un an après votre réclamation"),
}
IN_ARABIC = {"/mentions-legales": "البيانات القانونية", "/mediation": "الوساطة"}


@in_turn("path", PAGES)
def test_each_text_is_shown_in_the_language_that_it_has(path: str, browse: Callable[..., Browser]) -> None:
    title, phrase = PAGES[path]
    page = browse().get(path)
    assert title in page.headings[0]
    assert phrase in page.text
    english = browse("en").get(path)
    assert '<article class="legal" lang="en" dir="ltr">' in english.html
    arabic = browse("ar").get(path)
    direction = 'lang="ar" dir="rtl"' if path in IN_ARABIC else 'lang="en" dir="ltr"'
    assert f'<article class="legal" {direction}>' in arabic.html
    assert arabic.headings == [IN_ARABIC.get(path, english.headings[0])]
    assert "النص الفرنسي هو المعتمد" in arabic.text
    assert path == "/contact" or "This is a translation" in english.text


def test_they_say_what_the_law_wants(visitor: Browser, settings_env: Callable[..., None]) -> None:
    privacy = visitor.get("/vie-privee").text
    for phrase in ("dix ans", "un mois", "Stripe", "Telegram", "démarchage téléphonique", "72 heures",
                   "les appels : Twilio", "Google, Mozilla, Apple ou Microsoft",
                   "ce service ne peut pas le lire", "service worker"):  # fmt: skip
        assert phrase in privacy, phrase
    host = "Hébergeur SAS, 2 rue du Port, 75001 Paris, 01 62 00 00 01"
    settings_env(PUBLISHER="Camille Martin", HOST_COMPANY=host)
    notice = visitor.get("/mentions-legales").text
    for phrase in ("Camille Martin", host, "[SELLER_NAME]", "gratuit"):
        assert phrase in notice, phrase


@in_turn("path, language", [("/mentions-legales", "fr"), ("/mediation", "ar"), ("/conditions", "en")])
def test_the_mediator_is_named_with_address_and_site(
    path: str, language: str, browse: Callable[..., Browser], settings_env: Callable[..., None]
) -> None:
    settings_env(MEDIATOR="Médiation X, 1 rue du Droit, 75001 Paris, https://mediateur.example")
    page = browse(language).get(path)
    for part in ("Médiation X", "1 rue du Droit, 75001 Paris", "https://mediateur.example"):
        assert part in page.text, part
    assert "ec.europa.eu/consumers/odr" not in page.html  # the platform closed on 20 July 2025


def test_the_privacy_page_says_the_times_that_jobs_enforce(visitor: Browser) -> None:
    text = visitor.get("/vie-privee").text
    kept = {
        "UNVERIFIED_KEPT_FOR": (30, "Sans adresse confirmée, il est supprimé après 30 jours"),
        "ACCOUNT_UNUSED_FOR": (730, "sans être utilisé, après deux ans"),
        "MESSAGES_KEPT_FOR": (90, "Texte et adresse des messages envoyés : 90 jours"),
        "SUPPORT_KEPT_FOR": (365, "Messages à notre assistance : un an"),
        "LOGIN_KEPT_FOR": (90, "empreintes d’adresses réseau : 90 jours"),
    }
    for name, (days, words) in kept.items():
        constant = getattr(retention, name)
        assert (constant() if callable(constant) else constant).days == days, (
            f"{name} changed: publish a new version of the page"
        )
        assert words in text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_addresses_that_the_terms_name_are_pages(visitor: Browser) -> None:
    foot = visitor.get("/conditions").text.rpartition("RDVPriority est un service privé, sans lien")[2]
    for path, words in ((WITHDRAW_PATH, "renoncer au contrat ici"), (CANCEL_PATH, "résilier votre contrat")):
        page = visitor.get(path)
        assert (visitor.status, words in page.text, words in foot) == (200, True, True)


def test_names_keep_their_order_in_arabic(
    browse: Callable[..., Browser], settings_env: Callable[..., None]
) -> None:
    settings_env(SELLER_ADDRESS="2 rue de la Paix, 75002 Paris", SUPPORT_EMAIL="aide@example.org")
    page = browse("ar").get("/mediation")
    assert "\N{FIRST STRONG ISOLATE}2 rue de la Paix, 75002 Paris\N{POP DIRECTIONAL ISOLATE}" in page.text
    assert 'href="mailto:aide@example.org"' in page.html


def test_markdown_escapes_tags_and_drops_addresses_of_scripts() -> None:
    title, html = render_markdown(
        "# A\n\n<img src=x onerror=1> [b](javascript:1) [c](/contact) <d@example.org>"
    )
    assert title == "A"
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert '<a href="/contact">c</a>' in html
    assert '<a href="mailto:d@example.org">' in html


def test_earlier_versions_stay_and_are_not_for_search_engines(visitor: Browser) -> None:
    version = find_newest_version()
    page = visitor.get(f"/textes/conditions/{version}")
    assert "Conditions générales de vente" in page.headings[0]
    assert '<meta name="robots" content="noindex">' in page.html
    assert 'rel="canonical"' in visitor.get("/conditions").html
    for path in ("conditions/2020-01-01", "nothing/2026-11-22", "contact/..", "terms/fr.md"):
        visitor.get(f"/textes/{path}")
        assert visitor.status == 404, path


def test_every_version_has_its_languages_and_placeholders() -> None:
    for name in PAGES:
        for version in list_versions(name[1:]):
            for language in ("fr", "en"):
                text = read_document(name[1:], version, language)
                assert (text.language, "${" in text.html) == (language, False)
