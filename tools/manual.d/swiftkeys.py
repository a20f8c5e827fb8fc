"""Reads from Swift sources what a type looks like as JSON: its stored properties, their keys and their comments.

It knows the form that this project's sources have, and stops at what it does not know."""

import pathlib
import re
from dataclasses import dataclass

PLAIN = {
    "String": "text",
    "Bool": "true or false",
    "LSN": "position",
    **{name: "number" for name in ("Int", "Int32", "UInt64", "pid_t", "Double")},
}
DECLARATION = re.compile(r"^(?:(?:public|package|private|internal|static|final|indirect) )*(struct|enum|class|extension) (\w+)")
PROPERTY = re.compile(
    r"^(?:public |package )?(?:private\(set\) )?(?:var|let) (\w+)(?:: ([\w\[\].]+\??))?(?: = (.+?))?( \{.*)?$")


@dataclass
class Property:
    name: str
    type: str
    comment: str


@dataclass
class SwiftType:
    kind: str
    properties: list[Property]
    keys: dict[str, str]  # of the properties with a key of their own; all others are there by their names
    values: list[str]  # of an enum


class Sources:
    def __init__(self, folder: pathlib.Path) -> None:
        self.types: dict[str, SwiftType] = {}
        for file in sorted(folder.rglob("*.swift")):
            self._read(file.read_text(encoding="utf-8"))

    def _read(self, text: str) -> None:
        stack: list[tuple[str, int]] = []  # names of the types around a line, and their indents
        comment: list[str] = []
        case = ""
        for line in text.split("\n"):
            words, indent = line.strip(), len(line) - len(line.lstrip())
            while stack and words and indent <= stack[-1][1]:
                stack.pop()
            if words.startswith("///"):
                comment.append(words[3:].strip())
                continue
            inside = bool(stack) and indent == stack[-1][1] + 4
            if found := DECLARATION.match(words):
                if line.rstrip().endswith("{"):
                    name = ".".join([name for name, _ in stack] + [found[2]])
                    if found[1] != "extension":
                        self.types.setdefault(name, SwiftType(found[1], [], {}, []))
                    stack.append((found[2], indent))
            elif stack and stack[-1][0] == "CodingKeys" and (inside or case):
                case = self._case(".".join(name for name, _ in stack[:-1]), case, words)
            elif inside and (owner := self.types.get(".".join(name for name, _ in stack))):
                if owner.kind == "enum" and words.startswith("case "):
                    for part in words[5:].split(", "):
                        name, _, value = part.partition(" = ")
                        owner.values.append(value.strip('"') or name)
                elif (found := PROPERTY.match(words)) and not found[4]:
                    owner.properties.append(Property(found[1], found[2] or _guess(found[3]), " ".join(comment)))
            comment = []

    def _case(self, owner: str, before: str, words: str) -> str:
        """A case of CodingKeys, which may continue in the next line: then it is returned."""
        words = f"{before} {words}".strip()
        if words.endswith(","):
            return words
        if words.startswith("case ") and owner in self.types:
            for part in words[5:].split(","):
                name, _, value = part.strip().partition(" = ")
                self.types[owner].keys[name] = value.strip('"') or name
        return ""

    def find(self, name: str, around: str) -> tuple[str, SwiftType] | None:
        """The type that a name means inside another one."""
        outer = around.split(".")
        for count in range(len(outer), -1, -1):
            full = ".".join(outer[:count] + [name])
            if full in self.types:
                return full, self.types[full]
        return None

    def keys(self, type: str, prefix: str = "") -> list[tuple[str, str, str]]:
        """Path, kind and comment of all that the JSON of a type has, in the order of the sources."""
        result = []
        swift = self.types[type]
        for item in swift.properties:
            # A type with CodingKeys encodes only what they name.
            if swift.keys and item.name not in swift.keys:
                continue
            path = prefix + swift.keys.get(item.name, item.name)
            name = item.type.removesuffix("?")
            optional = ", or absent" if item.type.endswith("?") else ""
            is_list = name.startswith("[")
            if is_list:
                name, path = name[1:-1], path + "[]"
            if name in PLAIN:
                kind = PLAIN[name]
            elif (found := self.find(name, type)) is None:
                raise ValueError(f"{type}.{item.name}: no such type {name}")
            elif found[1].kind == "enum":
                kind = "one of " + ", ".join(f"`{value}`" for value in found[1].values)
            else:
                result.append((path, ("list of objects" if is_list else "object") + optional, item.comment))
                result += self.keys(found[0], path + ".")
                continue
            result.append((path, (f"list: {kind}" if is_list else kind) + optional, item.comment))
        return result


def _guess(value: str | None) -> str:
    """The type of a property that has a first value and no written type."""
    value = value or ""
    if value in ("true", "false"):
        return "Bool"
    if value.startswith('"'):
        return "String"
    if re.fullmatch(r"-?[\d_]+", value):
        return "Int"
    if re.fullmatch(r"-?[\d_]+\.\d+", value):
        return "Double"
    if value == "getpid()":
        return "Int32"
    if found := re.match(r"(\w+)\.\w+$", value):
        return found[1]
    return "?"
