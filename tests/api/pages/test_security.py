"""Pages of security: logins, password, second factor; and « Mes données »: the export, and the deletion of the account."""

import re
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pyotp
import pytest
import time_machine

from api.ground.schemas import LostPlan
from api.models.login import Login
from api.models.user import Role, User
from api.pages.account import personal_data
from api.privacy import export_files as jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.clients import Browser, Page
from tests.factories import EMAIL, PASSWORD, add_grant, change, one, rows

NEW = "another horse battery staple"


@pytest.fixture
def elsewhere(camille: Browser, browse: Callable[..., Browser]) -> Browser:
    """Give another browser in which the same user is signed in."""
    assert is_signed_in(camille)
    return browse().sign_in()


def is_signed_in(browser: Browser) -> bool:
    browser.get("/dashboard")
    return browser.status == 200


def test_one_login_is_ended_then_all_others(
    camille: Browser, elsewhere: Browser, browse: Callable[..., Browser]
) -> None:
    change(Login, browser='<script>alert("x")</script>')
    page = camille.get("/securite")
    assert page.text.count('<script>alert("x")</script>') == 2
    camille.send("/securite/connexions/")
    assert "Cette connexion est terminée." in camille.follow().text
    assert not is_signed_in(elsewhere)
    assert is_signed_in(camille)
    camille.page = page
    camille.send("/securite/connexions/")
    assert camille.status == 303
    third = browse().sign_in()
    page = camille.get("/securite")
    for _ in range(2):
        camille.page = page
        camille.send("/securite/autres-connexions")
        assert "Toutes les autres connexions sont terminées." in camille.follow().text
    assert "autres-connexions" not in camille.page.html
    assert not is_signed_in(third)


def test_a_new_password_ends_the_other_logins(camille: Browser, elsewhere: Browser) -> None:
    camille.get("/securite")
    camille.send("/securite/mot-de-passe", password=NEW)
    assert "Votre mot de passe est changé" in camille.follow().text
    assert NEW not in camille.page.html
    assert not is_signed_in(elsewhere)
    elsewhere.get("/login")
    elsewhere.send("/login", email=EMAIL, password=PASSWORD)
    assert elsewhere.status == 422
    elsewhere.send("/login", email=EMAIL, password=NEW)
    assert is_signed_in(elsewhere)


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


def test_new_recovery_codes_replace_the_old_ones_and_go_with_the_second_factor(camille: Browser) -> None:
    old = set_up(camille)
    page = camille.get("/securite")
    new = read_codes(camille.send("/securite/codes"))
    assert (len(new), set(new) & set(old)) == (10, set())
    camille.get("/securite/codes")
    assert camille.location == "/securite"
    camille.page = page
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


@pytest.fixture(autouse=True)
def _store(settings_env: Callable[..., None], tmp_path: Path, app: object) -> None:
    settings_env(EXPORTS_URL=tmp_path)


def test_the_page_says_what_is_known_and_why(camille: Browser, settings_env: Callable[..., None]) -> None:
    page = camille.get("/donnees")
    assert camille.status == 200
    for text in (
        "Mes données",
        "Numéro de téléphone",
        "la loi",
        "Préparer mon archive",
        "Supprimer mon compte",
    ):
        assert text in page.text
    assert "<table" not in page.html, "a table hides its last column on a narrow screen"
    assert page.html.count("<dt>Pourquoi</dt>") == page.html.count("<dt>Jusqu’à quand</dt>") == 8
    for providers, is_named in (("sendgrid", False), ("sendgrid,smtp", True)):
        settings_env(MAIL_PROVIDERS=providers)
        assert ("un second service de courriel" in camille.get("/donnees").text) is is_named


def test_an_export_from_the_press_to_the_download_which_needs_a_recent_proof_as_deletion_does(
    camille: Browser,
) -> None:
    camille.get("/donnees")
    camille.send("/donnees/export")
    assert camille.status == 303
    assert "en préparation" in camille.follow().text
    assert "Préparer mon archive" not in camille.get("/donnees").text
    jobs.make_exports()
    assert "Votre archive est prête" in camille.get("/donnees").text
    answer = camille.client.get("/donnees/export.zip", headers=camille.headers)
    assert (answer.status_code, answer.mimetype) == (200, "application/octet-stream")
    assert "users.json" in ZipFile(BytesIO(answer.data)).namelist()
    change(Login, proven_at=clock() - timedelta(hours=1))
    for path in ("/donnees/export.zip", "/donnees/suppression"):
        answer = camille.client.get(path, headers=camille.headers)
        assert (answer.status_code, "/prove" in str(answer.location)) == (303, True), path


def test_17_with_a_plan_the_box_is_ticked_and_denies_no_withdrawal(camille: Browser) -> None:
    add_grant(one(User).id, PlanName.URGENCE_7J, 3)
    page = camille.get("/donnees/suppression")
    # The box may not deny the right of withdrawal, which outlives the account (L.221-18).
    assert "sans remboursement" not in page.text
    kept = "le lien « renoncer au contrat ici » de l’e-mail de commande marche aussi"
    for text in ("Ce que vous perdez", "URGENCE 7J", "Renoncer ou résilier d’abord", kept):
        assert text in page.text
    answer = camille.send("/donnees/suppression")
    assert camille.status == 422
    assert "Cochez la case" in answer.text
    assert len(rows(User)) == 1
    camille.send("/donnees/suppression", understood="true")
    assert camille.status == 303
    assert rows(User) == []


def test_what_a_waiting_cancellation_pays_back_is_named_and_an_operator_reads_why_not(
    camille: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = LostPlan(
        plan=PlanName.URGENCE_TOTAL, ends_at=clock(), amount=0, refund=1799, currency="eur", renews=False
    )
    monkeypatch.setattr(personal_data, "list_losses", lambda *_: [lost])
    page = camille.get("/donnees/suppression")
    assert "17,99\xa0€ vous sont remboursés" in page.text
    assert "Renoncer ou résilier d’abord" not in page.text
    change(User, role=Role.ADMIN)
    answer = camille.send("/donnees/suppression", understood="true")
    assert camille.status == 422
    assert "Ce compte agit pour d’autres" in answer.text
