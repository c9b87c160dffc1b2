"""What a subcommand answers, and under which heading people find it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bot.render.blocks import Block, Button, Markup


class Purpose(Enum):
    """Under which heading `help` lists a subcommand, in this order."""

    LOOK = "See how the streams are doing"
    ALARMS = "Hear of trouble, and look after it"
    CHANGE = "Change them, two people together"
    MAINTENANCE = "Announce work on it"
    LEARN = "Find your way"


@dataclass(frozen=True)
class Reply:
    """What a subcommand answers.

    Parameters
    ----------
    blocks
        What is shown, buttons excepted.
    text
        The first line: the notification, and the whole story.
    buttons
        The likeliest first; a message that is shared goes without.
    private
        True where an `Act` has its effect elsewhere in the channel, and answers the person alone.
    picture
        A PNG. Slack has no private files, so a reply with one is shown in the channel.
    """

    blocks: Sequence[Block]
    text: Markup
    buttons: Sequence[Button] = ()
    private: bool = False
    picture: bytes | None = None
