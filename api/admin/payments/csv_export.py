"""Daily totals as CSV (RFC 4180): one row a day, plan and VAT line; amounts in cents."""

import csv
import io

from api.admin.payments.schemas import DailyTotals
from api.invoices.schemas import DailyTotal

CSV_TYPE = "text/csv"


def write_csv(totals: DailyTotals) -> str:
    """Return the totals with a row of heads."""
    heads = [field.alias or name for name, field in DailyTotal.model_fields.items()]
    written = io.StringIO()
    rows = csv.DictWriter(written, heads)
    rows.writeheader()
    rows.writerows(each.as_json() for each in totals.items)
    return written.getvalue()
