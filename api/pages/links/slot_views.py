"""View of the link that shows what of a slot alert's slots is open: by whoever holds it, without a login."""

from flask import render_template

from api.alerts.open_slots import find_linked_slots
from api.models.base import read_once
from api.web.languages import use_account_language
from configs.ground.signing import LinkRefused, ShowSlots, read_token


def show_slots(token: str) -> str:
    """Show the open slots by day, each desk with its official page; no procedure, nothing of the reader.

    Raises:
        LinkRefused: the last of them was gone a day ago.
    """
    found = read_once(find_linked_slots, read_token(ShowSlots, token).notification)
    if found is None:
        raise LinkRefused("expired")
    use_account_language(found.language)
    return render_template("links/slots.html", found=found)
