"""Operators' pages of desks."""

from datetime import timedelta

from api.models.audit import AuditEntry
from api.models.desk import DeskState, DeskStatus
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from tests.clients import Browser
from tests.factories import BOBIGNY, add_account, add_alert, add_check, add_desk, rows

PAGE = f"/admin/guichets/{BOBIGNY}"


def block() -> None:
    add_check(
        started_at=clock() - timedelta(seconds=60),
        outcome=Outcome.BLOCKED,
        evidence="403 <b>Forbidden</b>",
        milliseconds=90,
        requests=2,
        process="host:17",
        error="KeyError('slots')",
    )


def test_desks_are_chosen_by_prefecture_status_and_pause(admin: Browser) -> None:
    add_desk(status=DeskStatus.ERROR, status_reason="unreachable")
    add_desk("bobigny_93/naturalisation", status=DeskStatus.PAUSED, paused_at=clock(), pause_reason="essai")
    for query, shown in (
        ("prefectureId=bobigny_93", {"titre-sejour", "naturalisation", "visa"}),
        ("prefectureId=&status=ERROR&paused=", {"titre-sejour"}),
        ("paused=true", {"naturalisation"}),
        ("prefectureId=bobigny_93&paused=false", {"titre-sejour", "visa"}),
    ):
        page = admin.get(f"/admin/guichets?{query}")
        found = {
            slug for slug in ("titre-sejour", "naturalisation", "visa") if f'bobigny_93/{slug}"' in page.html
        }
        assert found == shown, query
    page = admin.get("/admin/guichets?status=ERROR&paused=true")
    assert "Aucun guichet ne correspond à ce choix." in page.text
    page = admin.get("/admin/guichets?prefectureId=bobigny_93&limit=1")
    assert "prefectureId=bobigny_93" in admin.page.html.partition('rel="next" href="')[2].partition('"')[0]


def test_a_desk_is_shown_with_its_checks_and_who_waits(admin: Browser) -> None:
    add_desk(status=DeskStatus.ACTIVE, status_reason="watched", wished_seconds=30, achieved_seconds=45)
    block()
    add_alert(add_account().id)
    page = admin.get(PAGE)
    assert page.headings == [BOBIGNY]
    for text in (
        "confirmée, complète",
        "accès refusé",
        "403 <b>Forbidden</b>",
        "KeyError('slots')",
        "30 s · — · 45 s",
    ):
        assert text in " ".join(page.text.split()), text
    for path in (f"{PAGE}-nothing", f"{PAGE}-nothing/pause", "/admin/guichets/nowhere_00/visa/reprise"):
        admin.get(path)
        assert admin.status == 404, path


def test_a_desk_is_paused_and_resumed(admin: Browser) -> None:
    admin.get(f"{PAGE}/pause")
    admin.send("/pause", reason="Sa page change ce soir")
    page = admin.follow()
    assert f"{BOBIGNY} est en pause." in page.text
    assert "Sa page change ce soir" in page.text
    assert "/verification" not in page.html
    page = admin.get(f"{PAGE}/pause")
    page = admin.send("/pause", reason="encore")
    assert (admin.status, "Un opérateur l’a déjà mis en pause." in page.text) == (422, True)
    page = admin.get(f"{PAGE}/reprise")
    assert "Il était en pause : « Sa page change ce soir »." in page.text
    admin.send("/reprise")
    assert f"{BOBIGNY} reprend" in admin.follow().text
    (state,) = rows(DeskState)
    assert (state.paused_at, state.check_requested_at is not None) == (None, True)


def test_a_pause_that_many_notice_has_the_desk_typed(admin: Browser) -> None:
    for number in range(10):
        add_alert(add_account(f"user{number}@example.org").id)
    page = admin.get(f"{PAGE}/pause")
    assert "10 personnes attendent un créneau ici" in page.text
    admin.send("/pause", reason="essai")
    assert admin.status == 422
    assert rows(DeskState) == []
    admin.get(f"{PAGE}/pause")
    admin.send("/pause", reason="essai", typed=BOBIGNY)
    assert admin.status == 303


def test_a_check_is_asked_for_and_refused_while_the_host_is_stopped(admin: Browser) -> None:
    admin.get(f"{PAGE}/verification")
    admin.send("/verification")
    assert "est demandée" in admin.follow().text
    host = "127.77.0.93:8800"
    admin.get(f"/admin/sites/{host}/arret")
    admin.send("/arret", reason="essai", typed=host)
    admin.get(f"{PAGE}/verification")
    page = admin.send("/verification")
    assert "Un opérateur a arrêté son site" in page.text
    admin.get("/admin/guichets/bobigny_93/visa/verification")  # stale
    page = admin.send("/verification")
    assert "Ce guichet n’est pas surveillé" in page.text
    actions = [each.action for each in rows(AuditEntry)]
    assert actions.count("desk.check") == 1
