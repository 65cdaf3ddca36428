"""State of web hosts: back-off, budgets, stops, and 403s that block one page or a whole host."""
