"""Spider of booking systems that few desks use."""

from crawler.booking import BookingSpider


class CustomSpider(BookingSpider):
    """Checks the desks whose platform belongs to custom."""

    name = "custom"
    system = "custom"
