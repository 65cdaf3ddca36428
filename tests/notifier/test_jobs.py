from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from api.models.notification import State
from api.models.slot import Detection
from api.models.user import Channel
from notifier.jobs import catch_up, deliver, match
from tests.notifier.world import (
    OTHER_DESK,
    alert,
    deliver_queued,
    detection,
    for_procedure,
    get,
    notifications,
    person,
    slots,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

Queued = Callable[[str], list[tuple[str, list[Any]]]]
ALL = (Channel.EMAIL, Channel.SMS, Channel.TELEGRAM)
MOST = 10  # statements from the detection's lock to the answer in its row; one takes a turn of the hourly cap


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
@pytest.mark.parametrize("job", [match, catch_up, deliver])
def test_a_database_that_is_away_is_one_line_and_no_traceback(
    job: Callable[[str], None], settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    with capture_logs() as logs:
        job(str(uuid4()))
    assert [(each["log_level"], "away" in each["event"]) for each in logs] == [("warning", True)]
