# SPDX-License-Identifier: Apache-2.0
"""Rules that read the text alone. Each is a function of the tree that yields (file, line, sentence); its name
is the rule's name. The exceptions of a rule stand in the list beside it."""
import hashlib
import json
import re

from source import calls, functions, literals, outer_words, prototypes

SOURCES = (".c", ".h", ".sh", ".py", ".js", ".mjs", ".css", ".sql", ".cmake", "CMakeLists.txt")
SQL = re.compile(r"\b(?:SELECT\s|INSERT\s+(?:OR\s+\w+\s+)?INTO\b|UPDATE\s+\S+\s+SET\b|DELETE\s+FROM\b)")
SQL_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+[\w%$]")
SCOPED = {"where_visible", "where_same"}  # of db/: they add the tenant to a statement
SQL_FOLDERS = ("db/", "tests/", "agent/journal.c")
FORMAT = re.compile(r"%(?:\d+\$)?[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|j|z|t)?[sdiuxXocfgp]\b|PRI[diux]\d")

CLOCK = {"time", "gettimeofday", "clock_gettime", "localtime", "localtime_r", "ftime", "clock",
         "sleep", "usleep", "nanosleep"}
CLOCK_FILES = ("base/env.c", "base/env_posix.c", "base/env_windows.c", "deploy/guest/writer.c")
RANDOM = {"rand", "srand", "random", "srandom", "rand_r", "drand48", "getrandom", "getentropy", "arc4random",
          "RAND_bytes", "randombytes_buf", "randombytes_uniform"}
HEAP = {"malloc", "calloc", "realloc", "reallocarray", "free", "strdup", "strndup", "asprintf", "vasprintf"}
SHELL = {"system", "popen", "execlp", "execvp", "wordexp"}
SHELL_FILES = ("base/",)
JSON_FILES = ("cli/", "base/", "server/http/", "server/openapi/", "agent/runner",
              "agent/drivers/libvirt/", "tests/")  # drivers: what guests and QEMU answer

# What a folder may include; server/main.c and server/admin/ put everything together.
ARROWS = (
    ("server/main.c", ("base/", "db/", "server/", "api/")),
    ("server/admin/", ("base/", "db/", "server/", "api/")),
    ("base/", ("base/",)),
    ("db/engine/", ("base/", "db/engine/")),
    ("db/", ("base/", "db/")),
    ("server/", ("base/", "db/", "server/")),
    ("api/", ("base/", "db/", "server/", "api/")),
    ("cli/", ("base/", "cli/")),
    ("agent/", ("base/", "db/engine/", "agent/")),
)
# Functions whose code may be passed on or dropped as the caller likes.
NOT_USED = {"ud_fail", "ud_fail_field", "ud_error_by_name"}
# Words that belong on somebody's desk, not in the tree; written so that this file does not hold them.
WORDS = re.compile("|".join(("/" + "work/", "assis" + "tant", "clau" + "de", "helper " + "agent")), re.I)


def spdx(tree):
    """The licence stands in the first lines of every source."""
    for path in tree.ours():
        text = tree.texts[path]
        if (path.endswith(SOURCES) or text.startswith("#!")) and \
                "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.split("\n")[:3]):
            yield path, 1, "no SPDX-License-Identifier: Apache-2.0 in the first lines"


def subject(tree):
    """A C file begins with what it is for."""
    for path in tree.ours(".c", ".h"):
        comments = [t for t in tree.tokens(path)[:2] if t.kind == "comment"]
        if len(comments) < 2:
            yield path, 2, "no comment on the file's subject after the licence"


def comments(tree):
    """Every function of a header stands under a comment; functions without a blank line between share one."""
    for path in tree.product(".h"):
        lines = tree.texts[path].split("\n")
        covered = set()
        for t in tree.tokens(path):
            if t.kind != "comment":
                continue
            line = t.end
            while line < len(lines) and lines[line].strip():
                covered.add(line + 1)
                line += 1
        for f in prototypes(tree.tokens(path)):
            if f.line not in covered:
                yield path, f.line, f"{f.name} has no comment above it"


def static(tree):
    """What is not static is ours to export: ud_ and declared in a header."""
    declared = set().union(*(outer_words(tree.tokens(path)) for path in tree.ours(".h")))
    for path in tree.product(".c"):
        for f in functions(tree.tokens(path)):
            # the last one takes a name of libmicrohttpd on purpose: server/http/pages.c
            if f.static or f.name in ("main", "MHD_queue_response"):
                continue
            if not f.name.startswith("ud_"):
                yield path, f.line, f"{f.name} is neither static nor named ud_…"
            elif f.name not in declared:
                yield path, f.line, f"{f.name} is not static and in no header"


