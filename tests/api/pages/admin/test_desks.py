"""Operators' pages of desks, hosts, incidents."""

from datetime import timedelta

from api.models.desk import DeskState, DeskStatus, HostState
from api.models.incident import Incident, IncidentReason
from configs.ground.clock import clock
from configs.world.desk import Outcome
from tests.api.pages.admin.conftest import act, audit, walk
from tests.clients import Browser
from tests.factories import (
    BOBIGNY,
    add_account,
    add_alert,
    add_check,
    add_desk,
    add_incident,
    get,
    rows,
    save,
)

PAGE, CHECKS = f"/admin/guichets/{BOBIGNY}", "/admin/verifications"
HOST = "127.77.0.93:8800"
HOST_PAGE = f"/admin/sites/{HOST}"


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
    admin.get("/admin/guichets?prefectureId=bobigny_93&limit=1")
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
    for reason in ("", "   ", "x" * 201, "two\nlines"):
        act(admin, f"{PAGE}/pause", reason=reason)
        assert admin.status == 422, reason
    unwatched = "Ce guichet n’est pas surveillé"
    assert unwatched in act(admin, "/admin/guichets/bobigny_93/visa/pause", reason="essai")
    admin.get(f"{PAGE}/pause")
    admin.send("/pause", reason="Sa page change ce soir")
    page = admin.follow()
    assert f"{BOBIGNY} est en pause." in page.text
    assert "Sa page change ce soir" in page.text
    assert f"{PAGE}/verification" not in page.html
    assert "Un opérateur l’a déjà mis en pause." in act(admin, f"{PAGE}/pause", reason="encore")
    assert admin.status == 422
    assert "Un opérateur a mis ce guichet en pause" in act(admin, f"{PAGE}/verification")
    page = admin.get(f"{PAGE}/reprise")
    assert "Il était en pause : « Sa page change ce soir »." in page.text
    admin.send("/reprise")
    assert f"{BOBIGNY} reprend" in admin.follow().text
    (state,) = rows(DeskState)
    assert (state.paused_at, state.check_requested_at is not None) == (None, True)
    assert "il n’y a rien à reprendre" in act(admin, f"{PAGE}/reprise")
    assert len(audit("desk.pause")) == len(audit("desk.resume")) == 1


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
    admin.get(f"{HOST_PAGE}/arret")
    admin.send("/arret", reason="essai", typed=HOST)
    admin.get(f"{PAGE}/verification")
    page = admin.send("/verification")
    assert "Un opérateur a arrêté son site" in page.text
    admin.get("/admin/guichets/bobigny_93/visa/verification")  # stale
    page = admin.send("/verification")
    assert "Ce guichet n’est pas surveillé" in page.text
    assert len(audit("desk.check")) == 1


def test_a_host_shows_its_robots_txt_and_what_it_forbids(admin: Browser) -> None:
    add_desk(forbidden_at=clock())
    save(HostState(host=HOST, robots_read_at=clock(), robots_error="HTTP 503"))
    page = admin.get(HOST_PAGE)
    assert "1 sur " in page.text
    assert "HTTP 503" in page.text


def test_desks_are_listed_by_id_and_checks_the_newest_first(admin: Browser) -> None:
    every = [row[0] for row in admin.get("/admin/guichets?limit=100").rows]
    assert every == sorted(every)
    for number in range(5):
        add_check(started_at=clock() - timedelta(seconds=60 * number), evidence=f"page {number}")
    blocked = "bobigny_93/naturalisation"
    add_check(blocked, started_at=clock() - timedelta(hours=3), outcome=Outcome.BLOCKED, process="host:17")
    seen = [
        each
        for page in walk(admin, f"{CHECKS}?deskId={BOBIGNY}&limit=2", lambda row: row[6])
        for each in page
    ]
    assert seen == [f"page {number}" for number in range(5)]
    assert [row[1] for row in admin.get(f"{CHECKS}?outcome=blocked").rows] == [f"{blocked}host:17"]
    assert admin.get(f"{CHECKS}?outcome=blocked&hours=2").rows == []
    assert admin.get(f"{CHECKS}?outcome=blocked&hours=2&deskId={blocked}").rows != []
    assert admin.get(f"{CHECKS}?before={2**62}").rows == []


