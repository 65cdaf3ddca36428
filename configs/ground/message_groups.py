"""Groups of messages: what a message is about, and which groups its reader can stop."""

from enum import StrEnum


class MessageGroup(StrEnum):
    """What a message is about; its reader can stop some groups, and say when they may arrive."""

    SLOTS = "slots"  # slot alerts: each is stopped with its alert
    DESK = "desk"  # whether a desk is watched
    REMINDERS = "reminders"
    SUMMARY = "summary"  # of the week: only who asked for it gets one
    NEWS = "news"  # marketing: it needs consent
    ACCOUNT = "account"
    PAYMENT = "payment"  # and what the law wants us to send


STOPPABLE = frozenset(  # by the link of a mail
    {MessageGroup.DESK, MessageGroup.REMINDERS, MessageGroup.SUMMARY, MessageGroup.NEWS}
)
SWITCHABLE = STOPPABLE | {MessageGroup.SLOTS}  # by channel, in the preferences of an account
