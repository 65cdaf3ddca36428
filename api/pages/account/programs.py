"""Pages of an organisation's programs, for its owners: API keys and webhooks. What is secret is shown once."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.ground.schemas import Body
from api.models.organisation_access import KeyScope, WebhookEnd, WebhookEvent
from api.organisations.access import as_caller
from api.organisations.programs.keys import end_key as end_one_key
from api.organisations.programs.keys import list_keys
from api.organisations.programs.keys import make_key as make_one_key
from api.organisations.programs.schemas import NewKey, NewWebhook
from api.organisations.programs.webhooks import end_webhook as end_one_webhook
from api.organisations.programs.webhooks import list_webhooks, send_test
from api.organisations.programs.webhooks import make_webhook as make_one_webhook
from api.pages.area import Access, Area
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, M, Texts
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
    "not-opened": _l("Un opérateur doit d’abord ouvrir l’organisation."),
    "role-too-low": _l("Votre rôle ne le permet pas : demandez à une personne responsable."),
    "organisation-ended": _l("L’organisation est arrêtée."),
}
R = TypeVar("R")
_PAGE = "programs.show_programs"
area = Area("programs", __name__)


class _Nothing(Body):
    """A form of one button."""


@area.page("/organisation/programmes", Access.PROVEN)
def show_programs() -> str:
    """Show the keys and webhooks of the organisation, with what became of the newest events."""
    return _render()


@area.action("/organisation/programmes/cles", Access.PROVEN)
def make_key() -> ResponseReturnValue:
    """Make a key, and show it, once."""
    form = Form.read(NewKey, TEXTS)
    made = _submit(form, make_one_key)
    if made is None:
        return _render(key_form=form), INVALID
    return render_template("programs/secret.html", title=_("Votre nouvelle clé"), secret=made[1])


@area.action("/organisation/programmes/cles/<uuid:id>/fin", Access.PROVEN)
def end_key(id: UUID) -> ResponseReturnValue:
    """End a key."""
    return _press(lambda s, caller: end_one_key(s, caller, id), _("La clé ne vaut plus rien."))


@area.action("/organisation/programmes/webhooks", Access.PROVEN)
def make_webhook() -> ResponseReturnValue:
    """Make a webhook, and show its secret, once."""
    form = Form.read(NewWebhook, TEXTS)
    made = _submit(form, make_one_webhook)
    if made is None:
        return _render(webhook_form=form), INVALID
    return render_template("programs/secret.html", title=_("Le secret de votre webhook"), secret=made[1])


@area.action("/organisation/programmes/webhooks/<uuid:id>/fin", Access.PROVEN)
def end_webhook(id: UUID) -> ResponseReturnValue:
    """End a webhook."""
    return _press(lambda s, caller: end_one_webhook(s, caller, id), _("Ce webhook ne reçoit plus rien."))


@area.action("/organisation/programmes/webhooks/<uuid:id>/essai", Access.PROVEN)
def test_webhook(id: UUID) -> ResponseReturnValue:
    """Send a webhook an event that tells of nothing."""
    text = _("Un événement d’essai part : sa réponse est ici dans quelques secondes.")
    return _press(lambda s, caller: send_test(s, caller, id), text)


def _submit(form: Form[M], act: Callable[..., R]) -> R | None:
    def run(wish: M) -> R:
        with as_caller() as (s, caller):
            return act(s, caller, wish)

    return form.submit(run)


def _press(act: Callable[..., object], done: str) -> ResponseReturnValue:
    form = Form.read(_Nothing, TEXTS)
    _submit(form, lambda s, caller, _wish: act(s, caller) or True)
    if form.errors:
        return lead_to(_PAGE, next(iter(form.errors.values())), "problem")
    return lead_to(_PAGE, done)


def _render(**forms: Form[Any]) -> str:
    with as_caller() as (s, caller):
        keys, webhooks = list_keys(s, caller), list_webhooks(s, caller)
    usual: dict[str, Form[Any]] = {"key_form": Form(NewKey), "webhook_form": Form(NewWebhook)}
    return render_template(
        "programs/programs.html", keys=keys, webhooks=webhooks, scopes=SCOPES, events=EVENTS, ends=ENDS,
        zone=current_identity().time_zone, form=next(iter(forms.values()), None), **usual | forms,
    )  # fmt: skip
