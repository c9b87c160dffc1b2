"""The whole bot on one machine: embedded servers, a local Slack, visits and workers.

`session` runs it. `world` is what the bot watches: `servers`, the `visits` on them, and the faults
that people type into the `terminal`. `local_slack` is where people watch it, `configuration` what
that and the bot are told, and `processes` ends whatever was started. It differs from a deployment
by its configuration alone.
"""
