"""Spiders of the booking systems: each checks the desks whose platform belongs to it."""

from crawler.booking import BookingSpider


class AntsSpider(BookingSpider):
    """The national search for passport and identity card slots in town halls."""

    name = system = "ants"


class PrefenligneSpider(BookingSpider):
    """The prefectures' own booking pages: EZBooking and what replaced it."""

    name = system = "prefenligne"


class DoctolibSpider(BookingSpider):
    """Doctolib and similar calendars, which answer in JSON, a window of days at a time."""

    name = system = "doctolib"


class CustomSpider(BookingSpider):
    """Booking systems that few desks use."""

    name = system = "custom"
