"""All areas of the pages, in one list. Importing them registers nothing."""

from babel import Locale
from flask import Blueprint, Flask

from api.ground.translations import LANGUAGES, load_translations
from api.pages.account import (
    candidates,
    channels,
    looks,
    messages,
    organisation,
    organisation_money,
    people,
    personal_data,
    preferences,
    programs,
    security,
    sign_in,
    waiting,
)
from api.pages.admin.area import area as admin
from api.pages.alerts import routes as alerts
from api.pages.area import Area
from api.pages.assets import FILES, compute_version
from api.pages.context import register_context
from api.pages.headers import register_page_headers
from api.pages.links import routes as links
from api.pages.lost_sessions import register_lost_sessions
from api.pages.plan import declarations, invoices
from api.pages.plan import routes as plan
from api.pages.public import advice, calendar, guide, ledger, legal, site, status
from api.pages.public import map as map_page
from api.web.gunicorn_hooks import BEFORE_FORK
from api.web.languages import register_languages
from configs.ground.clock import clock
from configs.world.prefecture import prefectures
from configs.world.slot_releases import working_day

COMMON = Blueprint("pages", __name__, template_folder="templates")  # of all areas
AREAS: tuple[Area, ...] = (
    site.area,
    advice.area,
    map_page.area,
    sign_in.area,
    plan.dashboard,
    alerts.area,
    candidates.area,
    waiting.area,
    channels.area,
    looks.area,
    organisation.area,
    organisation_money.area,
    people.area,
    messages.area,
    preferences.area,
    programs.area,
    personal_data.area,
    security.area,
    plan.area,
    declarations.area,
    invoices.area,
    calendar.area,
    ledger.area,
    legal.area,
    guide.area,
    site.files,
    status.area,
    links.area,
)
ADMIN_AREAS: tuple[Area, ...] = (admin,)  # pages of operators


def register_pages(app: Flask) -> None:
    """Give the app its pages, and what stands around them."""
    register_languages(app)
    register_context(app)
    register_page_headers(app)
    register_lost_sessions(app)
    # gunicorn forks later; an app that is made for tests or commands loads what it uses.
    app.extensions.setdefault(BEFORE_FORK, []).append(lambda: preload(app))
    app.register_blueprint(FILES)
    app.register_blueprint(COMMON)
    for area in AREAS + ADMIN_AREAS:
        app.register_blueprint(area)


def preload(app: Flask) -> None:
    """Load everything that is the same for all requests; nothing is connected."""
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)
    for language in LANGUAGES:
        load_translations(language)
        Locale(language).datetime_formats  # noqa: B018 -- Babel reads a language at its first use
    compute_version()
    for place in prefectures().values():
        working_day(clock().date(), place.department)
