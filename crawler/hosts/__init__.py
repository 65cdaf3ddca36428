"""What is decided about web hosts, and remembered of them: rests, budgets, stops, bans that nobody says."""
