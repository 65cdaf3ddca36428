"""The sign-in of pages, and forms that outlive a session: what was typed is resumed after a new sign-in."""

from datetime import timedelta

import flask
import pyotp
import time_machine
from flask import Flask, Response, g

from api.models.login import Login
from api.models.notification import Notification
from api.models.user import Contact, User
from api.pages.cookies import add_notice
from configs.ground.clock import clock
from tests.api.world import Door
from tests.clients import Browser, Page, People
from tests.factories import EMAIL, PASSWORD, add_account, change, rows


def test_an_account_changes_nothing_before_its_address_is_confirmed(visitor: Browser, door: Door) -> None:
    add_account(confirmed=False)
    visitor.sign_in()
    visitor.get("/profil")
    visitor.send("/profil/reglages", language="ar", timeZone="Asia/Tokyo", outageCredit="refund")
    page = visitor.follow()
    assert "Confirmez d’abord votre adresse e-mail" in page.text
    (user,) = rows(User)
    assert (user.language, user.time_zone) == ("fr", "Europe/Paris")
    visitor.send("/confirm")
    assert len(door.nudged) == 1


def test_checkout_leads_back_here_when_it_was_left_and_a_wish_without_a_plan_to_a_new_alert(
    visitor: Browser,
) -> None:
    assert visitor.get("/register?payment=cancelled").headings == ["Rien n’a été payé"]
    assert visitor.get("/register?payment=cancelled%0d%0aSet-Cookie:%20a=b").headings == ["Créer un compte"]
    page = visitor.get("/register?prefecture=bobigny_93&procedure=TITRE_SEJOUR")
    assert "alert_pages.show_new_alert" in page.html


def test_a_user_signs_in_and_out(visitor: Browser) -> None:
    add_account()
    page = visitor.sign_in().page
    assert page.headings == ["Mes alertes"]
    assert visitor.response.headers["Cache-Control"] == "no-store"
    visitor.send("/logout")
    assert "Vous êtes déconnecté." in visitor.follow().text
    assert [login.ended_because for login in rows(Login)] == ["logged_out"]
    visitor.get("/dashboard")
    assert visitor.location.startswith("/login")


def test_a_visitors_form_and_a_notice_outlive_a_step_of_the_clock(
    visitor: Browser, frozen: time_machine.Traveller
) -> None:
    add_account()
    visitor.get("/login")
    frozen.shift(timedelta(seconds=-5))
    visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert visitor.follow().headings == ["Mes alertes"]
    visitor.send("/logout")
    frozen.shift(timedelta(seconds=-1))
    assert "Vous êtes déconnecté." in visitor.follow().text


def test_a_form_that_was_open_for_hours_is_shown_again_also_with_rubbish_as_its_cookie(
    visitor: Browser, frozen: time_machine.Traveller
) -> None:
    visitor.get("/login")
    frozen.shift(timedelta(hours=13))
    visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert visitor.status == 403
    for rubbish in ("x", "é", ".a.b", "." * 4000, "eyJ9.AAAAAAAAAAAAAAAAAAAAAAAA.x", '"\\355\\240\\200"'):
        visitor.cookies = {"__Host-session": rubbish}
        assert visitor.get("/login").headings == ["Se connecter"]


def test_a_public_page_sets_no_cookie_whatever_is_written_into_the_session(app: Flask) -> None:
    for access, cookies in (("public", 0), ("visitor", 1)):
        with app.test_request_context("/"):
            g.access = access
            add_notice("done", "C’est enregistré.")
            answer = Response()
            app.session_interface.save_session(app, flask.session, answer)
            assert len(answer.headers.getlist("Set-Cookie")) == cookies


def test_the_cookies_open_nothing_of_the_api_and_a_bearer_token_no_page(
    camille: Browser, person: People
) -> None:
    assert camille.client.get("/api/auth/me").status_code == 401
    camille.client.delete_cookie("__Host-access")
    camille.client.delete_cookie("__Host-refresh")
    headers = person("robin@example.org").headers
    assert camille.client.get("/dashboard", headers=headers).status_code == 303


def test_a_second_factor_is_asked_for(visitor: Browser) -> None:
    add_account()
    factor = pyotp.TOTP(pyotp.random_base32())
    change(User, totp_secret=factor.secret, totp_confirmed_at=clock())
    visitor.get("/login?next=dashboard.show_dashboard?payment=success")
    page = visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert page.headings == ["Votre code"]
    assert rows(Login) == []
    page = visitor.send("/login/code", code="000000")
    assert (visitor.status, "Ce code est faux" in page.text) == (422, True)
    visitor.send("/login/code", code=factor.at(clock()))
    assert visitor.location == "/dashboard?payment=success"


def test_the_target_is_a_page_of_ours_or_the_dashboard(visitor: Browser) -> None:
    add_account()
    for target in (
        "https://evil.example", "//evil.example", "dashboard.show_dashboard?_external=1&_scheme=javascript",
        "logins.login", "assets.send_asset?version=x&name=y",
    ):  # fmt: skip
        visitor.get("/login")
        visitor.send("/login", email=EMAIL, password=PASSWORD, next=target)
        assert visitor.location == "/dashboard", target


def test_a_page_that_needs_a_login_is_opened_after_it(visitor: Browser) -> None:
    add_account()
    visitor.get("/dashboard?payment=success&plan=URGENCE_7J&lang=en")
    assert visitor.status == 303
    visitor.follow()
    visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert "payment=success" in visitor.location
    assert "plan=URGENCE_7J" in visitor.location


def test_guesses_at_an_account_end_in_a_page(visitor: Browser) -> None:
    add_account()
    visitor.get("/login")
    for _ in range(10):
        visitor.send("/login", email=EMAIL, password="wrong password")
    page = visitor.send("/login", email=EMAIL, password=PASSWORD)
    assert (visitor.status, page.headings) == (429, ["Trop de demandes"])


def test_a_page_asks_for_the_password_where_it_was_given_long_ago(
    frozen: time_machine.Traveller, camille: Browser
) -> None:
    camille.get("/donnees/suppression")
    assert camille.status == 200
    opened = camille.get("/profil")
    frozen.shift(timedelta(minutes=6))
    camille.get("/donnees/suppression")
    page = camille.follow()
    assert page.headings == ["Confirmez que c’est vous"]
    page = camille.send("/prove", password="wrong password")
    assert (camille.status, "Ce mot de passe ou ce code est faux." in page.text) == (422, True)
    camille.send("/prove", password=PASSWORD)
    assert camille.location.startswith("/donnees/suppression")
    frozen.shift(timedelta(minutes=6))
    camille.page = opened
    page = camille.send("/profil/adresse", email="new@example.org")
    assert (camille.status, page.headings) == (403, ["Confirmez que c’est vous"])
    page = camille.send("/prove", password=PASSWORD)
    assert page.headings == ["Changer l’adresse pour new@example.org ?"]
    assert "autre compte" not in page.text
    camille.send("/profil/adresse")
    assert "new@example.org la remplacera" in camille.follow().text


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
    assert "autre compte" not in page.text
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


def test_a_visitors_form_needs_the_token_of_this_browser(visitor: Browser) -> None:
    add_account()
    stranger = Browser(visitor.client.application)
    stolen = stranger.get("/login").find_form("/login")["fields"]["csrf_token"]
    visitor.get("/login")
    page = visitor.send("/login", email=EMAIL, password=PASSWORD, csrf_token=stolen)
    assert (visitor.status, page.headings) == (403, ["Envoyez encore une fois"])
    assert PASSWORD not in page.html
