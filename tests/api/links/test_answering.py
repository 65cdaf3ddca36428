"""Links in slot alerts by which their reader says what became of the slots."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
from flask.testing import FlaskClient

from api.models.alert import Alert, ClosedBecause
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.appointment import Appointment
from api.models.base import session
from api.models.notification import Match
from api.models.user import User
from configs.ground.clock import clock
from configs.ground.signed_links import AnswerAlert, write_token
from configs.world.plan import PlanName
from tests.api.answers.announcing import read_answer
from tests.clients import People, Person
from tests.factories import Announcement, add_alert, announce, change, rows
from tests.in_turn import in_turn

PLAN = PlanName.URGENCE_TOTAL  # of Camille's
VALUES = ("found", "too_late", "nothing_there", "stopped")
SAID = dict(zip(VALUES, ("Trouvé", "Trop tard", "La page ne montre rien", "Arrêter"), strict=True))


def link(told: Announcement, value: str = "") -> str:
    return f"/l/{write_token(AnswerAlert(told.message))}" + (f"?value={value}" if value else "")


def announce_to_two(owner: UUID) -> Announcement:
    """Write a message that two alerts wanted, whose names tell them apart."""
    told, second = announce(owner), add_alert(owner)
    other = announce(owner, second)
    with session() as s:
        s.get_one(Match, other.match).announcement_id = s.get_one(Match, told.match).announcement_id
        for each, name in ((told.alert, "Maman <3"), (second, "Papa")):
            s.get_one(Alert, each).name = name
    return told


@pytest.mark.parametrize("value", VALUES)
def test_opening_a_link_shows_the_answer_and_changes_nothing(
    client: FlaskClient, camille: Person, value: str
) -> None:
    told = announce(camille.id)
    for _ in range(2):
        page = client.get(link(told, value))
        assert page.status_code == 200
        assert re.search(rf"Votre réponse :[^/]*<strong>{SAID[value]}</strong>", page.text)
        assert 'method="post"' in page.text
        assert "Seine-Saint-Denis (93)" in page.text
        for other in set(VALUES) - {value}:
            assert f'value={other}">{SAID[other]}</a>' in page.text
    assert rows(MatchAnswer) == []
    assert rows(Alert)[0].waits


@pytest.mark.parametrize(
    ("value", "closed", "state"),
    [
        ("found", ClosedBecause.FOUND, "alerte fermée"),
        ("too_late", None, "alerte active"),
        ("nothing_there", None, "alerte active"),
        ("stopped", ClosedBecause.STOPPED, "alerte fermée"),
    ],
)
def test_confirming_stores_the_answer_once(
    client: FlaskClient, camille: Person, value: str, closed: ClosedBecause | None, state: str
) -> None:
    told = announce(camille.id)
    for _ in range(2):
        page = client.post(link(told, value), data={"value": value})
        assert page.status_code == 200
        assert "Merci de votre réponse" in page.text
        assert state in page.text
        assert "jusqu’à 11:00" in page.text  # Paris
    (kept,) = rows(MatchAnswer)
    assert (kept.match_id, kept.value, kept.via) == (told.match, AnswerValue(value), AnswerVia.EMAIL)
    assert rows(Alert)[0].closed_because is closed


def test_a_link_to_what_was_announced_again_offers_the_answers(
    frozen: time_machine.Traveller, client: FlaskClient, camille: Person
) -> None:
    told = announce(camille.id)
    client.post(link(told, "too_late"))
    frozen.shift(timedelta(hours=2))
    change(Match, decided_at=clock())
    assert "<form" in client.get(link(told, "found")).text
    assert client.post(link(told, "found")).status_code == 200


def test_found_may_say_day_and_hour_by_the_clock_of_the_prefecture(
    client: FlaskClient, camille: Person
) -> None:
    told = announce(camille.id)
    change(User, time_zone="Asia/Tokyo")
    client.post(link(told), data={"value": "found", "day": "2026-12-01", "hour": "09:30"})
    (appointment,) = rows(Appointment)
    assert appointment.at == datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
    assert appointment.alert_id == told.alert


@in_turn(
    "day, hour",
    [
        ("2026-12-01", ""),
        ("9999-12-31", "23:59"),
        ("2046-01-01", "09:30"),
        ("<b>", "&\"'"),
    ],
)
def test_a_moment_that_is_none_is_asked_again_and_nothing_is_stored(
    client: FlaskClient, camille: Person, day: str, hour: str
) -> None:
    told = announce(camille.id)
    page = client.post(link(told), data={"value": "found", "day": day, "hour": hour})
    assert page.status_code == 422
    assert "Écrivez le jour et l’heure du rendez-vous" in page.text
    assert "<b>" not in page.text.partition("<main")[2].replace("<bdi>", "")
    assert rows(MatchAnswer) == []
    assert all(each.waits for each in rows(Alert))


@pytest.mark.parametrize("value", ["found", "stopped"])
def test_of_several_alerts_the_reader_chooses_which_are_closed(
    client: FlaskClient, camille: Person, value: str
) -> None:
    told = announce_to_two(camille.id)
    page = client.get(link(told, value)).text
    assert page.count('type="checkbox"') == 2
    assert "checked" not in page
    assert "Maman &lt;3" in page
    for chosen in ([], [str(uuid4())], ["x"]):
        refused = client.post(link(told), data={"value": value, "alert": chosen})
        assert (refused.status_code, "Choisissez au moins une alerte" in refused.text) == (422, True)
    assert rows(MatchAnswer) == []
    client.post(link(told), data={"value": value, "alert": [str(told.alert)]})
    assert {each.id: each.waits for each in rows(Alert)} == {
        each.id: each.id != told.alert for each in rows(Alert)
    }
    assert [each.match_id for each in rows(MatchAnswer)] == [told.match]


def test_no_alert_of_somebody_else_can_be_named(client: FlaskClient, camille: Person, person: People) -> None:
    robins = announce(person("robin@example.org").id)
    told = announce_to_two(camille.id)
    page = client.post(link(told), data={"value": "stopped", "alert": [str(robins.alert)]})
    assert page.status_code == 422
    client.post(link(told), data={"value": "stopped", "alert": [str(robins.alert), str(told.alert)]})
    assert read_answer(robins) is None
    assert sum(each.waits for each in rows(Alert)) == 2


def test_a_page_never_names_the_procedure_nor_the_only_alert(client: FlaskClient, camille: Person) -> None:
    told = announce(camille.id)
    change(Alert, Alert.id == told.alert, name="Mon titre")
    for value in VALUES:
        for page in (client.get(link(told, value)), client.post(link(told, value))):
            assert "titre" not in page.text.partition("<main")[2].lower()


@pytest.mark.parametrize(
    ("language", "words", "direction"), [("en", "Too late", "ltr"), ("ar", "فات الأوان", "rtl")]
)  # fmt: skip
def test_the_page_is_in_the_language_of_the_account(
    client: FlaskClient, camille: Person, language: str, words: str, direction: str
) -> None:
    told = announce(camille.id)
    change(User, language=language)
    for page in (client.get(link(told, "too_late")), client.post(link(told, "too_late"))):
        assert words in page.text
        assert f'dir="{direction}"' in page.text
