"""The office: reads resources, writes orders (CronJobs, Jobs), turns reports into status."""
