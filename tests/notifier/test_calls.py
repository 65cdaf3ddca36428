"""Calls: to which people and when, their words, the second call, the SMS after one, and forged or repeated reports."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import time_machine

from api.models.alert import Alert, ClosedBecause
from api.models.answer import AnswerValue
from api.models.base import session
from api.models.notification import Match, Notification, State, sum_of_day
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.clock import clock, override_clock
from configs.world.plan import PlanName
from notifier.applied_receipts import expire_receipts
from notifier.delivery import delivery
from notifier.jobs import deliver
from notifier.sweep import undelivered
from tests.factories import add_answer, one
from tests.in_turn import in_turn
from tests.notifier import world
from tests.notifier.receipts.receipts_world import (
    CALLED,
    callee,
    calls,
    missed_sms,
    placed_call,
    planned,
    report,
    wanted_call,
)

pytestmark = pytest.mark.usefixtures("whole")
NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)  # in Paris, a Tuesday
GUADELOUPE = "basse-terre_971/titre-sejour"  # five hours less


def hours(begins: int, ends: int) -> dict[str, Any]:
    return {"calls_from": time(begins), "calls_until": time(ends)}


@pytest.fixture(autouse=True)
def _api(whole: Any, settings_env: Callable[..., None]) -> None:
    whole.call_answers("rings")
    settings_env(API_URL="http://127.0.0.1:4000", CALLS_PER_SECOND="1000")


def begin_anew(whole: Any) -> None:
    """Leave nothing of the case before."""
    world.start_anew(whole)
    whole.call_answers("rings")


# Who is called


def test_calls_are_for_who_chose_them_has_the_plan_by_then_and_confirmed_the_number() -> None:
    cases: list[tuple[PlanName, dict[str, bool], dict[str, Any]]] = [
        (PlanName.URGENCE_TOTAL, {}, {}),
        (PlanName.URGENCE_24H, CALLED, {}),
        (PlanName.URGENCE_7J, CALLED, {}),
        (PlanName.URGENCE_TOTAL, CALLED, {"verified_at": None}),
        (PlanName.URGENCE_TOTAL, CALLED, {"enabled": False}),  # which is about SMS
    ]
    people = []
    for plan, chosen, contact in cases:
        people.append(who := world.person(plan, channels=(Channel.EMAIL, Channel.SMS)))
        world.grant(who, PlanName.URGENCE_TOTAL, clock() + timedelta(minutes=1), clock() + timedelta(days=1))
        world.change(User, who.id, **world.ALL_DAY)
        world.change(Contact, who.contacts[Channel.SMS], channel=Channel.SMS, **contact)
        world.alert(who, **chosen)
    world.matched(world.detection())
    assert [world.get(Notification, key).user_id for key in planned()] == [people[-1].id]


def want_call(desk: str, phone: str = "+33612345678", **changes: Any) -> None:
    """Let a person with a phone wait for a desk."""
    who = world.person(channels=(Channel.SMS,), addresses={Channel.SMS: phone})
    if changes:
        world.change(User, who.id, **changes)
    world.alert(who, {"desk_id": desk}, **CALLED)


def open_slot(desk: str, place: str = "1") -> None:
    """Let a slot open, and those who wait for it be matched."""
    seen = world.slots(desk_id=desk, place=place)
    world.matched(world.detection(seen, desk_id=desk, prefecture_id=desk.partition("/")[0]))


# By the hour in Paris. Who never chose a zone may live where the desk is: the hours are kept there, too.
RINGS: list[tuple[str, dict[str, Any], dict[int, bool]]] = [
    (world.DESK, {}, {3: False, 7: False, 8: True, 21: True, 22: False}),
    (world.DESK, hours(22, 6), {12: False, 5: True}),
    (world.DESK, hours(14, 16) | {"time_zone": "Indian/Reunion"}, {12: True, 14: False}),
    (GUADELOUPE, {}, {8: False, 13: True, 23: False}),
    (GUADELOUPE, {"time_zone": "Europe/Brussels"}, {8: True}),
]


def test_who_set_no_hours_hears_nothing_at_3_in_the_night_nor_anybody_outside_their_own(
    whole: Any, frozen: time_machine.Traveller
) -> None:
    phones = [f"+3361234560{number}" for number in range(len(RINGS))]
    frozen.move_to(NOON - timedelta(hours=11))
    for phone, (desk, changes, _) in zip(phones, RINGS, strict=True):
        want_call(desk, phone, **changes)
    heard = 0
    for hour in sorted({each for *_, by_hour in RINGS for each in by_hour}):
        frozen.move_to(NOON + timedelta(hours=hour - 12, minutes=5))
        for desk in (world.DESK, GUADELOUPE):
            open_slot(desk, str(hour))
        deliver(*(str(row.id) for row in calls()))
        rung = [each.to for each in whole.messages("voice")][heard:]
        heard += len(rung)
        for phone, (desk, changes, by_hour) in zip(phones, RINGS, strict=True):
            assert (phone in rung) is by_hour.get(hour, phone in rung), (desk, changes, hour)


def test_a_call_that_waited_until_the_night_is_not_made(whole: Any, frozen: time_machine.Traveller) -> None:
    frozen.move_to(NOON)
    want_call("saint-denis_974/titre-sejour")
    open_slot("saint-denis_974/titre-sejour")
    (key,) = planned()
    frozen.move_to(NOON.replace(hour=18))
    deliver(str(key))
    assert world.after(key) == (State.SKIPPED, "outside the hours of calls")
    assert whole.messages("voice") == []


def test_quiet_hours_that_slot_alerts_keep_are_kept_by_calls() -> None:
    with override_clock(lambda: NOON):
        who = callee()
        world.change(User, who.id, quiet_from=time(11), quiet_until=time(13), quiet_slots=True)
        world.matched(world.detection())
        assert planned() == []
        world.change(User, who.id, quiet_slots=False)
        world.matched(world.detection(world.slots(place="2")))
        assert len(planned()) == 1


def test_a_call_that_is_due_in_quiet_hours_which_began_after_the_match_is_not_made(
    whole: Any, frozen: time_machine.Traveller
) -> None:
    frozen.move_to(NOON - timedelta(minutes=1))
    who = callee()
    world.change(User, who.id, quiet_from=time(12), quiet_until=time(14), quiet_slots=True)
    world.matched(world.detection())
    (key,) = planned()
    frozen.move_to(NOON)
    deliver(str(key))
    assert world.after(key) == (State.SKIPPED, "outside the hours of calls")
    assert whole.messages("voice") == []


def test_quiet_hours_that_slot_alerts_keep_are_kept_by_the_sms_after_a_call(
    whole: Any, frozen: time_machine.Traveller
) -> None:
    frozen.move_to(NOON)
    key = placed_call()
    report(key, "no-answer")
    (sms,) = missed_sms()
    quiet = {"quiet_from": time(11), "quiet_until": time(13), "quiet_slots": True}
    world.change(User, world.get(Notification, key).user_id, **quiet)
    deliver(str(sms.id))
    assert world.after(sms.id) == (State.SKIPPED, "outside the hours of calls")
    assert whole.messages("sms") == []


def test_a_person_is_called_once_an_hour_at_most() -> None:
    key = placed_call()
    world.matched(world.detection(world.slots(place="2")))
    assert planned() == []
    world.change(Notification, key, accepted_at=clock() - timedelta(minutes=61))
    world.matched(world.detection(world.slots(place="3")))
    assert len(planned()) == 1


def test_a_call_whose_worker_died_waits_and_counts_as_a_call(frozen: time_machine.Traveller) -> None:
    key = wanted_call()
    (message,) = delivery.claim([key])
    frozen.shift(31)
    assert key not in [each.id for each in undelivered(clock())]
    row = world.get(Notification, key)
    assert row.next_attempt_at - clock() > timedelta(seconds=140), "the phone may ring still"
    world.change(Notification, key, next_attempt_at=clock())
    deliver(str(key))
    row = world.get(Notification, key)
    assert (row.state, row.unknown_attempts, message.address) == (State.SENT, 1, "+33612345678")
    report(key, "no-answer")
    assert world.get(Notification, key).state is State.BOUNCED, "it may have rung twice"


def test_without_a_number_to_call_from_nobody_is_called(settings_env: Callable[..., None]) -> None:
    settings_env(TWILIO_VOICE_NUMBER="")
    callee()
    world.matched(world.detection())
    assert planned() == []


# What stops a call that waits


@in_turn(
    "value, minutes_before, wanted, reason",
    [
        (AnswerValue.FOUND, 0, True, "slots answered"),
        (AnswerValue.NOTHING_THERE, 0, True, "slots answered"),
        (AnswerValue.TOO_LATE, 20, True, None),  # to an earlier announcement
        (None, 0, False, "alert stopped"),
    ],
)
def test_an_answer_of_any_value_and_an_alert_that_wants_none_any_more_end_a_call_that_waits(
    whole: Any, value: AnswerValue | None, minutes_before: int, reason: str | None, *, wanted: bool
) -> None:
    begin_anew(whole)
    key = wanted_call()
    world.change(Alert, one(Alert).id, voice_enabled=wanted)
    if value:
        add_answer(one(Match).id, value, one(Match).decided_at - timedelta(minutes=minutes_before))
    deliver(str(key))
    assert world.after(key) == (State.SKIPPED if reason else State.SENT, reason)


@in_turn("changes", [{"enabled": False}, {"closed_at": NOON, "closed_because": ClosedBecause.FOUND}])
def test_beside_an_alert_without_calls_one_that_was_stopped_brings_none(
    whole: Any, changes: dict[str, Any]
) -> None:
    begin_anew(whole)
    who, wanting = callee(), one(Alert).id
    world.alert(who)
    world.matched(world.detection())
    (key,) = planned()
    world.change(Alert, wanting, **changes)
    deliver(str(key))
    row = world.get(Notification, key)
    assert (row.state, row.reason, whole.messages("voice")) == (State.SKIPPED, "alert stopped", [])


@in_turn(
    "changes, reason",
    [
        ({"verified_at": None}, "address not verified"),
        ({"state": ContactState.BOUNCED}, "address bounced"),
        ({"state": ContactState.UNSUBSCRIBED}, "address unsubscribed"),
        ({"enabled": False}, None),  # which is about SMS
    ],
)
def test_a_number_that_was_lost_after_the_match_is_not_called(
    whole: Any, changes: dict[str, Any], reason: str | None
) -> None:
    begin_anew(whole)
    key = wanted_call()
    world.change(Contact, world.get(Notification, key).contact_id, **changes)
    deliver(str(key))
    assert world.after(key) == (State.SKIPPED if reason else State.SENT, reason)
    assert len(whole.messages("voice")) == (0 if reason else 1)


# The words


@in_turn(
    "language, word, voice",
    [
        ("fr", "1 créneau est ouvert", "fr-FR"),
        ("ar", "موعد واحد متاح", "arb"),
        ("zh", "有 1 个名额开放", "cmn-CN"),
    ],
)
def test_the_words_travel_with_the_call_in_a_language_that_can_be_spoken_and_name_no_procedure(
    whole: Any, language: str, word: str, voice: str
) -> None:
    begin_anew(whole)
    who = callee()
    world.change(User, who.id, language=language)
    world.matched(world.detection())
    (key,) = planned()
    deliver(str(key))
    row = world.get(Notification, key)
    assert (row.state, row.channel, row.contact_id) == (State.SENT, Channel.VOICE, who.contacts[Channel.SMS])
    (call,) = whole.messages("voice")
    assert (call.to, call.draft.sender) == ("+33612345678", "+33162000001")
    said, *_ = ET.fromstring(call.custom["Twiml"]).findall("Say")  # noqa: S314 -- our own
    assert word in (said.text or "")
    assert said.get("language") == voice
    assert "aturalisation" not in call.custom["Twiml"], "whoever listens learns no procedure"
    assert "Url" not in call.custom


# What follows


def due(key: Any) -> None:
    """Let a call's time come, and have it made."""
    world.change(Notification, key, next_attempt_at=clock())
    deliver(str(key))


