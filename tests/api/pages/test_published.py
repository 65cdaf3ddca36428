"""The calendar and its feeds, the ledger, the public status; legal pages, what each must say and in which language; files and heads for programs."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from redis import Redis

from api.admin.health.checks import CHECKS, HealthChecks
from api.admin.health.findings import raise_troubles
from api.models.desk import Outage, OutageReason, Publication
from api.models.incident import Incident, IncidentReason
from api.models.notification import DeliveryFigure
from api.models.user import Channel
from api.pages.public.legal import list_versions, read_document, render_markdown
from api.pages.public.status import SERVICES
from configs.ground.clock import clock
from configs.ground.redis import open_redis
from configs.world import retention
from configs.world.sales_terms import CANCEL_PATH, WITHDRAW_PATH, find_newest_version
from tests.clients import Browser
from tests.factories import BOBIGNY, add_day, add_desk, make_delivery_figure, save, save_all, take_slots
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("frozen", "redis_server")
DESK = "bobigny_93/naturalisation"
FEED = "/calendrier/bobigny_93/naturalisation.ics"
_LAST = date(2026, 11, 19)
Find = Callable[..., None]


def test_a_release_is_shown_by_day_and_hour_of_its_prefecture_which_the_form_chooses(
    visitor: Browser,
) -> None:
    add_desk(DESK, releases_at=clock() + timedelta(days=4))
    page = visitor.get("/calendrier")
    assert visitor.response.headers["Cache-Control"] == "public, max-age=60"
    for text in ("mardi 24 novembre 2026", "10:00", "93 – Seine-Saint-Denis", "Annoncé par la page"):
        assert text in page.text
    assert f'href="{FEED}?lang=fr"' in page.html
    page = visitor.get("/calendrier?prefecture=bobigny_93&procedure=NATURALISATION")
    assert "Dans votre agenda" in page.text
    assert '<option value="bobigny_93" selected>' in page.html
    assert "24 novembre" not in visitor.get("/calendrier?prefecture=melun_77&procedure=").text


def test_rubbish_is_answered_by_the_form(visitor: Browser) -> None:
    for query in ("prefecture=nowhere_99", "procedure=visa", f"prefecture={'x' * 9000}", "prefecture=%00"):
        page = visitor.get(f"/calendrier?{query}")
        assert (visitor.status, len(page.forms)) == (404, 1), query
        assert "n’existe pas" in page.text
    for query in ("page=-1", "page=x", "page=99999999999999", "prefecture=&procedure=", "page=٣", "what=x"):
        visitor.get(f"/calendrier?{query}")
        assert visitor.status == 200, query


def test_a_feed_is_one_of_a_prefecture_and_a_procedure_in_its_language(visitor: Browser) -> None:
    add_desk(DESK, releases_at=clock() + timedelta(days=4))
    titles = {}
    for language in ("fr", "en", "ar"):
        answer = visitor.client.get(f"{FEED}?lang={language}")
        assert (answer.status_code, answer.mimetype) == (200, "text/calendar")
        (event,) = Calendar.from_ical(answer.data).events
        titles[language] = str(event["SUMMARY"]).partition(":")[0].strip()
    assert titles == {"fr": "Mise en ligne de places", "en": "Slots are released", "ar": "نشر مواعيد جديدة"}


def test_many_releases_are_shown_page_by_page(visitor: Browser) -> None:
    add_desk(DESK)
    seen = {
        "first_day": clock().date(),
        "last_day": clock().date(),
        "seen_at": clock(),
        "seen_last_at": clock(),
    }
    hours = [clock() + timedelta(hours=number) for number in range(1, 121)]
    add(*(Publication(desk_id=DESK, released_at=each, **seen) for each in hours))
    pages = [visitor.get(f"/calendrier?page={number}").html for number in ("1", "2", "3", "4", "0", "x")]
    assert [each.count('class="card release"') for each in pages] == [50, 50, 20, 20, 50, 50]
    assert [f'href="/calendrier?page={number}"' in pages[1] for number in (1, 2, 3)] == [True, False, True]


def add(*rows: Any) -> None:
    save_all(rows)


def delivered(days_ago: int, p50: float, p95: float, *, accepted: int = 9, failed: int = 0) -> DeliveryFigure:
    day = _LAST - timedelta(days=days_ago)
    return make_delivery_figure(day, Channel.EMAIL, accepted, [p50, p95, p95], missed=failed)


def arrived(channel: Channel, days_ago: int = 0, *, delivered: int = 9, tracked: int = 0) -> DeliveryFigure:
    """Return the figures of a day on which one message of ten came to nothing."""
    return make_delivery_figure(
        _LAST - timedelta(days=days_ago), channel, 10, [1, 2, 3], delivered=delivered, no_receipt=10 - delivered,
        tracked=tracked, confirmed=min(tracked, delivered), seen_to_delivered=[2.5 + days_ago, 6, 9],
    )  # fmt: skip


def test_where_nothing_is_known_and_before_the_first_message_pages_say_so(
    browse: Callable[..., Browser],
) -> None:
    page = browse().get("/fiabilite")
    for text in ("Trop peu d’alertes", "Aucune alerte n’a été envoyée", "Toutes les pages ont pu", "0,00 €"):
        assert text in page.text.replace("\xa0", " "), text
    assert "Aucune heure connue" in browse().get("/calendrier").text


def test_it_shows_a_usual_day_first_and_each_day_after(visitor: Browser) -> None:
    add(delivered(0, 0.4, 2.0), delivered(1, 0.6, 4.0), delivered(2, 1.4, 8.0, failed=2))
    page = visitor.get("/fiabilite")
    assert "0,6 s" in page.text
    assert "95 % le sont en 4 s" in " ".join(page.text.split())
    assert "2 ne sont pas parties alors que la place était libre" in page.text
    assert "17 novembre 2026" in page.text
    (paths,) = (
        [at["d"] for tag, at in page.tags if tag == "path" and at["class"] == name] for name in ["most"]
    )
    assert paths == ["M540 100h16v-100h-16zM560 100h16v-50h-16zM580 100h16v-25h-16z"]


def read_table(html: str, caption: str) -> list[list[str]]:
    """Return the cells of a table, line by line, below its two heads."""
    table = html.split(f"<caption>{caption}</caption>")[1].split("</table>", maxsplit=1)[0]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in table.split("<tr>")[2:]]
    return [[re.sub("<[^>]+>|[\u202f\xa0]", " ", cell).strip() for cell in line] for line in lines]


def test_it_shows_how_alerts_arrived_by_channel(visitor: Browser) -> None:
    add(
        arrived(Channel.EMAIL, tracked=10), arrived(Channel.EMAIL, 1, tracked=10), arrived(Channel.EMAIL, 2, tracked=10),
        arrived(Channel.TELEGRAM), arrived(Channel.SMS, delivered=4, tracked=10),
    )  # fmt: skip
    lines = read_table(visitor.get("/fiabilite").html, "Alertes reçues, par canal")
    found = {channel: cells for channel, *cells in lines}
    assert found["E-mail"] == ["30", "3,5 s", "6 s", "90 %", "3"]
    assert found["Telegram"] == ["10", "2,5 s", "6 s", "–", "–"]  # its answer is no receipt
    assert found["SMS"] == ["10", "–", "–", "40 %", "6"]  # four are too few for a time


def test_it_names_outages_and_paces(visitor: Browser) -> None:
    add_desk(BOBIGNY)
    hour = timedelta(hours=1)
    outage = Outage(desk_id=BOBIGNY, starts_at=clock() - 30 * hour, ends_at=None, reason=OutageReason.CAPTCHA)
    add(outage)
    add_day(BOBIGNY, _LAST, checks=10, proven=10, achieved_seconds=90, promised_seconds=60)
    page = visitor.get("/fiabilite")
    for text in ("La page demande un captcha", "en cours", "93 – Seine-Saint-Denis", "150 %", "0 sur 1"):
        assert text in page.text.replace("\xa0", " ").replace("\u202f", " "), text


def test_it_shows_what_subscribers_answered(visitor: Browser) -> None:
    add_day(BOBIGNY, _LAST, alerts=1250, found=6, too_late=3, nothing_there=1)
    take_slots(30, 120, 600, opened=clock() - timedelta(days=2))
    html = visitor.get("/fiabilite").html
    cells = ["1 250", "10", "60 %", "30 %", "0,8", "2 minutes"]
    assert read_table(html, "Réponses aux alertes, par mois (UTC)") == [["novembre 2026", *cells]]
    by_platform = read_table(html, "Réponses aux alertes, par système de rendez-vous")
    assert by_platform == [["ezbooking", "novembre 2026", *cells]]


@pytest.fixture
def find(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Find:
    """Let health find these parts down: `find("workers")`."""

    def put(*down: str) -> None:
        def answer(_: Redis, name: str) -> str:
            raise_troubles(["<b>x</b>"] if name in down else [])
            return "fine"

        names = {"database", "workers", "payments", *down}
        checks = [each._replace(ask=partial(answer, name=each.name)) for each in CHECKS if each.name in names]
        monkeypatch.setitem(app.extensions, "health", HealthChecks(open_redis(), checks))

    return put


def test_all_works(find: Find, browse: Callable[..., Browser]) -> None:
    find()
    page = browse().get("/statut")
    assert "Tout fonctionne." in page.text
    assert page.text.count("Fonctionne") == len(SERVICES)


def test_what_is_down_is_said_in_words_and_escaped(find: Find, visitor: Browser) -> None:
    find("workers", "payments")
    page = visitor.get("/statut")
    assert visitor.status == 200
    assert "Une partie essentielle est en panne" in page.text
    assert "Perturbé" in page.text
    assert "&lt;b&gt;x&lt;/b&gt;" in page.html


def test_the_open_page_asks_for_the_same_part(find: Find, visitor: Browser) -> None:
    find("payments")
    assert "Les alertes partent." in visitor.get("/statut").text
    visitor.get("/statut?lang=en")
    answer = visitor.client.get("/statut/en-direct?lang=en")
    assert "Alerts are sent." in (answer.json or {})["parts"]["state"]
    assert answer.headers["Cache-Control"] == "public, max-age=5"


def test_alerts_are_not_said_to_leave_while_a_provider_is_away(find: Find, visitor: Browser) -> None:
    find("providers")
    assert "L’envoi est perturbé" in visitor.get("/statut").text


def test_the_month_is_told_by_our_records_and_what_they_cannot_see(find: Find, visitor: Browser) -> None:
    """Two parts that are ill at once are one trouble of the service."""
    find()
    day, hour = timedelta(days=1), timedelta(hours=1)
    for subject, begin, lasts in (
        ("workers", 3 * day, 2 * hour),
        ("messages", 3 * day - hour, 3 * hour),
        ("providers:x", 2 * day, hour),
        ("planner", 40 * day, hour),
    ):
        at = clock() - begin
        times = {"starts_at": at, "seen_at": at + lasts, "ends_at": at + lasts}
        save(Incident(subject=subject, reason=IncidentReason.PART_DOWN, **times))
    text = " ".join(visitor.get("/statut").text.split())
    assert "Envoi des alertes2 troubles notés, 5 heures en tout" in text
    assert text.count("aucun trouble noté") == len(SERVICES) - 1
    assert "C’est une mesure, pas une promesse." in text


def test_without_redis_and_database_it_still_answers(
    make_app: Callable[[], Flask], settings_env: Callable[..., None]
) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    made = make_app()
    page = Browser(made).get("/statut")
    assert "En panne" in page.text


FRONT = "https://front.example"


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
    assert not [url for url in urls if "direct" in url or url.endswith((".js", ".txt", ".xml"))], (
        "no files, no live parts"
    )
    for page in (
        "/",
        "/calendrier",
        "/conditions",
        "/fiabilite",
        "/statut",
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
IN_ARABIC = {"/vie-privee": "الخصوصية", "/mentions-legales": "البيانات القانونية", "/mediation": "الوساطة"}


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
                   "ce service ne peut pas le lire", "service worker", "rétractations des 90 derniers jours",
                   "le journal de notre serveur", "Nom et adresse d’une déclaration : cinq ans"):  # fmt: skip
        assert phrase in privacy, phrase
    assert "prise par une machine seule" not in privacy
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
        "UNVERIFIED_KEPT_FOR": (7, "Sans adresse confirmée, il est supprimé après 7 jours"),
        "ACCOUNT_UNUSED_FOR": (730, "sans être utilisé, après deux ans"),
        "messages_kept_for": (90, "Texte et adresse des messages envoyés : 90 jours"),
        "support_kept_for": (365, "Messages à notre assistance : un an"),
        "login_kept_for": (90, "empreintes d’adresses réseau : 90 jours"),
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
