"""Each failure of each provider, at each attempt of a slot alert and of another message: what follows, and when."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import time_machine

import notifier
from api.models.notification import Notification, State
from api.models.user import CONTACT_CHANNELS, Channel, Contact, ContactState
from configs.ground.clock import clock
from notifier.jobs import deliver
from tests.notifier.world import (
    ADDRESSES,
    alert,
    confirm,
    detection,
    get,
    in_one_transaction,
    matched,
    person,
    slots,
)

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.usefixtures("database", "redis_server")
EMAIL, SMS, TELEGRAM = Channel.EMAIL, Channel.SMS, Channel.TELEGRAM
CHANNELS = {"sendgrid": EMAIL, "smtp": EMAIL, "twilio": SMS, "telegram": TELEGRAM}
ASKED = 30  # seconds that a provider names in Retry-After
LATER, LIMITED, BUSY, UNKNOWN, OURS, REFUSED = "later", "limited", "busy", "unknown", "ours", "refused"
FAILED = None  # in place of a wait: no attempt follows
# The waits after the first, second … attempt in seconds.
SLOT_ALERT: dict[tuple[str, Channel], list[float | None]] = {
    **{(LATER, each): [5, 10, 20, 40, 45] for each in CONTACT_CHANNELS},
    **{(LIMITED, each): [30, 30, 30, 40] for each in CONTACT_CHANNELS},
    (BUSY, EMAIL): [5, 10],
    (UNKNOWN, EMAIL): [15, 120, 600, 1800, 1800],
    (UNKNOWN, TELEGRAM): [15, 120, 600, 1800, 1800],
    (UNKNOWN, SMS): [600, 1800, 1800, FAILED],
    **{(OURS, each): [45] * 2 for each in CONTACT_CHANNELS},
    **{(REFUSED, each): [FAILED] for each in CONTACT_CHANNELS},
}
OTHER: dict[tuple[str, Channel], list[float | None]] = {
    **{(LATER, each): [5, 5, 5, 7.5] for each in CONTACT_CHANNELS},
    **{(LIMITED, each): [30, 30, 30, 45] for each in CONTACT_CHANNELS},
    (BUSY, EMAIL): [300, 300, 300, 450],
    (UNKNOWN, EMAIL): [15, 120, FAILED],
    (UNKNOWN, TELEGRAM): [15, 120, FAILED],
    (UNKNOWN, SMS): [600, 1800, FAILED],
    **{(OURS, each): [45] * 2 for each in CONTACT_CHANNELS},
    **{(REFUSED, each): [FAILED] for each in CONTACT_CHANNELS},
}


@dataclass(frozen=True)
class Failure:
    """A mode of a provider's stand-in, and what it means for a message. `copies`: those accepted at each attempt."""

    provider: str
    mode: str
    means: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    contact: ContactState = ContactState.OK
    copies: int = 0

    @property
    def channel(self) -> Channel:
        """Return the channel of the provider."""
        return CHANNELS[self.provider]

    def __str__(self) -> str:
        return "-".join(map(str, (self.provider, self.mode, *self.parameters.values())))


def _of_http(provider: str, gone: ContactState) -> list[Failure]:
    address = {"address": ADDRESSES[CHANNELS[provider]]}
    return [
        Failure(provider, "refuse", LATER),
        Failure(provider, "error_500", LATER),
        Failure(provider, "rate_limited", LIMITED, {"seconds": ASKED}),
        Failure(provider, "timeout", UNKNOWN),
        Failure(provider, "yes_without_answer", UNKNOWN, copies=1),
        Failure(provider, "unauthorized", OURS),
        Failure(provider, "reject_address", REFUSED, address, gone),
    ]


def _reply(at: str, line: str, means: str, contact: ContactState = ContactState.OK) -> Failure:
    return Failure("smtp", "reply", means, {"at": at, "line": line}, contact)


