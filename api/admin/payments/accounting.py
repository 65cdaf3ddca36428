"""What goes to accounting: daily totals of documents with their CSV file, and the sales journal."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Self

import sqlalchemy as sa
from pydantic import model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from api.ground.schemas import Answer, Body
from api.payments.invoices.contents import PARIS
from configs.ground.clock import clock
from configs.ground.strict_model import IsoDate
from configs.settings import settings
from configs.world.plan import PlanName

# Sales between firms are not reported, but invoiced electronically (articles 289 bis and 290 of the CGI).
_TOTALS = sa.text("""
SELECT (issued_at AT TIME ZONE 'Europe/Paris')::date AS day, contents->>'plan' AS plan,
  contents->>'vat_line' AS vat_line, count(*) FILTER (WHERE kind = 'invoice') AS invoices,
  count(*) FILTER (WHERE kind = 'credit_note') AS credit_notes,
  sum(CASE kind WHEN 'invoice' THEN amount_cents ELSE -amount_cents END) AS gross,
  sum((contents->>'vat_cents')::int * CASE kind WHEN 'invoice' THEN 1 ELSE -1 END) AS vat
FROM invoices WHERE issued_at >= :begins AND issued_at < :ends AND contents->>'firm' IS NULL
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")
# Numbers of entries have no gap, also where a restore lost a document (invoice_gaps).
_JOURNAL = sa.text("""
SELECT kind, number, (issued_at AT TIME ZONE 'Europe/Paris')::date AS day, i.amount_cents AS gross,
  (contents->>'vat_cents')::int AS vat, contents->'firm'->>'name' AS firm,
  coalesce(contents->'firm'->>'siren', contents->'firm'->>'vat', left(organisation_id::text, 8)) AS client,
  row_number() OVER (PARTITION BY kind, substr(number, 1, 5) ORDER BY number) AS entry
FROM invoices i JOIN payments p ON p.id = i.payment_id WHERE issued_at >= :year AND issued_at < :ends
ORDER BY kind DESC, number
""")
# A47 A-1 of the Livre des procédures fiscales: docs/payments.md
_FEC = (
    *("JournalCode", "JournalLib", "EcritureNum", "EcritureDate", "CompteNum", "CompteLib"),
    *("CompAuxNum", "CompAuxLib", "PieceRef", "PieceDate", "EcritureLib", "Debit", "Credit"),
    *("EcritureLet", "DateLet", "ValidDate", "Montantdevise", "Idevise"),
)
_LONGEST_EXPORT = timedelta(days=366)
_EARLIEST, _LATEST = date(2001, 1, 1), date(2099, 12, 31)


class TotalsQuery(Body):
    """Days in Paris, both included, at most a year; without them the month so far."""

    first: IsoDate | None = None
    last: IsoDate | None = None

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day."""
        last = self.last or clock().astimezone(PARIS).date()
        return self.first or last.replace(day=1), last

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        first, last = self.days
        if first > last:
            raise PydanticCustomError("out_of_order", "first lies after last")
        if not (first >= _EARLIEST and last <= _LATEST and last - first <= _LONGEST_EXPORT):
            raise PydanticCustomError("too_far", "send days of this century, at most 366 days apart")
        return self


class DailyTotal(Answer):
    """Documents of a day in Paris, a plan and a VAT line: invoices less credit notes, in cents."""

    day: date
    plan: PlanName
    vat_line: str
    currency: str
    invoices: int
    credit_notes: int
    gross: int
    vat: int
    net: int


def read_daily_totals(session: Session, first: date, last: date) -> list[DailyTotal]:
    """Return the totals of persons' documents for each day in Paris on which one was issued, `first` to `last`."""
    bounds = {"begins": _begin(first), "ends": _begin(last + timedelta(days=1))}
    return [
        DailyTotal(**row, currency="eur", net=row["gross"] - row["vat"])
        for row in session.execute(_TOTALS, bounds).mappings()
    ]


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), PARIS)


def write_csv(totals: Sequence[DailyTotal]) -> str:
    """Return daily totals as CSV (RFC 4180): a row of heads, one for each day, plan and VAT line; cents."""
    heads = [field.alias or name for name, field in DailyTotal.model_fields.items()]
    written = io.StringIO()
    rows = csv.DictWriter(written, heads)
    rows.writeheader()
    rows.writerows(each.as_json() for each in totals)
    return written.getvalue()


def write_sales_journal(session: Session, first: date, last: date) -> str:
    """Return the documents of these days as entries in the columns of the FEC, to import into accounting software.

    Each is one entry: its amount on the clients' account, the net on the sales' and the tax on the tax's. A journal
    for invoices and one for credit notes; their entries are numbered from the year's first. Firms have an account of
    their own below the clients' (CompAuxNum); persons share that one, unnamed.
    """
    bounds = {"year": _begin(first.replace(month=1, day=1)), "ends": _begin(last + timedelta(days=1))}
    written = io.StringIO()
    rows = csv.DictWriter(written, _FEC, restval="", delimiter="\t", lineterminator="\r\n")
    rows.writeheader()
    for document in session.execute(_JOURNAL, bounds):
        if document.day >= first:
            rows.writerows(_list_entry_lines(document))
    return written.getvalue()


def _list_entry_lines(document: sa.Row[Any]) -> Iterator[dict[str, object]]:
    is_sale, accounts = document.kind == "invoice", settings().ledger_accounts
    day = f"{document.day:%Y%m%d}"
    entry = {
        "JournalCode": "VE" if is_sale else "AV",
        "JournalLib": "Ventes" if is_sale else "Avoirs sur ventes",
        "EcritureNum": document.entry,
        **dict.fromkeys(("EcritureDate", "PieceDate", "ValidDate"), day),
        "PieceRef": document.number,
        "EcritureLib": f"{'Facture' if is_sale else 'Avoir'} {document.number}",
    }
    firm = (
        {"CompAuxNum": document.client, "CompAuxLib": " ".join(document.firm.split())}
        if document.firm
        else {}
    )
    lines: tuple[tuple[str, str, int, dict[str, str]], ...] = (
        (accounts["clients"], "Clients", document.gross, firm),
        (accounts["sales"], "Prestations de services", document.vat - document.gross, {}),
        (accounts["vat"], "TVA collectée", -document.vat, {}),
    )
    for account, label, cents, owner in lines:
        debit = cents if is_sale else -cents
        if cents:
            yield (
                entry
                | owner
                | {
                    "CompteNum": account,
                    "CompteLib": label,
                    "Debit": _write_euros(max(debit, 0)),
                    "Credit": _write_euros(max(-debit, 0)),
                }
            )


def _write_euros(cents: int) -> str:
    return f"{cents // 100},{cents % 100:02d}"
