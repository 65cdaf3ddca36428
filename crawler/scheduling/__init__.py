"""Scheduling: demand, intervals, budgets, the due queue with its Lua scripts, and the leases of spiders."""
