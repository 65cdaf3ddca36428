"""Names of the queues in which detections wait to be matched: single alerts, and the parts of crowds."""

from configs.settings import Constant

# First wait before a lost row is nudged again; it doubles each time
nudge_seconds = Constant("NUDGE_SECONDS", 2.0)

# Of a job, at most as long as the lease of the mails that it sends: their answers end with it
MATCH_SECONDS = 30

CRITICAL, MANY = MATCHING = ("critical", "many")
