# SPDX-License-Identifier: Apache-2.0
"""Proof that each rule catches what it is for: seeded violations with the line where they must be found, and
innocent text beside them that must pass."""
import json
import os
import subprocess
import tempfile

import rules
import tools
from source import Tree

HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n/* A seeded file. */\n"
LEAD = HEAD.count("\n")
DESK = "assis" + "tant"


def at(line):
    """A line of a seed, counted after its head."""
    return LEAD + line


# rule, path, text, line where it must be found (0: the text is innocent)
SEEDS = (
    (rules.spdx, "base/a.c", "int x;\n", 1),
    (rules.spdx, "deploy/a", "#!/bin/sh\necho\n", 1),
    (rules.spdx, "deploy/a", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n", 0),
    (rules.spdx, "static/vendor/a.js", "let x;\n", 0),
    (rules.subject, "base/a.c", "/* SPDX-License-Identifier: Apache-2.0 */\nint x;\n", 2),
    (rules.subject, "base/a.c", HEAD, 0),
    (rules.comments, "base/a.h", HEAD + "\nint ud_a(void);\n", at(2)),
    (rules.comments, "base/a.h", HEAD + "/* Both. */\nint ud_a(void);\nint ud_b(int x,\n\tint y);\n\nint ud_c(void);\n", at(6)),
    (rules.comments, "base/a.h", HEAD + "/* One. */\nint ud_a(void);\n\nstruct s {\n\tint (*f)(int);\n};\n", 0),
    (rules.static, "db/a.c", HEAD + "int helper(int x)\n{\n\treturn x;\n}\n", at(1)),
    (rules.static, "db/a.c", HEAD + "static int helper(int x)\n{\n\treturn x;\n}\n", 0),
    (rules.static, "db/a.c", HEAD + "int ud_lonely(void)\n{\n\treturn 1;\n}\n", at(1)),
    (rules.use, "db/a.h", HEAD + "/* Gets. */\nenum ud_code ud_a_get(int x);\n", at(2)),
    (rules.use, "db/a.h", HEAD + "/* Gets. */\nenum ud_code ud_a_get(int x) UD_USE;\n", 0),
    (rules.malloc, "db/a.c", HEAD + "static void f(void)\n{\n\tg(malloc(3));\n}\n", at(3)),
    (rules.malloc, "db/a.c", HEAD + "static char *f(void)\n{\n\treturn strdup(\"x\");\n}\n", at(3)),
    (rules.malloc, "db/a.c", HEAD + "/* malloc(3) */\nstatic const char s[] = \"free(x)\";\n", 0),
    (rules.malloc, "base/a.c", HEAD + "static void f(void *p)\n{\n\tfree(p);\n}\n", 0),
    (rules.clock, "db/a.c", HEAD + "static long f(void)\n{\n\treturn time(NULL);\n}\n", at(3)),
    (rules.clock, "tests/unit/a_test.c", HEAD + "static void f(void)\n{\n\tusleep(10);\n}\n", at(3)),
    (rules.clock, "db/a.c", HEAD + "static long f(struct e *e)\n{\n\treturn e->time(1);\n}\n", 0),
    (rules.random, "api/a.c", HEAD + "static int f(void)\n{\n\treturn rand();\n}\n", at(3)),
    (rules.random, "api/a.c", HEAD + "static void f(struct e *e)\n{\n\te->random(e);\n}\n", 0),
    (rules.shell, "agent/a.c", HEAD + "static int f(const char *s)\n{\n\treturn system(s);\n}\n", at(3)),
    (rules.sql_place, "api/a.c", HEAD + "static const char *q = \"SEL\"\n\t\"ECT id FROM site\";\n", at(1)),
    (rules.sql_place, "api/a.c", HEAD + "static const char *m[] = { \"DELETE\", \"Select one\", \"UPDATE\" };\n", 0),
    (rules.sql_place, "db/a.c", HEAD + "static const char *q = \"SELECT id FROM site\";\n", 0),
    (rules.sql_params, "db/a.c", HEAD + "static const char *q = \"SELECT id FROM t WHERE n=%s\";\n", at(1)),
    (rules.sql_params, "db/a.c", HEAD + "static const char *q = \"DELETE FROM t WHERE n=%\" PRId64;\n", at(1)),
    (rules.sql_params, "db/a.c", HEAD + "static const char *q = \"SELECT id FROM t WHERE n LIKE '%foo%'\";\n", 0),
    (rules.sql_params, "db/a.c", HEAD + "/* sql parts: the table's name */\nstatic const char *q = \"SELECT id FROM %s\";\n", 0),
    (rules.tenant, "db/a.c", HEAD + "static int f(void)\n{\n\treturn q(\"SELECT id \"\n\t\t\"FROM host WHERE id=$1\");\n}\n", at(3)),
    (rules.tenant, "db/a.c", HEAD + "static int f(void)\n{\n\treturn q(\"UPDATE host SET a=$1\");\n}\n", at(3)),
    (rules.tenant, "db/a.c", HEAD + "static int f(void)\n{\n\treturn q(\"SELECT id FROM host \"\n\t\t\"WHERE customer_id=$1\");\n}\n", 0),
    (rules.tenant, "db/a.c", HEAD + "static int f(void)\n{\n\t/* every tenant: the timer serves all */\n\treturn q(\"SELECT id FROM host\");\n}\n", 0),
    (rules.tenant, "db/a.c", HEAD + "/* every tenant: the timer serves all */\nstatic int f(void)\n{\n\treturn q(\"SELECT id FROM host\");\n}\n", 0),
    (rules.tenant, "db/a.c", HEAD + "static int f(void)\n{\n\t/* every tenant: */\n\treturn q(\"SELECT id FROM host\");\n}\n", at(4)),
    (rules.tenant, "db/a.c", HEAD + "/* every tenant: this one */\nstatic int f(void)\n{\n\treturn 1;\n}\n\nstatic int g(void)\n{\n\treturn q(\"SELECT id FROM host\");\n}\n", at(9)),
    (rules.tenant, "db/a.c", HEAD + "#define COLUMNS \"id, \" \\\n\t\"customer_id\"\nstatic const char *q = \"INSERT INTO host(\" COLUMNS \")\";\n", 0),
    (rules.tenant, "db/a.c", HEAD + "#define COLUMNS \"id\"\nstatic const char *q = \"INSERT INTO host(\" COLUMNS \")\";\n", at(2)),
    (rules.tenant, "db/a.c", HEAD + "static int f(void)\n{\n\treturn q(\"SELECT customer_id FROM host WHERE id=$1\");\n}\n", at(3)),
    (rules.tenant, "db/a.c", HEAD + "static void f(void)\n{\n\tadd(\"SELECT id FROM host\");\n\twhere_visible(s);\n}\n", 0),
    (rules.tenant, "db/a.c", HEAD + "static void f(void)\n{\n\twhere_visible(s);\n\tadd(\"SELECT id FROM host\");\n}\n", at(4)),
    (rules.tenant, "db/a.c", HEAD + "static void g(void)\n{\n\twhere_visible(s);\n}\n\nstatic void f(void)\n{\n\tadd(\"SELECT id FROM host\");\n\tg();\n}\n", 0),
    (rules.tenant, "db/engine/a.c", HEAD + "static const char *q = \"SELECT id FROM host\";\n", 0),
    (rules.select_star, "db/a.c", HEAD + "static const char *q = \"SELECT * FROM host\";\n", at(1)),
    (rules.todo, "db/a.c", HEAD + "/* TODO: later */\n", at(1)),
    (rules.todo, "db/a.c", HEAD + "/* TODO #12: later */\n", 0),
    (rules.arrows, "base/a.c", HEAD + "#include \"db/engine/engine.h\"\n", at(1)),
    (rules.arrows, "db/engine/a.c", HEAD + "#include \"db/site.h\"\n", at(1)),
    (rules.arrows, "server/a.c", HEAD + "#include \"api/index.h\"\n", at(1)),
    (rules.arrows, "db/a.c", HEAD + "#include \"../base/ud.h\"\n", at(1)),
    (rules.arrows, "server/main.c", HEAD + "#include \"api/index.h\"\n", 0),
    (rules.slashes, "base/a.c", HEAD + "int x; // no\n", at(1)),
    (rules.slashes, "base/a.c", HEAD + "static const char *u = \"http://x\"; /* // */\n", 0),
    (rules.json_t, "api/a.c", HEAD + "static int f(json_t *x);\n", at(1)),
    (rules.json_t, "base/a.c", HEAD + "static int f(json_t *x);\n", 0),
    (rules.libvirt, "agent/run.c", HEAD + "#include <libvirt/libvirt.h>\n", at(1)),
    (rules.libvirt, "agent/drivers/libvirt/a.c", HEAD + "#include <libvirt/libvirt.h>\n", 0),
    (rules.words, "docs/a.md", f"One\nAn {DESK} wrote this\n", 2),
    (rules.words, "docs/a.md", "See network/work and framework/works\n", 0),
    (rules.json_valid, "api/a.json", "{\n\"a\": 1,\n}\n", 3),
    (rules.json_valid, "x/package-lock.json", "{\n\"resolved\": \"https://registry\"\n}\n", 2),
    (rules.json_valid, "api/a.json", "{ \"a\": 1 }\n", 0),
    (rules.blanks, "base/a.c", HEAD + "int x; \n", at(1)),
    (rules.blanks, "base/a.c", HEAD + "int x;", at(1)),
    (rules.voids, "static/portal/a.js", "x;\nhtml`<input value=${(a) => ({ b: a > 1 })}>`;\n", 2),
    (rules.voids, "static/portal/a.js", "html`<input value=${(a) => ({ b: a > 1 })}/><br/>`;\n", 0),
    (rules.vendored, "static/vendor/MANIFEST.json", '[{"file": "a.js", "sha256": "00"}]\n', 1),
    (rules.vendored, "static/vendor/MANIFEST.json", "[]\n", 0),
    (tools.format, "a.c", HEAD + "int f( int x ){return x;}\n", at(1)),
    (tools.format, "a.c", HEAD + "int f(int x)\n{\n\treturn x;\n}\n", 0),
    (tools.windows, "base/a.c", HEAD + "#include <sys/wait.h>\n", at(1)),
    (tools.windows, "agent/a.c", HEAD + "int f(void);\nint f(void)\n{\n\treturn fork();\n}\n", at(4)),
    (tools.windows, "tests/support/scripted_slots.c", HEAD + "#include <poll.h>\n", at(1)),
    (tools.windows, "base/a_posix.c", HEAD + "#include <sys/wait.h>\n", 0),
    (tools.windows, "agent/drivers/libvirt/a.c", HEAD + "#include <sys/wait.h>\n", 0),
    (tools.windows, "base/a.c", HEAD + "#include <jansson.h>\n#include <openssl/x509.h>\n#include <curl/curl.h>\n", 0),
    (tools.shellcheck, "a.sh", "#!/bin/sh\nrm $1/*\n", 2),
)


def on_disk(rule, path, text):
    """Tools read files: give them a folder."""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as f:
            f.write(text)
        config = os.path.join(os.path.dirname(__file__), "..", "..", ".clang-format")
        os.symlink(os.path.abspath(config), os.path.join(root, ".clang-format"))
        return list(rule(Tree(root, {path: text})))


def seed_test(rule):
    """What is wrong with the rule, or None."""
    seeds = [s for s in SEEDS if s[0] is rule]
    if not any(s[3] for s in seeds):
        return f"{rule.__name__} has no seeded violation"
    for _, path, text, line in seeds:
        found = on_disk(rule, path, text) if rule in tools.TOOLS else list(rule(Tree(".", {path: text})))
        lines = [f[1] for f in found]
        if line == 0 and found:
            return f"{rule.__name__} refuses innocent text: {found[0]} in {text!r}"
        if line and line not in lines:
            return f"{rule.__name__} misses line {line} of {text!r}, found {lines}"
    return None


def tidy_test():
    """The analyser sees a use of what was never set."""
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    text = HEAD + "int f(const int *p);\nint f(const int *p)\n{\n\treturn p ? 1 : *p;\n}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
        f.write(text)
        f.flush()
        found = tools.tidy_file(root, f.name, [])
    return None if any("NullDereference" in t for _, _, t in found) else f"tidy misses a null dereference: {found}"


def clang_test():
    """clang has a warning that gcc does not have; what it refuses to read is told, too."""
    with tempfile.TemporaryDirectory() as root:
        source = os.path.join(root, "x.c")
        with open(source, "w", encoding="utf-8") as f:
            f.write(HEAD + "void f(int x);\nvoid f(int x)\n{\n\tx = x;\n}\n")
        entry = {"command": f"gcc -Wall -O2 -o x.o -c {source}", "file": source, "directory": root}
        found = tools.clang_says(root, entry)
        unread = tools.clang_says(root, {**entry, "command": f"gcc --no-such-flag -o x.o -c {source}"})
    if not any("self-assign" in t for _, _, t in found):
        return f"compilers miss a warning of clang's: {found}"
    return None if unread else "compilers do not say that clang refuses what it was given"


def compile_test():
    """A seeded include against an include root is refused, one along it is not."""
    with tempfile.TemporaryDirectory() as root:
        for folder, name in (("low/base/", "ud.h"), ("high/db/", "x.h")):
            os.makedirs(os.path.join(root, folder))
            open(os.path.join(root, folder, name), "w", encoding="utf-8").close()
        entry = {"command": f"gcc -I{root}/low -o x.o -c x.c", "file": "x.c", "directory": root}
        if not tools.include_refused(entry, "db/x.h", root):
            return "include_roots misses an include against the arrow"
        if tools.include_refused(entry, "base/ud.h", root):
            return "include_roots refuses an include along the arrow"
    return None


def linters_test():
    """The linters of specifications refuse an operation without a summary, and accept a whole one."""
    whole = {
        "openapi": "3.1.0", "tags": [{"name": "site", "description": "Sites."}], "security": [{"token": []}],
        "info": {"title": "T", "version": "1", "description": "T.",
                 "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {"/v1/sites": {"get": {
            "operationId": "sites", "tags": ["site"], "summary": "Sites", "description": "All.",
            "responses": {"200": {"description": "Sites."}, "404": {"description": "None."}}}}},
    }
    with tempfile.TemporaryDirectory() as root:
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools", "lint-openapi")
        codes = []
        for name in ("whole", "broken"):
            with open(os.path.join(root, name + ".json"), "w", encoding="utf-8") as f:
                json.dump(whole, f)
            done = subprocess.run([program, f.name], capture_output=True, text=True)
            codes.append(done.returncode)
            whole["paths"]["/v1/sites"]["get"].pop("summary", None)
    if 3 in codes:
        raise tools.Skip("npm cannot fetch the linters")
    return None if codes == [0, 1] else f"lint-openapi exits with {codes}, not 0 and 1: {done.stdout}"


