"""`python -m tests.notifier.delivery.mail_process SECONDS`: hands mails over, one after the other, and reports them."""

import json
import sys
import time
from uuid import uuid4

from api.models.user import Channel
from notifier.channels.provider_base import Acceptance
from notifier.content.outgoing_message import OutgoingMessage, RenderedMessage
from notifier.delivery.batch_sender import ProviderChoice

_GAP = 0.1  # seconds between two mails


def main() -> None:
    """Print for each mail: its id, who took it, copies of unknown fate, seconds, and when."""
    content, reports = RenderedMessage(text="Créneau", subject="Créneau"), []
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    end = time.time() + float(sys.argv[1])
    while time.time() < end:
        mail, began = OutgoingMessage(content, "camille@example.org", [uuid4()]), time.time()
        (answer,) = ProviderChoice(Channel.EMAIL, lambda: True).hand_over([mail])
        taken = (answer.provider, answer.copies_unknown) if isinstance(answer, Acceptance) else ("", 0)
        reports.append([str(mail.ids[0]), *taken, time.time() - began, time.time()])
        time.sleep(_GAP)
    sys.stdout.write(json.dumps(reports))


if __name__ == "__main__":
    main()
