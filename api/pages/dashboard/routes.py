"""The page that a user comes back to: their plan and their alerts."""

from flask import render_template, request, url_for

from api.accounts.queries import read_account
from api.alerts.queries import read_alert_page
from api.alerts.schemas import AlertQuery
from api.middleware.auth import current_user_id
from api.models.base import autocommit_session
from api.pages.area import Access, Area
from api.pages.dashboard.view_data import describe_alert, find_paid_plan
from api.pages.plan.payment_return import is_settled, read_returned_order

area = Area("dashboard", __name__)


@area.page("/dashboard", Access.PERSONAL)
def show_dashboard() -> str:
    """Show the plan and the alerts; Checkout leads back here."""
    with autocommit_session() as s:
        account = read_account(s, current_user_id())
        page = read_alert_page(s, current_user_id(), AlertQuery())
    paid = request.args.get("payment") == "success"
    payment = read_returned_order() if paid else None
    return render_template(
        "dashboard/dashboard.html",
        account=account,
        alerts=[describe_alert(each) for each in page.items],
        paid=paid,
        payment=payment,
        payment_is_settled=is_settled(payment),
        confirmation_url=url_for("plan.show_confirmation", plan=request.args.get("plan", "")[:40]),
        paid_plan=find_paid_plan(),
    )
