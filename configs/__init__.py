"""Configuration: prefectures, desks, plans and settings, and the small modules that two programs share."""
