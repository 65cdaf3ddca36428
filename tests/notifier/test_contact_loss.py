"""Loss of a contact that a provider's answer reports."""

from typing import TYPE_CHECKING

import pytest

from api.models.notification import Notification, State
from api.models.user import Channel, Contact
from notifier.jobs import deliver
from tests.notifier.world import ADDRESSES, alert, detection, get, matched, notifications, person

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")


def test_a_chat_that_blocked_the_bot_is_unlinked_and_a_mail_says_so(sandbox: "Running") -> None:
    who = person(channels=(Channel.EMAIL, Channel.TELEGRAM))
    alert(who)
    sandbox.provider_mode("telegram", "reject_address", address=ADDRESSES[Channel.TELEGRAM])
    deliver(*map(str, matched(detection())))
    assert not get(Contact, who.contacts[Channel.TELEGRAM]).is_linked
    (told,) = [row for row in notifications(State.PENDING) if row.kind == "channel_lost"]
    assert told.channel is Channel.EMAIL
    deliver(str(told.id))
    assert get(Notification, told.id).state is State.SENT
    mail = sandbox.messages("email")[-1].text
    assert "Telegram" in mail
    assert "/canaux" in mail
