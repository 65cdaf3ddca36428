"""Pages for everybody: the first page, the map, departments and advice, the words for how well a desk is watched; the dashboard."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis
import time_machine
from flask import Flask

from api.alerts.service import stop_alerts
from api.ground import cache
from api.models.alert import Alert, AlertTarget
from api.models.base import session
from api.models.desk import DeskState, DeskStatus
from api.models.login import PendingRegistration
from api.models.notification import Notification
from api.models.slot import GoneReason, SlotRow
from api.models.user import Contact, User
from api.models.watchability import Hindrance, Standing
from api.outlook.schemas import HeatCell
from api.pages.choices import search_places
from api.pages.heat_map import build_heat_map
from api.pages.words import (
    HIDDEN,
    SEEN,
    TRIED,
    TROUBLED,
    UNWATCHED,
    WatchClass,
    classify_watch,
    explain_desk,
    name_website,
)
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.signing import VerifyAddress, write_token
from configs.world.desk import Grade, Outcome, WatchLevel
from configs.world.plan import PlanName
from configs.world.prefecture import desks
from tests import factories
from tests.api.messages import read_text
from tests.api.world import TOWN_HALLS, add_town_halls, watch_town_halls
from tests.clients import Browser, Page
from tests.desk_proofs import prove_desks
from tests.factories import rows
from tests.in_turn import in_turn

PARIS = ZoneInfo("Europe/Paris")
WISH = "/departements/bobigny_93/titre-sejour"


@pytest.fixture(autouse=True)
def _no_cache(redis_server: redis.Redis, frozen: time_machine.Traveller) -> None:
    cache._open_cache.cache_clear()


def open_slots(openings: int) -> None:
    """Let slots open on Tuesdays at 8:10, and go 5 minutes later."""
    for week in range(openings):
        opened = clock().astimezone(PARIS).replace(hour=8, minute=10) - timedelta(days=3, weeks=week)
        _, ids = factories.see("2027-01-05", at=opened)
        gone = {"gone_at": opened + timedelta(minutes=5), "gone_reason": GoneReason.TAKEN}
        factories.change(SlotRow, SlotRow.id.in_(ids), **gone)


def test_the_advice_shows_how_the_wish_is_watched_and_when_slots_opened(visitor: Browser) -> None:
    open_slots(10)
    prove_desks()
    factories.add_desk(
        status=DeskStatus.ACTIVE, last_check_at=clock(), last_proven_at=clock() - timedelta(minutes=3),
        wished_seconds=30, feasible_seconds=75, achieved_seconds=80,
    )  # fmt: skip
    for days in range(1, 15):
        factories.add_day(factories.BOBIGNY, clock().date() - timedelta(days=days), checks=9, proven=8)
    page = visitor.get(WISH)
    text = " ".join(page.text.replace("\xa0", " ").split())
    assert page.headings == ["Titre de séjour – Seine-Saint-Denis (93)"]
    for said in (
        "il y a 3 minutes", "30 secondes", "75 secondes", "80 secondes", "libérées 10 fois (10 en tout)",
        "moins de 5 minutes (10 places", "mardi entre 08:00 et 09:00 : 10 ouvertures", "pendant 14 jours. Réponses sûres : 112",
        "Un captcha cache les places", "4,99 €",
    ):  # fmt: skip
        assert said in text, said
    assert "trop peu" not in text
    assert len(visitor.response.data) < 30_000


@pytest.mark.parametrize("path", [
    WISH, "/departements/bobigny_93", "/carte?procedure=titre-sejour", "/statut", "/dashboard", "/alertes/{alert}",
])  # fmt: skip
def test_a_proof_older_than_five_intervals_is_said_with_its_age_wherever_it_says_watched(
    visitor: Browser, path: str, frozen: time_machine.Traveller
) -> None:
    user = factories.add_account()
    factories.add_grant(user.id, PlanName.URGENCE_7J)
    address = path.format(alert=factories.add_alert(user.id))
    prove_desks()
    factories.add_desk(
        status=DeskStatus.ACTIVE,
        wished_seconds=60,
        feasible_seconds=90,
        fast_since=clock() - timedelta(days=1),
    )
    visitor.sign_in()
    frozen.shift(timedelta(seconds=5 * 90 - 1))
    assert "réponse sûre depuis" not in visitor.get(address).text
    frozen.shift(
        timedelta(minutes=26, seconds=31)
    )  # of what the cache keeps the page decides by its own clock
    said = (
        "1 département, la page de rendez-vous"
        if path == "/statut"
        else "Pas de réponse sûre depuis 34 minutes"
    )
    assert said in visitor.get(address).text.replace("\xa0", " ")


def test_where_nothing_is_seen_it_says_why_and_what_else_there_is(visitor: Browser) -> None:
    prove_desks()
    factories.add_desk("bobigny_93/naturalisation", releases_at=clock() + timedelta(days=2))
    page = visitor.get("/departements/bobigny_93/naturalisation")
    assert "Un captcha cache les places" in page.text
    assert "22 novembre 2026" in page.text
    assert "/departements/bobigny_93/naturalisation/prevenir" in page.html
    factories.add_desk(last_outcome=Outcome.CLOSED)
    factories.add_desk("bobigny_93/naturalisation", last_outcome=Outcome.CLOSED)
    cache._open_cache.cache_clear()
    page = visitor.get("/departements/cergy_95/titre-sejour")
    assert "Aucune page de rendez-vous n’est connue" in page.text
    assert "melun_77" not in page.html, "a residence permit is bound to the department of residence"


def show_ways(browse: Callable[..., Browser], language: str = "fr", procedure: str = "titre-sejour") -> str:
    return " ".join(browse(language).get(f"/departements/cergy_95/{procedure}").text.split())


@pytest.mark.parametrize(
    ("language", "said"), [("fr", "Écrivez à la préfecture"), ("en", "ANEF"), ("ar", "ANEF")]
)
def test_who_cannot_be_watched_is_helped_anyway(
    browse: Callable[..., Browser], language: str, said: str
) -> None:
    text = show_ways(browse, language)
    assert said in text
    assert "ANEF" in text
    assert "ants.gouv.fr" not in text  # a fact about other procedures


def test_an_address_alone_asks_to_be_told_once_its_mail_is_pressed(
    visitor: Browser, frozen: time_machine.Traveller
) -> None:
    visitor.get("/departements/cergy_95/titre-sejour/prevenir")
    assert "pas valable" in visitor.send("/prevenir", email="nobody").text
    for _ in range(2):
        visitor.get("/departements/cergy_95/titre-sejour/prevenir")
        visitor.send("/prevenir", email="new@example.org")
        page = visitor.follow()
        assert "Un message est en route" in page.text
        assert "new@example.org" in page.text, "a mistyped address is seen"
        frozen.shift(timedelta(minutes=6))
    (mail,) = rows(Notification)
    assert mail.kind == "verify_email"
    assert "7 jours" in read_text(mail)
    assert "code" not in read_text(mail), "no page would take it"
    (kept,), (mailbox,) = rows(PendingRegistration), rows(Contact)
    link = f"/l/{write_token(VerifyAddress(mailbox.id, digest(mailbox.address), kept.id))}"
    visitor.get(link)
    assert rows(Alert) == []
    visitor.client.post(link)
    ((target, alert),) = zip(rows(AlertTarget), rows(Alert), strict=True)
    assert (target.prefecture_id, target.procedure) == ("cergy_95", "TITRE_SEJOUR")
    assert (alert.awaits_watch, alert.enabled) == (True, False)


def test_help_names_who_waits_from_ten_on(visitor: Browser) -> None:
    for number in range(12):
        person = factories.add_account(f"p{number}@example.org")
        target = AlertTarget(prefecture_id="cergy_95", procedure="TITRE_SEJOUR")
        factories.add_alert(person.id, target, enabled=False, awaits_watch=True)
    page = visitor.get("/departements/cergy_95/titre-sejour")
    assert "Au moins 10 personnes attendent" in page.text
    assert "/departements/cergy_95/page-de-rendez-vous" in page.html
    assert "personnes attendent" not in visitor.get("/departements/cergy_95/visa").text


def test_the_busiest_hour_is_the_darkest_and_every_hour_is_in_its_cell() -> None:
    cells = [
        HeatCell(weekday=day, hour=hour, openings=n, slots=n)
        for day, hour, n in ((7, 23, 1), (1, 0, 8), (1, 9, 4))
    ]
    made = build_heat_map(cells)
    assert made
    assert made["paths"] == {1: "M23 6h1v1h-1z", 2: "M9 0h1v1h-1z", 4: "M0 0h1v1h-1z"}
    assert [(each["weekday"], each["begins"], each["ends"]) for each in made["busiest"]] == [
        ("lundi", "00:00", "01:00"),
        ("lundi", "09:00", "10:00"),
        ("dimanche", "23:00", "00:00"),
    ]
    assert made["by_day"] == {"lundi": ["00:00 (8)", "09:00 (4)"], "dimanche": ["23:00 (1)"]}
    assert build_heat_map([]) is None


def test_it_shows_what_became_of_alerts_here_and_each_plan_leads_to_an_account_with_the_wish(
    visitor: Browser,
) -> None:
    prove_desks()
    day = clock().date() - timedelta(days=1)
    factories.add_day(factories.BOBIGNY, day, alerts=400, found=12, too_late=6, nothing_there=2)
    text = " ".join(visitor.get(WISH).text.split())
    assert "Sur 20 réponses à nos alertes en douze mois : rendez-vous trouvé 60 %, trop tard 30 %." in text
    assert "Fausses alertes pour mille : 5." in text
    page = visitor.get(f"{WISH}?lang=en")
    form = page.find_form("/register")
    wish = {"prefecture": ["bobigny_93"], "procedure": ["TITRE_SEJOUR"], "lang": ["en"]}
    plans = ["URGENCE_24H", "URGENCE_7J", "URGENCE_TOTAL"]
    assert form["attributes"]["method"] == "get"
    assert form["fields"] == wish | {
        "desk": [""],
        "plan": plans,
    }  # for all of its desks; each plan is a button
    offered = [at["value"] for _, at in page.tags if at.get("type") == "radio"]
    assert offered == ["", factories.BOBIGNY, "bobigny_93/naturalisation"]


def test_advice_and_order_say_the_same_before_a_price(
    camille: Browser, frozen: time_machine.Traveller
) -> None:
    open_slots(9)
    prove_desks()
    factories.change(DeskState, feasible_seconds=240)
    for days in range(1, 85):
        if days not in range(57, 66):  # one week of them is not watched
            day = clock().date() - timedelta(days=days)
            factories.add_day(factories.BOBIGNY, day, checks=9, proven=8)
    (user,) = rows(User)
    factories.change(Contact, Contact.user_id == user.id, verified_at=clock())
    order = "/formule/commande?plan=URGENCE_7J&prefecture=bobigny_93&procedure=titre-sejour"
    for url in (WISH, order):
        text = " ".join(camille.get(url).text.replace("\xa0", " ").split())
        before = text.partition("14,99")[0]
        for said in (
            "une vérification en 4 minutes", "libérées 9 fois (9 en tout)", "pendant 8 des 11 semaines surveillées",
            "moins de 5 minutes (9 places", "Dernière réponse sûre",
        ):  # fmt: skip
            assert said in before, (url, said)
    factories.change(DeskState, wished_seconds=60)
    frozen.shift(timedelta(minutes=34))
    for url in (WISH, order):
        text = " ".join(camille.get(url).text.replace("\xa0", " ").split())
        assert "Pas de réponse sûre depuis 34 minutes. Tant que le site ne répond pas" in text, url


def test_without_eight_watched_weeks_it_says_nothing_of_weeks(visitor: Browser) -> None:
    open_slots(4)
    prove_desks()
    for days in range(1, 50):
        factories.add_day(factories.BOBIGNY, clock().date() - timedelta(days=days), checks=9, proven=8)
    text = visitor.get(WISH).text
    assert ("libérées 4 fois" in text, "semaines surveillées" in text) == (True, False)


def list_places(page: Page) -> list[str]:
    return [at["href"].rpartition("/")[2] for tag, at in page.tags if tag == "a" and at.get("href", "").startswith("/departements/") and "lang=" not in at["href"]]  # fmt: skip


def test_a_department_shows_its_procedures_and_what_was_seen_an_hour_ago(visitor: Browser) -> None:
    factories.see("2026-12-01", at=clock() - timedelta(hours=2))
    factories.see("2026-12-02", "2026-12-03", at=clock() - timedelta(minutes=5))
    page = visitor.get("/departements/bobigny_93")
    assert page.headings == ["Seine-Saint-Denis (93)"]
    assert list_places(page)[:3] == ["titre-sejour", "naturalisation", "visa"]
    assert page.text.count("1 place libre") == 1
    assert "2 places libres" not in page.text


def test_other_spellings_lead_to_the_one_address(visitor: Browser) -> None:
    for path, leads in {
        "/departements/93": "/departements/bobigny_93",
        "/departements/93/TITRE_SEJOUR?lang=ar": "/departements/bobigny_93/titre-sejour?lang=ar",
        "/departements?place=77&procedure=visa": "/departements/melun_77/visa",
        "/departements?place=melun_77": "/departements/melun_77",
    }.items():
        answer = visitor.client.get(path)
        assert (answer.status_code // 100, answer.headers["Location"]) == (3, leads)


@in_turn("search, found", [
        ("seine", ["77", "93"]), ("SEINE ET marne", ["77"]), ("saint denis", ["93"]), ("Bobigny", ["93"]),
        ("95", ["95"]), ("93200", ["93"]), ("75001", []), ("sene et marne", ["77"]), ("", ["77", "93", "95"]),
        ("93 000", ["93"]), ("93\u202f000", ["93"]), ("F-93000", ["93"]), ("FR-93 200", ["93"]), ("F\u201393000", ["93"]),
        ("93000 Bobigny", ["93"]), ("Saint-Denis 93200", ["93"]), ("٩٣٠٠٠", ["93"]), ("۹۳", ["93"]),
        ("\uff19\uff13\uff10\uff10\uff10", ["93"]), ("Bobigny (93)", ["93"]), ("Bobigny 77", ["77"]), ("Laval - 95", ["95"]), ("Melun, Seine-et-Marne", ["77"]), ("Saint-Denis (Seine-Saint-Denis)", ["93"]), ("95 Melun", ["77"]), ("dépt 93", ["93"]), ("Saint-Denis 93", ["93"]), ("06 12 34 56 78", []), ("930001", []),
        ("zzz", []), ("%_'\"\x00", ["77", "93", "95"]), ("é" * 10_000, []),
    ])  # fmt: skip
def test_departments_are_found_by_name_town_and_postcode(app: object, search: str, found: list[str]) -> None:
    assert [place.department for place in search_places(search)] == found


@in_turn("search, department", [
        ("20302 Ajaccio Cedex", "2A"), ("20704 Ajaccio Cedex 9", "2A"), ("20407 Bastia Cedex", "2B"), ("20090 Ajaccio", "2A"), ("20600", "2B"),
        ("Saint-Denis (93)", "93"), ("Saint-Denis - 93", "93"), ("Saint-Denis (974)", "974"), ("Valence 82", "82"), ("Valence", "26"),
        ("Paris 15", "75"), ("Lyon 03", "69"), ("Marseille (13)", "13"), ("Vincennes, Val-de-Marne", "94"), ("St Pierre, Réunion", "974"),
    ])  # fmt: skip
def test_a_town_with_its_department_is_found_there(search: str, department: str) -> None:
    assert search_places(search)[0].department == department


def test_the_list_shows_what_a_search_found(visitor: Browser) -> None:
    assert list_places(visitor.get("/departements?q=Bobigny+77")) == ["melun_77"], (
        "a department behind a town decides"
    )
    assert list_places(visitor.get("/departements?q=melun&procedure=visa")) == ["melun_77"]
    assert "Aucun département" in visitor.get("/departements?q=zzz").text
    assert "<b>" not in visitor.get("/departements?q=<b>&procedure=<b>").html


@in_turn("path", [
        "/departements/bobigny_94", "/departements/bobigny_93/x", "/departements/%00/visa", "/departements/<b>",
        "/departements?place=93&procedure=x", "/departements?place=<b>", "/departements/" + "x" * 10_000,
        "/departements/bobigny_93/" + "x" * 10_000,
    ])  # fmt: skip
def test_what_does_not_exist_is_answered_with_a_search(visitor: Browser, path: str) -> None:
    page = visitor.get(path)
    assert visitor.status == 404
    assert page.headings == ["Département ou démarche inconnus"]
    assert "<b>" not in page.html
    assert list_places(page)[-3:] == ["melun_77", "bobigny_93", "cergy_95"]
    assert 'name="robots" content="noindex"' in page.html
    assert [form["attributes"]["action"] for form in page.forms] == ["/departements", "/departements"]


@in_turn("changes, hindrance, watch, said", [
        ({}, None, SEEN, "None"),
        ({}, Hindrance.UNPROVEN, TRIED, "Nous essayons cette page"),
        ({}, Hindrance.DOUBTED, TRIED, "si l’on y prend encore ce rendez-vous"),
        ({}, Hindrance.RETURNING, TROUBLED, "deuxième vérification"),
        ({}, Hindrance.FAILING, TROUBLED, "ont échoué"),
        ({}, Hindrance.SILENT, TROUBLED, "trop ancienne"),
        ({}, Hindrance.CAPTCHA, TROUBLED, "nous n’en résolvons aucun"),
        ({}, Hindrance.INTERRUPTED, TROUBLED, "pas vérifiée"),
        ({}, Hindrance.STOPPED, TROUBLED, "arrêté de vérifier"),
        ({"watch": WatchLevel.PEOPLE}, Hindrance.STOPPED, TROUBLED, "à personne de regarder"),
        ({}, Hindrance.MOVED, UNWATCHED, "fermé ou déplacé"),
        ({}, Hindrance.HIDDEN, HIDDEN, "captcha cache"),
        ({"watch": WatchLevel.NONE}, Hindrance.UNWATCHED, UNWATCHED, "compte personnel"),
        ({"watch": WatchLevel.NONE, "because": "x"}, Hindrance.UNWATCHED, UNWATCHED, "manque un accès"),
        ({"watch": WatchLevel.NONE, "platform": "ants"}, Hindrance.UNWATCHED, UNWATCHED, "manque un accès"),
        ({"refused": "x"}, Hindrance.UNWATCHED, UNWATCHED, "programmes"),
        ({"grade": Grade.STALE}, Hindrance.UNWATCHED, UNWATCHED, "chaque jour si elle sert encore"),
        ({"grade": Grade.RETIRED}, Hindrance.UNWATCHED, UNWATCHED, "très ancienne"),
    ])  # fmt: skip
def test_each_reason_has_its_words(
    app: Flask, changes: dict[str, Any], hindrance: Hindrance | None, watch: WatchClass, said: str
) -> None:
    desk = desks()[factories.BOBIGNY].model_copy(update=changes)
    with app.test_request_context("/"):
        assert classify_watch(Standing(desk, hindrance)) is watch
        assert said in str(explain_desk(desk, hindrance))


def test_the_national_site_has_its_name_and_others_their_host(app: Flask) -> None:
    desk = desks()[factories.BOBIGNY]
    assert name_website(desk) == "127.77.0.93"
    assert name_website(desk.model_copy(update={"platform": "ants"})) == "France Titres (ANTS)"


ADVICE = "/departements/bobigny_93/passeport"
ANSWERED = "Mairies qui ont répondu : Aubervilliers (93300) n° 2."
OTHERS = "Les autres mairies du département utilisent d’autres systèmes"
TOO_LONG = "Un tour de ses mairies prend plus de 15 minutes"


def read(browser: Browser, url: str) -> str:
    """Return the text of a page in one line."""
    return " ".join(browser.get(url).text.split())


def test_pages_say_which_town_halls_answered_and_that_others_are_elsewhere(
    camille: Browser, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    add_town_halls(tmp_path, settings_env)
    watch_town_halls(16)
    target = AlertTarget(desk_id=TOWN_HALLS)
    alert = factories.add_alert(factories.one(User).id, target, enabled=False, awaits_watch=True)
    for url in (ADVICE, f"/alertes/{alert}"):
        text = read(camille, url)
        assert ANSWERED in text
        assert OTHERS in text
        assert TOO_LONG in text
    factories.change(DeskState, feasible_seconds=600)
    assert TOO_LONG not in read(camille, f"/alertes/{alert}")


def test_a_page_says_that_nobody_has_decided(
    visitor: Browser, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    add_town_halls(tmp_path, settings_env, "https://rendezvousonline.fr/")
    assert "Nous n’avons pas encore vérifié que ce site accepte" in read(visitor, ADVICE)


def test_the_first_page_says_what_the_service_is_not_and_leads_to_the_advice(visitor: Browser) -> None:
    page = visitor.get("/")
    for said in ("service privé", "Le rendez-vous est gratuit", "captcha", "4,99"):
        assert said in page.text
    (form,) = page.forms
    assert form["attributes"] == {"class": "wish card", "method": "get", "action": "/departements"}
    assert "93 – Seine-Saint-Denis" in page.text
    assert visitor.response.headers["Cache-Control"] == "public, max-age=60"
    assert len(visitor.response.data) < 20_000


def test_it_tells_where_slots_are_seen_for_each_procedure(
    visitor: Browser, frozen: time_machine.Traveller
) -> None:
    assert "nous ne voyons de places dans aucun département" in visitor.get("/").text
    prove_desks(factories.BOBIGNY, "melun_77/titre-sejour", times=2)
    factories.add_desk(
        "bobigny_93/naturalisation", last_proven_at=clock()
    )  # a captcha: its slots are not seen
    frozen.shift(timedelta(minutes=2))
    page = visitor.get("/")
    (description,) = re.findall(r'name="description" content="([^"]+)"', page.html)
    for text in (page.text, description):  # search engines read the same
        said = "Places visibles en ce moment : Titre de séjour, dans 2 départements."
        assert said in text.replace("\u00a0", " ")
        assert "Naturalisation" not in said


@pytest.mark.parametrize("language", ["en", "ar"])
def test_its_form_keeps_the_language_of_the_link(browse: Callable[..., Browser], language: str) -> None:
    visitor = browse()
    assert visitor.get(f"/?lang={language}").forms[0]["fields"]["lang"] == [language]
    answer = visitor.client.get(f"/departements?lang={language}&place=93&procedure=visa")
    assert answer.headers["Location"] == f"/departements/bobigny_93/visa?lang={language}"


def find_tile(page: Page, place: str) -> str:
    """Return the class of a department's tile."""
    return next(at["class"] for tag, at in page.tags if tag == "a" and at.get("tabindex") == "-1" and place in at["href"])  # fmt: skip


