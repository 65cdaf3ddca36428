"""The periods of a stack under chaos: everything a product waits for in minutes, here in seconds."""

import re

from api.models.user import CONTACT_CHANNELS

HASTE = 30  # times as fast
# What the retry of an unknown fate comes to (docs/operations.md): after the outage for an SMS, and copies an hour.
SMS_UNKNOWN = 31 * 60 / HASTE  # seconds
UNKNOWN_COPIES, SMS_UNKNOWN_COPIES = 5, 4
# Half of a cap may leave at once, then one message per refill (20 s), with all that waited: less than any bound.
CAPS = dict.fromkeys(CONTACT_CHANNELS, 360)  # messages that a contact may get in an hour
CALL_ATTEMPTS = 2  # about the same slots
# A lease outlives a provider's time-out, a claim the deadline: the order of life, thirty times as fast.
PERIODS = {
    "HTTP_DEADLINE_SECONDS": "6",
    "CLAIM_MARGIN_SECONDS": "1",
    "HEARTBEAT_SECONDS": "10",
    "SPEAKS_SECONDS": "3",
    "RENEWED_SECONDS": "1",
    "SILENT_SECONDS": "6",
    "START_PAUSE_SECONDS": "3",
    "FEEDER_SLEEP_SECONDS": "0.5",
    "STOP_GRACE_SECONDS": "1",
    "KEEPER_SECONDS": "1",
    "PLANNER_SECONDS": "1",
    "PROVIDER_TIMEOUT_SECONDS": "3",
    "PROVIDER_SWITCH_SECONDS": "2.8",  # a slow provider takes 2.5
    "PROVIDER_REST_SECONDS": "4",  # longer than a call
    "NO_RECEIPT_SECONDS": "20",
    "CALLS_PER_SECOND": "5",
    "CALL_GAP_SECONDS": "2",
    "CALL_EVERY_SECONDS": "30",
    "CALL_RING_SECONDS": "5",
    "CALL_REPORT_SECONDS": "20",
    "LEASE_SECONDS": "7",  # for a call of each provider of a channel
    "SWEEP_SECONDS": "0.5",
    "NUDGE_SECONDS": "0.5",
    "NUDGE_MAX_SECONDS": "4",
    "RETRY_SECONDS": "1",
    "RETRY_MAX_SECONDS": "4",
    "UNKNOWN_RETRY_SECONDS": "0.5,4,20,60",
    "SMS_UNKNOWN_RETRY_SECONDS": "2,20,60",
    **{f"{channel.upper()}_PER_HOUR": str(cap) for channel, cap in CAPS.items()},
    "LAPSE_SECONDS": "25",  # longer than any fault lasts that hides all sites
    "REARM_SECONDS": "5",
    "JOB_LONGEST": "20",
    "JOB_MINUTE_LONGEST": "10",
    "JOB_RETRY": "1",
    "CHECK_DAYS_SECONDS": "10",
    "PARTITION_SECONDS": "5",
    "INVOICES_SECONDS": "2",
    "ISSUING_SECONDS": "2",  # and twice as long for files, well within JOB_LONGEST
    "STRIPE_CONNECT_SECONDS": "1",
    "STRIPE_ANSWER_SECONDS": "3",
    "STRIPE_REST_SECONDS": "5",  # longer than a call
    "STRIPE_LEASE_SECONDS": "10",
    "STRIPE_RETRY_SECONDS": "0.5",
    "REFUND_AGAIN_SECONDS": "5",
    "PAUSE_PROBE_SECONDS": "4",
    "HEALTH_AGE_SECONDS": "30",
    "ACCESS_TOKEN_SECONDS": "86400",  # shoppers and the operator sign in once
    "RECENT_PROOF_SECONDS": "86400",
    "BCRYPT_COST": "4",
    "FRIENDS": "true",
    "PROXY_HOPS": "1",  # people who look say of which network they are
    "DISCOVERY": "0",  # it is resumed by tests of its own; here it would only take time from the rest
}
INTERVAL = 3  # seconds between two checks of a desk
# From the end of the last fault (or from the opening) to the inbox: a process that restarts, its lease, the hold of
# a desk, a lease, the sweep's longest wait, one more try. Where the machine does other things too, starting takes long.
_LEAST, _STARTS = 45.0, 2.0


def longest_wait(start: float) -> float:
    """Return how long a message may take, in seconds, on a machine where a whole stack took `start` to stand."""
    return max(_LEAST, _STARTS * start)


def hasty(text: str) -> str:
    """Make every desk of a sandbox file due every INTERVAL seconds, and its host willing."""
    text = re.sub(r"budget: \d+", "budget: 60000", text)
    return re.sub(r"interval: \d+", f"interval: {INTERVAL}", text)
