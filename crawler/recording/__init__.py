"""Recording of checks: the row of each, its desk's state, slots, detections, outages."""
