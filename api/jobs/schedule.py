"""Background jobs, each with its schedule. They return counts for their rows.

A job may run again after half of its work: its worker may die, or its turn may end. So each step is one transaction
that changes nothing when it is repeated, and no transaction is open while another server answers.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import ModuleType
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

import notifier
from api.accounts.service import write_to_admins
from api.admin import announcements
from api.admin.health import dead_mans_switch, watch
from api.alerts import appointments, false_alarms, plan_limits
from api.alerts.notifications import weekly_summaries
from api.auth import factor_end
from api.ground import alarms
from api.ground.messages import ask_deliver_later, get_effects
from api.ground.separate_parts import do_each
from api.jobs import daily_messages, self_checks, table_upkeep
from api.jobs.registry import DAY, HOUR, JOBS, MINUTE, Counts, Job, job
from api.jobs.table_upkeep import drop_partitions, make_partitions
from api.jobs.turns import CLOCKS_DIFFER, find_last_due
from api.models.base import first_id_at, read_once, session, write_once
from api.models.job import PAYMENTS
from api.models.notification import PAID_CHANNELS, Notification, sum_of_day
from api.models.user import Channel
from api.organisations import ends
from api.payments.billing import plan_ends, referrals
from api.payments.declarations import service as declarations
from api.payments.exchange import reconciliation
from api.payments.gateway import former_customers
from api.payments.gateway.errors import StripeAway
from api.payments.invoices.issuing import issue_due, make_due_files
from api.payments.ledger import grants, notices, watch_credits, withdrawal_rules
from api.payments.ledger.book import close_period, list_ended_periods
from api.payments.ledger.watch_gaps import list_watched_users
from api.payments.organisations import bills
from api.prefectures import delivery_figures as deliveries
from api.prefectures import desk_days
from api.privacy import export_files as exports
from api.privacy import retention as rules
from api.privacy import retention_batches, unused_accounts
from configs.ground.clock import clock
from configs.settings import Constant, settings

# How often the days of the table of checks are made that are missing, and old ones dropped
_partition_seconds = Constant("PARTITION_SECONDS", HOUR)
# How often the checks of each desk and day are summed up, which pages and statistics show
_check_days_seconds = Constant("CHECK_DAYS_SECONDS", HOUR)
# How often invoices and credit notes that are missing are issued, and their files made
_invoices_seconds = Constant("INVOICES_SECONDS", MINUTE)
# How long one run issues documents, and twice as long makes their files; the next one goes on
_issuing_seconds = Constant("ISSUING_SECONDS", 60.0)

log = structlog.get_logger(__name__)


def list_jobs() -> list[Job]:
    """Return every job."""
    return list(JOBS.values())


@job(every=_partition_seconds)
def keep_partitions() -> Counts:
    """Make the days of `checks` that are missing, PARTITION_DAYS ahead, and drop those older than CHECKS_KEPT_FOR."""
    return make_partitions() | drop_partitions()


@job(every=_check_days_seconds)
def sum_days() -> Counts:
    """Sum up the checks of each desk, and what became of slot alerts, of each day that changed since the last time."""
    return {"desks": _sum_days(desk_days), "deliveries": _sum_days(deliveries)}


def _sum_days(figures: ModuleType) -> int:
    """Sum up the days that changed, each in a transaction; return how many rows were written."""
    now, written = clock(), 0
    days = read_once(figures.find_days_to_sum, now)
    for day in days:
        with session() as s:
            written += figures.sum_day(s, day, now)
    return written


@job(every=MINUTE)
def pause_excess_alerts() -> Counts:
    """Pause the alerts of users whose plan became smaller by the clock alone: a larger grant ended, or one began."""
    users = read_once(plan_limits.find_users_over_limit)
    done, failed = do_each(
        "pause_excess_alerts", users, lambda user: write_once(plan_limits.pause_excess_alerts, user)
    )
    return {"users": done, "failed": failed}


@job(every=MINUTE)
def send_announcements() -> Counts:
    """Write the announcements that operators started to their next people."""
    return announcements.send_announcements()


@job(every=HOUR)
def erase_addresses() -> Counts:
    """Erase the addresses of mails that outlived their accounts, or that the law owed to strangers, once they ended."""
    with session() as s:
        return {"erased": retention_batches.erase_addresses(s)}


@job(every=HOUR)
def end_lost_factors() -> Counts:
    """End the second factors that were reported lost, after their waiting time."""
    users = read_once(factor_end.list_due)
    ended, failed = do_each("end_lost_factors", users, lambda user: write_once(factor_end.end_due, user))
    return {"ended": ended, "failed": failed}


@job(every=HOUR)
def end_organisations() -> Counts:
    """Delete whom an organisation helps no more, and what is left of one that has ended; tell ends of grants.

    What was used is invoiced before: afterwards no member is left to be told.
    """
    write_once(ends.warn_grant_ends)
    unbilled, counts = bills.bill_organisations()["failed"], ends.carry_out_ends()
    return counts | {"failed": counts["failed"] + unbilled}


@job(every=DAY)
def apply_retention() -> Counts:
    """Delete what is older than its table's rule allows, and empty the texts of messages after MESSAGES_KEPT_FOR."""
    return rules.apply_rules() | retention_batches.erase_messages()


