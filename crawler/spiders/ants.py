"""Spider of the national search for passport and identity card slots in town halls."""

from crawler.booking import BookingSpider


class AntsSpider(BookingSpider):
    """Checks the desks whose platform belongs to ants."""

    name = "ants"
    system = "ants"