@pytest.mark.parametrize("status", ["no-answer", "failed"])
def test_a_call_that_nobody_takes_brings_an_sms_and_one_more_call_after_three_minutes(
    whole: Any, status: str
) -> None:
    key = placed_call()
    report(key, status)
    (row,) = calls()
    assert (row.state, row.cost) == (State.PENDING, Decimal(0)), "Twilio charges nothing for it"
    assert timedelta(seconds=170) < row.next_attempt_at - clock() <= timedelta(seconds=180)
    due(key)
    report(key, status)
    assert [row.state for row in calls()] == [State.BOUNCED]
    assert len(whole.messages("voice")) == 2
    (sms,) = missed_sms()
    deliver(str(sms.id))
    assert world.get(Notification, sms.id).state is State.SENT
    (message,) = [each for each in whole.messages("sms") if "appeler" in each.text]
    assert "nous venons de vous appeler" in message.text


def test_an_answering_machine_is_followed_as_nobody() -> None:
    key = placed_call()
    report(key, "completed", AnsweredBy="machine_start")
    (row,) = calls()
    assert row.state is State.PENDING
    assert row.cost, "the call was answered"
    first_cost = row.cost
    due(key)
    cost = world.get(Notification, key).cost
    assert cost == 2 * first_cost
    assert len(missed_sms()) == 1
    with session() as s:
        assert sum_of_day(s, clock()) == cost, "it counts with that of SMS"


