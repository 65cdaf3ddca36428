"""Intervals of checks by the state of a desk; the API's health knows it too."""

from configs.settings import settings
from configs.settings.constants import Constant

# Wished intervals, in seconds, of prefectures by their tier
TIERS = {
    1: Constant("TIER_1_SECONDS", 30.0),
    2: Constant("TIER_2_SECONDS", 60.0),
    3: Constant("TIER_3_SECONDS", 120.0),
}
# Interval of a desk whose page asks for a captcha
CAPTCHA_PROBE_SECONDS = Constant("CAPTCHA_PROBE_SECONDS", 900.0)
# Interval of a desk whose site is under maintenance
MAINTENANCE_PROBE_SECONDS = 300
# Interval of a desk whose page was closed
CLOSED_PROBE_SECONDS = 86400
# Longest interval of a paused desk
PAUSE_PROBE_SECONDS = Constant("PAUSE_PROBE_SECONDS", 3600.0)
# Longest rest of a host that names none itself
LONGEST_REST_SECONDS = Constant("LONGEST_REST_SECONDS", 7200.0)
# By how much an interval may be longer, by lot
INTERVAL_JITTER = Constant("INTERVAL_JITTER", 0.05)
# Longest full round over a desk's places, asked in turn, at which it is sold
ROUND_SECONDS = 900
# Longest pause between two requests of one visit; a third of it at least
_STEP_GAP_SECONDS = 3.0
# The same to a stand-in, which is no site that wants to be spared
_STAND_IN_GAP_SECONDS = Constant("STAND_IN_GAP_SECONDS", 0.0)


def find_step_gap() -> float:
    """Return a person's longest pause between two pages, in seconds: none where nothing leaves this machine."""
    return _STAND_IN_GAP_SECONDS() if settings().loopback_only else _STEP_GAP_SECONDS
