"""Reasons in the user's words: each reason of the notifier has one."""

import re
from pathlib import Path

import pytest

from api.models.notification import HeldFor, State
from api.notifications.reasons import WORDS, Reason, find_reason, write_reason
from notifier.delivery.claiming import OVER_BUDGET as BUDGET
from notifier.delivery.retry_policy import UNKNOWN, USED_UP

_UNNAMED = (Reason.OUTDATED, Reason.TRIED_AGAIN)
NOTIFIER = Path(__file__).parents[3] / "notifier"
_LITERAL = re.compile(r'Skip\(State\.(\w+), "([^"]+)"\)')
# Of these there is nothing more to say than that the message had become pointless.
POINTLESS = {
    "acknowledged before", "alert waits already", "already verified", "an alert waits again",
    "answered, or no appointment any more", "called often enough", "code used or expired", "declaration deleted", "no operator any more",
    "long after the call", "nothing waits any more", "number changed meanwhile", "published already", "request deleted", "slots not seen lately",
    "the appointment is over", "the change was made, ended or replaced", "the desk is not watched any more",
    "the plan goes on, or ended otherwise", "the reminder was moved", "the second factor was kept, or has ended", "the trouble was not told", "the week is over",
    "too old to be edited", "watched again",
}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "stored", "expected"),
    [
        (State.SENT, None, None),
        (State.DELIVERED, None, None),
        (State.NO_RECEIPT, None, None),
        (State.PENDING, None, None),
        (State.SENDING, "sendgrid answered 500", None),
        (State.PENDING, "sendgrid answered 500", Reason.TRIED_AGAIN),
        (State.SKIPPED, BUDGET, Reason.SMS_BUDGET),
        (State.SKIPPED, "address unsubscribed", Reason.UNSUBSCRIBED),
        (State.SKIPPED, "address bounced", Reason.BOUNCED),
        (State.SKIPPED, "address blocked", Reason.BLOCKED),
        (State.EXPIRED, "slots gone", Reason.SLOTS_GONE),
        (State.EXPIRED, "watched again", Reason.OUTDATED),
        (State.BOUNCED, "twilio 30003", Reason.BOUNCED),
        (State.FAILED, f"{USED_UP}sendgrid answered 500", Reason.NOT_ACCEPTED),
        (State.FAILED, f"{UNKNOWN}no answer", Reason.MAY_HAVE_ARRIVED),
        (State.FAILED, "sendgrid answered 400", Reason.NOT_ACCEPTED),
    ],
)
def test_a_row_has_the_reason_of_its_state(state: State, stored: str | None, expected: Reason | None) -> None:
    assert find_reason(state, stored) is expected


@pytest.mark.parametrize(
    ("state", "stored", "held_for", "expected"),
    [
        (State.PENDING, None, HeldFor.CAP, Reason.HOURLY_CAP),
        (State.PENDING, "sendgrid answered 500", HeldFor.CAP, Reason.HOURLY_CAP),
        (State.PENDING, None, HeldFor.SLOTS, Reason.UNCONFIRMED),
        (State.PENDING, None, HeldFor.QUIET_HOURS, Reason.QUIET_HOURS),
        (State.PENDING, f"{UNKNOWN}no answer", HeldFor.DIGEST, Reason.DIGEST),
        (State.EXPIRED, "slots gone", HeldFor.QUIET_HOURS, Reason.GONE_IN_QUIET_HOURS),
        (State.EXPIRED, "slots gone", HeldFor.DIGEST, Reason.GONE_BEFORE_DIGEST),
        (State.EXPIRED, "slots gone", HeldFor.CAP, Reason.SLOTS_GONE),
        (State.SKIPPED, "alert stopped", HeldFor.DIGEST, Reason.ALERT_STOPPED),
        (State.SENT, None, HeldFor.DIGEST, None),
    ],
)
def test_a_row_says_what_it_waits_or_waited_for(
    state: State, stored: str | None, held_for: HeldFor, expected: Reason | None
) -> None:
    assert find_reason(state, stored, held_for) is expected


def test_every_reason_that_the_notifier_gives_is_known() -> None:
    given = {
        text for path in NOTIFIER.rglob("*.py") for text in _LITERAL.findall(path.read_text(encoding="utf-8"))
    }
    assert len(given) > 10
    unnamed = {said for state, said in given if find_reason(State[state], said) in _UNNAMED}
    assert unnamed == POINTLESS


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_in_each_language(reason: Reason) -> None:
    words = {write_reason(reason, language) for language in ("fr", "en", "ar")}
    assert (len(words), set(WORDS[reason])) == (3, {"fr", "en", "ar"})
    assert write_reason(reason, "de") == WORDS[reason]["fr"]
