"""Background jobs, each with its schedule. They return counts for their rows.

A job may run again after half of its work: its worker may die, or its turn may end. So each step is one transaction
that changes nothing when it is repeated, and no transaction is open while another server answers.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

import notifier
from api.accounts.service import write_to_admins
from api.admin.health import watch
from api.alerts import appointments, plan_limits, weekly_summaries
from api.answers import false_alarms
from api.background import table_upkeep
from api.background.schedule import DAY, HOUR, JOBS, MINUTE, Counts, Job, job
from api.background.turns import CLOCKS_DIFFER, find_last_due
from api.billing import closed_desks, plan_ends
from api.declarations import service as declarations
from api.exports import jobs as exports
from api.figures import deliveries, desk_days
from api.invoices.issuing import issue_due
from api.invoices.pdf_files import make_due_files
from api.logins import factor_end
from api.models.base import session
from api.models.job import PAYMENTS
from api.models.notification import sum_of_day
from api.operations import daily_messages, dead_mans_switch, self_checks
from api.operations.alarms import repeat_alarms as repeat_unanswered
from api.payments import former_customers, notices, reconciliation, watch_credits, withdrawal_rules
from api.payments.grants import begin_grace
from api.payments.postings import close_period, list_ended_periods
from api.payments.watch_gaps import list_watched_users
from api.retention import messages, rules, unused_accounts
from api.separate_parts import do_each
from configs.ground.clock import clock
from configs.settings import settings
from configs.settings.constants import Constant

# How often the days of the table of checks are made that are missing, and old ones dropped
_PARTITIONS = Constant("PARTITION_SECONDS", HOUR)
# How often the checks of each desk and day are summed up, which pages and statistics show
_CHECK_DAYS = Constant("CHECK_DAYS_SECONDS", HOUR)
# How often invoices and credit notes that are missing are issued, and their files made
_INVOICES = Constant("INVOICES_SECONDS", MINUTE)

log = structlog.get_logger(__name__)
_ISSUE_SECONDS, _FILES_SECONDS = 60.0, 120.0  # of one run; the next one goes on


def list_jobs() -> list[Job]:
    """Return every job."""
    return list(JOBS.values())


@job(every=_PARTITIONS)
def keep_partitions() -> Counts:
    """Make the days of `checks` that are missing, PARTITION_DAYS ahead, and drop those older than CHECKS_KEPT_FOR."""
    return table_upkeep.make_partitions() | table_upkeep.drop_partitions()


@job(at_hour=4)
def analyze_tables() -> Counts:
    """Analyse the tables that changed much, and `checks`, which autovacuum never analyses."""
    return table_upkeep.analyze_tables()


@job(every=_CHECK_DAYS)
def sum_days() -> Counts:
    """Sum up the checks of each desk, and what became of slot alerts, of each day that changed since the last time."""
    return {"desks": _sum_days(desk_days), "deliveries": _sum_days(deliveries)}


def _sum_days(figures: ModuleType) -> int:
    """Sum up the days that changed, each in a transaction; return how many rows were written."""
    now, written = clock(), 0
    with session() as s:
        days = figures.find_days_to_sum(s, now)
    for day in days:
        with session() as s:
            written += figures.sum_day(s, day, now)
    return written


@job(at_hour=5)
def check_promises() -> Counts:
    """Run the named queries that must give no row, and alarm the operators of those that do."""
    return _send(self_checks.tell_broken_promises)


@job(every=MINUTE)
def pause_excess_alerts() -> Counts:
    """Pause the alerts of users whose plan became smaller by the clock alone: a larger grant ended, or one began."""
    with session() as s:
        users = plan_limits.find_users_over_limit(s)

    def pause(user_id: UUID) -> None:
        with session() as s:
            mails = plan_limits.pause_excess_alerts(s, user_id)
        notifier.nudge(mails)

    done, failed = do_each("pause_excess_alerts", users, pause)
    return {"users": done, "failed": failed}


@job(every=HOUR)
def erase_addresses() -> Counts:
    """Erase the addresses of mails that outlived their accounts, or that the law owed to strangers, once they ended."""
    with session() as s:
        return {"erased": messages.erase_addresses(s)}


@job(every=HOUR)
def end_lost_factors() -> Counts:
    """End the second factors that were reported lost, after their waiting time."""
    with session() as s:
        users = factor_end.list_due(s)

    def end(user_id: UUID) -> bool:
        with session() as s:
            mails = factor_end.end_due(s, user_id)
        notifier.nudge(mails or [])
        return mails is not None

    ended, failed = do_each("end_lost_factors", users, end)
    return {"ended": ended, "failed": failed}


@job(every=DAY)
def apply_retention() -> Counts:
    """Delete what is older than its table's rule allows, and empty the texts of messages after MESSAGES_KEPT_FOR."""
    return rules.apply_rules() | messages.erase_messages()


