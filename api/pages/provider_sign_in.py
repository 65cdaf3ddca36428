"""Sign-in by an OpenID Connect provider: the question that a browser carries there, kept encrypted until it answers."""

import json
from dataclasses import dataclass
from uuid import UUID

from flask import redirect, session
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from api.auth import openid
from api.pages.context import build_public_url
from api.pages.cookies import lead_to
from api.pages.lost_sessions import read_target
from configs.ground.clock import clock
from configs.ground.encryption import decrypt, encrypt
from configs.settings import settings

_KEY = "provider"  # in the session
_SECONDS = 600
_TEXTS = {
    "": _l("La connexion par %(name)s n’a pas abouti. Réessayez, ou écrivez votre mot de passe."),
    "no-mailbox": _l(
        "%(name)s n’a pas confirmé votre adresse e-mail : créez un compte avec un mot de passe."
    ),
    "password-needed": _l(
        "Un compte a déjà cette adresse et un mot de passe. Connectez-vous avec lui, puis liez %(name)s"
        " dans « Sécurité »."
    ),
    "linked-elsewhere": _l("Ce compte %(name)s est déjà lié à un autre compte d’ici."),
}


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question, and what follows its answer."""

    question: openid.SignInQuestion
    target: str | None
    user_id: str | None  # whose account is to be linked; None: who answers is signed in


def lead_to_provider(target: str | None, user_id: UUID | None = None) -> ResponseReturnValue:
    """Lead the browser to the provider, with a new question in place of an earlier one."""
    if not settings().offers_provider:
        return refuse_provider("", links=user_id is not None)
    try:
        question = openid.ask_provider(find_return_url())
    except openid.ProviderFailed:
        return refuse_provider("", links=user_id is not None)
    asked = question._replace(url="")  # browsers drop a cookie above 4,096 bytes
    kept = [asked, read_target(target), str(user_id) if user_id else None, clock().timestamp()]
    session[_KEY] = encrypt(json.dumps(kept))
    return redirect(question.url, 303)


def take_question(state: str | None) -> AskedQuestion | None:
    """Return this browser's question, once; None unless the answer is to it and came within ten minutes."""
    try:
        question, target, user_id, at = json.loads(decrypt(session.pop(_KEY)))
        asked = AskedQuestion(openid.SignInQuestion(*question), target, user_id)
    except (KeyError, ValueError, TypeError):
        return None
    is_young = 0 <= clock().timestamp() - at <= _SECONDS
    return asked if is_young and asked.question.state == state else None


def find_return_url() -> str:
    """Return where the provider leads the browser with its answer."""
    return build_public_url("sign_in.take_provider_answer")


def refuse_provider(word: str, *, links: bool = False) -> ResponseReturnValue:
    """Lead back with the reason why a provider's answer was refused; `links`: it was to link an account."""
    text = str(_TEXTS.get(word, _TEXTS[""])) % {"name": settings().oidc_name}
    return lead_to("security.show_security" if links else "sign_in.show_sign_in", text, "problem")
