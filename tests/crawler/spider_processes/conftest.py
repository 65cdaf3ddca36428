from tests.crawler.spider_processes.machines import world  # noqa: F401 -- a fixture
