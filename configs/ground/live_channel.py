"""Redis channel that says that notices were written. Apart, for the streams load no queues."""

CHANNEL = "stream:notices"