@job(every=DAY)
def end_unused_accounts() -> Counts:
    """Warn accounts twice that are unused for nearly ACCOUNT_UNUSED_FOR, then delete them."""
    return unused_accounts.end_unused_accounts()


@job(every=MINUTE, is_long=True)
def make_exports() -> Counts:
    """Build the exports of personal data that users asked for."""
    return exports.make_exports()


@job(every=10 * MINUTE)
def drop_exports() -> Counts:
    """Drop exports after a day, and the files of accounts that were deleted."""
    return exports.drop_exports()


@job(every=DAY, queue=PAYMENTS)
def drop_former_customers() -> Counts:
    """Delete Stripe's customers of accounts that were deleted 120 days ago, unless a dispute is open."""
    return former_customers.drop_customers()


@job(every=DAY, queue=PAYMENTS)
def reconcile_payments() -> Counts:
    """Compare the payments of the last days with Stripe; repair what events would have changed, report the rest.

    Without a key nothing is sold, and so there is nothing to compare.
    """
    if settings().stripe_secret_key is None:
        return {"compared": 0}
    with session() as s:
        ended = list_ended_periods(s, clock())

    def close(period: tuple[UUID, datetime]) -> None:
        with session() as s:
            close_period(s, *period)

    _closed, failed = do_each("ended periods", ended, close)
    return reconciliation.reconcile() | {"failed": failed}


@job(every=5 * MINUTE, queue=PAYMENTS)
def sync_stuck_payments() -> Counts:
    """Compare payments with Stripe that are neither paid nor failed for a while."""
    return reconciliation.sync_stuck_payments()


@job(every=5 * MINUTE)
def begin_days_of_grace() -> Counts:
    """Let monthly plans go on whose renewal was not heard of by the end of what is paid."""
    with session() as s:
        effects = begin_grace(s, clock())
    effects.run()
    return {"alerts": len(effects.alerts)}


@job(every=HOUR)
def tell_renewals() -> Counts:
    """Tell subscribers that their plan renews soon."""
    return _send(plan_ends.tell_renewals)


@job(every=MINUTE)
def tell_plan_ends() -> Counts:
    """Tell users that their plan ends soon, or has ended."""
    return _send(plan_ends.tell_plan_ends)


@job(every=MINUTE)
def remind_of_appointments() -> Counts:
    """Remind users of their appointments, as they set it."""
    return _send_all(appointments.write_due_reminders)


@job(every=HOUR)
def ask_how_it_went() -> Counts:
    """Ask users who agreed how their appointment went, a day later."""
    return _send_all(appointments.ask_how_it_went)


@job(every=MINUTE)
def write_weekly_summaries() -> Counts:
    """Write the summary of the week to users who asked for it, on Mondays at 8:00 of their time zone."""
    return _send_all(weekly_summaries.write_due_summaries)


@job(every=MINUTE)
def mark_gone_slots() -> Counts:
    """Edit the messages all of whose slots are gone, and mark the notices that say the same."""
    return _send(notifier.mark_gone_slots)


@job(every=HOUR)
def tell_closed_desks() -> Counts:
    """Offer the choice to users whose alert has no open page any more."""
    return _send(closed_desks.tell_closed_desks)


@job(every=HOUR, queue=PAYMENTS)
def credit_outages() -> Counts:
    """Give back paid time without watching, and reclaim from invoices what shall go back as money."""
    with session() as s:
        watched = list_watched_users(s, clock())

    def give_back(user_id: UUID) -> None:
        with session() as s:
            effects = watch_credits.give_back(s, user_id)
        effects.run()

    users, failed = do_each("credit_outages", watched, give_back)
    with session() as s:
        reclaimed = watch_credits.reclaim_credits(s)
    return {"users": users, "reclaimed": reclaimed, "failed": failed}


