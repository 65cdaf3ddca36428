"""Cells of operators' pages: any value in words, links, badges, names in programs' words. Everything is escaped."""

from datetime import date, datetime
from uuid import UUID

from flask import current_app, url_for
from flask_babel import format_decimal
from markupsafe import Markup

from api.admin.audit import shorten_email
from api.models.user import Role
from api.pages.area import Access
from api.pages.context import write_date, write_moment, write_money
from api.web.auth import current_identity
from configs.world.plan import PlanName, name_plan

NOTHING = "—"


def format_cell(value: object) -> str:
    """Return a value as an operator reads it: instants in the operator's zone, numbers, plans; a dash for nothing."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, date):  # as an instant is, too
        zone = current_identity().time_zone
        shown = write_moment(value, zone, "medium") if isinstance(value, datetime) else write_date(value)
        return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), shown)
    if isinstance(value, PlanName):
        return own(name_plan(value))
    if isinstance(value, int | float):
        return str(format_decimal(value))
    return value if isinstance(value, Markup) else str(value)


def write_seconds(*values: float | None) -> str:
    """Return lengths of time in seconds: `30 s · — · 45 s`."""
    return " · ".join(NOTHING if each is None else f"{format_decimal(round(each))} s" for each in values)


def row(*parts: object) -> Markup:
    """Return parts beside each other; what is empty or False is left out."""
    return _join(" ", parts)


def lines(*parts: object) -> Markup:
    """Return parts below each other; what is empty or False is left out."""
    return _join("<br>", parts)


def _join(sign: str, parts: tuple[object, ...]) -> Markup:
    shown = [format_cell(each) for each in parts if each is not None and each is not False and each != ""]
    return Markup(sign).join(shown)  # noqa: S704 -- a sign of this module; the parts are escaped


def link(text: object, endpoint: str, hidden: object = "", **arguments: object) -> Markup:
    """Return a link; `hidden` tells screen readers apart what has the same text."""
    rest = Markup('<span class="hidden"> {}</span>').format(hidden) if hidden else ""
    return _lead_to("", Markup("{}{}").format(format_cell(text), rest), endpoint, arguments)


def button(text: str, endpoint: str, **arguments: object) -> Markup:
    """Return the link to an action."""
    return _lead_to("button", text, endpoint, arguments)


def second_button(text: str, endpoint: str, **arguments: object) -> Markup:
    """Return the link to an action that is not the one which is meant most of the time."""
    return _lead_to("button second", text, endpoint, arguments)


def _lead_to(kind: str, text: str, endpoint: str, arguments: dict[str, object]) -> Markup:
    """Return a link, or nothing where the reader may not open what it leads to."""
    access = vars(current_app.view_functions[endpoint])["access"]
    if access in (Access.ADMIN, Access.PROVEN_ADMIN) and not is_admin():
        return Markup()
    kind = Markup(' class="{}"').format(kind) if kind else ""
    url = url_for(endpoint, **arguments)  # type: ignore[arg-type] # values of an address are of any kind
    return Markup('<a{} href="{}">{}</a>').format(kind, url, text)


def badge(text: object, tone: str = "") -> Markup:
    """Return a short state; tone is `good`, `warn`, `bad`, `info` or none."""
    return Markup('<span class="{}">{}</span>').format(f"badge {tone}".strip(), format_cell(text))


def hint(*parts: object) -> Markup:
    """Return what matters less."""
    return Markup('<span class="hint">{}</span>').format(row(*parts))


def english(text: object) -> Markup:
    """Return what a program wrote."""
    return Markup('<span lang="en">{}</span>').format(format_cell(text))


def code(text: object) -> Markup:
    """Return a name of programs, or a dash."""
    return Markup("<code>{}</code>").format(text) if text else Markup("—")


def own(text: object) -> Markup:
    """Return a name that may be written in another direction."""
    return Markup("<bdi>{}</bdi>").format(text)


def amount(cents: int, currency: str = "EUR") -> Markup:
    return Markup('<bdi class="amount">{}</bdi>').format(write_money(cents, currency))


def email(address: str | None) -> str:
    """Return an address, shortened for support, or a dash."""
    if not address:
        return NOTHING
    return address if is_admin() else shorten_email(address)


def user_link(user_id: UUID | None, text: str = "Compte", hidden: object = "") -> Markup | str:
    """Return the way to an account, if there is one."""
    return link(text, "admin.show_user", hidden, id=user_id) if user_id else "supprimé"


def audit_link(subject: object) -> Markup:
    """Return the way to what operators did to a subject."""
    return link("Ce qu’en ont fait les opérateurs", "admin.list_audit", subjectId=subject)


def is_admin() -> bool:
    """Whether the reader may act."""
    return current_identity().role is Role.ADMIN
