"""Views of the link of a person whom an organisation helps: what is kept, yes or no, an account, or all deleted."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import render_template, request
from flask_babel import lazy_gettext as _l
from pydantic import BaseModel

from api.ground.errors import ApiError
from api.ground.schemas import IdPath
from api.models.base import session, write_once
from api.organisations.own_help import (
    agree,
    agree_to_alert,
    ask_for_account,
    delete_help,
    find_help,
    stop,
    take_over,
)
from api.organisations.schemas import OwnAddress, TakeOver
from api.pages.forms import Form, Texts
from api.pages.links.area import use_language_of
from api.pages.organisation_words import ALERT_STATES, Press

_TEXTS: Texts = {
    "number-taken": _l("Un autre compte, ou une autre personne, reçoit déjà ses messages à ce numéro."),
    "address-taken": _l("Cette adresse a déjà un compte : choisissez-en une autre, ou faites tout effacer."),
    "address-confirmed": _l(
        "Utilisez le lien d’un message reçu au contact que vous avez confirmé. "
        "S’il vient d’être retiré, attendez 14 jours."
    ),
    "address-needed": _l("Écrivez d’abord votre adresse : le lien qu’elle reçoit crée le compte."),
    "too-many-requests": _l("Trop de messages aujourd’hui : essayez demain."),
}


_Act = Callable[[Any], object]


def change_help(token: str) -> tuple[str, int]:
    """Do what a button of the page is for; a repetition changes nothing."""
    act = request.form.get("do", "")
    acts: dict[str, tuple[type[BaseModel], _Act]] = {
        "yes": (Press, lambda _: write_once(agree, token)),
        "no": (Press, lambda _: write_once(stop, token)),
        "alert": (IdPath, lambda form: write_once(agree_to_alert, token, form.id)),
        "address": (OwnAddress, lambda form: write_once(ask_for_account, token, form)),
        "account": (TakeOver, lambda form: take_over(token, form)),
        "delete": (Press, lambda _: write_once(delete_help, token)),
    }
    if act not in acts:
        return ask_help(token), HTTPStatus.OK
    model, do = acts[act]
    form: Form[BaseModel] = Form.read(model, _TEXTS)
    try:
        form.submit(do, "password" if act == "account" else "email" if act == "address" else "")
    except ApiError as error:
        if error.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise
        form.errors[""] = str(_TEXTS["too-many-requests"])
    page = ask_help(token, form, done="" if form.errors else act)
    with session() as s:
        is_wrong = bool(form.errors) and find_help(s, token) is not None
    return page, HTTPStatus.UNPROCESSABLE_ENTITY if is_wrong else HTTPStatus.OK


def ask_help(token: str, form: Form[BaseModel] | None = None, *, done: str = "") -> str:
    """Show what is kept of a person and what the person can do. Nothing changes by it."""
    with session() as s:
        found = find_help(s, token)
        form = form if found else None
        use_language_of(found.contact if found else None)
        return render_template(
            "links/help.html", found=found, form=form or Form(Press), done=done, states=ALERT_STATES
        )