def types_test():
    """A member that no answer has is found, and a route that there is not; what is right passes."""
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    text = "import { get } from './core/api.js';\n" \
           "export const right = async (id) => (await get(`/v1/vms/${id}`)).power;\n" \
           "export const wrong = async (id) => (await get(`/v1/vms/${id}`)).pwoer;\n" \
           "export const nowhere = async () => (await get('/v1/wms?limit=1')).data;\n"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cp", "-r", os.path.join(root, "static/portal"), folder], check=True)
        with open(os.path.join(folder, "portal", "seeded.js"), "w", encoding="utf-8") as f:
            f.write(text)
        found = list(tools.types_found(root, os.path.join(folder, "portal")))
    lines = sorted(line for path, line, _ in found if path.endswith("seeded.js"))
    return None if lines == [3, 4] else f"types finds lines {lines} instead of 3 and 4"


def sentence_test():
    """The runner's exit code and lines tell of a violation."""
    with tempfile.TemporaryDirectory() as root:
        lint = os.path.join(root, "tests", "lint")
        os.makedirs(os.path.dirname(lint))
        os.makedirs(os.path.join(root, "db"))
        subprocess.run(["cp", "-r", os.path.dirname(os.path.abspath(__file__)), lint], check=True)
        subprocess.run(["git", "init", "-q", root], check=True)
        with open(os.path.join(root, "db", "a.c"), "w", encoding="utf-8") as f:
            f.write(HEAD + "int x; // no\n")
        done = subprocess.run([os.path.join(lint, "run"), "slashes", "words"], capture_output=True, text=True)
    want = f"1..2\nlint: slashes: db/a.c:{at(1)}: // comment\nnot ok 1 - slashes\nok 2 - words\n"
    return None if done.returncode == 1 and done.stdout == want else f"the runner prints {done.stdout!r}"


