"""The operator: turns resources into CronJobs and Jobs, and reports into status."""
