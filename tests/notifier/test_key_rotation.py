"""Rotation of providers' keys: both are valid at the provider meanwhile, and a message that meets a refusal waits."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import pytest
import time_machine

from api.models.notification import Notification, State
from api.models.user import Channel
from notifier.jobs import deliver
from tests.notifier.world import ACCEPTED, alert, confirm, detection, get, matched, person, slots

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("whole")
Put = Callable[..., None]


class ProviderKey(NamedTuple):
    """A provider's channel, the variable of its key, and two keys."""

    channel: Channel
    variable: str
    old: str
    new: str


KEYS = [
    ProviderKey(Channel.EMAIL, "SENDGRID_API_KEY", "SG.old", "SG.new"),
    ProviderKey(Channel.EMAIL, "SMTP_URL", "old", "new"),
    ProviderKey(Channel.SMS, "TWILIO_AUTH_TOKEN", "primary", "secondary"),
    ProviderKey(Channel.TELEGRAM, "TELEGRAM_BOT_TOKEN", "1:old", "1:new"),
]


@pytest.fixture
def put(sandbox: "Running", settings_env: Put) -> Callable[[ProviderKey, str], None]:
    """Give a function that sets a key; that of a mail server is the password in its address."""

    def write(key: ProviderKey, value: str) -> None:
        by_smtp = key.variable == "SMTP_URL"
        address = sandbox.smtp.replace("sandbox-password", value)
        settings_env(
            **{key.variable: address if by_smtp else value}, MAIL_PROVIDERS="smtp" if by_smtp else "sendgrid"
        )

    return write


def write_alert(channel: Channel, opened: list[int]) -> UUID:
    alert(person(channels=(channel,)))
    (made,) = matched(detection(slot_ids=opened))
    return made


def state(key: UUID) -> tuple[State, int]:
    row = get(Notification, key)
    return row.state, row.attempts


@pytest.mark.parametrize("has_new", [False, True])
@pytest.mark.parametrize("key", KEYS[:3], ids=lambda key: key.variable)
def test_every_program_sends_while_both_keys_are_valid(
    key: ProviderKey, sandbox: "Running", put: Callable[[ProviderKey, str], None], *, has_new: bool
) -> None:
    sandbox.provider_mode(key.channel.value, "only_keys", keys=f"{key.old},{key.new}")
    put(key, key.new if has_new else key.old)
    made = write_alert(key.channel, slots())
    deliver(str(made))
    assert state(made) == (ACCEPTED[key.channel], 1)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.variable)
def test_a_message_that_meets_a_deleted_key_leaves_with_the_new_one(
    key: ProviderKey,
    sandbox: "Running",
    put: Callable[[ProviderKey, str], None],
    frozen: time_machine.Traveller,
) -> None:
    put(key, key.old)
    made = write_alert(key.channel, opened := slots())
    sandbox.provider_mode(key.channel.value, "only_keys", keys=key.new)
    deliver(str(made))
    assert state(made) == (State.PENDING, 0)
    put(key, key.new)
    frozen.shift(46)
    confirm(opened)
    deliver(str(made))
    assert state(made)[0] is ACCEPTED[key.channel]
    (message,) = sandbox.messages()
    row = get(Notification, made)
    assert row.provider_id == (None if message.provider == "smtp" else message.provider_id)
    assert row.provider == message.provider
