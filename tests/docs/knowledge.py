"""What may stand in code style in the guides: each span is of one kind, which its form tells.

It is held against the program, the manifests or the tree; what nobody knows is an error.
"""

import ast
import re
import shlex
import sysconfig
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import yaml

from bot import __version__, config
from bot.__main__ import main
from bot.app import find_commands
from bot.clients.pagers import NOTIFIERS
from bot.config.settings import STATE_SCHEMES
from bot.domain.errors import UserError
from bot.domain.rules import RULES
from bot.domain.runbook import topics
from bot.metrics import Metrics
from bot.slack.paging import kinds
from tests.docs.test_reference import reference
from tests.manifests.rendering import MANIFESTS, NAME, NAMESPACE, ROOT

OPERATE, EXTEND = ROOT / "docs" / "operate.md", ROOT / "docs" / "extend.md"
EXAMPLE = "commands/echo.py"
GUIDES = [OPERATE, EXTEND, MANIFESTS / "README.md"]
BIN = Path(sysconfig.get_path("scripts"))
NOW = datetime(2026, 11, 24, 5, 29, 58, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

FOREIGN = {
    *("S…", "U…", "xapp-", "xoxb-", "wss://", "…usdfprod…", "appVersion", "description"),
    *("ACL SETUSER", "CREATE ROLE prompt_redis_bot LOGIN PASSWORD '…'"),
    *("CREATE DATABASE prompt_redis_bot OWNER prompt_redis_bot", "maxmemory", "restricted"),
}
"""Words of Slack, Phalanx, PostgreSQL, Redis and Kubernetes that the manifests do not hold."""

PHALANX = re.compile(r"(?:applications/prompt-redis-bot|environments)/[\w./-]+")
"""Files of another repository."""

PROGRAMS = {
    *("curl", "docker", "kubectl", "pg_dump", "pg_restore", "pytest", "python", "rm", "sqlite3"),
    NAME,
}

ROUTES = {"/livez", "/readyz", "/metrics", "/slack/events"}


# What stands in a page.


FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of one language, without what they are indented by."""
    return [
        re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        for indent, found, text in FENCE.findall(page.read_text("utf-8"))
        if found == language
    ]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def spans(page: Path) -> list[str]:
    """Everything in code style, without the blocks; tables escape their bar."""
    found = re.findall(r"`([^`]+)`", prose(page))
    return [re.sub(r"\s+", " ", each).replace("\\|", "|") for each in found]


def section(page: Path, title: str) -> str:
    """What follows a heading, up to the next of its kind or above."""
    text = page.read_text("utf-8")
    found = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert found, title
    rest = text[found.end() :]
    return re.split(rf"^#{{1,{len(found[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def commands_of(block: str) -> Iterator[str]:
    """The commands of a block for a shell, each on one line; what is quoted may have several."""
    pending = ""
    for line in block.splitlines():
        pending += line
        if pending.endswith("\\"):
            pending = pending[:-1]
        elif pending.count('"') % 2 == 0 and pending.count("'") % 2 == 0:
            yield re.sub(" +", " ", pending)
            pending = ""
        else:
            pending += "\n"
    assert not pending, pending


# What the program has.


@cache
def tables() -> dict[str, set[str]]:
    """The keys of each section of the configuration, by the path that leads to it."""
    found: dict[str, set[str]] = {}
    for part in re.split(r"^## ", reference(), flags=re.MULTILINE)[1:]:
        title, _, rows = part.partition("\n")
        path = "" if title == "Top level" else title.strip("`")
        found[path] = set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE))
    return found


def is_key(path: str) -> bool:
    """Tell whether a dotted key exists; any name stands for NAME."""
    parts = path.split(".")
    if parts[0] == "environments" and len(parts) > 1:
        parts[1] = "NAME"
    parent, last = ".".join(parts[:-1]), parts[-1]
    return last in tables().get(parent, ()) or ".".join(parts) in tables()


@cache
def trees() -> dict[Path, ast.Module]:
    """The source, and the tests but these."""
    files = [file for each in ("bot", "commands", "tests") for file in (ROOT / each).rglob("*.py")]
    ours = Path(__file__).parent
    return {file: ast.parse(file.read_text("utf-8")) for file in files if file.parent != ours}


@cache
def names() -> set[str]:
    """Every name in the source: of modules, of what they define, take and use."""
    found: set[str] = set()
    for file, tree in trees().items():
        found |= {*file.relative_to(ROOT).with_suffix("").parts}
        for node in ast.walk(tree):
            named = (getattr(node, key, None) for key in ("name", "id", "attr", "arg"))
            found |= {each for each in named if isinstance(each, str)}
    return found


@cache
def sentences() -> set[str]:
    """Every text in the program, in the pieces between which something is put."""
    return {
        re.sub(r"\s+", " ", node.value)
        for file, tree in trees().items()
        if ROOT / "bot" in file.parents
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def is_variable(name: str) -> bool:
    """Tell whether the program, or what it calls, reads a variable of the environment."""
    name = name.removesuffix("_FILE")
    if re.fullmatch(r"PROMPT_REDIS_(?:PROD|DEV|<ENV>)_PASSWORD", name):
        return True
    if re.fullmatch(r"PROMPT_REDIS_ONCALL_(?:[A-Z_]+|<NAME>)_KEY", name):
        return True
    # The proxy's are compared in lower case.
    return name in sentences() or name.lower() in ("https_proxy", "http_proxy", "no_proxy")


@cache
def manifests() -> str:
    """Everything that is applied, and the Dockerfile."""
    kinds = (".yaml", ".env", ".conf")
    files = [file for file in sorted(MANIFESTS.rglob("*")) if file.suffix in kinds]
    return "\n".join(file.read_text("utf-8") for file in [*files, ROOT / "Dockerfile"])


@cache
def metrics() -> set[str]:
    """Names of figures, as Prometheus sees them."""
    shown = Metrics().text().decode()
    counted = set(re.findall(r"^# TYPE (\w+) \w+", shown, re.MULTILINE))
    return counted | {f"{each}_total" for each in counted}


def stands(word: str) -> bool:
    """Tell whether a word stands in the manifests, whole."""
    return bool(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", manifests()))


def instruments() -> set[str]:
    found: set[str] = set()
    for file in MANIFESTS.glob("overlays/*/bot.yaml"):
        for each in yaml.safe_load(file.read_text("utf-8"))["environments"].values():
            found |= {*each["instruments"]}
    return found


# The kinds of spans: which form a kind has, and whether one of them is right.


def types(line: str) -> bool:
    """Tell whether a line can be typed; a name alone may leave to a form what is missing."""
    try:
        command, rest = find_commands().find(line)
        arguments = command.grammar.parse(rest)
    except UserError:
        return False
    if rest and arguments.missing:
        return False
    if command.name == "runbook" and rest:
        return rest in topics()
    if re.match(r"\[?INSTRUMENT", command.usage):
        return {*arguments.words} <= {*instruments(), "INSTRUMENT", "all"}
    return True


def types_slash(line: str) -> bool:
    slash, _, rest = line.partition(" ")
    if slash == "/invite":
        return rest.removeprefix("@") in re.findall(r"display_name: (\S+)", manifests())
    known = re.findall(r"command: (/\S+)", manifests())
    return slash in known and (not rest or types(rest))


def sets_variable(text: str) -> bool:
    return all(is_variable(each.partition("=")[0]) for each in text.split())


def makes(line: str) -> bool:
    target, *arguments = shlex.split(line)[1:]
    known = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    return target in known and all(each.startswith("ARGS=") for each in arguments)


def exists(path: str, page: Path) -> bool:
    """Tell whether a path is one of ours: from the root, from its page, or in every overlay."""
    if PHALANX.fullmatch(path):
        return True
    places = [ROOT, page.parent]
    if "/" not in path:
        places += [*MANIFESTS.glob("overlays/*")][:1]
    return any([*place.glob(path.rstrip("/"))] for place in places)


def runs(line: str) -> bool:
    """Tell whether a shell's line runs programs that are known, in a way that they know."""
    words = [word for word in shlex.split(line) if "=" not in word or not word[0].isupper()]
    program, *arguments = words
    if program == "export":
        return sets_variable(" ".join(shlex.split(line)[1:]))
    if program not in PROGRAMS:
        return False
    if program == "kubectl":
        return runs_kubectl(arguments)
    if program == NAME:
        return runs_bot(arguments)
    if program == "docker":
        return f"registry.example.org/{NAME}:{__version__}" in arguments
    if program == "pytest":
        return "--rewrite" in arguments and (ROOT / arguments[-1]).exists()
    return True


def runs_bot(arguments: list[str]) -> bool:
    context = click.Context(main, info_name=NAME)
    try:
        main.parse_args(context, list(arguments))
        name, _, _ = main.resolve_command(context, context._protected_args)
    except click.ClickException:
        return False
    path = context.params.get("path")
    return name in main.commands and (path is None or (ROOT / path).exists())


def runs_kubectl(arguments: list[str]) -> bool:
    told = " ".join(arguments)
    for folder in re.findall(r"(?:apply -k|kustomize) (\S+)", told):
        if not (ROOT / folder / "kustomization.yaml").exists():
            return False
    for name in re.findall(r"(?:deploy/|deployment |secret generic |pod )(\S+)", told):
        if name not in (NAME, f"{NAME}-restore"):
            return False
    if re.findall(r"(?<!\S)-n (\S+)", told) not in ([], [NAMESPACE]):
        return False
    keys = set(re.findall(r"--from-(?:file|literal)=(\w+)=", told))
    if keys and keys != keys_of_the_secret():
        return False
    if " -- " in told:
        inner = arguments[arguments.index("--") + 1 :]
        return inner[0] in ("cat", "sh") or runs(shlex.join(inner))
    return True


def keys_of_the_secret() -> set[str]:
    """Files of the Secret that the base's variables name."""
    text = (MANIFESTS / "base" / "environment.env").read_text("utf-8")
    return {Path(each).name for each in re.findall(r"^\w+_FILE=(\S+)", text, re.MULTILINE)}


def is_address(url: str) -> bool:
    scheme = url.partition(":")[0]
    if scheme in STATE_SCHEMES:
        return True
    text = (MANIFESTS / "overlays" / "prod" / "bot.yaml").read_text("utf-8")
    return not problems(re.sub("url: redis://.*", f"url: {url}", text))


def problems(text: str) -> str:
    """What the program finds wrong with a configuration."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "bot.yaml"
        file.write_text(text, "utf-8")
        try:
            config.load(file, {}, kinds(NOTIFIERS))
        except config.ConfigurationError as error:
            return str(error)
    return ""


def is_word(word: str) -> bool:
    """Tell whether a word alone is a name of ours, or stands in the manifests."""
    return (
        word in {command.name for command in find_commands()}
        or word in RULES
        or any(word in keys for keys in tables().values())
        or word in names()
        or word in main.commands
        or stands(word)
    )


def is_in_source(span: str) -> bool:
    """Tell whether what reads like Python names what the source has."""
    words = re.findall(r"[A-Za-z_]\w*", span)
    return all(word in names() for word in words) or is_word(span)


def is_right(span: str, page: Path) -> bool:
    """Tell by its form which kind a span is of, and whether it is right."""
    kinds: list[tuple[str, Callable[[str], bool]]] = [
        (r"/(?:prompt-redis|invite)\b.*", types_slash),
        (r"/[a-z/]+", lambda each: each in ROUTES or stands(each)),
        (r"make .*", makes),
        (rf"(?:{'|'.join(PROGRAMS)}) .*", runs),
        (r"prompt_redis_\w+", lambda each: each in metrics()),
        (r"[A-Z]+(?:_[A-Z0-9<>]+)+(?:=.*)?", sets_or_names),
        (r"S0[A-Z]+", stands),
        (r"\w+(?:\+\w+)?://\S{3,}", is_address),
        (rf"(?:{'|'.join(tables()[''])})\.[\w.]+", is_key),
        (r"\S*/\S*|\S+\.(?:py|md|yaml|env|toml|conf)", lambda each: exists(each, page)),
        (r"\[?\(?[A-Z]+(?:\||…|\b).*", is_usage),
        (r"\[?--\S.*", is_usage),
        (r"[a-z_]\w*(?:\.[a-z_]\w*)+(?:\(\))?|[a-z_]\w*\([\w, =…]*\)", is_in_source),
        (r"[\w.-]+", is_word),
        (r"[a-z-]+-<instrument>", lambda each: stands(each.replace("<instrument>", "lsstcam"))),
        (r"\w+:\w+", stands),
        (r"\{\w+\}", lambda each: any(each in text for text in sentences())),
        (r"[a-z]+ .*", types),
    ]
    if span in FOREIGN or span == EXAMPLE:
        return True
    for form, holds in kinds:
        if re.fullmatch(form, span):
            return holds(span)
    return False


def sets_or_names(span: str) -> bool:
    """Tell whether variables are the program's, or a name in capitals one of the source."""
    return sets_variable(span) or span in names()


def is_usage(span: str) -> bool:
    """Tell whether a piece of a usage line is of a form that some subcommand's has."""
    if re.fullmatch(r"[A-Z]\w*", span):
        return is_word(span) or any(span in command.usage for command in find_commands())
    known = " ".join(command.usage for command in find_commands())
    shapes = {re.sub(r"[A-Z]+|\b\d+[hm]\b", "X", each) for each in known.split()}
    return all(re.sub(r"[A-Z]+", "X", each) in shapes for each in span.split())
