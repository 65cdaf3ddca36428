"""A visitor and a user, in French: the way from the first page to an account, and from there to an alert and out again."""

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

from api.models.user import User
from configs.world.plan import PlanName
from tests.browser.arrival import list_faults
from tests.browser.content import PLACE, write_history
from tests.factories import PASSWORD, add_grant, rows

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

pytestmark = pytest.mark.xdist_group("browser")
EMAIL = "camille@example.org"
_LINK = re.compile(r"http://\S+/l/verify\.[\w.-]+")


def main(page: Page) -> Locator:
    return page.get_by_role("main")


def arrive(page: Page, heading: str) -> None:
    """Wait for a page by its heading, and check it."""
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(f"^{re.escape(heading)}"))
    assert list_faults(page) == []


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def follow(page: Page, link: str) -> None:
    page.get_by_role("link", name=link, exact=True).click()


def sign_in(page: Page) -> None:
    page.get_by_label("Adresse e-mail").fill(EMAIL)
    page.get_by_label("Mot de passe").fill(PASSWORD)
    main(page).get_by_role("button", name="Se connecter").click()


def grant_plan() -> None:
    (user,) = rows(User)
    add_grant(user.id, PlanName.URGENCE_24H)


@pytest.mark.journey
def test_a_visitor_finds_the_advice_and_the_form_of_an_account(page: Page) -> None:
    write_history()
    page.goto("/")
    arrive(page, "Un créneau s’ouvre en préfecture")
    page.get_by_label("Département").select_option("93")
    page.get_by_label("Démarche").select_option("titre-sejour")
    press(page, "Voir ce qui est surveillé")
    arrive(page, "Titre de séjour – Seine-Saint-Denis (93)")
    expect(main(page)).to_contain_text("80 secondes")
    advice = page.url
    follow(page, "Carte")
    arrive(page, "Carte")
    page.get_by_role("link", name=re.compile("Seine-Saint-Denis")).first.click()
    arrive(page, "Seine-Saint-Denis (93)")
    page.goto(advice)
    main(page).get_by_role("link", name=re.compile("^Choisir")).first.click()
    arrive(page, "Créer un compte")
    press(page, "Créer mon compte")  # empty: the browser itself asks for the address
    expect(page.get_by_label("Adresse e-mail")).to_be_focused()


@pytest.mark.journey
def test_a_user_registers_creates_an_alert_and_signs_out(page: Page, sandbox: "Running") -> None:
    write_history()
    page.goto(f"/register?prefecture={PLACE}&procedure=TITRE_SEJOUR")
    page.get_by_label("Adresse e-mail").fill(EMAIL)
    page.get_by_label("Mot de passe").fill("short")
    page.get_by_label("Mot de passe").evaluate("field => field.removeAttribute('minlength')")
    press(page, "Créer mon compte")
    arrive(page, "Créer un compte")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_label("Mot de passe").fill(PASSWORD)
    press(page, "Créer mon compte")
    arrive(page, "Confirmez votre adresse")
    (mail,) = sandbox.messages("email")
    link = _LINK.search(mail.text)
    assert link, mail.text
    page.goto(link[0])
    arrive(page, "Confirmer votre adresse ?")
    press(page, "Oui, confirmer mon adresse")
    arrive(page, "Votre adresse est confirmée")
    follow(page, "Revenir à mon compte")
    arrive(page, "Se connecter")
    sign_in(page)
    arrive(page, "Mes alertes")
    follow_alert(page)
    follow(page, "Canaux")
    arrive(page, "Canaux")
    press(page, "Se déconnecter")
    arrive(page, "Se connecter")


def follow_alert(page: Page) -> None:
    """Create an alert: without a plan the form shows the plans, with one the alert's page follows."""
    page.goto(f"/alertes/nouvelle?prefecture={PLACE}&procedure=TITRE_SEJOUR")
    arrive(page, "Nouvelle alerte")
    press(page, "Créer l’alerte")
    arrive(page, "Nouvelle alerte")
    expect(main(page)).to_contain_text("Pour surveiller, il faut une formule")
    grant_plan()
    press(page, "Créer l’alerte")
    arrive(page, "Seine-Saint-Denis (93)")
    expect(page.get_by_role("status")).to_contain_text("Votre alerte est créée.")
    expect(main(page)).to_contain_text("Pas encore de créneau.")
