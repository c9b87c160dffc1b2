"""Taking a consumer group away, and putting it back where it stood.

A group that begins inside a stream is created with the number of entries before its start. Without
it Redis does not know the lag, and the scaler would start nobody.
"""

from redis.asyncio import Redis
from redis.exceptions import ResponseError


async def destroy(redis: Redis, stream: str, group: str) -> str | None:
    """Destroy a group.

    Parameters
    ----------
    redis
        Where.
    stream, group
        Their names.

    Returns
    -------
    str or None
        ID of the entry that it was given last; None where there was no such group.
    """
    # One transaction: no worker can read between the look and the end.
    change = redis.pipeline(transaction=True)
    change.xinfo_groups(stream)
    change.xgroup_destroy(stream, group)
    groups, _ = await change.execute()
    return next((each["last-delivered-id"] for each in groups if each["name"] == group), None)


async def recreate(redis: Redis, stream: str, group: str, after: str) -> None:
    """Create a group; one that somebody else has created meanwhile is left as it is.

    Parameters
    ----------
    redis
        Where.
    stream, group
        Their names.
    after
        ID of the last entry that it need not see.
    """
    look = redis.pipeline(transaction=True)
    look.xinfo_stream(stream)
    look.xrange(stream, f"({after}", "+")
    about, waiting = await look.execute()
    # What is added from here on counts in both figures.
    read = about["entries-added"] - len(waiting)
    try:
        await redis.xgroup_create(stream, group, after, entries_read=read)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
