"""Operators' pages of alerts, detections, answers."""

from datetime import timedelta
from uuid import UUID, uuid4

from api.figures.answers import find_first_month
from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.answer import AnswerValue
from api.models.audit import AuditEntry
from api.models.slot import Detection
from configs.ground.clock import clock
from configs.ground.proofs import new_key
from configs.world.plan import PlanName
from tests.api.pages.admin.conftest import act, audit
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import (
    BOBIGNY,
    EMAIL,
    add_account,
    add_alert,
    add_answer,
    add_answers,
    add_grant,
    add_match,
    change,
    rows,
    see,
)

LIST = "/admin/alertes"
DETECTIONS = "/admin/detections"
PAGE = "/admin/reponses"


def find(browser: Browser, alerts: list[UUID], query: str = "") -> set[UUID]:
    page = browser.get(f"{LIST}?{query}")
    return {each for each in alerts if f'{LIST}/{each}"' in page.html}


def test_alerts_are_found_by_user_prefecture_and_whether_they_wait(
    support: Browser, camille_id: UUID
) -> None:
    hers = add_alert(camille_id)
    melun = AlertTarget(prefecture_id="melun_77", procedure="TITRE_SEJOUR")
    his = add_alert(add_account("robin@example.org").id, melun)
    over = add_alert(camille_id, closed_at=clock(), closed_because=ClosedBecause.DELETED)
    alerts = [hers, his, over]
    assert find(support, alerts) == set(alerts)
    assert find(support, alerts, f"userId={camille_id}") == {hers, over}
    assert find(support, alerts, "prefectureId=melun_77") == {his}
    assert find(support, alerts, f"userId={camille_id}&isActive=true") == {hers}
    assert find(support, alerts, "isActive=false") == {over}
    assert find(support, alerts, "prefectureId=melun%25") == set()
    assert audit("alerts.search")[0].changes == {"seen": [str(each) for each in (over, his, hers)]}


def test_an_alert_is_shown_with_its_owner_and_its_desks(support: Browser, camille_id: UUID) -> None:
    alert = add_alert(camille_id)
    page = support.get(f"{LIST}/{alert}")
    assert f"/admin/utilisateurs/{camille_id}" in page.html
    assert "/admin/guichets/bobigny_93/" in page.html
    assert "/pause" not in page.html, "support acts nowhere"
    support.get(f"{LIST}/{uuid4()}")
    assert support.status == 404


def test_an_alert_is_paused_once_and_resumed_once(admin: Browser, camille_id: UUID, door: Door) -> None:
    add_grant(camille_id, PlanName.URGENCE_7J)
    alert = add_alert(camille_id)
    assert "Cette alerte est en pause." in act(admin, f"{LIST}/{alert}/pause")
    assert not rows(Alert)[0].enabled
    assert "déjà en pause" in act(admin, f"{LIST}/{alert}/pause")
    assert "attend de nouveau" in act(admin, f"{LIST}/{alert}/reprise")
    assert door.caught_up == [alert]
    assert "attend déjà" in act(admin, f"{LIST}/{alert}/reprise")
    for action in ("alert.pause", "alert.resume"):
        assert len(audit(action, subject_id=str(alert))) == 1


def test_an_alert_is_not_resumed_beyond_its_owners_plan_nor_once_it_is_closed(
    admin: Browser, camille_id: UUID
) -> None:
    alert = add_alert(camille_id, enabled=False)
    assert "ne porte pas d’alerte de plus" in act(admin, f"{LIST}/{alert}/reprise")
    change(Alert, closed_at=clock(), closed_because=ClosedBecause.FOUND)
    assert "Cette alerte est fermée" in act(admin, f"{LIST}/{alert}/reprise")
    assert not rows(Alert)[0].enabled
    assert audit("alert.resume") == []


def test_a_detection_is_shown_with_slots_and_alerts(support: Browser) -> None:
    detection, slots = see("2099-01-05T09:00:00+01:00", "open", seats=3)
    add_match(add_alert(add_account().id), detection, slots)
    page = support.get(DETECTIONS)
    assert BOBIGNY in page.text
    page = support.get(f"{DETECTIONS}/{detection}")
    assert support.status == 200
    for text in ("2099-01-05T09:00:00+01:00", "sans date", "Aucun message n’en parle.", "Aucune preuve"):
        assert text in page.text, text
    page = support.get(f"{DETECTIONS}?deskId=elsewhere/x")
    assert "Aucune détection ne correspond." in page.text


def test_the_proof_is_a_link_of_now_and_audited(admin: Browser) -> None:
    detection, _ = see("2099-01-05")
    for path in (f"{detection}/preuve", f"{UUID(int=0)}", f"{UUID(int=0)}/preuve"):
        admin.get(f"{DETECTIONS}/{path}")
        assert admin.status == 404, path
    change(Detection, Detection.id == detection, proof_key=new_key(clock()))
    page = admin.get(f"{DETECTIONS}/{detection}")
    assert f"{DETECTIONS}/{detection}/preuve" in page.html
    assert "/l/proof." not in page.html, "a link that is made when it is asked for"
    admin.get(f"{DETECTIONS}/{detection}/preuve")
    assert admin.status == 303
    assert "/l/proof." in admin.location
    (row,) = (each for each in rows(AuditEntry) if each.action == "detection.proof")
    assert row.subject_id == str(detection)


def report(user_id: UUID, minutes: float = 0, value: AnswerValue = AnswerValue.NOTHING_THERE) -> UUID:
    """Write an answer to a detection of its own; return the detection's id."""
    detection, slots = see("2099-01-05")
    made = add_match(add_alert(user_id), detection, slots)
    add_answer(made, value, clock() - timedelta(minutes=minutes))
    return detection


def count_answers(desk_id: str, nothing_there: int, months_ago: int = 0, alerts: int = 9) -> None:
    month = find_first_month(months_ago + 1)
    add_answers(desk_id, month, alerts=alerts, found=1, too_late=2, nothing_there=nothing_there)


def test_reports_are_listed_without_saying_whose_they_are(support: Browser) -> None:
    page = support.get(PAGE)
    assert "Personne n’a signalé de page vide." in page.text
    assert "Aucune réponse n’est comptée dans ce temps." in page.text
    user = add_account()
    detection = report(user.id)
    report(user.id, value=AnswerValue.FOUND)
    page = support.get(PAGE)
    assert page.html.count("/admin/detections/") == 1
    assert f"/admin/detections/{detection}" in page.html
    assert "encore ouverts chez nous" in page.text
    assert EMAIL not in page.html
    assert str(user.id) not in page.html


def test_desks_with_false_alarms_come_first_and_their_months_are_added_up(support: Browser) -> None:
    count_answers("a/quiet", 0, alerts=900)
    count_answers("b/loud", 2)
    count_answers("b/loud", 3, months_ago=1)
    count_answers("b/loud", 70, months_ago=5)
    page = support.get(f"{PAGE}?months=2")
    assert page.text.index("b/loud") < page.text.index("a/quiet")
    assert "<strong>5</strong>" in page.html
    assert "<strong>75</strong>" in support.get(f"{PAGE}?months=12").html
    assert "Ce mois-ci, " in support.get(f"{PAGE}?months=1").text