FAILURES = [
    *_of_http("sendgrid", ContactState.BOUNCED),
    *_of_http("twilio", ContactState.BOUNCED),
    *_of_http("telegram", ContactState.BLOCKED),
    Failure("smtp", "refuse", LATER),
    *(Failure("smtp", "reset", LATER, {"at": step}) for step in ("ehlo", "mail", "rcpt")),
    Failure("smtp", "reset", UNKNOWN, {"at": "dot"}),
    Failure("smtp", "reset_after", UNKNOWN, copies=1),
    *(Failure("smtp", "timeout", LATER, {"at": step}) for step in ("ehlo", "mail", "rcpt")),
    Failure("smtp", "timeout", UNKNOWN, {"at": "dot"}),
    Failure("smtp", "yes_without_answer", UNKNOWN, copies=1),
    Failure("smtp", "error_500", LATER),
    Failure("smtp", "rate_limited", LATER),
    Failure("smtp", "unauthorized", OURS),
    Failure("smtp", "reject_address", REFUSED, {"address": ADDRESSES[EMAIL]}, ContactState.BOUNCED),
    _reply("rcpt", "451 4.7.1 greylisted", BUSY),
    _reply("dot", "554 5.6.0 refused", REFUSED),
]
SLOW = {"timeout", "yes_without_answer"}  # each attempt takes the time of a call
_TIMEOUT = 0.6  # seconds of such a call


def _slot_alert(channel: Channel) -> tuple[UUID, list[int]]:
    alert(person(channels=(channel,)))
    opened = slots()
    (key,) = matched(detection(opened))
    return key, opened


def _other(channel: Channel) -> tuple[UUID, list[int]]:
    who = person(channels=(channel,))
    written = notifier.create_notifications, who.id, "test_message", {"alert": str(alert(who))}, "key"
    (key,) = in_one_transaction(*written)
    return key, []


WAITS = {"slot alert": (_slot_alert, SLOT_ALERT), "another message": (_other, OTHER)}


def _cases() -> list[Any]:
    """Return each failure with each message; one failure per provider and meaning is no journey, if it is fast."""
    fast = (each for each in reversed(FAILURES) if each.mode not in SLOW)
    shown = [FAILURES[3], *{(each.provider, each.means): each for each in fast}.values()]
    return [
        pytest.param(
            message,
            each,
            id=f"{each}-{message}",
            marks=() if message == "slot alert" and each in shown else pytest.mark.journey,
        )
        for each in FAILURES
        for message in WAITS
    ]


@pytest.mark.rule("6.2")
@pytest.mark.parametrize(("message", "failure"), _cases())
def test_a_failure_at_each_attempt(
    message: str,
    failure: Failure,
    sandbox: "Running",
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
) -> None:
    settings_env(
        MAIL_PROVIDERS="smtp" if failure.provider == "smtp" else "sendgrid",
        PROVIDER_TIMEOUT_SECONDS=_TIMEOUT if failure.mode in SLOW else 10,
        PROVIDER_REST_SECONDS="0.001",  # no breaker stays open until the next attempt
    )
    write, waits = WAITS[message]
    key, opened = write(failure.channel)
    sandbox.provider_mode(failure.provider, failure.mode, **failure.parameters)
    for number, wait in enumerate(waits[failure.means, failure.channel], 1):
        deliver(str(key))
        row = get(Notification, key)
        assert row.state is (State.FAILED if wait is FAILED else State.PENDING), (number, row.reason)
        counts = failure.means in {UNKNOWN, REFUSED} or (message == "slot alert" and failure.means != OURS)
        assert row.attempts == (number if counts else 0)
        assert row.unknown_attempts == (number if failure.means == UNKNOWN else 0)
        assert len(sandbox.messages()) == number * failure.copies
        if wait is FAILED:
            break
        assert row.next_attempt_at == clock() + timedelta(seconds=wait), (number, row.reason)
        frozen.shift(wait)
        confirm(opened)
    assert get(Contact, row.contact_id).state is failure.contact
    assert ADDRESSES[failure.channel] not in str(row.reason)


@pytest.mark.rule("3.12")
@pytest.mark.parametrize("seconds", [100, 3600])
def test_no_message_is_lost_while_the_only_provider_is_away(
    seconds: int, sandbox: "Running", settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    settings_env(MAIL_PROVIDERS="sendgrid")
    key, _ = _other(EMAIL)
    sandbox.provider_mode("sendgrid", "error_500")
    until = clock() + timedelta(seconds=seconds)
    while clock() < until:
        deliver(str(key))
        row = get(Notification, key)
        assert (row.state, row.attempts) == (State.PENDING, 0)
        frozen.move_to(max(row.next_attempt_at, clock() + timedelta(seconds=1)))
    assert clock() < until + timedelta(minutes=8)
    sandbox.provider_mode("sendgrid", "normal")
    frozen.shift(15)  # the breaker's rest
    deliver(str(key))
    assert get(Notification, key).state is State.SENT
    assert len(sandbox.messages()) == 1
