"""Use cases, over clients and domain values."""
