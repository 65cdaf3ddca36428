"""Discovery: a walk of the prefectures' own sites for booking pages nobody listed, and for pages that have moved.

Everything in here is pure but `queue`, `facts`, `runs`, `memory` and `landings`; the spider is
crawler/spiders/discovery.py.
"""
