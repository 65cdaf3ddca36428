"""Check of the alarms by Prometheus' own tools, and what tests read of rules and board."""
