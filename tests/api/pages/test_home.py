"""The first page, the map, and the dashboard; no text names how much is watched."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
import time_machine

from api import cache
from api.alerts.service import stop_alerts
from api.models.alert import AlertTarget
from api.models.base import session
from api.models.desk import DeskStatus
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import Browser, Page
from tests.factories import add_account, add_alert, add_desk, add_grant

_ROOT = Path(__file__).parents[3]
_READ = ("README.md", "docs/concepts.md", "api/pages/**/*.html", "api/pages/**/*.po", "api/pages/**/*.md",
         "api/pages/**/*.webmanifest", "api/templates/**/*.html", "api/billing/terms/*/*.md", "notifier/templates/**/*.*",
         "notifier/content/*.yaml")  # fmt: skip
_WATCHED = (
    r"préfect|prefe[ck]?t|prefeit|préf|präfekt|départem|departam|departm|département|guichet|desk|schalter|ventanill|balc[ãõ]"
    r"|guich|page|seite|página|префект|департам|окош|страниц|محافظ|مقاطع|شباك|صفح|省|窗口|页面|प्रीफ़ेक्चर|विभाग|काउंटर"
)
# A number, and soon after it what is watched; Arabic has one with its article, too.
_NUMBER = r"(?<![\w%{.,:€-])(?:\d{2,}|cent une?)\s*(?:\w+\s+|个){0,2}?"
_CLAIM = re.compile(rf"{_NUMBER}(?:{_WATCHED})|\b\u0627\u0644\u0640?\d{{2,}}", re.IGNORECASE)
# Fair use, and the plan's own: numbers of one account.
_OF_AN_ACCOUNT = {"10 préfect"}


def test_the_first_page_says_what_the_service_is_not_and_leads_to_the_advice(visitor: Browser) -> None:
    page = visitor.get("/")
    for said in ("service privé", "Le rendez-vous est gratuit", "captcha", "4,99"):
        assert said in page.text
    (form,) = page.forms
    assert form["attributes"] == {"class": "wish card", "method": "get", "action": "/departements"}
    assert "93 · Seine-Saint-Denis" in page.text
    assert visitor.response.headers["Cache-Control"] == "public, max-age=60"
    assert len(visitor.response.data) < 20_000


def test_it_tells_how_many_desks_were_proven_within_a_day(
    visitor: Browser, frozen: time_machine.Traveller
) -> None:
    languages = {
        "fr": (
            "Aucun guichet n’a été vérifié",
            "24 heures : 2. Départements : 2. Démarches : Titre de séjour.",
        ),
        "en": ("No desk has been checked", "24 hours: 2. Departments: 2. Procedures: Residence permit."),
        "ar": ("لم يتم التحقق من أي شباك", "24 ساعة: 2. المقاطعات: 2. الإجراءات: "),
    }
    for language, (none, _) in languages.items():
        assert none in visitor.get(f"/?lang={language}").text
    add_desk(last_proven_at=clock())
    add_desk("melun_77/titre-sejour", last_proven_at=clock() - timedelta(hours=23))
    frozen.shift(timedelta(minutes=2))
    for language, (_, some) in languages.items():
        page = visitor.get(f"/?lang={language}")
        assert some in page.text.replace("\u00a0", " ")
        (description,) = re.findall(r'name="description" content="([^"]+)"', page.html)
        assert some in description.replace("\u00a0", " "), "search engines read the same"


@pytest.mark.parametrize("language", ["en", "ar"])
def test_its_form_keeps_the_language_of_the_link(browse: Callable[..., Browser], language: str) -> None:
    visitor = browse()
    assert visitor.get(f"/?lang={language}").forms[0]["fields"]["lang"] == [language]
    answer = visitor.client.get(f"/departements?lang={language}&place=93&procedure=visa")
    assert answer.headers["Location"] == f"/departements/bobigny_93/visa?lang={language}"


def list_texts() -> Iterator[Path]:
    for pattern in _READ:
        yield from _ROOT.glob(pattern)


def find_claims(text: str) -> set[str]:
    return {found[0] for found in _CLAIM.finditer(re.sub(r'"\n"', "", text))} - _OF_AN_ACCOUNT


def test_no_text_names_how_much_is_watched() -> None:
    texts = list(list_texts())
    assert len(texts) > 200, "all are looked at"
    found = {str(each.relative_to(_ROOT)): find_claims(each.read_text("utf-8")) for each in texts}
    assert {name: claims for name, claims in found.items() if claims} == {}


@pytest.fixture(autouse=True)
def _no_cache(redis_server: redis.Redis, frozen: time_machine.Traveller) -> None:
    cache._open_cache.cache_clear()


def find_tile(page: Page, place: str) -> str:
    """Return the class of a department's tile."""
    return next(at["class"] for tag, at in page.tags if tag == "a" and at.get("tabindex") == "-1" and place in at["href"])  # fmt: skip


def test_the_map_shows_each_department_and_a_table_with_the_same(visitor: Browser) -> None:
    add_desk(status=DeskStatus.ACTIVE, last_check_at=clock(), last_proven_at=clock())
    page = visitor.get("/carte")
    assert (find_tile(page, "bobigny_93"), find_tile(page, "melun_77"), find_tile(page, "cergy_95")) == (
        "seen",
        "troubled",
        "unknown",
    )
    tags = Counter(tag for tag, _ in page.tags)
    assert (tags["text"], tags["tr"]) == (101, 102)
    assert "Créneaux surveillés" in page.text
    assert len(visitor.response.data) < 40_000


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
    mine, other = add_account(), add_account("other@example.org")
    add_alert(mine.id)
    add_alert(other.id, AlertTarget(prefecture_id="melun_77", procedure="TITRE_SEJOUR"))
    page = visitor.sign_in().page
    assert "Seine-Saint-Denis (93)" in page.text
    assert "Seine-et-Marne" not in page.text
    assert "0 créneau trouvé" in page.text


def test_without_an_alert_it_says_what_to_do_and_thanks_for_a_payment(camille: Browser) -> None:
    page = camille.get("/dashboard")
    assert "Aucune alerte pour l’instant" in page.text
    assert "Vous n’avez pas de formule en cours." in page.text
    for plan, text in (("URGENCE_7J", "URGENCE 7J"), ("<script>", "Merci"), ("%00%ff%ed%a0%80", "Merci")):
        page = camille.get(f"/dashboard?payment=success&plan={plan}")
        assert text in page.text
        assert "Merci, votre paiement est en route." in page.text


def test_it_speaks_the_language_of_the_account(visitor: Browser) -> None:
    user = add_account(language="en")
    add_grant(user.id, PlanName.URGENCE_24H)
    page = visitor.sign_in().page
    assert page.headings == ["My alerts"]
    assert "URGENCE 24H" in page.text
    assert visitor.get("/dashboard?lang=ar").headings == ["تنبيهاتي"]


def test_it_warns_when_a_link_stopped_the_last_alert_of_a_running_plan(visitor: Browser) -> None:
    user = add_account()
    add_grant(user.id, PlanName.URGENCE_24H)
    alert_id = add_alert(user.id)
    warning = "a arrêté votre dernière alerte"
    assert warning not in visitor.sign_in().page.text
    with session() as s:
        stop_alerts(s, user.id, [alert_id])
    assert warning in visitor.get("/dashboard").text
