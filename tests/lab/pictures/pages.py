"""Every page that is shown: its name, address, who looks at it, and what that person does there first.

An address may carry ids of the filled world, in braces. A page without parameters that is not listed is shown, too.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask
from playwright.sync_api import Page

from configs.world.sales_terms import find_newest_version
from tests.api.pages.walk.addresses import list_rules
from tests.factories import PASSWORD
from tests.lab.pictures.accounts import READ, WATCHED, WATCHED_HOST, Who

_WISH = "prefecture=bobigny_93&procedure=titre-sejour"
_UNKNOWN_WISH = "prefecture=melun_77&procedure=visa"
_READ_WISH = "prefecture=nanterre_92&procedure=titre-sejour"  # by people, and of old pages
_ORDER = "/formule/commande?plan=URGENCE_7J"
_USER, _CANDIDATE = "/admin/utilisateurs/{user}", "/admin/pages-proposees/{candidate}"
_REPORTER, _HOUSE = "/admin/signalements/{camille}", "/admin/organisations/{organisation}"
_WORDS = "/admin/annonces/{announcement}"
_HOST = f"/admin/sites/{WATCHED_HOST}"
_DESK = f"/admin/guichets/{WATCHED}"

PAGES = {
    Who.VISITOR: f"""
        home / · departments /departements · departments-search /departements?q=saint
        departments-unknown /departements/atlantis_00 · place /departements/bobigny_93
        advice /departements/bobigny_93/titre-sejour · advice-long /departements/digne-les-bains_04/carte-identite
        advice-unwatched /departements/melun_77/visa · advice-read /departements/nanterre_92/titre-sejour
        waiting /departements/melun_77/visa/prevenir · waiting-read /departements/nanterre_92/titre-sejour/prevenir
        map /carte · map-filtered /carte?procedure=titre-sejour
        calendar /calendrier · calendar-place /calendrier?prefecture=nanterre_92&procedure=TITRE_SEJOUR
        calendar-empty /calendrier?prefecture=gueret_23 · ledger /fiabilite · status /statut · terms /conditions
        terms-version /textes/conditions/{find_newest_version()} · privacy /vie-privee · notice /mentions-legales
        guide /aide · support-form /aide/ecrire · accessibility /accessibilite · contact /contact · mediation /mediation · not-found /nowhere
        login /login · login-error /login · login-code /login
        register /register?prefecture=bobigny_93&procedure=TITRE_SEJOUR&plan=URGENCE_7J · register-error /register
        register-cancelled /register?payment=cancelled · confirm /confirm · confirm-code /register · forgot /forgot
        link-stop /l/{{stop}} · link-unsubscribe /l/{{unsubscribe}} · link-refused /l/stop.nonsense
        withdrawal-form /l/retractation · cancellation-form /l/resilier · cancellation-link /l/{{cancel}}
        cancellation-notice /l/{{confirm_cancel}} · withdrawal-form-error /l/retractation
        withdrawal-link /l/{{withdraw}} · declaration /l/{{confirm}} · friend /ami/{{friend}}""",
    Who.NEW: f"""
        prove /prove · login-lost /profil · resumed /profil · dashboard-new /dashboard
        alert-new-no-plan /alertes/nouvelle?{_WISH} · channels-new /canaux · telegram /canaux/telegram
        telegram-link /canaux · messages-none /messages · notices-none /notifications · profile-error /profil
        security-error /securite · factor-setup /securite/application · data /donnees · plan-new /formule
        order {_ORDER}&{_WISH} · order-error {_ORDER}&{_WISH} · order-no-wish {_ORDER}
        order-unwatched {_ORDER}&{_UNKNOWN_WISH} · order-read {_ORDER}&{_READ_WISH} · payments-empty /formule/paiements
        invoices-empty /formule/factures · cancellation-none /formule/resiliation
        support-own /aide/message · candidate /departements/bobigny_93/page-de-rendez-vous · organisation-ask /organisation""",
    Who.UNCONFIRMED: f"""
        dashboard-unconfirmed /dashboard · channels-unconfirmed /canaux · order-unconfirmed {_ORDER}&{_WISH}""",
    Who.LONG: f"""
        dashboard-long /dashboard · alert-long /alertes/{{long}} · channels-bounced /canaux · channels-error /canaux
        organisation-invited /organisation · profile-long /profil · security-factor /securite
        factor-codes /securite · data-preparing /donnees
        deletion-error /donnees/suppression · order-bounced {_ORDER}&{_WISH}""",
    Who.CAMILLE: f"""
        dashboard /dashboard · dashboard-paid /dashboard?payment=success&plan=URGENCE_TOTAL
        alert-places /alertes/nouvelle · alert-new /alertes/nouvelle?{_WISH}
        alert-new-error /alertes/nouvelle?prefecture=bobigny_93 · alert-new-unwatched /alertes/nouvelle?{_UNKNOWN_WISH}
        alert-new-read /alertes/nouvelle?{_READ_WISH} · looks-desk /guichets/{READ} · alert-read /alertes/{{read}}
        alert /alertes/{{active}} · alert-paused /alertes/{{paused}} · alert-waiting /alertes/{{waiting}}
        alert-closed /alertes/{{closed}} · alert-edit /alertes/{{active}}/modifier
        alert-found /alertes/{{active}}/trouve · alert-close /alertes/{{active}}/fermer · channels /canaux
        messages /messages · notices /notifications · preferences /preferences
        new-address /profil/nouvelle-adresse/expired · profile /profil · security /securite
        deletion /donnees/suppression · plan /formule · order-held {_ORDER}&{_WISH} · payments /formule/paiements
        withdrawal /formule/retractation/{{payment}} · payment /formule/paiements/{{payment}}
        organisation /organisation · organisation-money /organisation/argent · person-helped /organisation/people/{{helped}} · invoices /formule/factures
        invoice /formule/factures/{{invoice}} · cancellation /formule/resiliation""",
    Who.OPERATOR: f"""
        admin-incident /admin/incidents/1 · admin-incident-acknowledge /admin/incidents/1/acquittement
        admin-desk {_DESK} · admin-desk-pause {_DESK}/pause · admin-desk-resume {_DESK}/reprise
        admin-desk-check {_DESK}/verification · admin-host {_HOST} · admin-host-stop {_HOST}/arret
        admin-host-go {_HOST}/reprise · admin-alert /admin/alertes/{{active}}
        admin-alert-pause /admin/alertes/{{active}}/pause · admin-alert-resume /admin/alertes/{{paused}}/reprise
        admin-organisation {_HOUSE} · admin-organisation-open {_HOUSE}/ouverture · admin-organisation-end {_HOUSE}/fin
        admin-organisation-keep {_HOUSE}/suite · admin-reporter {_REPORTER} · admin-reporter-trust {_REPORTER}/confiance
        admin-reporter-end {_REPORTER}/arret · admin-reporter-resume {_REPORTER}/reprise
        admin-detection /admin/detections/{{detection}} · admin-user {_USER} · admin-user-factor-end {_USER}/second-facteur/fin
        admin-user-factor-keep {_USER}/second-facteur/garder · admin-user-grant {_USER}/formule
        admin-user-grant-end {_USER}/formules/{{grant}}/fin · admin-user-role {_USER}/role · admin-user-suspend {_USER}/suspension
        admin-user-resume {_USER}/suspension/fin · admin-announcement {_WORDS} · admin-announcement-try {_WORDS}/essai
        admin-announcement-start {_WORDS}/envoi · admin-announcement-stop {_WORDS}/arret
        admin-user-return {_USER}/lien-de-reprise · admin-payment /admin/paiements/{{payment}}
        admin-payment-refund /admin/paiements/{{payment}}/remboursement?amount=1,00
        admin-request /admin/demandes/{{request}} · admin-request-answer /admin/demandes/{{request}}/reponse
        admin-request-end /admin/demandes/{{request}}/fin · admin-candidate {_CANDIDATE} · admin-candidate-accept {_CANDIDATE}/acceptation
        admin-candidate-refuse {_CANDIDATE}/refus · admin-stripe-event-replay /admin/evenements-stripe/{{event}}/rejeu""",
}

NO_PAGES = {  # files, twins of live parts, and what only leads on
    "admin.send_totals", "admin.send_sales_journal", "admin.show_proof", "alert_pages.list_alerts", "channels.send_push_worker", "alert_pages.send_event",
    "alert_pages.show_parts", "alert_pages.show_proof", "assets.send_asset", "calendar.send_feed", "channels.poll_telegram", "invoice_pages.send_pdf", "looks.open_page", "map.show_parts", "organisation_money.send_document", "people.send_people", "plan.show_offer",
    "sign_in.ask_provider", "sign_in.take_provider_answer", "security.ask_provider",
    "open_web.send_robots", "open_web.send_security", "open_web.send_sitemap", "personal_data.download_export",
    "plan.show_confirmation", "admin.show_live", "messages.show_live_notices", "security.show_codes", "status.show_live",
}  # fmt: skip


Step = Callable[[Page], object]


def _fill(field: str, text: str) -> Step:
    """Type into the field of this id, without f-."""
    return lambda page: page.fill(f"#f-{field}", text)


def _press(action: str, *, must_exist: bool = True) -> Step:
    """Press the last button of the first form whose action ends so, where there is one or where it must be."""

    def press(page: Page) -> None:
        form = page.locator(f"main form[action*='{action}']")
        if must_exist or form.count():
            form.first.locator("button:visible").last.click()

    return press


def _click(selector: str) -> Step:
    return lambda page: page.locator(selector).click()


def _uncheck(page: Page) -> None:
    """Let the server judge what is typed, not the browser."""
    page.evaluate("document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })")


def sign_in_as(who: Who, password: str = PASSWORD) -> tuple[Step, ...]:
    """Return the steps on the page of the sign-in."""
    return _fill("email", who.value), _fill("password", password), _press("/login")


_LOSE_SESSION: tuple[Step, ...] = (lambda page: page.context.clear_cookies(), _press("/profil/reglages"))
# What leads from the page of that name to what is shown.
STEPS: dict[str, tuple[Step, ...]] = {
    "login-error": sign_in_as(Who.NEW, "a wrong password"),
    "login-code": sign_in_as(Who.LONG),
    "register-error": (_uncheck, _fill("email", "camille@"), _fill("password", "short"), _press("/register")),
    "confirm-code": (_fill("email", "nadia@example.org"), _fill("password", PASSWORD), _press("/register")),
    "login-lost": _LOSE_SESSION,
    "resumed": (*_LOSE_SESSION, *sign_in_as(Who.NEW)),
    "alert-new-error": (
        _uncheck, _click("details.limits summary"), _fill("limits-dateFrom", "2027-05-01"),
        _fill("limits-dateTo", "2027-04-01"), _press("/alertes/nouvelle"),
    ),
    "alert-new-no-plan": (_press("/alertes/nouvelle"),),
    "channels-error": (_uncheck, _fill("phone", "12"), _press("/canaux/numero")),
    "telegram-link": (_press("/canaux/telegram"),),
    "profile-error": (_uncheck, _fill("email", "camille@"), _press("/profil/adresse")),
    "security-error": (_uncheck, _fill("password", "aaaaaaaaaaaa"), _press("/securite/mot-de-passe")),
    "factor-codes": (_press("/securite/codes"),),
    "data-preparing": (_press("/donnees/export", must_exist=False),),  # the picture before this one may have asked
    "deletion-error": (_press("/donnees/suppression"),),
    "order-error": (_click(".order-button"),),
    "withdrawal-form-error": (_uncheck, _fill("email", "camille"), _press("/l/retractation")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shot:
    """One page, which becomes a picture in each variant."""

    name: str  # of the file
    path: str
    who: Who

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is done on the page before its picture."""
        return STEPS.get(self.name, ())


def list_shots(ids: dict[str, str], app: Flask) -> list[Shot]:
    """Return all pages of the world that has these ids."""
    named = [
        Shot(each[0], each[1], who)
        for who, text in PAGES.items()
        for each in map(str.split, text.format(**ids).strip().replace("\n", "·").split("·"))
    ]
    return named + [
        Shot(name, path, Who.OPERATOR if name.startswith("admin.") else Who.CAMILLE)
        for name, path in list_unlisted(app, named).items()
        if "<" not in path
    ]


def list_unlisted(app: Flask, shots: list[Shot]) -> dict[str, str]:
    """Return the pages of the URL map that none of these opens, by endpoint; the API's own are no part of the front."""
    find = app.url_map.bind("")
    opened = {find.match(each.path.partition("?")[0])[0] for each in shots if each.name != "not-found"}
    return {
        each.endpoint: each.rule for each in list_rules(app, "GET") if each.endpoint not in NO_PAGES | opened
    }
