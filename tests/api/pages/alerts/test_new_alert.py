from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.alerts.schemas import NewAlert
from api.models.alert import Alert, AlertTarget
from api.models.user import User
from configs.ground.clock import clock
from configs.world.languages import MESSAGE_LANGUAGES
from configs.world.plan import PlanName
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import BOBIGNY, add_account, add_grant, one, rows

NEW = "/alertes/nouvelle"
WISH = f"{NEW}?prefecture=bobigny_93&procedure=TITRE_SEJOUR"
MARKUP = "<script>alert('x')</script>\"><b>"


def hold(plan: PlanName = PlanName.URGENCE_24H) -> None:
    add_grant(one(User).id, plan)


def count_checked(browser: Browser) -> list[str]:
    fields = browser.page.find_form(NEW)["fields"]
    return [*fields.get("procedures[]", ()), *fields.get("deskIds[]", ())]


def test_without_a_prefecture_it_asks_for_one(camille: Browser) -> None:
    page = camille.get(NEW)
    assert page.headings == ["Nouvelle alerte"]
    assert "93 – Seine-Saint-Denis" in page.text


@pytest.mark.parametrize("query", ["prefecture=nowhere", "desk=nowhere/x", f"prefecture={'A' * 10_000}"])
def test_an_unknown_prefecture_is_404_with_the_list(camille: Browser, query: str) -> None:
    assert "Ce département n’existe pas" in camille.get(f"{NEW}?{query}").text
    assert camille.status == 404


@pytest.mark.parametrize(
    ("query", "checked"),
    [
        ("prefecture=bobigny_93&procedure=TITRE_SEJOUR", ["TITRE_SEJOUR"]),
        ("prefecture=93&procedure=titre-sejour", ["TITRE_SEJOUR"]),
        ("prefecture=bobigny_93&procedure=PASSEPORT", ["PASSEPORT"]),  # no desk serves it
        (f"desk={BOBIGNY}", [BOBIGNY]),
        (f"prefecture=bobigny_93&procedure={MARKUP}", []),
    ],
)
def test_it_is_filled_from_its_address(camille: Browser, query: str, checked: list[str]) -> None:
    camille.get(f"{NEW}?{query}")
    assert count_checked(camille) == checked


def test_messages_of_an_alert_are_in_any_of_their_languages(camille: Browser, door: Door) -> None:
    hold()
    page = camille.get(WISH)
    assert all(f'<option value="{each}"' in page.html for each in MESSAGE_LANGUAGES)
    camille.send(NEW, language="hi")
    (alert,) = rows(Alert)
    assert alert.language == "hi"


def test_an_alert_with_all_its_limits_is_created(camille: Browser, door: Door) -> None:
    hold()
    camille.get(WISH)
    day = clock().date() + timedelta(days=30)
    camille.send(
        NEW,
        **{
            "name": "Maman",
            "language": "en",
            "limits.dateFrom": str(clock().date()),
            "limits.dateTo": str(day),
            "limits.weekdays[]": ["1", "5"],
            "limits.hourFrom": "09:00",
            "limits.hourTo": "12:30",
            "limits.sites[]": ["Bobigny"],
        },
    )
    page = camille.follow()
    (alert,), (target,) = rows(Alert), rows(AlertTarget)
    assert page.headings == ["Maman"]
    assert "Votre alerte est créée." in page.text
    assert "lundi, vendredi" in page.text
    assert "Entre 09:00 et 12:30" in page.text
    assert (alert.name, alert.language, target.weekdays, target.sites) == ("Maman", "en", [1, 5], ["Bobigny"])
    assert (f"{target.hour_from:%H:%M}", target.date_to) == ("09:00", day)
    assert door.caught_up == [alert.id]


def test_sent_twice_at_once_it_creates_one(camille: Browser) -> None:
    hold(PlanName.URGENCE_TOTAL)
    camille.get(WISH)
    fields = camille.page.find_form(NEW)["fields"]
    kept = [camille.client.get_cookie(name) for name in ("__Host-access", "__Host-refresh")]
    cookies = "; ".join(f"{each.key}={each.value}" for each in kept if each)

    def send(_: int) -> str:
        client = camille.client.application.test_client(use_cookies=False)
        return client.post(NEW, data=fields, headers={"Cookie": cookies}).headers["Location"]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(send, range(2))
    assert first == second
    assert len(rows(Alert)) == 1


