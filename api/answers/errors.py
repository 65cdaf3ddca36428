"""Reasons why an answer to a slot alert is not stored."""

from datetime import datetime


class AnswerRefused(Exception):
    """An answer that is not stored; nothing has changed."""


class UnknownMatch(AnswerRefused):
    """There is no such match any more: its alert was deleted."""

    def __init__(self) -> None:
        super().__init__("there is nothing to answer any more: the alert was deleted")


class ForeignMatch(AnswerRefused):
    """A match belongs to another user's alert."""

    def __init__(self) -> None:
        super().__init__("this alert belongs to another account")


class AnswerFinal(AnswerRefused):
    """Another answer was given, and the hour in which it could change is over."""

    def __init__(self, since: datetime) -> None:
        super().__init__(f"another answer stands and cannot change any more since {since.isoformat()}")
        self.since = since
