"""Figures of answers to slot alerts by desk, platform and month, and how fast slots are gone."""
