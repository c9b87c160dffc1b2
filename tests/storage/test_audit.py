from dataclasses import replace

from bot.domain.approvals import AuditLine
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.posts import Posts
from tests.storage.drafts import ANA, NOW, create, line


async def test_lines_come_back_newest_first_with_their_cards(database: Database) -> None:
    audit = Audit(database)
    request = await create(Requests(database))
    pruned = AuditLine(NOW, "prod", "prune lsstcam", ANA, "done")
    elsewhere = AuditLine(NOW, "dev", "prune hsc", ANA, "done")
    # What it is about was forgotten long ago.
    kept = line(request=request.id)
    old = replace(kept, request=999)
    for each in (kept, pruned, elsewhere, old):
        await audit.add(each)
    post = await Posts(database).find(request.id)
    assert post is not None
    assert await audit.latest("prod", 10) == [(old, None), (pruned, None), (kept, post)]
    assert await audit.latest("prod", 1) == [(old, None)]
    assert await audit.latest("dev", 10) == [(elsewhere, None)]
