"""Schedule of the background jobs: each a function of api/background/jobs.py, with its period and queue."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from api.models.job_run import MAINTENANCE, PAYMENTS
from configs.settings.constants import Constant

# How often the background program makes the days of the table of checks that are missing
_PARTITION_SECONDS = Constant("PARTITION_SECONDS", 3600.0)
# How often the checks of each desk and day are summed up, which pages and statistics show
_CHECK_DAYS_SECONDS = Constant("CHECK_DAYS_SECONDS", 3600.0)
# How often answers to alerts are counted, and how fast slots were gone, which pages and statistics show
_ANSWER_FIGURES_SECONDS = 3600
# How often invoices and credit notes that are missing are issued, and their files made
_INVOICES_SECONDS = Constant("INVOICES_SECONDS", 60.0)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_PARIS = ZoneInfo("Europe/Paris")
OPERATIONS_DIGEST, OPERATIONS_REPORT = "operations_digest", "operations_report"


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A job that is due at each whole multiple of its period, in UTC."""

    name: str
    period: timedelta
    queue: str = MAINTENANCE

    def find_due_time(self, now: datetime) -> datetime:
        """Return the newest instant, up to now, at which the job is due."""
        return now - (now - _EPOCH) % self.period


@dataclass(frozen=True, slots=True)
class DailyJob(ScheduledJob):
    """A job that is due at an hour of each day in Paris, whatever the clocks there do."""

    hour: int = 0

    def find_due_time(self, now: datetime) -> datetime:
        """Return the newest instant, up to now, at which the job is due."""
        today = now.astimezone(_PARIS).date()
        due = self._on(today)
        return due if due <= now else self._on(today - _DAY)

    def _on(self, day: date) -> datetime:
        return datetime.combine(day, time(self.hour), _PARIS).astimezone(UTC)


def find_job(name: str) -> ScheduledJob:
    """Return a job by its name."""
    return next(each for each in list_jobs() if each.name == name)


def list_jobs() -> list[ScheduledJob]:
    """Return every job."""
    return [
        ScheduledJob("make_partitions", timedelta(seconds=_PARTITION_SECONDS())),
        ScheduledJob("drop_partitions", _HOUR),
        ScheduledJob("drop_gone_slots", _HOUR),
        ScheduledJob("check_days", timedelta(seconds=_CHECK_DAYS_SECONDS())),
        ScheduledJob("delivery_days", timedelta(hours=1)),
        ScheduledJob("delivery_figures", timedelta(hours=1)),
        ScheduledJob("answer_figures", timedelta(seconds=_ANSWER_FIGURES_SECONDS)),
        ScheduledJob("pause_excess_alerts", timedelta(minutes=1)),
        ScheduledJob("drop_job_runs", _DAY),
        ScheduledJob("drop_old_logins", _DAY),
        ScheduledJob("drop_old_codes", _DAY),
        ScheduledJob("erase_addresses", _HOUR),
        ScheduledJob("end_lost_factors", _HOUR),
        ScheduledJob("drop_appointments", _DAY),
        ScheduledJob("drop_support_requests", _DAY),
        ScheduledJob("erase_messages", _DAY),
        ScheduledJob("drop_notices", _DAY),
        ScheduledJob("drop_receipts", _DAY),
        ScheduledJob("drop_unverified_accounts", _DAY),
        ScheduledJob("end_unused_accounts", _DAY),
        ScheduledJob("erase_declarations", _DAY),
        ScheduledJob("drop_closed_alerts", _DAY),
        ScheduledJob("drop_watch_records", _DAY),
        ScheduledJob("drop_audit", _DAY),
        ScheduledJob("make_exports", timedelta(minutes=1)),
        ScheduledJob("drop_exports", timedelta(minutes=10)),
        ScheduledJob("drop_former_customers", _DAY, PAYMENTS),
        ScheduledJob("reconcile_payments", _DAY, PAYMENTS),
        ScheduledJob("sync_stuck_payments", timedelta(minutes=5), PAYMENTS),
        ScheduledJob("begin_days_of_grace", timedelta(minutes=5)),
        ScheduledJob("remind_of_failed_renewals", _DAY),
        ScheduledJob("tell_renewals", timedelta(hours=1)),
        ScheduledJob("tell_plan_ends", timedelta(minutes=1)),
        ScheduledJob("mark_gone_slots", timedelta(minutes=1)),
        ScheduledJob("remind_of_appointments", timedelta(minutes=1)),
        ScheduledJob("ask_how_it_went", timedelta(hours=1)),
        ScheduledJob("write_weekly_summaries", timedelta(minutes=1)),
        ScheduledJob("tell_closed_desks", timedelta(hours=1)),
        ScheduledJob("credit_outages", timedelta(hours=1), PAYMENTS),
        ScheduledJob("apply_declarations", timedelta(minutes=1), PAYMENTS),
        ScheduledJob("note_order_mails", timedelta(minutes=5)),
        ScheduledJob("tell_rising_failures", timedelta(hours=1)),
        ScheduledJob("tell_hoarding", _DAY),
        ScheduledJob("tell_sms_cost", timedelta(minutes=5)),
        ScheduledJob("report_false_alarms", timedelta(minutes=1)),
        ScheduledJob("watch_operations", timedelta(minutes=1)),
        ScheduledJob("repeat_alarms", timedelta(minutes=1)),
        ScheduledJob("call_dead_mans_switch", timedelta(minutes=1)),
        DailyJob("analyze_tables", _DAY, hour=4),
        DailyJob("check_promises", _DAY, hour=5),
        DailyJob("report_growth", _DAY, hour=6),  # after the jobs that drop
        DailyJob(OPERATIONS_DIGEST, _DAY, hour=9),
        DailyJob(OPERATIONS_REPORT, _DAY, hour=19),
        ScheduledJob("issue_invoices", timedelta(seconds=_INVOICES_SECONDS())),
    ]
