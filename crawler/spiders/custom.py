"""The booking systems that some desks have of their own."""

from crawler.booking import BookingSpider


class CustomSpider(BookingSpider):
    """Checks the desks whose platform belongs to custom."""

    name = "custom"
    system = "custom"
