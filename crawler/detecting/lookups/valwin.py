"""Valwin: no request is known to tell its ids."""

BY_HAND = "the page itself asks for …/global/api/meetings/v2/<pharmacy>/slots when its calendar shows"