@job(every=DAY, queue=PAYMENTS)
def reconcile_payments() -> Counts:
    """Compare the payments of the last days with Stripe; repair what events would have changed, report the rest.

    Without a key nothing is sold, and so there is nothing to compare.
    """
    if settings().stripe_secret_key is None:
        return {"compared": 0}
    ended = read_once(list_ended_periods, clock())
    _closed, failed = do_each("ended periods", ended, lambda period: write_once(close_period, *period))
    return reconciliation.reconcile() | {"failed": failed}


@job(every=5 * MINUTE)
def begin_days_of_grace() -> Counts:
    """Let monthly plans go on whose renewal was not heard of by the end of what is paid."""
    with session() as s:
        return {"alerts": grants.begin_grace(s, clock())}


@job(every=5 * MINUTE, queue=PAYMENTS)
def end_unpaid_plans() -> Counts:
    """End the monthly plans whose days of grace are over, at Stripe too."""
    return {"asked": len(write_once(grants.end_unpaid_plans, clock()))}


@job(every=HOUR, queue=PAYMENTS)
def tell_renewals() -> Counts:
    """Tell each subscriber three days before the next month is charged how much it will be."""
    due = read_once(plan_ends.list_renewals)
    mails, failed = do_each("tell_renewals", due, plan_ends.tell_renewal, stops=(StripeAway,))
    return {"mails": mails, "failed": failed}


@job(every=HOUR, queue=PAYMENTS)
def credit_outages() -> Counts:
    """Give back paid time without watching, and reclaim from invoices what shall go back as money."""
    watched = read_once(list_watched_users, clock())
    users, failed = do_each("credit_outages", watched, lambda user: write_once(watch_credits.give_back, user))
    reclaimed = write_once(watch_credits.reclaim_credits)
    return {"users": users, "reclaimed": reclaimed, "failed": failed}


@job(every=HOUR, queue=PAYMENTS)
def give_friends_days() -> Counts:
    """Give the days for friends' orders whose right to withdraw is over; take them back where the money went back."""
    due, given = read_once(referrals.list_due), read_once(referrals.list_given)
    decided, failed = do_each("give_friends_days", due, referrals.decide, stops=(StripeAway,))
    taken, lost = do_each("take_back_days", given, lambda order: write_once(referrals.take_back, order))
    return {"decided": decided, "taken_back": taken, "failed": failed + lost}


@job(every=5 * MINUTE)
def note_order_mails() -> Counts:
    """Write when order mails were handed over: the time to withdraw counts from it."""
    with session() as s:
        return {"noted": withdrawal_rules.note_order_mails(s)}


def _price_copies(session: Session, now: datetime) -> Decimal:
    """Return what the day's SMS and calls of unknown fate cost at most, in EUR; none of it is in `sum_of_day`."""
    row, midnight = Notification, now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    copies = sa.select(row.channel, sa.func.sum(row.unknown_attempts)).where(
        row.id >= first_id_at(midnight), row.channel.in_(PAID_CHANNELS), row.unknown_attempts > 0
    )
    dearest = {Channel.SMS: settings().sms_price, Channel.VOICE: settings().call_price}
    found = session.execute(copies.group_by(row.channel))
    return sum((max(dearest[channel].values()) * number for channel, number in found), Decimal(0))


def _write_sms_cost(session: Session) -> None:
    """Tell the admins, once a UTC day, when its SMS cost more than SMS_DAY_WARN, copies of unknown fate included."""
    now = clock()
    spent, warn, stop = sum_of_day(session, now), settings().sms_day_warn, settings().sms_day_stop
    unsure = _price_copies(session, now)
    if spent + unsure < warn:
        return
    named = {"spent": spent, "unsure": unsure, "warn": warn, "stop": stop}
    amounts = {name: f"{amount:.2f}" for name, amount in named.items()}
    write_to_admins(session, "sms_cost", amounts, f"sms_cost:{now.astimezone(UTC):%Y-%m-%d}")


@job(every=MINUTE)
def call_dead_mans_switch() -> Counts:
    """Call HEARTBEAT_URL, whose service raises an alarm when the calls stop; not while ours would reach nobody."""
    if because := watch.find_hindrance():
        log.warning("our own alarms would not arrive: HEARTBEAT_URL is not called", because=because)
        return {"held": 1}
    dead_mans_switch.call_switch()
    return {}


