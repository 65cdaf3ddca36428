import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis
from structlog.testing import capture_logs

import notifier
from api.models.notification import Notification, Priority, State
from api.models.slot import Detection
from api.models.user import Channel
from configs.ground.job_queues import queue
from notifier.jobs import catch_up, deliver, match
from notifier.message_kinds import UnknownKind
from notifier.workers import get_ready
from tests.notifier.world import (
    OTHER_DESK,
    alert,
    change,
    deliver_queued,
    detection,
    for_procedure,
    get,
    in_one_transaction,
    notifications,
    person,
    slots,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


Queued = Callable[[str], list[tuple[str, list[Any]]]]


def test_the_front_door_loads_no_queue_and_telling_of_a_detection_neither_tables_nor_channels(
    closed_port: int,
) -> None:
    code = (
        "import sys, json, uuid, notifier; before = sorted(sys.modules);"
        "notifier.get_ready(); notifier.detection_seen(uuid.uuid4());"
        "print(json.dumps([before, sorted(sys.modules)]))"
    )
    nowhere = {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{closed_port}/0"}
    said = subprocess.check_output([sys.executable, "-c", code], env=nowhere).splitlines()[-1]
    before, after = map(set, json.loads(said))
    assert not {"rq", "redis", "sqlalchemy", "twilio", "sendgrid", "jinja2"} & before
    assert "rq" in after
    assert not {"sqlalchemy", "api.models", "notifier.channels.batch_sender", "jinja2"} & after


def test_each_change_of_an_alert_asks_to_catch_up_again_and_no_job_stays_for_ever(
    queued: Queued, redis_server: redis.Redis
) -> None:
    changed = uuid4()
    notifier.catch_up(changed)
    notifier.catch_up(changed)
    assert queued("critical") == [("notifier.jobs.catch_up", [str(changed)])] * 2
    assert all(0 < redis_server.ttl(job.key) <= 3600 for job in queue("critical").get_jobs())


@pytest.mark.rule("6.6")
@pytest.mark.parametrize("call", [notifier.detection_seen, notifier.catch_up])
def test_redis_away_is_one_warning_and_no_error(
    call: Any, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    with capture_logs() as logs:
        call(uuid4())
    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("warning", "not nudged, the sweep will")
    ]


def test_redis_away_leaves_a_notification_to_the_sweep(
    database: str, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    who = person(verified=False)
    ids = in_one_transaction(notifier.create_notifications, who.id, "verify_email", {}, "key")
    with capture_logs() as logs:
        notifier.nudge(ids)
    assert [each["what"] for each in logs] == ["deliver", "show_notices"]
    assert [row.state for row in notifications()] == [State.PENDING]


@pytest.mark.rule("6.6")
def test_a_database_that_goes_away_after_the_commit_leaves_a_notification_to_the_sweep(
    redis_server: redis.Redis, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    with capture_logs() as logs:
        notifier.nudge([uuid4()])
    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("warning", "not nudged, the sweep will")
    ]


def test_telling_writes_a_row_for_the_contact_the_kind_speaks_to(database: str) -> None:
    who = person(channels=(Channel.EMAIL, Channel.SMS), verified=False)
    ids = in_one_transaction(notifier.create_notifications, who.id, "verify_email", {"a": 1}, "key")
    (row,) = notifications()
    assert ids == [row.id]
    assert (row.contact_id, row.channel) == (who.contacts[Channel.EMAIL], Channel.EMAIL)
    assert (row.kind, row.params, row.priority) == ("verify_email", {"a": 1}, Priority.IMMEDIATE)


def test_an_unknown_kind_names_those_that_exist(database: str) -> None:
    who = person()
    with pytest.raises(UnknownKind, match="release_soon, renewal_soon, slot_answered"):
        in_one_transaction(notifier.create_notifications, who.id, "horoscope", {}, "key")


def test_what_somebody_waits_for_has_a_queue_of_its_own(database: str, queued: Queued) -> None:
    who = person(verified=False)
    (first,) = in_one_transaction(notifier.create_notifications, who.id, "verify_email", {}, "one")
    (second,) = in_one_transaction(notifier.create_notifications, who.id, "verify_email", {}, "two")
    change(Notification, second, priority=Priority.SCHEDULED)
    notifier.nudge([first, second])
    assert queued("email-single") == [("notifier.jobs.deliver", [str(first)])]
    assert queued("email-rest") == [("notifier.jobs.deliver", [str(second)])]
    assert get(Notification, first).state is State.PENDING


def test_who_writes_a_message_needs_no_key_of_the_addresses(
    database: str, settings_env: Callable[..., None]
) -> None:
    """The planner and the background program have none, and tell people with a phone number all the same."""
    who = person(channels=(Channel.EMAIL, Channel.SMS, Channel.TELEGRAM))
    settings_env(JWT_SECRET="", LINK_KEY="", DATA_KEYS="", LOOKUP_KEY="")
    assert in_one_transaction(notifier.create_notifications, who.id, "test_message", {}, "key")


ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)


def test_mails_leave_by_the_job_that_wrote_them_and_all_else_by_the_workers_of_its_channel(
    whole: "Running", queued: Queued
) -> None:
    alert(person(channels=ALL))
    match(str(detection()))
    assert [each.channel for each in whole.messages()] == ["email"]
    waiting = {row.channel.value: [str(row.id)] for row in notifications(State.PENDING)}
    assert sorted(waiting) == ["sms", "telegram"]
    for name, key in waiting.items():
        assert queued(f"{name}-single") == [("notifier.jobs.deliver", key)]


@pytest.mark.rule("3.4")
def test_an_alert_catches_up_with_every_desk_it_is_about(whole: "Running", queued: Queued) -> None:
    detection()
    second = detection(slots(desk_id=OTHER_DESK), desk_id=OTHER_DESK, label="Titre de séjour")
    late = alert(person(), for_procedure())
    catch_up(str(late))
    catch_up(str(late))
    deliver_queued()
    assert len(whole.messages("email")) == 2
    assert get(Detection, second).matched_at is None


def test_an_alert_that_is_gone_catches_up_with_nothing(whole: "Running") -> None:
    catch_up(str(uuid4()))
    assert whole.messages() == []


@pytest.mark.rule("6.6")
def test_a_database_that_is_away_is_one_line_and_no_traceback(
    sandbox: object, redis_server: object, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    with capture_logs() as logs:
        get_ready()
        for job in (match, catch_up, deliver):
            job(str(uuid4()))
    assert [(each["log_level"], "away" in each["event"]) for each in logs] == [("warning", True)] * 4
