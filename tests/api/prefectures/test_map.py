"""The map: every department, what can be watched there, and how it goes."""

from datetime import timedelta
from typing import Any

import time_machine
from flask.testing import FlaskClient

from api.models.desk import DeskStatus
from api.models.discovery import Drift, DriftReason
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from tests.factories import BOBIGNY, add_desk, save, see


def read(client: FlaskClient, query: str = "") -> dict[str, dict[str, Any]]:
    answer = client.get(f"/api/prefectures/map{query}")
    assert answer.status_code == 200, answer.text
    return {tile["department"]: tile for tile in (answer.json or {})["items"]}


def test_every_department_has_a_tile_also_where_nothing_is_known(client: FlaskClient) -> None:
    tiles = read(client)
    assert len(tiles) == 101
    assert list(tiles) == sorted(tiles)
    assert tiles["2A"] == {
        "department": "2A", "row": 15, "column": 12, "prefectureId": None, "name": None, "desks": 0,
        "watchLevel": "none", "status": None,
    }  # fmt: skip
    assert (tiles["95"]["prefectureId"], tiles["95"]["desks"]) == ("cergy_95", 0)


def test_a_department_is_as_well_as_its_best_desk_for_the_procedure(client: FlaskClient) -> None:
    add_desk(status=DeskStatus.ACTIVE)
    add_desk("bobigny_93/naturalisation", status=DeskStatus.CAPTCHA)
    shown = {
        word: tuple(
            read(client, f"?procedure={word}")["93"][key] for key in ("desks", "watchLevel", "status")
        )
        for word in ("TITRE_SEJOUR", "NATURALISATION", "VISA", "PASSEPORT")
    }
    assert shown == {
        "TITRE_SEJOUR": (2, "full", "ACTIVE"),
        "NATURALISATION": (1, "presence", "CAPTCHA"),
        "VISA": (1, "none", "PAUSED"),  # its address is stale
        "PASSEPORT": (0, "none", None),
    }


def test_a_page_that_closed_or_moved_cannot_be_watched(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    add_desk(last_outcome=Outcome.CLOSED)
    add_desk("melun_77/titre-sejour")
    save(Drift(desk_id="melun_77/titre-sejour", reason=DriftReason.SILENT, detail="x", starts_at=clock()))
    tiles = read(client)
    assert (tiles["93"]["watchLevel"], tiles["77"]["watchLevel"]) == ("presence", "none")
    add_desk(last_outcome=Outcome.NO_SLOTS)
    frozen.shift(timedelta(seconds=6))
    assert read(client)["93"]["watchLevel"] == "full"


def test_what_was_proven_within_a_day_is_counted(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    def count(query: str = "") -> tuple[int, int, list[str]]:
        answer: Any = client.get(f"/api/prefectures/map{query}").json
        return tuple(answer["proven"].values())

    assert count() == (0, 0, [])
    day = timedelta(days=1)
    add_desk(last_proven_at=clock() - day)
    add_desk("bobigny_93/naturalisation", last_proven_at=clock())
    add_desk("melun_77/titre-sejour", last_proven_at=clock() - day - timedelta(seconds=1))
    both = ["TITRE_SEJOUR", "NATURALISATION"]
    assert count("?procedure=TITRE_SEJOUR") == (2, 1, both)
    assert count("?procedure=NATURALISATION") == (1, 1, both), "what its one desk is for"
    assert count("?procedure=PASSEPORT") == (0, 0, [])
    add_desk("bobigny_93/naturalisation", last_outcome=Outcome.CLOSED)
    frozen.shift(timedelta(seconds=6))
    assert count() == (0, 0, []), "a page that closed is watched no more, and the other one is a day old"


def test_a_check_that_changes_nothing_sends_no_body_again(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    add_desk(status=DeskStatus.ACTIVE, status_reason="watched: no slot is open", last_check_at=clock())
    first = client.get("/api/prefectures/map")
    frozen.shift(timedelta(seconds=6))
    see("2026-12-01", desk_id=BOBIGNY)
    add_desk(status_reason="watched: slots are open", last_check_at=clock(), last_slot_at=clock())
    again = client.get("/api/prefectures/map", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.headers["Cache-Status"]) == (304, "rdvpriority; fwd=miss; stored")


def test_a_procedure_that_does_not_exist_is_refused(client: FlaskClient) -> None:
    for query in ("?procedure=titre", "?procedure=", "?procedure=%00", "?zoom=3"):
        answer = client.get(f"/api/prefectures/map{query}")
        assert answer.status_code == 422, query
        assert answer.mimetype == "application/problem+json"