@pytest.mark.parametrize("answered_by", ["human", ""])
def test_who_answers_is_not_called_again(answered_by: str) -> None:
    key = placed_call()
    report(key, "completed", AnsweredBy=answered_by)
    assert [row.state for row in calls()] == [State.DELIVERED]
    assert missed_sms() == []
    assert one(Alert).waits


@pytest.mark.parametrize("made", [0, 1])
def test_neither_call_is_made_once_the_slots_are_gone(whole: Any, made: int) -> None:
    callee()
    opened = world.slots()
    world.matched(world.detection(opened))
    (key,) = planned()
    if made:
        deliver(str(key))
        report(key, "no-answer")
    world.gone(opened)
    due(key)
    assert (calls()[0].state, calls()[0].reason) == (State.EXPIRED, "slots gone")
    assert len(whole.messages("voice")) == made


def test_a_call_and_its_sms_wait_for_no_look_at_a_page(settings_env: Callable[..., None]) -> None:
    key = placed_call()
    report(key, "no-answer")
    settings_env(UNCONFIRMED_SECONDS="0.000001")
    (sms,) = missed_sms()
    due(key)
    deliver(str(sms.id))
    assert {world.after(each) for each in (key, sms.id)} == {(State.EXPIRED, "slots not seen lately")}