# What a suite's program printed, and PASSED FAILED SKIPPED of it.
COUNTS = (
    ("1..3\nok 1 - a\nok 2 - b\nnot ok 3 # SKIP c\n", "2 0 1"),
    ("1..2\nok 1 - a\n# 1: error\nnot ok 2 - b\n# not ok - group\n", "1 1 0"),
    ("1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 # skip c\n", "2 0 1"),
    ("1..3\nok 1 - a\n", "1 1 0"),
    ("no plan at all\n", "1 0 0"),
)


def counting_test():
    """tests/run counts cases, and a program that ended early as a failure."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "count.py")
    for text, want in COUNTS:
        done = subprocess.run(["bash", "-c", 'python3 "$0" --tap x 3>&1 >/dev/null', program], input=text,
                              capture_output=True, text=True)
        if done.stdout.strip() != want:
            return f"count.py says {done.stdout!r} of {text!r}, not {want!r}"
    return None


def tests():
    """(name, function that returns what is wrong or None)."""
    seeded = [r for r in rules.RULES + tools.TOOLS
              if r not in (tools.compilers, tools.include_roots, tools.tidy, tools.openapi, tools.openapi_linters,
                       tools.types)]
    return [(r.__name__, lambda r=r: seed_test(r)) for r in seeded] + \
        [("tidy", tidy_test), ("compilers", clang_test), ("include_roots", compile_test), ("openapi_linters", linters_test), ("types", types_test), ("runner", sentence_test),
         ("counting", counting_test)]
