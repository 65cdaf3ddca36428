"""The report of 19:00 to the admins: sales, registrations, detections, delays, failures, SMS."""

from decimal import Decimal
from typing import Any

from babel.numbers import format_currency, format_decimal

from configs.languages import FRENCH
from notifier.content.daily_message import DailyMessage, list_plans
from notifier.message_kind_base import ClaimedRow

_NUMBERS = (
    "accounts", "detections", "alerts", "accepted", "failed", "bounced", "no_receipt", "jobs", "sms", "answers",
    "went_well",
)  # fmt: skip


class OperationsReport(DailyMessage):
    """Lists the figures of a day."""

    languages = (FRENCH,)

    def fill(self, row: ClaimedRow) -> dict[str, Any]:
        """Return the figures, in words where they are no plain numbers."""
        params = row.params
        return {name: params[name] for name in _NUMBERS} | {
            "sales": list_plans(params["sales"]),
            "sold": _write_cents(params["sales_cents"], row.language),
            "refunded": _write_cents(params["refunded_cents"], row.language)
            if params["refunded_cents"]
            else "",
            "p50": _write_seconds(params["p50"], row.language),
            "p95": _write_seconds(params["p95"], row.language),
            "sms_cost": format_currency(Decimal(params["sms_cost"]), "EUR", locale=row.language),
        }


def _write_cents(cents: int, language: str) -> str:
    return format_currency(Decimal(cents) / 100, "EUR", locale=language)


def _write_seconds(seconds: float | None, language: str) -> str:
    """Return `1,4 s`; empty where no message was measured."""
    return (
        "" if seconds is None else f"{format_decimal(seconds, '#,##0.0', locale=language)}\N{NO-BREAK SPACE}s"
    )
