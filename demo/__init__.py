"""The main job on a real cluster: one story, shown by `python -m demo` and tested by tests/e2e."""
