"""Users and alerts carry when they were last changed, by whatever statement, and show it."""

import pytest
import sqlalchemy as sa
import time_machine
from flask.testing import FlaskClient

from api.models.alert import Alert
from api.models.base import session
from api.models.user import User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import People
from tests.factories import rows

WISH = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}
BEGIN, LATER = "2026-11-20T09:00:00Z", "2026-11-20T09:01:00Z"


def test_an_alert_shows_when_it_was_last_changed(
    client: FlaskClient, person: People, frozen: time_machine.Traveller
) -> None:
    headers = person(plan=PlanName.URGENCE_24H).headers
    made = client.post("/api/alerts", json=WISH, headers=headers).json or {}
    assert made["updatedAt"] == BEGIN
    frozen.shift(60)
    (shown,) = (client.get("/api/alerts", headers=headers).json or {})["items"]
    assert shown["updatedAt"] == BEGIN
    changed = client.patch(f"/api/alerts/{made['id']}/toggle", headers=headers).json or {}
    assert changed["updatedAt"] == LATER


@pytest.mark.parametrize("record", [User, Alert])
def test_a_statement_that_changes_many_rows_counts_too(
    record: type[User | Alert],
    client: FlaskClient,
    person: People,
    frozen: time_machine.Traveller,
) -> None:
    client.post("/api/alerts", json=WISH, headers=person(plan=PlanName.URGENCE_24H).headers)
    frozen.shift(60)
    with session() as s:
        s.execute(sa.update(record).values(language="en"))
    assert [row.updated_at for row in rows(record)] == [clock()]
