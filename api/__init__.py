"""REST API, its pages, the streams of notices, the background jobs."""

import configs  # noqa: F401 -- first: it imports structlog without Rich and Twisted
