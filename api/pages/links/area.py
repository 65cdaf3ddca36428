"""The area of links in messages, and what the views of all its links share."""

from flask import render_template

from api.models.user import Contact
from api.pages.area import Area
from api.web.languages import use_account_language
from configs.ground.signing import LinkRefused

area = Area("links", __name__, url_prefix="/l")


@area.app_errorhandler(LinkRefused)
def refused(error: LinkRefused) -> tuple[str, int]:
    """Answer an expired link (410) or a forged one (400)."""
    status = 410 if error.reason == "expired" else 400
    return render_template("links/refused.html", reason=error.reason, status=status), status


def use_language_of(contact: Contact | None) -> None:
    """Answer in the language of the account that a link belongs to."""
    if contact:
        use_account_language(contact.user.language)
