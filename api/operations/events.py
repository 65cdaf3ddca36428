"""Operations events: which one notifies operators at once, which one asks for acknowledgement, which one can wait."""

from enum import StrEnum


class Urgency(StrEnum):
    """How an event reaches operators."""

    ALARM = "alarm"  # at once; asks for acknowledgement, and goes out once more without one
    AT_ONCE = "at_once"
    DIGEST = "digest"  # with the next message of 9:00


class OperatorEvent(StrEnum):
    """What may happen in operations. The digest counts those that went at once, too."""

    DESK_TROUBLE = "desk_trouble"
    PROVIDER_DOWN = "provider_down"
    OLD_QUEUE = "old_queue"
    QUOTA = "quota"  # a provider takes no more messages from us for now
    SMS_CEILING = "sms_ceiling"  # SMS_DAY_STOP
    MAIL_CEILING = "mail_ceiling"  # half of STRANGER_MAILS_A_DAY
    FAILURES_RISING = "failures_rising"
    FRAUD_WARNING = "fraud_warning"
    FALSE_ALARMS = "false_alarms"
    TABLE_GROWTH = "table_growth"
    SELF_CHECK = "self_check"  # a promise of ours is broken
    PAYMENT_TROUBLE = "payment_trouble"  # all others: a refund that failed, a dispute, a difference
    SMS_COST = "sms_cost"  # SMS_DAY_WARN
    SUPPORT = "support"
    HOARDING = "hoarding"
    NEW_ACCOUNT = "new_account"
    PLAN_CHANGE = "plan_change"


URGENCY = {
    OperatorEvent.DESK_TROUBLE: Urgency.ALARM,
    OperatorEvent.PROVIDER_DOWN: Urgency.ALARM,
    OperatorEvent.OLD_QUEUE: Urgency.ALARM,
    OperatorEvent.QUOTA: Urgency.ALARM,
    OperatorEvent.SMS_CEILING: Urgency.ALARM,
    OperatorEvent.MAIL_CEILING: Urgency.ALARM,
    OperatorEvent.FAILURES_RISING: Urgency.ALARM,
    OperatorEvent.FRAUD_WARNING: Urgency.ALARM,
    OperatorEvent.FALSE_ALARMS: Urgency.ALARM,
    OperatorEvent.TABLE_GROWTH: Urgency.ALARM,
    OperatorEvent.SELF_CHECK: Urgency.ALARM,
    OperatorEvent.PAYMENT_TROUBLE: Urgency.AT_ONCE,
    OperatorEvent.SMS_COST: Urgency.AT_ONCE,
    OperatorEvent.SUPPORT: Urgency.AT_ONCE,
    OperatorEvent.HOARDING: Urgency.AT_ONCE,
    OperatorEvent.NEW_ACCOUNT: Urgency.DIGEST,
    OperatorEvent.PLAN_CHANGE: Urgency.DIGEST,
}


def find_event(trouble: str) -> OperatorEvent:
    """Return the event of a word of the kind payment_trouble."""
    named = {each.value: each for each in (OperatorEvent.FAILURES_RISING, OperatorEvent.FRAUD_WARNING)}
    return named.get(trouble, OperatorEvent.PAYMENT_TROUBLE)