def test_without_a_plan_it_shows_plans_and_keeps_what_was_typed(camille: Browser) -> None:
    camille.get(WISH)
    page = camille.send(NEW, **{"name": "Maman", "limits.weekdays[]": "3"})
    assert camille.status == 422
    assert "il faut une formule" in page.text
    (link,) = (
        at["href"] for name, at in page.tags if name == "a" and "plan=URGENCE_24H" in at.get("href", "")
    )
    wish = NewAlert.model_validate_json(parse_qs(urlsplit(link).query)["alert"][0])
    assert (wish.prefecture_id, wish.procedures, wish.limits.weekdays) == (
        "bobigny_93",
        ["TITRE_SEJOUR"],
        [3],
    )
    assert "Maman" not in link
    assert "Seine-Saint-Denis" in camille.get(link).text
    camille.get(WISH)
    page = camille.send(NEW, **{"name": "Maman", "limits.weekdays[]": "3"})
    fields = page.find_form(NEW)["fields"]
    assert (fields["name"], fields["limits.weekdays[]"]) == (["Maman"], ["3"])
    assert rows(Alert) == []


def test_beyond_the_plans_alerts_it_shows_larger_plans(camille: Browser) -> None:
    hold()
    for name in ("one", "two"):
        camille.get(WISH)
        page = camille.send(NEW, name=name)
    assert "n’a pas de place pour une alerte de plus" in page.text
    assert "URGENCE 24H" not in page.text


def test_what_nobody_sees_shows_what_is_seen_and_is_kept_on_request(camille: Browser) -> None:
    page = camille.get(f"{NEW}?prefecture=bobigny_93&procedure=NATURALISATION")
    assert "Nous pouvons vous écrire le jour où ils deviennent visibles." in page.text
    page = camille.send(NEW, name="Maman", acceptWaiting="")
    assert "aucun créneau n’est visible" in page.text
    assert f"desk={BOBIGNY.replace('/', '%2F')}" in page.html or f"desk={BOBIGNY}" in page.html
    camille.send(NEW, acceptWaiting="true")
    assert "dès que ces créneaux deviennent visibles" in camille.follow().text
    (alert,) = rows(Alert)
    assert (alert.name, alert.awaits_watch, alert.enabled) == ("Maman", True, False)


@pytest.mark.parametrize(
    ("fields", "name", "text"),
    [
        ({"procedures[]": []}, "procedures[]", "Choisissez au moins une démarche"),
        ({"deskIds[]": "melun_77/x"}, "deskIds[]", "n’est pas valable"),
        ({"name": "A" * 10_000}, "name", "80 caractères"),
        ({"limits.weekdays[]": "9" * 10_000}, "limits.weekdays[]", "nombre entier"),
        ({"limits.dateFrom": "2027-02-01", "limits.dateTo": "2027-01-01"}, "limits.dateTo", "précéder"),
        ({"limits.hourFrom": "midi"}, "limits.hourFrom", "n’est pas valable"),
    ],
)
def test_what_is_wrong_stands_beside_the_field(
    camille: Browser, fields: dict[str, Any], name: str, text: str
) -> None:
    hold()
    camille.get(WISH)
    page = camille.send(NEW, **fields)
    assert camille.status == 422
    errors = page.html.split('id="f-' + name.replace(".", "-").removesuffix("[]"))
    assert len(errors) > 1
    assert any(text in each[:1000] for each in errors[1:])
    assert rows(Alert) == []


def test_a_visitor_signs_in_and_comes_back_to_the_wish(visitor: Browser) -> None:
    visitor.get(WISH)
    assert "/login" in visitor.location
    add_account()
    visitor.get(visitor.location)
    visitor.send("/login", email="camille@example.org", password="correct horse battery")
    visitor.follow()
    assert count_checked(visitor) == ["TITRE_SEJOUR"]


def test_a_session_that_ended_in_the_form_keeps_it(camille: Browser) -> None:
    hold()
    camille.get(WISH)
    for name in ("__Host-access", "__Host-refresh"):
        camille.client.delete_cookie(name)
    camille.send(NEW, name="Maman")
    assert camille.status == 401
    camille.send("/login", email="camille@example.org", password="correct horse battery")
    camille.send(NEW)
    assert camille.follow().headings == ["Maman"]
