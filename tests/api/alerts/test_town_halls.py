"""A department's town halls: sold only while a full round is short enough."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.models.alert import Alert
from api.models.desk import DeskState
from configs.world.plan import PlanName
from tests.api.world import TOWN_HALLS, add_town_halls, watch_town_halls
from tests.clients import People, Person
from tests.factories import change, rows

ID, WISH = TOWN_HALLS, {"deskIds": [TOWN_HALLS]}


@pytest.fixture
def offer(tmp_path: Path, settings_env: Callable[..., None]) -> Callable[..., None]:
    return partial(add_town_halls, tmp_path, settings_env)


def ask(person: Person, body: dict[str, Any]) -> tuple[int, Any]:
    answer = person.post("/api/alerts", body)
    return answer.status_code, answer.json


def test_a_round_of_a_quarter_of_an_hour_is_sold_and_shown_with_its_town_halls(
    offer: Callable[..., None], person: People
) -> None:
    offer()
    watch_town_halls(15)
    camille = person(plan=PlanName.URGENCE_7J)
    assert ask(camille, WISH)[0] == 201
    found = {desk["id"]: desk for desk in camille.get("/api/prefectures/bobigny_93").json["desks"]}
    assert found[ID]["townHalls"] == ["Aubervilliers (93300) n° 2"]
    assert (found[ID]["feasibleInterval"], found[ID]["achievedInterval"]) == (900, None)
    assert found["bobigny_93/titre-sejour"]["townHalls"] is None


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (15.1, "asking all its town halls takes 16 minutes, more than 15 for bobigny_93/mairies"),
        (None, "how long asking all its town halls takes is not known yet for bobigny_93/mairies"),
    ],
)
def test_a_longer_one_is_not_and_its_alert_costs_nothing_until_it_is(
    offer: Callable[..., None], person: People, minutes: float | None, said: str
) -> None:
    offer()
    watch_town_halls(minutes)
    camille = person()
    status, refused = ask(camille, WISH)
    assert (status, refused["errors"][0]["detail"].split(";")[0]) == (422, said)
    status, kept = ask(camille, WISH | {"acceptWaiting": True})
    assert (status, kept["awaitsWatch"], kept["isActive"]) == (201, True, False)
    paying = person("dominique@example.org", plan=PlanName.URGENCE_7J)
    _, made = ask(paying, WISH | {"acceptWaiting": True})
    assert paying.patch(f"/api/alerts/{made['id']}/toggle").status_code == 409
    change(DeskState, feasible_seconds=60)
    assert paying.patch(f"/api/alerts/{made['id']}/toggle").status_code == 200


def test_nothing_is_sold_where_no_operator_has_decided(offer: Callable[..., None], person: People) -> None:
    offer("https://rendezvousonline.fr/")
    watch_town_halls(1)
    _, refused = ask(person(plan=PlanName.URGENCE_7J), WISH)
    assert (
        "is not watched: its host is not asked before an operator has decided"
        in refused["errors"][0]["detail"]
    )
    assert rows(Alert) == []
