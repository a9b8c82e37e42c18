"""The main job on a real cluster: one scenario, shown by `python -m demo` and tested by tests/e2e."""
