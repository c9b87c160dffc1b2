"""Topics about the streams: looking into them, creating, clearing and trimming them."""

from bot.domain.runbook.topic import SAFE, Chapter, Step, Topic, Typed

STREAMS = (
    Topic(
        name="redis cli",
        chapter=Chapter.STREAMS,
        summary="Ask Redis yourself, when the bot is not enough.",
        when="The address is the same in every environment and the server another one, so see "
        "that the context is that of {label}. There is one Redis, not a cluster.",
        typed=(
            Typed("ping", "does Redis answer"),
            Typed("stats", "how the streams are doing"),
            Typed("pending", "what is unconfirmed"),
        ),
        steps=(
            Step("*Open it;* the answer is PONG:", redis=("PING",)),
            Step("*These only look:*", redis=("XLEN {stream}", "XINFO GROUPS {stream}")),
            Step(
                "At night leave `KEYS`, `MONITOR`, `XINFO CONSUMERS` and `XINFO STREAM … FULL` "
                "alone: they hold up Redis, and the workers with it."
            ),
        ),
        links=("playbook", "phalanx"),
        see=("statistics", "pending"),
    ),
    Topic(
        name="bootstrap",
        chapter=Chapter.STREAMS,
        summary="Create streams and groups: new volume, before dusk.",
        when="A new Redis or a new volume is empty, and workers exit where there is no group.",
        typed=(
            Typed("bootstrap all", "creates what is missing, with an approval"),
            Typed("stats", "which stream or group is missing"),
        ),
        steps=(
            Step(
                "*By hand.* Where a group exists the answer is BUSYGROUP, and nothing changes:",
                redis=("XGROUP CREATE {stream} {group} $ MKSTREAM",),
            ),
            Step(
                "`$` begins at the end: entries that are already in the stream are skipped. "
                f"{SAFE} To keep them, give the last delivered ID or `0` in place of `$`, and "
                "read `runbook no group` first."
            ),
            Step("*Done when* each has its group, and lag is 0:", redis=("XINFO GROUPS {stream}",)),
        ),
        links=("argocd", "phalanx"),
        see=("no group", "cold startup"),
    ),
    Topic(
        name="clear",
        chapter=Chapter.STREAMS,
        summary="Discard what waits, when nobody needs it. By day.",
        when=f"What is discarded is skipped. {SAFE} By hand there is no undo.",
        typed=(
            Typed("clear", "discards what its plan shows and no more; can be undone"),
            Typed("stats", "how many entries of how many visits wait"),
            Typed("pending", "what is unconfirmed: the list is cleared too"),
        ),
        steps=(
            Step(
                "*By hand, all four lines.* Each is answered QUEUED; nothing happens before "
                "EXEC, and `DISCARD` in its place backs out.",
                redis=(
                    "MULTI",
                    "DEL {stream}",
                    "XGROUP CREATE {stream} {group} $ MKSTREAM",
                    "EXEC",
                ),
                apart=True,
            ),
            Step(
                "*Why MULTI:* with DEL and XGROUP CREATE one by one, entries that arrive in "
                "between are skipped for good, and workers and KEDA get errors."
            ),
            Step(
                "Everything up to EXEC goes, also what arrived since you looked; so do the list of "
                "unconfirmed entries, all consumer names, and any other group of the stream."
            ),
            Step("*After:* lag and pending are 0.", redis=("XINFO GROUPS {stream}",)),
        ),
        links=("jobs", "grafana"),
        see=("statistics", "bootstrap"),
    ),
    Topic(
        name="statistics",
        chapter=Chapter.STREAMS,
        summary="What waits, and whether it is read. At any time.",
        when="A group hands each entry to one worker, so no two workers get the same detector.",
        typed=(
            Typed("stats", "counts what waits, in entries and visits"),
            Typed("consumers", "how many names, and how many are idle; offers to remove those"),
        ),
        steps=(
            Step(
                "*By hand.* Ask the *stream*; for the group's name Redis says `no such key`.",
                redis=("XINFO GROUPS {stream}",),
            ),
            Step(
                "`lag`: entries that no worker has read, which we call waiting. After trims and "
                "deletes it may be nil or wrong; `stats` counts.\n"
                "`entries-read`: entries handed out, not acknowledged.\n"
                "`pending`: read and never confirmed, normally 0; never handed out again.\n"
                "`consumers`: names ever used, not workers that run.\n"
                "`last-delivered-id`: the last entry handed out; its first part is the time."
            ),
            Step(
                "*Healthy:* lag up to one visit for some seconds, pending 0. nil lag means that "
                "KEDA starts no jobs."
            ),
        ),
        links=("grafana",),
        see=("pending", "not reading"),
    ),
    Topic(
        name="pending",
        chapter=Chapter.STREAMS,
        summary="What was read and never confirmed. At any time.",
        when="Workers confirm an entry as soon as they read it, before they process it. So the "
        "list is normally empty, and says nothing about what is being processed.",
        typed=(
            Typed("pending", "the oldest ten, by visit and detector"),
            Typed("settle", "confirms the old ones, with an approval"),
        ),
        steps=(
            Step(
                "*By hand:* the total, then the first ten with reader, idle time and deliveries.",
                redis=("XPENDING {stream} {group}", "XPENDING {stream} {group} - + 10"),
            ),
            Step(
                "An old one was read by a worker that died. Redis never hands it out again: that "
                f"detector of that visit is skipped. {SAFE}"
            ),
        ),
        links=("jobs", "grafana"),
        see=("unconfirmed", "statistics"),
    ),
    Topic(
        name="trim",
        chapter=Chapter.STREAMS,
        summary="Shorten a stream that has grown. When nothing waits.",
        when="A cron job trims lsstcam to 1,000 entries at 18:00 UTC; streams of other instruments "
        "grow. Entries that were read are of no use to anybody.",
        typed=(
            Typed("stats", "what waits: never trim below that"),
            Typed("ping", "memory"),
        ),
        steps=(
            Step(
                "*By hand.* How long is it, and does nothing wait?",
                redis=("XLEN {stream}", "XINFO GROUPS {stream}"),
            ),
            Step(
                "*Then* keep the newest 1,000. Where more than that wait, the oldest of them are "
                f"skipped. {SAFE}",
                redis=("XTRIM {stream} MAXLEN 1000",),
                apart=True,
            ),
            Step(
                "*After:* Redis' own lag may be nil or wrong until workers have read to the end. "
                "nil lag means that KEDA starts no jobs: `repair` makes it right."
            ),
            Step("*The cron job:*", kubectl=("kubectl get cronjobs -n prompt-redis{context}",)),
        ),
        links=("argocd", "grafana"),
        see=("statistics", "not reading"),
    ),
)
