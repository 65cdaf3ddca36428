"""From a request to its page: one check's conversation with a site, and all that stands between it and the wire."""
