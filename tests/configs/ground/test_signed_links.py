"""Tokens of the links in messages: each for its purpose and its time, under a key of their own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from configs.ground.bot_buttons import (
    ALL,
    BACK,
    MOST_BYTES,
    AlertButton,
    AnswerButton,
    BotButton,
    read_button,
    shorten_id,
    write_alert_button,
    write_answer_button,
)
from configs.ground.message_groups import MessageGroup
from configs.ground.signed_links import (
    AcknowledgeIncident,
    AnswerAlert,
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    KeepSecondFactor,
    Link,
    MoveReminders,
    OpenPortal,
    RefundClosedDesk,
    ResetPassword,
    ShowProof,
    StopAlerts,
    StopGroup,
    TellHowItWent,
    VerifyAddress,
    WithdrawOrder,
    find_kind,
    read_token,
    read_unsubscription,
    write_token,
)
from configs.ground.signing import LinkRefused, sign
from configs.settings import SettingMissing
from tests.in_turn import in_turn

Put = Callable[..., None]
ID = UUID("01890000-0000-7000-8000-000000000001")
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
# Each purpose, the word of its kind, and how long its token is good; None: for ever.
PURPOSES: list[tuple[Link, str, timedelta | None]] = [
    (VerifyAddress(ID, "digest"), "verify", 30 * DAY),
    (VerifyAddress(ID, "digest", registration=ID, new=3), "verify", 30 * DAY),
    (ResetPassword(ID, "digest", "digest"), "reset", HOUR),
    (KeepSecondFactor(ID, 7), "factor", None),
    (OpenPortal(ID, "digest"), "portal", 30 * DAY),
    (RefundClosedDesk(ID, "digest", ID), "closed-desk", 30 * DAY),
    (StopGroup(ID, "digest", MessageGroup.NEWS), "unsubscribe", 30 * DAY),
    (StopAlerts((ID,)), "stop", 30 * DAY),
    (StopAlerts((ID, uuid4())), "stop", 30 * DAY),
    (AnswerAlert(ID), "answer", 30 * DAY),
    (MoveReminders(ID), "reminder", 30 * DAY),
    (TellHowItWent(ID, well=False), "went", 30 * DAY),
    (AcknowledgeIncident(1, ID), "incident", 30 * DAY),
    (ShowProof(ID), "proof", HOUR),
    (ConfirmDeclaration(ID), "declaration", 400 * DAY),
    (ConfirmCancellation(ID), "resiliation", 500 * DAY),
    (WithdrawOrder(ID), "withdraw", None),
    (CancelOrder(ID), "cancel", None),
]

each_purpose = pytest.mark.parametrize(("link", "kind", "lifetime"), PURPOSES)


def refuse(kind: type[Link], token: str) -> str:
    with pytest.raises(LinkRefused) as refusal:
        read_token(kind, token)
    return refusal.value.reason


@each_purpose
def test_a_token_carries_what_was_written_for_its_time(
    frozen: time_machine.Traveller, link: Link, kind: str, lifetime: timedelta | None
) -> None:
    token = write_token(link)
    assert find_kind(token) is type(link)
    frozen.shift(lifetime or 10 * YEAR)
    assert read_token(type(link), token) == link
    frozen.shift(timedelta(seconds=1))
    assert lifetime is None or refuse(type(link), token) == "expired"


@in_turn("link, kind, lifetime", PURPOSES)
def test_a_token_is_good_for_its_purpose_only(link: Link, kind: str, lifetime: timedelta | None) -> None:
    tokens = [write_token(other) for other, _, _ in PURPOSES if type(other) is not type(link)]
    tokens += [f"{kind}.{token.partition('.')[2]}" for token in tokens]  # renamed
    assert {refuse(type(link), token) for token in tokens} == {"forged"}


@each_purpose
def test_what_the_key_of_logins_signed_is_no_link(
    settings_env: Put, link: Link, kind: str, lifetime: timedelta | None
) -> None:
    token = write_token(link)
    settings_env(JWT_SECRET="a" * 40, LINK_KEY="b" * 40)
    assert refuse(type(link), token) == "forged"
    assert refuse(type(link), f"{kind}.{sign(kind, {'contact': str(ID), 'address': 'x'})}") == "forged"


@in_turn("link, kind, lifetime", PURPOSES)
@in_turn(
    "payload",
    [
        *("x", 7, None, [], {}, {"contact": 5, "address": 5}, str(ID), {"alerts": str(ID)}, {"alerts": []}),
        *({"incident": each, "user": str(ID)} for each in (0, 2**63, True, "1")),
        *({"incident": 1}, {"incident": 1, "user": 5}, {"well": "yes"}),
    ],
)
def test_what_carries_something_else_is_forged(
    link: Link, kind: str, lifetime: timedelta | None, payload: Any
) -> None:
    assert refuse(type(link), f"{kind}.{sign(kind, payload, 'link_key')}") == "forged"


def test_one_token_stops_either_alerts_or_a_group(frozen: time_machine.Traveller) -> None:
    for link in (StopAlerts((ID,)), StopGroup(ID, "digest", MessageGroup.DESK)):
        assert read_unsubscription(write_token(link)) == link
    old = write_token(StopAlerts((ID,)))
    frozen.shift(31 * DAY)
    for token, reason in ((old, "expired"), (write_token(AnswerAlert(ID)), "forged")):
        with pytest.raises(LinkRefused) as refusal:
            read_unsubscription(token)
        assert refusal.value.reason == reason


def test_links_need_no_key_of_logins(bare: Put) -> None:
    bare(LINK_KEY="a" * 40)
    assert read_token(ShowProof, write_token(ShowProof(ID))) == ShowProof(ID)
    bare(LINK_KEY="", JWT_SECRET="a" * 40)
    with pytest.raises(SettingMissing, match="LINK_KEY is not set"):
        write_token(ShowProof(ID))


# Data of the bot's buttons

ANSWERS = ["found", "too_late", "nothing_there", "stopped", BACK]
WRONG = [
    "", "a", "a:f", "a:f:", "a:x:AAAAAAAAAAAAAAAAAAAAAA", "a:f:AAAAAAAAAAAAAAAAAAAAA", "a:f:AAAAAAAAAAAAAAAAAAAAAAA",
    "a:f:AAAAAAAAAAAAAAAAAAAAAA:", "a:f:AAAAAAAAAAAAAAAAAAAAAA:x", "a:f:AAAAAAAAAAAAAAAAAAAAAA\n", "d:f:*", "d:p:",
    "d:p:**", "l:FR", "l:fra", "l:", "A:f:AAAAAAAAAAAAAAAAAAAAAA", "a:f:AAAAAAAAAAAAAAAAAAAAA\u0661", "\0",
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
@given(key=st.uuids(), match=st.uuids() | st.sampled_from([None, ALL]))
def test_an_answer_is_read_as_it_was_written(answer: str, key: UUID, match: UUID | str | None) -> None:
    data = write_answer_button(answer, shorten_id(key), match)
    assert read_button(data) == AnswerButton(answer, key, match)
    assert len(data.encode()) <= MOST_BYTES


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
@given(alert=st.uuids() | st.just(ALL))
def test_an_action_is_read_as_it_was_written(action: str, alert: UUID | str) -> None:
    data = write_alert_button(action, alert)
    assert read_button(data) == AlertButton(action, alert)
    assert len(data.encode()) <= MOST_BYTES


@in_turn("data", WRONG)
def test_other_data_says_nothing(data: str) -> None:
    assert read_button(data) is None


@given(st.text(max_size=80))
def test_any_text_is_read_without_an_error(data: str) -> None:
    read: BotButton | None = read_button(data)
    assert read is None or data.startswith(("a:", "d:", "l:"))