def test_the_map_shows_each_department_and_a_table_with_the_same(visitor: Browser) -> None:
    prove_desks(factories.BOBIGNY)
    page = visitor.get("/carte?procedure=titre-sejour")
    assert (find_tile(page, "bobigny_93"), find_tile(page, "melun_77"), find_tile(page, "cergy_95")) == (
        "seen",
        "tried",
        "unknown",
    )
    tags = Counter(tag for tag, _ in page.tags)
    assert (tags["text"], tags["tr"]) == (101, 102)
    assert "Places surveillées" in page.text
    assert len(visitor.response.data) < 40_000


def test_the_map_asks_for_the_procedure_first(visitor: Browser) -> None:
    prove_desks(factories.BOBIGNY)
    page = visitor.get("/carte")
    assert not [at for tag, at in page.tags if tag == "table"]
    text = " ".join(page.text.split())
    assert "Titre de séjour places visibles dans 1 département" in text
    assert "Naturalisation places visibles nulle part en ce moment" in text  # behind a captcha
    assert "/carte?procedure=titre-sejour" in page.html


def test_the_filter_counts_only_desks_of_the_procedure(visitor: Browser) -> None:
    page = visitor.get("/carte?procedure=naturalisation")
    assert find_tile(page, "/departements/bobigny_93/naturalisation") == "captcha"
    assert find_tile(page, "melun_77") == "unknown"
    assert find_tile(visitor.get("/carte?procedure=VISA"), "bobigny_93") == "unwatched"