def test_long_after_a_call_neither_an_sms_nor_a_second_call_follows(whole: Any) -> None:
    key = placed_call()
    report(key, "no-answer")
    (sms,) = missed_sms()
    world.change(Notification, sms.id, created_at=clock() - timedelta(minutes=11))
    deliver(str(sms.id))
    assert world.get(Notification, sms.id).reason == "long after the call"
    assert whole.messages("sms") == []


def test_a_call_is_not_made_within_an_hour_of_another(whole: Any) -> None:
    first = placed_call()
    world.change(Notification, first, accepted_at=clock() - timedelta(minutes=61))
    world.matched(world.detection(world.slots(place="2")))
    (other,) = planned()
    deliver(str(other))
    report(first, "no-answer")
    due(first)
    assert world.get(Notification, first).reason == "called often enough"
    assert len(whole.messages("voice")) == 2


def test_of_two_calls_at_once_one_is_made(whole: Any) -> None:
    callee()
    world.matched(world.detection())
    (waiting,) = planned()
    world.change(Notification, waiting, created_at=clock() - timedelta(hours=25))
    world.matched(world.detection(world.slots(place="2")))
    newer = max(planned())
    deliver(str(waiting), str(newer))
    assert {row.state for row in calls()} == {State.SENT, State.SKIPPED}
    assert len(whole.messages("voice")) == 1


