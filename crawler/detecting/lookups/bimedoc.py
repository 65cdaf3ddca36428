"""Bimedoc: no request is known to tell its ids."""

BY_HAND = "the page itself asks for …/vmd/pharmacy-with-slots/<place> when its calendar shows"
