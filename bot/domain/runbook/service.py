"""Topics about the service as a whole: deploying, announcing, restarting, rebuilding."""

from bot.domain.runbook.topic import NOT_REPEATED, SAFE, Chapter, Step, Topic, Typed

_READY = Step(
    "*Done when* PING answers and every group is there. A pod that is Ready proves nothing: "
    "there is no readiness probe, and Redis may still be loading.",
    redis=("PING", "XINFO GROUPS {stream}"),
)
_VERSION = Typed("ping", "the version that runs, before and after")
_NOTHING_WAITS = Typed("stats", "nothing waits, and it is day at the telescope")
_BOOTSTRAP = Typed("bootstrap all", "creates what is missing, with an approval")
_GROUPS = Typed("stats", "every stream has its group")

SERVICE = (
    Topic(
        name="deployment",
        chapter=Chapter.SERVICE,
        summary="Change what runs, with Phalanx and Argo CD. By day.",
        when="For a new setting, another chart, or the way back. What changes the pod restarts "
        "Redis, so read the difference in Argo CD before you sync.",
        typed=(_NOTHING_WAITS, _VERSION),
        steps=(
            Step("*Change:* merge it in Phalanx, then Refresh and Sync `prompt-redis` in Argo CD."),
            Step(
                "*Way back:* revert it in Phalanx and sync. A rollback in Argo CD alone lasts "
                "until the next sync."
            ),
            _READY,
            Step(NOT_REPEATED),
        ),
        links=("argocd", "phalanx", "chart", "playbook"),
        see=("maintenance", "upgrade", "restart"),
    ),
    Topic(
        name="maintenance",
        chapter=Chapter.SERVICE,
        summary="Work that others may notice: by day, and announced.",
        when="Production hours are when the telescope observes. Do it by day, and end well before "
        "dusk: the evening begins in SLAC's afternoon.",
        typed=(
            Typed("maintenance", "a form: when, how long, what for; announces it, holds alarms"),
            Typed("maintenance list", "what is planned, and what is under way"),
            Typed("stats", "its last line says when the night begins; nothing should wait"),
        ),
        steps=(
            Step(
                "*Before:* announce it in {channel}. The announcement says from when to when in "
                "UTC, Chile and SLAC, and how far the night is. For a wider downtime of USDF, fill "
                "in its form as well."
            ),
            Step(
                "*During:* alarms are held, except that visits are about to be skipped. *Post an "
                "update…* tells the others how it goes."
            ),
            Step("*After:* *End now*. The closing notice says what was done and what still fires."),
            Step(NOT_REPEATED),
        ),
        links=("downtime", "argocd", "playbook"),
        see=("restart", "upgrade", "cold shutdown"),
    ),
    Topic(
        name="backup",
        chapter=Chapter.SERVICE,
        summary="None is needed; what to do when the volume is gone.",
        when="The volume holds an append-only file with the streams and groups, nothing else. "
        f"Losing it costs only the visits that wait: they are skipped. {SAFE}",
        typed=(
            Typed("ping", "whether the append-only file is on and was written"),
            _BOOTSTRAP,
        ),
        steps=(
            Step("*By hand:* `aof_last_write_status` must be ok.", redis=("INFO persistence",)),
            Step(
                "*To rebuild:* the configuration is in Phalanx. Sync, then bootstrap streams and "
                "groups before dusk."
            ),
        ),
        links=("phalanx", "argocd"),
        see=("bootstrap", "cold startup"),
    ),
    Topic(
        name="cold startup",
        chapter=Chapter.SERVICE,
        summary="After a downtime: see that Redis is ready before dusk.",
        when="Kubernetes starts everything by itself. What it cannot know is whether the streams "
        "and their groups came back.",
        typed=(Typed("ping", "Redis answers"), _GROUPS, _BOOTSTRAP),
        steps=(
            Step(
                "*Is it there?*", kubectl=("kubectl get statefulset,pods -n prompt-redis{context}",)
            ),
            _READY,
            Step(
                "*A new or empty volume* has no stream: bootstrap before dusk. Otherwise the "
                "fan-out makes a stream without a group, which no worker can read."
            ),
            Step(
                "Then tell {channel}. What was announced during the downtime never reached the "
                f"stream and is skipped. {SAFE}"
            ),
        ),
        links=("argocd", "phalanx", "support"),
        see=("bootstrap", "unreachable", "silent producer"),
    ),
    Topic(
        name="cold shutdown",
        chapter=Chapter.SERVICE,
        summary="Before a downtime: nothing waits, and it is announced.",
        when="Redis needs no farewell: it stops with its pod and keeps its append-only file.",
        typed=(_NOTHING_WAITS, Typed("pending", "nothing is unconfirmed")),
        steps=(
            Step(
                "*By hand:* lag and pending are 0. Workers that still process a visit have "
                "confirmed it already; their KEDA jobs end by themselves.",
                redis=("XINFO GROUPS {stream}",),
            ),
            Step("*Announce* in {channel} from when to when, in UTC, and that this is a downtime."),
            Step(
                "What is announced while all is down never reaches the stream and is skipped. "
                f"{SAFE}"
            ),
        ),
        links=("downtime", "argocd"),
        see=("maintenance", "cold startup"),
    ),
    Topic(
        name="reproduce",
        chapter=Chapter.SERVICE,
        summary="A second Prompt Redis for tests, at any time.",
        when="It belongs into another vCluster or another namespace, never beside the one that "
        "{label} uses.",
        steps=(
            Step("*Redis:* deploy the application with Phalanx, then bootstrap its streams."),
            Step(
                "*Around it:* the next-visit fan-out and Prompt Processing with KEDA, all three "
                "pointed at the new address. `prompt-redis.prompt-redis:6379` is another server "
                "in each vCluster, and in another namespace another name."
            ),
            Step(
                "*Look into it* with your own context and namespace:",
                kubectl=(
                    "kubectl exec -it prompt-redis-0 -n NAMESPACE --context CONTEXT -- redis-cli",
                ),
            ),
        ),
        links=("phalanx", "playbook"),
        see=("bootstrap", "redis cli"),
    ),
    Topic(
        name="upgrade",
        chapter=Chapter.SERVICE,
        summary="A newer Redis from a newer chart. By day, announced.",
        when="Redis comes with the chart of the SQuaRE team. The sync replaces the pod, which is "
        "a restart of Redis.",
        typed=(Typed("upgrade", "what runs now, and these steps with links"), _NOTHING_WAITS),
        steps=(
            Step("*1.* Choose a release of the chart; read what it says of Redis' own version."),
            Step("*2.* Set that version in `Chart.yaml` in Phalanx, and merge."),
            Step("*3.* Announce it in {channel}, then Refresh and Sync in Argo CD."),
            _READY,
            Step("*Way back:* the former version in `Chart.yaml`, and sync."),
            Step(NOT_REPEATED),
        ),
        links=("releases", "chart", "argocd", "phalanx"),
        see=("maintenance", "restart"),
    ),
    Topic(
        name="restart",
        chapter=Chapter.SERVICE,
        summary="Restart Redis, when it hangs or has to move. By day.",
        when="There is one Redis, not a cluster: while it restarts, nobody reads and nobody adds.",
        typed=(
            _NOTHING_WAITS,
            Typed("restart", "with an approval; shows each step, and proves that Redis is back"),
        ),
        steps=(
            Step(
                "*By hand,* after a word in {channel}:",
                kubectl=(
                    "kubectl rollout restart statefulset prompt-redis -n prompt-redis{context}",
                    "kubectl get pods -n prompt-redis{context}",
                ),
            ),
            _READY,
            Step(NOT_REPEATED),
            Step(
                "*Not this one?* When workers do not start, it is the KEDA operator that may need "
                "a restart:",
                kubectl=("kubectl rollout restart deployment keda-operator -n keda{context}",),
            ),
        ),
        links=("argocd", "grafana", "support"),
        see=("unreachable", "not reading"),
    ),
)
