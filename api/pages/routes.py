"""Two small pages to which Checkout leads back while there is no front end: FRONTEND_URL is then this API.

They say nothing of an account: whether an order is paid, its mail and the history tell.
"""

from flask import Blueprint, render_template, request

from configs.plan import PlanName, name_plan

blueprint = Blueprint("old_pages", __name__)


@blueprint.get("/dashboard")
def show_return() -> str:
    """Say that the payment arrived and what follows; without `payment=success`, that there is no more here yet."""
    named = request.args.get("plan", "")
    known = named in {each.value for each in PlanName if each is not PlanName.NONE}
    paid = request.args.get("payment") == "success"
    return render_template("paid.html", paid=paid, plan=name_plan(PlanName(named)) if known else None)


@blueprint.get("/register")
def show_cancelled() -> str:
    """Say that nothing was charged."""
    return render_template("not_paid.html", cancelled=request.args.get("payment") == "cancelled")
