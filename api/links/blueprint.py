"""Blueprint of /l, and what the views of all its links share."""

from flask import Blueprint, render_template
from sqlalchemy.orm import Session

from api.models.user import Contact, User
from api.web.languages import use_account_language
from configs.ground.signing import LinkRefused

blueprint = Blueprint("links", __name__, url_prefix="/l")


@blueprint.app_errorhandler(LinkRefused)
def refused(error: LinkRefused) -> tuple[str, int]:
    """Answer an expired link (410) or a forged one (400)."""
    status = 410 if error.reason == "expired" else 400
    return render_template("refused.html", reason=error.reason, status=status), status


def use_language_of(s: Session, contact: Contact | None) -> None:
    """Answer in the language of the account that a link belongs to."""
    user = s.get(User, contact.user_id) if contact else None
    if user:
        use_account_language(user.language)