def test_a_host_is_shown_with_desks_and_incidents_and_one_that_is_remembered_in_the_list(
    admin: Browser,
) -> None:
    add_desk(status_reason="watched")
    save(HostState(host=HOST, budget_share=0.5, rests_in_a_row=2))
    page = admin.get(HOST_PAGE)
    assert BOBIGNY in page.text
    assert "50 %" in page.text.replace("\u202f", " ").replace("\xa0", " ")
    admin.get("/admin/sites/nowhere:443")
    assert admin.status == 404
    save(HostState(host="0.example:443", rests_until=clock() + timedelta(hours=1), rest_reason="blocked"))
    (shown, *_) = admin.get("/admin/sites").rows
    assert (shown[0], "Au repos" in shown[1], shown[1].endswith("blocked")) == ("0.example:443", True, True)


def test_a_stop_says_how_many_wait_and_go_lifts_it(admin: Browser) -> None:
    """It keeps what the planner knows, and an address out of the audit."""
    reason = "webmaster.jean@prefecture.example.fr wrote to us"
    save(HostState(host=HOST, rests_in_a_row=3, budget_share=0.5))
    add_alert(add_account().id)
    page = admin.get(f"{HOST_PAGE}/arret")
    assert "1 personne attend un créneau ici." in page.text
    admin.send("/arret", reason=reason, typed=HOST)
    assert [each.stop_reason for each in rows(HostState)] == [reason]
    (row,) = audit("host.stop", subject_id=HOST)
    assert "jean" not in str(row.changes)
    assert f"déjà arrêté (« {reason} »)" in admin.get(f"{HOST_PAGE}/arret").text
    assert f"Il était arrêté : « {reason} »." in admin.get(f"{HOST_PAGE}/reprise").text
    admin.send("/reprise")
    assert f"{HOST} est de nouveau consulté." in admin.follow().text
    (state,) = rows(HostState)
    assert (state.stopped_at, state.stop_reason, state.rests_in_a_row, state.budget_share) == (
        None, None, 3, 0.5,
    )  # fmt: skip
    assert len(audit("host.go")) == 1


def alarm(subject: str = HOST, reason: IncidentReason = IncidentReason.BLOCKED, **columns: object) -> int:
    """Write an incident whose alarm was sent to operators."""
    told = {"alarm_kind": "operations", "alarm_params": {}, "told_at": clock()}
    return add_incident(reason, subject, **told | columns)


def test_incidents_are_chosen_and_lead_to_their_subject(admin: Browser) -> None:
    first, now = alarm(), clock()
    over = {"starts_at": now, "seen_at": now, "told_at": now, "ends_at": now, "acknowledged_at": now}
    second = alarm(BOBIGNY, IncidentReason.CLOSED, **over)
    third = alarm("twilio", IncidentReason.PROVIDER_DOWN)
    for query, shown in (
        ("", {first, second, third}),
        ("open=true", {first, third}),
        ("open=false", {second}),
        ("acknowledged=false&open=", {first, third}),
        (f"subject={HOST}", {first}),
    ):
        page = admin.get(f"/admin/incidents?{query}")
        assert {each for each in (first, second, third) if f'/admin/incidents/{each}"' in page.html} == shown
    links = {
        first: f"/admin/sites/{HOST}",
        second: f"/admin/guichets/{BOBIGNY}",
        third: "/admin/distribution",
    }
    for incident, link in links.items():
        page = admin.get(f"/admin/incidents/{incident}")
        assert page.headings[0].startswith(f"Incident {incident} :")
        assert f'href="{link}"' in page.html
    for unknown in (99999, 2**63 - 1, 2**63, 10**30):
        admin.get(f"/admin/incidents/{unknown}")
        assert admin.status == 404, unknown


def test_an_alarm_is_acknowledged_once(admin: Browser) -> None:
    lasting, moment = alarm(), alarm("sms", IncidentReason.SMS_CEILING)
    page = admin.get(f"/admin/incidents/{lasting}/acquittement")
    assert "Il reste en cours tant que le trouble dure" in page.text
    assert get(Incident, lasting).acknowledged_at is None
    admin.send("/acquittement")
    page = admin.follow()
    assert f"L’incident {lasting} est acquitté." in page.text
    assert "Acquittée" in page.text
    first = get(Incident, lasting).acknowledged_at
    page = admin.get(f"/admin/incidents/{lasting}/acquittement")
    assert "Un opérateur l’a déjà acquitté" in page.text
    admin.send("/acquittement")
    kept = get(Incident, lasting)
    assert (kept.acknowledged_at, kept.ends_at) == (first, None), "the trouble lasts"
    page = admin.get(f"/admin/incidents/{moment}")
    assert page.headings == [f"Incident {moment} : plafond des SMS atteint"], "a name keeps its capitals"
    page = admin.get(f"/admin/incidents/{moment}/acquittement")
    assert "il est clos" in page.text, "what happened at one moment is over by that"
    admin.send("/acquittement")
    assert "Fini" in admin.follow().text
