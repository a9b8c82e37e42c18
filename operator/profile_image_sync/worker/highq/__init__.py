"""HighQ's REST API: list accounts, upload an avatar, keep the authorisation alive."""
