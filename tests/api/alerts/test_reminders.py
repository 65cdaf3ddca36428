"""Appointments that were found: the alert closes, reminders come and are moved, the question how it went, how long they are kept."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from api.alerts.appointments import SPREAD
from api.jobs import schedule as jobs
from api.models.alert import Alert, ClosedBecause
from api.models.appointment import Appointment
from api.models.desk import DeskChange
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.content.message_kind_base import Skip, TemplateContext
from notifier.content.messages import render
from tests.api.messages import find_newest_wish, read_again
from tests.api.world import Door
from tests.clients import People, Person, problem
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, add_contact, change, one, remove, rows

AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def camille(frozen: time_machine.Traveller, person: People) -> Person:
    made = person(confirmed=True)
    made.holds(PlanName.URGENCE_TOTAL, days=30)
    return made


def find(person: Person, **body: Any) -> str:
    """Close a new alert with an appointment; return the alert."""
    prove_desks()
    made = person.post("/api/alerts", {"deskIds": [BOBIGNY]}).json
    said = {"at": AT.isoformat(), "place": "Bobigny, guichet <4>"} | body
    answer = person.post(f"/api/alerts/{made['id']}/found", said)
    assert answer.status_code == 200, answer.text
    return str(made["id"])


def link_chat(person: Person) -> None:
    add_contact(person.id, Channel.TELEGRAM, "7")


def remind() -> list[tuple[str, Channel]]:
    """Run the job; return all reminders so far: which step, by which channel."""
    jobs.remind_of_appointments()
    return [
        (each.params["step"], each.channel)
        for each in rows(Notification, Notification.kind == "appointment_soon")
    ]


def test_a_mail_comes_the_day_before_and_a_telegram_message_an_hour_before(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    link_chat(camille)
    find(camille)
    told = []
    for moment in (AT - DAY - SPREAD, AT - DAY, AT - HOUR - SPREAD, AT - HOUR, AT):
        frozen.move_to(moment - timedelta(seconds=1) if moment == AT - DAY - SPREAD else moment)
        told.append(remind())
    first, last = ("first", Channel.EMAIL), ("last", Channel.TELEGRAM)
    assert told[0] == []
    assert told[1] == [first]
    assert told[3:] == [[first, last]] * 2


@pytest.mark.parametrize("ended", [State.FAILED, State.BOUNCED])
def test_who_asked_for_it_gets_the_last_one_by_sms_and_where_none_can_be_sent_a_mail(
    frozen: time_machine.Traveller, camille: Person, ended: State
) -> None:
    add_contact(camille.id, Channel.SMS, "+33612345678")
    find(camille, remindBySms=True)
    frozen.move_to(AT - HOUR)
    assert remind() == [("last", Channel.SMS)]
    said = read_again("appointment_soon")
    assert isinstance(said, TemplateContext)
    text = render("appointment_soon", "sms", "fr", said).text
    assert "09:30" in text
    assert "guichet" not in text, "a locked screen shows it"
    change(Notification, state=ended, reason="twilio 30005", failed_at=clock())
    assert remind() == [("last", Channel.SMS), ("last", Channel.EMAIL)]


@pytest.mark.parametrize("lacks", ["plan", "number", "group"])
def test_without_a_plan_with_sms_or_a_number_that_takes_them_it_is_a_mail(
    frozen: time_machine.Traveller, camille: Person, lacks: str
) -> None:
    stopped = ["reminders"] if lacks == "group" else []
    if lacks != "number":
        add_contact(camille.id, Channel.SMS, "+33612345678", stopped_groups=stopped)
    find(camille, remindBySms=True)
    if lacks == "plan":
        change(Grant, plan=PlanName.URGENCE_7J)
    frozen.move_to(AT - HOUR)
    assert remind() == [("last", Channel.EMAIL)]


def test_each_reminder_comes_by_the_channel_that_was_chosen_for_it(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    link_chat(camille)
    alert = find(camille)
    body = {"first": 1440, "last": 60, "firstBy": "telegram", "lastBy": "email"}
    assert camille.put(f"/api/alerts/{alert}/reminders", body).status_code == 200
    assert camille.put(f"/api/alerts/{alert}/reminders", body | {"lastBy": "voice"}).status_code == 422
    for moment in (AT - DAY, AT - HOUR):
        frozen.move_to(moment)
        remind()
    assert remind() == [("first", Channel.TELEGRAM), ("last", Channel.EMAIL)]


def test_without_telegram_both_are_mails_and_a_prefecture_that_left_the_files_is_named_by_its_id(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    find(camille)
    frozen.move_to(AT - HOUR)
    assert remind() == [("last", Channel.EMAIL)]
    change(Notification, params=one(Notification).params | {"prefecture": "gone_99"})
    said = read_again("appointment_soon")
    assert isinstance(said, TemplateContext)
    assert (said.values["where"], said.values["hour"]) == ("Gone (99)", "09:30")


def test_it_names_day_hour_and_place_in_the_prefectures_time_and_hides_the_place(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    link_chat(camille)
    change(User, time_zone="Asia/Tokyo")
    find(camille)
    frozen.move_to(AT - HOUR)
    remind()
    said = read_again("appointment_soon")
    assert isinstance(said, TemplateContext)
    text = render("appointment_soon", "telegram", "fr", said).html
    assert "09:30" in text
    assert "<tg-spoiler>Bobigny, guichet &lt;4&gt;</tg-spoiler>" in text
    assert "guichet" not in render("appointment_soon", "email", "fr", said).subject


def test_reminders_are_moved_and_switched_off(frozen: time_machine.Traveller, camille: Person) -> None:
    alert = find(camille)
    answer = camille.put(f"/api/alerts/{alert}/reminders", {"first": 2880, "last": None})
    assert (answer.json or {})["appointment"]["firstReminderAt"] == "2026-11-22T08:30:00Z"
    assert (answer.json or {})["appointment"]["lastReminderAt"] is None
    frozen.move_to(AT - 2 * DAY)
    assert remind() == [("first", Channel.EMAIL)]
    for moment in (AT - DAY, AT - HOUR, AT):
        frozen.move_to(moment)
        assert remind() == [("first", Channel.EMAIL)]


def test_what_was_moved_while_it_waited_is_not_sent(frozen: time_machine.Traveller, camille: Person) -> None:
    alert = find(camille)
    frozen.move_to(AT - DAY)
    remind()
    camille.put(f"/api/alerts/{alert}/reminders", {"first": 720, "last": 60})
    assert read_again("appointment_soon") == Skip(State.SKIPPED, "the reminder was moved")
    frozen.move_to(AT - DAY / 2)
    assert remind() == [("first", Channel.EMAIL)] * 2
    assert isinstance(read_again("appointment_soon"), TemplateContext)
    frozen.move_to(AT)
    assert read_again("appointment_soon") == Skip(State.EXPIRED, "the appointment is over")


def test_only_one_s_own_reminders_and_only_of_a_date_are_moved(camille: Person, person: People) -> None:
    alert, other = find(camille), find(camille, at=None)
    body = {"first": None, "last": None}
    stranger = person("stranger@example.org")
    for owner, key in ((stranger, alert), (camille, other)):
        answer = owner.put(f"/api/alerts/{key}/reminders", body)
        assert answer.status_code == 404
    assert sorted(filter(None, (each.first_reminder_at for each in rows(Appointment)))) == [AT - DAY]


def test_an_appointment_within_the_hour_has_no_reminders(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    find(camille, at=(clock() + timedelta(minutes=50)).isoformat())
    find(camille, at=(clock() - DAY).isoformat())
    assert {(each.first_reminder_at, each.last_reminder_at) for each in rows(Appointment)} == {(None, None)}
    assert remind() == []


def test_a_reminder_is_late_rather_than_lost_but_not_by_more_than_an_hour(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    find(camille)
    frozen.move_to(AT - DAY + timedelta(minutes=59))
    assert remind() == [("first", Channel.EMAIL)]
    find(camille, at=(AT + DAY).isoformat())
    frozen.move_to(AT + timedelta(minutes=61))
    assert remind() == [("first", Channel.EMAIL)]


def test_people_without_mail_keep_no_other_from_a_reminder(
    frozen: time_machine.Traveller,
    camille: Person,
    person: People,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.alerts.appointments.AT_ONCE", 1)
    link_chat(camille)
    find(camille)
    frozen.shift(1)  # in front of the other
    other = person("robin@example.org", confirmed=True)
    other.holds(PlanName.URGENCE_TOTAL, days=30)
    find(other)
    switch_off_mail(camille)
    frozen.move_to(AT - DAY)
    assert remind() == [("first", Channel.EMAIL)]


def switch_off_mail(person: Person) -> None:
    change(Contact, Contact.user_id == person.id, Contact.channel == Channel.EMAIL, enabled=False)


def block_bot() -> None:
    """Have Telegram refuse what was written, because its reader blocked the bot."""
    refused = {"state": State.FAILED, "reason": "telegram: bot was blocked", "failed_at": clock()}
    change(Notification, **refused)
    change(Contact, Contact.channel == Channel.TELEGRAM, state=ContactState.BLOCKED)


def test_a_last_reminder_that_telegram_refuses_comes_by_mail_once(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    link_chat(camille)
    find(camille)
    frozen.move_to(AT - HOUR)
    assert remind() == [("last", Channel.TELEGRAM)]
    block_bot()
    for _ in range(2):
        frozen.shift(60)
        assert remind() == [("last", Channel.TELEGRAM), ("last", Channel.EMAIL)]


def test_one_that_telegram_refuses_and_no_mail_reaches_is_looked_at_no_more(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    link_chat(camille)
    switch_off_mail(camille)
    find(camille)
    frozen.move_to(AT - HOUR)
    assert remind() == [("last", Channel.TELEGRAM)]
    block_bot()
    change(Contact, state=ContactState.OK)  # it was not the chat's fault
    frozen.shift(60)
    assert jobs.remind_of_appointments() == {"mails": 0}


@pytest.mark.parametrize(("until", "waits"), [("09:29", True), ("09:30", False)])
def test_a_reminder_waits_for_the_end_of_quiet_hours_unless_the_appointment_is_before(
    frozen: time_machine.Traveller, camille: Person, until: str, waits: bool
) -> None:
    find(camille)  # at 9:30 in Paris
    change(User, quiet_from=time(22), quiet_until=time.fromisoformat(until))
    frozen.move_to(AT - HOUR)
    assert remind() == [("last", Channel.EMAIL)]
    assert (find_newest_wish("appointment_soon") is not None) == waits


def ask(frozen: time_machine.Traveller, moment: datetime) -> int:
    frozen.move_to(moment)
    return jobs.ask_how_it_went()["mails"]


def test_the_question_comes_a_day_later_once_and_to_all_who_agreed_in_one_run(
    frozen: time_machine.Traveller, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.alerts.appointments.AT_ONCE", 1)
    for agreed in ({"mayAsk": True}, {"mayAsk": True}, {}):
        find(camille, **agreed)
    moments = (AT + DAY - timedelta(seconds=1), AT + DAY, AT + DAY + HOUR, AT + 3 * DAY)
    assert [ask(frozen, moment) for moment in moments] == [0, 2, 0, 0]


def test_without_a_date_it_comes_a_day_after_the_report(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    found_at = clock()
    alert = find(camille, at=None, place=None, mayAsk=True)
    assert camille.get(f"/api/alerts/{alert}").json["appointment"] is None
    assert ask(frozen, found_at + DAY) == 1
    (answer,) = rows(Appointment)
    assert answer.asked_at == clock()


def links(kind: str) -> dict[str, str]:
    """Return the paths of the links that the newest message of a kind carries."""
    said = read_again(kind)
    assert isinstance(said, TemplateContext)
    return {
        name: "/l/" + url.partition("/l/")[2]
        for name, url in said.values.items()
        if name.endswith("url") and "/l/" in str(url)
    }


def test_the_answer_is_stored_when_it_is_confirmed_and_counted_once_where_it_is_repeated_or_changed(
    frozen: time_machine.Traveller, client: FlaskClient, camille: Person
) -> None:
    find(camille, mayAsk=True)
    ask(frozen, AT + DAY)
    paths, first = links("how_it_went"), clock()
    for path in (paths["yes_url"], paths["no_url"]):
        assert "Envoyer cette réponse" in client.get(path).text
    assert one(Appointment).answered_at is None
    for name, went_well in (("yes_url", True), ("yes_url", True), ("no_url", False)):
        assert "Merci de votre réponse" in client.post(paths[name]).text
        row = one(Appointment)
        assert (row.went_well, row.answered_at) == (went_well, first)
        frozen.shift(DAY)
    assert isinstance(read_again("how_it_went"), Skip)
    remove(Appointment)
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 200
        assert "n’est plus enregistré" in answer.text


def test_the_link_of_a_reminder_moves_it(
    frozen: time_machine.Traveller, client: FlaskClient, camille: Person
) -> None:
    find(camille)
    frozen.move_to(AT - DAY)
    remind()
    path = links("appointment_soon")["url"]
    page = client.get(path).text
    assert "1 jour avant" in page.replace("\xa0", " ").replace("\u202f", " ")
    assert rows(Appointment)[0].last_reminder_at == AT - HOUR
    assert "C’est enregistré" in client.post(path, data={"first": "", "last": "120"}).text
    (row,) = rows(Appointment)
    assert (row.first_reminder_at, row.last_reminder_at) == (None, AT - 2 * HOUR)
    assert client.post(path, data={"first": "7", "last": "120"}).status_code == 422
    assert client.post(path, data={"first": "9" * 9000, "last": ""}).status_code in (413, 422)
    frozen.move_to(AT)
    assert "Aucun rappel ne partira" in client.get(path).text


WISH = {"deskIds": [BOBIGNY]}
FOUND_AT = "2026-12-01T08:30:00Z"


def create(person: Person) -> str:
    answer = person.post("/api/alerts", WISH)
    assert answer.status_code == 201, answer.text
    return str((answer.json or {})["id"])


def found(person: Person, alert: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = person.post(f"/api/alerts/{alert}/found", body)
    return answer.status_code, answer.json


def test_who_has_found_closes_the_alert_and_may_say_when_and_where(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    alert = create(camille)
    status, made = found(camille, alert, at=FOUND_AT, place=" Bobigny, guichet 4 ")
    assert (status, made["closedBecause"], made["closedAt"]) == (200, "found", "2026-11-20T09:00:00Z")
    assert not made["isActive"]
    assert made["appointment"] == {
        "at": FOUND_AT,
        "place": "Bobigny, guichet 4",
        "firstReminderAt": "2026-11-30T08:30:00Z",
        "lastReminderAt": "2026-12-01T07:30:00Z",
    }
    assert rows(Alert)[0].closed_because is ClosedBecause.FOUND
    assert {line.reason for line in rows(DeskChange)} == {"alert created", "alert found"}
    assert camille.get(f"/api/alerts/{alert}").json == made
    assert camille.get("/api/alerts").json["items"] == []


def test_nothing_has_to_be_said_and_the_plan_carries_another_alert_then(camille: Person, door: Door) -> None:
    change(Grant, plan=PlanName.URGENCE_24H)
    alert = create(camille)
    answer = camille.post(f"/api/alerts/{alert}/found")
    assert (answer.status_code, (answer.json or {})["appointment"]) == (200, None)
    assert rows(Appointment) == []
    door.caught_up.clear()
    assert found(camille, create(camille))[0] == 200
    assert len(door.caught_up) == 1


def test_a_closed_alert_is_not_found_again(camille: Person) -> None:
    alert = create(camille)
    found(camille, alert, at=FOUND_AT)
    for act in ("found", "test"):
        assert problem(camille.post(f"/api/alerts/{alert}/{act}")) == (409, "alert-closed")
    assert camille.patch(f"/api/alerts/{alert}/toggle").status_code == 404
    assert len(rows(Appointment)) == 1


def test_an_appointment_is_kept_until_ninety_days_after_its_date(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    found(camille, create(camille), at=FOUND_AT)
    found(camille, create(camille), place="Bobigny")
    kept = {each.place: each.dropped_at for each in rows(Appointment)}
    assert kept[None] == datetime(2026, 12, 1, 8, 30, tzinfo=UTC) + timedelta(days=90)
    assert kept["Bobigny"] == clock() + timedelta(days=90)
    left = []
    for days in (89, 90, 100, 101):
        frozen.move_to(datetime(2026, 11, 20, 9, tzinfo=UTC) + timedelta(days=days))
        dropped = jobs.apply_retention().get("appointments", 0)
        left.append((dropped, len(rows(Appointment))))
    assert left == [(0, 2), (1, 1), (0, 1), (1, 0)]
    assert len(rows(Alert)) == 2
