"""Answers to webhooks."""

from typing import Literal

from api.schemas import Answer


class Received(Answer):
    """The call was taken; the provider need not repeat it."""

    received: Literal[True] = True
