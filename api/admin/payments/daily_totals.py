"""Daily totals of payments, and their CSV file."""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Self

import sqlalchemy as sa
from pydantic import model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from api.ground.schemas import Answer, Body
from api.payments.invoices.contents import PARIS
from configs.ground.clock import clock
from configs.ground.strict_model import IsoDate
from configs.world.plan import PlanName

_TOTALS = sa.text("""
SELECT (issued_at AT TIME ZONE 'Europe/Paris')::date AS day, contents->>'plan' AS plan,
  contents->>'vat_line' AS vat_line, count(*) FILTER (WHERE kind = 'invoice') AS invoices,
  count(*) FILTER (WHERE kind = 'credit_note') AS credit_notes,
  sum(CASE kind WHEN 'invoice' THEN amount_cents ELSE -amount_cents END) AS gross,
  sum((contents->>'vat_cents')::int * CASE kind WHEN 'invoice' THEN 1 ELSE -1 END) AS vat
FROM invoices WHERE issued_at >= :begins AND issued_at < :ends GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")
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
    """Return the totals of each day in Paris on which a document was issued, from `first` to `last`."""
    bounds = {
        "begins": datetime.combine(first, time(), PARIS),
        "ends": datetime.combine(last + timedelta(days=1), time(), PARIS),
    }
    return [
        DailyTotal(**row, currency="eur", net=row["gross"] - row["vat"])
        for row in session.execute(_TOTALS, bounds).mappings()
    ]


def write_csv(totals: Sequence[DailyTotal]) -> str:
    """Return daily totals as CSV (RFC 4180): a row of heads, one for each day, plan and VAT line; cents."""
    heads = [field.alias or name for name, field in DailyTotal.model_fields.items()]
    written = io.StringIO()
    rows = csv.DictWriter(written, heads)
    rows.writeheader()
    rows.writerows(each.as_json() for each in totals)
    return written.getvalue()
