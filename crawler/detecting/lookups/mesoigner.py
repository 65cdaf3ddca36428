"""Mesoigner: no request is known to tell its ids."""

BY_HAND = "the page itself asks for …/api/v1/vaccination/centers/<place>/<date> when its calendar shows"
