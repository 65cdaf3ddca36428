"""Devices whose browser ended its subscription are deleted by the daily clean-up."""

import pytest

from api.background import jobs
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState
from tests.factories import change, rows
from tests.notifier.world import alert, detection, matched, person


@pytest.mark.usefixtures("database", "redis_server")
def test_an_ended_device_is_deleted_and_its_messages_stay() -> None:
    who = person(channels=(Channel.EMAIL, Channel.PUSH))
    alert(who)
    matched(detection())
    assert "contacts" not in jobs.apply_retention()
    change(Contact, Contact.channel == Channel.PUSH, state=ContactState.BLOCKED)
    assert jobs.apply_retention()["contacts"] == 1
    assert [each.channel for each in rows(Contact)] == [Channel.EMAIL]
    assert [row.contact_id for row in rows(Notification) if row.channel is Channel.PUSH] == [None]
