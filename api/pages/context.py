"""Values for every template: texts, links, addresses, and how money, numbers and times are written.

The texts in templates and code are French (api/ground/translations.py).
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from urllib.parse import quote, urlencode

from babel import Locale
from babel.dates import format_date, format_skeleton, format_timedelta
from babel.numbers import format_currency
from babel.support import Translations
from flask import Flask, current_app, g, has_request_context, request, url_for
from flask_babel import Babel, Domain, LazyString, force_locale, get_locale, lazy_gettext
from jinja2 import nodes
from jinja2.ext import Extension, InternationalizationExtension
from jinja2.parser import Parser
from werkzeug.exceptions import HTTPException

from api.accounts.consents import read_consent_text
from api.ground.translations import LANGUAGES, load_translations
from api.pages.assets import build_asset_url
from api.pages.cookies import take_notice, write_token_field
from api.pages.desk_labels import write_label
from api.web.languages import choose_language, read_direction, read_language
from configs.ground.clock import clock
from configs.ground.text import FRENCH_AND_ENGLISH, put_beside, write_first, write_time
from configs.settings import settings
from configs.world.desk import zone_or_home
from configs.world.plan import PlanName, name_plan

_l = lazy_gettext
_WRITTEN_IN = "fr"  # the language of templates and code
# Of a link that leads here: carry_source
_SOURCE = re.compile(r"[a-z0-9-]{1,20}", re.ASCII)
_ON_THE_WAY = frozenset({"home", "advice", "waiting", "alert_pages", "sign_in"})
Place = Literal["head", "account", "settings", "foot", "operators"]
# (endpoint, text).
OPERATORS: dict[str, tuple[tuple[str, str], ...]] = {  # by group; their pages are French only
    "Veille": (
        ("admin.show_status", "État"),
        ("admin.list_incidents", "Incidents"),
        ("admin.list_desks", "Pages de rendez-vous"),
        ("admin.list_checks", "Vérifications"),
        ("admin.list_candidates", "Pages proposées"),
        ("admin.list_hosts", "Sites"),
        ("admin.list_reports", "Signalements"),
        ("admin.list_detections", "Détections"),
    ),
    "Messages": (
        ("admin.list_alerts", "Alertes"),
        ("admin.list_answers", "Réponses"),
        ("admin.list_messages", "Messages"),
        ("admin.list_dead_letters", "Messages échoués"),
        ("admin.list_delivery", "Distribution"),
        ("admin.list_announcements", "Annonces"),
    ),
    "Clients": (
        ("admin.list_users", "Utilisateurs"),
        ("admin.list_requests", "Demandes"),
        ("admin.list_organisations", "Organisations"),
        ("admin.list_payments", "Paiements"),
        ("admin.list_declarations", "Déclarations"),
        ("admin.list_events", "Événements Stripe"),
    ),
    "Système": (
        ("admin.list_jobs", "Tâches"),
        ("admin.list_audit", "Journal"),
        ("admin.show_activity", "Activité"),
    ),
}
LINKS: dict[Place, tuple[tuple[str, LazyString | str], ...]] = {
    "head": (
        ("home.show_home", _l("Accueil")),
        ("map.show_map", _l("Carte")),
        ("calendar.show_calendar", _l("Calendrier")),
        ("ledger.show_ledger", _l("Fiabilité")),
    ),
    "account": (
        ("dashboard.show_dashboard", _l("Alertes")),
        ("plan.show_plan", _l("Offre")),
        ("channels.show_channels", _l("Réglages")),
        ("messages.show_notices", _l("Notifications")),  # the bell
    ),
    "settings": (
        ("channels.show_channels", _l("Canaux")),
        ("preferences.show_profile", _l("Profil")),
        ("security.show_security", _l("Sécurité")),
        ("personal_data.show_data", _l("Mes données")),
        ("messages.show_messages", _l("Messages")),
        ("looks.show_looks", _l("Ce que je vois")),
        ("organisation.show_organisation", _l("Organisation")),
    ),
    "foot": (
        ("help.show_guide", _l("Aide")),
        ("status.show_status", _l("État du service")),
        ("legal.show_terms", _l("Conditions")),
        ("legal.show_privacy", _l("Vie privée")),
        ("legal.show_notice", _l("Mentions légales")),
        ("legal.show_accessibility", _l("Accessibilité")),
        ("legal.show_mediation", _l("Médiation")),
        ("legal.show_contact", _l("Contact")),
        ("declaration_pages.show_withdrawal", _l("renoncer au contrat ici")),
        ("declaration_pages.show_cancellation", _l("résilier votre contrat")),
    ),
    "operators": tuple(link for links in OPERATORS.values() for link in links),
}
_AREAS = {endpoint.partition(".")[0] for endpoint, _ in LINKS["settings"]} - {"messages"}
Style = Literal["short", "medium", "long", "full"]
_READS = ("GET", "HEAD")
_ARABIC_DUAL = re.compile("ان$")  # of two minutes, as after "every" and "for"


def build_canonical_url(language: str | None = None) -> str:
    """Return the address of this page in a language; without one, that which follows the browser's."""
    return build_public_url(request.endpoint or "", language, **(request.view_args or {}))


def build_public_url(endpoint: str, language: str | None = None, **values: Any) -> str:
    """Return the absolute address of a page.

    Raises:
        werkzeug.routing.BuildError: there is no such page.
    """
    return settings().frontend_url.rstrip("/") + url_for(endpoint, **values, lang=language, s=None)


def read_source() -> str:
    """Return the word by which a link names where it stands, `/?s=forum`; it travels on by links and forms alone."""
    found = request.args.get("s", "")
    return found if _SOURCE.fullmatch(found) else ""


