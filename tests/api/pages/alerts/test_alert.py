from datetime import timedelta
from uuid import UUID

import pytest

from api.models.alert import Alert
from api.models.notification import Notification
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import User
from configs.ground.clock import clock
from configs.ground.proofs import new_key
from tests.api.pages.alerts.test_new_alert import WISH, hold
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import add_account, add_alert, add_desk, add_match, change, rows, see


@pytest.fixture
def alert(camille: Browser) -> UUID:
    (user,) = rows(User)
    return add_alert(user.id)


def show(browser: Browser, alert: UUID, task: str = "") -> str:
    page = browser.get(f"/alertes/{alert}{task}")
    return " ".join(page.text.split())


def ask_parts(browser: Browser, alert: UUID, etag: str = "") -> tuple[int, dict[str, str], str]:
    headers = {"Accept": "application/json"} | ({"If-None-Match": etag} if etag else {})
    answer = browser.client.get(f"/alertes/{alert}/direct", headers=headers)
    parts = answer.json["parts"] if answer.status_code == 200 and answer.json else {}
    return answer.status_code, parts, answer.headers.get("ETag", "")


def test_it_shows_what_is_watched_and_when_it_was_last_proven(camille: Browser, alert: UUID) -> None:
    add_desk(last_check_at=clock(), last_proven_at=clock() - timedelta(minutes=5), achieved_seconds=60)
    text = show(camille, alert)
    assert "Seine-Saint-Denis (93)" in text
    assert "Titre de séjour : vie privée et familiale (Bobigny)" in text
    assert "Dernière vérificationil y a moins d’une minute" in text
    assert "Dernière réponse sûreil y a 5 minutes" in text
    assert "Pas encore de créneau" in text
    assert "Aucun message" in text


def test_slots_appear_in_its_twin(camille: Browser, alert: UUID) -> None:
    show(camille, alert)
    status, before, etag = ask_parts(camille, alert)
    assert (status, ask_parts(camille, alert, etag)[0]) == (200, 304)
    assert set(before) == {"watch", "slots", "messages"}
    detection, slots = see("2026-12-21T09:00:00+00:00", "2026-12-21T09:30:00+00:00")
    add_match(alert, detection, slots)
    _, after, _ = ask_parts(camille, alert, etag)
    assert "2 encore ouverts" in after["slots"]
    assert "lundi 21 décembre 2026" in after["slots"]
    assert "10:00" in after["slots"]
    assert "https://example.org/book" in after["slots"]
    assert after["slots"].strip() in camille.get(f"/alertes/{alert}").html


def test_slots_that_are_gone_are_not_offered(camille: Browser, alert: UUID) -> None:
    detection, slots = see("2026-12-21T09:00:00+00:00")
    add_match(alert, detection, slots)
    change(SlotRow, gone_at=clock(), gone_reason=GoneReason.TAKEN)
    text = show(camille, alert)
    assert "Plus de place" in text
    assert "Réserver" not in text


def test_slots_that_are_open_stand_above_newer_ones_that_are_gone(camille: Browser, alert: UUID) -> None:
    add_match(alert, *see("2026-12-21T09:00:00+00:00"))
    gone, slots = see("2026-12-22T09:00:00+00:00")
    add_match(alert, gone, slots)
    change(SlotRow, SlotRow.id.in_(slots), gone_at=clock(), gone_reason=GoneReason.TAKEN)
    text = show(camille, alert)
    assert text.index("lundi 21 décembre 2026") < text.index("Plus de place")


def test_without_a_plan_it_says_that_nothing_is_sent(camille: Browser, alert: UUID) -> None:
    assert "Sans formule en cours" in show(camille, alert)
    hold()
    assert "Sans formule en cours" not in show(camille, alert)


def test_another_alerts_slots_are_not_shown(camille: Browser, alert: UUID) -> None:
    (user,) = rows(User)
    other = add_alert(user.id)
    add_match(other, *see("2026-12-21T09:00:00+00:00"))
    assert "Pas encore de créneau" in show(camille, alert)
    assert "1 encore ouvert" in show(camille, other)


@pytest.mark.parametrize("task", ["modifier", "pause", "reprendre", "essai", "fermer", "trouve"])
def test_another_users_alert_is_not_changed(camille: Browser, alert: UUID, task: str) -> None:
    theirs = add_alert(add_account("other@example.org").id)
    camille.get(f"/alertes/{alert}/modifier")
    data = camille.page.find_form("/modifier")["fields"]
    camille._show(camille.client.post(f"/alertes/{theirs}/{task}", data=data, headers=camille.headers))
    assert camille.status == 404
    assert [each.closed_at for each in rows(Alert)] == [None, None]
    assert rows(Notification) == []