def test_its_twin_answers_the_parts_of_the_page(visitor: Browser) -> None:
    page = visitor.get("/carte?procedure=visa")
    (live,) = (at for _, at in page.tags if "data-live" in at)
    answer = visitor.client.get(live["data-live"])
    parts = (answer.json or {})["parts"]
    assert sorted(parts) == sorted(at["data-part"] for _, at in page.tags if "data-part" in at)
    for html in parts.values():
        assert html in page.html
    known = {"If-None-Match": answer.headers["ETag"]}
    assert visitor.client.get(live["data-live"], headers=known).status_code == 304
    assert answer.headers["Cache-Control"] == "public, max-age=5"


def test_an_unknown_procedure_is_no_map(visitor: Browser) -> None:
    for asked in ("x", "x" * 10_000, "%00", "<b>"):
        visitor.get(f"/carte?procedure={asked}")
        assert visitor.status == 404
        assert visitor.client.get(f"/carte/direct?procedure={asked}").status_code == 404
    visitor.get("/carte?procedure=&lang=xx")
    assert visitor.status == 200


def test_it_shows_the_alerts_of_its_user_only(visitor: Browser) -> None:
    mine, other = factories.add_account(), factories.add_account("other@example.org")
    factories.add_alert(mine.id)
    factories.add_alert(other.id, AlertTarget(prefecture_id="melun_77", procedure="TITRE_SEJOUR"))
    page = visitor.sign_in().page
    assert "Seine-Saint-Denis (93)" in page.text
    assert "Seine-et-Marne" not in page.text
    assert "0 place libre trouvée" in page.text


