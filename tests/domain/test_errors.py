"""The tree that opens the module is the one that its classes make."""

import re

from bot.domain import errors


def test_the_tree_is_the_hierarchy() -> None:
    above: list[type] = []
    drawn = set()
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)(\w+)(?: {2}|$)", line)
        if found is None:
            continue
        depth, error = len(found[1]) // 4, getattr(errors, found[2])
        del above[depth:]
        if above:
            assert error.__bases__ == (above[-1],)
        above.append(error)
        drawn.add(error)
    made = [each for each in vars(errors).values() if isinstance(each, type)]
    assert drawn == {each for each in made if issubclass(each, errors.BotError)}
