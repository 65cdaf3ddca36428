import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from api.models.contact_linking import TelegramLink
from api.models.user import Channel, Contact
from tests.clients import Browser
from tests.factories import add_account, change, rows

CHAT = "9876543210"
NAME = '<script>alert("x")</script> Camille'


@pytest.fixture(autouse=True)
def _bot(app: Flask, settings_env: Callable[..., None]) -> None:
    settings_env(TELEGRAM_BOT_NAME="rdvpriority_bot")


def press_start() -> None:
    change(TelegramLink, chat_id=CHAT, chat_name=NAME)


def poll(browser: Browser, **headers: str) -> Any:
    accepted = {"Accept": "application/json"} | headers
    return browser.client.get("/canaux/telegram/etat", headers=accepted)


def test_a_chat_is_linked_by_link_or_qr_code(camille: Browser) -> None:
    camille.get("/canaux")
    page = camille.send("/canaux/telegram")
    (url,) = set(re.findall(r'href="(https://t\.me/rdvpriority_bot\?start=[\w-]{22})"', page.html))
    assert 'role="img"' in page.html
    assert "<svg viewBox=" in page.html
    assert url not in camille.get("/canaux/telegram").html  # shown once
    waiting = poll(camille)
    assert (waiting.json["stop"], "Nous attendons" in waiting.json["parts"]["state"]) == (False, True)
    assert poll(camille, **{"If-None-Match": waiting.headers["ETag"]}).status_code == 304
    assert waiting.headers["Cache-Control"] == "no-store"
    press_start()
    started = poll(camille)
    assert started.json["stop"]
    assert "<script>" not in started.json["parts"]["state"]
    page = camille.get("/canaux/telegram")
    assert NAME in page.text
    assert NAME not in page.html
    camille.send("/canaux/telegram/confirmer")
    assert "Telegram est lié." in camille.follow().text
    assert CHAT in [each.address for each in rows(Contact)]
    camille.send("/canaux/telegram/retirer")
    assert "Telegram est retiré." in camille.follow().text
    assert [each.channel for each in rows(Contact)] == [Channel.EMAIL]


def test_a_confirmation_sent_twice_says_what_became_of_it(camille: Browser) -> None:
    camille.get("/canaux")
    camille.send("/canaux/telegram")
    press_start()
    form = camille.get("/canaux/telegram")
    camille.send("/canaux/telegram/confirmer")
    camille.page = form
    camille.send("/canaux/telegram/confirmer")
    page = camille.follow()
    assert "il a déjà servi" in page.text
    assert "Retirer Telegram" in page.text


def test_the_link_of_another_user_does_not_show(camille: Browser, browse: Callable[..., Browser]) -> None:
    camille.get("/canaux")
    camille.send("/canaux/telegram")
    press_start()
    add_account("other@example.org")
    other = browse()
    other.get("/login")
    other.send("/login", email="other@example.org", password="correct horse battery")
    assert "Camille" not in other.get("/canaux/telegram").text
    assert poll(other).json["parts"]["state"].strip().startswith("<p>Aucun lien")
