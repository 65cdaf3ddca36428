"""Proofs: which page of a check is kept, how it leaves the spider, how it comes to the store and gets its picture."""
