"""Local stack on one laptop: real servers from wheels, and all our programs beside them."""