def use(tree):
    """A code that a header's function returns must be used."""
    for path in tree.product(".h"):
        for f in prototypes(tree.tokens(path)):
            words = [t.text for t in f.text]
            if words[:2] == ["enum", "ud_code"] and "UD_USE" not in words and f.name not in NOT_USED and \
                    words[2] != "(":
                yield path, f.line, f"{f.name} returns enum ud_code without UD_USE"


def _calls(tree, names, allowed, paths, sentence):
    for path in paths:
        if path.startswith(allowed):
            continue
        for name, line in calls(tree.tokens(path)):
            if name in names:
                yield path, line, f"{name}(): {sentence}"


def malloc(tree):
    """The heap belongs to base/."""
    yield from _calls(tree, HEAP, ("base/",), tree.product(".c", ".h"), "memory comes from the arena or ud_malloc")


def clock(tree):
    """Time comes through the environment, and nobody sleeps."""
    yield from _calls(tree, CLOCK, CLOCK_FILES, tree.ours(".c", ".h"), "time comes from base/env.h")


def random(tree):
    """So does chance."""
    yield from _calls(tree, RANDOM, ("base/",), tree.ours(".c", ".h"), "chance comes from ud_random")


def shell(tree):
    """No command line made of text."""
    yield from _calls(tree, SHELL, SHELL_FILES, tree.product(".c", ".h"), "processes are started by base/process.h")


def sql_place(tree):
    """SQL in db/ and the agent's journal only."""
    for path in tree.ours(".c", ".h"):
        if path.startswith(SQL_FOLDERS):
            continue
        for text, line in literals(tree.tokens(path)):
            if SQL.search(text):
                yield path, line, "SQL outside db/"


def _marked(tree, path, line, word):
    """True when a comment with the word stands directly above the line's paragraph, or above its function."""
    lines = tree.texts[path].split("\n")
    tops = [f.line for f in functions(tree.tokens(path)) if f.line <= line <= f.end]
    marks = [t for t in tree.tokens(path) if t.kind == "comment" and re.search(word + r":\s*\w", t.text)]
    for t in marks:
        gap = lines[t.end:line - 1]
        if t.end in [top - 1 for top in tops] or t.line <= line and len(gap) <= 40 and \
                all(l.strip() and l.strip() != "}" for l in gap):
            return True
    return False


def sql_params(tree):
    """Values are parameters. Names of tables and columns may be formatted in under "sql parts: reason"."""
    for path in tree.ours(".c", ".h"):
        if path.startswith("tests/"):
            continue
        for text, line in literals(tree.tokens(path)):
            if SQL.search(text) and FORMAT.search(text) and not _marked(tree, path, line, "sql parts"):
                yield path, line, "text formatted into SQL; use $1 (or say /* sql parts: why */ above)"


def _names_tenant(text):
    """True when the statement inserts customer_id, or compares it after its WHERE."""
    if re.search(r"\bINSERT\b", text):
        return "customer_id" in text or not SQL_TABLE.search(text)
    return "customer_id" in text.partition("WHERE")[2]


def _scopers(tree, path):
    """The functions that add the tenant, and those of the file that call one."""
    made = [(name, at) for name, at in calls(tree.tokens(path))]
    names = set(SCOPED)
    for f in functions(tree.tokens(path)):  # callees stand above their callers
        if f.static and any(name in names and f.line < at <= f.end for name, at in made):
            names.add(f.name)
    return names


def _scoped(tree, path, line):
    """True when the function goes on to add the tenant to the statement it begins."""
    ends = [f.end for f in functions(tree.tokens(path)) if f.line <= line <= f.end]
    names = _scopers(tree, path)
    return any(name in names and line <= at <= max(ends, default=0) for name, at in calls(tree.tokens(path)))


def tenant(tree):
    """Every statement of db/ says whose rows it means, or why it means everybody's."""
    for path in tree.ours(".c"):
        if not path.startswith("db/") or path.startswith("db/engine/"):
            continue
        for text, line in literals(tree.tokens(path)):
            if SQL.search(text) and not (_names_tenant(text) or _scoped(tree, path, line) or
                                         _marked(tree, path, line, "every tenant")):
                yield path, line, "SQL without customer_id in its WHERE (or say /* every tenant: why */ above)"


