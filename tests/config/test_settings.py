"""The configuration: what a file may say, what every default is, how all that is wrong is told."""

import re
from collections.abc import Callable, Iterator
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from bot.clients.pagers import NOTIFIERS
from bot.config import ConfigurationError, Settings, json_schema, load
from bot.domain.oncall import On, When
from bot.domain.rules import BACKLOG, LAG, RULES, Thresholds
from bot.slack.paging import kinds
from tests.support.limits import default_thresholds

KINDS = kinds(NOTIFIERS)
DATA = Path(__file__).parent.parent / "data" / "config"
FULL, MINIMAL, BROKEN = DATA / "full.yaml", DATA / "minimal.yaml", DATA / "broken.yaml"
SECTIONS = sorted(set(Settings.model_fields) - {"environments"})

Read = Callable[..., Settings]
Problems = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Load a text; a second one is put into the environment prod of the smallest file."""

    def _read(top: str = "", prod: str = "") -> Settings:
        file = tmp_path / "bot.yaml"
        file.write_text(MINIMAL.read_text("utf-8") + (f"    {prod}\n" if prod else "") + top)
        return load(file, {}, KINDS)

    return _read


@pytest.fixture
def problems(read: Read, tmp_path: Path) -> Problems:
    """Load a text that has problems, and give them without the name of the file."""

    def _problems(top: str = "", prod: str = "") -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            read(top, prod)
        assert str(caught.value) == "\n".join(caught.value.problems)
        prefix = f"{tmp_path / 'bot.yaml'}:"
        assert all(problem.startswith(prefix) for problem in caught.value.problems)
        return [problem.removeprefix(prefix) for problem in caught.value.problems]

    return _problems


# Defaults


@pytest.mark.parametrize("section", SECTIONS)
def test_the_values_of_the_full_file_are_the_defaults(section: str) -> None:
    full, minimal = (load(file, {}, KINDS).model_dump()[section] for file in (FULL, MINIMAL))
    assert full == minimal


def test_an_environment_needs_no_more_than_a_channel_instruments_and_a_redis() -> None:
    full, minimal = (
        load(file, {}, KINDS).environments["prod"].model_dump() for file in (FULL, MINIMAL)
    )
    names = full | {"expiration": None, "access": None}
    assert minimal == names | {"approval": full["approval"] | {"self_approval": True}}


def test_the_full_file_is_read() -> None:
    settings = load(FULL, {}, KINDS)
    prod, dev = settings.environments["prod"], settings.environments["dev"]
    assert prod.expiration == timedelta(hours=1)
    assert prod.access is not None
    assert prod.access.approvers is not None
    assert prod.access.approvers.users == ("U0456",)
    assert prod.approval.expires == timedelta(minutes=30)
    assert dev.approval.expires == timedelta(hours=1)
    assert dev.approval.break_glass
    assert (dev.expiration, dev.access, dev.kubernetes) == (None, None, None)
    assert dev.instruments == ("hsc", "latiss", "lsstcam")
    assert settings.alarms.thresholds().of(BACKLOG).hold == timedelta(seconds=60)
    assert settings.alarms.thresholds() == Thresholds(
        default_thresholds().enabled, {name: rule.limits for name, rule in RULES.items()}
    )
    assert {*RULES} - settings.alarms.thresholds().enabled == {"lag", "consumers", "silent"}


def test_kubernetes_has_defaults_of_its_own(read: Read) -> None:
    kubernetes = read(prod="kubernetes: {}").environments["prod"].kubernetes
    assert kubernetes is not None
    assert kubernetes.model_dump() == {
        "namespace": "prompt-redis",
        "statefulset": "prompt-redis",
        "context": None,
        "argocd": None,
        "jobs": None,
    }


# Values


def test_what_yaml_would_misread_is_read_as_written(read: Read) -> None:
    settings = read(
        "prune: {daily: 18:30}\n"
        "oncall: {targets: [{name: a, kind: slack, usergroup: S0123, on: fire}]}"
    )
    assert settings.prune.daily == time(18, 30)
    assert settings.oncall.targets[0].on is On.FIRE


def test_a_channel_may_be_written_with_its_hash(read: Read) -> None:
    assert read('alarms: {channel: "#prompt-alarms"}').alarms.channel == "prompt-alarms"


def test_pagerduty_has_an_address_of_its_own(read: Read) -> None:
    target = read("oncall: {targets: [{name: rota, kind: pagerduty}]}").targets[0]
    assert target.address == "https://events.pagerduty.com/v2/enqueue"
    assert target.environments == ("all",)
    assert (target.when, target.on) == (When.ALWAYS, On.ESCALATE)


def test_an_alias_repeats_a_value(read: Read) -> None:
    settings = read("alarms: {escalate: &ten 10m, still_on_it: *ten}")
    assert settings.alarms.still_on_it == timedelta(minutes=10)


ACCEPTED = [
    "slack: {command: /prompt-redis-dev, mode: http}",
    "http: {port: 0}",
    "maintenance: {margin: 0s}",
    "alarms: {rules: {backlog: {for: 0s, warning: 10m, critical: 10m}}}",
    'alarms: {links: {grafana: "https://g/d?var={environment}&i={instrument}"}}',
    'streams: {stream: "test:{instrument}"}',
    "prune: {idle: 1h}",
    "alarms: {poll: 30s}",
    "state: {url: 'postgresql+asyncpg://bot@db/bot'}",
    "observing: {twilight: 0, elevation: 2650.5}",
    "oncall: {heartbeat: 'https://hc.example/ping/{key}'}",
]


@pytest.mark.parametrize("top", ACCEPTED)
def test_it_is_accepted(read: Read, top: str) -> None:
    read(top)


REFUSED = [
    ("slak: {}", "7: slak: unknown key, did you mean `slack`?"),
    ("zebra: {}", "7: zebra: unknown key"),
    ("slack: {token: abc}", "7: slack.token: unknown key; secrets come from the environment only"),
    (
        "alarms:\n  poll: 15 minutes",
        "8: alarms.poll: must be a duration such as 90s, 15m, 2h, 1h30m or 1d, not '15 minutes'",
    ),
    (
        "alarms: {poll: 5}",
        "7: alarms.poll: must be a duration such as 90s, 15m, 2h, 1h30m or 1d, not 5",
    ),
    ("alarms: {poll: 0s}", "7: alarms.poll: must be more than 0s"),
    ("alarms: {poll: 31s}", "7: alarms.poll: must be at most 30s: where nobody has looked for 1m"),
    ("alarms: {poll: 9999999d}", "7: alarms.poll: must not be longer than 3650d"),
    ("alarms: {rules: {backlog: {held: 1m}}}", "7: alarms.rules.backlog.held: unknown key"),
    (
        "alarms: {rules: {backlog: {warning: 11m}}}",
        "7: alarms.rules.backlog.warning: must be at most `critical` (10m), not 11m",
    ),
    (
        "alarms: {rules: {stalled: {warning: 2m, critical: 1m}}}",
        "7: alarms.rules.stalled.critical: must be at least `warning` (2m), not 1m",
    ),
    (
        "alarms: {links: {jobs: 'https://x/{namespace}'}}",
        "7: alarms.links.jobs: may hold {environment} and {instrument} only, not {namespace}",
    ),
    ("alarms: {links: {jobs: 'https://x/{'}}", "7: alarms.links.jobs: has a brace without its"),
    ("alarms: {links: {jobs: 'javascript:x'}}", "7: alarms.links.jobs: must be an address that"),
    ("alarms: {links: {jobs: 'https://u:p@x'}}", "7: alarms.links.jobs: must not hold a password"),
    ("alarms: {channel: Prompt Alarms}", "7: alarms.channel: must be a channel's name (lower case"),
    ("alarms: {rules: {memory: {above: 0}}}", "7: alarms.rules.memory.above: must be more than 0"),
    ("alarms: {rules: {lag: {above: 1.5}}}", "7: alarms.rules.lag.above: must be a whole number"),
    ("alarms: {rules: {lag: {enabled: 1}}}", "7: alarms.rules.lag.enabled: must be true or false"),
    ("streams: {stream: instrument}", "7: streams.stream: must hold {instrument}"),
    ("streams: {group: '{instrument.x}'}", "7: streams.group: may hold {instrument} only, not"),
    ("slack: {command: Prompt}", "7: slack.command: must be a slash command in lower case"),
    ("slack: {mode: https}", "7: slack.mode: must be socket or http, not 'https'"),
    ("slack: []", "7: slack: must be a mapping of keys, not a list"),
    ("slack:", "7: slack: must be a mapping of keys (it is empty)"),
    ("http: {port: 65536}", "7: http.port: must be at most 65535, not 65536"),
    ("http: {port: -1}", "7: http.port: must be at least 0, not -1"),
    ("http: {host: ''}", "7: http.host: must not be empty"),
    ("http: {host: 1}", "7: http.host: must be text, perhaps in quotes, not 1"),
    ("prune: {daily: '24:00'}", "7: prune.daily: must be a time of day in UTC such as"),
    ("prune: {idle: 59m}", "7: prune.idle: must be at least 1h"),
    ("observing: {latitude: 91}", "7: observing.latitude: must be at most 90, not 91"),
    ("observing: {longitude: -181}", "7: observing.longitude: must be at least -180, not -181"),
    ("observing: {twilight: -19}", "7: observing.twilight: must be at least -18, not -19"),
    ("observing: {elevation: .nan}", "7: observing.elevation: must be"),
    ("state: {url: 'mysql://x'}", "7: state.url: must be an address that begins with sqlite"),
    ("state: {url: 'postgresql://u:p@x/y'}", "7: state.url: must not hold a password; secrets"),
    ("oncall: {heartbeat: 'https://x/{name}'}", "7: oncall.heartbeat: may hold {key} only, not"),
    ("oncall: {targets: {}}", "7: oncall.targets: must be a list such as [a, b], not a mapping"),
    ("oncall: {targets: [shift]}", "7: oncall.targets[0]: must be a mapping of keys, not 'shift'"),
    (
        "oncall:\n  targets:\n  - name: a\n    kind: sms",
        "10: oncall.targets[0].kind: must be slack, squadcast, pagerduty or webhook, not 'sms'",
    ),
    (
        "oncall:\n  targets:\n  - name: a\n    kind: webhook",
        "9: oncall.targets[0].url: is missing; kind webhook calls an address",
    ),
    (
        "oncall: {targets: [{name: a, kind: slack}]}",
        "7: oncall.targets[0].usergroup: is missing; kind slack mentions a user group",
    ),
    (
        "oncall: {targets: [{name: a, kind: slack, usergroup: S012, url: 'https://x'}]}",
        "7: oncall.targets[0].url: does not go with kind slack; give a usergroup",
    ),
    (
        "oncall: {targets: [{name: a, kind: pagerduty, usergroup: S012}]}",
        "7: oncall.targets[0].usergroup: goes with kind slack only, not with pagerduty",
    ),
    (
        "oncall: {targets: [{name: a, kind: pagerduty, environments: [prd]}]}",
        "7: oncall.targets[0].environments[0]: there is no environment `prd`, did you mean `prod`?",
    ),
    (
        "oncall: {targets: [{name: a, kind: pagerduty, environments: []}]}",
        "7: oncall.targets[0].environments: must not be empty",
    ),
    (
        "oncall:\n  targets:\n  - {name: a, kind: pagerduty}\n  - {name: a, kind: pagerduty}",
        "10: oncall.targets[1].name: is taken: another one is called `a`",
    ),
    (
        "oncall:\n  targets:\n  - {name: a-b, kind: pagerduty}\n  - {name: a_b, kind: pagerduty}",
        "10: oncall.targets[1].name: shares the variable PROMPT_REDIS_ONCALL_A_B_KEY with `a-b`",
    ),
    ("http: {port: 1}\nhttp: {port: 2}", "8: http: stands here again; it is already on line 7"),
    ("<<: {http: {}}", "7: <<: merge keys are not supported; write the keys out"),
    ("[a]: 1", "7: a key must be a word"),
    ("http: {port: !!int many}", "7: http.port: must be a whole number, not 'many'"),
    ("http: &loop [*loop]", "7: http: must be a mapping of keys, not a list"),
    ("http: {\n\tport: 1}", "8: is not valid YAML: a tab stands here; indent with spaces"),
    ("http: {port: 1\nprune: }", "8: is not valid YAML: while parsing a flow mapping"),
    ("http: a: b", "7: is not valid YAML: mapping values are not allowed here"),
    ("http: *hunter2", "7: is not valid YAML: found undefined alias"),
    ("---\nslack: {}", "7: is not valid YAML: expected a single document in the stream"),
    ("http: \x01", "7: holds a character that YAML does not allow"),
    ('http: "\\UFFFFFFFF"', "1: is not valid YAML"),
]


@pytest.mark.parametrize(("top", "problem"), REFUSED)
def test_it_is_refused(problems: Problems, top: str, problem: str) -> None:
    found = problems(top)
    assert len(found) == 1
    assert found[0].startswith(problem)


REFUSED_OF_AN_ENVIRONMENT = [
    ("kubernetes: {namspace: x}", "7: environments.prod.kubernetes.namspace: unknown key, did you"),
    (
        "kubernetes: {argocd: {namespace: x}}",
        "7: environments.prod.kubernetes.argocd.application: is missing",
    ),
    ("kubernetes: {jobs: 'job-{name}'}", "7: environments.prod.kubernetes.jobs: may hold"),
    ("expiration: 3600", "7: environments.prod.expiration: must be a duration such as"),
    ("mirrors: ['#a', a]", "7: environments.prod.mirrors: names a twice"),
    (
        "access: {operators: {users: [jane]}}",
        "7: environments.prod.access.operators.users[0]: must be a user's ID such as U0123ABC (IDs",
    ),
    ("access: {approvers: {}}", "7: environments.prod.access.approvers: names nobody; give"),
    (
        "alarms: {rules: {stalled: {critical: 1m}}}",
        "7: environments.prod.alarms.rules.stalled.critical: must be at least `warning` (2m), not",
    ),
    ("alarms: {pol: 5s}", "7: environments.prod.alarms.pol: unknown key, did you mean `poll`?"),
]


@pytest.mark.parametrize(("prod", "problem"), REFUSED_OF_AN_ENVIRONMENT)
def test_an_environment_is_refused(problems: Problems, prod: str, problem: str) -> None:
    found = problems(prod=prod)
    assert len(found) == 1
    assert found[0].startswith(problem)


def environments(**changes: str | None) -> str:
    """Write a file whose one environment differs from a good one."""
    keys = {
        "channel": "a",
        "instruments": "[hsc]",
        "redis": "{url: 'redis://h'}",
        "approval": "{self_approval: true}",
    } | changes
    lines = (f"    {key}: {value}\n" for key, value in keys.items() if value is not None)
    return "environments:\n  x:\n" + "".join(lines)


WHOLE_FILES = [
    ("", "1: the file is empty; it needs at least `environments`"),
    ("# nothing\n---\n", "1: the file is empty; it needs at least `environments`"),
    ("- a\n", "1: must be a mapping of keys at the top"),
    ("http: {port: 1}\n", "1: environments: is missing"),
    ("environments: {}\n", "1: environments: must not be empty"),
    (environments(channel=None), "2: environments.x.channel: is missing"),
    (environments(channel="# a"), "3: environments.x.channel: must be text, perhaps in quotes (it"),
    (environments(instruments="[]"), "4: environments.x.instruments: must not be empty"),
    (environments(instruments="[LSSTCam]"), "4: environments.x.instruments[0]: must be an instrum"),
    (environments(instruments="[a, a]"), "4: environments.x.instruments: names a twice"),
    (
        environments(instruments="[no]"),
        "4: environments.x.instruments[0]: must be text, perhaps in",
    ),
    (environments(redis=None), "2: environments.x.redis: is missing"),
    (environments(redis="{}"), "5: environments.x.redis.url: is missing"),
    (environments(redis="{url: h:6379}"), "5: environments.x.redis.url: must be an address that"),
    (environments(redis="{url: 'redis://'}"), "5: environments.x.redis.url: is not an address"),
    *(
        (environments(redis=f"{{url: '{url}'}}"), f"5: environments.x.redis.url: {words}")
        for url, words in (
            ("redis://h?foo=bar", "has the option foo, which is not known; known are db"),
            ("rediss://h?socket_timeout=0", "has the option socket_timeout, which is not known"),
            ("redis://h?ssl_ca_certs=/ca", "has the option ssl_ca_certs, which is not known of"),
            ("rediss://h?ssl_cert_reqs=maybe", "has an option ssl_cert_reqs that cannot be used"),
            ("redis://h?db=first", "has an option db that cannot be used"),
            ("redis://h?db=1&db=2", "has an option db that cannot be used"),
            ("redis://h/first", "may end in the number of a database, such as /0"),
        )
    ),
    (environments(redis="{url: 'redis://h:x'}"), "5: environments.x.redis.url: is not an address"),
    (
        environments(redis="{url: 'rediss://h?password=x'}"),
        "5: environments.x.redis.url: must not hold a password; secrets come from the environment",
    ),
    (environments(approval=None), "2: environments.x.access: is missing; operators and approvers"),
    (
        environments(approval=None, access="{approvers: {users: [U012]}}"),
        "6: environments.x.access.operators: is missing; required unless `approval.self_approval`",
    ),
    (
        environments().replace("  x:", "  all:"),
        "2: environments.all: is a reserved word; choose another name",
    ),
    (
        environments().replace("  x:", "  Prod:"),
        "2: environments.Prod: must be lower-case letters, digits, `-` and `_`, not 'Prod'",
    ),
    (
        environments() + environments().partition("\n")[2].replace("  x:", "  y:"),
        "8: environments.y.channel: is the channel of `x` too; each environment needs its own",
    ),
    (
        environments().replace("  x:", "  a-b:")
        + environments(channel="c").partition("\n")[2].replace("  x:", "  a_b:"),
        "7: environments.a_b: shares the variable PROMPT_REDIS_A_B_PASSWORD with `a-b`; choose",
    ),
]


@pytest.mark.parametrize(("text", "problem"), WHOLE_FILES)
def test_a_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "bot.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(file, {}, KINDS)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"{file}:{problem}")


def test_everything_that_is_wrong_is_said_at_once_and_in_order() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(BROKEN, {}, KINDS)
    found = str(caught.value).replace(str(BROKEN), "broken.yaml")
    assert found == (DATA / "broken.txt").read_text("utf-8").rstrip()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bot.yaml"
    with pytest.raises(ConfigurationError, match="cannot be read: No such file or directory") as no:
        load(file, {}, KINDS)
    assert str(no.value).startswith(f"{file}: ")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(tmp_path, {}, KINDS)


def test_another_encoding_is_said_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "bot.yaml"
    file.write_bytes(b"slack: {}\n# \xff\n")
    with pytest.raises(ConfigurationError, match=r":2: is not text in UTF-8$"):
        load(file, {}, KINDS)


@pytest.mark.parametrize("depth", [100, 300, 450, 480, 490, 500, 5000])
def test_a_deep_file_is_refused(problems: Problems, depth: int) -> None:
    assert len(problems("http: " + "[" * depth + "]" * depth)) == 1
    assert len(problems("http: " + "{a: " * depth + "}" * depth)) == 1


def test_many_aliases_are_no_trouble(problems: Problems) -> None:
    levels = "".join(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 9 if i else ''}]\n" for i in range(30))
    assert len(problems(levels)) == 30


# Overrides of alarms


def test_an_environment_overrides_single_keys_of_the_alarms(read: Read) -> None:
    settings = read(
        "alarms: {escalate: 20m, rules: {backlog: {warning: 4m, critical: 30m}, lag: {above: 9}}}",
        "alarms: {poll: 10s, rules: {backlog: {warning: 20m}, lag: {enabled: true}}}",
    )
    merged = settings.alarms_for("prod")
    assert merged.poll == timedelta(seconds=10)
    assert merged.escalate == timedelta(minutes=20)
    assert merged.thresholds().of(BACKLOG).warning == timedelta(minutes=20)
    assert merged.thresholds().of(BACKLOG).critical == timedelta(minutes=30)
    assert merged.thresholds().of(BACKLOG).least == 20
    assert "lag" in merged.thresholds().enabled
    assert merged.thresholds().of(LAG).above == 9
    assert settings.alarms.thresholds().of(BACKLOG).warning == timedelta(minutes=4)


def test_an_environment_may_take_a_value_back(read: Read) -> None:
    settings = read("alarms: {channel: alarms}", "alarms: {channel: null}")
    assert settings.alarms_for("prod").channel is None


# Secrets stay out of messages


def test_a_secret_in_the_file_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "bot.yaml"
    file.write_text(
        environments(redis="{url: 'redis://:s3cret-1@h'}")
        + "slack: {command: xoxb-s3cret-2, mode: s3cret-3, xapp-s3cret-4: 1}\n"
        + "state: {url: 'postgresql://u:s3cret-5@h'}\n"
        + "http: {host: [], port: 'http://u:s3cret-6@h'}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load(file, {"PROMPT_REDIS_X_PASSWORD": "s3cret-3", "HOME": "slack"}, KINDS)
    assert len(caught.value.problems) == 7
    assert "s3cret" not in str(caught.value)
    assert "slack.mode: must be socket or http, not '…'" in str(caught.value)


def test_an_address_that_is_called_is_not_printed(read: Read) -> None:
    settings = read(
        "oncall: {heartbeat: 'https://x/s3cret',"
        " targets: [{name: a, kind: webhook, url: 'https://x/s3cret'}]}"
    )
    assert "s3cret" not in repr(settings) + str(settings)


# The schema


def sections(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """List every key of the schema with its description."""
    for name, section in [("", schema), *schema["$defs"].items()]:
        for key, value in section.get("properties", {}).items():
            yield f"{name}.{key}", value


def test_the_schema_describes_every_key() -> None:
    schema = json_schema(KINDS)
    keys = dict(sections(schema))
    assert len(keys) > 80
    assert [key for key, value in keys.items() if not value.get("description")] == []
    assert keys["BacklogRule.for"]["default"] == "1m"
    assert re.fullmatch(keys["BacklogRule.for"]["pattern"], "1h30m")
    assert schema["required"] == ["environments"]
    assert schema["additionalProperties"] is False


# Anything at all

KEYS = sorted(
    {key.rpartition(".")[2] for key, _ in sections(json_schema(KINDS))} | {"prod", "x", ""}
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["5s", "redis://h", "https://h/{key}", "{instrument}", "S01", "all", "slack"]),
)
TREES = st.dictionaries(
    st.sampled_from(KEYS),
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=5)
        ),
        max_leaves=12,
    ),
    max_size=5,
)


def only_problems(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        load(file, {}, KINDS)
    except ConfigurationError as error:
        for problem in error.problems:
            assert re.match(rf"{re.escape(str(file))}:\d+: \S", problem)
            assert len(problem.splitlines()) == 1
            problem.encode()


fuzzed = effort(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)


@fuzzed
@given(st.binary())
@example(b"%YAML 1." + b"9" * 5000)
@example(b"a: ! *x")
@example(b"a: " + b"9" * 5000)
@example(b"a: !!float x\nb: !!bool x\nc: !!int ''\n!!null d: 1")
@example(b'"\\ud800": "\\ud800"')
@example(b'"a\\nb": 1')
def test_no_content_breaks_the_reader(tmp_path: Path, content: bytes) -> None:
    only_problems(tmp_path / "bot.yaml", content)


@fuzzed
@given(st.text(alphabet="ab:- \n\t{}[],&*!|>'\"%@#?<1.~", max_size=60))
def test_no_yaml_breaks_the_reader(tmp_path: Path, text: str) -> None:
    only_problems(tmp_path / "bot.yaml", text.encode())


@fuzzed
@given(TREES)
def test_no_tree_breaks_the_reader(tmp_path: Path, tree: dict[str, Any]) -> None:
    only_problems(tmp_path / "bot.yaml", yaml.safe_dump(tree).encode())


@fuzzed
@given(TREES)
def test_no_environment_breaks_the_reader(tmp_path: Path, tree: dict[str, Any]) -> None:
    content = yaml.safe_dump({"environments": {"prod": tree, "x": tree}, **tree})
    only_problems(tmp_path / "bot.yaml", content.encode())
