"""Factur-X of documents to firms: the XML of EN 16931 within the PDF. The only importer of factur-x.

The library makes both; fields are EN 16931's (`BT-1`: number, …), units UN/ECE's (HUR: hours, C62: one).
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from facturx import generate_cii_xml, generate_from_binary

from api.models.invoice import Invoice, InvoiceKind
from api.payments.invoices.contents import PARIS, Firm, InvoiceContents, InvoiceLine, LineKind

_TYPES = {InvoiceKind.INVOICE: "380", InvoiceKind.CREDIT_NOTE: "381"}
_TRANSFER, _CARD = "30", "48"  # means of payment
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # signs that XML 1.0 cannot hold
_SIREN = "0002"  # the scheme of its register
_OF_ALL = {LineKind.STEPS: "BG-20", LineKind.FLOOR: "BG-21"}  # allowances, charges
_WORDS = {LineKind.PERSON: "Surveillance de créneaux, personne n° {}", LineKind.STEPS: "Remise de volume"}
_WORDS |= {LineKind.FLOOR: "Complément jusqu’au minimum du mois"}
# Penalties and the sum for recovery: L.441-10 and D.441-5 of the Code de commerce. The codes are UNTDID 4451's.
_NOTES = {
    "PMD": "Pénalités de retard, dues sans rappel dès le lendemain de l’échéance : trois fois le taux d’intérêt légal.",
    "PMT": "Indemnité forfaitaire pour frais de recouvrement en cas de retard : 40 €.",
    "AAB": "Pas d’escompte pour paiement anticipé.",
}


def describe_firm(firm: Firm) -> Iterator[str]:
    """Yield the lines that name a client."""
    yield from (firm.name, firm.address)
    if firm.siren:
        yield f"SIREN {firm.siren}"
    if firm.vat:
        yield f"N° de TVA {firm.vat}"


def describe_terms(firm: Firm) -> Iterator[str]:
    """Yield how an invoice is paid, and what follows where it is not; nothing of a correction."""
    if firm.due_at:
        way = f", ou par virement qui porte le numéro de la facture : IBAN {firm.iban}" if firm.iban else ""
        yield f"À payer par carte, depuis la page de votre organisation{way}."
        yield from _NOTES.values()


def embed_xml(pdf: bytes, row: Invoice, contents: InvoiceContents, firm: Firm) -> bytes:
    """Return a PDF with the XML of its document attached."""
    about = {"author": contents.seller.name, "title": row.number, "subject": row.number, "keywords": ""}
    xml = write_xml(row, contents, firm)
    made: bytes = generate_from_binary(pdf, xml, level="en16931", lang="fr-FR", pdf_metadata=about)
    return made


def write_xml(row: Invoice, contents: InvoiceContents, firm: Firm) -> bytes:
    """Return the XML of a document to a firm."""
    net, seller, tax = row.amount_cents - contents.vat_cents, contents.seller, _describe_tax(contents)
    added = {each.kind: abs(each.amount_cents) for each in contents.lines if each.kind in _OF_ALL}
    steps, floor = added.get(LineKind.STEPS, 0), added.get(LineKind.FLOOR, 0)
    # Asked for where none is charged
    taxes = {} if seller.vat else {"tax_identifier": seller.siren.replace(" ", "")}
    last = (contents.ends_at or contents.paid_at) - timedelta(microseconds=1)
    fields: dict[str, Any] = {
        "BT-1": row.number, "BT-2": _find_day(row.issued_at), "BT-3": _TYPES[row.kind], "BT-5": "EUR",
        "BT-13": _clean(firm.purchase_order or ""), "BT-72": _find_day(last),
        "BT-73": _find_day(contents.starts_at), "BT-74": _find_day(last), "BT-81": _TRANSFER if firm.iban else _CARD,
        "BT-84": firm.iban and firm.iban.replace(" ", ""),
        "BG-4": _describe_party(seller.name, seller.address, seller.siren, seller.vat) | taxes,
        "BG-7": _describe_party(firm.name, firm.address, firm.siren, firm.vat),
        "BG-23": [{
            "BT-116": _write_cents(net), "BT-117": _write_cents(contents.vat_cents), "BT-118": tax[0], "BT-119": tax[1],
            **({} if contents.vat_percent else {"BT-120": contents.vat_line, "BT-121": "VATEX-FR-FRANCHISE"}),
        }],
        "BT-106": _write_cents(net + steps - floor), "BT-107": _write_cents(steps), "BT-108": _write_cents(floor),
        "BT-109": _write_cents(net), "BT-110": _write_cents(contents.vat_cents),
        "BT-112": _write_cents(row.amount_cents), "BT-115": _write_cents(row.amount_cents),
        "BG-25": [
            _describe_line(number, each, contents, firm)
            for number, each in enumerate((each for each in contents.lines if each.kind not in _OF_ALL), 1)
        ],
        **{
            _OF_ALL[kind]: [{
                "amount": _write_cents(cents), "reason": _WORDS[kind], "vat_category_code": tax[0], "vat_rate": tax[1],
            }] for kind, cents in added.items()
        },
    }  # fmt: skip
    if firm.due_at:
        fields |= {"BT-9": _find_day(firm.due_at)}
        fields |= {"BG-1": [{"BT-21": code, "BT-22": text} for code, text in _NOTES.items()]}
    if contents.corrects:
        fields["BG-3"] = [
            {"BT-25": contents.corrects.number, "BT-26": _find_day(contents.corrects.issued_at)}
        ]
    given = {name: value for name, value in fields.items() if value}
    made: bytes = generate_cii_xml(given, level="en16931", check_schematron=False)
    return made


def _describe_party(name: str, address: str, siren: str | None, vat: str | None) -> dict[str, Any]:
    country = (vat or "FR")[:2].upper()
    party = {
        "name": _clean(name),
        "addr_l1": _clean(address),
        "country_code": {"EL": "GR"}.get(country, country),
    }
    if siren:
        party |= {"legal_identifier": siren.replace(" ", ""), "legal_identifier_schemeid": _SIREN}
    return party | ({"vat_identifier": vat.replace(" ", "")} if vat else {})


def _clean(text: str) -> str:
    return " ".join(_NO_XML.sub(" ", text).split())


def _describe_tax(contents: InvoiceContents) -> tuple[str, str]:
    return "S" if contents.vat_percent else "E", f"{contents.vat_percent:.2f}"


def _describe_line(number: int, line: InvoiceLine, contents: InvoiceContents, firm: Firm) -> dict[str, Any]:
    tax, cents = _describe_tax(contents), _write_cents(line.amount_cents)
    price = {"BT-129": "1", "BT-130": "C62", "BT-146": cents}
    if line.hours is not None:
        price = {
            "BT-129": str(line.hours),
            "BT-130": "HUR",
            "BT-146": _write_cents(firm.day_cents),
            "BT-149": "24",
        }
    name = _WORDS.get(line.kind, "Correction").format(line.reference)
    return price | {
        "BT-126": str(number),
        "BT-131": cents,
        "BT-151": tax[0],
        "BT-152": tax[1],
        "BT-153": name,
    }


def _write_cents(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _find_day(moment: datetime | None) -> Any:
    return moment and moment.astimezone(PARIS).date()
