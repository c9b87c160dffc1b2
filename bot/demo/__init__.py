"""The whole bot on one machine: embedded servers, a local Slack, visits and workers."""
