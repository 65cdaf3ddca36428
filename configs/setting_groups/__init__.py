"""Settings by area; `configs.settings.Settings` has all of them."""
