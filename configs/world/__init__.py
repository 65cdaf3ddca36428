"""Readers of what the world is: prefectures, desks, hosts, plans, outcomes, languages."""
