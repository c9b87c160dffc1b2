"""Who has a right at this moment. Whoever cannot be looked up has none."""

from collections.abc import Awaitable, Callable, Collection

from bot.domain.environments import Environment, People, Person, Right
from bot.domain.errors import NotAllowed


class Rights:
    """Tells who may do what in one environment.

    Parameters
    ----------
    environment
        Has the lists.
    members
        Gives the IDs of a user group's members; raises `CannotLookUp`.
    names
        Gives a list of people as people read it, without mentioning anybody.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        members: Callable[[str], Awaitable[frozenset[str]]],
        names: Callable[[People], Awaitable[str]],
    ) -> None:
        self._environment = environment
        self._members = members
        self._names = names

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
            found |= frozenset(people) & await self._members(group)
        return found

    async def require(self, right: Right, person: Person) -> None:
        """Refuse whoever has not this right.

        Raises
        ------
        NotAllowed
            If the person is on no list that has it.
        CannotLookUp
            If Slack does not tell.
        """
        if not await self.having(right, {person.id}):
            raise NotAllowed(right.value, self._environment.label, await self.named(right))

    async def named(self, right: Right) -> str:
        """Say who has a right, as people read it."""
        listed = self._environment.access.people(right)
        return "anybody in this channel" if listed is None else await self._names(listed)
