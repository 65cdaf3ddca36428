"""Sample addresses of pages, and sample fields of every form: a route with parameters and without one fails a walk; checks of what they answer."""

import re
from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from api.models.base import Base, engine
from api.pages.assets import compute_version
from api.pages.public.legal import list_versions
from configs.ground.signing import LINK_KINDS, OpenPage, ShowProof, ShowSlots, find_kind
from tests.browser_keys import subscribe
from tests.clients import Page, check_page

_API = "/api/"
_PROOFS = ("links.send_picture", "links.send_source")  # read an object store; tests/api/prefectures

# Of pages whose address has parameters, by endpoint, of links with their kind: with Anna's ids where it names hers.
PAGES = {
    "advice.list_departments": "/departements?q=93",
    "advice.show_place": "/departements/bobigny_93",
    "advice.show_advice": "/departements/bobigny_93/titre-sejour",
    "alert_pages.show_new_alert": "/alertes/nouvelle?prefecture=bobigny_93",
    "alert_pages.show_alert": "/alertes/{alert}",
    "alert_pages.show_parts": "/alertes/{alert}/direct",
    "alert_pages.show_proof": "/alertes/{alert}/preuve/{detection}",
    "alert_pages.show_edit": "/alertes/{alert}/modifier",
    "alert_pages.show_close": "/alertes/{alert}/fermer",
    "alert_pages.show_found": "/alertes/{alert}/trouve",
    "alert_pages.send_event": "/alertes/{closed}/rendez-vous.ics",
    "assets.send_asset": "/static/{version}/base.css",
    "calendar.send_feed": "/calendrier/bobigny_93/titre-sejour.ics",
    "candidate_pages.ask_candidate": "/departements/bobigny_93/page-de-rendez-vous",
    "dashboard.show_dashboard": "/dashboard?payment=success&plan=URGENCE_7J",
    "links.show_link cancel": "/l/{cancel}",
    "links.show_link resiliation": "/l/{notice}",
    "links.show_link withdraw": "/l/{withdraw}",
    "links.show_link declaration": "/l/{declaration}",
    "invoice_pages.show_invoice": "/formule/factures/{invoice}",
    "invoice_pages.send_pdf": "/formule/factures/{invoice}/pdf",
    "organisation_money.send_document": "/organisation/argent/factures/{firm_document}",
    "legal.show_version": "/textes/contact/{contact_version}",
    "links.show_link stop": "/l/{stop}",
    "links.show_link unsubscribe": "/l/{unsubscribe}",
    "links.show_link verify": "/l/{verify}",
    "links.show_link address": "/l/{return}",
    "links.show_link factor": "/l/{factor}",
    "links.show_link reset": "/l/{reset}",
    "links.show_link portal": "/l/{portal}",
    "links.show_link closed-desk": "/l/{closed_desk}",
    "links.show_link incident": "/l/{incident}",
    "links.show_link reminder": "/l/{reminder}",
    "links.show_link went": "/l/{went}",
    "links.show_link answer": "/l/{answer}?value=found",
    "links.show_link places": "/l/{places}",
    "links.show_link look": "/l/{look}",
    "links.show_link help": "/l/{help}",
    "links.show_link page": "/l/{page}",
    "looks.show_desk": "/guichets/melun_77/visa",
    "looks.open_page": "/guichets/melun_77/visa/ouvrir",
    "people.show_people": "/organisation/people?state=waiting",
    "people.show_person": "/organisation/people/{helped}",
    "plan.show_order": "/formule/commande?plan=URGENCE_TOTAL",
    "plan.show_friend_link": "/ami/{friend}",
    "plan.show_offer": "/formule/commande/guichets?prefecture=melun_77&procedure=titre-sejour",
    "plan.show_payment": "/formule/paiements/{payment}",
    "plan.show_withdrawal": "/formule/retractation/{payment}",
    "preferences.show_new_email": "/profil/nouvelle-adresse/{verify}",
    "sign_in.show_registration": "/register?plan=URGENCE_7J",
    "waiting.ask_address": "/departements/cergy_95/titre-sejour/prevenir",
}
# Of operators' pages the same, and what their forms send, with ids of Population in addresses and fields.
OPERATOR_PAGES = {
    "admin.list_incidents": "/admin/incidents?open=true",
    "admin.show_incident": "/admin/incidents/{trouble}",
    "admin.ask_acknowledge_incident": "/admin/incidents/{trouble}/acquittement",
    "admin.list_desks": "/admin/guichets?prefectureId=bobigny_93",
    "admin.show_desk": "/admin/guichets/bobigny_93/titre-sejour",
    "admin.ask_pause_desk": "/admin/guichets/bobigny_93/titre-sejour/pause",
    "admin.ask_resume_desk": "/admin/guichets/bobigny_93/titre-sejour/reprise",
    "admin.ask_request_check": "/admin/guichets/bobigny_93/titre-sejour/verification",
    "admin.list_candidates": "/admin/pages-proposees?state=open",
    "admin.show_candidate": "/admin/pages-proposees/{candidate}",
    "admin.ask_accept_candidate": "/admin/pages-proposees/{candidate}/acceptation",
    "admin.ask_refuse_candidate": "/admin/pages-proposees/{candidate}/refus",
    "admin.show_host": "/admin/sites/127.77.0.93:8800",
    "admin.ask_stop_host": "/admin/sites/127.77.0.93:8800/arret",
    "admin.ask_release_host": "/admin/sites/127.77.0.93:8800/reprise",
    "admin.list_reports": "/admin/signalements?by=person",
    "admin.show_reporter": "/admin/signalements/{user}",
    "admin.ask_trust_reporter": "/admin/signalements/{user}/confiance",
    "admin.ask_end_reports": "/admin/signalements/{user}/arret",
    "admin.ask_resume_reports": "/admin/signalements/{user}/reprise",
    "admin.list_checks": "/admin/verifications?hours=48",
    "admin.list_alerts": "/admin/alertes?prefectureId=bobigny_93",
    "admin.show_alert": "/admin/alertes/{alert}",
    "admin.ask_pause_alert": "/admin/alertes/{alert}/pause",
    "admin.ask_resume_alert": "/admin/alertes/{alert}/reprise",
    "admin.list_messages": "/admin/messages?hours=48",
    "admin.list_delivery": "/admin/distribution?by=prefecture",
    "admin.list_answers": "/admin/reponses?months=2",
    "admin.ask_replay": "/admin/messages-echoues/renvoi?id={letter}",
    "admin.show_detection": "/admin/detections/{detection}",
    "admin.show_proof": "/admin/detections/{detection}/preuve",
    "admin.show_payment": "/admin/paiements/{payment}",
    "admin.ask_refund_payment": "/admin/paiements/{payment}/remboursement?amount=1,00",
    "admin.ask_replay_event": "/admin/evenements-stripe/{event}/rejeu",
    "admin.list_organisations": "/admin/organisations",
    "admin.show_organisation": "/admin/organisations/{organisation}",
    "admin.ask_open_organisation": "/admin/organisations/{organisation}/ouverture",
    "admin.ask_end_organisation": "/admin/organisations/{organisation}/fin",
    "admin.ask_keep_organisation": "/admin/organisations/{organisation}/suite",
    "admin.show_request": "/admin/demandes/{request}",
    "admin.ask_answer_request": "/admin/demandes/{request}/reponse",
    "admin.ask_end_request": "/admin/demandes/{request}/fin",
    "admin.show_user": "/admin/utilisateurs/{user}",
    "admin.ask_give_grant": "/admin/utilisateurs/{user}/formule",
    "admin.ask_end_grant": "/admin/utilisateurs/{user}/formules/{grant}/fin",
    "admin.ask_send_return_mail": "/admin/utilisateurs/{user}/lien-de-reprise",
    "admin.ask_end_factor": "/admin/utilisateurs/{support}/second-facteur/fin",
    "admin.show_announcement": "/admin/annonces/{announcement}",
    "admin.ask_try_announcement": "/admin/annonces/{announcement}/essai",
    "admin.ask_start_announcement": "/admin/annonces/{announcement}/envoi",
    "admin.ask_stop_announcement": "/admin/annonces/{announcement}/arret",
    "admin.ask_suspend_user": "/admin/utilisateurs/{user}/suspension",
    "admin.ask_resume_user": "/admin/utilisateurs/{user}/suspension/fin",
    "admin.ask_keep_factor": "/admin/utilisateurs/{support}/second-facteur/garder",
    "admin.ask_change_role": "/admin/utilisateurs/{user}/role",
}
OPERATOR_FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "admin.acknowledge_incident": ("/admin/incidents/{trouble}/acquittement", {}),
    "admin.pause_desk": ("/admin/guichets/bobigny_93/titre-sejour/pause", {"reason": "a test"}),
    "admin.resume_desk": ("/admin/guichets/bobigny_93/titre-sejour/reprise", {}),
    "admin.request_check": ("/admin/guichets/bobigny_93/titre-sejour/verification", {}),
    "admin.accept_candidate": (
        "/admin/pages-proposees/{candidate}/acceptation",
        {"prefectureId": "bobigny_93", "label": "Titre de séjour", "procedures[]": "TITRE_SEJOUR"},
    ),
    "admin.refuse_candidate": ("/admin/pages-proposees/{other_candidate}/refus", {"reason": "a test"}),
    "admin.trust_reporter": ("/admin/signalements/{user}/confiance", {}),
    "admin.end_reports": ("/admin/signalements/{user}/arret", {"reason": "a test"}),
    "admin.resume_reports": ("/admin/signalements/{user}/reprise", {}),
    "admin.pause_alert": ("/admin/alertes/{alert}/pause", {}),
    "admin.resume_alert": ("/admin/alertes/{alert}/reprise", {}),
    "admin.stop_host": (
        "/admin/sites/127.77.0.93:8800/arret", {"reason": "a test", "typed": "127.77.0.93:8800"},
    ),
    "admin.release_host": ("/admin/sites/127.77.0.93:8800/reprise", {}),
    "admin.replay": ("/admin/messages-echoues/renvoi", {"id": "{letter}"}),
    "admin.refund_payment": (
        "/admin/paiements/{payment}/remboursement",
        {"cents": "100", "left": "1499", "note": "a test", "typed": "{order}"},
    ),
    "admin.replay_event": ("/admin/evenements-stripe/{event}/rejeu", {}),
    "admin.find_payments": ("/admin/paiements/recherche", {"wanted": "anna.secret@example.org"}),
    "admin.open_organisation": ("/admin/organisations/{organisation}/ouverture", {"until": "2027-01-31"}),
    "admin.end_organisation": (
        "/admin/organisations/{organisation}/fin", {"because": "closed", "reason": "a test", "typed": "Accueil 93"},
    ),
    "admin.keep_organisation": ("/admin/organisations/{organisation}/suite", {}),
    "admin.answer_request": ("/admin/demandes/{request}/reponse", {"answer": "Bonjour"}),
    "admin.end_request": ("/admin/demandes/{other_request}/fin", {}),
    "admin.find_dead_letters": ("/admin/messages-echoues/recherche", {"wanted": "anna.secret@example.org"}),
    "admin.find_users": ("/admin/utilisateurs/recherche", {"wanted": "anna.secret@example.org"}),
    "admin.give_grant": (
        "/admin/utilisateurs/{user}/formule", {"plan": "URGENCE_7J", "seen": "1 {grant}"},
    ),
    "admin.end_grant": ("/admin/utilisateurs/{user}/formules/{grant}/fin", {"typed": "URGENCE TOTAL"}),
    "admin.send_return_mail": ("/admin/utilisateurs/{user}/lien-de-reprise", {}),
    "admin.end_factor": ("/admin/utilisateurs/{support}/second-facteur/fin", {"reason": "a test"}),
    "admin.write_announcement": ("/admin/annonces/nouvelle", {"fr": "Titre\nTexte.", "en": "Title\nText."}),
    "admin.try_announcement": ("/admin/annonces/{announcement}/essai", {}),
    "admin.start_announcement": ("/admin/annonces/{announcement}/envoi", {"people": "{people}", "typed": "{people}"}),
    "admin.stop_announcement": ("/admin/annonces/{announcement}/arret", {}),
    "admin.suspend_user": (
        "/admin/utilisateurs/{user}/suspension",
        {"reason": "a test", "typed": "anna.secret@example.org"},
    ),
    "admin.resume_user": ("/admin/utilisateurs/{user}/suspension/fin", {}),
    "admin.keep_factor": ("/admin/utilisateurs/{support}/second-facteur/garder", {}),
    "admin.change_role": (
        "/admin/utilisateurs/{user}/role", {"role": "support", "typed": "anna.secret@example.org"},
    ),
}  # fmt: skip
_WISH = {
    "prefectureId": "bobigny_93", "target": "TITRE_SEJOUR,bobigny_93/titre-sejour", "name": "Papa",
    "language": "en", "limits.dateFrom": "2026-12-01", "limits.dateTo": "2026-12-30", "limits.weekdays[]": "1",
    "limits.hourFrom": "09:00", "limits.hourTo": "12:00", "limits.sites[]": "Bobigny",
}  # fmt: skip
_EMAIL = {"email": "new.address@example.org"}
_MESSAGES = {
    "slots.email": "true", "slots.sms": "true", "slots.telegram": "true", "slots.push": "true", "desk.email": "true", "desk.telegram": "true",
    "reminders.email": "true", "reminders.sms": "true", "reminders.telegram": "true", "news.email": "true",
    "summary.email": "true",
    "slotRhythm": "hourly", "digestAt": "07:00", "isQuiet": "true", "quietFrom": "22:00", "quietUntil": "07:00",
    "quietSlots": "true", "callsFrom": "08:00", "callsUntil": "21:00",
    "toldInDoubt": "true", "mayBeAsked": "true",
    "boxes": "slots.email slots.telegram desk.email reminders.email summary.email news.email",
}  # fmt: skip
_SUBSCRIPTION = subscribe()
_DEVICE = {
    "endpoint": _SUBSCRIPTION["endpoint"], "name": "Firefox, Linux",
    **{f"keys.{name}": value for name, value in _SUBSCRIPTION["keys"].items()},
}  # fmt: skip
_PASSWORD = {"password": "correct horse battery staple"}
_ORDER = {
    "plan": "URGENCE_TOTAL", "paid": "", "alert": "", "clientName": "Anna Cliente", "consent.termsVersion": "2026-11-01", "consent.startNow": "true",
    "consent.acknowledgesLoss": "true", "button_code": "order",
}  # fmt: skip
# By endpoint: where a form posts to, and its fields. Those that end the alert, the channels or the login come last.
FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "sign_in.sign_in": ("/login", {"email": "nobody@example.org", "password": "wrong", "next": "", "resumed": ""}),
    "sign_in.sign_in_with_code": ("/login/code", {"challenge": "x", "code": "123456", "next": "", "resumed": ""}),
    "sign_in.register": ("/register", _EMAIL | _PASSWORD | {"plan": "URGENCE_7J", "next": ""}),
    "sign_in.send_reset": ("/forgot", {"email": "anna.secret@example.org"}),
    "sign_in.prove": ("/prove", {"password": "wrong", "code": "123456", "next": "", "resumed": ""}),
    "sign_in.send_confirmation": ("/confirm", {}),
    "sign_in.take_code": ("/confirm/code", {"code": "123456"}),
    "sign_in.repeat_mail": ("/confirm/renvoi", {}),
    "sign_in.correct_address": ("/confirm/adresse", {"email": "corrected@example.org"}),
    "help.send_request": ("/aide/ecrire", _EMAIL | {"message": "Bonjour"}),
    "help.send_own_request": ("/aide/message", {"message": "Bonjour"}),
    "waiting.take_address": ("/departements/cergy_95/titre-sejour/prevenir", {"email": "anna.secret@example.org"}),
    "alert_pages.create_alert": ("/alertes/nouvelle", _WISH),
    "alert_pages.edit_alert": ("/alertes/{alert}/modifier", _WISH),
    "alert_pages.pause_alert": ("/alertes/{alert}/pause", {}),
    "alert_pages.resume_alert": ("/alertes/{alert}/reprendre", {}),
    "looks.take_look": (
        "/guichets/melun_77/visa/vu", {"kind": "slots", "days[]": "2026-12-01"},
    ),
    "alert_pages.test_alert": ("/alertes/{alert}/essai", {"channel": "email"}),
    "candidate_pages.send_candidate": (
        "/departements/bobigny_93/page-de-rendez-vous",
        {"address": "https://www.nord.gouv.fr/booking/create/12", "prefectureId": "bobigny_93"},
    ),
    "preferences.change_settings": (
        "/profil/reglages", {"language": "en", "timeZone": "Asia/Tokyo", "outageCredit": "refund"},
    ),
    "preferences.change_address": ("/profil/adresse", _EMAIL),
    "preferences.take_new_email": ("/profil/nouvelle-adresse/{verify}", {}),
    "messages.mark_notice": ("/notifications/{shown}/lue", {}),
    "messages.mark_all_notices": ("/notifications/lues", {"last": "ffffffff-ffff-7fff-bfff-ffffffffffff"}),
    "channels.change_flags": ("/canaux/choix", {"notifyEmail": "true"}),
    "channels.send_phone_code": ("/canaux/numero", {"phone": "06 98 76 54 32"}),
    "channels.take_phone_code": ("/canaux/code-sms", {"code": "123456"}),
    "channels.link_telegram": ("/canaux/telegram/confirmer", {}),
    "channels.restart_mails": ("/canaux/e-mails-arretes", {}),
    "preferences.change_messages": ("/preferences", _MESSAGES),
    "channels.start_telegram": ("/canaux/telegram", {}),
    "channels.unlink_telegram": ("/canaux/telegram/retirer", {}),
    "channels.add_device": ("/canaux/navigateurs", _DEVICE),
    "channels.remove_device": ("/canaux/navigateurs/{device}/retirer", {}),
    "channels.remove_phone": ("/canaux/sans-numero", {}),
    "channels.decline_channel": ("/canaux/sms/plus-tard", {}),
    "plan.order": ("/formule/commande", _ORDER),
    "plan.open_portal": ("/formule/portail", {}),
    "plan.cancel": ("/formule/resiliation", {"wished": "2026-11-25"}),
    "plan.undo_cancellation": ("/formule/resiliation/annulation", {}),
    "plan.withdraw": ("/formule/retractation/{payment}", {"name": "Anna"}),
    "security.take_setup": ("/securite/application", {"setup": "x", "code": "123456"}),
    "security.renew_codes": ("/securite/codes", {}),
    "security.keep_factor": ("/securite/garder-le-second-facteur", {}),
    "security.remove_factor": ("/securite/sans-application", {}),
    "security.end_login": ("/securite/connexions/{login}", {}),
    "security.unlink_provider": ("/securite/sans-fournisseur", {}),
    "security.change_password": ("/securite/mot-de-passe", _PASSWORD),
    "security.end_others": ("/securite/autres-connexions", {}),
    "alert_pages.report_found": (
        "/alertes/{alert}/trouve", {"day": "2026-12-01", "hour": "09:00", "place": "Bobigny", "mayAsk": "true"},
    ),
    "alert_pages.close_alert": ("/alertes/{alert}/fermer", {}),
    "people.import_file": ("/organisation/people/import", {"file": ""}),
    "programs.make_key": ("/organisation/programmes/cles", {"name": "Tableau", "scopes[]": "people:read"}),
    "programs.make_webhook": (
        "/organisation/programmes/webhooks", {"url": "http://127.0.0.1/in", "events[]": "slot.seen"},
    ),
    "programs.test_webhook": ("/organisation/programmes/webhooks/{hook}/essai", {}),
    "programs.end_webhook": ("/organisation/programmes/webhooks/{hook}/fin", {}),
    "programs.end_key": ("/organisation/programmes/cles/{key}/fin", {}),
    "people.enter": ("/organisation/people/inscrire", {"label": "Nadia", "language": "ar"}),
    "people.act": ("/organisation/people/{helped}/change", {"label": "Nadia", "language": "ar", "told": "both"}),
    "organisation.ask": (
        "/organisation",
        {"name": "Accueil", "kind": "association", "address": "1 rue de la Paix, 93000 Bobigny",
            "purpose": "Nous aidons des familles.", "siren": "732829320", "vatNumber": "FR44732829320"},
    ),
    "organisation.accept": ("/organisation/invitations/{member}", {}),
    "organisation.accept_newest_contract": ("/organisation/contrat", {"version": "2026-11-30"}),
    "organisation.change_settings": (
        "/organisation/reglages",
        {"address": "2 rue de la Paix, 93000 Bobigny", "vatNumber": "FR44732829320", "needsSecondFactor": ""},
    ),
    "organisation.change_hours": ("/organisation/heures", {"toldFrom": "09:00", "toldUntil": "18:00"}),
    "organisation.invite": ("/organisation/invitations", _EMAIL | {"role": "viewer"}),
    "organisation.edit_member": ("/organisation/membres/{member}", {"role": "caseworker"}),
    "organisation.remove_member": ("/organisation/membres/{member}/fin", {}),
    "organisation_money.accept": ("/organisation/argent/conditions", {"version": "2026-12-01"}),
    "organisation_money.change": ("/organisation/argent", {"mostWatched": "30", "purchaseOrder": "BC 12"}),
    "organisation_money.pay": ("/organisation/argent/{bill}/carte", {}),
    "organisation.end": ("/organisation/fin", {}),
    "personal_data.ask_export": ("/donnees/export", {}),
    "personal_data.delete_account": ("/donnees/suppression", {"understood": ""}),
    "sign_in.sign_out": ("/logout", {}),
}  # fmt: skip
# Links in messages: the token in their path is the secret, and no cookie is read.
LINKS: dict[str, tuple[str, dict[str, str]]] = {
    "links.act verify": ("/l/{verify}", {}),
    "links.act help": ("/l/{help}", {"do": "yes"}),
    "links.act factor": ("/l/{factor}", {}),
    "links.act address": ("/l/{return}", {}),
    "links.act portal": ("/l/{portal}", {}),
    "links.act closed-desk": ("/l/{closed_desk}", {}),
    "links.act incident": ("/l/{incident}", {}),
    "links.act reminder": ("/l/{reminder}", {"first": "2880", "last": "60", "lastBy": "telegram"}),
    "links.act went": ("/l/{went}", {}),
    "links.act answer": ("/l/{answer}", {"value": "too_late"}),
    "links.act look": ("/l/{look}", {"kind": "none", "days[]": "2026-12-01"}),
    "links.act reset": ("/l/{reset}", _PASSWORD),
    "links.act stop": ("/l/{stop}", {"List-Unsubscribe": "One-Click"}),
    "links.act unsubscribe": ("/l/{unsubscribe}", {"List-Unsubscribe": "One-Click"}),
    "links.act cancel": ("/l/{cancel}", {"wished": "periodEnd"}),
    "links.act resiliation": ("/l/{notice}", {"undo": "true"}),
    "links.act withdraw": ("/l/{withdraw}", {"name": "Anna"}),
    "links.act declaration": ("/l/{declaration}", {"confirm": "true"}),
}
# Forms that anybody sends without a login: they read no cookie either.
OPEN_FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "declaration_pages.send_cancellation": (
        "/l/resilier",
        _EMAIL | {"name": "Camille", "reference": "7KQ2M9XWPA", "wished": "periodEnd", "confirmed": "true"},
    ),
    "declaration_pages.send_withdrawal": (
        "/l/retractation", _EMAIL | {"name": "Camille", "order": "7KQ2M9XWPA", "confirmed": "true"},
    ),
}  # fmt: skip


