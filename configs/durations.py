"""Every period and wait of the product, in seconds, each a setting of its own.

Tests of whole processes set them short (lease 1 s, sweep 0.2 s), so that they take seconds.
"""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

LONGEST_SPAN = 3650 * 86400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _span(value: Any) -> Any:
    """Read `7d`, `12h`, `30m`, `45s` or a number of seconds."""
    if not isinstance(value, str):
        return value
    number, unit = (value[:-1], value[-1:]) if value[-1:] in _UNITS else (value, "s")
    seconds = int(number) * _UNITS[unit] if re.fullmatch("[0-9]{1,9}", number) else 0
    if not 0 < seconds <= LONGEST_SPAN:
        raise ValueError("must be a positive number with d, h, m or s, e.g. 7d, of ten years at most")
    return timedelta(seconds=seconds)


Span = Annotated[timedelta, BeforeValidator(_span)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _waits(value: Any) -> Any:
    """Read `15,120,600`: seconds, with commas between them."""
    return value.split(",") if isinstance(value, str) else value


Waits = Annotated[tuple[Seconds, ...], NoDecode, BeforeValidator(_waits), Field(min_length=1)]


class Periods(BaseSettings):
    """Periods, grouped by who waits."""

    # Crawl
    http_deadline_seconds: Seconds = 20
    browser_deadline_seconds: Seconds = 45
    browser_wait_seconds: Seconds = 10
    browser_start_seconds: Seconds = 30
    browser_idle_seconds: Seconds = 300
    claim_margin_seconds: Seconds = 5
    tier_1_seconds: Seconds = 30
    tier_2_seconds: Seconds = 60
    tier_3_seconds: Seconds = 120
    heartbeat_seconds: Seconds = 6 * 3600
    heartbeat_late_seconds: Seconds = 1800
    seat_seconds: Seconds = 15
    seat_renew_seconds: Seconds = 5
    feeder_sleep_seconds: Seconds = 1
    stop_grace_seconds: Seconds = 3
    planner_seconds: Seconds = 1
    reconcile_seconds: Seconds = 3600
    keeper_seconds: Seconds = 2
    keeper_lease_seconds: Seconds = 15
    keeper_patience_seconds: Seconds = 60
    keeper_patience_max_seconds: Seconds = 300
    keeper_kill_seconds: Seconds = 30
    deploy_settle_seconds: Seconds = 10
    files_seconds: Seconds = 5
    spider_age_seconds: Seconds = 6 * 3600
    spider_settled_seconds: Seconds = 120
    spider_pause_seconds: Seconds = 60
    lapse_seconds: Seconds = 600
    incident_check_seconds: Seconds = 5
    rate_limited_told_seconds: Seconds = 1800
    overloaded_told_seconds: Seconds = 1800
    maintenance_told_seconds: Seconds = 3600
    release_notice_seconds: Seconds = 1800
    captcha_probe_seconds: Seconds = 900
    maintenance_probe_seconds: Seconds = 300
    closed_probe_seconds: Seconds = 86400
    pause_probe_seconds: Seconds = 3600
    block_rest_seconds: Seconds = 300
    rate_rest_seconds: Seconds = 60
    longest_rest_seconds: Seconds = 7200
    retry_after_max_seconds: Seconds = 86400
    calm_seconds: Seconds = 3600
    proxy_connect_seconds: Seconds = 5
    proxy_rest_seconds: Seconds = 60
    proxy_longest_rest_seconds: Seconds = 3600
    refusal_seconds: Seconds = 3600
    discovery_every_seconds: Seconds = 86400
    discovery_seconds: Seconds = 4 * 3600
    discovery_delay_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10
    discovery_look_seconds: Seconds = 1
    drift_proven_seconds: Seconds = 86400
    drift_silent_seconds: Seconds = 7 * 86400

    # Proofs
    proofs_seconds: Seconds = 1
    proofs_idle_seconds: Seconds = 60

    # Backups
    backup_wal_seconds: Seconds = 30
    backup_look_seconds: Seconds = 5
    backup_retry_seconds: Seconds = 600
    backup_call_seconds: Seconds = 60
    backup_late_seconds: Seconds = 900
    backup_wait_seconds: Seconds = 3600

    # All programs

    # Tell

    # Background jobs

    # Billing

    # Personal data

    # Serve
    jwt_expires_in: Span = timedelta(days=7)
    access_token_seconds: Seconds = 900
