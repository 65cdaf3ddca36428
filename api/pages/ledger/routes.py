"""The public ledger as a page: how well we kept our word in thirty days."""

from flask import render_template

from api.middleware.public_answers import read_cached
from api.pages.area import Access, Area
from api.pages.ledger.names import CHANNEL_NAMES, FORM_NAMES, REASON_NAMES
from api.pages.ledger.view_data import LedgerView
from api.reliability.queries import CACHE_KEY, read_reliability
from api.reliability.schemas import Reliability

area = Area("ledger", __name__)


@area.page("/fiabilite", Access.PUBLIC)
def show_ledger() -> str:
    """Show the ledger: plain words first, then the tables."""
    view = LedgerView.build(read_cached(Reliability, CACHE_KEY, read_reliability))
    return render_template(
        "ledger/ledger.html",
        view=view,
        found=view.found,
        channels=CHANNEL_NAMES,
        reasons=REASON_NAMES,
        forms=FORM_NAMES,
    )
