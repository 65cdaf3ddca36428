"""Alerts for desks whose names reveal health: explicit consent, stored with its text, by the API and by the page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from api.alerts.plan_limits import add_paused_alert
from api.alerts.schemas import NewAlert
from api.alerts.wishes import resolve_wish
from api.jobs import schedule as jobs
from api.models.alert import Alert
from api.models.base import new_id, session
from api.models.notification import Notice, Notification, State
from configs.ground.clock import clock
from configs.world.desk import Outcome
from configs.world.plan import PlanName
from tests.api.world import reveal_health
from tests.clients import People, Person
from tests.factories import BOBIGNY, add_desk, add_message, change, rows, save, see

OTHER = "melun_77/titre-sejour"
BY_NAME = {"deskIds": [BOBIGNY]}
BY_PROCEDURE = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}


@pytest.fixture
def camille(app: Flask, person: People, settings_env: Callable[..., None], tmp_path: Path) -> Person:
    """Make a person at a prefecture one of whose desks is for sick foreigners."""
    reveal_health(tmp_path, settings_env)
    return person(plan=PlanName.URGENCE_7J)


def create(camille: Person, **body: Any) -> tuple[int, Any]:
    answer = camille.post("/api/alerts", body)
    return answer.status_code, answer.json


def test_a_procedure_that_other_desks_serve_too_reveals_nothing_and_takes_no_texts_along(
    camille: Person,
) -> None:
    assert create(camille, **BY_PROCEDURE)[0] == 201
    (alert,) = rows(Alert)
    assert (alert.consent, alert.consented_at) == (None, None)
    key = tell(camille, desk_id=BOBIGNY)
    camille.delete(f"/api/alerts/{alert.id}")
    assert read_texts() == {key}


def test_consent_is_asked_only_for_an_alert_that_can_be_had(camille: Person) -> None:
    def refuse(**body: Any) -> list[str]:
        status, answer = create(camille, **BY_NAME, **body)
        assert status == 422
        return [each["rule"] for each in answer["errors"]]

    assert refuse() == ["health_consent"]
    add_desk(BOBIGNY, last_outcome=Outcome.CLOSED)
    assert refuse() == refuse(acceptHealth=True) == ["not_watched"]
    assert refuse(acceptWaiting=True) == ["health_consent"], "it is kept, and reveals health"
    status, made = create(camille, **BY_NAME, acceptWaiting=True, acceptHealth=True)
    assert (status, made["awaitsWatch"]) == (201, True)
    assert rows(Alert)[0].consented_at is not None


def test_an_edit_keeps_the_time_of_the_consent_and_drops_one_that_is_needed_no_more(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    _, made = create(camille, **BY_NAME, acceptHealth=True)
    given = clock()

    def change(**body: Any) -> int:
        frozen.shift(60)
        return camille.patch(f"/api/alerts/{made['id']}", body).status_code

    assert change(limits={"weekdays": [1]}) == 200
    assert rows(Alert)[0].consented_at == given
    assert change(**BY_PROCEDURE, deskIds=[]) == 200
    assert rows(Alert)[0].consented_at is None
    assert change(procedures=[], **BY_NAME) == 422
    assert change(procedures=[], **BY_NAME, acceptHealth=True) == 200
    assert rows(Alert)[0].consented_at == clock()


def test_an_ordered_alert_that_is_added_paused_keeps_its_consent(camille: Person) -> None:
    wish = NewAlert.model_validate(BY_NAME | {"acceptHealth": True})
    with session() as s:
        add_paused_alert(s, camille.id, resolve_wish(s, wish))
    assert rows(Alert)[0].consented_at is not None


def tell(
    camille: Person, kind: str = "slot_detected", state: State = State.SENT, key: str = "", **params: Any
) -> UUID:
    """Write a message that left, or is on its way, with its text."""
    now, leased = clock(), state is State.SENDING
    return add_message(
        camille.id, kind=kind, state=state, params=params, title="Créneau", text=f"Pour vous, {new_id()}.", accepted_at=now,
        lease_token=new_id() if leased else None, lease_until=now if leased else None, dedupe_key=key or str(new_id()),
    )  # fmt: skip


def read_texts() -> set[UUID]:
    """Return the messages that have their text."""
    with session() as s:
        kept = sa.select(Notification.id).where(
            Notification.title.is_not(None), Notification.text.is_not(None)
        )
        return set(s.scalars(kept))


def test_the_texts_go_with_the_consent(camille: Person) -> None:
    _, made = create(camille, **BY_NAME, acceptHealth=True)
    detection, _ = see("2026-12-01")
    save(
        Notice(
            user_id=camille.id,
            kind="slot_detected",
            language="fr",
            title="x",
            body="x",
            detection_id=detection,
        )
    )
    for number, desks in enumerate(([OTHER, BOBIGNY], [OTHER])):
        key = f"desk_unwatched:{number}"
        save(Notice(user_id=camille.id, kind="x", language="fr", title="x", body="x", dedupe_key=key))
        tell(camille, "desk_unwatched", key=f"{key}:email", desks=desks)
    tell(camille, desk_id=BOBIGNY)
    tell(camille, "bot_reply")
    others = {tell(camille, desk_id=OTHER), tell(camille, "support_received", number=1)}
    assert len(read_texts()) == 6
    assert camille.delete(f"/api/alerts/{made['id']}").status_code == 204
    assert len(read_texts() - others) == 1
    assert [row.dedupe_key for row in rows(Notice)] == ["desk_unwatched:1"]
    assert BOBIGNY not in str([row.params for row in rows(Notification)])
    shown = {each["metadata"]["deskId"] for each in camille.get("/api/notifications").json["items"]}
    assert shown == {None, OTHER}


def test_what_left_as_one_message_with_such_a_desk_goes_too(camille: Person) -> None:
    _, made = create(camille, **BY_NAME, acceptHealth=True)
    now = clock()
    for desk, text in ((BOBIGNY, "Bobigny, Melun."), (OTHER, "Bobigny, Melun."), (OTHER, "Melun.")):
        add_message(camille.id, kind="slot_detected", state=State.SENT, params={"desk_id": desk},
                    title="Créneau", text=text, accepted_at=now)  # fmt: skip
    camille.delete(f"/api/alerts/{made['id']}")
    assert len(read_texts()) == 1


def test_the_texts_stay_while_another_alert_has_the_consent(camille: Person) -> None:
    (_, first), (_, second) = (
        create(camille, **BY_NAME, acceptHealth=True, name=each) for each in ("Maman", "Papa")
    )
    key = tell(camille, desk_id=BOBIGNY)
    camille.delete(f"/api/alerts/{first['id']}")
    assert read_texts() == {key}
    change = camille.patch(f"/api/alerts/{second['id']}", BY_PROCEDURE | {"deskIds": []})
    assert (change.status_code, read_texts()) == (200, set())


@pytest.mark.parametrize("edited", [False, True])
def test_what_was_on_its_way_when_the_consent_ended_loses_its_text_within_a_day(
    frozen: time_machine.Traveller, camille: Person, *, edited: bool
) -> None:
    _, made = create(camille, **BY_NAME, acceptHealth=True)
    key, path = tell(camille, state=State.SENDING, desk_id=BOBIGNY), f"/api/alerts/{made['id']}"
    ended = camille.patch(path, BY_PROCEDURE | {"deskIds": []}) if edited else camille.delete(path)
    assert ended.status_code == (200 if edited else 204)
    assert read_texts() == {key}, "its worker holds it"
    change(Notification, Notification.id == key, state=State.SENT, lease_token=None, lease_until=None)
    frozen.shift(86400)
    jobs.apply_retention()
    assert read_texts() == set()
