"""Web push: all push services of browsers, which speak one protocol (RFC 8030)."""

import asyncio
from collections.abc import Sequence

from notifier.channel_base import OutgoingMessage
from notifier.provider_base import Answer, Provider


class WebPush(Provider):
    """The messages of a call are handed over at the same time, and each is answered for itself."""

    MOST = 10  # to claim and encrypt these takes less time than a call of the same worker may wait
    HAS_OWN_BREAKERS = True

    def warm_up(self) -> None:
        """Load nothing: a worker that never sends by push does without the libraries."""

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        """Hand them over and wait for all answers. The worker of push does not wait: see push_lane."""
        return asyncio.run(_hand_over(messages))


async def _hand_over(messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
    from notifier.web_push.hand_over import hand_over  # noqa: PLC0415 -- late, see warm_up
    from notifier.web_push.push_client import PushClient  # noqa: PLC0415 -- as above

    answers: dict[int, Answer] = {}
    async with PushClient() as client:
        await hand_over(client, messages, lambda message, answer: answers.update({id(message): answer}))
    return [answers[id(each)] for each in messages]
