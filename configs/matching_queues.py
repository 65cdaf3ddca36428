"""Names of the queues in which detections wait to be matched: single alerts, and the parts of crowds."""

CRITICAL, MANY = MATCHING = ("critical", "many")
