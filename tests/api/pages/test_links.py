"""Links in mails: an alert stopped, an address confirmed, an alarm acknowledged, an answer given; unsubscribing, and how it is undone."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import redis
import sqlalchemy as sa
import time_machine
from flask.testing import FlaskClient

from api.accounts.consents import give_consent, give_news_consent
from api.models.alert import Alert, ClosedBecause
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.appointment import Appointment
from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from api.models.desk import DeskChange
from api.models.incident import Incident
from api.models.notification import Match, Notification
from api.models.slot import GoneReason, SlotRow
from api.models.user import Channel, Contact, Role, User
from api.users.service import restart_groups
from api.web import rate_limits
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.ground.signing import (
    AcknowledgeIncident,
    AnswerAlert,
    ShowSlots,
    StopAlerts,
    StopGroup,
    VerifyAddress,
    write_token,
)
from configs.world.plan import PlanName
from tests.api.alerts.test_answers import read_answer
from tests.api.messages import add_operator
from tests.api.world import Door, count_more
from tests.clients import People, Person
from tests.factories import (
    Announcement,
    add_alert,
    add_incident,
    add_match,
    add_message,
    announce,
    change,
    one,
    rows,
    see,
)
from tests.in_turn import in_turn

ONE_CLICK = {"List-Unsubscribe": "One-Click"}  # RFC 8058
UNDO = {"undo": "true"}
PLAN = PlanName.URGENCE_TOTAL  # of Camille's


@pytest.fixture
def camille(frozen: time_machine.Traveller, person: People) -> Person:
    """Give a user; no browser, since links need no login."""
    return person(plan=PLAN)


def stop(*alerts: UUID) -> str:
    return f"/l/{write_token(StopAlerts(tuple(alerts)))}"


def mail_contact(who: Person) -> Contact:
    return one(Contact, Contact.user_id == who.id, Contact.channel == Channel.EMAIL)


def stop_group(who: Person, group: MessageGroup = MessageGroup.REMINDERS) -> str:
    contact = mail_contact(who)
    return f"/l/{write_token(StopGroup(contact.id, digest(contact.address), group))}"


def test_a_mail_program_stops_the_alerts_of_its_mail_in_one_click_without_a_login(
    client: FlaskClient, camille: Person
) -> None:
    link, other = stop(add_alert(camille.id), add_alert(camille.id)), add_alert(camille.id)
    for _ in range(2):
        assert client.post(link, data=ONE_CLICK).status_code == 200
    closed = {alert.id: alert.closed_because for alert in rows(Alert)}
    assert closed.pop(other) is None
    assert list(closed.values()) == [ClosedBecause.STOPPED] * 2


def test_the_link_undoes_it_within_a_day_and_a_day_later_it_is_final(
    client: FlaskClient, person: People, door: Door, frozen: time_machine.Traveller
) -> None:
    alert_id = add_alert(person(plan=PlanName.URGENCE_7J).id)
    link = stop(alert_id)
    assert 'name="undo"' not in client.get(link).text
    client.post(link, data=ONE_CLICK)
    assert "Les recevoir de nouveau" in client.get(link).text
    answer = client.post(link, data=UNDO)
    assert "Vous recevrez de nouveau ces messages" in answer.text
    assert one(Alert).waits
    assert door.caught_up == [alert_id]
    assert {line.reason for line in rows(DeskChange)} == {"alert stopped", "alert reopened"}
    client.post(link, data=ONE_CLICK)
    frozen.shift(timedelta(hours=24))
    assert "Les recevoir de nouveau" not in client.get(link).text
    client.post(link, data=UNDO)
    assert not one(Alert).waits
    assert door.caught_up == [alert_id]


def test_the_page_says_whether_other_alerts_wait(client: FlaskClient, person: People) -> None:
    camille = person(plan=PlanName.URGENCE_TOTAL)
    link = stop(add_alert(camille.id))
    assert "C’est votre seule alerte" in client.get(link).text
    assert "Vos autres alertes continuent" not in client.post(link, data=ONE_CLICK).text
    add_alert(camille.id)
    assert "Vos autres alertes continuent" in client.get(link).text


def test_a_group_stops_on_this_contact_only_and_starts_again(client: FlaskClient, person: People) -> None:
    camille, other = person(), person(email="other@example.org")
    link = stop_group(camille)
    for _ in range(2):
        assert "Vous ne recevrez plus" in client.post(link, data=ONE_CLICK).text
    assert mail_contact(camille).stopped_groups == ["reminders"]
    assert mail_contact(other).stopped_groups == []
    assert "Vous recevrez de nouveau" in client.post(link, data=UNDO).text
    assert mail_contact(camille).stopped_groups == []


def test_the_link_of_news_withdraws_the_consent_and_brings_none_back(
    client: FlaskClient, camille: Person
) -> None:
    with session() as s:
        contact = s.get_one(Contact, one(Contact).id)
        give_consent(contact, "registration")
        give_news_consent(contact, "preferences")
    link = stop_group(camille, MessageGroup.NEWS)
    assert "Ne plus recevoir ces messages\xa0?" in client.get(link).text
    for _ in range(2):
        assert "Vous ne recevrez plus" in client.post(link, data=ONE_CLICK).text
    given = (mail_contact(camille).consent or {})["news"]
    assert given["withdrawn_at"]
    assert given["withdrawn_in"] == "link"
    assert "Les recevoir de nouveau" not in client.get(link).text
    client.post(link, data=UNDO)
    with session() as s:
        restart_groups(s, camille.id)  # the button of /canaux
    assert not mail_contact(camille).wants_news


def test_the_link_of_the_weekly_summary_stops_it_and_asks_for_it_again(
    client: FlaskClient, camille: Person
) -> None:
    with session() as s:
        s.scalars(sa.select(Contact)).one().summary_since = clock()
    link = stop_group(camille, MessageGroup.SUMMARY)
    assert "Il s’agit du résumé de la semaine." in client.get(link).text
    for _ in range(2):
        assert "Vous ne recevrez plus" in client.post(link, data=ONE_CLICK).text
        assert not mail_contact(camille).wants_summary
    assert mail_contact(camille).stopped_groups == []
    assert "«\xa0Préférences de messages\xa0»" in client.get(link).text
    assert "Vous recevrez de nouveau" in client.post(link, data=UNDO).text
    since = mail_contact(camille).summary_since
    assert since
    client.post(link, data=UNDO)
    assert mail_contact(camille).summary_since == since


def test_a_link_of_an_address_that_was_replaced_stops_nothing(client: FlaskClient, camille: Person) -> None:
    contact = mail_contact(camille)
    token = write_token(StopGroup(contact.id, digest("before@example.org"), MessageGroup.DESK))
    assert "n’existe plus" in client.post(f"/l/{token}", data=ONE_CLICK).text
    assert mail_contact(camille).stopped_groups == []


def notices() -> list[Notification]:
    return [row for row in rows(Notification) if row.kind == "last_way_stopped"]


def test_stopping_the_last_alert_of_a_running_plan_is_confirmed_by_mail_once(
    client: FlaskClient, person: People, door: Door
) -> None:
    camille = person(plan=PlanName.URGENCE_7J, confirmed=True)
    first, last = add_alert(camille.id), add_alert(camille.id)
    client.post(stop(first), data=ONE_CLICK)
    assert notices() == []
    for sent in (ONE_CLICK, ONE_CLICK, UNDO, ONE_CLICK):
        client.post(stop(last), data=sent)
    (notice,) = notices()
    assert notice.params["alerts"] == [str(last)]
    assert door.nudged == [notice.id]


def test_an_address_that_opened_very_many_links_still_stops_one(
    client: FlaskClient, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "GENERAL", "3 per 15 minutes")
    link = stop(add_alert(person().id))
    assert [client.get(link).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert client.post(f"{link}x", data=ONE_CLICK).status_code == 429, "a forged one counts by its address"
    assert client.post(link, data=ONE_CLICK).status_code == 200
    assert not rows(Alert)[0].waits


def test_one_link_is_not_used_without_end(
    client: FlaskClient, person: People, redis_server: redis.Redis
) -> None:
    link = stop(add_alert(person().id))
    assert client.post(link, data=ONE_CLICK).status_code == 200
    count_more(redis_server, "*/general/30/*", 28)
    assert [client.post(link, data=ONE_CLICK).status_code for _ in range(2)] == [200, 429]
    assert client.post(stop(add_alert(person("other@example.org").id)), data=ONE_CLICK).status_code == 200


def test_confirming_stops_the_alert_once_and_tells_the_planner(client: FlaskClient, person: People) -> None:
    link = stop(add_alert(person().id))
    for answer in (client.get(link), client.post(link), client.post(link), client.get(link)):
        assert answer.status_code == 200
        assert "jour" not in answer.text.lower()  # as in séjour: no page names the procedure
    assert "Votre alerte est arrêtée" in answer.text
    (alert,) = rows(Alert)
    assert alert.closed_because is ClosedBecause.STOPPED
    assert sorted(line.desk_id for line in rows(DeskChange)) == [
        "bobigny_93/naturalisation",
        "bobigny_93/titre-sejour",
    ]


def test_an_old_link_says_that_it_expired(
    client: FlaskClient, person: People, frozen: time_machine.Traveller
) -> None:
    link = stop(add_alert(person().id))
    frozen.shift(timedelta(days=31))
    for method in ("GET", "POST"):
        answer = client.open(link, method=method)
        assert answer.status_code == 410
        assert "Ce lien a expiré" in answer.text
    (alert,) = rows(Alert)
    assert alert.waits


def verify(contact_id: UUID, address: str = "camille@example.org") -> str:
    return f"/l/{write_token(VerifyAddress(contact_id, digest(address)))}"


def test_opening_the_confirmation_changes_nothing_confirming_does(
    client: FlaskClient, person: People
) -> None:
    person(plan=PlanName.URGENCE_24H, confirmed=False)
    (contact,) = rows(Contact)
    page = client.get(verify(contact.id))
    assert "camille@example.org" in page.text
    assert rows(Contact)[0].verified_at is None
    assert client.post(verify(contact.id)).location == "/dashboard"
    confirmed_at = rows(Contact)[0].verified_at
    assert confirmed_at is not None
    assert rows(Contact)[0].consent["alerts"]["place"] == "email_confirmation"
    client.post(verify(contact.id))
    assert rows(Contact)[0].verified_at == confirmed_at
    assert "Votre adresse est confirmée" in client.get(verify(contact.id)).text


def test_a_link_confirms_the_address_it_was_sent_to_no_later_one_and_none_that_is_gone(
    client: FlaskClient, person: People
) -> None:
    person("new@example.org", confirmed=False)
    (contact,) = rows(Contact)
    for link in (verify(contact.id, "old@example.org"), verify(UUID(int=7))):
        for method in ("GET", "POST"):
            answer = client.open(link, method=method)
            assert "est plus enregistrée" in answer.text
            assert "new@example.org" not in answer.text
    assert rows(Contact)[0].verified_at is None


def test_what_is_no_link_of_ours_is_a_page_too(client: FlaskClient) -> None:
    answer = client.get("/l/stop/nothing")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "existe pas" in answer.text


def link(user_id: UUID, incident_id: int) -> str:
    return f"/l/{write_token(AcknowledgeIncident(incident_id, user_id))}"


@in_turn("role", [Role.ADMIN, Role.SUPPORT])
def test_confirming_acknowledges_it_once_with_one_row_in_the_audit(client: FlaskClient, role: Role) -> None:
    operator, number = add_operator(Channel.EMAIL, role=role), add_incident(subject=role.value)
    for _ in range(2):
        answer = client.post(link(operator, number))
        assert answer.status_code == 200
        assert "Alarme prise en compte" in answer.text
    assert one(Incident, Incident.id == number).acknowledged_at is not None
    row = one(AuditEntry, AuditEntry.subject_id == str(number))
    assert (row.actor_id, row.actor_kind, row.action) == (
        operator,
        ActorKind(role.value),
        "incident.acknowledge",
    )
    assert row.subject_type == "incident"
    assert row.request_id


def test_who_is_no_operator_any_more_acknowledges_nothing(client: FlaskClient) -> None:
    admin, number = add_operator(Channel.EMAIL), add_incident()
    change(User, role=Role.USER)
    for who, what in ((admin, number), (uuid4(), number), (admin, number + 1)):
        for method in ("GET", "POST"):
            answer = client.open(link(who, what), method=method)
            assert answer.status_code == 200
            assert "Ce lien ne vaut plus" in answer.text
            assert "sendgrid" not in answer.text
    assert one(Incident).acknowledged_at is None
    assert rows(AuditEntry) == []


def test_a_link_shows_all_open_hours_by_day_and_ends_a_day_after_the_last_slot(
    frozen: time_machine.Traveller, client: FlaskClient, camille: Person
) -> None:
    alert = add_alert(camille.id, name="Mon titre")
    moments = ("2026-12-21T08:00:00+00:00", "2026-12-21T09:30:00+00:00", "2026-12-23", "open")
    detection, slots = see(*moments)
    told = add_message(camille.id, add_match(alert, detection, slots), kind="slot_detected")
    link = f"/l/{write_token(ShowSlots(told))}"
    see("2026-12-24T09:00:00+00:00")  # announced to nobody
    frozen.shift(timedelta(days=3))  # as long as one is open it is shown
    page = client.get(link)
    main = page.text.partition("<main")[2]
    text = " ".join(re.sub(r"<[^>]+>", " ", main).split())
    assert page.status_code == 200
    assert "Set-Cookie" not in page.headers
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "Seine-Saint-Denis (93)" in main
    assert "lundi 21 décembre 2026 · 09:00 · 10:30" in text
    assert "mercredi 23 décembre 2026" in text
    assert "Jour et heure inconnus" in text
    assert "24 décembre" not in text
    assert "titre" not in main.lower(), "the procedure, or the only alert"
    assert main.index("https://example.org/book") < main.index("21 décembre"), "the button comes first"
    change(SlotRow, SlotRow.id.in_(slots), gone_at=clock(), gone_reason=GoneReason.TAKEN)
    for hours, status, words in ((23, 200, "Il n’y a plus de place"), (2, 410, "Ce lien a expiré")):
        frozen.shift(timedelta(hours=hours))
        page = client.get(link)
        assert page.status_code == status
        assert words in page.text
        assert "/dashboard" in page.text.partition("<main")[2]
    assert client.post(link).status_code == 405


def test_a_message_of_two_alerts_shows_the_hours_of_both(client: FlaskClient, camille: Person) -> None:
    detection, slots = see("2026-12-21T08:00:00+00:00", "2026-12-21T09:30:00+00:00")
    matches = [add_match(add_alert(camille.id), detection, [slot]) for slot in slots]
    told = add_message(camille.id, *matches, kind="slot_detected")
    assert "09:00 · 10:30" in client.get(f"/l/{write_token(ShowSlots(told))}").text


def test_where_an_unknown_hour_was_announced_the_hours_that_are_known_now_are_shown(
    client: FlaskClient, camille: Person
) -> None:
    alert = add_alert(camille.id)
    detection, slots = see("open")
    told = add_message(camille.id, add_match(alert, detection, slots), kind="slot_detected")
    _, known = see("2026-12-21T08:00:00+00:00")
    change(SlotRow, SlotRow.id.in_(known), place_key=one(SlotRow, SlotRow.id.in_(slots)).place_key)
    change(SlotRow, SlotRow.id.in_(slots), gone_at=clock(), gone_reason=GoneReason.SUPERSEDED)
    assert "09:00" in client.get(f"/l/{write_token(ShowSlots(told))}").text


VALUES = ("found", "too_late", "nothing_there", "stopped")
SAID = dict(zip(VALUES, ("Trouvé", "Trop tard", "La page ne montre rien", "Arrêter"), strict=True))


def answer_link(told: Announcement, value: str = "") -> str:
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
    change(Alert, name="Mon titre")
    for _ in range(2):
        page = client.get(answer_link(told, value))
        assert "titre" not in page.text.partition("<main")[2].lower(), "the procedure, or the only alert"
        assert page.status_code == 200
        assert re.search(rf"Votre réponse\xa0:[^/]*<strong>{SAID[value]}</strong>", page.text)
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
    change(Alert, name="Mon titre")
    for _ in range(2):
        page = client.post(answer_link(told, value), data={"value": value})
        assert "titre" not in page.text.partition("<main")[2].lower(), "the procedure, or the only alert"
        assert page.status_code == 200
        assert "Merci de votre réponse" in page.text
        assert state in page.text
        assert "jusqu’à 11:00" in page.text  # Paris
    (kept,) = rows(MatchAnswer)
    assert (kept.match_id, kept.value, kept.via) == (told.match, AnswerValue(value), AnswerVia.EMAIL)
    assert rows(Alert)[0].closed_because is closed
    assert len(notices()) == (closed is ClosedBecause.STOPPED), "the last alert of a running plan"


def test_a_link_to_what_was_announced_again_offers_the_answers(
    frozen: time_machine.Traveller, client: FlaskClient, camille: Person
) -> None:
    told = announce(camille.id)
    client.post(answer_link(told, "too_late"))
    frozen.shift(timedelta(hours=2))
    change(Match, decided_at=clock())
    assert "<form" in client.get(answer_link(told, "found")).text
    assert client.post(answer_link(told, "found")).status_code == 200


def test_found_may_say_day_and_hour_by_the_clock_of_the_prefecture(
    client: FlaskClient, camille: Person
) -> None:
    told = announce(camille.id)
    change(User, time_zone="Asia/Tokyo")
    client.post(answer_link(told), data={"value": "found", "day": "2026-12-01", "hour": "09:30"})
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
    page = client.post(answer_link(told), data={"value": "found", "day": day, "hour": hour})
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
    page = client.get(answer_link(told, value)).text
    assert page.count('type="checkbox"') == 2
    assert "checked" not in page
    assert "Maman &lt;3" in page
    for chosen in ([], [str(uuid4())], ["x"]):
        refused = client.post(answer_link(told), data={"value": value, "alert": chosen})
        assert (refused.status_code, "Choisissez au moins une alerte" in refused.text) == (422, True)
    assert rows(MatchAnswer) == []
    client.post(answer_link(told), data={"value": value, "alert": [str(told.alert)]})
    assert {each.id: each.waits for each in rows(Alert)} == {
        each.id: each.id != told.alert for each in rows(Alert)
    }
    assert [each.match_id for each in rows(MatchAnswer)] == [told.match]


def test_no_alert_of_somebody_else_can_be_named(client: FlaskClient, camille: Person, person: People) -> None:
    robins = announce(person("robin@example.org").id)
    told = announce_to_two(camille.id)
    page = client.post(answer_link(told), data={"value": "stopped", "alert": [str(robins.alert)]})
    assert page.status_code == 422
    client.post(answer_link(told), data={"value": "stopped", "alert": [str(robins.alert), str(told.alert)]})
    assert read_answer(robins) is None
    assert sum(each.waits for each in rows(Alert)) == 2


@pytest.mark.parametrize(
    ("language", "words", "direction"), [("en", "Too late", "ltr"), ("ar", "فات الأوان", "rtl")]
)  # fmt: skip
def test_the_page_is_in_the_language_of_the_account(
    client: FlaskClient, camille: Person, language: str, words: str, direction: str
) -> None:
    told = announce(camille.id)
    change(User, language=language)
    for page in (client.get(answer_link(told, "too_late")), client.post(answer_link(told, "too_late"))):
        assert words in page.text
        assert f'dir="{direction}"' in page.text