@job(every=DAY)
def remind_of_failed_renewals() -> Counts:
    """Tell users each day that their renewal failed, while the days of grace last."""
    return _send(plan_ends.remind_in_grace)


@job(every=MINUTE, queue=PAYMENTS)
def apply_declarations() -> Counts:
    """Apply withdrawals and cancellations whose time has come, and those that a program died over."""
    return declarations.apply_due()


@job(every=5 * MINUTE)
def note_order_mails() -> Counts:
    """Write when order mails were handed over: the time to withdraw counts from it."""
    with session() as s:
        return {"noted": withdrawal_rules.note_order_mails(s)}


@job(every=HOUR)
def tell_rising_failures() -> Counts:
    """Tell the admins where more payments fail than usual."""
    return _send(notices.tell_rising_failures)


@job(every=DAY)
def tell_hoarding() -> Counts:
    """Tell the admins which accounts are beyond fair use."""
    return _send(plan_limits.tell_hoarding)


@job(every=5 * MINUTE)
def tell_sms_cost() -> Counts:
    """Tell the admins, once a UTC day, when its SMS cost more than SMS_DAY_WARN."""
    return _send(_write_sms_cost)


def _write_sms_cost(session: Session) -> list[UUID]:
    now = clock()
    spent, warn, stop = sum_of_day(session, now), settings().sms_day_warn, settings().sms_day_stop
    if spent < warn:
        return []
    amounts = {"spent": f"{spent:.2f}", "warn": f"{warn:.2f}", "stop": f"{stop:.2f}"}
    return write_to_admins(session, "sms_cost", amounts, f"sms_cost:{now.astimezone(UTC):%Y-%m-%d}")


@job(every=MINUTE)
def watch_operations() -> Counts:
    """Alarm the operators of what the list of health checks finds ill."""
    return _send(watch.watch_operations)


@job(every=MINUTE)
def repeat_alarms() -> Counts:
    """Send alarms that are not acknowledged within ALARM_REPEAT_SECONDS once more, on another channel."""
    return _send(repeat_unanswered)


@job(every=MINUTE)
def call_dead_mans_switch() -> Counts:
    """Call HEARTBEAT_URL, whose service raises an alarm when the calls stop; not while ours would reach nobody."""
    if because := watch.find_hindrance():
        log.warning("our own alarms would not arrive: HEARTBEAT_URL is not called", because=because)
        return {"held": 1}
    dead_mans_switch.call_switch()
    return {}


@job(every=MINUTE)
def report_false_alarms() -> Counts:
    """Alarm operators of desks of which three people reported false alarms within an hour."""
    return _send(false_alarms.report_false_alarms)


@job(at_hour=9)
def operations_digest() -> Counts:
    """Write the digest of 9:00 in Paris to the admins: what happened since the last one, and open alarms."""
    return _send_daily("operations_digest", daily_messages.write_digest)


@job(at_hour=19)
def operations_report() -> Counts:
    """Write the report of 19:00 in Paris to the admins: sales, registrations, detections, delays, failures, SMS."""
    return _send_daily("operations_report", daily_messages.write_report)


@job(every=_INVOICES, is_long=True)
def issue_invoices() -> Counts:
    """Issue the invoices and credit notes that are missing, and make the files that are missing."""
    issued, not_issued = issue_due(_ISSUE_SECONDS)
    files, not_made = make_due_files(_FILES_SECONDS)
    return {"issued": issued, "files": files, "failed": not_issued + not_made}


def _send_daily(name: str, write_message: Callable[[Session, datetime, datetime], list[UUID]]) -> Counts:
    """Have the message written of the time from the last run's due time to this one's.

    The clock of this machine may be behind that of another, which knew that the hour has come.
    """
    due = JOBS[name].find_due_time(clock() + CLOCKS_DIFFER)

    def write(s: Session) -> list[UUID]:
        return write_message(s, find_last_due(s, name, due), due)

    return _send(write)


def _send_all(write_some: Callable[[Session], list[UUID]]) -> Counts:
    """Have messages written in as many transactions as it takes, until one has none."""
    written = 0
    while mails := _send(write_some)["mails"]:
        written += mails
    return {"mails": written}


def _send(write_mails: Callable[[Session], list[UUID]]) -> Counts:
    """Have messages written in one transaction, and nudge them after its commit."""
    with session() as s:
        mails = write_mails(s)
    notifier.nudge(mails)
    return {"mails": len(mails)}
