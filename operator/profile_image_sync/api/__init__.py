"""What is written down: spec, status, run spec, report, state header. No I/O: every package may import it."""
