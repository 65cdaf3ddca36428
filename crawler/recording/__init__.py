"""What becomes of a check: its row, its desk's state, the slots that it opened and closed, its detection."""
