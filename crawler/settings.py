"""Every Scrapy setting that is not Scrapy's default, with its reason. What an operator may set is in configs/.

Names and defaults: https://docs.scrapy.org/en/latest/topics/settings.html
"""

from typing import Any

from scrapy.settings import default_settings

BOT_NAME = "rdvpriority"
SPIDER_MODULES = ["crawler.spiders"]
COMMANDS_MODULE = "crawler.commands"

# A check is one coroutine on asyncio, down to the sockets. Not on uvloop, though it made the whole path a sixth
# faster: under Twisted's reactor it never reports a connection that is reset in the middle of a page, and the check
# waits for its deadline (tests/crawler/test_outcomes.py, mode "reset").
TWISTED_REACTOR = "twisted.internet.asyncioreactor.AsyncioSelectorReactor"

# Doors that Scrapy opens by default: two servers that run any Python they are sent.
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False

# Who asks, where nothing else says so: ourselves. A check brings all headers of its own agent
# (crawler/fetching/identity.py), so that these are for whatever else may ask; what no browser sends with each
# request (Accept) is not among them. Accepted is what crawler/fetching/download_handler.py can prove whole.
USER_AGENT = "RDVPriority/1.0 (+https://rdvpriority.fr)"
DEFAULT_REQUEST_HEADERS = {
    "Accept-Language": "fr-FR,fr;q=0.9",
    "Accept-Encoding": "gzip, deflate",
}

# robots.txt: whether a host may be watched is decided per host by a person, with the budget, when its desk file is
# written. Reading it for every check would double the requests that we promise not to make.
ROBOTSTXT_OBEY = False

# How many at once. The dispatcher claims only as many desks as there are places (SPIDER_PLACES) and one per host, so
# the requests of a check pass no queue (`send_request` in crawler/fetching/download_handler.py): one that waits in it
# has no time-out running.
CONCURRENT_REQUESTS = 1024
CONCURRENT_REQUESTS_PER_DOMAIN = 1024
# Items per response that pipelines work on at once: the default of 100 starts a hundred tasks for each (x 0.67).
CONCURRENT_ITEMS = 1
# The brake on the size of answers being read would stall every check at 5 MB: sizes are bounded per page instead.
SCRAPER_SLOT_MAX_ACTIVE_SIZE = 1_000_000_000

# Time. Each request carries the rest of its check's deadline in meta["download_timeout"]; this is for a request
# without one.
DOWNLOAD_TIMEOUT = 20
# A look-up holds a thread: the default of 60 s on 10 threads lets ten dead names stall every other host.
DNS_TIMEOUT = 5
REACTOR_THREADPOOL_MAXSIZE = 64

# Size. Booking pages have 10 to 60 kB; a larger answer is cut off and the check ends as `unreadable`. The readers run
# on the event loop: 5 MB of nothing but headings held it up for seconds.
DOWNLOAD_MAXSIZE = 2_000_000

# crawler/fetching/session.py does these itself, inside the check's one deadline and in sight of its count of requests:
RETRY_ENABLED = False  # would repeat 429 and 5xx at once, against Retry-After
REDIRECT_ENABLED = False  # would follow to any host, without asking the platform whether that takes a slot
METAREFRESH_ENABLED = False
COOKIES_ENABLED = False  # its jars are never freed; each check has its own, which ends with it
COMPRESSION_ENABLED = False  # it takes what it can of a truncated gzip for the whole page
# Proxies of the environment are not ours: they would carry requests past the loopback guard.
HTTPPROXY_ENABLED = False

DOWNLOADER_STATS = False  # weighs every header of every request; a check's row counts its requests

# Each middleware costs every request a call: those that are switched off above are not loaded, nor are these. Scrapy's
# own for default headers and the agent are on (docs/architecture.md has what each costs).
_OFF = (
    "offsite.OffsiteMiddleware",  # the guard and the base decide where requests go
    "httpauth.HttpAuthMiddleware",  # no site of ours has a password
    "downloadtimeout.DownloadTimeoutMiddleware",  # every request carries its own
)
DOWNLOADER_MIDDLEWARES: dict[str, int | None] = {
    **{f"scrapy.downloadermiddlewares.{name}": None for name in _OFF},
    "crawler.url_policy.LoopbackGuard": 950,  # the last before the wire: it sees the address really asked
}
# Answers go to the check that awaits them, so a spider middleware never sees one. Above all not HttpError, which
# drops every answer but 200 in silence.
SPIDER_MIDDLEWARES: dict[str, int | None] = dict.fromkeys(default_settings.SPIDER_MIDDLEWARES_BASE)
DOWNLOAD_HANDLERS: dict[str, Any] = {
    **dict.fromkeys(default_settings.DOWNLOAD_HANDLERS_BASE),  # we ask web servers only
    "http": "crawler.fetching.download_handler.AiohttpHandler",
    "https": "crawler.fetching.download_handler.AiohttpHandler",
    "ws": "crawler.fetching.websocket_handler.SocketHandler",
    "wss": "crawler.fetching.websocket_handler.SocketHandler",
    "outside": "crawler.fetching.ssrf_guard.OutsideHandler",  # of visits to candidates
}

# Checks go into the tables; a spider with arguments takes this away (crawler/booking.py): it needs no database.
ITEM_PIPELINES: dict[str, int] = {"crawler.pipelines.RecordPipeline": 300}

# A spider that holds more than SPIDER_MEMORY_MB ends (crawler/booking.py sets the limit); the keeper starts another.
MEMUSAGE_ENABLED = True
# Checks are rows, so no line a minute is needed.
LOGSTATS_INTERVAL = 0
LOG_FORMAT = "%(asctime)s %(levelname)s [%(name)s] %(message)s"
FEED_EXPORT_ENCODING = "utf-8"
