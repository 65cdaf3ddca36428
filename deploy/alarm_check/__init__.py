"""Check of the alarms and the board: by Prometheus' own tools, and by a Prometheus that reads a whole stack."""
