"""Writes docs/reference.md to standard output: reference.py PROGRAM (the path of walrelay)."""

import pathlib
import re
import sys

import commands
import swiftkeys

HEAD = """\
# Reference

For anyone who looks up an option, an exit code, a key of `clone status --json` or a metric. This page is made from the
sources by `tools/reference`; a test fails when it is out of date.

- [Commands](#commands)
- [Exit codes](#exit-codes)
- [Keys of `clone status --json`](#keys-of-clone-status---json)
- [Metrics](#metrics)
"""
# Of every command, and therefore said once.
COMMON = (("-h", "--help"), ("--version",))


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def command_part(command: commands.Command) -> list[str]:
    lines = ["", f"### {command.name}", "", command.abstract]
    if command.commands:
        lines += ["", "| command | |", "|---|---|"]
        for child in command.commands:
            anchor = child.name.replace(" ", "-")
            mark = " The default." if child.words[-1] == command.default and "default" not in child.abstract else ""
            lines.append(f"| [{child.name}](#{anchor}) | {cell(child.abstract)}{mark} |")
    arguments = [argument for argument in command.arguments if tuple(argument.names) not in COMMON]
    if arguments:
        lines += ["", "| argument | meaning |", "|---|---|"]
        lines += [f"| {code(argument.words)} | {cell(argument.sentence)} |" for argument in arguments]
    for heading, text in command.sections:
        if heading == "EXAMPLES":
            examples = "\n".join(commands.runnable(re.sub(r"^  ", "", line)) for line in text.split("\n"))
            lines += ["", "```sh", examples, "```"]
        elif heading == "EXIT CODES":
            lines += ["", "Exit codes: " + " ".join(text.split()).rstrip(".") + "."]
        else:
            lines += ["", "\n".join(line.strip() for line in text.split("\n"))]
    return lines


def exit_codes(root: pathlib.Path) -> list[str]:
    text = (root / "Sources/Observability/ExitStatus.swift").read_text(encoding="utf-8")
    lines = ["", "| code | means |", "|---:|---|"]
    found = re.findall(r"((?:    /// .*\n)+)    case \w+ = (\d+)", text)
    if not found:
        raise ValueError("no exit codes in ExitStatus.swift")
    for comment, number in found:
        words = " ".join(line.strip().removeprefix("///").strip() for line in comment.strip().split("\n"))
        lines.append(f"| {number} | {cell(words)} |")
    lines.append("| 130, 143 | Ended at once by a second SIGINT or SIGTERM. |")
    return lines + ["", "[exit-codes.md](exit-codes.md) says what to do about each."]


def status_keys(root: pathlib.Path) -> list[str]:
    sources = swiftkeys.Sources(root / "Sources")
    lines = [
        "",
        "One object. A dot leads into an object, `[]` into each element of a list. Keys may be added; those that are",
        "there keep their meaning until 1.0, unless the changelog says otherwise. Times are UTC. A position is a WAL",
        "position such as `0/1A2B3C`.",
        "",
        "| key | value | meaning |",
        "|---|---|---|",
    ]
    return lines + [
        f"| `{path}` | {kind} | {cell(comment).replace('; nil ', '; absent ')} |"
        for path, kind, comment in sources.keys("MigrationStatus")
    ]


def metrics(root: pathlib.Path) -> list[str]:
    source = (root / "Sources/Migration/MigrationMetrics.swift").read_text()
    found = re.findall(r'(gauge|counter)\(\s*"(\w+)",\s*"([^"]+)"', source)
    found += [
        (kind, name, words)
        for name, kind, words in re.findall(r'header\(\s*"(\w+)",\s*"(\w+)",\s*"([^"]+)"', source)
    ]
    lines = [
        "",
        "Of `clone serve` and `clone status --prometheus`. All have the labels `slot` and `database`, those of stages also `stage`.",
        "Those that say how something goes are absent while nothing runs.",
        "",
        "| metric | type | meaning |",
        "|---|---|---|",
    ]
    return lines + [f"| `{name}` | {kind} | {cell(words)} |" for kind, name, words in sorted(found, key=lambda m: m[1])]


def main() -> None:
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    lines = HEAD.rstrip("\n").split("\n") + ["", "## Commands", ""]
    lines += [
        "From a package, `walrelay` comes before each program, as here. In a build folder each program also has a file",
        "of its own: `clone status` is `walrelay clone status`. Every command also takes `-h`, `--help` and `--version`.",
        "Sizes are bytes with kB, MB, GB or TB (powers of 1024). A connection string is what `psql` takes.",
    ]
    for command in commands.load(sys.argv[1]).all():
        lines += command_part(command)
    lines += ["", "## Exit codes"] + exit_codes(root)
    lines += ["", "## Keys of `clone status --json`"] + status_keys(root)
    lines += ["", "## Metrics"] + metrics(root)
    print("\n".join(lines))


main()
