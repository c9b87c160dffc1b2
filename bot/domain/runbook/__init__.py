"""The written procedures, as values: what to do by hand, and which command of the bot comes first.

Where the facts of Redis and Kubernetes contradict what was done before, the facts are here. A
topic names only commands that exist; a new command is added to the topics that it serves.
"""

from bot.domain.runbook.alarms import ALARMS
from bot.domain.runbook.service import SERVICE
from bot.domain.runbook.streams import STREAMS
from bot.domain.runbook.topic import Chapter, Step, Topic, Typed

__all__ = ["TOPICS", "Chapter", "Step", "Topic", "Typed"]

TOPICS = {topic.name: topic for topic in (*SERVICE, *STREAMS, *ALARMS)}
"""Every topic by its name, in the order in which they are listed."""
