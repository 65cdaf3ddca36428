"""Calls: to which people and when, their words, the end of a series, and requests that are forged or repeated."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa

import notifier
from api.models.alert import Alert
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.base import session
from api.models.notification import Match, Notification, NotificationMatch, State
from api.models.sms_cost import sum_of_day
from api.models.user import Channel, Contact, ContactState, User
from configs.clock import clock, override_clock
from configs.plan import PlanName
from configs.settings import settings
from deploy.sandbox.receipts.signatures import sign_form
from notifier.applied_receipts import expire_receipts
from notifier.call_addresses import CallStep, call_address, write_call_token
from notifier.delivery.claiming import claim
from notifier.jobs import deliver
from notifier.sweep import Sweep
from tests.notifier.calls_world import (
    ALWAYS,
    SID,
    ask,
    callee,
    calls,
    missed_sms,
    placed_call,
    planned,
    report,
    wanted_call,
)
from tests.notifier.world import (
    alert,
    all_of,
    change,
    detection,
    get,
    gone,
    grant,
    matched,
    person,
    slots,
)

pytestmark = pytest.mark.usefixtures("whole")
NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)  # in Paris, a Tuesday


@pytest.fixture(autouse=True)
def _api(whole: Any, settings_env: Callable[..., None]) -> None:
    whole.call_answers("rings")
    settings_env(API_URL="http://127.0.0.1:4000", CALLS_PER_SECOND="1000")


def parse(document: str) -> ET.Element:
    return ET.fromstring(document)  # noqa: S314 -- our own


def texts(document: str) -> list[str]:
    return [each.text or "" for each in parse(document).iter("Say")]


def waits_for_key(document: str) -> bool:
    return parse(document).find("Gather") is not None


# Who is called


def test_who_wants_calls_is_called_once_about_a_match(whole: Any) -> None:
    who = callee()
    matched(detection())
    (key,) = planned()
    assert planned() == []
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.channel, row.contact_id) == (State.SENT, Channel.VOICE, who.contacts[Channel.SMS])
    (call,) = whole.messages("voice")
    assert (call.to, call.draft.sender) == ("+33612345678", "+33162000001")
    assert call.custom["MachineDetection"] == "Enable"


def test_who_did_not_choose_calls_is_not_called() -> None:
    alert(person(channels=(Channel.SMS,)))
    matched(detection())
    assert planned() == []


@pytest.mark.parametrize("plan", [PlanName.URGENCE_24H, PlanName.URGENCE_7J])
def test_smaller_plans_have_no_calls(plan: PlanName) -> None:
    alert(person(plan, channels=(Channel.EMAIL, Channel.SMS)), **ALWAYS)
    matched(detection())
    assert planned() == []


def test_a_plan_that_began_after_the_match_brings_no_call() -> None:
    who = person(PlanName.URGENCE_7J, channels=(Channel.EMAIL, Channel.SMS))
    alert(who, **ALWAYS)
    matched(detection())
    grant(who, PlanName.URGENCE_TOTAL, clock() + timedelta(seconds=1), clock() + timedelta(days=1))
    assert planned() == []


def test_a_number_that_is_not_confirmed_is_not_called() -> None:
    alert(person(channels=(Channel.SMS,), verified=False), **ALWAYS)
    matched(detection())
    assert planned() == []


def test_a_number_is_called_though_sms_are_switched_off() -> None:
    alert(person(channels=(Channel.SMS,), enabled=False), **ALWAYS)
    matched(detection())
    assert len(planned()) == 1


def test_who_answered_stop_is_not_called() -> None:
    who = callee()
    change(Contact, who.contacts[Channel.SMS], state=ContactState.UNSUBSCRIBED)
    matched(detection())
    assert planned() == []


@pytest.mark.parametrize(
    ("begins", "ends", "called"),
    [
        (time(8), time(22), True),
        (time(12), time(13), True),
        (time(13), time(22), False),
        (time(8), time(12), False),
        (time(22), time(6), False),
        (time(22), time(12, 30), True),
    ],
)
def test_calls_are_made_within_the_alerts_hours_of_the_users_zone(
    begins: time, ends: time, *, called: bool
) -> None:
    with override_clock(lambda: NOON):
        alert(person(channels=(Channel.SMS,)), voice_enabled=True, voice_from=begins, voice_to=ends)
        matched(detection())
        assert bool(planned()) is called


def test_hours_are_of_the_users_own_zone() -> None:
    with override_clock(lambda: NOON):
        who = person(channels=(Channel.SMS,))
        change(User, who.id, time_zone="Indian/Reunion")
        alert(who, voice_enabled=True, voice_from=time(14, 30), voice_to=time(16))
        matched(detection())
        assert len(planned()) == 1, "it is 15:00 there"


def test_quiet_hours_that_slot_alerts_keep_are_kept_by_calls() -> None:
    with override_clock(lambda: NOON):
        who = callee()
        change(User, who.id, quiet_from=time(11), quiet_until=time(13), quiet_slots=True)
        matched(detection())
        assert planned() == []
        change(User, who.id, quiet_slots=False)
        assert len(planned()) == 1


def test_what_was_matched_long_ago_brings_no_call(settings_env: Callable[..., None]) -> None:
    callee()
    matched(detection())
    settings_env(CALL_FRESH_SECONDS="0.000001")
    assert planned() == []


def test_a_person_is_called_once_an_hour_at_most() -> None:
    key = placed_call()
    matched(detection(slots(place="2")))
    assert planned() == []
    change(Notification, key, accepted_at=clock() - timedelta(minutes=61))
    assert len(planned()) == 1


def test_two_alerts_of_one_person_are_one_call() -> None:
    who = callee()
    alert(who, **ALWAYS)
    matched(detection())
    assert len(planned()) == 1


def test_several_people_are_each_called_about_their_own_matches() -> None:
    people = [callee() for _ in range(3)]
    matched(detection())
    keys = planned()
    found = {get(Notification, key).user_id for key in keys}
    assert found == {each.id for each in people}
    with session() as s:
        links = s.execute(
            sa.select(NotificationMatch.notification_id, Alert.user_id)
            .join(Match, Match.id == NotificationMatch.match_id)
            .join(Alert, Alert.id == Match.alert_id)
            .where(NotificationMatch.notification_id.in_(keys))
        ).all()
    assert {(get(Notification, key).user_id, user) for key, user in links} == {(each, each) for each in found}


def test_the_sweep_plans_calls(queued: Callable[[str], list[tuple[str, list[Any]]]]) -> None:
    callee()
    matched(detection())
    Sweep().turn()
    (row,) = calls()
    assert ("notifier.jobs.deliver", [str(row.id)]) in queued("voice-critical")


def test_a_call_whose_worker_died_waits_and_counts_as_an_attempt() -> None:
    key = wanted_call()
    with session() as s:
        made = claim(s, [key], clock())
    (message,) = made.messages
    assert get(Notification, key).lease_until - clock() > timedelta(seconds=50), "the phone may ring still"
    change(Notification, key, lease_until=clock(), next_nudge_at=clock())
    deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.unknown_attempts, message.address) == (State.SENT, 1, "+33612345678")
    report(key, CallStep.ENDED, sid=own(key), CallStatus="no-answer")
    change(Notification, calls()[1].id, next_attempt_at=clock(), next_nudge_at=clock())
    deliver(str(calls()[1].id))
    report(calls()[1].id, CallStep.ENDED, sid=own(calls()[1].id), CallStatus="no-answer")
    third = calls()[2]
    change(Notification, third.id, next_attempt_at=clock(), next_nudge_at=clock())
    deliver(str(third.id))
    assert (get(Notification, third.id).state, get(Notification, third.id).reason) == (
        State.EXPIRED,
        "called often enough",
    )


def test_without_a_number_to_call_from_nobody_is_called(settings_env: Callable[..., None]) -> None:
    callee()
    matched(detection())
    settings_env(TWILIO_VOICE_NUMBER="")
    assert planned() == []


# What stops a call that waits


def test_slots_that_went_end_a_call_that_waits() -> None:
    callee()
    opened = slots()
    matched(detection(opened))
    (key,) = planned()
    gone(opened)
    deliver(str(key))
    assert (get(Notification, key).state, get(Notification, key).reason) == (State.EXPIRED, "slots gone")


@pytest.mark.parametrize("value", list(AnswerValue))
def test_an_answer_of_any_value_ends_a_call_that_waits(value: AnswerValue) -> None:
    key = wanted_call()
    (match,) = all_of(Match)
    with session() as s:
        s.add(MatchAnswer(match_id=match.id, value=value, answered_at=clock(), via=AnswerVia.API))
    deliver(str(key))
    assert (get(Notification, key).state, get(Notification, key).reason) == (State.SKIPPED, "slots answered")


def test_an_answer_to_an_earlier_announcement_ends_no_call() -> None:
    key = wanted_call()
    (match,) = all_of(Match)
    before = match.decided_at - timedelta(minutes=20)
    with session() as s:
        s.add(MatchAnswer(match_id=match.id, value="too_late", answered_at=before, via=AnswerVia.API))
    deliver(str(key))
    assert get(Notification, key).reason is None


@pytest.mark.parametrize("change_of", [{"voice_enabled": False}, {"enabled": False}])
def test_an_alert_that_wants_no_call_any_more_ends_it(change_of: dict[str, bool]) -> None:
    key = wanted_call()
    (mine,) = all_of(Alert)
    change(Alert, mine.id, **change_of)
    deliver(str(key))
    assert get(Notification, key).state is State.SKIPPED


# The words


def test_a_person_hears_what_is_open_and_which_keys_there_are() -> None:
    said = ask(placed_call(), CallStep.ANSWERED, AnsweredBy="human")
    assert waits_for_key(said)
    assert "1 créneau est ouvert" in " ".join(texts(said))
    assert "appuyez sur 1" in " ".join(texts(said))
    assert "Naturalisation" not in said, "whoever listens learns no procedure"


@pytest.mark.parametrize(
    ("language", "word", "voice"),
    [
        ("en", "slot is open", "en-GB"),
        ("es", "cita disponible", "es-ES"),
        ("pt", "vaga aberta", "pt-PT"),
        ("ar", "موعد واحد متاح", "arb"),
        ("de", "créneau est ouvert", "fr-FR"),
    ],
)
def test_a_call_speaks_the_users_language(language: str, word: str, voice: str) -> None:
    said = ask(placed_call(), CallStep.ANSWERED, language=language, AnsweredBy="unknown")
    assert word in " ".join(texts(said))
    assert {each.get("language") for each in parse(said).iter("Say")} == {voice}


def test_the_second_key_says_it_again_and_an_unknown_one_names_the_keys() -> None:
    key = placed_call()
    assert "créneau est ouvert" in ask(key, CallStep.KEY, Digits="2")
    again = ask(key, CallStep.KEY, Digits="9")
    assert waits_for_key(again)
    assert "ne sert à rien" in " ".join(texts(again))


def test_slots_that_went_while_it_rang_are_not_announced() -> None:
    callee()
    opened = slots()
    matched(detection(opened))
    (key,) = planned()
    deliver(str(key))
    gone(opened)
    said = ask(key, CallStep.ANSWERED, AnsweredBy="human")
    assert not waits_for_key(said)
    assert "plus disponibles" in " ".join(texts(said))


def test_a_message_that_was_deleted_says_that_nothing_is_left() -> None:
    said = ask(uuid4(), CallStep.ANSWERED, AnsweredBy="human")
    assert not waits_for_key(said)
    assert "plus rien à vous annoncer" in " ".join(texts(said))


# What follows


def own(key: Any) -> str:
    return get(Notification, key).provider_id or ""


def test_the_first_key_ends_the_series_and_keeps_the_alert() -> None:
    key = placed_call()
    report(key, CallStep.ANSWERED, sid=own(key), AnsweredBy="human")
    said = report(key, CallStep.KEY, sid=own(key), Digits="1")
    assert not waits_for_key(said)
    report(key, CallStep.ENDED, sid=own(key), CallStatus="completed")
    (only,) = calls()
    assert only.state is State.DELIVERED
    (mine,) = all_of(Alert)
    assert mine.waits


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed"])
def test_a_call_that_nobody_answers_is_made_three_times_a_minute_apart(status: str) -> None:
    key = placed_call()
    began = get(Notification, key).accepted_at
    assert began
    for attempt in range(3):
        row = calls()[-1]
        change(Notification, row.id, next_attempt_at=clock(), next_nudge_at=clock())
        deliver(str(row.id))
        report(row.id, CallStep.ENDED, sid=own(row.id), CallStatus=status)
        assert calls()[attempt].state is State.BOUNCED
        if attempt < 2:
            wait = calls()[attempt + 1].next_attempt_at - clock()
            assert timedelta(seconds=55) < wait <= timedelta(seconds=60)
    assert len(calls()) == 3
    assert missed_sms() == []
    assert {row.cost for row in calls()} == {0}, "Twilio charges nothing for these"


def test_who_hangs_up_without_a_key_is_called_again() -> None:
    key = placed_call()
    report(key, CallStep.ANSWERED, sid=own(key), AnsweredBy="human")
    report(key, CallStep.ENDED, sid=own(key), CallStatus="completed")
    first, second = calls()
    assert (first.state, second.state) == (State.DELIVERED, State.PENDING)


def test_an_answering_machine_hears_nothing_and_is_followed_by_one_sms(whole: Any) -> None:
    key = placed_call()
    said = report(key, CallStep.ANSWERED, sid=own(key), AnsweredBy="machine_start")
    assert texts(said) == []
    report(key, CallStep.ENDED, sid=own(key), CallStatus="completed")
    second = calls()[1]
    change(Notification, second.id, next_attempt_at=clock(), next_nudge_at=clock())
    deliver(str(second.id))
    report(second.id, CallStep.ANSWERED, sid=own(second.id), AnsweredBy="machine_start")
    (sms,) = missed_sms()
    deliver(str(sms.id))
    assert get(Notification, sms.id).state is State.SENT
    (message,) = whole.messages("sms")
    assert "nous venons de vous appeler" in message.text


def test_the_key_ends_an_attempt_that_waits() -> None:
    key = placed_call()
    report(key, CallStep.ANSWERED, sid=own(key), AnsweredBy="human")
    report(key, CallStep.ENDED, sid=own(key), CallStatus="completed")
    report(key, CallStep.KEY, sid=own(key), Digits="1")
    assert calls()[1].state is State.SKIPPED
    assert calls()[1].reason == "key pressed"


def test_a_call_whose_end_is_not_reported_is_followed_by_another() -> None:
    key = placed_call()
    change(Notification, key, receipt_due_at=clock() - timedelta(seconds=1))
    expire_receipts(clock())
    assert [row.state for row in calls()] == [State.NO_RECEIPT, State.PENDING]


def test_calls_of_unknown_fate_count_as_attempts(whole: Any, settings_env: Callable[..., None]) -> None:
    settings_env(PROVIDER_TIMEOUT_SECONDS="0.3")
    whole.provider_mode("twilio_calls", "yes_without_answer")
    key = wanted_call()
    for _ in range(3):
        change(Notification, key, next_attempt_at=clock(), next_nudge_at=clock())
        deliver(str(key))
    row = get(Notification, key)
    assert (row.state, row.unknown_attempts) == (State.FAILED, 3)
    assert len(whole.messages("voice")) == 3


def test_calls_wait_while_their_provider_is_away_and_sms_leave(whole: Any) -> None:
    whole.provider_mode("twilio_calls", "error_500")
    alert(person(channels=(Channel.SMS,)), **ALWAYS)
    (sms,) = matched(detection())
    (key,) = planned()
    deliver(str(key))
    deliver(str(sms))
    row = get(Notification, key)
    assert (row.state, row.attempts) == (State.PENDING, 0)
    assert row.next_attempt_at - clock() < timedelta(seconds=46)
    assert get(Notification, sms).state is State.SENT
    whole.provider_mode("twilio_calls", "normal")
    change(Notification, key, next_attempt_at=clock(), next_nudge_at=clock())
    deliver(str(key))
    assert get(Notification, key).state is State.SENT


# Requests that are not as they should be


@pytest.mark.parametrize("step", list(CallStep))
def test_a_repeated_request_changes_nothing_more(step: CallStep) -> None:
    key = placed_call()
    form = {"AnsweredBy": "human", "Digits": "1", "CallStatus": "no-answer"}
    for _ in range(3):
        report(key, step, sid=own(key), **form)
    assert len(calls()) <= 2
    assert calls()[0].state in (State.DELIVERED, State.BOUNCED)


def test_a_request_that_twilio_did_not_sign_is_refused() -> None:
    key = placed_call()
    address = call_address(CallStep.KEY, write_call_token(key, "fr"))
    form = {"AccountSid": settings().twilio_account_sid or "", "CallSid": SID, "Digits": "1"}
    headers = sign_form("another-token", address, form)
    with pytest.raises(notifier.CallRefused):
        notifier.answer_call(headers, urlencode(form).encode(), address.partition("?")[2])


@pytest.mark.parametrize("token", ["", "forged", "W10.x.y"])
def test_a_request_whose_address_we_did_not_sign_is_refused(token: str) -> None:
    address = call_address(CallStep.KEY, token)
    form = {"AccountSid": settings().twilio_account_sid or "", "CallSid": SID, "Digits": "1"}
    headers = sign_form(settings().require("twilio_auth_token"), address, form)
    with pytest.raises(notifier.CallRefused):
        notifier.answer_call(headers, urlencode(form).encode(), address.partition("?")[2])


def test_an_address_is_good_for_an_hour() -> None:
    key = placed_call()
    address = call_address(CallStep.KEY, write_call_token(key, "fr"))
    form = {"AccountSid": settings().twilio_account_sid or "", "CallSid": SID, "Digits": "1"}
    headers = sign_form(settings().require("twilio_auth_token"), address, form)
    later = datetime.now(UTC) + timedelta(minutes=61)
    with override_clock(lambda: later), pytest.raises(notifier.CallRefused):
        notifier.answer_call(headers, urlencode(form).encode(), address.partition("?")[2])


def test_a_request_without_the_calls_id_is_answered_and_stores_nothing() -> None:
    key = placed_call()
    assert waits_for_key(ask(key, CallStep.ANSWERED, sid="", AnsweredBy="human"))
    with session() as s:
        assert s.scalar(sa.text("SELECT count(*) FROM provider_events")) == 0


def test_the_cost_of_a_call_counts_with_that_of_sms() -> None:
    key = placed_call()
    with session() as s:
        assert sum_of_day(s, clock()) == get(Notification, key).cost
