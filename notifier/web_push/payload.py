"""Payload of a push message: what the service worker of our pages shows, and the page that it opens.

It stands on a locked screen: its texts name neither a procedure nor a place.
"""

import base64
import json

from notifier.channel_base import OutgoingMessage
from notifier.content.message_links import account_page

_LONGEST_TITLE, _LONGEST_BODY = 100, 300  # characters: services take 4,096 bytes, encrypted


def build_payload(message: OutgoingMessage) -> bytes:
    """Return the JSON that a device gets. A copy of the same notification has the same `tag` and replaces it."""
    content = message.filled
    shown = {
        "title": content.subject[:_LONGEST_TITLE],
        "body": " ".join(content.text.split())[:_LONGEST_BODY],
        "url": account_page(content.path.strip("/")),
        "tag": str(message.ids[0]),
    }
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


def build_topic(message: OutgoingMessage) -> str:
    """Return the same as `tag` for the service, which keeps one message of a topic for a device that is offline.

    https://www.rfc-editor.org/rfc/rfc8030#section-5.4: at most 32 characters of base64url.
    """
    return base64.urlsafe_b64encode(message.ids[0].bytes).rstrip(b"=").decode("ascii")
