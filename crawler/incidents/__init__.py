"""Trouble of sites and desks: back-off, stops, outages, moved pages, incidents and the notices about them."""
