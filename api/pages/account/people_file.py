"""Pages of files of people: a CSV file is entered whole, or its errors are shown by line; all are downloaded."""

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.ground.errors import ApiError
from api.ground.schemas import Body, FieldError
from api.organisations.access import as_caller
from api.organisations.people_file import COLUMNS, LARGEST_FILE, export_people, import_people
from api.pages.area import Access, Area
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, Texts, write_rule

LARGEST_BODY = 1024 * 1024  # bytes: a file that is somewhat too large is refused in words
_HELP = {
    "label": _l("Comment vous appelez la personne ; les membres seuls le voient"),
    "language": _l("La langue de la personne : fr, en, ar… ; fr si rien n’est écrit"),
    "email": _l("Son adresse e-mail, si elle en a une"),
    "phone": _l("Son numéro de mobile"),
    "told": _l("accompagnant, personne ou les deux"),
    "prefectureId": _l("Le département de son attente : 93, ou bobigny_93"),
    "procedures": _l("TITRE_SEJOUR, NATURALISATION, VISA… ; plusieurs avec une espace"),
    "limits.dateFrom": _l("Premier jour possible : 31/12/2026"),
    "limits.dateTo": _l("Dernier jour possible"),
}
_UNKNOWN = _l("Ce mot n’est pas connu ici.")
_FILE = "file"
# By rule, whatever the column
_RULES = {
    "columns": _l("La première ligne nomme les colonnes, chacune une fois : vérifiez-la."),
    "too_many_lines": _l("Ce fichier a plus de 500 personnes : partagez-le."),
    "too_large": _l("Ce fichier est trop grand : partagez-le."),
    "encoding": _l("Ce fichier ne se lit pas : enregistrez-le comme « CSV UTF-8 »."),
    "quotes": _l("Des guillemets ne se ferment pas : vérifiez-les."),
    "empty": _l("Il n’y a personne dans ce fichier."),
    "cells": _l("Cette ligne n’a pas autant de cases que la première."),
    "string_too_long": _l("C’est trop long."),
    "enum": _UNKNOWN,
    "literal_error": _UNKNOWN,
    "unknown": _UNKNOWN,
    "value_error": _l("Une prefecture et ses demarches vont ensemble."),
    "no_sms": _l("Ce numéro ne reçoit pas de SMS : il faut un mobile français."),
}
_TEXTS: Texts = {
    "contract-needed": _l("Acceptez d’abord le contrat de l’organisation."),
    "too-many-people": _l("L’organisation n’aide pas plus de personnes pour l’instant."),
    "organisation-ending": _l("L’organisation prend fin."),
    "role-too-low": _l("Votre rôle ne le permet pas : demandez à une personne responsable."),
}
area = Area("people_file", __name__)


class _Upload(Body):
    """A form whose file is read apart."""

    file: str = ""


@area.page("/organisation/people/import", Access.PERSONAL)
def show_import() -> str:
    """Show the columns that a file may have, and the form."""
    return _render(Form(_Upload))


@area.action("/organisation/people/import", Access.PERSONAL, largest=LARGEST_BODY)
def import_file() -> ResponseReturnValue:
    """Enter all people of a file, or show its errors and enter nobody."""
    form, wrong = Form.read(_Upload, _TEXTS), list[FieldError]()
    sent = request.files.get(_FILE)
    content = sent.read(LARGEST_FILE + 1) if sent else b""
    if not content:
        form.errors[_FILE] = _("Choisissez un fichier.")

    def run(_: _Upload) -> int | None:
        try:
            with as_caller() as (s, caller):
                return import_people(s, caller, content)
        except ApiError as error:
            if not error.errors:
                raise
            wrong[:] = error.errors
            return None

    number = form.submit(run, _FILE)
    if number is None:
        return _render(form, wrong), INVALID
    return lead_to("people_file.show_import", _("Personnes inscrites : %(number)s", number=number))


@area.page("/organisation/people.csv", Access.PERSONAL)
def send_people() -> Response:
    """Send the people of the organisation as a file."""
    with as_caller() as (s, caller):
        content = export_people(s, caller)
    named = {"Content-Disposition": 'attachment; filename="personnes.csv"'}
    return Response(content, mimetype="text/csv", headers=named)


def _render(form: Form[_Upload], wrong: list[FieldError] | None = None) -> str:
    with as_caller():
        pass  # members alone see it
    lines = list[tuple[str, str, str]]()
    for each in wrong or []:
        line, _dot, column = each.path.partition(".")
        own = None if column and each.rule == "value_error" else _RULES.get(each.rule)
        text = str(own or write_rule(column, each.rule, {}, {}))
        if line == _FILE:
            form.errors[_FILE] = text
        else:
            lines.append((line, column, text))
    if lines:
        form.errors[_FILE] = _(
            "Rien n’est inscrit : corrigez ces lignes, puis envoyez le fichier de nouveau."
        )
    columns = [(names[0], _HELP[field]) for field, names in COLUMNS.items()]
    return render_template("people_file/import.html", form=form, lines=lines, columns=columns)
