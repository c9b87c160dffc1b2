"""Stands in for what cannot run on a test machine: Slack, and the proxy in front of it."""
