"""The whole bot on one machine: embedded servers, a local Slack, visits and workers.

`session` runs it. `world` is what the bot watches: `servers` with a `producer` and `workers`, and
the faults that people type. `local_slack` is where they watch it, `configuration` what the bot is
told, `script` what people may do to it all. It differs from a deployment by its configuration
alone.
"""
