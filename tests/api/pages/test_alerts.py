"""Pages of alerts: a new one, the page of one, calls, the appointment that was found, consent."""

import re
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from icalendar import Calendar

from api.accounts.consents import list_versions, read_consent_text
from api.alerts.schemas import NewAlert
from api.models.alert import Alert, AlertTarget
from api.models.appointment import Appointment
from api.models.desk import DeskState
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Channel, Contact, Grant, User
from configs.ground.clock import clock
from configs.ground.proofs import new_key
from configs.ground.text import MESSAGE_LANGUAGES
from configs.world.plan import PlanName
from tests.api.world import Door, reveal_health
from tests.clients import Browser
from tests.desk_proofs import prove_desks
from tests.factories import (
    BOBIGNY,
    add_alert,
    add_desk,
    add_grant,
    add_match,
    change,
    one,
    remove,
    rows,
    save,
    see,
)
from tests.in_turn import in_turn

NEW = "/alertes/nouvelle"
WISH = f"{NEW}?prefecture=bobigny_93&procedure=TITRE_SEJOUR"
MARKUP = "<script>alert('x')</script>\"><b>"
OFFER = "Appelez-moi quand une place se libère"


def hold(plan: PlanName = PlanName.URGENCE_24H) -> None:
    prove_desks()
    add_grant(one(User).id, plan)


def test_without_a_prefecture_or_of_an_unknown_one_it_shows_the_list(camille: Browser) -> None:
    page = camille.get(NEW)
    assert page.headings == ["Nouvelle alerte"]
    assert "93 – Seine-Saint-Denis" in page.text
    for query in ("prefecture=nowhere", "desk=nowhere/x", f"prefecture={'A' * 10_000}"):
        assert "Ce département n’existe pas" in camille.get(f"{NEW}?{query}").text
        assert camille.status == 404


@in_turn("wish", ["PASSEPORT", "passeport"])
def test_the_choice_of_a_department_keeps_the_procedure_of_its_address(camille: Browser, wish: str) -> None:
    page = camille.get(f"{NEW}?procedure={wish}")
    assert page.html.count(" selected>") == 1
    assert '<option value="passeport" selected>' in page.html


@in_turn(
    "query, checked",
    [
        ("prefecture=bobigny_93&procedure=TITRE_SEJOUR", ["TITRE_SEJOUR"]),
        ("prefecture=93&procedure=titre-sejour", ["TITRE_SEJOUR"]),
        ("prefecture=bobigny_93&procedure=PASSEPORT", ["PASSEPORT"]),  # no desk serves it
        (f"desk={BOBIGNY}", [BOBIGNY]),
        (
            f"prefecture=bobigny_93&procedure=TITRE_SEJOUR&desk={BOBIGNY}",
            [BOBIGNY],
        ),  # in place of its procedure
        (f"prefecture=bobigny_93&procedure={MARKUP}", []),
    ],
)
def test_it_is_filled_from_its_address(camille: Browser, query: str, checked: list[str]) -> None:
    camille.get(f"{NEW}?{query}")
    fields = camille.page.find_form(NEW)["fields"]
    assert fields.get("target", []) == checked


def test_an_alert_with_all_its_limits_is_created(camille: Browser, door: Door) -> None:
    hold()
    page = camille.get(WISH)
    assert all(f'<option value="{each}"' in page.html for each in MESSAGE_LANGUAGES)
    day = clock().date() + timedelta(days=30)
    camille.send(
        NEW,
        **{
            "name": "Maman",
            "language": "hi",
            "limits.dateFrom": str(clock().date()),
            "limits.dateTo": str(day),
            "limits.weekdays[]": ["1", "5"],
            "limits.hourFrom": "09:00",
            "limits.hourTo": "12:30",
            "limits.sites[]": ["Bobigny"],
        },
    )
    page = camille.follow()
    (alert,), (target,) = rows(Alert), rows(AlertTarget)
    assert page.headings == ["Maman"]
    assert "Votre alerte est créée." in page.text
    assert "lundi, vendredi" in page.text
    assert "Entre 09:00 et 12:30" in page.text
    assert (alert.name, alert.language, target.weekdays, target.sites) == ("Maman", "hi", [1, 5], ["Bobigny"])
    assert (f"{target.hour_from:%H:%M}", target.date_to) == ("09:00", day)
    assert door.caught_up == [alert.id]


def test_sent_twice_at_once_it_creates_one(camille: Browser) -> None:
    hold(PlanName.URGENCE_TOTAL)
    camille.get(WISH)
    assert camille.send_twice(NEW) == [303, 303]
    assert len(rows(Alert)) == 1


