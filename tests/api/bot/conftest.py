"""Camille, whose chat is linked to an account with a plan."""

from collections.abc import Callable

import pytest
import time_machine
from flask.testing import FlaskClient

from configs.world.plan import PlanName
from tests.api.bot.chats import SECRET, BotUser, link_chat
from tests.clients import People, Person

CHAT = 9_876_543_210


@pytest.fixture(autouse=True)
def _webhook(client: FlaskClient, settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_WEBHOOK_SECRET=SECRET, TELEGRAM_BOT_NAME="rdvpriority_bot")


@pytest.fixture
def camille(frozen: time_machine.Traveller, person: People) -> Person:
    return person(plan=PlanName.URGENCE_TOTAL, confirmed=True)


@pytest.fixture
def contact_id(camille: Person) -> object:
    return link_chat(camille, CHAT)


@pytest.fixture
def chat(client: FlaskClient, contact_id: object) -> BotUser:
    """Give Camille's chat, which is linked."""
    return BotUser(client, CHAT)


@pytest.fixture
def stranger(client: FlaskClient) -> BotUser:
    """Give a chat without an account."""
    return BotUser(client, 55_555)
