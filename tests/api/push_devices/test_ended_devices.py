"""Devices whose browser ended its subscription are deleted by the daily clean-up."""

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState
from api.push_devices.service import drop_ended_devices
from tests.api.world import rows
from tests.notifier.world import alert, detection, matched, person


@pytest.mark.usefixtures("database", "redis_server")
def test_an_ended_device_is_deleted_and_its_messages_stay() -> None:
    who = person(channels=(Channel.EMAIL, Channel.PUSH))
    alert(who)
    matched(detection())
    with session() as s:
        assert drop_ended_devices(s) == 0
        s.execute(
            sa.update(Contact).where(Contact.channel == Channel.PUSH).values(state=ContactState.BLOCKED)
        )
    with session() as s:
        assert drop_ended_devices(s) == 1
    assert [each.channel for each in rows(Contact)] == [Channel.EMAIL]
    assert [row.contact_id for row in rows(Notification) if row.channel is Channel.PUSH] == [None]
