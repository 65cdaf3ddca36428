"""The weekly summary: who gets one and when, what it says, and what stops it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import time_machine

from api.alerts.notifications import weekly_summaries
from api.alerts.notifications.weekly_summaries import SPREAD, find_week
from api.jobs import schedule as jobs
from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.desk import Outage, OutageReason
from api.models.notification import Notification, Priority, State
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.ground.clock import clock
from configs.world.desk import Outcome
from configs.world.plan import PlanName
from notifier.content.message_kind_base import RenderedMessage, Skip, TemplateContext
from notifier.content.messages import render
from notifier.delivery.reader_wishes import STOPPED
from tests.api.messages import find_newest_wish, read_again
from tests.clients import People, Person
from tests.factories import BOBIGNY, add_desk, add_match, add_message, change, get, rows, save, see
from tests.in_turn import in_turn

KIND = "weekly_summary"
MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)  # 8:00 in Paris
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
MELUN, BLIND = "melun_77/titre-sejour", "bobigny_93/naturalisation"
PARIS = "Europe/Paris"


@pytest.fixture
def camille(frozen: time_machine.Traveller, person: People) -> Person:
    return ask(person(confirmed=True))


def ask(who: Person, zone: str = PARIS) -> Person:
    """Have a user with a plan ask for the summary."""
    who.holds(PlanName.URGENCE_TOTAL, days=400)
    change(Contact, Contact.user_id == who.id, summary_since=clock())
    change(User, User.id == who.id, time_zone=zone)
    return who


def wait(who: Person, *desks: str, **fields: Any) -> UUID:
    targets = [AlertTarget(desk_id=each) for each in desks or (BOBIGNY,)]
    made = save(Alert(user_id=who.id, targets=targets, **fields))
    return made.id


def write() -> list[Notification]:
    """Run the job; return all summaries so far."""
    jobs.write_weekly_summaries()
    return rows(Notification, Notification.kind == KIND)


def count_at(frozen: time_machine.Traveller, *moments: datetime) -> list[int]:
    """Return how many summaries there are after a run at each moment."""
    found = []
    for moment in moments:
        frozen.move_to(moment)
        found.append(len(write()))
    return found


def say(language: str = "fr") -> RenderedMessage:
    said = read_again(KIND)
    assert isinstance(said, TemplateContext)
    return render(KIND, "email", language, said)


def facts(number: int = 0) -> dict[str, Any]:
    """Return what the only summary has of one alert."""
    (row,) = write()
    found: dict[str, Any] = row.params["alerts"][number]
    return found


def send(alert: UUID, detection: tuple[UUID, list[int]], at: datetime, *channels: Channel) -> None:
    """Have a slot alert accepted on these channels."""
    key = add_match(alert, *detection)
    for channel in channels:
        add_message(get(Alert, alert).user_id, key, channel=channel, state=State.SENT, accepted_at=at)


def prove(at: datetime = MONDAY, desk: str = BOBIGNY) -> None:
    add_desk(desk, last_proven_at=at, achieved_seconds=44.6)


def test_it_comes_on_mondays_at_eight_and_once_a_week(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    wait(camille)
    early, due = MONDAY - timedelta(seconds=1), MONDAY + SPREAD
    assert count_at(frozen, early, due, due, due + HOUR, due + DAY) == [0, 1, 1, 1, 1]
    assert count_at(frozen, early + WEEK, due + WEEK, due + WEEK + HOUR) == [1, 2, 2]
    (first, _) = write()
    assert (first.channel, first.priority) == (Channel.EMAIL, Priority.BULK)


@in_turn(
    "zone, monday, until, hours",
    [
        (PARIS, "2026-03-30", "2026-03-30T06:00Z", 167),
        (PARIS, "2026-10-26", "2026-10-26T07:00Z", 169),
        (PARIS, "2026-11-02", "2026-11-02T07:00Z", 168),
        ("America/Miquelon", "2026-11-02", "2026-11-02T11:00Z", 169),
        ("Australia/Lord_Howe", "2026-10-05", "2026-10-04T21:00Z", 167.5),
        ("Pacific/Apia", "2012-01-02", "2012-01-01T18:00Z", 144),  # a Friday was left out
        ("Asia/Kathmandu", "2026-11-23", "2026-11-23T02:15Z", 168),
    ],
)
def test_a_week_lasts_from_eight_to_eight_over_clock_changes(
    zone: str, monday: str, until: str, hours: float
) -> None:
    due = datetime.fromisoformat(until)
    week = find_week(ZoneInfo(zone), due)
    assert week
    assert (week.monday.isoformat(), week.until, week.until - week.since) == (
        monday,
        due,
        timedelta(hours=hours),
    )
    assert find_week(ZoneInfo(zone), due - timedelta(microseconds=1)) is None
    assert find_week(ZoneInfo(zone), due + 15 * HOUR + timedelta(minutes=59)) == week
    assert find_week(ZoneInfo(zone), due + 16 * HOUR) is None


def test_who_asks_on_monday_morning_waits_for_the_next_one(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    wait(camille)
    frozen.move_to(MONDAY + HOUR)
    change(Contact, summary_since=clock())
    assert write() == []
    assert count_at(frozen, MONDAY + WEEK + SPREAD) == [1]


def test_a_change_of_the_time_zone_brings_no_second_one(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    wait(camille)
    change(User, time_zone="Asia/Tokyo")
    frozen.move_to("2026-11-22T23:15:00Z")
    assert len(write()) == 1
    change(User, time_zone="America/Martinique")
    assert count_at(frozen, MONDAY + 5 * HOUR + SPREAD) == [1]


def test_no_summary_without_an_alert_that_waits_a_plan_and_a_mailbox(
    frozen: time_machine.Traveller, person: People
) -> None:
    cases: list[tuple[Any, dict[str, Any]]] = [
        (Alert, {"enabled": False}),
        (Alert, {"enabled": False, "awaits_watch": True}),
        (Alert, {"closed_at": MONDAY, "closed_because": ClosedBecause.FOUND}),
        (Grant, {"ends_at": MONDAY}),
        (Contact, {"enabled": False}),
        (Contact, {"verified_at": None}),
        (Contact, {"state": ContactState.BOUNCED}),
        (Contact, {"state": ContactState.UNSUBSCRIBED}),
        (Contact, {"summary_since": None}),
    ]
    lacking: dict[UUID | None, dict[str, Any]] = {}
    for number, (record, values) in enumerate(cases):
        who = ask(person(f"{number}@example.org", confirmed=True))
        wait(who)
        change(record, record.user_id == who.id, **values)
        lacking[who.id] = values
    frozen.move_to(MONDAY + SPREAD)
    assert [lacking[row.user_id] for row in write()] == []


def test_it_counts_openings_and_alerts_of_the_week(frozen: time_machine.Traveller, camille: Person) -> None:
    alert = wait(camille, watched_since=MONDAY - 2 * WEEK)
    before = (-WEEK - HOUR, -WEEK, -DAY, -timedelta(seconds=1), timedelta())
    seen = [see(f"2026-12-0{number}", at=MONDAY + ago) for number, ago in enumerate(before, 1)]
    send(alert, seen[0], MONDAY - WEEK - timedelta(minutes=59), Channel.EMAIL)
    send(alert, seen[1], MONDAY - WEEK, Channel.EMAIL, Channel.TELEGRAM)  # of one opening
    send(alert, seen[2], MONDAY - DAY, Channel.EMAIL)
    prove(MONDAY)
    frozen.move_to(MONDAY + SPREAD)
    found = facts()
    assert (found["sent"], found["more"]) == (2, 0)
    assert found["desks"] == [{
        "desk": BOBIGNY, "openings": 3, "blind": False, "trouble": None, "since": None, "proven": MONDAY.isoformat(),
        "every": 45,
    }]  # fmt: skip
    text = say().text.replace("\xa0", " ")
    assert "3 ouvertures vues. En général, 45 secondes entre deux réponses sûres." in text
    assert "Dernière réponse sûre : le 23 novembre 2026 à 08:00." in text
    assert "2 alertes vous ont été envoyées. À faire : si vous avez obtenu un rendez-vous" in text
    assert "Du lundi 16 novembre 2026 au lundi 23 novembre 2026 :" in text


def test_the_week_of_an_alert_begins_no_earlier_than_it_does(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    for since in (MONDAY - 2 * WEEK, MONDAY - DAY):
        wait(camille, watched_since=since, created_at=since)
    for hours in (72, 48, 12):
        see(f"2026-12-{hours % 31}", at=MONDAY - hours * HOUR)
    prove()
    frozen.move_to(MONDAY + SPREAD)
    assert [facts(number)["desks"][0]["openings"] for number in (0, 1)] == [3, 1]
    assert "vérifiez les limites de l’alerte" in say().text


def test_a_desk_that_is_not_watched_is_named_as_such(frozen: time_machine.Traveller, camille: Person) -> None:
    wait(camille, name="Maman <3")
    prove(MONDAY - 6 * HOUR)
    save(Outage(desk_id=BOBIGNY, starts_at=MONDAY - 5 * HOUR, reason=OutageReason.MAINTENANCE))
    frozen.move_to(MONDAY + SPREAD)
    write()
    message = say()
    text = message.text.replace("\xa0", " ")
    assert "Seine-Saint-Denis (93) – Maman <3 (heures de Paris)" in text
    assert (
        "Pas surveillé en ce moment, depuis le 23 novembre 2026 à 03:00 : le site de prise de rendez-vous est en"
        " maintenance. Dernière réponse sûre : le 23 novembre 2026 à 02:00."
    ) in text
    assert "regardez vous-même la page" in text
    assert "http://127.77.0.93:8800/booking/create/9845" in text
    assert "Maman &lt;3" in message.html
    assert "séjour" not in message.subject


@pytest.mark.parametrize(
    ("state", "trouble"),
    [
        ({"last_proven_at": MONDAY - HOUR}, "silent"),
        ({"last_proven_at": None}, "silent"),
        ({"last_proven_at": MONDAY - HOUR, "feasible_seconds": 1800}, None),
        ({"last_proven_at": MONDAY, "last_outcome": Outcome.CLOSED}, "lost"),
        ({"last_proven_at": MONDAY}, None),
    ],
)
def test_a_desk_without_proven_answers_is_not_called_watched(
    frozen: time_machine.Traveller, camille: Person, state: dict[str, Any], trouble: str | None
) -> None:
    wait(camille)
    add_desk(**state)
    frozen.move_to(MONDAY + SPREAD)
    (desk,) = facts()["desks"]
    assert desk["trouble"] == trouble


def test_desks_that_show_no_slots_or_are_never_watched_are_not_called_quiet(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    wait(camille, BLIND, "bobigny_93/visa", created_at=clock())
    wait(camille, "bobigny_93/gone", created_at=clock() + HOUR)
    frozen.move_to(MONDAY + SPREAD)
    found = {each["desk"]: (each["blind"], each["trouble"]) for each in facts()["desks"]}
    assert found == {BLIND: (True, None), "bobigny_93/visa": (True, "unscheduled")}
    text = say("en").text
    assert "We see that this page exists, but not its slots." in text
    assert "Not watched at the moment: we cannot watch this page." in text
    assert "No desk of this alert is watched at the moment." in text


def test_an_alert_that_is_kept_for_later_stands_beside_one_that_waits_and_keeps_no_summary_back(
    frozen: time_machine.Traveller, camille: Person, person: People
) -> None:
    wait(camille, "bobigny_93/visa", enabled=False, awaits_watch=True)
    wait(camille)
    prove()
    save(Alert(user_id=ask(person("robin@example.org", confirmed=True)).id))  # without a target
    frozen.move_to(MONDAY + SPREAD)
    assert [facts(number)["desks"][0]["desk"] for number in (0, 1)] == [BOBIGNY, "bobigny_93/visa"]


def test_a_week_with_nothing_is_one_line(frozen: time_machine.Traveller, camille: Person) -> None:
    for desk in (BOBIGNY, MELUN):
        wait(camille, desk)
        prove(MONDAY - timedelta(minutes=10 if desk == BOBIGNY else 0), desk)
    frozen.move_to(MONDAY + SPREAD)
    write()
    for language, line in {
        "fr": "Aucun créneau ne s’est ouvert cette semaine aux 2 guichets de vos alertes",
        "en": "No slot opened this week at the 2 desks of your alerts",
    }.items():
        text = say(language).text
        (said,) = (each for each in text.splitlines() if each.startswith(line))
        assert "7:50" in said
        assert "Seine" not in text
        assert "Titre" not in text


def test_many_alerts_and_desks_are_counted(
    frozen: time_machine.Traveller, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weekly_summaries, "MOST_ALERTS", 2)
    monkeypatch.setattr(weekly_summaries, "MOST_DESKS", 1)
    for _ in range(5):
        wait(camille, BOBIGNY, BLIND)
    frozen.move_to(MONDAY + SPREAD)
    (row,) = write()
    assert [len(each["desks"]) for each in row.params["alerts"]] == [1, 1]
    text = say().text.replace("\xa0", " ")
    assert text.count("Et 1 autre guichet, dans votre compte.") == 2
    assert "Et 3 autres alertes, dans votre compte." in text


def test_what_waits_until_wednesday_or_is_switched_off_meanwhile_is_not_sent(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    wait(camille)
    frozen.move_to(MONDAY + SPREAD)
    write()
    wednesday = MONDAY + 40 * HOUR
    assert isinstance(read_again(KIND, wednesday - timedelta(seconds=1)), TemplateContext)
    assert read_again(KIND, wednesday) == Skip(State.EXPIRED, "the week is over")
    assert find_newest_wish(KIND) is None
    change(User, quiet_from=time(22), quiet_until=time(9))
    held = find_newest_wish(KIND)
    assert held
    assert (held.state, held.until) == (State.PENDING, MONDAY + HOUR)
    change(Contact, summary_since=None)
    assert find_newest_wish(KIND) == STOPPED


def test_alerts_that_stopped_while_it_waits_are_left_out(
    frozen: time_machine.Traveller, camille: Person
) -> None:
    first, second = wait(camille), wait(camille, MELUN)
    frozen.move_to(MONDAY + SPREAD)
    write()
    for alert, left in ((first, 1), (second, 0)):
        change(Alert, Alert.id == alert, enabled=False)
        said = read_again(KIND)
        if left:
            assert isinstance(said, TemplateContext)
            assert [each["where"] for each in said.values["alerts"]] == ["Seine-et-Marne (77)"]
        else:
            assert said == Skip(State.SKIPPED, "alert stopped")


def test_two_schedulers_at_once_write_each_summary_once(
    frozen: time_machine.Traveller, person: People
) -> None:
    for number in range(6):
        wait(ask(person(f"{number}@example.org", confirmed=True)))
    frozen.move_to(MONDAY + SPREAD)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(jobs.write_weekly_summaries) for _ in range(2)]
    written = rows(Notification, Notification.kind == KIND)
    assert sum(each.result()["mails"] for each in runs) == len(written) == 6
    assert jobs.write_weekly_summaries() == {"mails": 0}
