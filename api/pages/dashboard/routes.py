"""The page that a user comes back to: their plan and their alerts."""

from flask import render_template, request, url_for

from api.accounts.queries import read_account
from api.alerts.queries import read_alert_page
from api.alerts.schemas import AlertQuery
from api.alerts.service import has_stopped_last
from api.middleware.auth import current_user_id
from api.models.base import autocommit_session
from api.models.user import Channel, ContactState
from api.pages.alerts.view_data import describe_alert, write_freshness
from api.pages.area import Access, Area
from api.pages.forms import read_page_query
from api.pages.plan.order import is_settled, read_returned_order
from api.users.preferences import read_channel_states
from configs.world.plan import PlanName, name_plan

area = Area("dashboard", __name__)


def find_paid_plan() -> str | None:
    """Return the name of the plan that Checkout's return names, if it is one of ours."""
    named = request.args.get("plan", "")
    return name_plan(PlanName(named)) if named in set(PlanName) and named != PlanName.NONE else None


@area.page("/dashboard", Access.PERSONAL)
def show_dashboard() -> str:
    """Show the plan and the alerts; Checkout leads back here."""
    with autocommit_session() as s:
        account = read_account(s, current_user_id())
        page = read_alert_page(s, current_user_id(), read_page_query(AlertQuery))
        states = read_channel_states(s, current_user_id())
        is_served = account.plan is PlanName.NONE or any(alert.is_active for alert in page.items)
        stopped_last = not is_served and has_stopped_last(s, current_user_id())
    paid = request.args.get("payment") == "success"
    payment = read_returned_order() if paid else None
    return render_template(
        "dashboard/dashboard.html",
        account=account,
        has_bounced=states.get(Channel.EMAIL) is ContactState.BOUNCED,
        stopped_last=stopped_last,
        alerts=[describe_alert(each) for each in page.items],
        next=page.next,
        fresh=write_freshness,
        paid=paid,
        payment=payment,
        payment_is_settled=is_settled(payment),
        confirmation_url=url_for("plan.show_confirmation", plan=request.args.get("plan", "")[:40]),
        paid_plan=find_paid_plan(),
    )
