from typing import TYPE_CHECKING
from uuid import UUID

import pytest

import notifier
from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from api.models.notification import Notification
from api.models.user import CONTACT_CHANNELS
from configs.ground.clock import clock
from notifier.jobs import deliver
from tests.notifier.world import Person, alert, get, in_one_transaction, person

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "sandbox", "redis_server")


def written(who: Person, key: UUID, **options: object) -> list[UUID]:
    made: list[UUID] = in_one_transaction(
        notifier.create_notifications,
        who.id,
        "test_message",
        {"alert": str(key), "test": "1"},
        "key",
        **options,
    )
    return made


def test_it_arrives_on_every_channel_and_says_where(sandbox: "Running") -> None:
    camille = person(channels=CONTACT_CHANNELS)
    deliver(*map(str, written(camille, alert(camille, name="Maman"))))
    texts = {message.channel: f"{message.subject} {message.text}" for message in sandbox.messages()}
    assert sorted(texts) == ["email", "push", "sms", "telegram"]
    assert all("test" in text for text in texts.values())
    assert "Essonne (91)" in texts["email"]
    assert "Essonne" not in texts["sms"] + texts["push"]


def test_a_channel_or_a_language_may_be_chosen(sandbox: "Running") -> None:
    camille = person(channels=CONTACT_CHANNELS)
    deliver(*map(str, written(camille, alert(camille), channels=["email"], language="en")))
    (mail,) = sandbox.messages()
    assert mail.subject == "Test message – Essonne (91)"


def test_nothing_is_sent_for_an_alert_that_was_closed_meanwhile(sandbox: "Running") -> None:
    camille = person()
    key = alert(camille)
    (made,) = written(camille, key)
    with session() as s:
        row = s.get_one(Alert, key)
        row.closed_at, row.closed_because = clock(), ClosedBecause.FOUND
    deliver(str(made))
    assert (get(Notification, made).reason, sandbox.messages()) == ("alert stopped", [])
