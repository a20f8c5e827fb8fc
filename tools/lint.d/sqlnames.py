"""Finds names in the SQL of Sources that are looked up through search_path (docs/decisions.md, "Every session begins the
same way"): relations, types and functions have their schema. Operators need none, because search_path is empty.

A scan, not a parser. It relies on how the SQL of this project is written: keywords in capitals, names in small letters, a
function's name right before its parenthesis.
"""

import re
import subprocess
import sys

# A text is SQL when it has one of these words. A fragment that has none is looked at for casts alone.
KEYWORDS = re.compile(
    r"\b(SELECT|FROM|WHERE|JOIN|INSERT INTO|UPDATE|DELETE FROM|VALUES|CASE|WHEN|EXISTS|UNION|ORDER BY|GROUP BY|SET|COPY|"
    r"CREATE|ALTER|DROP|GRANT|TRUNCATE|PREPARE|EXECUTE|AND|OR|NOT|IS NULL|RETURNING|LIMIT|INTO|TABLE|BEGIN|COMMIT)\b")

# A name with a parenthesis that is no function: the columns of a table or of an alias, and what looks like them.
COLUMNS = re.compile(r"(\bAS|\bINTO|\bTABLE|\bWITH|\bWITH RECURSIVE|\bON|\bREFERENCES)\s+(\"?[\w\"]+\"?\.)?$")

ALLOWED = {
    # What SQL itself names; the server does not look these up.
    "coalesce", "nullif", "greatest", "least", "row", "exists", "values",
}

# Words of pg_catalog's that are no names in SQL.
NOT_NAMES = {"pg_catalog", "pg_temp", "pg_toast", "pg_dump", "pg_restore", "pg_dumpall", "pg_upgrade", "pg_basebackup",
             # Roles.
             "pg_signal_backend", "pg_read_all_data", "pg_monitor"}

TYPES = (
    "bool|boolean|text|int|int2|int4|int8|integer|bigint|smallint|oid|name|regclass|regtype|regproc|regprocedure|"
    "regnamespace|regrole|pg_lsn|jsonb?|numeric|float4|float8|timestamptz|timestamp|date|interval|bytea|char|varchar|bit|"
    "xid8?|inet|uuid")


def literals(source):
    """The string literals of a Swift file with the line they begin on; interpolations become a space-free mark, comments
    are skipped."""
    i, line, n = 0, 1, len(source)
    while i < n:
        c = source[i]
        if c == "\n":
            line += 1
        elif source.startswith("//", i):
            i = source.find("\n", i)
            if i < 0:
                return
            continue
        elif source.startswith("/*", i):
            end = source.find("*/", i)
            line += source.count("\n", i, end)
            i = end + 2
            continue
        elif c == '"' or c == "#" and re.match(r'#+"', source[i:i + 4]):
            text, end, nested = literal(source, i)
            yield line, text
            for offset, inner in nested:
                base = line + source.count("\n", i, offset)
                for at, more in literals(inner):
                    yield base + at - 1, more
            line += source.count("\n", i, end)
            i = end
            continue
        i += 1


def literal(source, i):
    hashes = 0
    while source[i] == "#":
        hashes, i = hashes + 1, i + 1
    quote = '"""' if source.startswith('"""', i) else '"'
    close, escape = quote + "#" * hashes, "\\" + "#" * hashes
    i += len(quote)
    out, nested = [], []
    while not source.startswith(close, i):
        if source.startswith(escape, i):
            i += len(escape)
            if source[i] == "(":
                start, depth = i + 1, 0
                while True:
                    if source[i] == '"':
                        i = literal(source, i)[1]
                        continue
                    depth += {"(": 1, ")": -1}.get(source[i], 0)
                    i += 1
                    if depth == 0:
                        break
                nested.append((start, source[start:i - 1]))
                out.append("\u00a4")
            else:
                out.append({"n": "\n", "t": "\t"}.get(source[i], source[i]))
                i += 1
        else:
            out.append(source[i])
            i += 1
    return "".join(out), i + len(close), nested


def violations(text):
    """What of a literal is looked up through search_path."""
    # Between quotes there are values, and names that are not ours; a quoted string of a DO block is SQL again, and the
    # only one of its kind has its SQL in literals of its own.
    sql = re.sub(r"'(?:[^'\\]|'')*'", "''", text)
    found = []
    for match in re.finditer(r"::\s*(?!pg_catalog\.)(\"?[a-z]\w*)", sql):
        found.append(f"the type in ::{match[1]}")
    for match in re.finditer(r"'([a-z]\w*)'::pg_catalog\.reg", text):
        found.append(f"'{match[1]}'::pg_catalog.reg…")
    for match in re.finditer(r"\bAS (%s)\b(?=[)\[])" % TYPES, sql):
        found.append(f"the type in AS {match[1]})")
    for match in re.finditer(r"(?<![\w.\"])(pg_[a-z_0-9]+)\(", sql):
        found.append(f"{match[1]}()")
    if not KEYWORDS.search(sql):
        return found
    for match in re.finditer(r"(?<![\w.\"$¤-])(pg_[a-z_0-9]+)\b(?![.(])", sql):
        if match[1] not in NOT_NAMES:
            found.append(match[1])
    for match in re.finditer(r"(?<![\w.\"¤])([a-z_][a-z_0-9]*)\(", sql):
        name = match[1]
        if name in ALLOWED or name.startswith("pg_") or COLUMNS.search(sql[:match.start()]):
            continue
        found.append(f"{name}()")
    for match in re.finditer(r"\b(?:FROM|JOIN|INTO|UPDATE) (information_schema)\b(?!\.)", sql):
        found.append(match[1])
    return found


def main():
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "Sources/*.swift"],
        check=True, capture_output=True, text=True).stdout.split("\n")
    failed = False
    for path in filter(None, files):
        try:
            with open(path, encoding="utf-8") as file:
                source = file.read()
        except FileNotFoundError:
            continue
        for line, text in literals(source):
            for name in violations(text):
                print(f"{path}:{line}: {name} has no schema in SQL", file=sys.stderr)
                failed = True
    return 1 if failed else 0


sys.exit(main())
