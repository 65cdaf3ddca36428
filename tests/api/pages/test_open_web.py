"""Legal pages, what each must say and in which language; files and heads for programs: robots.txt, sitemap.xml, security.txt."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import time_machine
from flask import Flask
from flask.testing import FlaskClient

from api.pages.area import Access
from api.pages.public.legal import list_versions, read_document, render_markdown
from api.pages.public.site import PAGES
from configs.ground.clock import clock
from configs.world import retention
from configs.world.sales_terms import CANCEL_PATH, WITHDRAW_PATH, find_newest_version
from tests.clients import Browser
from tests.in_turn import in_turn

FRONT = "https://front.example"
# Public, but nothing for search engines.
_FILES = {
    "channels.send_push_worker",
    "open_web.send_robots",
    "open_web.send_sitemap",
    "open_web.send_security",
    "map.show_parts",
    "status.show_live",
}


def list_urls(client: FlaskClient) -> list[str]:
    answer = client.get("/sitemap.xml")
    assert (answer.status_code, answer.mimetype) == (200, "application/xml")
    assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<urlset ')
    return re.findall("<url><loc>([^<&]+)</loc></url>", answer.text)


def test_robots_leave_the_api_alone_and_find_the_sitemap(client: FlaskClient) -> None:
    answer = client.get("/robots.txt")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert answer.text.splitlines()[:2] == ["User-agent: *", "Disallow: /api/"]
    assert f"Sitemap: {FRONT}/sitemap.xml" in answer.text.splitlines()


def test_the_sitemap_has_each_page_once_in_each_language(client: FlaskClient) -> None:
    urls = list_urls(client)
    assert len(urls) == len(set(urls))
    for page in (
        "/",
        "/calendrier",
        "/fiabilite",
        "/departements/bobigny_93",
        "/departements/melun_77/titre-sejour",
    ):
        assert {f"{FRONT}{page}?lang={language}" for language in ("fr", "en", "ar")} <= set(urls), page
    assert f"{FRONT}/departements/cergy_95/visa?lang=fr" not in urls  # no desk serves it


def test_every_listed_page_exists_and_names_itself(
    client: FlaskClient, browse: Callable[..., Browser]
) -> None:
    french = [url for url in list_urls(client) if url.endswith("lang=fr")]
    own = [url for url in french if "/departements/" not in url] + [
        url for url in french if "/melun_77" in url
    ]
    for url in own:
        page = browse().get(url.removeprefix(FRONT))
        heads = [at for name, at in page.tags if name in ("link", "meta")]
        assert [at["href"] for at in heads if at.get("rel") == "canonical"] == [url]
        others = {at["hreflang"]: at["href"] for at in heads if at.get("rel") == "alternate"}
        assert others["ar"] == url.replace("lang=fr", "lang=ar")
        assert others["x-default"] == url.removesuffix("?lang=fr")
        (description,) = (at["content"] for at in heads if at.get("name") == "description")
        assert 30 < len(description) < 300
        assert not [at for at in heads if at.get("name") == "robots"], url


def test_every_public_page_without_parameters_is_listed(app: Flask) -> None:
    public = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "access", None) is Access.PUBLIC and not rule.arguments
    }
    assert public - _FILES == set(PAGES)


def test_filters_are_no_pages_of_their_own(visitor: Browser) -> None:
    page = visitor.get("/calendrier?prefecture=bobigny_93&lang=en")
    assert f'<link rel="canonical" href="{FRONT}/calendrier?lang=en">' in page.html


def test_security_txt_is_as_rfc_9116_wants_it(
    client: FlaskClient, settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    assert client.get("/.well-known/security.txt").status_code == 404, "without an address"
    settings_env(SUPPORT_EMAIL="assistance@example.org")
    answer = client.get("/.well-known/security.txt")
    fields = dict(re.findall(r"(?m)^([\w-]+): (.+)$", answer.text))
    assert (answer.mimetype, fields["Contact"]) == ("text/plain", "mailto:assistance@example.org")
    left = datetime.fromisoformat(fields["Expires"]) - clock()
    assert timedelta(days=30) < left < timedelta(days=365)
    assert fields["Canonical"] == f"{FRONT}/.well-known/security.txt"
    frozen.shift(timedelta(hours=3))
    assert client.get("/.well-known/security.txt").text == answer.text


DOCUMENTS = {
    "/conditions": ("Conditions générales de vente", "Droit de rétractation"),
    "/vie-privee": ("Vie privée", "CNIL"),
    "/mentions-legales": ("Mentions légales", "Hébergeur"),
    "/accessibilite": ("Accessibilité", "Défenseur des droits"),
    "/contact": ("Contact", "Par téléphone"),
    "/mediation": ("Médiation", "un an après votre réclamation"),
}
IN_ARABIC = {"/mentions-legales": "البيانات القانونية", "/mediation": "الوساطة"}


@in_turn("path", DOCUMENTS)
def test_each_text_is_shown_in_the_language_that_it_has(path: str, browse: Callable[..., Browser]) -> None:
    title, phrase = DOCUMENTS[path]
    opened = browse().get(path)
    assert title in opened.headings[0]
    assert phrase in opened.text
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
    opened = browse(language).get(path)
    for part in ("Médiation X", "1 rue du Droit, 75001 Paris", "https://mediateur.example"):
        assert part in opened.text, part
    assert "ec.europa.eu/consumers/odr" not in opened.html  # the platform closed on 20 July 2025


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
        opened = visitor.get(path)
        assert (visitor.status, words in opened.text, words in foot) == (200, True, True)


def test_names_keep_their_order_in_arabic(
    browse: Callable[..., Browser], settings_env: Callable[..., None]
) -> None:
    settings_env(SELLER_ADDRESS="2 rue de la Paix, 75002 Paris", SUPPORT_EMAIL="aide@example.org")
    opened = browse("ar").get("/mediation")
    assert "\N{FIRST STRONG ISOLATE}2 rue de la Paix, 75002 Paris\N{POP DIRECTIONAL ISOLATE}" in opened.text
    assert 'href="mailto:aide@example.org"' in opened.html


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
    opened = visitor.get(f"/textes/conditions/{version}")
    assert "Conditions générales de vente" in opened.headings[0]
    assert '<meta name="robots" content="noindex">' in opened.html
    assert 'rel="canonical"' in visitor.get("/conditions").html
    for path in ("conditions/2020-01-01", "nothing/2026-11-22", "contact/..", "terms/fr.md"):
        visitor.get(f"/textes/{path}")
        assert visitor.status == 404, path


def test_every_version_has_its_languages_and_placeholders() -> None:
    for name in DOCUMENTS:
        for version in list_versions(name[1:]):
            for language in ("fr", "en"):
                text = read_document(name[1:], version, language)
                assert (text.language, "${" in text.html) == (language, False)
