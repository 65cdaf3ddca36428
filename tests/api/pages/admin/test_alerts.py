"""Operators' pages of alerts: those of all users, one of them, and the orders to pause and resume it."""

from uuid import UUID, uuid4

from api.models.alert import Alert, AlertTarget, ClosedBecause
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.pages.admin.conftest import act, audit
from tests.api.world import Door
from tests.clients import Browser
from tests.factories import add_account, add_alert, add_grant, change, rows

LIST = "/admin/alertes"


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
    page = support.get(f"{LIST}?limit=2")
    assert page.next
    assert len(support.get(page.next).rows) == 1


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
