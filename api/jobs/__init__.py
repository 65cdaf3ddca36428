"""Background jobs: their schedule, their rows and the program that runs them."""

import configs  # noqa: F401 -- before structlog, which it loads without what it does not need
