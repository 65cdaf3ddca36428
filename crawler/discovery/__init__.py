"""Discovery: a walk of the prefectures' own sites for unlisted booking pages, and for desk pages that have moved.

`site_links`, `site_walk`, `results` are pure; the spider is crawler/spiders/discovery.py.
"""
