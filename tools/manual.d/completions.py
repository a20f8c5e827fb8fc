"""Writes the completions of a shell to standard output: completions.py PROGRAM bash|zsh|fish.

The argument parser makes them. What it leaves out is added: a command with a default subcommand also takes the options
of that one."""

import re
import subprocess
import sys

import commands


def inserted(script: str, anchor: str, text: str) -> str:
    """The script with text after the one place that the anchor matches."""
    found = re.findall(anchor, script, flags=re.MULTILINE)
    if len(found) != 1:
        raise ValueError(f"{len(found)} places look like {anchor!r}; the argument parser writes another form now")
    return re.sub(anchor, lambda match: match[0] + text, script, flags=re.MULTILINE)


def bash(script: str, command: commands.Command, default: str) -> str:
    function = "_" + "_".join(command.words)
    names = [child.words[-1] for child in command.commands] + ["help"]
    return inserted(
        script,
        rf"^{function}\(\) \{{\n",
        f"""\
    # Without a subcommand it is {default}.
    case "${{unparsed_words[0]}}" in
    {"|".join(names)})
        ;;
    *)
        if [[ "${{#unparsed_words[@]}}" -le 1 && "${{cur}}" != -* ]]; then
            COMPREPLY+=($(compgen -W '{" ".join(names)}' -- "${{cur}}"))
        fi
        "{function}_{default}"
        return
        ;;
    esac

""",
    )


def zsh(script: str, command: commands.Command, default: str) -> str:
    function = "_" + "_".join(command.words)
    return inserted(
        script,
        rf"^{function}\(\) \{{\n",
        f"""\
    # Without a subcommand it is {default}.
    if [[ "${{words[2]}}" == -* ]]; then
        "{function}_{default}"
        return
    fi
""",
    )


def fish(script: str, command: commands.Command, default: str) -> str:
    # The options of the default are known after the command itself, too ...
    options = r"\n *__\w+_parse_subcommand (.*)\n"
    own = re.search(rf"^ *case '{command.words[-1]}'{options} *switch ", script, flags=re.MULTILINE)
    theirs = re.search(rf"^ *case '{default}'{options}", script, flags=re.MULTILINE)
    if not own or not theirs:
        raise ValueError("the argument parser writes another form for fish now")
    script = script[: own.start(1)] + theirs[1] + script[own.end(1) :]
    # ... and offered there.
    offered = f'"{command.name} {default}"'
    added = [
        line.replace(offered, f'"{command.name}"')
        for line in script.split("\n")
        if offered in line and not re.search(r"-l '(version|help)'", line)
    ]
    if not added:
        raise ValueError("the argument parser writes another form for fish now")
    return script.rstrip("\n") + "\n" + "\n".join(added) + "\n"


def main() -> None:
    program, shell = sys.argv[1:]
    script = subprocess.run(
        [program, "--generate-completion-script", shell], check=True, capture_output=True, text=True
    ).stdout
    for command in commands.load(program).all():
        if command.default:
            script = {"bash": bash, "zsh": zsh, "fish": fish}[shell](script, command, command.default)
    # It is sourced, not run.
    print(script.removeprefix("#!/bin/bash\n").strip("\n"))


main()