def test_a_desk_replaces_its_procedure(camille: Browser) -> None:
    hold()
    camille.get(WISH)
    camille.send(NEW, target=BOBIGNY)
    (target,) = rows(AlertTarget)
    assert (target.desk_id, target.procedure) == (BOBIGNY, None)
    page = camille.get(f"/alertes/{target.alert_id}/modifier")
    assert page.find_form("modifier")["fields"]["target"] == [BOBIGNY]


def test_pages_that_nobody_watches_are_one_folded_line(camille: Browser) -> None:
    page = camille.get(WISH)
    folded = page.html.partition("<details>")[2].partition("</details>")[0]
    assert "1 page que nous ne pouvons pas surveiller" in folded
    assert 'value="bobigny_93/naturalisation"' in folded
    assert f'value="{BOBIGNY}"' not in folded


def test_without_a_plan_it_leads_to_the_plans_with_what_was_typed(camille: Browser) -> None:
    prove_desks()
    change(DeskState, feasible_seconds=240)
    camille.get(WISH)
    camille.send(NEW, **{"name": "Maman", "limits.weekdays[]": "3"})
    assert camille.status == 303
    page = camille.follow()
    text = " ".join(page.text.split())
    assert "Votre alerte : Seine-Saint-Denis (93) · Titre de séjour" in text
    assert text.count("Une vérification en 4 minutes environ, aujourd’hui") == 3  # as slow as its site
    assert "E-mail · notification · Telegram · SMS" in text
    (link,) = (
        at["href"] for name, at in page.tags if name == "a" and "plan=URGENCE_24H" in at.get("href", "")
    )
    wish = NewAlert.model_validate_json(parse_qs(urlsplit(link).query)["alert"][0])
    assert (wish.prefecture_id, wish.procedures, wish.limits.weekdays) == (
        "bobigny_93",
        ["TITRE_SEJOUR"],
        [3],
    )
    assert "Maman" not in link
    assert "Seine-Saint-Denis" in camille.get(link).text
    assert rows(Alert) == []


def test_what_nobody_sees_shows_what_is_seen_and_is_kept_on_request(camille: Browser) -> None:
    prove_desks()
    page = camille.get(f"{NEW}?prefecture=bobigny_93&procedure=NATURALISATION")
    assert "Nous pouvons vous écrire le jour où nous les voyons." in page.text
    page = camille.send(NEW, name="Maman", acceptWaiting="")
    assert "nous ne voyons aucune place" in page.text
    assert f"desk={BOBIGNY.replace('/', '%2F')}" in page.html or f"desk={BOBIGNY}" in page.html
    camille.send(NEW, acceptWaiting="true")
    assert "dès que nous voyons ces places" in camille.follow().text
    (alert,) = rows(Alert)
    assert (alert.name, alert.awaits_watch, alert.enabled) == ("Maman", True, False)


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
    assert "Pas encore de place" in text
    assert "Sans offre en cours" in text
    hold()
    assert "Sans offre en cours" not in show(camille, alert)


def test_slots_appear_in_its_twin(camille: Browser, alert: UUID) -> None:
    show(camille, alert)
    status, before, etag = ask_parts(camille, alert)
    assert (status, ask_parts(camille, alert, etag)[0]) == (200, 304)
    assert set(before) == {"open", "watch", "slots"}
    detection, slots = see("2026-12-21T09:00:00+00:00", "2026-12-21T09:30:00+00:00")
    add_match(alert, detection, slots)
    _, after, _ = ask_parts(camille, alert, etag)
    assert "2 encore libres" in after["slots"]
    assert "lundi 21 décembre 2026" in after["slots"]
    assert "10:00" in after["slots"]
    assert "https://example.org/book" in after["open"]
    assert "lundi 21 décembre 2026 · <bdi>10:00 · 10:30</bdi>" in " ".join(
        re.sub("</?time[^>]*>", "", after["open"]).split()
    )
    assert after["slots"].strip() in camille.get(f"/alertes/{alert}").html


def test_slots_that_are_open_stand_above_newer_ones_that_are_gone(camille: Browser, alert: UUID) -> None:
    add_match(alert, *see("2026-12-21T09:00:00+00:00"))
    gone, slots = see("2026-12-22T09:00:00+00:00")
    add_match(alert, gone, slots)
    change(SlotRow, SlotRow.id.in_(slots), gone_at=clock(), gone_reason=GoneReason.TAKEN)
    text = show(camille, alert)
    marks = [
        text.index(each) for each in ("lundi 21 décembre 2026", "mardi 22 décembre 2026", "Plus de place")
    ]
    assert marks == sorted(marks)
    assert camille.page.html.count('<li class="card">') == 1, "openings of a desk on one day are one"


def test_two_tabs_pause_once_and_resume_once(camille: Browser, alert: UUID, door: Door) -> None:
    hold()
    for action, text, enabled in (
        ("pause", "L’alerte est en pause.", False),
        ("reprendre", "L’alerte est active.", True),
    ):
        camille.get(f"/alertes/{alert}")
        tab = camille.page
        for _ in range(2):
            camille.page = tab
            camille.send(action)
        assert text in camille.follow().text
        assert [each.enabled for each in rows(Alert)] == [enabled]
    assert alert in door.caught_up


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


