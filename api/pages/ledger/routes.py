"""The public ledger as a page: how well we kept our word in thirty days."""

from flask import render_template
from markupsafe import Markup

from api.cache import answer_cache
from api.middleware.languages import find_linked_language, read_language
from api.middleware.public_answers import read_cached
from api.pages.area import Access, Area
from api.pages.ledger.names import CHANNEL_NAMES, FORM_NAMES, REASON_NAMES
from api.pages.ledger.view_data import LedgerView
from api.reliability.queries import CACHE_KEY, read_reliability
from api.reliability.schemas import Reliability

_KEPT_FOR = 60.0  # seconds: it speaks of days that are over
area = Area("ledger", __name__)


@area.page("/fiabilite", Access.PUBLIC)
def show_ledger() -> str:
    """Show the ledger: plain words first, then the tables.

    Its main part is written once for all, since its many rows take long. What stands around it repeats what this
    request's address says, which concerns nobody else.
    """
    key = f"page:ledger:{read_language()}:{find_linked_language()}"
    main = answer_cache().get(key, _render_main, _KEPT_FOR).body.decode()
    return render_template("ledger/ledger.html", main=Markup(main))  # noqa: S704 -- rendered by _render_main


def _render_main() -> bytes:
    view = LedgerView.build(read_cached(Reliability, CACHE_KEY, read_reliability))
    page = render_template(
        "ledger/_main.html",
        view=view,
        found=view.found,
        channels=CHANNEL_NAMES,
        reasons=REASON_NAMES,
        forms=FORM_NAMES,
    )
    return page.encode()
