"""The API server: client, errors, retries, leases. Nothing else imports `kubernetes`."""