def carry_source(endpoint: str, values: dict[str, Any]) -> None:
    """Add the source of this page to a link to another one on the way to a registration."""
    if endpoint.partition(".")[0] in _ON_THE_WAY and has_request_context() and (source := read_source()):
        values.setdefault("s", source)


def list_links(place: Place) -> list[dict[str, Any]]:
    """Return the links of a place, in order; `current`, as `aria-current`: to this page, or to the area of it."""
    return [
        {"url": url_for(endpoint), "text": text, "current": _compare(endpoint, place)}
        for endpoint, text in LINKS[place]
    ]


def list_operator_groups() -> list[dict[str, Any]]:
    """Return the groups of operators' links, and which of them has this page."""
    links = {str(each["text"]): each for each in list_links("operators")}
    groups = {title: [links[text] for _, text in its] for title, its in OPERATORS.items()}
    return [
        {"title": title, "links": its, "open": any(each["current"] for each in its)}
        for title, its in groups.items()
    ]


def _compare(endpoint: str, place: Place) -> Literal["page", "true", ""]:
    if request.endpoint == endpoint:
        return "page"
    above = f"{url_for(endpoint)}/"  # of the status it would be above everything
    is_within = place in ("operators", "settings") and above != "/admin/" and request.path.startswith(above)
    is_setting = (place, endpoint) == ("account", "channels.show_channels") and is_of_settings()
    return "true" if is_within or is_setting else ""


def is_of_settings() -> bool:
    """Return whether this page is one of those below the link « Réglages »."""
    is_within = request.blueprint in _AREAS or request.path.startswith("/organisation/")
    return is_within or request.endpoint == "messages.show_messages"


class PoDomain(Domain):  # type: ignore[misc] # Flask-Babel has no types
    """The texts of all pages, in the language of the request."""

    def get_translations(self) -> Translations:
        """Return the catalogue of this request's language."""
        return load_translations(_locale().language)


class SentenceTag(Extension):
    """`{% trans %}`, whose sentence is written by `write_beside`."""

    tags = {"trans"}  # noqa: RUF012 -- as Jinja declares it
    priority = 200  # in place of the tag that it reads by

    def parse(self, parser: Parser) -> nodes.Node:
        read = self.environment.extensions[InternationalizationExtension.identifier].parse(parser)
        body = read if isinstance(read, list) else [read]
        write = nodes.Call(nodes.Name("write_beside", "load"), [], [], None, None)
        return nodes.CallBlock(write, [], [], body).set_lineno(body[0].lineno)


def write_beside(caller: Callable[[], str]) -> str:
    """Return a sentence; of one that binds each half has its dates and amounts as its own language writes them."""
    text = caller()
    if not text.startswith("\N{FIRST STRONG ISOLATE}"):  # of `put_beside`
        return text
    halves = []
    for language in FRENCH_AND_ENGLISH:
        with force_locale(language):
            halves.append(caller())
    return type(text)(put_beside(*halves))


def register_context(app: Flask) -> None:
    """Give templates and their macros what this module describes, and `gettext` the request's language."""
    Babel(app, default_locale=_WRITTEN_IN, locale_selector=choose_language).domain_instance = PoDomain()
    app.jinja_env.add_extension(SentenceTag)
    app.url_defaults(carry_source)
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.globals.update(
        lang=read_language,
        dir=read_direction,
        asset=build_asset_url,
        canonical_url=build_canonical_url,
        provider_name=lambda: settings().oidc_name if settings().offers_provider else "",
        money=write_money,
        number=app.jinja_env.filters["decimalformat"],  # Flask-Babel's
        percent=app.jinja_env.filters["percentformat"],
        desk_label=write_label,
        plan_name=lambda name: name_plan(PlanName(name)),
        write_beside=write_beside,
        write_date=write_date,
        write_end=write_end,
        write_month=write_month,
        write_moment=write_moment,
        write_hour=write_hour,
        write_duration=write_duration,
        list_languages=list_languages,
        nav=list_links,
        operator_groups=list_operator_groups,
        is_of_settings=is_of_settings,
        consent_text=lambda subject: read_consent_text(subject, read_language()),
        csrf_field=write_token_field,
        source=read_source,
    )
    app.context_processor(
        lambda: {
            "user": g.get("page_user"),
            "notice": take_notice() if g.get("access", "public") != "public" else None,
        }
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def write_money(cents: int, currency: str = "EUR") -> str:
    """Return an amount as the page's language writes it: `4,99 €`."""
    return format_currency(cents / 100, currency.upper(), locale=_locale())


def write_date(day: date, style: Style = "long") -> str:
    """Return a date: `20 novembre 2026`; style is `short`, `medium`, `long`, `full`."""
    return write_first(format_date(day, style, locale=_locale()))


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
    hour = write_time(local, "short" if style == "long" else style, locale=locale)
    return str(locale.datetime_formats[style]).format(hour, write_date(local, style)).replace("'", "")


def write_hour(moment: datetime, zone: str) -> str:
    """Return the hour of an instant in a zone: `10:00`."""
    return write_time(moment, "short", tzinfo=zone_or_home(zone), locale=_locale())


def write_duration(seconds: float, *, ago_from: datetime | None = None) -> str:
    """Return a length of time in one unit: `2 minutes`; with `ago_from` how long that instant is ago."""
    if ago_from is not None:
        return format_timedelta(ago_from - clock(), add_direction=True, locale=_locale())
    text = format_timedelta(seconds, threshold=1.5, locale=_locale())  # type: ignore[arg-type]
    return _ARABIC_DUAL.sub("ين", text)


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


def _locale() -> Locale:
    return get_locale() or Locale(_WRITTEN_IN)
