"""One laptop: real servers from wheels, and every program of ours beside them."""
