"""HighQ's REST API: list accounts, upload a portrait, keep the authorisation alive."""