def test_a_proof_is_a_fresh_link(camille: Browser, alert: UUID) -> None:
    detection, slots = see("2026-12-21T09:00:00+00:00")
    add_match(alert, detection, slots)
    camille.get(f"/alertes/{alert}/preuve/{detection}")
    assert camille.status == 404
    change(Detection, Detection.id == detection, proof_key=new_key(clock()))
    page = camille.get(f"/alertes/{alert}")
    assert f"/preuve/{detection}" in page.html
    answer = camille.client.get(f"/alertes/{alert}/preuve/{detection}")
    assert "/l/proof." in answer.headers["Location"]


def add_number() -> None:
    (user,) = rows(User)
    save(Contact(user_id=user.id, channel=Channel.SMS, address="+33612345678", verified_at=clock()))


def wants_calls() -> bool:
    (enabled,) = (each.voice_enabled for each in rows(Alert))
    return bool(enabled)


def test_the_largest_plan_is_offered_calls_and_the_form_ends_them(camille: Browser, door: Door) -> None:
    hold(PlanName.URGENCE_7J)
    assert OFFER not in camille.get(WISH).text
    hold(PlanName.URGENCE_TOTAL)
    assert "Il nous faut d’abord un numéro confirmé" in camille.get(WISH).text
    page = camille.send(NEW, **{"voice.enabled": "true"})
    assert (camille.status, rows(Alert)) == (422, [])
    assert "confirmez d’abord un numéro de téléphone" in page.text
    add_number()
    assert OFFER in camille.get(WISH).text
    camille.send(NEW, **{"voice.enabled": "true"})
    assert wants_calls()
    edit = f"/alertes/{one(Alert).id}/modifier"
    assert "/preferences#calls" in camille.get(edit).html
    camille.send(edit, **{"voice.enabled": []})
    assert not wants_calls()


def test_an_alert_with_calls_is_edited_once_its_plan_or_number_is_gone(
    camille: Browser, alert: UUID, door: Door
) -> None:
    hold(PlanName.URGENCE_TOTAL)
    add_number()
    edit = f"/alertes/{alert}/modifier"
    camille.get(edit)
    camille.send(edit, **{"voice.enabled": "true"})
    remove(Grant)
    remove(Contact, Contact.channel == Channel.SMS)
    camille.get(edit)
    camille.send(edit, name="Maman")
    assert (rows(Alert)[0].name, wants_calls()) == ("Maman", True)


def test_a_form_without_calls_leaves_them(camille: Browser, alert: UUID, door: Door) -> None:
    edit = f"/alertes/{alert}/modifier"
    camille.get(edit)
    change(Alert, Alert.id == alert, voice_enabled=True)
    camille.send(edit, name="Maman")
    assert wants_calls()


def test_it_closes_the_alert_and_keeps_the_appointment_for_the_calendar(
    camille: Browser, alert: UUID
) -> None:
    camille.get(f"/alertes/{alert}/trouve")
    day = (clock() + timedelta(days=40)).date()
    camille.send("/trouve", day=str(day), hour="09:30", place="Guichet 4, Bobigny")
    page = camille.follow()
    assert "Bravo" in page.text
    assert "Vous avez trouvé un rendez-vous." in page.text
    assert "Guichet 4, Bobigny" in page.text
    assert "09:30" in page.text
    event = camille.client.get(f"/alertes/{alert}/rendez-vous.ics")
    (entry,) = Calendar.from_ical(event.text).walk("VEVENT")
    (kept,) = rows(Appointment)
    starts_at = entry.decoded("DTSTART")
    assert starts_at == kept.at
    assert f"DTSTART:{kept.at.astimezone(UTC):%Y%m%dT%H%M%SZ}" in event.text, "as every program reads it"
    assert "VTIMEZONE" not in event.text
    assert entry["LOCATION"] == "Guichet 4, Bobigny"
    assert event.mimetype == "text/calendar"
    assert event.headers["Cache-Control"] == "no-store"


def test_a_box_must_be_ticked(camille: Browser, settings_env: Callable[..., None], tmp_path: Path) -> None:
    reveal_health(tmp_path, settings_env)
    hold(PlanName.URGENCE_7J)
    assert read_consent_text("health", "fr") in camille.get(f"{NEW}?desk={BOBIGNY}").text
    assert "Cochez cette case pour attendre cette page de rendez-vous." in camille.send(NEW).text
    assert (camille.status, rows(Alert)) == (422, [])
    camille.send(NEW, acceptHealth="true")
    (alert,) = rows(Alert)
    assert alert.consent["health"]["text"] == list_versions()[0]
