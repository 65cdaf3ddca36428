"""Links that stand on every page: in its head, and in its foot. Areas add theirs here."""

from dataclasses import dataclass
from typing import Literal

from flask import current_app, request, url_for
from flask_babel import LazyString, lazy_gettext

_l = lazy_gettext
Place = Literal["head", "account", "foot", "operators"]
# (endpoint, text); a link whose area does not exist is left out. Operators' pages are French only.
LINKS: dict[Place, tuple[tuple[str, LazyString | str], ...]] = {
    "head": (
        ("home.show_home", _l("Accueil")),
        ("map.show_map", _l("Carte")),
        ("calendar.show_calendar", _l("Calendrier")),
        ("ledger.show_ledger", _l("Fiabilité")),
    ),
    "account": (
        ("dashboard.show_dashboard", _l("Mes alertes")),
        ("channels.show_channels", _l("Canaux")),
        ("messages.show_notices", _l("Notifications")),
        ("messages.show_messages", _l("Messages")),
        ("plan.show_plan", _l("Formule")),
        ("preferences.show_profile", _l("Profil")),
        ("security.show_security", _l("Sécurité")),
        ("personal_data.show_data", _l("Mes données")),
    ),
    "foot": (
        ("status.show_status", _l("État du service")),
        ("legal.show_terms", _l("Conditions")),
        ("legal.show_privacy", _l("Vie privée")),
        ("legal.show_notice", _l("Mentions légales")),
        ("legal.show_accessibility", _l("Accessibilité")),
        ("legal.show_mediation", _l("Médiation")),
        ("legal.show_contact", _l("Contact")),
        ("declaration_pages.show_form", _l("renoncer au contrat ici")),
        ("cancellation_pages.show_form", _l("résilier votre contrat")),
    ),
    "operators": (
        ("admin.show_status", "État"),
        ("admin.list_incidents", "Incidents"),
        ("admin.list_desks", "Guichets"),
        ("admin.list_checks", "Vérifications"),
        ("admin.list_hosts", "Sites"),
        ("admin.list_detections", "Détections"),
        ("admin.list_alerts", "Alertes"),
        ("admin.list_answers", "Réponses"),
        ("admin.list_messages", "Messages"),
        ("admin.list_dead_letters", "Messages échoués"),
        ("admin.list_delivery", "Distribution"),
        ("admin.list_users", "Utilisateurs"),
        ("admin.list_payments", "Paiements"),
        ("admin.list_declarations", "Déclarations"),
        ("admin.list_events", "Événements Stripe"),
        ("admin.list_jobs", "Tâches"),
        ("admin.list_audit", "Journal"),
        ("admin.list_settings", "Réglages"),
    ),
}


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the navigation; `current`, as `aria-current`: it leads to this page, or to the area of this page."""

    url: str
    text: LazyString | str
    current: Literal["page", "true", ""]


def list_links(place: Place) -> list[Link]:
    """Return the links of a place, in order."""
    return [
        Link(url_for(endpoint), text, _compare(endpoint, place))
        for endpoint, text in LINKS[place]
        if endpoint in current_app.view_functions
    ]


def _compare(endpoint: str, place: Place) -> Literal["page", "true", ""]:
    if request.endpoint == endpoint:
        return "page"
    above = f"{url_for(endpoint)}/"  # of the status it would be above everything
    is_within = place == "operators" and above != "/admin/" and request.path.startswith(above)
    return "true" if is_within else ""
