"""Discovery: a walk of the prefectures' own sites for unlisted booking pages, and for desk pages that have moved.

`page`, `site_links`, `results`, `moved_page_rules` are pure; the spider is crawler/spiders/discovery.py.
"""
