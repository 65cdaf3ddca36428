"""Accounts of a run: every slot and message once, every cent in both books."""

import time
from collections import Counter
from collections.abc import Collection

from tests.lab.drill.engine import Engine, StepFailed
from tests.lab.drill.visitor import STRIPE, read_outbox

_PATIENCE = 300.0  # seconds: a spider that dies in a check costs its desk the deadline, which is minutes at a real site
_ORDERS = "SELECT status, count(*), sum(amount_cents) FROM payments GROUP BY status"
_STATES = "SELECT state, count(*) FROM notifications GROUP BY state"
_TAKEN = "SELECT id FROM notifications WHERE accepted_at IS NOT NULL"
# Those that left as one mail; by SMTP such a mail names the first of them alone, in its Message-ID.
_TOGETHER = """
SELECT string_agg(id::text, ',') FROM notifications WHERE provider = 'smtp' GROUP BY contact_id, accepted_at
"""
_TOLD = """
SELECT u.email, count(DISTINCT s.id) FROM alerts a JOIN users u ON u.id = a.user_id
JOIN matches m ON m.alert_id = a.id JOIN slots s ON m.slots @> s.id GROUP BY u.email
"""
_WELL = {"sent", "delivered"}


def settle(engine: Engine, watchers: Collection[str], slots: int) -> str:
    """Wait until every watcher knows every slot that opened, and the books agree; return a line of figures.

    Raises:
        StepFailed: they never do; the text says what is lost, doubled or missing.
    """
    end = time.monotonic() + _PATIENCE
    while faults := [*_find_lost(engine, watchers, slots), *_find_unsent(engine), *_find_differences(engine)]:
        if time.monotonic() > end:
            raise StepFailed("; ".join(faults))
        time.sleep(2)
    ((_, orders, cents),) = engine.query(_ORDERS)
    messages = len(engine.query(_TAKEN))
    return (
        f"{slots} slots told to {len(watchers)}, {messages} messages once each,"
        f" {orders} orders, {int(cents) / 100:.2f} € in both books"
    )


def _find_lost(engine: Engine, watchers: Collection[str], slots: int) -> list[str]:
    told = {email: int(count) for email, count in engine.query(_TOLD)}
    lost = {email: told.get(email, 0) for email in watchers if told.get(email, 0) != slots}
    return [f"of {slots} slots these were told: {lost}"] if lost else []


def _find_unsent(engine: Engine) -> list[str]:
    faults = []
    states = {state: int(count) for state, count in engine.query(_STATES)}
    if odd := {state: count for state, count in states.items() if state not in _WELL}:
        faults.append(f"messages that did not leave: {odd}")
    came = Counter(each for message in read_outbox() for each in _read_ids(message["custom"]))
    if doubled := [each for each, times in came.items() if times > 1]:
        faults.append(f"came twice: {', '.join(doubled)}")
    taken = {row[0] for row in engine.query(_TAKEN)}
    together = [set(ids.split(",")) for (ids,) in engine.query(_TOGETHER)]
    known = came.keys() | {each for ids in together if ids & came.keys() for each in ids}
    if missing := taken - known:
        faults.append(f"messages that never came: {len(missing)}, such as {min(missing)}")
    if strange := came.keys() - taken:
        faults.append(f"messages that came and that nobody sent: {len(strange)}, such as {min(strange)}")
    return faults


def _find_differences(engine: Engine) -> list[str]:
    """Compare our orders with Stripe's charges: how many are paid, how many cents, and none that waits."""
    ours = {status: (int(count), int(cents)) for status, count, cents in engine.query(_ORDERS)}
    charges = [payment["captured"] for payment in STRIPE.ledger() if payment["captured"]]
    theirs = {"COMPLETED": (len(charges), sum(charges))} if charges else {}
    return [] if ours == theirs else [f"orders with cents are here {ours}, at Stripe {theirs}"]


def _read_ids(custom: dict[str, str]) -> list[str]:
    """Return the notifications that a message is of; a mail by SMTP has its own in the Message-ID."""
    listed = custom.get("notification_ids") or custom.get("notification_id")
    listed = listed or custom["message_id"].strip("<>").partition("@")[0]
    return [each for each in listed.split(",") if each]
