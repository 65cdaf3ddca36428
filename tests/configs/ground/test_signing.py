"""Signed tokens and links: for one purpose, for a time, by our key; what is encrypted at rest."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from api.models import bot_buttons
from configs.ground import encryption, signing
from configs.ground.message_groups import MessageGroup
from configs.ground.signing import LinkRefused, sign, unsign
from configs.settings import SettingMissing
from tests.in_turn import in_turn

Put = Callable[..., None]
ID = UUID("01890000-0000-7000-8000-000000000001")
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
# Each purpose, the word of its kind, and how long its token is good; None: for ever.
PURPOSES: list[tuple[signing.Link, str, timedelta | None]] = [
    (signing.VerifyAddress(ID, "digest"), "verify", 30 * DAY),
    (signing.VerifyAddress(ID, "digest", registration=ID, new=3), "verify", 30 * DAY),
    (signing.ResetPassword(ID, "digest", "digest"), "reset", HOUR),
    (signing.KeepSecondFactor(ID, 7), "factor", None),
    (signing.OpenPortal(ID, "digest"), "portal", 30 * DAY),
    (signing.RefundClosedDesk(ID, "digest", ID), "closed-desk", 30 * DAY),
    (signing.StopGroup(ID, "digest", MessageGroup.NEWS), "unsubscribe", 30 * DAY),
    (signing.StopAlerts((ID,)), "stop", 30 * DAY),
    (signing.StopAlerts((ID, uuid4())), "stop", 30 * DAY),
    (signing.AnswerAlert(ID), "answer", 30 * DAY),
    (signing.ReportLook(ID), "look", HOUR),
    (signing.OpenPage(ID), "page", HOUR),
    (signing.MoveReminders(ID), "reminder", 30 * DAY),
    (signing.TellHowItWent(ID, well=False), "went", 30 * DAY),
    (signing.AcknowledgeIncident(1, ID), "incident", 30 * DAY),
    (signing.ShowProof(ID), "proof", HOUR),
    (signing.ConfirmDeclaration(ID), "declaration", 400 * DAY),
    (signing.ConfirmCancellation(ID), "resiliation", 500 * DAY),
    (signing.WithdrawOrder(ID), "withdraw", None),
    (signing.CancelOrder(ID), "cancel", None),
]

each_purpose = pytest.mark.parametrize(("link", "kind", "lifetime"), PURPOSES)


def refuse(kind: type[signing.Link], token: str) -> str:
    with pytest.raises(LinkRefused) as refusal:
        signing.read_token(kind, token)
    return refusal.value.reason


@each_purpose
def test_a_token_carries_what_was_written_for_its_time(
    frozen: time_machine.Traveller, link: signing.Link, kind: str, lifetime: timedelta | None
) -> None:
    token = signing.write_token(link)
    assert signing.find_kind(token) is type(link)
    frozen.shift(lifetime or 10 * YEAR)
    assert signing.read_token(type(link), token) == link
    frozen.shift(timedelta(seconds=1))
    assert lifetime is None or refuse(type(link), token) == "expired"


@in_turn("link, kind, lifetime", PURPOSES)
def test_a_token_is_good_for_its_purpose_only(
    link: signing.Link, kind: str, lifetime: timedelta | None
) -> None:
    tokens = [signing.write_token(other) for other, _, _ in PURPOSES if type(other) is not type(link)]
    tokens += [f"{kind}.{token.partition('.')[2]}" for token in tokens]  # renamed
    assert {refuse(type(link), token) for token in tokens} == {"forged"}


@each_purpose
def test_what_the_key_of_logins_signed_is_no_link(
    settings_env: Put, link: signing.Link, kind: str, lifetime: timedelta | None
) -> None:
    token = signing.write_token(link)
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
    link: signing.Link, kind: str, lifetime: timedelta | None, payload: Any
) -> None:
    assert refuse(type(link), f"{kind}.{sign(kind, payload, 'link_key')}") == "forged"


def test_one_token_stops_either_alerts_or_a_group(frozen: time_machine.Traveller) -> None:
    for link in (signing.StopAlerts((ID,)), signing.StopGroup(ID, "digest", MessageGroup.DESK)):
        assert signing.read_unsubscription(signing.write_token(link)) == link
    old = signing.write_token(signing.StopAlerts((ID,)))
    frozen.shift(31 * DAY)
    for token, reason in (
        (old, "expired"),
        (signing.write_token(signing.AnswerAlert(ID)), "forged"),
    ):
        with pytest.raises(LinkRefused) as refusal:
            signing.read_unsubscription(token)
        assert refusal.value.reason == reason


def test_links_need_no_key_of_logins(bare: Put) -> None:
    bare(LINK_KEY="a" * 40)
    link = signing.ShowProof(ID)
    assert signing.read_token(signing.ShowProof, signing.write_token(link)) == link
    bare(LINK_KEY="", JWT_SECRET="a" * 40)
    with pytest.raises(SettingMissing, match="LINK_KEY is not set"):
        signing.write_token(link)


# Data of the bot's buttons

ANSWERS = ["found", "too_late", "nothing_there", "stopped", bot_buttons.BACK]
WRONG = [
    "", "a", "a:f", "a:f:", "a:x:AAAAAAAAAAAAAAAAAAAAAA", "a:f:AAAAAAAAAAAAAAAAAAAAA", "a:f:AAAAAAAAAAAAAAAAAAAAAAA",
    "a:f:AAAAAAAAAAAAAAAAAAAAAA:", "a:f:AAAAAAAAAAAAAAAAAAAAAA:x", "a:f:AAAAAAAAAAAAAAAAAAAAAA\n", "d:f:*", "d:p:",
    "d:p:**", "l:FR", "l:fra", "l:", "A:f:AAAAAAAAAAAAAAAAAAAAAA", "a:f:AAAAAAAAAAAAAAAAAAAAA\u0661", "\0",
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
@given(key=st.uuids(), match=st.uuids() | st.sampled_from([None, bot_buttons.ALL]))
def test_an_answer_is_read_as_it_was_written(answer: str, key: UUID, match: UUID | str | None) -> None:
    data = bot_buttons.write_answer_button(answer, bot_buttons.shorten_id(key), match)
    assert bot_buttons.read_button(data) == bot_buttons.AnswerButton(answer, key, match)
    assert len(data.encode()) <= bot_buttons.MOST_BYTES


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
@given(alert=st.uuids() | st.just(bot_buttons.ALL))
def test_an_action_is_read_as_it_was_written(action: str, alert: UUID | str) -> None:
    data = bot_buttons.write_alert_button(action, alert)
    assert bot_buttons.read_button(data) == bot_buttons.AlertButton(action, alert)
    assert len(data.encode()) <= bot_buttons.MOST_BYTES


@pytest.mark.parametrize("seen", ["open", "slots", "none", "unseen"])
@given(desk=st.text(max_size=200))
def test_a_look_is_read_as_it_was_written(seen: str, desk: str) -> None:
    data = bot_buttons.write_look_button(seen, desk)
    assert bot_buttons.read_button(data) == bot_buttons.LookButton(seen, bot_buttons.digest_desk(desk))
    assert len(data.encode()) <= bot_buttons.MOST_BYTES


@in_turn("data", WRONG)
def test_other_data_says_nothing(data: str) -> None:
    assert bot_buttons.read_button(data) is None


@given(st.text(max_size=80))
def test_any_text_is_read_without_an_error(data: str) -> None:
    read: bot_buttons.BotButton | None = bot_buttons.read_button(data)
    assert read is None or data.startswith(("a:", "d:", "l:"))


# Tokens for one scope, and encryption

ALERT = {"alert": "0190a3c2-1111-7222-8333-444455556666"}


def _reason(scope: str, token: str, age: float = 60) -> str:
    with pytest.raises(LinkRefused) as caught:
        unsign(scope, token, age)
    assert caught.value.reason in str(caught.value)
    return caught.value.reason


def test_a_token_of_the_previous_key_is_good_and_the_new_key_signs(settings_env: Callable[..., None]) -> None:
    old, new = "the-old-key-the-old-key-the-old-key-1", "the-new-key-the-new-key-the-new-key-2"
    settings_env(JWT_SECRET=old)
    token = sign("stop", ALERT)
    settings_env(JWT_SECRET=new, JWT_SECRET_PREVIOUS=old)
    assert unsign("stop", token, 60) == ALERT
    following = sign("stop", ALERT)
    settings_env(JWT_SECRET=old, JWT_SECRET_PREVIOUS="")
    assert _reason("stop", following) == "forged"
    settings_env(JWT_SECRET=new)
    assert unsign("stop", following, 60) == ALERT
    assert _reason("stop", token) == "forged"


@in_turn("token", ["", ".", "..", "a.b.c", "é", "\ud800", "\0", "a" * 10_000])
def test_what_is_no_token_is_forged(token: str) -> None:
    assert _reason("stop", token) == "forged"


@given(st.data())
def test_a_token_that_was_touched_is_forged(data: st.DataObject) -> None:
    token = sign("stop", ALERT)
    at = data.draw(st.integers(0, len(token) - 2))  # the last sign has two bits that base64 ignores
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != token[at]))
    assert _reason("stop", token[:at] + other + token[at + 1 :]) == "forged"


OLD = "old-key-old-key-old-key-old-key-old-key"
NEW = "new-key-new-key-new-key-new-key-new-key"
PHONE = "+33612345678"


def test_the_first_key_encrypts_and_all_decrypt(settings_env: Put) -> None:
    settings_env(DATA_KEYS=OLD)
    before = encryption.encrypt(PHONE)
    settings_env(DATA_KEYS=f"{NEW}, {OLD}")
    after = encryption.encrypt(PHONE)
    assert {encryption.decrypt(each) for each in (before, after)} == {PHONE}
    assert (encryption.is_newest(before), encryption.is_newest(after)) == (False, True)
    settings_env(DATA_KEYS=NEW)
    assert encryption.decrypt(after) == PHONE
    with pytest.raises(encryption.DecryptionFailed):
        encryption.decrypt(before)


@in_turn("text", ["", "x", PHONE, "gAAAAA", "é", "\0"])
def test_what_nobody_encrypted_is_refused(text: str) -> None:
    with pytest.raises(encryption.DecryptionFailed):
        encryption.decrypt(text)


def test_a_look_up_tries_all_keys_and_the_first_is_written(settings_env: Put) -> None:
    settings_env(LOOKUP_KEY=OLD)
    before = encryption.lookup_hashes(PHONE)[0]
    settings_env(LOOKUP_KEY=f"{NEW},{OLD}")
    assert encryption.lookup_hashes(PHONE)[1] == before
    assert encryption.lookup_hashes(PHONE)[0] != before
    assert encryption.lookup_hashes("sms:1") != encryption.lookup_hashes("telegram:1")
    assert len(before) == 32


def test_the_keys_of_both_purposes_differ(settings_env: Put) -> None:
    settings_env(DATA_KEYS=OLD, LOOKUP_KEY=OLD)
    first = encryption.lookup_hashes(PHONE)[0]
    settings_env(DATA_KEYS=NEW)
    assert encryption.lookup_hashes(PHONE)[0] == first
