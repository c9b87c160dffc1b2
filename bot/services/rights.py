"""Who has a right at this moment. Whoever cannot be looked up has none."""

from collections.abc import Collection
from typing import Protocol
from zoneinfo import ZoneInfo

from bot.domain.environments import Environment, People, Person, Right
from bot.domain.errors import Refused


class Groups(Protocol):
    """Knows people and user groups. Slack does, of which the services know nothing."""

    async def members(self, usergroup: str) -> frozenset[str]:
        """Give the IDs of a user group's members.

        Raises
        ------
        CannotLookUp
            If nobody tells.
        """
        ...

    async def names(self, people: People) -> str:
        """Give a list of people as people read it, without mentioning anybody."""
        ...

    async def zone(self, person: Person) -> ZoneInfo | None:
        """Give a person's time zone; None where nobody tells."""
        ...


class Rights:
    """Tells who may do what in one environment.

    Parameters
    ----------
    groups
        Knows who is in a group that the environment's lists name.
    """

    def __init__(self, environment: Environment, groups: Groups) -> None:
        self._environment = environment
        self._groups = groups

    async def having(self, right: Right, people: Collection[str]) -> frozenset[str]:
        """Pick from these IDs those who have a right.

        Raises
        ------
        CannotLookUp
            If it depends on a group that Slack does not tell.
        """
        listed = self._environment.access.people(right)
        if listed is None:
            return frozenset(people)
        found = frozenset(people) & frozenset(listed.users)
        for group in listed.usergroups:
            if len(found) == len(frozenset(people)):
                break
            found |= frozenset(people) & await self._groups.members(group)
        return found

    async def require(self, right: Right, person: Person) -> None:
        """Refuse whoever has not this right.

        Raises
        ------
        Refused
            If the person is on no list that has it; it names those who are.
        CannotLookUp
            If Slack does not tell.
        """
        if await self.having(right, {person.id}):
            return
        label, who = self._environment.label, await self.named(right)
        if who:
            raise Refused(
                f"You are not an {right.value} of {label}, so this changed nothing. "
                f"{right.value.capitalize()}s: {who}."
            )
        raise Refused(
            f"Nobody is an {right.value} of {label} at this moment: its list is empty. Nothing was "
            f"changed. Whoever deploys the bot must correct `environments.{label.lower()}.access`."
        )

    async def named(self, right: Right) -> str:
        """Say who has a right, as people read it."""
        listed = self._environment.access.people(right)
        return "anybody in this channel" if listed is None else await self._groups.names(listed)
