"""An alarm goes to operators by Telegram, and once more by mail unless somebody acknowledges it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine

from api.background import jobs
from api.models.base import session
from api.models.incident import Incident
from api.models.notification import Notification, State
from api.models.user import Channel, Role
from api.operations.alarms import acknowledge
from api.payments import notices
from configs.ground.circuit_breaker import FAILURES, PROVIDER_REST_SECONDS, CircuitBreaker
from notifier.jobs import deliver
from tests.api.operations.operators import BOTH, Written, add_operator, list_written
from tests.factories import one, rows

pytestmark = pytest.mark.usefixtures("database", "redis_server")

TELEGRAM, EMAIL = Channel.TELEGRAM, Channel.EMAIL
KIND = "payment_trouble"
FIRST, AGAIN = Written(KIND, TELEGRAM, again=False), Written(KIND, EMAIL, again=True)


def warn(subject: str = "issfr_1") -> None:
    with session() as s:
        notices.tell_admins(s, "fraud_warning", "issfr_1 of payment 0190", key=f"fraud:{subject}")


def test_an_alarm_goes_by_telegram_and_after_a_quarter_of_an_hour_by_mail(
    frozen: time_machine.Traveller,
) -> None:
    add_operator(*BOTH)
    warn()
    assert list_written() == [FIRST]
    frozen.shift(timedelta(minutes=14, seconds=59))
    assert jobs.repeat_alarms() == {"mails": 0}
    frozen.shift(1)
    assert jobs.repeat_alarms() == {"mails": 1}
    for _ in range(20):
        frozen.shift(timedelta(hours=1))
        jobs.repeat_alarms()
    assert list_written() == [FIRST, AGAIN], "once more and no more"


def test_two_workers_repeat_it_once(frozen: time_machine.Traveller) -> None:
    for _ in range(3):
        add_operator(*BOTH)
    warn()
    frozen.shift(timedelta(minutes=15))
    with ThreadPoolExecutor(4) as workers:
        done = list(workers.map(lambda _: jobs.repeat_alarms()["mails"], range(4)))
    assert sorted(done) == [0, 0, 0, 3]


def test_what_was_acknowledged_stays_quiet_also_where_its_message_waits(
    frozen: time_machine.Traveller,
) -> None:
    add_operator(*BOTH)
    warn()
    with session() as s:
        acknowledge(s, one(Incident).id)
    deliver(str(one(Notification).id))
    assert (one(Notification).state, one(Notification).reason) == (State.SKIPPED, "acknowledged before")
    frozen.shift(timedelta(hours=1))
    assert jobs.repeat_alarms() == {"mails": 0}
    assert list_written() == [FIRST]


def test_who_has_one_channel_gets_both_messages_by_it(frozen: time_machine.Traveller) -> None:
    by_mail, by_chat = add_operator(EMAIL), add_operator(TELEGRAM, Channel.SMS, role=Role.SUPPORT)
    nobody = add_operator(*BOTH, enabled=False)
    warn()
    frozen.shift(timedelta(minutes=15))
    jobs.repeat_alarms()
    assert [each.channel for each in list_written(by_mail)] == [EMAIL, EMAIL]
    assert [each.channel for each in list_written(by_chat)] == [TELEGRAM, TELEGRAM]
    assert list_written(nobody) == []


def test_an_alarm_begins_by_mail_while_telegram_is_left_alone(frozen: time_machine.Traveller) -> None:
    add_operator(*BOTH)
    breaker = CircuitBreaker("telegram", PROVIDER_REST_SECONDS())
    for _ in range(FAILURES):
        breaker.record_failure(breaker.begin_call())
    warn()
    frozen.shift(timedelta(minutes=15))  # it works again
    jobs.repeat_alarms()
    assert [each.channel for each in list_written()] == [EMAIL, TELEGRAM]


def test_plain_users_get_no_alarm() -> None:
    add_operator(*BOTH, role=Role.USER)
    warn()
    assert list_written() == []
    assert one(Incident).told_at is not None


def test_the_support_address_gets_the_mail_at_once(settings_env: Callable[..., None]) -> None:
    settings_env(SUPPORT_EMAIL="ops@example.org")
    add_operator(*BOTH)
    warn()
    assert sorted(list_written()) == [Written(KIND, EMAIL, again=False), FIRST]


def test_the_same_case_alarms_once_and_another_one_again() -> None:
    add_operator(*BOTH)
    for subject in ("issfr_1", "issfr_1", "issfr_2"):
        warn(subject)
    assert list_written() == [FIRST, FIRST]
    with session() as s:
        acknowledge(s, min(each.id for each in rows(Incident)))
    warn("issfr_1")
    assert list_written() == [FIRST, FIRST], "acknowledged, and no new case"