def select_star(tree):
    """Columns are named."""
    for path in tree.product(".c"):
        for text, line in literals(tree.tokens(path)):
            if re.search(r"SELECT\s+\*", text):
                yield path, line, "SELECT *: name the columns"


def todo(tree):
    """A thing to do has an issue."""
    for path in tree.ours(*SOURCES):
        if path.startswith("tests/lint/"):
            continue
        for number, line in enumerate(tree.texts[path].split("\n"), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b(?!.*#\d)", line):
                yield path, number, "a thing to do without an issue number"


def arrows(tree):
    """Includes follow the arrows."""
    for path in tree.ours(".c", ".h"):
        allowed = next((to for folder, to in ARROWS if path.startswith(folder)), None)
        for t in tree.tokens(path):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', t.text) if t.kind == "directive" else None
            if m and ".." in m.group(1).split("/"):
                yield path, t.line, f"{m.group(1)} climbs out of its folder"
            elif m and allowed and not m.group(1).startswith(allowed):
                yield path, t.line, f"{m.group(1)} is against the arrow"


def slashes(tree):
    """No // comments."""
    for path in tree.ours(".c", ".h"):
        for t in tree.tokens(path):
            if t.kind == "comment" and t.text.startswith("//"):
                yield path, t.line, "// comment"


def json_t(tree):
    """JSON trees only where bodies are parsed."""
    for path in tree.ours(".c", ".h"):
        if path.startswith(JSON_FILES):
            continue
        for t in tree.tokens(path):
            if t.kind == "word" and t.text == "json_t":
                yield path, t.line, "json_t: bodies are parsed in base/ and server/http"


def libvirt(tree):
    """libvirt in its driver only."""
    for path in tree.product(".c", ".h"):
        for t in tree.tokens(path):
            if t.kind == "directive" and "<libvirt" in t.text and not path.startswith("agent/drivers/libvirt"):
                yield path, t.line, "libvirt outside its driver"


def words(tree):
    """Nothing of a developer's desk in the tree."""
    for path in tree.ours():
        for number, line in enumerate(tree.texts[path].split("\n"), 1):
            m = WORDS.search(line)
            if m:
                yield path, number, f"the word {m.group()!r}"


def json_valid(tree):
    """JSON files parse; lock files name no host."""
    for path in tree.ours(".json"):
        try:
            json.loads(tree.texts[path])
        except ValueError as e:
            yield path, getattr(e, "lineno", 1), f"not JSON: {e}"
        if path.endswith("package-lock.json"):
            for number, line in enumerate(tree.texts[path].split("\n"), 1):
                if '"resolved"' in line:
                    yield path, number, "a lock file names a host"


def blanks(tree):
    """Lines end where their text ends, and files with a line's end."""
    for path in tree.ours(*SOURCES):
        text = tree.texts[path]
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield path, number, "blank at the end of the line"
        if text and not text.endswith("\n"):
            yield path, text.count("\n") + 1, "no newline at the end of the file"


VOID = re.compile(r"<(area|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b")


def _tag_end(text, at):
    """Where the tag that begins at `at` ends; what stands in ${…} is not the tag's own."""
    depth = 0
    for i in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if text[i] == ">" and depth == 0:
            return i
    return len(text)


def voids(tree):
    """In the portal's templates elements without content close themselves: htm loses what follows one that does not."""
    for path in tree.ours(".js"):
        text = tree.texts[path]
        for m in VOID.finditer(text) if path.startswith("static/portal/") else ():
            if text[_tag_end(text, m.start()) - 1] != "/":
                yield path, text.count("\n", 0, m.start()) + 1, f"<{m.group(1)}> does not close itself"


def vendored(tree):
    """What others made is as its manifest says."""
    path = "static/vendor/MANIFEST.json"
    for entry in json.loads(tree.texts.get(path, "[]")):
        text = tree.texts.get(f"static/vendor/{entry['file']}")
        if text is None or hashlib.sha256(text.encode()).hexdigest() != entry["sha256"]:
            yield path, 1, f"{entry['file']} is not what was vendored"


RULES = (spdx, subject, comments, static, use, malloc, clock, random, shell, sql_place, sql_params, tenant,
         select_star, todo, arrows, slashes, json_t, libvirt, words, json_valid, blanks, voids,
         vendored)