def list_rules(app: Flask, method: str) -> Iterator[Rule]:
    """Yield the rules of pages and of links in messages that answer a method."""
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(_API) and rule.endpoint not in _PROOFS and method in (rule.methods or ()):
            yield rule


def list_addresses(app: Flask) -> dict[str, str]:
    """Return the samples of people's pages; one without parameters that has none is opened at its own address."""
    return {name: at for name, at in _list_plain(app) if not name.startswith("admin.")} | PAGES


def list_operator_addresses(app: Flask) -> dict[str, str]:
    """Return those of operators' pages."""
    return {name: at for name, at in _list_plain(app) if name.startswith("admin.")} | OPERATOR_PAGES


def _list_plain(app: Flask) -> Iterator[tuple[str, str]]:
    return ((rule.endpoint, rule.rule) for rule in list_rules(app, "GET") if not rule.arguments)


def list_samples(samples: Iterable[str]) -> set[str]:
    """Return the endpoints of samples. Each kind of link must have one; of proofs see tests/api/prefectures; those of slots and of a page have no form.

    Raises:
        AssertionError: a kind of link has none.
    """
    named = {tuple(each.split()) for each in samples}
    kinds = {each[1] for each in named if len(each) > 1}
    assert {find_kind(each) for each in kinds} | {OpenPage, ShowProof, ShowSlots} == set(LINK_KINDS.values())
    return {each[0] for each in named}


