import re
from datetime import timedelta

import pyotp
import time_machine

from api.models.user import User
from configs.ground.clock import clock
from tests.clients import Browser, Page
from tests.factories import one


def read_secret(page: Page) -> str:
    found = re.search(r'<code dir="ltr">([A-Z2-7 ]+)</code>', page.html)
    assert found
    return found.group(1).replace(" ", "")


def read_codes(page: Page) -> list[str]:
    return re.findall(r"<code>([a-z2-9]{5}-[a-z2-9]{5})</code>", page.html)


def set_up(browser: Browser) -> list[str]:
    page = browser.get("/securite/application")
    code = pyotp.TOTP(read_secret(page)).at(clock())
    return read_codes(browser.send("/securite/application", code=code))


def has_factor() -> bool:
    return one(User).has_second_factor


def test_a_second_factor_is_set_up_by_a_qr_code(camille: Browser) -> None:
    page = camille.get("/securite/application")
    secret = read_secret(page)
    assert "<svg viewBox=" in page.html
    code = pyotp.TOTP(secret).at(clock())
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    form = camille.send("/securite/application", code=wrong)
    assert (camille.status, "Ce n’est pas le code" in form.text) == (422, True)
    assert (read_secret(form), wrong in form.html, has_factor()) == (secret, False, False)
    page = camille.send("/securite/application", code=code)
    assert (camille.status, len(read_codes(page)), has_factor()) == (200, 10, True)
    assert camille.response.headers["Cache-Control"] == "no-store"
    camille.page = form
    camille.send("/securite/application", code=code)
    page = camille.follow()
    assert "Le second facteur est déjà en place." in page.text
    assert read_codes(page) == []
    camille.get("/securite/application")  # another language chosen on the page of the codes
    assert camille.location == "/securite"


def test_new_recovery_codes_replace_the_old_ones(camille: Browser) -> None:
    old = set_up(camille)
    hashes = set(one(User).recovery_hashes)
    camille.get("/securite")
    new = read_codes(camille.send("/securite/codes"))
    assert (len(new), set(new) & set(old)) == (10, set())
    assert len(one(User).recovery_hashes) == 10
    assert not hashes & set(one(User).recovery_hashes)
    camille.get("/securite/codes")
    assert camille.location == "/securite"


def test_the_second_factor_is_removed(camille: Browser) -> None:
    set_up(camille)
    page = camille.get("/securite")
    camille.send("/securite/sans-application")
    assert "Le second facteur est retiré." in camille.follow().text
    assert (has_factor(), one(User).recovery_hashes) == (False, [])
    camille.page = page
    camille.send("/securite/codes")
    assert "Ce compte n’a pas de second facteur." in camille.follow().text


def test_an_old_or_foreign_setup_begins_again(camille: Browser) -> None:
    for setup in ("", '"><script>alert(1)</script>', "a" * 10_000):
        camille.get("/securite/application")
        camille.send("/securite/application", setup=setup, code="000000")
        page = camille.follow()
        assert "Trop de temps a passé : commencez de nouveau." in page.text
        assert "<script>alert" not in page.html


def test_each_change_needs_a_recent_proof(frozen: time_machine.Traveller, camille: Browser) -> None:
    camille.get("/securite/application")
    setup_page = camille.page
    set_up(camille)
    page = camille.get("/securite")
    frozen.shift(timedelta(minutes=6))
    for action in ("/securite/codes", "/securite/sans-application", "/securite/mot-de-passe"):
        camille.page = page
        camille.send(action)
        assert camille.status == 403, action
    camille.page = setup_page
    asked = camille.send("/securite/application", code="000000")
    assert camille.status == 403
    assert read_secret(setup_page) not in asked.html
    assert has_factor()
