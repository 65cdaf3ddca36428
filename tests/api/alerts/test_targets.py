from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from api.alerts.schemas import NewAlert
from api.alerts.targets import build_targets, find_watched_desks, get_prefecture_id
from api.errors import ApiError
from api.middleware.problems import list_field_errors
from api.models.alert import AlertTarget
from configs.world.prefecture import Procedure
from tests.api.world import PREFECTURES
from tests.factories import BOBIGNY
from tests.in_turn import in_turn

WISH: dict[str, Any] = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}


@pytest.fixture(autouse=True)
def world(settings_env: Callable[..., None]) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)


def refused(body: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with a body, by path."""
    try:
        build_targets(NewAlert.model_validate(body))
    except ValidationError as error:
        return {each.path: each.detail for each in list_field_errors(error)}
    except ApiError as error:
        return {each.path: each.detail for each in error.errors}
    return {}


@in_turn(
    "fields, path, hint",
    [
        ({"prefectureId": "bobini_93"}, "prefectureId", "did you mean bobigny_93?"),
        ({"prefectureId": None}, "", "procedures need a prefectureId"),
        ({"procedures": []}, "", "name at least one"),
        ({"procedures": ["DANSE"]}, "procedures.0", "'TITRE_SEJOUR'"),
        ({"deskIds": ["bobigny_93/nope"]}, "deskIds.0", f"its desks: bobigny_93/naturalisation, {BOBIGNY}"),
        ({"deskIds": ["melun_77/titre-sejour"]}, "deskIds.0", "is no desk of bobigny_93"),
        ({"prefectureId": None, "procedures": [], "deskIds": ["x"]}, "deskIds.0", "no desk 'x'"),
        ({"name": "a\nb"}, "name", "line break"),
        ({"name": "a\0b"}, "", "NUL"),
        ({"limits": {"weekdays": [0]}}, "limits.weekdays.0", "greater than or equal to 1"),
        ({"limits": {"weekdays": ["1"]}}, "limits.weekdays.0", "valid integer"),
        ({"limits": {"dateFrom": "2099-02-01", "dateTo": "2099-01-01"}}, "limits", "dateFrom lies after"),
        ({"limits": {"dateTo": "2020-01-01"}}, "limits.dateTo", "is over"),
        ({"limits": {"dateFrom": 20990101}}, "limits.dateFrom", "2026-03-31"),
        ({"limits": {"hourFrom": "12:00", "hourTo": "12:00"}}, "limits", "before hourTo"),
        ({"limits": {"hourFrom": 36000}}, "limits.hourFrom", "09:30"),
        ({"limits": {"hourFrom": "25:00"}}, "limits.hourFrom", "hour"),
        ({"limits": {"sites": ["Lyon"]}}, "limits.sites.0", "their sites: Bobigny, Le Raincy"),
        ({"limits": {"colour": "red"}}, "limits.colour", "not permitted"),
    ],
)
def test_what_is_wrong_with_an_alert_is_named_with_what_exists(
    fields: dict[str, object], path: str, hint: str
) -> None:
    assert hint in refused(WISH | fields)[path]


def test_every_wrong_field_is_named_at_once() -> None:
    found = refused(WISH | {"deskIds": ["x", BOBIGNY, "y"]})
    assert sorted(found) == ["deskIds.0", "deskIds.2"]


def test_what_is_named_twice_is_one_target() -> None:
    wish = NewAlert.model_validate(WISH | {"procedures": ["TITRE_SEJOUR"] * 2, "deskIds": [BOBIGNY] * 2})
    assert [(target.procedure, target.desk_id) for target in build_targets(wish)] == [
        (Procedure.TITRE_SEJOUR, None),
        (None, BOBIGNY),
    ]


def test_a_procedure_is_about_every_watched_desk_that_serves_it_and_one_that_left_the_files_about_none() -> (
    None
):
    target = AlertTarget(prefecture_id="bobigny_93", procedure=Procedure.TITRE_SEJOUR)
    assert [desk.id for desk in find_watched_desks([target])] == ["bobigny_93/naturalisation", BOBIGNY]
    gone = AlertTarget(desk_id="melun_77/gone")
    assert (find_watched_desks([gone]), get_prefecture_id([gone])) == ([], "melun_77")
