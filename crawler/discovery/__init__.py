"""Discovery: from an unknown address to a desk's YAML, and the walk of the prefectures' own sites.

`identify`, `links` and `draft` read one page. The walk looks for unlisted booking pages, and for desk pages that have
moved: `site_walk` chooses its pages, `observations` says what each showed, `results` ends it; the spider is
crawler/spiders/discovery.py.
"""
