"""Data of the dashboard: the plan, the payment of an order that was just placed, and alerts with open slots first."""

from typing import Any

from api.accounts.queries import find_suspension, read_account
from api.alerts.open_slots import read_open_desks
from api.alerts.queries import list_closed_alerts, read_alert_page
from api.alerts.schemas import AlertQuery
from api.alerts.service import has_stopped_last
from api.models.base import autocommit_session, is_any_of
from api.models.notification import Match
from api.models.user import Channel, ContactState
from api.pages.alerts.view_data import describe_alert
from api.payments.billing.queries import find_newest_order, read_outage_balance, read_subscription
from api.users.channel_setup import read_channel_setup
from api.users.preferences import read_channel_states
from api.web.auth import current_user_id
from configs.ground.clock import clock
from configs.world.plan import PlanName, plan

_MOST_CLOSED = 10


def read_dashboard(query: AlertQuery, ordered: PlanName | None, *, paid: bool) -> dict[str, Any]:
    """Return what the dashboard shows; `paid`: Checkout came back from an order of the plan `ordered`.

    The payment is read first: where it is confirmed, plan and alert are those that it gave.
    """
    user_id = current_user_id()
    with autocommit_session() as s:
        payment = find_newest_order(s, user_id, ordered) if paid else None
        account = read_account(s, user_id)
        subscription = read_subscription(s, user_id)
        balance = read_outage_balance(s, user_id, clock())
        page = read_alert_page(s, user_id, query)
        open_desks = read_open_desks(s, is_any_of(Match.alert_id, [each.id for each in page.items]))
        closed = list_closed_alerts(s, user_id, _MOST_CLOSED) if query.before is None else []
        states = read_channel_states(s, user_id)
        setup = read_channel_setup(s, user_id, plan(account.plan).channels)
        is_served = account.plan is PlanName.NONE or any(alert.is_active for alert in page.items)
        stopped_last = not is_served and has_stopped_last(s, user_id)
        suspended = find_suspension(s, user_id)
    alerts = [describe_alert(each) | {"open": open_desks.get(each.id, [])} for each in page.items]
    return {
        "payment": payment,
        "account": account,
        # That goes on: what its next month costs
        "price": plan(subscription.plan).price_cents if subscription and not subscription.ends_at else None,
        "subscription": subscription,
        "balance": balance,  # what outages gave
        "has_bounced": states.get(Channel.EMAIL) is ContactState.BOUNCED,
        "setup": setup if account.plan is not PlanName.NONE else [],
        # For which channels are tried
        "newest_alert": page.items[0].id if page.items and query.before is None else None,
        "stopped_last": stopped_last,
        "suspended": suspended,
        "alerts": sorted(alerts, key=lambda each: not each["open"]),
        "closed": [describe_alert(each) for each in closed],
        "next": page.next,
    }
