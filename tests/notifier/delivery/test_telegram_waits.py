"""429 of Telegram: one chat waits, or the whole bot; what a reader asked for never makes the bot wait."""

import json
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
import time_machine

from api.models.notification import State
from api.models.user import Channel
from configs.ground.clock import clock
from notifier.channels.batch_sender import BatchSender
from notifier.channels.provider_base import Acceptance, ProviderResting, RateLimited
from notifier.content.message_kind_base import OutgoingMessage, RenderedMessage
from tests.notifier import world
from tests.notifier.conftest import Posts

YES = 200, b'{"ok": true, "result": {"message_id": 7}}'


def flood(seconds: int) -> tuple[int, bytes]:
    body = {"ok": False, "description": "Too Many Requests", "parameters": {"retry_after": seconds}}
    return 429, json.dumps(body).encode()


@pytest.fixture
def chats(redis_server: redis.Redis, posts: Posts, settings_env: Callable[..., None]) -> Posts:
    """Give a Telegram that answers as a test wants."""
    settings_env(STAND_INS=f"telegram={posts.url}", TELEGRAM_PER_SECOND="1000")
    posts.usual = YES
    return posts


def send(chat: int, *, is_reply: bool = False) -> type[object]:
    """Send a message to a chat; return the class of its answer."""
    said = OutgoingMessage(RenderedMessage(html="a", text="a"), str(chat), [uuid4()], is_reply=is_reply)
    (answer,) = BatchSender(Channel.TELEGRAM, clock() + timedelta(hours=1)).hand_over([said])
    return type(answer)


def test_a_chat_that_was_told_to_wait_is_left_alone_until_then_and_others_are_not(
    chats: Posts, frozen: time_machine.Traveller
) -> None:
    chats.answers = [flood(120)]
    assert send(1) is RateLimited
    assert (send(1), send(2)) == (ProviderResting, Acceptance)
    frozen.shift(timedelta(seconds=119))
    assert send(1) is ProviderResting
    frozen.shift(timedelta(seconds=2))
    assert send(1) is Acceptance


@pytest.mark.parametrize(("seconds", "rest"), [((600, 30, 90), 30), ((600, 700, 800), 60)])
def test_three_chats_that_were_told_to_wait_rest_the_bot_until_one_call_succeeds(
    chats: Posts, frozen: time_machine.Traveller, seconds: tuple[int, ...], rest: int
) -> None:
    chats.answers = [flood(each) for each in seconds]
    assert {send(chat) for chat in (1, 2, 3)} == {RateLimited}
    frozen.shift(timedelta(seconds=rest - 1))
    assert send(4) is ProviderResting
    frozen.shift(timedelta(seconds=2))
    chats.answers = [flood(20)]
    assert [send(chat) for chat in (4, 5, 6)] == [RateLimited, ProviderResting, ProviderResting]
    frozen.shift(timedelta(seconds=21))
    assert [send(chat) for chat in (5, 6, 7)] == [Acceptance] * 3
    assert len(chats.paths) == 7


def test_chats_that_were_told_to_wait_one_after_the_other_do_not_rest_the_bot(
    chats: Posts, frozen: time_machine.Traveller
) -> None:
    for chat in (1, 2, 3, 4):
        chats.answers = [flood(600)]
        assert send(chat) is RateLimited
        frozen.shift(timedelta(seconds=6))
    assert send(5) is Acceptance


def test_answers_to_commands_and_buttons_never_rest_the_bot(chats: Posts) -> None:
    chats.answers = [flood(600)] * 4
    assert {send(chat, is_reply=True) for chat in (1, 2, 3, 4)} == {RateLimited}
    assert (send(5), send(4)) == (Acceptance, ProviderResting)


@pytest.mark.journey
def test_a_bot_that_is_told_to_wait_makes_a_call_a_minute_and_tells_all_once_it_may(
    whole: object, chats: Posts, frozen: time_machine.Traveller
) -> None:
    for number in range(12):
        world.alert(
            world.person(channels=(Channel.TELEGRAM,), addresses={Channel.TELEGRAM: str(5000 + number)})
        )
    chats.usual = flood(600)
    opened = world.slots()
    world.match(str(world.detection(opened)))
    for _ in range(20):
        frozen.shift(timedelta(seconds=30))
        world.confirm(opened)
        world.sweep()
    assert 10 <= len(chats.paths) <= 14
    chats.usual = YES
    for _ in range(20):
        frozen.shift(timedelta(seconds=30))
        world.confirm(opened)
        world.sweep()
    assert len(world.notifications(State.DELIVERED)) == 12
    assert {row.unknown_attempts for row in world.notifications()} == {0}
