"""Program 2: the API and its background jobs."""

import configs  # noqa: F401 -- before structlog, which it loads without what it does not need
