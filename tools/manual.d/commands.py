"""What the programs say of their own command lines, by `walrelay --experimental-dump-help`."""

import json
import re
import subprocess
from dataclasses import dataclass, field

PROGRAMS = ("clone", "receive", "transform", "replay", "inspect")
# Where a shell expects a command: at the start, after a pipe, a list operator or "$(".
COMMAND_PLACE = re.compile(r"(^\s*|\| |&& |\$\()(" + "|".join(PROGRAMS) + r")(?= )")


@dataclass
class Argument:
    names: list[str]  # with their hyphens; none for a positional one
    value: str  # what stands for the value; empty for a flag
    text: str
    is_repeating: bool
    is_optional: bool
    default: str
    values: list[str]

    @property
    def words(self) -> str:
        """The names and the value, as one types them."""
        value = f" <{self.value}>" if self.value else ""
        return ", ".join(self.names) + value if self.names else f"<{self.value}>" + ("…" if self.is_repeating else "")

    @property
    def sentence(self) -> str:
        """The text with what else there is to know."""
        parts = [self.text]
        # A default that the text explains is not said twice.
        if self.default and "default" not in self.text:
            parts.append(f"(default: {self.default})")
        if self.values and not all(re.search(rf"\b{re.escape(value)}\b", self.text) for value in self.values):
            parts.append(f"(values: {', '.join(self.values)})")
        return " ".join(part for part in parts if part)


@dataclass
class Command:
    words: list[str]  # "walrelay", "clone", "status"
    abstract: str
    sections: list[tuple[str, str]]  # heading and text; the first heading is empty
    arguments: list[Argument]
    commands: list["Command"] = field(default_factory=list)
    default: str = ""  # the subcommand that is meant when none is named

    @property
    def name(self) -> str:
        return " ".join(self.words)

    def all(self) -> list["Command"]:
        """This command and all below it."""
        return [self] + [command for child in self.commands for command in child.all()]


def load(program: str) -> Command:
    """The command line of `walrelay` and of all its subcommands.

    program is the path of the executable. Raises when it fails or when its help has another form than is known here.
    """
    text = subprocess.run([program, "--experimental-dump-help"], check=True, capture_output=True, text=True).stdout
    help = json.loads(text)
    if help["serializationVersion"] != 0:
        raise ValueError(f"{program} describes itself in form {help['serializationVersion']}; this script knows form 0")
    return _command(help["command"], [])


def _command(info: dict, above: list[str]) -> Command:
    words = above + [info["commandName"]]
    children = [child for child in _shown(info.get("subcommands", [])) if child["commandName"] != "help"]
    arguments = [_argument(argument) for argument in _shown(info.get("arguments", []))]
    return Command(
        words,
        info.get("abstract", ""),
        _sections(info.get("discussion", "")),
        arguments,
        [_command(child, words) for child in children],
        info.get("defaultSubcommand", ""),
    )


def _shown(infos: list[dict]) -> list[dict]:
    return [info for info in infos if info.get("shouldDisplay", True)]


def _argument(info: dict) -> Argument:
    hyphens = {"long": "--", "short": "-", "longWithSingleDash": "-"}
    names = [] if info["kind"] == "positional" else info.get("names", [])
    return Argument(
        [hyphens[name["kind"]] + name["name"] for name in names],
        "" if info["kind"] == "flag" else info["valueName"],
        " ".join(part for part in (info.get("abstract", ""), info.get("discussion", "")) if part),
        info.get("isRepeating", False),
        info.get("isOptional", False),
        info.get("defaultValue", ""),
        info.get("allValues", []) or [],
    )


def _sections(discussion: str) -> list[tuple[str, str]]:
    """The discussion, divided at headings: lines of capital letters alone."""
    sections = [("", [])]
    for line in discussion.split("\n"):
        if re.fullmatch(r"[A-Z][A-Z ]+", line):
            sections.append((line, []))
        else:
            sections[-1][1].append(line)
    return [(heading, "\n".join(lines).strip("\n")) for heading, lines in sections if heading or any(lines)]


def runnable(example: str) -> str:
    """An example with `walrelay` before each program, as packages have them."""
    return COMMAND_PLACE.sub(r"\1walrelay \2", example)
