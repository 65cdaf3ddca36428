"""Pages about personal data: what we know and why, its export, and the deletion of the account."""

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.ground.background_nudges import ask_job
from api.ground.errors import ApiError
from api.models.base import read_once, write_once
from api.models.job import MAINTENANCE
from api.pages.area import Access, Area
from api.pages.cookies import drop_login, lead_to
from api.pages.forms import INVALID, Form, Texts
from api.privacy.access import DeletionWish, delete_signed_in
from api.privacy.deletion import list_losses
from api.privacy.exports import open_file, read_export, start_export
from api.web.auth import current_identity, current_user_id
from api.web.public_answers import send_export
from configs.settings import settings

area = Area("personal_data", __name__)
DELETION_TEXTS: Texts = {
    "last-owner": _l(
        "Votre organisation n’a pas d’autre responsable : nommez-en un, ou mettez-y fin, d’abord."
    ),
    "plan-running": _l("Cochez la case : une offre est en cours, et elle serait perdue."),
    "operator": _l(
        "Ce compte agit pour d’autres : un administrateur doit d’abord en faire un compte ordinaire."
    ),
}


@area.page("/donnees", Access.PERSONAL)
def show_data() -> str:
    """Show what we know and why, how far an export is, and the way to the deletion."""
    export = read_once(read_export, current_user_id())
    return render_template(
        "personal_data/data.html",
        export=export,
        zone=current_identity().time_zone,
        has_mail_server="smtp" in settings().mail_providers,
    )


@area.action("/donnees/export", Access.PERSONAL)
def ask_export() -> ResponseReturnValue:
    """Have an export made; one that is on its way, or ready, stays."""
    write_once(start_export, current_user_id())
    ask_job(MAINTENANCE, "make_exports")
    text = _("Votre archive est en préparation. Un message dira qu’elle est prête.")
    return lead_to("personal_data.show_data", text)


@area.page("/donnees/export.zip", Access.PROVEN)
def download_export() -> ResponseReturnValue:
    """Send the archive; where there is none any more, lead back and say so."""
    export = read_once(read_export, current_user_id())
    try:
        return send_export(open_file(export))
    except ApiError as error:
        text = (
            _("Il n’y a pas d’archive à télécharger : demandez-en une.")
            if error.status == 404  # noqa: PLR2004 -- otherwise the store is away
            else _("L’archive n’est pas accessible en ce moment. Réessayez dans une minute.")
        )
        return lead_to("personal_data.show_data", text, "problem")


@area.page("/donnees/suppression", Access.PROVEN)
def show_deletion() -> str:
    """Show what the deletion of the account takes away, and what stays."""
    return _render_deletion(Form(DeletionWish))


@area.action("/donnees/suppression", Access.PROVEN)
def delete_account() -> ResponseReturnValue:
    """Delete the account, and end the login in this browser with it."""
    form = Form.read(DeletionWish, DELETION_TEXTS)
    form.submit(lambda wish: delete_signed_in(understood=wish.understood), "understood")
    if form.errors:
        return _render_deletion(form), INVALID
    drop_login()
    return lead_to("sign_in.show_sign_in", _("Votre compte est supprimé. Un dernier message le confirme."))


def _render_deletion(form: Form[DeletionWish]) -> str:
    lost = read_once(list_losses, current_user_id())
    zone = current_identity().time_zone
    return render_template("personal_data/deletion.html", form=form, lost=lost, zone=zone)
