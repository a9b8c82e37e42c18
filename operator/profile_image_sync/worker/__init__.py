"""One run, left to right: directory, plan, images, highq, ledger, report."""
