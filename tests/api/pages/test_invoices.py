"""Pages of invoices: the list, the page to print, the PDF."""

from collections.abc import Callable
from pathlib import Path

import pytest

from api.background import jobs
from api.models.invoice import Invoice
from api.models.user import User
from configs.ground.object_store import Blobs, StoreAway
from tests.api.invoices.documents import issue, pay, refund
from tests.clients import Browser
from tests.factories import add_account, change, rows

LIST = "/formule/factures"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    settings_env(INVOICES_URL=tmp_path)


def pay_for(browser: Browser) -> None:
    """Write a paid order of who is signed in, with a refund."""
    (user,) = (each for each in rows(User) if each.email == "camille@example.org")
    refund(pay(user.id, client_name="ليلى <b>Nœl</b>"), 500)


def test_the_list_leads_to_each_and_to_its_file(camille: Browser) -> None:
    page = camille.get(LIST)
    assert page.headings == ["Factures et avoirs"]
    assert "Aucune facture pour l’instant" in page.text
    pay_for(camille)
    pay()
    issue()
    page = camille.get(LIST)
    assert page.text.count("en préparation") == 2
    assert "-5,00" in page.text
    jobs.issue_invoices()
    page = camille.get(LIST)
    assert page.html.count('/pdf"') == 2
    invoice, _, note = rows(Invoice)
    assert f"{LIST}/{note.id}" in page.html
    of_payment = camille.get(f"/formule/paiements/{invoice.payment_id}").html
    assert all(f"{LIST}/{each.id}" in of_payment for each in (invoice, note))
    assert LIST in camille.get("/formule").html
    file = camille.client.get(f"{LIST}/{invoice.id}/pdf", headers=camille.headers)
    assert (file.mimetype, file.status_code) == ("application/pdf", 200)
    assert file.headers["Cache-Control"] == "no-store"


def test_a_document_names_what_the_law_wants(browse: Callable[..., Browser]) -> None:
    add_account()
    for language in ("fr", "ar"):
        change(User, language=language)
        browser = browse(language).sign_in()
        pay_for(browser)
        invoice, note = issue()[-2:]
        page = browser.get(f"{LIST}/{invoice.id}")
        assert invoice.number in page.headings[0]
        order = invoice.contents["order"]
        for text in ("[SELLER_NAME]", "[SELLER_ADDRESS]", "ليلى <b>Nœl</b>", order, "URGENCE 7J"):
            assert text in page.text
        assert "TVA non applicable, art. 293 B du CGI" in page.text
        page = browser.get(f"{LIST}/{note.id}")
        assert invoice.number in page.text


def test_without_its_file_the_page_is_there_to_print(
    camille: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay_for(camille)
    invoice = issue()[0]
    camille.get(f"{LIST}/{invoice.id}/pdf")
    assert (camille.status, camille.location) == (303, f"{LIST}/{invoice.id}")
    assert "pas encore prêt" in camille.follow().text
    jobs.issue_invoices()

    def refuse(blobs: Blobs, key: str) -> bytes:
        raise StoreAway("a test")

    monkeypatch.setattr(Blobs, "get", refuse)
    camille.get(f"{LIST}/{invoice.id}/pdf")
    assert camille.status == 303