def fill_address(pattern: str, ids: dict[str, str]) -> str:
    """Return an address of Anna's."""
    return pattern.format(**ids, version=compute_version(), contact_version=list_versions("contact")[0])


_HEADERS = {"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"}


def check_answer(response: TestResponse) -> Page | None:
    """Check headers, cookies, and the page itself where it is one; return that."""
    where = f"{response.request.method} {response.request.path}"
    assert response.status_code < 500, where
    for name, value in _HEADERS.items():
        assert response.headers[name] == value, where
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"], where
    is_link = response.request.path.startswith("/l/")
    expected = "no-referrer" if is_link or response.mimetype != "text/html" else "same-origin"
    assert response.headers["Referrer-Policy"] == expected, where
    _check_cookies(response)
    if response.mimetype != "text/html" or not response.text or response.location:
        return None
    page = check_page(response)
    _check_links(page)
    return page


def _check_cookies(response: TestResponse) -> None:
    """A cookie is for this host, for https, for no script, and not sent by forms of other sites."""
    for cookie in response.headers.getlist("Set-Cookie"):
        name, _, rest = cookie.partition("=")
        assert name in (
            "__Host-access",
            "__Host-refresh",
            "__Host-session",
            "__Host-known",
            "__Host-registered",
        ), cookie
        flags = {each.strip() for each in rest.split(";")[1:]}
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= flags, cookie
        assert not any(each.startswith("Domain") for each in flags), cookie


def _check_links(page: Page) -> None:
    """No address leads to a script, nor by two slashes to another site."""
    for tag, at in page.tags:
        for name in ("href", "src", "action", "data-live", "data-module"):
            link = at.get(name, "/")
            assert not re.match(r"\s*(javascript|data|vbscript):|[/\\]{2}|/\\", link, re.IGNORECASE), (
                tag,
                link,
            )


def check_keeping(response: TestResponse, access: str) -> None:
    """Only public pages may be kept, and they set no cookie."""
    control = response.headers.get("Cache-Control", "")
    if access == "public":
        assert control.startswith("public, max-age="), (response.request.path, control)
        assert "Set-Cookie" not in response.headers
    else:
        assert control == "no-store", (response.request.path, control)


def read_digests() -> dict[str, str]:
    """Return a digest of each table that has rows."""
    names = sorted(set(Base.metadata.tables) - {"alembic_version"})
    parts = " UNION ALL ".join(
        f"SELECT '{name}', md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t"  # noqa: S608 -- our tables' names
        for name in names
    )
    with engine().connect() as connection:
        return {name: digest for name, digest in connection.execute(sa.text(parts)) if digest}
