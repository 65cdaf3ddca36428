"""Declarations of consumers: withdrawal and cancellation, in the account, by a mail's link, and without a login."""

import re

from playwright.sync_api import expect

from tests.browser.navigators import plan
from tests.browser.navigators.person import Person
from tests.waiting import until
from tests.whole.visitor import LOOK, run_job

_NAME = "Nadia Benali"
_WITHDRAW = "renoncer au contrat ici"
_STANDS = "Votre rétractation est enregistrée."


def find_link(person: Person, kind: str) -> str:
    """Return the link of a kind in the newest mail that has one."""
    pattern = re.compile(rf"http://\S+/l/{kind}\.\S+")

    def find() -> list[str]:
        mails = person.visitor.messages("email")
        return [found[0] for each in mails if (found := pattern.search(each["text"]))]

    found: list[str] = until(find, pause=LOOK)
    return found[-1]


def find_order_number(person: Person) -> str:
    """Return the number of the order that the confirming mail names."""

    def find() -> list[str]:
        subjects = ("Votre commande est confirmée", "Your order is confirmed")
        mails = [each for each in person.visitor.messages("email") if each["subject"].startswith(subjects)]
        return [found[1] for each in mails if (found := re.search(r"(?:n°|no\.) (\w{10})\b", each["text"]))]

    found: list[str] = until(find, pause=LOOK)
    return found[-1]


def withdraw_in_account(person: Person) -> None:
    """Withdraw from the order that the page of the plan shows."""
    person.hands.press(person.main.get_by_role("link", name=person.words.match_start(_WITHDRAW)).first)
    confirm_withdrawal(person)
    person.follow("Suivre le remboursement")
    person.arrive("Paiement")


def confirm_withdrawal(person: Person) -> None:
    """Confirm on the page of an order that is withdrawn from; it shows what goes back before and after."""
    person.arrive("Se rétracter de la commande")
    person.see("Remboursement")
    person.press("confirmer la rétractation")
    person.see_notice(_STANDS)
    person.see("Votre formule est terminée.")


def withdraw_without_login(person: Person, number: str) -> None:
    """Go from the foot of the first page through the form to the acknowledgement."""
    _follow_foot(person, _WITHDRAW)
    person.arrive("Se rétracter d’une commande")
    person.write("Votre nom", _NAME)
    person.write("Adresse e-mail de la commande", person.visitor.email)
    person.write("Numéro de la commande", number)
    person.press(_WITHDRAW)
    person.arrive("Confirmer la rétractation ?")
    person.press("Corriger")
    person.arrive("Se rétracter d’une commande")
    expect(person.field("Votre nom")).to_have_value(_NAME)
    person.press(_WITHDRAW)
    person.arrive("Confirmer la rétractation ?")
    person.press("confirmer la rétractation")
    person.arrive("Votre déclaration est enregistrée")


def confirm_by_mail(person: Person) -> None:
    """Open the acknowledgement's link, and confirm the withdrawal."""
    person.page.goto(find_link(person, "declaration"))
    person.arrive("Votre rétractation")
    person.press("confirmer la rétractation")
    person.see_notice(_STANDS)


def cancel_without_login(person: Person, number: str) -> None:
    """Go from the foot of the first page through the form, with an end on a day, to the receipt."""
    _follow_foot(person, "résilier votre contrat")
    person.arrive("Résilier votre contrat")
    person.write("Votre nom", _NAME)
    person.write("Adresse e-mail", person.visitor.email)
    person.write("Numéro de la commande", number)
    days = person.field("Fin souhaitée")
    dated = days.locator("option").filter(has_text=re.compile(r"\d{4}")).first
    person.hands.choose(days, dated.inner_text())
    person.press("Continuer")
    person.arrive("Notifier la résiliation ?")
    person.press("notification de la résiliation")
    person.arrive("Votre notification est enregistrée")


def open_notice(person: Person, *before: str) -> str:
    """Open the notice by the newest mail's link, which is none of those before; return it."""

    def find() -> str | None:
        link = find_link(person, "resiliation")
        return None if link in before else link

    link: str = until(find, pause=LOOK)
    person.page.goto(link)
    person.arrive("Votre résiliation")
    return link


def _follow_foot(person: Person, french: str) -> None:
    person.open("/")
    person.hands.press(
        person.page.get_by_role("contentinfo").get_by_role("link", name=person.words.match(french))
    )


# Documents of a payment: its refund, the invoice, the credit note, and their PDF files.


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
