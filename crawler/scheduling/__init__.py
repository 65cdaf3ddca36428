"""Scheduling: demand, intervals, budgets, crawl queues, and the due queue with its Lua scripts."""
