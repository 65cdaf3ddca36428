"""Configuration: prefectures, desks, plans and settings, and the small modules that two programs share."""

from configs.ground.optional_libraries import import_without

# Its renderers by Rich, its loggers by Twisted: 7 MB of each program.
import_without("structlog", "rich", "twisted")