@job(at_hour=9)
def operations_digest() -> Counts:
    """Write the digest of 9:00 in Paris to the admins: what happened since the last one, and open alarms."""
    return _send_daily("operations_digest", daily_messages.write_digest)


@job(at_hour=19)
def operations_report() -> Counts:
    """Write the report of 19:00 in Paris to the admins: sales, registrations, detections, delays, failures, SMS."""
    return _send_daily("operations_report", daily_messages.write_report)


@job(every=_invoices_seconds, is_long=True)
def issue_invoices() -> Counts:
    """Issue the invoices and credit notes that are missing, and make the files that are missing."""
    issued, not_issued = issue_due(_issuing_seconds())
    files, not_made = make_due_files(2 * _issuing_seconds())
    return {"issued": issued, "files": files, "failed": not_issued + not_made}


def _send_daily(name: str, write_message: Callable[[Session, datetime, datetime], None]) -> Counts:
    """Have the message written of the time from the last run's due time to this one's.

    The clock of this machine may be behind that of another, which knew that the hour has come.
    """
    due = JOBS[name].find_due_time(clock() + CLOCKS_DIFFER)

    return _send(lambda s: write_message(s, find_last_due(s, name, due), due))


def _mails(
    write: Callable[[Session], object], name: str = "", *, until_none: bool = False, **when: Any
) -> Callable[[], Counts]:
    """Put a function on the schedule that writes messages in one transaction.

    `until_none`: it writes some, and is called until it has none.
    """

    def run() -> Counts:
        written = sent = _send(write)["mails"]
        while sent and until_none:
            written += (sent := _send(write)["mails"])
        return {"mails": written}

    return job(name or write.__name__, **when)(run)


def _send(write_mails: Callable[[Session], object]) -> Counts:
    """Have messages written in one transaction; return how many were."""
    with session() as s:
        write_mails(s)
        return {"mails": len(get_effects(s).messages)}


def _job(work: Callable[[], Counts], name: str = "", **when: Any) -> Callable[[], Counts]:
    """Put a function of another module on the schedule, to be called from here: this program has rights of its own."""

    def run() -> Counts:
        return work()

    return job(name or work.__name__, **when)(run)


# Jobs that are one function each, which says what it does; first those that write no messages.
analyze_tables = _job(table_upkeep.analyze_tables, at_hour=4)
end_unused_accounts = _job(
    partial(unused_accounts.end_unused_accounts, ends.end_deserted), "end_unused_accounts", every=DAY
)
make_exports = _job(exports.make_exports, every=MINUTE, is_long=True)
drop_exports = _job(exports.drop_exports, every=10 * MINUTE)
drop_former_customers = _job(
    former_customers.drop_customers, "drop_former_customers", every=DAY, queue=PAYMENTS
)
sync_stuck_payments = _job(reconciliation.sync_stuck_payments, every=5 * MINUTE, queue=PAYMENTS)
# Those whose time has come, and those that a program died over
apply_declarations = _job(
    declarations.apply_due_declarations, "apply_declarations", every=MINUTE, queue=PAYMENTS
)
check_promises = _mails(self_checks.tell_broken_promises, "check_promises", at_hour=5)
bill_organisations = _job(bills.bill_organisations, every=5 * MINUTE, queue=PAYMENTS)
tell_plan_ends = _mails(plan_ends.tell_plan_ends, every=MINUTE)
remind_of_appointments = _mails(
    appointments.write_due_reminders, "remind_of_appointments", every=MINUTE, until_none=True
)
ask_how_it_went = _mails(appointments.ask_how_it_went, every=HOUR, until_none=True)
# On Mondays at 8:00 of their readers' time zones
write_weekly_summaries = _mails(
    weekly_summaries.write_due_summaries, "write_weekly_summaries", every=MINUTE, until_none=True
)
mark_gone_slots = _mails(
    lambda s: ask_deliver_later(s, notifier.mark_gone_slots(s)), "mark_gone_slots", every=MINUTE
)
tell_closed_desks = _mails(plan_ends.tell_closed_desks, every=HOUR)
remind_of_failed_renewals = _mails(plan_ends.remind_in_grace, "remind_of_failed_renewals", every=DAY)
tell_rising_failures = _mails(notices.tell_rising_failures, every=HOUR)
tell_hoarding = _mails(plan_limits.tell_hoarding, every=DAY)
watch_operations = _mails(watch.watch_operations, every=MINUTE)
repeat_alarms = _mails(alarms.repeat_alarms, every=MINUTE)
report_false_alarms = _mails(false_alarms.report_false_alarms, every=MINUTE)
tell_sms_cost = _mails(_write_sms_cost, "tell_sms_cost", every=5 * MINUTE)
