"""Pages of an organisation's programs, for its owners: API keys and webhooks. What is secret is shown once."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.models.organisation_access import KeyScope, WebhookEnd, WebhookEvent
from api.organisations import programs
from api.organisations.access import as_caller, by_caller
from api.organisations.schemas import NewKey, NewWebhook
from api.pages.area import Access, Area
from api.pages.forms import INVALID, Form, M, Texts
from api.pages.organisation_words import REFUSALS, Press, lead_back
from api.web.auth import current_identity

SCOPES = (
    (KeyScope.PEOPLE_READ.value, _l("Voir les personnes, leurs alertes et les places vues pour elles")),
    (KeyScope.PEOPLE_WRITE.value, _l("Inscrire des personnes, les modifier, mettre fin à leur aide")),
    (KeyScope.ALERTS_WRITE.value, _l("Créer, modifier et fermer leurs alertes")),
)
EVENTS = (
    (WebhookEvent.SLOT_SEEN.value, _l("Une place a été vue pour une personne")),
    (WebhookEvent.PERSON_FOUND.value, _l("Une personne a trouvé un rendez-vous")),
    (WebhookEvent.CONSENT_GIVEN.value, _l("Une personne a donné son accord")),
)
ENDS = {
    WebhookEnd.MEMBER: _l("Terminé par un membre"),
    WebhookEnd.GONE: _l("Terminé : l’adresse a répondu 410"),
    WebhookEnd.FAILING: _l("Terminé : rien n’est arrivé pendant un jour"),
}
TEXTS: Texts = {
    **REFUSALS,
    ("url", "receiver"): _l(
        "L’adresse commence par https:// et mène à un serveur que tout Internet peut joindre."
    ),
    ("scopes[]", "missing"): _l("Choisissez au moins un droit."),
    ("scopes[]", "too_short"): _l("Choisissez au moins un droit."),
    ("events[]", "missing"): _l("Choisissez au moins un événement."),
    ("events[]", "too_short"): _l("Choisissez au moins un événement."),
    "too-many-keys": _l("Il y a déjà dix clés : terminez-en une d’abord."),
    "too-many-webhooks": _l("Il y a déjà cinq webhooks : terminez-en un d’abord."),
    "webhook-ended": _l("Ce webhook est terminé."),
}
area = Area("programs", __name__)


@area.page("/organisation/programmes", Access.PROVEN)
def show_programs() -> str:
    """Show the keys and webhooks of the organisation, with what became of the newest events."""
    return _render()


@area.action("/organisation/programmes/cles", Access.PROVEN)
def make_key() -> ResponseReturnValue:
    """Make a key, and show it, once."""
    return _make(NewKey, programs.make_key, _("Votre nouvelle clé"), "key_form")


@area.action("/organisation/programmes/cles/<uuid:id>/fin", Access.PROVEN)
def end_key(id: UUID) -> ResponseReturnValue:
    return _press(programs.end_key, id, _("La clé ne vaut plus rien."))


@area.action("/organisation/programmes/webhooks", Access.PROVEN)
def make_webhook() -> ResponseReturnValue:
    """Make a webhook, and show its secret, once."""
    return _make(NewWebhook, programs.make_webhook, _("Le secret de votre webhook"), "webhook_form")


@area.action("/organisation/programmes/webhooks/<uuid:id>/fin", Access.PROVEN)
def end_webhook(id: UUID) -> ResponseReturnValue:
    return _press(programs.end_webhook, id, _("Ce webhook ne reçoit plus rien."))


@area.action("/organisation/programmes/webhooks/<uuid:id>/essai", Access.PROVEN)
def test_webhook(id: UUID) -> ResponseReturnValue:
    """Send a webhook an event that tells of nothing."""
    text = _("Un événement d’essai part : sa réponse est ici dans quelques secondes.")
    return _press(programs.send_test, id, text)


def _make(model: type[M], act: Callable[[Any, Any, M], str], title: str, name: str) -> ResponseReturnValue:
    form = Form.read(model, TEXTS)
    secret = form.submit(by_caller(act))
    if secret is None:
        return _render(**{name: form}), INVALID
    return render_template("programs/secret.html", title=title, secret=secret)


def _press(act: Callable[[Any, Any, UUID], None], id: UUID, done: str) -> ResponseReturnValue:
    form = Form.read(Press, TEXTS)
    form.submit(by_caller(lambda s, caller, _wish: act(s, caller, id)))
    return lead_back(form, "programs.show_programs", done)


def _render(**forms: Form[Any]) -> str:
    with as_caller() as (s, caller):
        keys, webhooks = programs.list_keys(s, caller), programs.list_webhooks(s, caller)
    usual: dict[str, Form[Any]] = {"key_form": Form(NewKey), "webhook_form": Form(NewWebhook)}
    return render_template(
        "programs/programs.html", keys=keys, webhooks=webhooks, scopes=SCOPES, events=EVENTS, ends=ENDS,
        zone=current_identity().time_zone, form=next(iter(forms.values()), None), **usual | forms,
    )  # fmt: skip
