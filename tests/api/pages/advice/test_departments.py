from datetime import timedelta

import pytest
import redis
import time_machine

from api import cache
from api.pages.advice.place_search import search_places
from configs.ground.clock import clock
from tests.clients import Browser, Page
from tests.factories import see
from tests.in_turn import in_turn


@pytest.fixture(autouse=True)
def _no_cache(redis_server: redis.Redis, frozen: time_machine.Traveller) -> None:
    cache._open_cache.cache_clear()


def list_places(page: Page) -> list[str]:
    return [at["href"].rpartition("/")[2] for tag, at in page.tags if tag == "a" and at.get("href", "").startswith("/departements/") and "lang=" not in at["href"]]  # fmt: skip


def test_a_department_shows_its_procedures_and_what_was_seen_an_hour_ago(visitor: Browser) -> None:
    see("2026-12-01", at=clock() - timedelta(hours=2))
    see("2026-12-02", "2026-12-03", at=clock() - timedelta(minutes=5))
    page = visitor.get("/departements/bobigny_93")
    assert page.headings == ["Seine-Saint-Denis (93)"]
    assert list_places(page)[:3] == ["titre-sejour", "naturalisation", "visa"]
    assert page.text.count("1 créneau") == 1
    assert "2 créneaux" not in page.text


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
        ("\uff19\uff13\uff10\uff10\uff10", ["93"]), ("Bobigny (93)", ["93"]), ("Bobigny 77", ["93"]), ("95 Melun", ["77"]), ("dépt 93", ["93"]), ("Saint-Denis 93", ["93"]), ("06 12 34 56 78", []), ("930001", []),
        ("zzz", []), ("%_'\"\x00", ["77", "93", "95"]), ("é" * 10_000, []),
    ])  # fmt: skip
def test_departments_are_found_by_name_town_and_postcode(app: object, search: str, found: list[str]) -> None:
    assert [place.department for place in search_places(search)] == found


def test_the_list_shows_what_a_search_found(visitor: Browser) -> None:
    assert list_places(visitor.get("/departements?q=Bobigny+77")) == ["bobigny_93"], (
        "of an arrondissement, say"
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
