"""Pages that need the password once more."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask, render_template_string

from api.pages.area import Access, Area
from tests.api.conftest import _make
from tests.clients import Browser
from tests.factories import PASSWORD, add_account

_PAGE = """{% extends "base.html" %}{% block title %}Secret{% endblock %}{% block main %}<h1>Secret</h1>
<form method="post" action="/secret">{{ csrf_field() }}<button>Oui</button></form>{% endblock %}"""


@pytest.fixture
def browser_with_secret(app: Flask) -> Browser:
    """Give a browser that is signed in, on an app with one page that needs a recent proof."""
    area = Area("secret", __name__)

    @area.page("/secret", Access.PROVEN)
    def show_secret() -> str:
        return render_template_string(_PAGE)

    @area.action("/secret", Access.PROVEN)
    def change_secret() -> str:
        return render_template_string(_PAGE.replace("Secret", "Changed"))

    made = _make()
    made.register_blueprint(area)
    add_account()
    return Browser(made).sign_in()


def test_a_page_asks_for_the_password_where_it_was_given_long_ago(
    frozen: time_machine.Traveller, browser_with_secret: Browser
) -> None:
    browser = browser_with_secret
    assert browser.get("/secret").headings == ["Secret"]
    frozen.shift(timedelta(minutes=6))
    browser.get("/secret")
    page = browser.follow()
    assert page.headings == ["Confirmez que c’est vous"]
    page = browser.send("/prove", password="wrong password")
    assert (browser.status, "Ce mot de passe ou ce code est faux." in page.text) == (422, True)
    browser.send("/prove", password=PASSWORD)
    assert browser.follow().headings == ["Secret"]
    frozen.shift(timedelta(minutes=6))  # with the form open
    page = browser.send("/secret", note="kept")
    assert (browser.status, page.headings) == (403, ["Confirmez que c’est vous"])
    page = browser.send("/prove", password=PASSWORD)
    assert "kept" in page.text
    assert browser.send("/secret").headings == ["Changed"]
