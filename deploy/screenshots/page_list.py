"""Every page that is shown: its address, who looks at it, and what that person does there first."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from playwright.sync_api import Page

from configs.sales_terms import find_newest_version
from configs.signed_links import (
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    StopAlerts,
    WithdrawOrder,
    write_token,
)
from deploy.screenshots.money_rows import CUSTOMER, DETECTION, EVENT, GRANT
from deploy.screenshots.payment_rows import name_notice
from deploy.screenshots.people_rows import PASSWORD, WATCHED, People, Who

Act = Callable[[Page], None]
_WISH = "prefecture=bobigny_93&procedure=titre-sejour"
_HIDDEN_WISH = "prefecture=nanterre_92&procedure=titre-sejour"
WATCHED_HOST = "www.seine-saint-denis.gouv.fr:443"  # of the desk WATCHED
_ORDER = "/formule/commande?plan=URGENCE_7J"


@dataclass(frozen=True, slots=True)
class Shot:
    """One page, which becomes a picture in each variant."""

    name: str  # of the file
    path: str
    who: Who = Who.VISITOR
    act: Act | None = None  # what leads from the page to what is shown


def list_shots(people: People, payment_id: UUID, invoice_id: UUID) -> list[Shot]:
    """Return all pages; people, payment and invoice are those of the filled world."""
    return [
        *_list_public(),
        *_list_sign_in(people),
        *_list_alerts(people),
        *_list_account(),
        *_list_plans(payment_id, invoice_id),
        *_list_operators(),
        *_list_money(payment_id),
    ]


def _list_public() -> list[Shot]:
    return [
        Shot("home", "/"),
        Shot("departments", "/departements"),
        Shot("departments-search", "/departements?q=saint"),
        Shot("departments-unknown", "/departements/atlantis_00"),
        Shot("place", "/departements/bobigny_93"),
        Shot("advice", "/departements/bobigny_93/titre-sejour"),
        Shot("advice-long", "/departements/digne-les-bains_04/carte-identite"),
        Shot("advice-unwatched", "/departements/nanterre_92/titre-sejour"),
        Shot("map", "/carte"),
        Shot("map-filtered", "/carte?procedure=titre-sejour"),
        Shot("calendar", "/calendrier"),
        Shot("calendar-place", "/calendrier?prefecture=nanterre_92&procedure=TITRE_SEJOUR"),
        Shot("calendar-empty", "/calendrier?prefecture=gueret_23"),
        Shot("ledger", "/fiabilite"),
        Shot("status", "/statut"),
        Shot("terms", "/conditions"),
        Shot("terms-version", f"/textes/conditions/{find_newest_version()}"),
        Shot("privacy", "/vie-privee"),
        Shot("notice", "/mentions-legales"),
        Shot("accessibility", "/accessibilite"),
        Shot("contact", "/contact"),
        Shot("mediation", "/mediation"),
        Shot("not-found", "/nowhere"),
    ]


def _list_sign_in(people: People) -> list[Shot]:
    stop = write_token(StopAlerts((people.alerts["active"],)))
    return [
        Shot("login", "/login"),
        Shot("login-error", "/login", act=sign_in_as(Who.NEW, "a wrong password")),
        Shot("login-code", "/login", act=sign_in_as(Who.LONG)),
        Shot("register", "/register?prefecture=bobigny_93&procedure=TITRE_SEJOUR&plan=URGENCE_7J"),
        Shot("register-error", "/register", act=_register_wrongly),
        Shot("register-cancelled", "/register?payment=cancelled"),
        Shot("confirm", "/confirm"),
        Shot("forgot", "/forgot"),
        Shot("prove", "/prove", Who.NEW),
        Shot("login-lost", "/profil", Who.NEW, _lose_session),
        Shot("resumed", "/profil", Who.NEW, _resume_session),
        Shot("link-stop", f"/l/stop/{stop}"),
        Shot("link-unsubscribe", f"/l/unsubscribe/{stop}"),
        Shot("link-refused", "/l/stop/nonsense"),
    ]


def _list_alerts(people: People) -> list[Shot]:
    base = {name: f"/alertes/{alert_id}" for name, alert_id in people.alerts.items()}
    return [
        Shot("dashboard", "/dashboard", Who.CAMILLE),
        Shot("dashboard-new", "/dashboard", Who.NEW),
        Shot("dashboard-unconfirmed", "/dashboard", Who.UNCONFIRMED),
        Shot("dashboard-long", "/dashboard", Who.LONG),
        Shot("dashboard-paid", "/dashboard?payment=success&plan=URGENCE_TOTAL", Who.CAMILLE),
        Shot("alert-places", "/alertes/nouvelle", Who.CAMILLE),
        Shot("alert-new", f"/alertes/nouvelle?{_WISH}", Who.CAMILLE),
        Shot("alert-new-error", "/alertes/nouvelle?prefecture=bobigny_93", Who.CAMILLE, _wish_wrongly),
        Shot("alert-new-unwatched", f"/alertes/nouvelle?{_HIDDEN_WISH}", Who.CAMILLE),
        Shot("alert-new-no-plan", f"/alertes/nouvelle?{_WISH}", Who.NEW, press("/alertes/nouvelle")),
        Shot("alert", base["active"], Who.CAMILLE),
        Shot("alert-long", base["long"], Who.LONG),
        Shot("alert-paused", base["paused"], Who.CAMILLE),
        Shot("alert-waiting", base["waiting"], Who.CAMILLE),
        Shot("alert-closed", base["closed"], Who.CAMILLE),
        Shot("alert-edit", f"{base['active']}/modifier", Who.CAMILLE),
        Shot("alert-found", f"{base['active']}/trouve", Who.CAMILLE),
        Shot("alert-close", f"{base['active']}/fermer", Who.CAMILLE),
    ]


def _list_account() -> list[Shot]:
    return [
        Shot("channels", "/canaux", Who.CAMILLE),
        Shot("channels-new", "/canaux", Who.NEW),
        Shot("channels-unconfirmed", "/canaux", Who.UNCONFIRMED),
        Shot("channels-bounced", "/canaux", Who.LONG),
        Shot("channels-error", "/canaux", Who.LONG, _give_wrong_number),
        Shot("telegram", "/canaux/telegram", Who.NEW),
        Shot("telegram-link", "/canaux", Who.NEW, press("/canaux/telegram")),
        Shot("messages", "/messages", Who.CAMILLE),
        Shot("messages-none", "/messages", Who.NEW),
        Shot("notices", "/notifications", Who.CAMILLE),
        Shot("notices-none", "/notifications", Who.NEW),
        Shot("preferences", "/preferences", Who.CAMILLE),
        Shot("new-address", "/profil/nouvelle-adresse/expired", Who.CAMILLE),
        Shot("profile", "/profil", Who.CAMILLE),
        Shot("profile-long", "/profil", Who.LONG),
        Shot("profile-error", "/profil", Who.NEW, _give_wrong_address),
        Shot("security", "/securite", Who.CAMILLE),
        Shot("security-factor", "/securite", Who.LONG),
        Shot("security-error", "/securite", Who.NEW, _give_weak_password),
        Shot("factor-setup", "/securite/application", Who.NEW),
        Shot("factor-codes", "/securite", Who.LONG, press("/securite/codes")),
        Shot("data", "/donnees", Who.NEW),
        Shot("data-preparing", "/donnees", Who.LONG, _ask_export),
        Shot("deletion", "/donnees/suppression", Who.CAMILLE),
        Shot("deletion-error", "/donnees/suppression", Who.LONG, press("/donnees/suppression")),
    ]


def _list_plans(payment_id: UUID, invoice_id: UUID) -> list[Shot]:
    notice = ConfirmCancellation(name_notice(payment_id))
    return [
        Shot("plan", "/formule", Who.CAMILLE),
        Shot("plan-new", "/formule", Who.NEW),
        Shot("order", f"{_ORDER}&{_WISH}", Who.NEW),
        Shot("order-error", f"{_ORDER}&{_WISH}", Who.NEW, _order_wrongly),
        Shot("order-no-wish", _ORDER, Who.NEW),
        Shot("order-unwatched", f"{_ORDER}&{_HIDDEN_WISH}", Who.NEW),
        Shot("order-unconfirmed", f"{_ORDER}&{_WISH}", Who.UNCONFIRMED),
        Shot("order-bounced", f"{_ORDER}&{_WISH}", Who.LONG),
        Shot("order-held", f"{_ORDER}&{_WISH}", Who.CAMILLE),
        Shot("payments", "/formule/paiements", Who.CAMILLE),
        Shot("payments-empty", "/formule/paiements", Who.NEW),
        Shot("withdrawal", f"/formule/retractation/{payment_id}", Who.CAMILLE),
        Shot("withdrawal-form", "/l/retractation"),
        Shot("cancellation-form", "/l/resilier"),
        Shot("cancellation-link", f"/l/cancel/{write_token(CancelOrder(payment_id))}"),
        Shot("cancellation-notice", f"/l/resiliation/{write_token(notice)}"),
        Shot("withdrawal-form-error", "/l/retractation", act=_declare_wrongly),
        Shot("withdrawal-link", f"/l/withdraw/{write_token(WithdrawOrder(payment_id))}"),
        Shot("declaration", f"/l/declaration/{write_token(ConfirmDeclaration(payment_id))}"),
        Shot("payment", f"/formule/paiements/{payment_id}", Who.CAMILLE),
        Shot("invoices", "/formule/factures", Who.CAMILLE),
        Shot("invoices-empty", "/formule/factures", Who.NEW),
        Shot("invoice", f"/formule/factures/{invoice_id}", Who.CAMILLE),
        Shot("cancellation", "/formule/resiliation", Who.CAMILLE),
        Shot("cancellation-none", "/formule/resiliation", Who.NEW),
    ]


def _list_operators() -> list[Shot]:
    pages = {
        "status": "/admin",
        "incidents": "/admin/incidents",
        "incident": "/admin/incidents/1",
        "incident-acknowledge": "/admin/incidents/1/acquittement",
        "desks": "/admin/guichets",
        "desk": f"/admin/guichets/{WATCHED}",
        "desk-pause": f"/admin/guichets/{WATCHED}/pause",
        "desk-resume": f"/admin/guichets/{WATCHED}/reprise",
        "desk-check": f"/admin/guichets/{WATCHED}/verification",
        "hosts": "/admin/sites",
        "host": f"/admin/sites/{WATCHED_HOST}",
        "host-stop": f"/admin/sites/{WATCHED_HOST}/arret",
        "host-go": f"/admin/sites/{WATCHED_HOST}/reprise",
        "job-runs": "/admin/taches",
        "audit": "/admin/journal",
    }
    return [Shot(f"admin-{name}", path, Who.OPERATOR) for name, path in pages.items()]


def _list_money(payment_id: UUID) -> list[Shot]:
    user = f"/admin/utilisateurs/{CUSTOMER}"
    pages = {
        "detections": "/admin/detections",
        "detection": f"/admin/detections/{DETECTION}",
        "answers": "/admin/reponses",
        "dead-letters": "/admin/messages-echoues",
        "dead-letters-replay": "/admin/messages-echoues/renvoi",
        "users": "/admin/utilisateurs",
        "user": user,
        "user-factor-end": f"{user}/second-facteur/fin",
        "user-factor-keep": f"{user}/second-facteur/garder",
        "user-grant": f"{user}/formule",
        "user-grant-end": f"{user}/formules/{GRANT}/fin",
        "user-role": f"{user}/role",
        "user-return": f"{user}/lien-de-reprise",
        "payments": "/admin/paiements",
        "payment": f"/admin/paiements/{payment_id}",
        "payment-refund": f"/admin/paiements/{payment_id}/remboursement?amount=1,00",
        "payment-differences": "/admin/paiements/ecarts",
        "invoice-totals": "/admin/paiements/totaux",
        "stripe-events": "/admin/evenements-stripe",
        "stripe-event-replay": f"/admin/evenements-stripe/{EVENT}/rejeu",
    }
    return [Shot(f"admin-{name}", path, Who.OPERATOR) for name, path in pages.items()]


def press(action: str) -> Act:
    """Return an act that presses the last button of the first form whose action ends so."""

    def act(page: Page) -> None:
        page.locator(f"main form[action*='{action}']").first.locator("button:visible").last.click()

    return act


def sign_in_as(who: Who, password: str = PASSWORD) -> Act:
    """Return an act that fills the form of the sign-in."""

    def act(page: Page) -> None:
        page.fill("#f-email", who.value)
        page.fill("#f-password", password)
        press("/login")(page)

    return act


def _declare_wrongly(page: Page) -> None:
    _skip_browser_checks(page)
    page.fill("#f-email", "camille")
    press("/l/retractation")(page)


def _register_wrongly(page: Page) -> None:
    _skip_browser_checks(page)
    page.fill("#f-email", "camille@")
    page.fill("#f-password", "short")
    press("/register")(page)


def _lose_session(page: Page) -> None:
    page.context.clear_cookies()
    press("/profil/reglages")(page)


def _resume_session(page: Page) -> None:
    _lose_session(page)
    sign_in_as(Who.NEW)(page)


def _wish_wrongly(page: Page) -> None:
    _skip_browser_checks(page)
    page.click("details.limits summary")
    page.fill("#f-limits-dateFrom", "2027-05-01")
    page.fill("#f-limits-dateTo", "2027-04-01")
    press("/alertes/nouvelle")(page)


def _give_wrong_number(page: Page) -> None:
    _skip_browser_checks(page)
    page.fill("#f-phone", "12")
    press("/canaux/numero")(page)


def _give_wrong_address(page: Page) -> None:
    _skip_browser_checks(page)
    page.fill("#f-email", "camille@")
    press("/profil/adresse")(page)


def _give_weak_password(page: Page) -> None:
    _skip_browser_checks(page)
    page.fill("#f-password", "aaaaaaaaaaaa")
    press("/securite/mot-de-passe")(page)


def _ask_export(page: Page) -> None:
    """Ask for an export, unless the picture before this one did."""
    if page.locator("form[action$='/donnees/export']").count():
        press("/donnees/export")(page)


def _order_wrongly(page: Page) -> None:
    page.locator(".order-button").click()


def _skip_browser_checks(page: Page) -> None:
    """Let the server judge what was typed."""
    page.evaluate("document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })")
