"""Topics that alarms point to: what is likely, how to tell, and what to do first."""

from bot.domain.runbook.topic import NOT_REPEATED, SAFE, Chapter, Step, Topic, Typed

_NEWEST_PODS = (
    "kubectl get pods -n prompt-keda-{instrument}{context}"
    " --sort-by=.metadata.creationTimestamp | tail -5"
)
_ENTRIES_AFTER = (
    "kubectl exec prompt-redis-0 -n prompt-redis{context} -- redis-cli"
    " XRANGE {stream} '(LAST-ID' + | grep -c '^groupId$'"
)
_FAN_OUT_LOG = "kubectl logs deployment/next-visit-fan-out -n next-visit-fan-out{context} --tail 30"

ALARMS = (
    Topic(
        name="not reading",
        chapter=Chapter.ALARMS,
        summary="Entries wait and nothing is read. At night, at once.",
        when="Redis answers and the group is there, so KEDA or the workers have likely stopped. "
        f"{{age}} {SAFE}",
        typed=(
            Typed("stats", "since when nothing is read; what Redis itself reports"),
            Typed("ping", "Redis answers"),
            Typed("alarms", "since when it is known, and who is on it"),
            Typed("repair", "where Redis reports no lag (nil): step 3, with an approval"),
        ),
        steps=(
            Step(
                "*1. Do workers start?* READY must be True, and the newest pods must run.",
                kubectl=(
                    "kubectl get scaledjobs -n prompt-keda-{instrument}{context}",
                    _NEWEST_PODS,
                ),
            ),
            Step(
                "*2. Not READY, or no new pod?* See what KEDA says.",
                kubectl=("kubectl logs deployment/keda-operator -n keda{context} --tail 30",),
            ),
            Step(
                "If it hangs, restart the operator; Redis needs no restart for this.",
                kubectl=("kubectl rollout restart deployment keda-operator -n keda{context}",),
            ),
            Step(
                "*3. Redis reports nil lag while entries wait?* KEDA takes that as 0 and starts no "
                "jobs. Set the group to the ID that it already has; N is `entries-added` less what "
                "waits in `stats` (an exact figure, not *at least*).",
                redis=(
                    "XINFO STREAM {stream}",
                    "XINFO GROUPS {stream}",
                    "XGROUP SETID {stream} {group} LAST-DELIVERED-ID ENTRIESREAD N",
                ),
            ),
            Step(
                "*Reading goes on, but slowly?* Then all workers are busy: look at the KEDA jobs."
            ),
        ),
        links=("jobs", "grafana", "argocd", "playbook", "support"),
        see=("statistics", "no group"),
    ),
    Topic(
        name="unconfirmed",
        chapter=Chapter.ALARMS,
        summary="Entries were read, never confirmed. By day, if few.",
        when="Each was read by a worker that likely died at once. Redis never hands it out again, "
        f"so one detector of a visit is skipped. {SAFE}",
        typed=(
            Typed("pending", "which visits and detectors, and since when"),
            Typed("alarms", "whether many came within an hour, and who is on it"),
            Typed("settle", "confirms the old ones, by visit and detector; by day"),
        ),
        steps=(
            Step(
                "*A few:* nothing tonight. *Ten within an hour:* workers crash while reading. See "
                "how the newest ended, and what one of them says.",
                kubectl=(
                    _NEWEST_PODS,
                    "kubectl logs POD -n prompt-keda-{instrument}{context} --tail 30",
                ),
            ),
            Step(
                "*By day,* when the visits are noted for catch-up, confirm them by ID. This only "
                "empties the list; it processes nothing.",
                redis=("XPENDING {stream} {group} - + 10", "XACK {stream} {group} ENTRY-ID"),
            ),
        ),
        links=("jobs", "grafana", "playbook"),
        see=("pending",),
    ),
    Topic(
        name="unreachable",
        chapter=Chapter.ALARMS,
        summary="Redis does not answer. At night, at once.",
        when="While it is away no visit is read, and none is added.",
        typed=(
            Typed("ping", "in which way: refused, no answer, loading, disk full"),
            Typed("alarms", "since when it is known, and who is on it"),
            Typed("oncall", "who else can be called at this hour"),
        ),
        steps=(
            Step(
                "*By hand:* the pod, how it last ended, and what it says.",
                kubectl=(
                    "kubectl get pods -n prompt-redis{context}",
                    "kubectl describe pod prompt-redis-0 -n prompt-redis{context}",
                    "kubectl logs prompt-redis-0 -n prompt-redis{context} --tail 30",
                ),
            ),
            Step(
                "*Loading:* wait, it answers when its data is read.\n"
                "*OOMKilled:* it comes back by itself; if it repeats, raise its limit in Phalanx.\n"
                "*ImagePullBackOff:* correct the version in Phalanx; a restart does not help.\n"
                "*Disk full:* workers cannot read either; enlarge or empty the volume.\n"
                "*Runs, but hangs:* `runbook restart`, whatever the hour."
            ),
            Step(
                "*Disk:*",
                kubectl=("kubectl exec prompt-redis-0 -n prompt-redis{context} -- df -h",),
            ),
            Step("*Back?* See that every group is there:", redis=("PING", "XINFO GROUPS {stream}")),
            Step(NOT_REPEATED),
        ),
        links=("argocd", "grafana", "support"),
        see=("restart", "no group", "trim"),
    ),
    Topic(
        name="no group",
        chapter=Chapter.ALARMS,
        summary="No stream or no group: no worker can read. At once.",
        when="Where the stream is there without its group, KEDA takes its whole length as lag and "
        "starts workers that die.",
        typed=(
            Typed("bootstrap", "creates what is missing, where the group stood if that is known"),
            Typed("stats", "which stream, and whether entries are in it"),
        ),
        steps=(
            Step(
                "*By hand.* `no such key` means no stream: `runbook bootstrap`. An empty answer "
                "means a stream without a group: choose where it begins.",
                redis=("XINFO GROUPS {stream}",),
            ),
            Step(
                "*Keep everything:* workers read all of it; what they had read before is "
                "processed twice, unless it is too old for them.",
                redis=("XGROUP CREATE {stream} {group} 0",),
            ),
            Step(
                f"*Begin at the end:* what is there is skipped. {SAFE} N is `entries-added`; "
                "without it lag becomes nil, and KEDA starts no jobs.",
                redis=("XINFO STREAM {stream}", "XGROUP CREATE {stream} {group} $ ENTRIESREAD N"),
            ),
            Step(
                "*Go on where it was:* the last delivered ID in place of `$` (*last read* in an "
                "earlier `stats`); N is `entries-added` less the entries after that ID:",
                kubectl=(_ENTRIES_AFTER,),
            ),
            Step("*Done when* `stats` is no longer *missing*, and lag is not nil."),
        ),
        links=("jobs", "grafana", "argocd"),
        see=("bootstrap", "not reading"),
    ),
    Topic(
        name="silent producer",
        chapter=Chapter.ALARMS,
        summary="No visit is announced while it is night.",
        when="The bot sees Redis, not the telescope. Likely the telescope does not observe: ask in "
        "{channel}. If it does, the fan-out adds nothing.",
        typed=(
            Typed("stats", "when the last visit was announced, and whether it is night"),
            Typed("ping", "Redis answers"),
            Typed("silence", "hold it, with a reason, when the telescope is known to pause"),
        ),
        steps=(
            Step("*By hand:* the newest entry.", redis=("XREVRANGE {stream} + - COUNT 1",)),
            Step(
                "*The fan-out:* does it run, and what does it say?",
                kubectl=(
                    "kubectl get pods -n next-visit-fan-out{context}",
                    _FAN_OUT_LOG,
                ),
            ),
            Step(f"Visits that it could not add it does not repeat: they are skipped. {SAFE}"),
        ),
        links=("grafana", "argocd", "playbook", "support"),
        see=("unreachable", "statistics"),
    ),
    Topic(
        name="approvals",
        chapter=Chapter.ALARMS,
        summary="Who may decide, and what to do when nobody can.",
        when="What changes a stream is asked for by an operator and approved by an approver, who "
        "is somebody else. The card in {channel} shows the plan; nothing else is done.",
        typed=(
            Typed("requests", "what is open, and until when"),
            Typed("audit", "who asked, who approved, and what it did"),
            Typed("oncall", "who is told when an approver goes on alone"),
        ),
        steps=(
            Step(
                "*Nobody answers?* An approver may go on alone: the card's last button, or "
                "`approve ID --alone REASON`. The channel and the person on call are told. Not "
                "every environment allows it."
            ),
            Step(
                "*Who may decide* is set in the bot's configuration, under `access` of the "
                "environment: `operators` ask, `approvers` decide. Both are lists of user IDs "
                "(`U…`) and user-group IDs (`S…`), never names."
            ),
            Step(
                "*The bot cannot check it?* Then Slack does not tell who is in a group, and no "
                "click counts. Where it stays so, the app lacks the scope `usergroups:read`, or "
                "the group is gone; people who are listed by their own ID need no look-up."
            ),
            Step(
                "*To check the lists,* an administrator compares them with Slack: a person's "
                "profile offers *Copy member ID*, and the group's page lists who is in it."
            ),
        ),
        links=("phalanx",),
    ),
)
