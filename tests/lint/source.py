# SPDX-License-Identifier: Apache-2.0
"""Reading sources for the rules: the files of the tree, a tokenizer for C, and what can be learned from
tokens without a compiler (literals, prototypes, function definitions)."""
import os
import re
import subprocess
from collections import namedtuple

Token = namedtuple("Token", "kind text line end")  # kind: comment string char word number mark directive
Literal = namedtuple("Literal", "text line")
Function = namedtuple("Function", "name static line end text")

# Copied material keeps its own form: vendored modules, data of other projects.
FOREIGN = re.compile(r"(^|/)(vendor|node_modules)/|^LICENSE$|^tests/(hyperv|asr)/")
TOKEN = re.compile(
    r"(?P<comment>/\*.*?\*/|//(?:\\\n|[^\n])*)"
    r"|(?P<string>(?:u8|u|U|L)?\"(?:\\.|[^\"\\\n])*\")"
    r"|(?P<char>(?:u|U|L)?'(?:\\.|[^'\\\n])*')"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)"
    r"|(?P<mark>->|\S)", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\/\"]|\\\n|\\.|/(?![*/])|\"(?:\\.|[^\"\\\n])*\")*", re.M)


class Tree:
    """The files to check: path -> text. Of the work tree, or given (the self-test's)."""

    def __init__(self, root, texts=None):
        self.root = root
        self.texts = texts if texts is not None else dict(self._read())
        self._tokens = {}

    def _names(self):
        """What git knows or would add; without a repository, all that stands there but build trees."""
        done = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"],
                              cwd=self.root, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.splitlines()
        return [os.path.relpath(os.path.join(folder, f), self.root) for folder, _, files in os.walk(self.root)
                if not re.search(r"/(build[^/]*|node_modules|\.git|__pycache__)(/|$)", folder + "/") for f in files]

    def _read(self):
        names = self._names()
        for name in sorted(set(names)):
            path = os.path.join(self.root, name)
            if not os.path.isfile(path) or os.path.islink(path):
                continue
            try:
                with open(path, encoding="utf-8") as f:
                    yield name, f.read()
            except UnicodeDecodeError:
                continue  # pictures, corpora

    def ours(self, *suffixes):
        """Our files with one of these endings; all of ours without."""
        return [p for p in self.texts if not FOREIGN.search(p) and (not suffixes or p.endswith(suffixes))]

    def product(self, *suffixes):
        """The same without tests/."""
        return [p for p in self.ours(*suffixes) if not p.startswith("tests/")]

    def scripts(self):
        """Shell scripts, by ending or first line."""
        return [p for p in self.ours() if p.endswith(".sh") or
                re.match(r"#!\S*/(?:env )?(?:ba|da)?sh\b", self.texts[p])]

    def tokens(self, path):
        if path not in self._tokens:
            self._tokens[path] = tokenize(self.texts[path])
        return self._tokens[path]


def tokenize(text):
    """All tokens; a preprocessor line is one token "directive", comments in it are their own."""
    tokens, at, line = [], 0, 1
    directives = {m.start(): m for m in DIRECTIVE.finditer(text)}
    while at < len(text):
        kind, m = "directive", directives.get(at)
        if not m:
            m = TOKEN.match(text, at)
            kind = m.lastgroup if m else None
        if not m or m.end() == at:
            line += text[at] == "\n"
            at += 1
            continue
        end = line + m.group().count("\n")
        tokens.append(Token(kind, m.group(), line, end))
        at, line = m.end(), end
    return tokens


def string_macros(tokens):
    """NAME -> text of this file's #define NAME "…" lines."""
    found = {}
    for t in tokens:
        text = t.text.replace("\\\n", "\n")
        m = re.match(r"\s*#\s*define\s+(\w+)\s+(?=\")", text) if t.kind == "directive" else None
        if m:
            found[m[1]] = "".join(s.text for s in literals(tokenize(text[m.end():])))
    return found


def literals(tokens):
    """String literals, neighbours joined; a word between two strings (PRIu64, a macro of the file) joins them."""
    found, text, line = [], None, 0
    macros = string_macros(tokens)
    code = [t for t in tokens if t.kind not in ("comment", "directive")]
    for i, t in enumerate(code):
        if t.kind == "string":
            if text is None:
                text, line = "", t.line
            text += unquote(t.text)
            continue
        glue = text is not None and t.kind == "word" and \
            (re.match(r"PRI[a-zA-Z]+\d", t.text) or i + 1 < len(code) and code[i + 1].kind == "string")
        if glue:
            text += macros.get(t.text, f" {t.text} ")
        elif text is not None:
            found.append(Literal(text, line))
            text = None
    if text is not None:
        found.append(Literal(text, line))
    return found


def unquote(text):
    body = text[text.index('"') + 1:-1]
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m.group(1), m.group(1)), body, flags=re.S)


def outer(tokens):
    """Statements and definitions at file level: (tokens without bodies, has a body, last line)."""
    depth, part = 0, []
    for t in tokens:
        if t.kind in ("comment", "directive"):
            continue
        if t.text == "{":
            depth += 1
        elif t.text == "}":
            depth -= 1
            if depth == 0 and is_function(part):
                yield part, True, t.line
                part = []
        elif depth == 0 and t.text == ";":
            yield part, False, t.line
            part = []
        elif depth == 0:
            part.append(t)


def called_name(part):
    """The word before the first parenthesis at the outer level that is not an attribute, or None."""
    for a, b in zip(part, part[1:]):
        if b.text == "(" and a.kind == "word" and a.text not in ("__attribute__", "_Alignas", "__typeof__"):
            return a
    return None


def is_function(part):
    return called_name(part) is not None and not any(t.text in ("=", "typedef") for t in part)


def functions(tokens):
    """Definitions in a .c file."""
    for part, body, end in outer(tokens):
        name = called_name(part)
        if body and name:
            yield Function(name.text, any(t.text == "static" for t in part), part[0].line, end, part)


def prototypes(tokens):
    """Declarations of functions in a header."""
    for part, body, end in outer(tokens):
        if body or not part or part[0].text in ("typedef", "_Static_assert", "struct", "enum", "extern") and \
                not is_function(part):
            continue
        name = called_name(part)
        if name and part[0].text not in ("typedef", "_Static_assert") and "=" not in [t.text for t in part]:
            yield Function(name.text, any(t.text == "static" for t in part), part[0].line, end, part)


def outer_words(tokens):
    """Every word outside braces: what a header declares, by whatever type."""
    return {t.text for part, _, _ in outer(tokens) for t in part if t.kind == "word"}


def calls(tokens):
    """Words followed by "(" that are not members: (word, line)."""
    code = [t for t in tokens if t.kind not in ("comment", "directive")]
    for i, t in enumerate(code[:-1]):
        if t.kind == "word" and code[i + 1].text == "(" and (i == 0 or code[i - 1].text not in (".", "->")):
            yield t.text, t.line
