"""What every template can use: language, addresses of files, and how money, numbers and times are written."""

from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from urllib.parse import quote, urlencode

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton, format_time, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent
from flask import Flask, current_app, g, request
from flask_babel import get_locale
from werkzeug.exceptions import HTTPException

from api.accounts.consents import read_consent_text
from api.middleware.languages import LANGUAGES, read_direction, read_language
from api.pages.asset_files import build_asset_url
from api.pages.canonical import build_canonical_url
from api.pages.form_tokens import write_token_field
from api.pages.navigation import list_links
from api.pages.notices import take_notice
from configs.ground.clock import clock
from configs.world.desk import zone_or_home

Style = Literal["short", "medium", "long", "full"]
_READS = ("GET", "HEAD")


def register_context(app: Flask) -> None:
    """Give templates and their macros what this module describes."""
    app.jinja_env.globals.update(
        lang=read_language,
        dir=read_direction,
        asset=build_asset_url,
        canonical_url=build_canonical_url,
        money=write_money,
        number=write_number,
        percent=write_percent,
        write_date=write_date,
        write_end=write_end,
        write_month=write_month,
        write_moment=write_moment,
        write_hour=write_hour,
        write_duration=write_duration,
        list_languages=list_languages,
        nav=list_links,
        consent_text=lambda subject: read_consent_text(subject, read_language()),
        csrf_field=write_token_field,
    )
    app.context_processor(lambda: {"user": g.get("page_user"), "notice": _find_notice()})
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def write_money(cents: int, currency: str = "EUR") -> str:
    """Return an amount as the page's language writes it: `4,99 €`."""
    return format_currency(cents / 100, currency.upper(), locale=_locale())


def write_number(value: float) -> str:
    """Return a number with the separators of the page's language."""
    return format_decimal(value, locale=_locale())


def write_percent(share: float) -> str:
    """Return a share of 1 as a percentage."""
    return format_percent(share, locale=_locale())


def write_date(day: date, style: Style = "long") -> str:
    """Return a date: `20 novembre 2026`; style is `short`, `medium`, `long`, `full`."""
    return format_date(day, style, locale=_locale())


def write_month(day: date) -> str:
    """Return the month of a date: `novembre 2026`."""
    return format_skeleton("yMMMM", day, locale=_locale())


def write_end(end: datetime, zone: str) -> str:
    """Return the instant at which something ends: midnight belongs to the day before, as people say it."""
    at_midnight = end.astimezone(zone_or_home(zone)).time() == time()
    return write_moment(end - timedelta(minutes=1) if at_midnight else end, zone)


def write_moment(moment: datetime, zone: str, style: Style = "long") -> str:
    """Return a date and hour in a zone (IANA name): `20 novembre 2026 à 10:00`."""
    local, locale = moment.astimezone(zone_or_home(zone)), _locale()
    if style != "long":
        return format_datetime(local, style, locale=locale)
    day, hour = format_date(local, "long", locale=locale), format_time(local, "short", locale=locale)
    return str(locale.datetime_formats["long"]).format(hour, day).replace("'", "")


def write_hour(moment: datetime, zone: str) -> str:
    """Return the hour of an instant in a zone: `10:00`."""
    return format_time(moment, "short", tzinfo=zone_or_home(zone), locale=_locale())


def write_duration(seconds: float, *, ago_from: datetime | None = None) -> str:
    """Return a length of time in one unit: `2 minutes`; with `ago_from` how long that instant is ago."""
    if ago_from is not None:
        return format_timedelta(ago_from - clock(), add_direction=True, locale=_locale())
    return format_timedelta(seconds, threshold=1.5, locale=_locale())  # type: ignore[arg-type]


def list_languages() -> list[dict[str, Any]]:
    """Return this page in each language: code, own name, address, and whether it is shown now."""
    return [
        {"code": code, "name": name, "url": _translate_url(code), "current": code == read_language()}
        for code, name in LANGUAGES.items()
    ]


def _translate_url(language: str) -> str:
    """Return the address of this page in another language; of a form that was posted, its page's."""
    arguments: dict[str, Any] = {"lang": language}
    if request.method in _READS and request.endpoint:
        arguments = request.args.to_dict(flat=False) | arguments
    # A path that begins with two slashes would lead to another site.
    return f"/{quote(_find_page_path().lstrip('/'))}?{urlencode(arguments, doseq=True)}"


def _find_page_path() -> str:
    """Return this path; of a form's action the nearest path above it that answers GET."""
    path = request.path
    while request.method not in _READS and not _answers_get(path):
        path = path.rpartition("/")[0] or "/"
    return path


def _answers_get(path: str) -> bool:
    routes = current_app.create_url_adapter(request)
    try:
        return routes is not None and bool(routes.match(path, "GET"))
    except HTTPException:
        return False


def _find_notice() -> tuple[str, str] | None:
    return take_notice() if g.get("access", "public") != "public" else None


def _locale() -> Locale:
    return get_locale() or Locale("fr")
