"""Valwin: no request is known to tell its ids."""

BY_HAND = "the page itself asks for …/global/api/meetings/v2/<place>/slots when its calendar shows"
