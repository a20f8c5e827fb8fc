"""Writes a manual page for every command: man.py PROGRAM FOLDER VERSION SECONDS (since 1970, for the date)."""

import datetime
import pathlib
import re
import sys

import commands


def escaped(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("–", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def block(text: str) -> list[str]:
    """Text in which indented lines keep their form."""
    lines, is_verbatim = [], False
    for line in text.split("\n"):
        if line.startswith("  ") != is_verbatim and line:
            is_verbatim = not is_verbatim
            lines.append(".nf" if is_verbatim else ".fi")
        lines.append(escaped(line.strip()) if line else ".PP")
    return lines + ([".fi"] if is_verbatim else [])


def section(heading: str, text: str) -> list[str]:
    lines = [f".SH {heading or 'DESCRIPTION'}"]
    if heading == "EXAMPLES":
        examples = "\n".join(commands.runnable(line) for line in text.split("\n"))
        return lines + [".nf", escaped(re.sub(r"^  ", "", examples, flags=re.MULTILINE)), ".fi"]
    # A list of codes has one a line.
    if heading == "EXIT CODES" and re.match(r"\s*\d", text):
        items = re.split(r";\s+(?=\d+ |otherwise)", " ".join(text.split()))
        return lines + [line for item in items for line in (".br", escaped(item))][1:]
    return lines + block(text if heading == "" else re.sub(r"^  ", "", text, flags=re.MULTILINE))


def page(command: commands.Command, version: str, date: str, others: list[str]) -> str:
    name = "-".join(command.words)
    lines = [
        f'.TH {name.upper()} 1 {date} "walrelay {version}" walrelay',
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(command.abstract.rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {escaped(command.name)}",
    ]
    positional = [argument for argument in command.arguments if not argument.names]
    if len(command.arguments) > len(positional):
        lines.append(r"[\fIoptions\fR]")
    for argument in positional:
        word = rf"\fI{escaped(argument.value)}\fR" + (" ..." if argument.is_repeating else "")
        lines.append(f"[{word}]" if argument.is_optional else word)
    if command.commands:
        lines.append(r"\fIcommand\fR ...")
    sections = command.sections
    if not sections or sections[0][0]:
        sections = [("", command.abstract)] + sections
    lines += section(*sections[0])
    if command.commands:
        lines.append(".SH COMMANDS")
        for child in command.commands:
            mark = " The default." if child.words[-1] == command.default and "default" not in child.abstract else ""
            lines += [".TP", f".B {escaped(child.words[-1])}", escaped(child.abstract) + mark]
            lines.append(f"See \\fB{escaped('-'.join(child.words))}\\fR(1).")
    if command.arguments:
        lines.append(".SH OPTIONS")
        for argument in command.arguments:
            lines += [".TP", ", ".join(rf"\fB{escaped(name)}\fR" for name in argument.names)]
            if argument.value:
                lines[-1] += (" " if argument.names else "") + rf"\fI{escaped(argument.value)}\fR"
            lines.append(escaped(argument.sentence))
    for heading, text in sections[1:]:
        lines += section(heading, text)
    lines += [".SH SEE ALSO", ",\n".join(rf"\fB{escaped(other)}\fR(1)" for other in others if other != name)]
    lines.append(r"and the folder \fI/usr/share/doc/walrelay\fR")
    return "\n".join(lines) + "\n"


def main() -> None:
    program, folder, version, seconds = sys.argv[1:]
    date = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc).strftime("%Y-%m-%d")
    root = commands.load(program)
    # The programs, for every page; the pages of a command's own subcommands are named above.
    others = ["walrelay"] + [f"walrelay-{child.words[-1]}" for child in root.commands]
    for command in root.all():
        text = page(command, version, date, others)
        (pathlib.Path(folder) / ("-".join(command.words) + ".1")).write_text(text, encoding="utf-8")


main()
