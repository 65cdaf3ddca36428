"""The first page: what the service does and does not do, and the choice of a wish."""

from flask import render_template

from api.pages.advice.place_search import list_places
from api.pages.area import Access, Area
from api.pages.procedures import list_procedures
from configs.plan import PlanName, plans

area = Area("home", __name__)


@area.page("/", Access.PUBLIC)
def show_home() -> str:
    """Show what the service is, and the form of a wish."""
    sold = [plan for name, plan in plans().items() if name is not PlanName.NONE]
    return render_template(
        "home/home.html",
        places=list_places(),
        procedures=list_procedures(),
        cheapest=min(sold, key=lambda plan: plan.price_cents),
    )
