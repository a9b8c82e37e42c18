"""The command line: one module per command. A command parses, calls and prints."""
