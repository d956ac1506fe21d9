# SPDX-License-Identifier: Apache-2.0
"""Rules that ask a program: the formatter, the compilers, the analysers. Same form as in rules.py; those that
need a build tree get it from tests/run --build and are not run on the self-test's seeds unless given flags."""
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor


class Skip(Exception):
    """The rule cannot be asked here; the reason."""


JOBS = os.cpu_count() or 1
FOUND = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):\d+: (?:warning|error|fatal error|note): (?P<text>.*)$", re.M)


def _run(command, root, **kw):
    return subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)


def _found(root, output):
    for m in FOUND.finditer(output):
        yield os.path.relpath(os.path.join(root, m["file"]), root), int(m["line"]), m["text"]


def format(tree):
    """clang-format has nothing to change; tests/lint/run --fix lets it."""
    files = tree.ours(".c", ".h")
    if files:
        out = _run(["clang-format-14", "--dry-run", "-Werror", *files], tree.root).stdout
        seen = set()
        for path, line, text in _found(tree.root, out):
            if path not in seen:
                yield path, line, "not formatted from here on (tests/lint/run --fix)"
            seen.add(path)


def shellcheck(tree):
    files = tree.scripts()
    if files:
        out = _run(["shellcheck", "-x", "-f", "gcc", *files], tree.root).stdout
        yield from _found(tree.root, out)


def compilers(tree):
    """gcc builds everything without a warning, and clang has none to give when it reads the same."""
    done = _run(["tests/run", "--build", "gcc"], tree.root)
    if done.returncode:
        for line in done.stdout.splitlines()[-30:]:
            yield "build/gcc.log", 1, line
        return
    with ThreadPoolExecutor(JOBS) as pool:
        for found in pool.map(lambda e: clang_says(tree.root, e), _commands(tree, "gcc")):
            yield from found


def clang_says(root, entry):
    """What clang says of one compilation of gcc's."""
    done = _run(["clang", *_flags(entry)[1:], "-O0", "-fsyntax-only", entry["file"]], entry["directory"])
    found = list(_found(root, done.stdout))
    if done.returncode and not found:  # it did not come to read it
        found.append((os.path.relpath(entry["file"], root), 1, done.stdout.strip()[:300]))
    return found


def _commands(tree, name):
    path = os.path.join(tree.root, "build", name, "compile_commands.json")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def _flags(entry):
    """The arguments of a compilation without launcher, source, output and -c."""
    words = shlex.split(entry["command"])
    if os.path.basename(words[0]) == "ccache":
        words = words[1:]
    kept, skip = [], False
    for w in words:
        if skip:
            skip = False
        elif w in ("-o", "-MF", "-MT", "-MQ"):
            skip = True
        elif w not in ("-c", "-MD", entry["file"]):
            kept.append(w)
    return kept


def _library(entry):
    m = re.search(r"CMakeFiles/ud_(\w+)\.dir", entry["command"])
    return m.group(1) if m else None


# Who must not see whom: (library, a folder above it).
AGAINST = (("base", "db/engine/"), ("engine", "db/"), ("db", "server/"), ("server", "api/"), ("base", "cli/"),
           ("cli", "db/engine/"), ("agent", "server/"))


def include_refused(entry, header, root):
    """True when a source with the flags of entry cannot include the header."""
    with tempfile.NamedTemporaryFile("w", suffix=".c", delete=False) as f:
        f.write(f'#include "{header}"\n')
    try:
        done = _run([*_flags(entry), "-fsyntax-only", f.name], entry["directory"])
    finally:
        os.unlink(f.name)
    return done.returncode != 0 and "No such file" in done.stdout


def include_roots(tree):
    """A seeded include against the arrow does not compile, one along the arrow does."""
    entries = {}
    for e in _commands(tree, "gcc"):
        entries.setdefault(_library(e), e)
    for library, folder in AGAINST:
        headers = [p for p in tree.ours(".h") if p.startswith(folder) and
                   not (folder == "db/" and p.startswith("db/engine/"))]
        if library not in entries or not headers:
            continue
        if not include_refused(entries[library], headers[0], tree.root):
            yield "CMakeLists.txt", 1, f"ud_{library} can include {headers[0]}"
        if include_refused(entries[library], "base/ud.h", tree.root):
            yield "CMakeLists.txt", 1, f"ud_{library} cannot include base/ud.h"


# What a Windows agent does not have: files named so, the driver of QEMU and its replication.
POSIX = re.compile(r"_posix\.c$|^agent/(drivers/libvirt/|replication/)")
# What its tests are linked with (cmake/windows.cmake).
SCRIPTED = re.compile(r"^tests/support/scripted(_replication|_slots)?\.c$")
TEST_FLAGS = {False: (), True: ("-Itests", "-DSIGKILL=9")}
# Headers of libraries that both systems have; the compiler must not see the rest of /usr/include.
SHARED_HEADERS = ("jansson.h", "jansson_config.h", "sqlite3.h", "ini.h", "sodium.h", "sodium", "openssl", "curl")


