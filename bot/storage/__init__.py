"""Our durable state: tables, and what is written and read in one transaction."""
