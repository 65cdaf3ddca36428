"""Providers that raise anything, texts that cannot be made, answers while the database is away."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine
from rq.timeouts import JobTimeoutException
from structlog.testing import capture_logs

from api.models.base import engine
from api.models.notification import State
from notifier.channels import batch_sender
from notifier.channels.provider_base import Acceptance, OneCallProvider
from notifier.content.outgoing_message import OutgoingMessage
from notifier.delivery import delivery
from notifier.jobs import deliver
from tests.notifier.delivery.slot_alerts import after, waiting

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")


class Breaking(OneCallProvider):
    """A provider that asks for something while it sends."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def warm_up(self) -> None:
        self.act()

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        self.act()
        return Acceptance("test", "1")


def use(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    monkeypatch.setitem(batch_sender.providers(), "sendgrid", Breaking(act))


@pytest.mark.rule("3.6")
def test_no_connection_is_held_while_a_provider_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    use(monkeypatch, lambda: held.append(engine().pool.checkedout()))  # type: ignore[attr-defined]
    deliver(str(waiting()))
    assert held == [0]


def test_whatever_a_provider_raises_is_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda: 1 / 0)
    key = waiting()
    with capture_logs() as logs:
        deliver(str(key))
    assert after(key) == (State.PENDING, "unknown: ZeroDivisionError")
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["provider failed"]


def test_a_text_that_cannot_be_made_is_tried_again_later(
    monkeypatch: pytest.MonkeyPatch, sandbox: "Running"
) -> None:
    monkeypatch.setattr(delivery, "render", lambda *_: 1 / 0)
    key = waiting()
    deliver(str(key))
    assert after(key) == (State.PENDING, "text could not be made: ZeroDivisionError")
    assert sandbox.messages() == []


@pytest.mark.rule("3.5")
def test_a_yes_outlasts_a_database_that_is_away_for_longer_than_lease_and_job(
    monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller
) -> None:
    key = waiting()
    (sent,) = delivery.send(delivery.claim([key]))
    close = delivery.close
    failures = iter([sa.exc.OperationalError("UPDATE", {}, ConnectionError()), JobTimeoutException()] * 60)

    def away(*arguments: Any) -> set[UUID]:
        if failure := next(failures, None):
            raise failure
        return close(*arguments)

    def sleep(_seconds: float) -> None:
        frozen.shift(1)
        raise JobTimeoutException

    monkeypatch.setattr(delivery, "close", away)
    monkeypatch.setattr("notifier.delivery.delivery.time.sleep", sleep)
    with capture_logs() as logs:
        assert delivery.record(sent)
    assert after(key) == (State.SENT, None)
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == [
        "database away: a provider's answer waits to be written"
    ]
