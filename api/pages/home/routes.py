"""The first page: what the service does and does not do, and the choice of a wish."""

from flask import render_template

from api.middleware.public_answers import read_cached
from api.pages.area import Access, Area
from api.pages.choices import PROCEDURE_NAMES, list_department_options, list_procedures
from api.prefectures.queries import build_map_key, read_map
from api.prefectures.schemas import ProvenDesks, TileMap
from configs.ground.database_errors import is_away
from configs.world.plan import PlanName, plans

area = Area("home", __name__)


@area.page("/", Access.PUBLIC)
def show_home() -> str:
    """Show what the service is, and the form of a wish."""
    proven = _read_proven()
    sold = [plan for name, plan in plans().items() if name is not PlanName.NONE]
    return render_template(
        "home/home.html",
        places=list_department_options(),
        procedures=list_procedures(),
        proven=proven,
        names=[PROCEDURE_NAMES[each] for each in proven.procedures] if proven else [],
        cheapest=min(sold, key=lambda plan: plan.price_cents),
    )


def _read_proven() -> ProvenDesks | None:
    """Return what was proven of late, as the map has it; None while the database is away: the rest needs none."""
    try:
        return read_cached(TileMap, build_map_key(None), lambda s: read_map(s, None)).proven
    except Exception as error:
        if not is_away(error):
            raise
        return None
