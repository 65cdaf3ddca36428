"""Spider of Doctolib and similar calendars, which answer in JSON, a window of days at a time."""

from crawler.booking import BookingSpider


class DoctolibSpider(BookingSpider):
    """Checks the desks whose platform belongs to doctolib."""

    name = "doctolib"
    system = "doctolib"
