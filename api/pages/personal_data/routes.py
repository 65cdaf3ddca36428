"""Pages about personal data: what we know and why, its export, and the deletion of the account."""

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from api.deletion.access import delete_signed_in
from api.deletion.service import read_losses
from api.errors import ApiError
from api.exports.access import send_export
from api.exports.service import nudge_exports, open_file, read_export, start_export
from api.middleware.auth import current_identity, current_user_id
from api.models.base import autocommit_session, session
from api.pages.area import Access, Area
from api.pages.cookie_login import drop_login
from api.pages.forms import Form
from api.pages.notices import add_notice
from api.pages.personal_data.view_data import DELETION_TEXTS, KNOWN
from api.users.schemas import DeletionWish
from configs.settings import settings

area = Area("personal_data", __name__)
_INVALID = 422


@area.page("/donnees", Access.PERSONAL)
def show_data() -> str:
    """Show what we know and why, how far an export is, and the way to the deletion."""
    with autocommit_session() as s:
        export = read_export(s, current_user_id())
    return render_template(
        "personal_data/data.html",
        export=export,
        known=KNOWN,
        zone=current_identity().time_zone,
        has_mail_server="smtp" in settings().mail_providers,
    )


@area.action("/donnees/export", Access.PERSONAL)
def ask_export() -> ResponseReturnValue:
    """Have an export made; one that is on its way, or ready, stays."""
    with session() as s:
        start_export(s, current_user_id())
    nudge_exports()
    add_notice("done", _("Votre archive est en préparation. Un message dira qu’elle est prête."))
    return redirect(url_for("personal_data.show_data"), 303)


@area.page("/donnees/export.zip", Access.PROVEN)
def download_export() -> ResponseReturnValue:
    """Send the archive; where there is none any more, lead back and say so."""
    with autocommit_session() as s:
        export = read_export(s, current_user_id())
    try:
        return send_export(open_file(export))
    except ApiError as error:
        text = (
            _("Il n’y a pas d’archive à télécharger : demandez-en une.")
            if error.status == 404  # noqa: PLR2004 -- otherwise the store is away
            else _("L’archive n’est pas accessible en ce moment. Réessayez dans une minute.")
        )
        add_notice("problem", text)
        return redirect(url_for("personal_data.show_data"), 303)


@area.page("/donnees/suppression", Access.PROVEN)
def show_deletion() -> str:
    """Show what the deletion of the account takes away, and what stays."""
    return _render_deletion(Form(DeletionWish))


@area.action("/donnees/suppression", Access.PROVEN)
def delete_account() -> ResponseReturnValue:
    """Delete the account, and end the login in this browser with it."""
    form = Form.read(DeletionWish, DELETION_TEXTS)
    if not form.errors:
        try:
            delete_signed_in(understood=form.value.understood)
        except ApiError as error:
            form.refuse(error, "understood")
    if form.errors:
        return _render_deletion(form), _INVALID
    drop_login()
    add_notice("done", _("Votre compte est supprimé. Un dernier message le confirme."))
    return redirect(url_for("sign_in.show_sign_in"), 303)


def _render_deletion(form: Form[DeletionWish]) -> str:
    with autocommit_session() as s:
        lost = read_losses(s, current_user_id())
    zone = current_identity().time_zone
    return render_template("personal_data/deletion.html", form=form, lost=lost, zone=zone)
