"""Documents of a payment: its refund, the invoice, the credit note, and their PDF files."""

from playwright.sync_api import expect

from tests.browser.navigators import plan
from tests.browser.navigators.person import Person
from tests.waiting import until
from tests.whole.jobs import run_job
from tests.whole.visitor import LOOK


def see_refund(person: Person) -> None:
    """Reload the page of a payment until its refund has arrived and its credit note is issued."""

    def is_there() -> bool:
        run_job(person.visitor.stack, "issue_invoices")
        person.page.reload()
        return person.link("Avoir %(number)s").count() == 1

    until(is_there, pause=LOOK)
    person.see("Remboursements")
    person.see("Rétractation")


def open_payment(person: Person) -> None:
    """Open the newest payment from the page of the plan."""
    plan.open_plans(person)
    person.hands.press(person.main.get_by_role("table").get_by_role("link").first)
    person.arrive("Paiement")


def read_pdf(person: Person, french: str) -> bytes:
    """Open a document from its payment, and its PDF once that is made; return the file, and go back to the payment."""
    payment = person.page.url
    person.follow(french)
    person.arrive(french)

    def is_ready() -> bool:
        person.page.reload()
        return person.link("Ouvrir le PDF").count() == 1

    until(is_ready, pause=LOOK)
    expect(person.main).to_contain_text(person.words.say("Le document français fait foi."))
    address = person.link("Ouvrir le PDF").get_attribute("href") or ""
    answer = person.page.request.get(person.address + address)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    person.page.goto(payment)
    return answer.body()