def test_the_list_is_the_dashboard(camille: Browser, alert: UUID) -> None:
    answer = camille.client.get("/alertes")
    assert answer.headers["Location"] == "/dashboard"
    camille.get("/dashboard")
    assert f"/alertes/{alert}" in camille.page.html


def test_two_tabs_pause_once_and_resume_once(camille: Browser, alert: UUID, door: Door) -> None:
    hold()
    for action, text, enabled in (
        ("pause", "L’alerte est en pause.", False),
        ("reprendre", "L’alerte est surveillée.", True),
    ):
        camille.get(f"/alertes/{alert}")
        tab = camille.page
        for _ in range(2):
            camille.page = tab
            camille.send(action)
        assert text in camille.follow().text
        assert [each.enabled for each in rows(Alert)] == [enabled]
    assert alert in door.caught_up


def test_resuming_without_a_plan_shows_the_plans(camille: Browser, alert: UUID) -> None:
    show(camille, alert)
    camille.send("pause")
    camille.follow()
    page = camille.send("reprendre")
    assert camille.status == 422
    assert "il faut une formule" in page.text
    assert "URGENCE 24H" in page.text


def test_a_test_message_leaves_three_times_an_hour(camille: Browser, alert: UUID, door: Door) -> None:
    for _ in range(3):
        show(camille, alert)
        camille.send("essai")
        assert "Essai en route : E-mail" in camille.follow().text
    camille.send("essai")
    assert "Trois essais par heure" in camille.follow().text
    assert len(door.nudged) == 3


def test_it_is_closed_after_a_question_and_only_once(camille: Browser, alert: UUID) -> None:
    show(camille, alert, "/fermer")
    assert rows(Alert)[0].closed_at is None
    question = camille.page
    camille.send("/fermer")
    assert "L’alerte est fermée." in camille.follow().text
    camille.page = question
    camille.send("/fermer")
    assert camille.status == 303
    text = show(camille, alert)
    assert "Vous avez fermé cette alerte." in text
    assert "Modifier" not in text
    assert ask_parts(camille, alert)[0] == 200


def test_an_edit_keeps_what_it_is_and_changes_what_was_changed(camille: Browser, door: Door) -> None:
    hold()
    camille.get(WISH)
    camille.send("nouvelle", **{"name": "Maman", "limits.weekdays[]": ["1"], "limits.hourFrom": "09:00"})
    (alert,) = rows(Alert)
    camille.get(f"/alertes/{alert.id}/modifier")
    fields = camille.page.find_form("/modifier")["fields"]
    assert (fields["name"], fields["limits.weekdays[]"], fields["limits.hourFrom"]) == (
        ["Maman"],
        ["1"],
        ["09:00"],
    )
    camille.send("/modifier", **{"name": "", "limits.weekdays[]": ["2"], "limits.hourFrom": ""})
    text = " ".join(camille.follow().text.split())
    assert "Vos changements sont enregistrés." in text
    assert camille.page.headings == ["Seine-Saint-Denis (93)"]
    assert "mardi" in text
    assert "09:00" not in text
    assert rows(Alert)[0].limits_version == 2


def test_a_wrong_edit_changes_nothing(camille: Browser, alert: UUID) -> None:
    show(camille, alert, "/modifier")
    page = camille.send("/modifier", **{"name": "A" * 10_000, "limits.dateTo": "2020-01-01"})
    assert camille.status == 422
    assert "80 caractères" in page.text
    assert rows(Alert)[0].name is None


def test_a_proof_is_a_fresh_link(camille: Browser, alert: UUID) -> None:
    detection, slots = see("2026-12-21T09:00:00+00:00")
    add_match(alert, detection, slots)
    camille.get(f"/alertes/{alert}/preuve/{detection}")
    assert camille.status == 404
    change(Detection, Detection.id == detection, proof_key=new_key(clock()))
    page = camille.get(f"/alertes/{alert}")
    assert f"/preuve/{detection}" in page.html
    answer = camille.client.get(f"/alertes/{alert}/preuve/{detection}")
    assert "/l/proof/" in answer.headers["Location"]
