"""Incidents of sites and desks, and the notices about them to operators and subscribers."""
