"""An operator's evening: an incident, its host stopped, the alarm acknowledged, the host released; a replay, a refund."""

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import expect

from configs.world.prefecture import desks
from deploy.local.stack import Stack
from tests.browser.journeys.conftest import MakePerson
from tests.browser.journeys.seats import FRENCH_KEYBOARD, FRENCH_NARROW_BARE, FRENCH_WIDE, MARKS, Seat
from tests.browser.navigators import declarations, operators, plan
from tests.browser.navigators.person import Person
from tests.waiting import until
from tests.whole.visitor import LOOK, set_mode

pytestmark = MARKS
# Each seat has a site of its own, for which no other journey waits.
SITES = [
    pytest.param(FRENCH_WIDE, "creteil_94/naturalisation", id=str(FRENCH_WIDE)),
    pytest.param(FRENCH_NARROW_BARE, "cergy_95/titre-sejour-remise", id=str(FRENCH_NARROW_BARE)),
    pytest.param(FRENCH_KEYBOARD, "melun_77/naturalisation", id=str(FRENCH_KEYBOARD)),
]
_WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"], "name": "Essai"}


@pytest.fixture
def healthy(stack: Stack) -> Iterator[None]:
    """Let providers answer again, whatever the test left."""
    yield
    set_mode(stack, "email", "normal")


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize(("seat", "desk"), SITES)
def test_an_operator_repairs_and_the_audit_tells_it(
    stack: Stack, make_person: MakePerson, seat: Seat, desk: str
) -> None:
    customer = make_person(FRENCH_WIDE)
    plan.become_customer(customer)
    operator = make_person(seat)
    operators.join_as_admin(operator)
    operators.open_status(operator)
    repair_a_site(operator, desk)
    replay_a_message(stack, operator, customer)
    give_money_back(operator, customer)
    see_the_audit(operator)


def repair_a_site(operator: Person, desk: str) -> None:
    """Have a desk checked whose site shows a captcha; stop the site, acknowledge, and let it go."""
    host = desks()[desk].host
    set_site_mode(host, "captcha")
    operator.open(f"/admin/guichets/{desk}")
    operators.arrive(operator, desk)
    operators.follow(operator, "Vérifier maintenant", f"Vérifier {desk} maintenant ?")
    operators.confirm(operator, "Vérifier maintenant")
    operators.see_done(operator, "est demandée")
    number = operators.find_incident(operator, host)
    operators.follow(operator, host, host)
    operators.follow(operator, "Arrêter ce site", f"Arrêter le site {host} ?")
    operators.confirm(operator, "Arrêter ce site", reason="Un captcha est apparu", typed=host)
    operators.see_done(operator, f"{host} est arrêté")
    operators.find_incident(operator, host)
    operators.follow(operator, "Acquitter", f"Acquitter l’incident {number} ?")
    operators.confirm(operator, "Acquitter")
    operators.see_done(operator, f"L’incident {number} est acquitté.")
    set_site_mode(host, "normal")
    operators.follow(operator, host, host)
    operators.follow(operator, "Faire reprendre ce site", f"Faire reprendre le site {host} ?")
    operators.confirm(operator, "Faire reprendre ce site")
    operators.see_done(operator, f"{host} est de nouveau consulté.")


def set_site_mode(host: str, mode: str) -> None:
    """Set how a site's stand-in answers."""
    answer = requests.post(f"http://{host}/_control/mode", json={"mode": mode}, timeout=60)
    assert answer.status_code == 200, answer.text


def replay_a_message(stack: Stack, operator: Person, customer: Person) -> None:
    """Let a message fail for good, and send it again."""
    visitor = customer.visitor
    visitor.sign_in()
    alert = visitor.ask("POST", "/alerts", _WISH, expect=201)
    before = len(visitor.messages("email"))
    set_mode(stack, "email", "error_500")
    visitor.ask("POST", f"/alerts/{alert['id']}/test", expect=202)
    link = (
        operator.main.get_by_role("row")
        .filter(has_text="test_message")
        .get_by_role("link", name=re.compile("^Renvoyer [0-9a-f]{8}-"))
    )

    def has_failed() -> bool:
        operators.open_area(operator, "Messages échoués", "Messages échoués")
        return link.count() > 0

    until(has_failed, pause=LOOK)
    set_mode(stack, "email", "normal")
    operator.hands.press(link.first)
    operators.arrive(operator, "Renvoyer ce message ?")
    operators.confirm(operator, "Renvoyer")
    operators.see_done(operator, "1 message repart")
    until(lambda: len(visitor.messages("email")) > before, pause=LOOK)
    visitor.ask("DELETE", f"/alerts/{alert['id']}", expect=204)


def give_money_back(operator: Person, customer: Person) -> None:
    """Refund the customer's payment, of which the customer then sees the refund."""
    operators.open_area(operator, "Paiements", "Paiements")
    operator.hands.press(operator.main.get_by_role("table").get_by_role("link").first)
    heading = operator.page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("Paiement ")
    order = heading.inner_text().removeprefix("Paiement ").strip()
    operator.hands.press(operator.main.get_by_role("button", name="Rembourser…"))
    operator.page.wait_for_url(re.compile("/remboursement|/prove"))
    operators.prove_if_asked(operator)
    expect(heading).to_contain_text("Rendre ")
    button = operator.main.get_by_role("button", name=re.compile("^Rendre"))
    operator.hands.write(operator.main.get_by_label("Raison"), "Deux jours de panne")
    operator.hands.write(operator.main.get_by_label("Pour confirmer"), order)
    operator.hands.press(button)
    operators.arrive(operator, f"Paiement {order}")
    operators.see_done(operator, "Stripe est prié")
    declarations.open_payment(customer)
    until(lambda: _sees_refund(customer), pause=LOOK)


def _sees_refund(customer: Person) -> bool:
    customer.page.reload()
    return customer.main.get_by_text("Remboursements").count() > 0


def see_the_audit(operator: Person) -> None:
    """Find everything that was done, by this operator, in the audit."""
    operators.open_area(operator, "Journal", "Journal des opérateurs")
    for action in (
        "payment.refund",
        "dead-letters.replay",
        "host.go",
        "incident.acknowledge",
        "host.stop",
        "desk.check",
    ):
        operator.hands.write(operator.main.get_by_label("Action"), action)
        operator.hands.press(operators.find_button(operator, "Filtrer"))
        row = operator.main.get_by_role("row").filter(has_text=operator.visitor.email)
        expect(row.first).to_contain_text(action)
