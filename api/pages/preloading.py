"""Preloading of what pages need: templates, texts, files, departments, holidays.

Done before the workers fork, it is in memory once, and the first visitor of each worker does not wait for it.
"""

from babel import Locale
from flask import Flask

from api.middleware.gunicorn_hooks import BEFORE_FORK
from api.middleware.languages import LANGUAGES
from api.pages.asset_files import compute_version
from api.pages.catalogues import load_translations
from configs.ground.clock import clock
from configs.world.prefecture import prefectures
from configs.world.slot_releases import working_day


def register_preloading(app: Flask) -> None:
    """Have the pages loaded before gunicorn forks; an app that is made for tests or commands loads what it uses."""
    app.extensions.setdefault(BEFORE_FORK, []).append(lambda: preload(app))


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
