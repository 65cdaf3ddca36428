"""Forms and pages whose session ended, or was renewed by another tab."""

from datetime import timedelta

import time_machine

from api.models.notification import Notification
from api.models.user import Contact
from configs.ground.clock import clock
from tests.clients import Browser, Page
from tests.factories import EMAIL, PASSWORD, add_account, change, rows


def test_an_old_access_cookie_is_renewed_by_the_page(
    visitor: Browser, frozen: time_machine.Traveller
) -> None:
    add_account()
    visitor.sign_in()
    before = visitor.client.get_cookie("__Host-refresh")
    frozen.shift(timedelta(hours=1))
    assert visitor.get("/dashboard").headings == ["Mes alertes"]
    after = visitor.client.get_cookie("__Host-refresh")
    assert before
    assert after
    assert before.value != after.value
    visitor.get("/dashboard")
    assert "Set-Cookie" not in visitor.response.headers


def test_two_tabs_renew_once(visitor: Browser, frozen: time_machine.Traveller) -> None:
    add_account()
    visitor.sign_in()
    old = visitor.client.get_cookie("__Host-refresh")
    assert old
    visitor.forget_access()
    visitor.get("/dashboard")
    first = visitor.client.get_cookie("__Host-refresh")
    visitor.forget_access()
    visitor.client.set_cookie("__Host-refresh", old.value)
    frozen.shift(timedelta(seconds=5))
    assert visitor.get("/dashboard").headings == ["Mes alertes"]
    second = visitor.client.get_cookie("__Host-refresh")
    assert first
    assert second
    assert first.value == second.value


def test_a_form_open_in_another_tab_survives_the_renewal(
    visitor: Browser, frozen: time_machine.Traveller
) -> None:
    add_account(confirmed=False)
    visitor.sign_in()
    frozen.shift(timedelta(hours=1))  # the dashboard is open since then
    other = Browser(visitor.client.application)
    other.client = visitor.client
    other.get("/dashboard")
    visitor.send("/confirm")
    assert "Un message est en route" in visitor.follow().text


def test_a_form_without_the_logins_token_is_shown_again_and_changes_nothing(visitor: Browser) -> None:
    add_account(confirmed=False)
    visitor.sign_in()
    for token in ("", "é"):
        page = visitor.send("/confirm", csrf_token=token, note="<b>mine</b>")
        assert (visitor.status, page.headings) == (403, ["Envoyez encore une fois"])
        assert "<b>mine</b>" in page.text
    assert rows(Notification) == []
    visitor.send("/confirm")
    assert visitor.status == 303


def test_a_form_whose_session_ended_goes_through_the_sign_in(visitor: Browser) -> None:
    add_account(confirmed=False)
    page = lose_session(visitor, note="à garder", password="never kept")
    assert page.headings == ["Se connecter"]
    assert "Ce que vous avez écrit est gardé" in page.text
    page = visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert page.headings == ["Envoyez encore une fois"]
    assert "à garder" in page.text
    assert "never kept" not in page.html
    visitor.send("/confirm")
    assert "Un message est en route" in visitor.follow().text


def lose_session(browser: Browser, **fields: str) -> Page:
    """Send a form whose session ended; return what answers it."""
    browser.sign_in()
    for name in ("__Host-access", "__Host-refresh"):
        browser.client.delete_cookie(name)
    page = browser.send("/confirm", **fields)
    assert browser.status == 401
    return page


def test_another_account_that_signs_in_sees_and_sends_nothing_of_the_form(visitor: Browser) -> None:
    add_account(confirmed=False)
    add_account("other@example.org", confirmed=False)
    lose_session(visitor, note="à garder")
    visitor.send("/login", email="other@example.org", password=PASSWORD)
    page = visitor.follow()
    assert page.headings == ["Mes alertes"]
    assert "venait d’un autre compte" in page.text
    assert "à garder" not in page.html
    assert rows(Notification) == []


def test_a_form_without_a_token_of_the_account_is_not_kept(visitor: Browser) -> None:
    """Another site could have made it, and have it sent by the press after the sign-in."""
    add_account(confirmed=False)
    for token in ("", "é"):
        lose_session(visitor, note="forged", csrf_token=token)
        visitor.send("/login", email=EMAIL, password=PASSWORD)
        assert "forged" not in visitor.follow().html


def test_other_languages_of_a_refused_form_are_those_of_its_page(visitor: Browser) -> None:
    add_account(confirmed=False)
    page = lose_session(visitor)
    assert [at["href"] for _, at in page.tags if at.get("hreflang") == "en"] == ["/confirm?lang=en"]
    change(Contact, Contact.address == EMAIL, verified_at=clock())
    visitor.sign_in()
    visitor.get("/profil")
    page = visitor.send("/profil/adresse", email="nothing")
    (link,) = (at["href"] for _, at in page.tags if at.get("hreflang") == "ar")
    assert visitor.get(link).headings == ["الملف الشخصي"]


def test_a_form_too_large_to_keep_says_so_and_a_script_is_told_that_the_login_ended(visitor: Browser) -> None:
    add_account(confirmed=False)
    page = lose_session(visitor, note="x" * 20_000)
    assert "remplissez le formulaire de nouveau" in page.text
    answer = visitor.client.get("/dashboard", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert visitor.location == "/dashboard"


def test_a_visitors_form_needs_the_token_of_this_browser(
    visitor: Browser, frozen: time_machine.Traveller
) -> None:
    add_account()
    stranger = Browser(visitor.client.application)
    stolen = stranger.get("/login").find_form("/login")["fields"]["csrf_token"]
    visitor.get("/login")
    page = visitor.send("/login", email=EMAIL, password=PASSWORD, csrf_token=stolen)
    assert (visitor.status, page.headings) == (403, ["Envoyez encore une fois"])
    assert PASSWORD not in page.html
    page = visitor.get("/login")
    frozen.shift(timedelta(days=1))
    visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert visitor.status == 403