def test_what_is_open_now_stands_first_with_its_hours_and_its_button(visitor: Browser) -> None:
    user = factories.add_account()
    first = factories.add_alert(user.id, name="Ouverte")
    factories.add_alert(user.id, name="Rien")
    detection, slots = factories.see("2026-12-21T09:00:00+00:00", "2026-12-22T09:00:00+00:00")
    factories.add_match(first, detection, slots)
    page = visitor.sign_in().page
    order = [
        page.html.index(each) for each in ("Ouverte", "https://example.org/book", "22 décembre 2026", "Rien")
    ]
    assert order == sorted(order)
    page = visitor.get(f"/alertes/{first}")
    assert page.html.index("https://example.org/book") < page.html.index("Dernière vérification")


def test_without_an_alert_it_says_what_to_do_and_thanks_for_a_payment(camille: Browser) -> None:
    page = camille.get("/dashboard")
    assert "Aucune alerte pour l’instant" in page.text
    assert "Vous n’avez pas d’offre en cours." in page.text
    for plan, text in (("URGENCE_7J", "URGENCE 7J"), ("<script>", "Merci"), ("%00%ff%ed%a0%80", "Merci")):
        page = camille.get(f"/dashboard?payment=success&plan={plan}")
        assert text in page.text
        assert "Merci, votre paiement est en route." in page.text


def test_it_speaks_the_language_of_the_account(visitor: Browser) -> None:
    user = factories.add_account(language="en")
    factories.add_grant(user.id, PlanName.URGENCE_24H)
    page = visitor.sign_in().page
    assert page.headings == ["My alerts"]
    assert "URGENCE 24H" in page.text
    assert visitor.get("/dashboard?lang=ar").headings == ["تنبيهاتي"]


def test_it_warns_when_a_link_stopped_the_last_alert_of_a_running_plan(visitor: Browser) -> None:
    user = factories.add_account()
    factories.add_grant(user.id, PlanName.URGENCE_24H)
    alert_id = factories.add_alert(user.id)
    warning = "a arrêté votre dernière alerte"
    assert warning not in visitor.sign_in().page.text
    with session() as s:
        stop_alerts(s, user.id, [alert_id])
    assert warning in visitor.get("/dashboard").text