def windows(tree):
    """base/, the agent's core and its hypervisor in memory compile for Windows; what is POSIX stands in files named _posix.c."""
    files = [p for p in tree.product(".c") if p.startswith(("base/", "agent/")) and not POSIX.search(p)]
    files += [p for p in tree.ours(".c") if SCRIPTED.search(p)]
    with tempfile.TemporaryDirectory() as headers:
        flags = []
        for folder in ("/usr/include", "/usr/include/x86_64-linux-gnu"):
            flags += ["-isystem", headers + folder]
            os.makedirs(headers + folder)
            for name in SHARED_HEADERS:
                if os.path.exists(os.path.join(folder, name)):
                    os.symlink(os.path.join(folder, name), os.path.join(headers + folder, name))
        command = ["x86_64-w64-mingw32-gcc", "-fsyntax-only", "-std=gnu17", "-Wall", "-Wextra", "-Wshadow",
                   "-Wno-missing-field-initializers", "-D_GNU_SOURCE", '-DUD_VERSION="0"', "-I.", *flags]
        with ThreadPoolExecutor(JOBS) as pool:
            for out in pool.map(lambda p: _run([*command, *TEST_FLAGS[p.startswith("tests/")], p], tree.root).stdout, files):
                yield from (f for f in _found(tree.root, out) if not f[0].startswith(".."))


def tidy(tree):
    """clang-tidy with the checks of .clang-tidy over our C; a file that did not change is not asked again. Its analyzer
    goes on to the end of each function in a long run only."""
    ours = set(tree.product(".c"))
    entries = {os.path.relpath(e["file"], tree.root): e for e in _commands(tree, "gcc")}
    work = [(p, entries[p]) for p in sorted(ours & entries.keys())]
    with ThreadPoolExecutor(JOBS) as pool:
        for found in pool.map(lambda w: _tidy_one(tree, *w), work):
            yield from found


def _tidy_one(tree, path, entry):
    with open(os.path.join(tree.root, ".clang-tidy"), encoding="utf-8") as f:
        config = f.read()
    text = subprocess.run([*_flags(entry), "-E", "-P", entry["file"]], cwd=entry["directory"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    with open(entry["file"], "rb") as f:
        text += f.read()
    folder = os.path.join(tree.root, "build", "tidy")
    nodes = 225000 if os.environ.get("UD_TEST_LONG") else 5000  # the first is clang's own bound (AnalyzerOptions.def)
    bound = ["-Xclang", "-analyzer-config", "-Xclang", f"max-nodes={nodes}"]
    mark = os.path.join(folder, hashlib.sha256((config + bound[-1]).encode() + text).hexdigest())
    if os.path.exists(mark):
        return []
    flags = [*_flags(entry)[1:], "-O0", *bound]
    if path != "base/ctx.c":  # defines what the hint redefines
        flags += ["-include", os.path.join(tree.root, "tests/lint/analyzer.h")]
    found = tidy_file(tree.root, entry["file"], flags)
    if not found:
        os.makedirs(folder, exist_ok=True)
        open(mark, "w", encoding="utf-8").close()
    return found


def tidy_file(root, path, flags):
    """What clang-tidy says of one file."""
    out = _run(["clang-tidy-14", "--quiet", f"--config-file={root}/.clang-tidy", path, "--", *flags], root).stdout
    return [f for f in _found(root, out) if "[" in f[2] and "]" in f[2]]


def openapi(tree):
    """The committed specification is what the tables give."""
    path, program = "api/openapi.json", os.path.join(tree.root, "build/gcc/understudyd")
    if not os.path.exists(os.path.join(tree.root, path)):
        raise Skip("there is no api/openapi.json")
    made = subprocess.run([program, "openapi"], capture_output=True, text=True)
    if made.returncode or made.stdout != tree.texts[path]:
        yield path, 1, "differs from `understudyd openapi`: write it anew"


def openapi_linters(tree):
    """redocly and spectral have nothing to say of it, not even a warning."""
    path = "api/openapi.json"
    if not os.path.exists(os.path.join(tree.root, path)):
        raise Skip("there is no api/openapi.json")
    done = _run(["tests/tools/lint-openapi", path], tree.root)
    if done.returncode == 3:
        raise Skip("npm cannot fetch the linters")
    if done.returncode:
        for line in done.stdout.strip().splitlines()[:60]:
            yield path, 1, line


def types(tree):
    """The portal's modules read of answers what the specification says that is in them."""
    yield from types_found(tree.root, os.path.join(tree.root, "static/portal"))


def types_found(root, portal):
    """What the compiler says of the modules in a folder."""
    done = _run(["tests/tools/check-types", portal, "api/openapi.json"], root)
    if done.returncode == 3:
        raise Skip("npm cannot fetch the compiler")
    for line in done.stdout.splitlines():
        m = re.match(r"^portal/(.+?)\((\d+),\d+\): error (.*)$", line)
        if m:
            yield "static/portal/" + m[1], int(m[2]), m[3]
    if done.returncode and not done.stdout.startswith("portal/"):
        yield "static/portal", 1, done.stdout.strip()[:300]


TOOLS = (format, shellcheck, windows, compilers, include_roots, tidy, openapi, openapi_linters, types)


TRAILING = re.compile(r"^(\t+)(\S.*[;,{(]|\S.*\S)\s*(/\*.*\*/)$")


def lift_comments(text):
    """Comments that make their line too long go above it; clang-format would break the code instead."""
    lines, off = [], False
    for line in text.split("\n"):
        m = TRAILING.match(line)
        off = "clang-format off" in line or off and "clang-format on" not in line
        if m and not off and len(line.expandtabs(8)) > 100:
            lines += [m[1] + m[3], m[1] + m[2]]
        else:
            lines.append(line)
    return "\n".join(lines)


def fix(tree):
    """Let clang-format write."""
    files = tree.ours(".c", ".h")
    for path in files:
        text = lift_comments(tree.texts[path])
        if text != tree.texts[path]:
            with open(os.path.join(tree.root, path), "w", encoding="utf-8") as f:
                f.write(text)
    if files:
        subprocess.run(["clang-format-14", "-i", *files], cwd=tree.root, check=True)


def have(program):
    return shutil.which(program) is not None
