"""The paper: what a resource may say, and what a run says back. No I/O, no third party but pydantic."""
