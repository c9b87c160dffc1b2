"""Two environments on one Redis, found at the start or later."""

from bot.domain.environments import Environment
from bot.domain.errors import SameRedis
from bot.services.environments import Identities
from tests.support.environments import bare_services


class Server:
    """Stands where an environment's streams are asked who their server is."""

    def __init__(self, run_id: str | None) -> None:
        self.identity = run_id

    async def run_id(self) -> str | None:
        return self.identity


class Town:
    """prod and dev, and what their channels were told."""

    def __init__(self, prod: str | None, dev: str | None) -> None:
        self.prod, self.dev = Server(prod), Server(dev)
        self.told: list[tuple[str, str]] = []
        rooms = {
            name: bare_services(Environment(name, ("lsstcam",)), streams=server)
            for name, server in (("prod", self.prod), ("dev", self.dev))
        }
        self.identities = Identities(rooms, self.tell)

    async def tell(self, environment: str, error: SameRedis) -> None:
        self.told.append((environment, str(error)))

    def refused(self, environment: str) -> bool:
        try:
            self.identities.check(environment)
        except SameRedis:
            return True
        return False


async def test_two_servers_are_two() -> None:
    town = Town("a", "b")
    assert await town.identities.look() == []
    assert not town.refused("prod")
    assert not town.refused("dev")


async def test_the_second_environment_is_refused_and_told_once() -> None:
    town = Town("a", "a")
    for _ in range(2):
        await town.identities.look()
    (error,) = await town.identities.look()
    assert str(error).startswith("dev and PROD are configured with one and the same Redis")
    assert town.refused("dev")
    assert not town.refused("prod")
    assert [environment for environment, _ in town.told] == ["dev"]


async def test_one_that_was_away_is_found_later_and_stays_refused_while_away() -> None:
    town = Town("a", None)
    assert await town.identities.look() == []
    town.dev.identity = "a"
    await town.identities.look()
    assert town.refused("dev")
    town.dev.identity = None
    await town.identities.look()
    assert town.refused("dev")
    town.dev.identity = "b"
    await town.identities.look()
    assert not town.refused("dev")
    assert len(town.told) == 1