@in_turn(
    "contact, cost, reason",
    [
        ({"enabled": False}, "0", "switched off"),
        ({"stopped_groups": ["slots"]}, "0", "stopped by its reader"),
        ({}, "1", "SMS budget of the day used up"),
    ],
)
def test_no_sms_follows_where_they_are_switched_off_or_stopped_or_cost_too_much(
    whole: Any, settings_env: Callable[..., None], contact: dict[str, Any], cost: str, reason: str
) -> None:
    begin_anew(whole)
    key = placed_call()
    world.change(Contact, world.get(Notification, key).contact_id, channel=Channel.SMS, **contact)
    report(key, "no-answer")
    world.change(Notification, key, cost=Decimal(cost))
    settings_env(SMS_DAY_WARN="0.5", SMS_DAY_STOP="1")
    (sms,) = missed_sms()
    deliver(str(sms.id))
    assert world.after(sms.id) == (State.SKIPPED, reason)
    assert [each for each in whole.messages("sms") if "appeler" in each.text] == []


def test_the_clock_of_who_takes_a_report_moves_no_second_call() -> None:
    key = placed_call()
    with override_clock(lambda: datetime.now(UTC) + timedelta(minutes=10)):
        report(key, "no-answer")
    assert timedelta(seconds=170) < calls()[0].next_attempt_at - clock() <= timedelta(seconds=180)


@pytest.mark.parametrize("made", [0, 1])
def test_calls_of_unknown_fate_ring_twice_at_most(
    whole: Any, settings_env: Callable[..., None], made: int
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.3")
    key = wanted_call()
    if made:
        deliver(str(key))
        report(key, "no-answer")
    whole.provider_mode("twilio_calls", "yes_without_answer")
    for _ in range(3 - made):
        due(key)
    row = world.get(Notification, key)
    assert (row.state, row.unknown_attempts) == (State.FAILED, 2 - made)
    assert len(whole.messages("voice")) == 2
    assert len(calls()) == 1
    for _ in range(2):
        expire_receipts(clock())
    assert len(missed_sms()) == 1, "whether they rang is not known"


def test_a_call_of_unknown_fate_counts_as_one_for_an_hour(
    whole: Any, settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.3")
    key = wanted_call()
    whole.provider_mode("twilio_calls", "yes_without_answer")
    for _ in range(3):
        due(key)
    assert world.get(Notification, key).state is State.FAILED
    for minutes, number in ((59, 0), (2, 1)):
        frozen.shift(timedelta(minutes=minutes))
        world.matched(world.detection(world.slots(place=str(minutes))))
        assert len(planned()) == number


def test_a_call_of_unreported_end_counts_as_one_that_nobody_took_until_a_late_report_says_who_did(
    whole: Any,
) -> None:
    key = placed_call()
    world.change(Notification, key, receipt_due_at=clock() - timedelta(seconds=1))
    expire_receipts(clock())
    assert [row.state for row in calls()] == [State.PENDING]
    report(key, "completed", AnsweredBy="human")
    (sms,) = missed_sms()
    for each in (key, sms.id):
        due(each)
    assert world.get(Notification, key).state is State.DELIVERED
    assert world.get(Notification, sms.id).reason == "slots answered"
    assert (len(whole.messages("voice")), whole.messages("sms")) == (1, [])


# Reports that are not as they should be


def test_a_report_that_says_nothing_or_is_forged_or_of_another_call_changes_nothing_nor_does_a_second() -> (
    None
):
    key = placed_call()
    odd = [{"CallSid": each} for each in ("", "C" * 200, f"CA{1:032}")]
    for status, form in (*(("no-answer", each) for each in odd), ("ringing", {})):
        report(key, status, **form)
        assert world.get(Notification, key).state is State.SENT, (status, form)
    with pytest.raises(PermissionError):
        report(key, "no-answer", token="another-token")
    assert world.get(Notification, key).state is State.SENT
    for _ in range(3):
        report(key, "no-answer")
    assert len(calls()) == len(missed_sms()) == 1
