"""Terminal side of our Scrapy commands: arguments, tables, reports."""
