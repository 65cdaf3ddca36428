"""PDF of a document: one page in French, which binds. The only importer of fpdf2.

Lato is embedded, as the built-in fonts of PDF have no œ. The same contents give the same bytes.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path

from babel.dates import format_date
from babel.numbers import format_currency
from fpdf import FPDF, Align, XPos, YPos
from fpdf.fonts import FontFace

from api.models.invoice import Invoice, InvoiceKind
from api.payments.invoices.contents import PARIS, InvoiceContents, InvoiceLine, LineKind, Seller
from api.payments.invoices.factur_x import describe_firm, describe_terms, embed_xml
from configs.ground.text import write_first
from configs.world.plan import name_plan

_FONT, _FRENCH = "lato", "fr"
_FACES = {"": "Lato-Regular.ttf", "B": "Lato-Bold.ttf"}
_MARGIN, _LINE = 20, 5.5  # mm
_GREY, _BLACK = 110, 20
_HEADS = ("Désignation", "Quantité", "Prix TTC", "Montant TTC")
_FIRM_HEADS = ("Désignation", "Quantité", "Prix HT", "TVA", "Montant HT")
# Words in French, which binds.
_TITLES = {InvoiceKind.INVOICE: "Facture", InvoiceKind.CREDIT_NOTE: "Avoir"}
_SERVICE = "Surveillance de créneaux de rendez-vous"
_LINES = {
    LineKind.PLAN: f"{_SERVICE}, formule {{plan}}",
    LineKind.RENEWAL: f"{_SERVICE}, formule {{plan}}, mois suivant",
    LineKind.UPGRADE_CREDIT: "Reste de la formule {plan}, déduit",
    LineKind.DISCOUNT: "Remise",
    LineKind.OUTAGE: "Temps sans surveillance du mois précédent, déduit",
    LineKind.REFUND: "Remboursement, formule {plan}",
    LineKind.REFUND_RETURNED: "Remboursement que la banque a renvoyé, formule {plan}",
    LineKind.DISPUTE: "Remboursement par la banque après contestation, formule {plan}",
    LineKind.DISPUTE_RETURNED: "Contestation que la banque a rejetée, formule {plan}",
    LineKind.PERSON: "Surveillance de créneaux, personne n° {reference}",
    LineKind.STEPS: "Remise de volume",
    LineKind.FLOOR: "Complément jusqu’au minimum du mois",
    LineKind.WAIVED: "Correction",
}


class _Document(FPDF):
    def __init__(self) -> None:
        super().__init__(format="A4")
        self.set_margin(_MARGIN)
        for style, name in _FACES.items():
            self.add_font(_FONT, style, Path(str(files("font_lato") / "files" / name)))
        self.set_text_color(_BLACK)

    def close(self) -> None:
        """Close the files of the fonts, which fpdf2 leaves to the garbage collector."""
        for font in self.fonts.values():
            font.close()  # type: ignore[union-attr]

    def footer(self) -> None:
        self.set_y(-_MARGIN)
        service = "RDVPriority est un service privé. Le rendez-vous en préfecture est gratuit."
        self.write_text(f"{service} {self.title}, page {self.page_no()} sur {{nb}}.", size=8, grey=True)

    def write_text(self, text: str, *, size: float = 10, style: str = "", grey: bool = False) -> None:
        self.set_font(_FONT, style, size)
        self.set_text_color(_GREY if grey else _BLACK)
        self.multi_cell(
            0, size * 0.55, self.keep_known(text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )

    def write_fact(self, name: str, text: str) -> None:
        self.set_font(_FONT, "", 10)
        self.set_text_color(_GREY)
        self.cell(42, _LINE, name)
        self.write_text(text)

    def keep_known(self, text: str) -> str:
        """Return a text without what Lato cannot show."""
        known = self.fonts[_FONT].cmap  # type: ignore[union-attr]
        plain = text.replace("\u202f", "\u00a0")
        return "".join(each if ord(each) in known or each == "\n" else "?" for each in plain)

    def write_money(self, cents: int) -> str:
        return self.keep_known(format_currency(cents / 100, "EUR", locale=_FRENCH))


def render_pdf(row: Invoice) -> bytes:
    """Return the PDF of a document; one to a firm has its XML within (Factur-X)."""
    contents = InvoiceContents.model_validate(row.contents)
    with closing(_Document()) as page:
        _write_page(page, row, contents)
        made = bytes(page.output())
    return embed_xml(made, row, contents, contents.firm) if contents.firm else made


def _write_page(page: _Document, row: Invoice, contents: InvoiceContents) -> None:
    page.set_creation_date(row.issued_at)
    page.set_title(f"{_TITLES[row.kind]} {row.number}")
    page.set_author(contents.seller.name)
    page.set_lang("fr-FR")
    page.add_page()
    page.write_text("\n".join(_describe_seller(contents.seller)), size=9)
    page.ln(8)
    page.write_text(f"{_TITLES[row.kind]} {row.number}", size=20, style="B")
    page.ln(3)
    _write_facts(page, row, contents)
    page.ln(6)
    _write_lines(page, contents)
    page.ln(4)
    _write_totals(page, row, contents)
    if contents.firm:
        page.ln(6)
        page.write_text("\n".join(describe_terms(contents.firm)), size=9)


def _describe_seller(seller: Seller) -> Iterator[str]:
    yield seller.name
    yield seller.address
    yield f"SIREN {seller.siren}" + (f" – {seller.registration}" if seller.registration else "")
    if seller.vat:
        yield f"N° de TVA {seller.vat}"
    yield f"{seller.phone} – {seller.email}"


def _write_facts(page: _Document, row: Invoice, contents: InvoiceContents) -> None:
    page.write_fact("Date", _write_day(row.issued_at))
    if row.client_name and page.keep_known(row.client_name) == row.client_name:
        page.write_fact("Client", row.client_name)
    if firm := contents.firm:
        page.write_fact("Client", "\n".join(describe_firm(firm)))
    if not firm or firm.purchase_order:
        name, text = ("Bon de commande", firm.purchase_order) if firm else ("Commande", contents.order)
        page.write_fact(name, text or "")
    returned = row.kind is InvoiceKind.CREDIT_NOTE
    if contents.corrects:
        what = "Avoir sur la facture" if returned else "Annule l’avoir"
        day = _write_day(contents.corrects.issued_at)
        page.write_fact("Objet", f"{what} {contents.corrects.number} du {day}.")
    if firm and firm.due_at:
        page.write_fact("Échéance", _write_day(firm.due_at))
    else:
        page.write_fact("Remboursé le" if returned else "Payé le", _write_day(contents.paid_at))
    if contents.starts_at and contents.ends_at:
        last = contents.ends_at - timedelta(microseconds=1) if firm else contents.ends_at
        page.write_fact("Période", f"du {_write_day(contents.starts_at)} au {_write_day(last)}")
    page.write_fact("Lieu", "Service en ligne, fourni à distance")


def _write_lines(page: _Document, contents: InvoiceContents) -> None:
    heads = _FIRM_HEADS if contents.firm else _HEADS
    page.set_font(_FONT, "", 10)
    page.set_text_color(_BLACK)
    with page.table(
        col_widths=(76, 22, 26, 18, 28) if contents.firm else (92, 22, 28, 28),
        text_align=(Align.L, *[Align.R] * (len(heads) - 1)),
        borders_layout="HORIZONTAL_LINES",
        line_height=6,
        headings_style=FontFace(emphasis="BOLD"),
    ) as table:
        table.row(heads)
        for line in contents.lines:
            text = _LINES[line.kind].format(plan=name_plan(line.plan), reference=line.reference)
            table.row((page.keep_known(text), *_list_cells(page, line, contents)))


def _list_cells(page: _Document, line: InvoiceLine, contents: InvoiceContents) -> Iterator[str]:
    cents = page.write_money(line.amount_cents)
    if contents.firm and line.hours is not None:
        days, rest = divmod(line.hours, 24)
        yield from (
            f"{days} j" + (f" {rest} h" if rest else ""),
            f"{page.write_money(contents.firm.day_cents)} / j",
        )
    else:
        yield from ("1", cents)
    if contents.firm:
        yield page.keep_known(f"{contents.vat_percent.normalize():f} %".replace(".", ","))
    yield cents


def _write_totals(page: _Document, row: Invoice, contents: InvoiceContents) -> None:
    net = row.amount_cents - contents.vat_cents
    totals = [("Total HT", net), (contents.vat_line, contents.vat_cents), ("Total TTC", row.amount_cents)]
    for name, cents in totals:
        is_last = name == totals[-1][0]
        page.set_font(_FONT, "B" if is_last else "", 12 if is_last else 10)
        page.set_text_color(_BLACK)
        page.cell(142, 7, page.keep_known(name), align=Align.R)
        page.cell(28, 7, page.write_money(cents), align=Align.R, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _write_day(moment: datetime) -> str:
    return write_first(format_date(moment.astimezone(PARIS), "long", locale=_FRENCH))
