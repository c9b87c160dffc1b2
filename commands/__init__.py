"""One file, one subcommand: its name, its usage, and what it answers.

A new subcommand is a new file here that exports `COMMANDS`; nothing else changes.
"""
