"""Readers of what the world is: prefectures, desks, outcomes of checks, rules of hosts, plans."""
