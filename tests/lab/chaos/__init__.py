"""Chaos: a whole stack is injured at random while slots open, and every message is accounted for."""
