"""A provider of mail that is away: alerts leave by the other one meanwhile, and receipts come through nginx."""

import json
import time
import urllib.request

from deploy.drill.production_files import read_secret
from deploy.drill.production_servers import read_rows
from deploy.drill.production_stack import ProductionStack
from deploy.drill.step import StepFailed, Workplace
from deploy.drill.visitor import Visitor, open_slot, wait_for
from deploy.sandbox.addresses import INBOX, INBOX_PORT

_ALERTS = (
    "SELECT provider, state FROM notifications"
    " WHERE kind = 'slot_detected' AND channel = 'email' AND accepted_at IS NOT NULL ORDER BY accepted_at"
)
_RETURNS = 120.0  # seconds, of which PROVIDER_REST_SECONDS are 15


def lose_provider(stack: ProductionStack, visitor: Visitor, work: Workplace) -> str:
    """Wait for a receipt, have SendGrid refuse, then let it work again; return a line of figures.

    Raises:
        StepFailed: no receipt is applied, or an alert does not leave as it should.
    """
    wait_for(lambda: _read_alerts(stack)[0] == ("sendgrid", "delivered"), "the receipt of the alert")
    work.say("SendGrid's receipt came through nginx")
    _set_mode("refuse")
    waited = _see_alert(visitor)
    if (taker := _read_alerts(stack)[-1][0]) != "smtp":
        raise StepFailed(f"SendGrid was away, and {taker} took the alert")
    work.say(f"SendGrid away: the alert of a slot came by SMTP after {waited:.1f} s")
    _set_mode("normal")
    begun = time.monotonic()
    while _see_alert(visitor) and _read_alerts(stack)[-1][0] != "sendgrid":
        if time.monotonic() - begun > _RETURNS:
            raise StepFailed(f"no alert left by SendGrid within {_RETURNS:g} s of its recovery")
    returned = time.monotonic() - begun
    work.say(f"SendGrid back: an alert left by it after {returned:.1f} s")
    return f"by SMTP {waited:.1f} s, back after {returned:.1f} s"


def _see_alert(visitor: Visitor) -> float:
    before = visitor.count_alerts()
    open_slot()
    return visitor.wait_alert(before)


def _read_alerts(stack: ProductionStack) -> list[tuple[object, ...]]:
    """Return provider and state of the accepted alerts by mail, in their order."""
    return read_rows(
        stack.services["postgres"], read_secret(stack.folder / "secrets", "db_password"), _ALERTS
    )


def _set_mode(mode: str) -> None:
    request = urllib.request.Request(
        f"http://{INBOX}:{INBOX_PORT}/api/providers/sendgrid/mode",
        json.dumps({"mode": mode}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310 -- as above
        pass
