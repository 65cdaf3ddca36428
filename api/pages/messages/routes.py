"""The page of the messages to a user: what was sent, what was held back, and why."""

from flask import render_template

from api.pages.area import Access, Area
from api.pages.message_words import CHANNEL_NAMES
from api.pages.messages.view_data import GROUP_NAMES, read_messages

area = Area("messages", __name__)


@area.page("/messages", Access.PERSONAL)
def show_messages() -> str:
    """List the messages, the newest first."""
    return render_template(
        "messages/messages.html", view=read_messages(), channels=CHANNEL_NAMES, groups=GROUP_NAMES
    )
