# SPDX-License-Identifier: Apache-2.0
"""Would Windows PowerShell take this call? Answers from the data alone; a sentence says what is wrong."""
import json
import os

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
NEVER = {"ComputerName", "CimSession", "Credential", "AsJob", "WhatIf", "Cluster", "AsCustomObject"}
NUMBERS = {"Int16", "Int32", "Int64", "UInt16", "UInt32", "UInt64"}


class Refused(Exception):
    """The call could not run on Windows."""


def load(name):
    with open(os.path.join(DATA, name), encoding="utf-8") as f:
        return json.load(f)


CMDLETS = {name: c for module in load("cmdlets.json")["modules"].values() for name, c in module.items()}


def find(cmdlet, release):
    c = CMDLETS.get(cmdlet)
    if not c:
        raise Refused(f"there is no cmdlet {cmdlet}")
    if c.get("aliasOf"):
        raise Refused(f"{cmdlet} is another name of {c['aliasOf']}")
    if c.get("src") == "module":
        raise Refused(f"{cmdlet} is not documented")
    if "5.1" not in c["ver"] and release not in c["ver"]:
        raise Refused(f"{cmdlet} is not in {release}")
    return c


def parameter(c, cmdlet, name, release):
    p = c["p"].get(name)
    if not p:
        for real, other in c["p"].items():
            if name in other.get("a", []):
                raise Refused(f"{cmdlet} -{name} is another name of -{real}")
        raise Refused(f"{cmdlet} has no parameter {name}")
    if name in NEVER:
        raise Refused(f"{cmdlet} -{name} is never sent")
    if p.get("src") == "module":
        raise Refused(f"{cmdlet} -{name} is not documented")
    if p.get("since", "0") > release or release in p.get("absent", []):
        raise Refused(f"{cmdlet} -{name} is not in {release}")
    return p


def plain(kind):
    return kind.rsplit(".", 1)[-1].removesuffix("[]")


def check_type(where, p, tag, value):
    kind, many = plain(p["t"]), p["t"].endswith("[]")
    fits = {
        "string": kind not in NUMBERS | {"Boolean", "SwitchParameter", "Guid", "DateTime"} and not kind.startswith("VM"),
        "int": kind in NUMBERS,
        "bool": kind in ("Boolean", "SwitchParameter"),
        "guid": kind == "Guid",
        "datetime": kind == "DateTime",
        "strings": kind in ("String", "StringCollection") and (many or kind == "StringCollection"),
        "each": many,
        "ref": True,
        "element": True,
        "table": kind in ("IDictionary", "Hashtable"),
    }
    # enumerations of the module begin with VM too; they have their values
    if tag == "string" and p.get("v"):
        fits["string"] = True
    if not fits.get(tag):
        raise Refused(f"{where} takes {p['t']}, not {tag} {value!r}")


def check_value(where, p, tag, value):
    if tag == "string" and p.get("v") and value not in p["v"] + p.get("v+", []):
        raise Refused(f"{where} does not take {value!r}")
    if tag == "string" and p.get("w") and any(c in value for c in "*?["):
        raise Refused(f"{where} takes {value!r} for a pattern")
    if tag == "int" and "r" in p and not p["r"][0] <= value <= p["r"][1]:
        raise Refused(f"{where} takes {p['r'][0]} to {p['r'][1]}, not {value}")
    if "allowed" in p and value not in p["allowed"]:
        raise Refused(f"{where} takes one of {p['allowed']}, not {value}")


def check_objects(where, p, objects):
    kind = plain(p["t"])
    kinds = {o["_type"] for o in objects}
    allowed = {kind, {"VMNetworkAdapterBase": "VMNetworkAdapter"}.get(kind, kind)}
    if kind in ("CimInstance", "PSObject"):
        return
    if not kinds <= allowed:
        raise Refused(f"{where} takes {kind}, not {sorted(kinds)}")
    if not p["t"].endswith("[]") and len(objects) > 1:
        raise Refused(f"{where} takes one object, not {len(objects)}")


def parameter_set(c, cmdlet, given):
    """The set that takes these parameters and misses none."""
    missing = []
    for name in c.get("sets") or ["*"]:
        def of(p, name=name):
            return p["s"].get(name) or p["s"].get("*")
        if not all(of(c["p"][g]) for g in given):
            continue
        lacks = [n for n, p in c["p"].items() if (of(p) or "o").startswith("R") and n not in given]
        if not lacks:
            return name
        missing.append(f"{name} wants {', '.join(lacks)}")
    if missing:
        raise Refused(f"{cmdlet} misses parameters: {'; '.join(missing)}")
    raise Refused(f"{cmdlet}: no parameter set takes {', '.join(sorted(given))} together")


def bind(call, done, release="2016"):
    """Check one call of the protocol; done: the objects of the calls before. The parameter set's name."""
    cmdlet = call["cmdlet"]
    c = find(cmdlet, release)
    given = {}
    for one in call["parameters"]:
        tag = one["type"]
        if tag == "optional":
            continue
        if one["name"] in given:
            raise Refused(f"{cmdlet} -{one['name']} is given twice")
        p = parameter(c, cmdlet, one["name"], release)
        where = f"{cmdlet} -{one['name']}"
        check_type(where, p, tag, one.get("value"))
        check_value(where, p, tag, one.get("value"))
        if tag in ("ref", "element"):
            check_objects(where, p, done[one["of"]] if tag == "ref" else done[one["of"]][:1])
        given[one["name"]] = one.get("value")
    if c.get("sp") == "High" and given.get("Confirm") is not False:
        raise Refused(f"{cmdlet} asks a person, and nobody is there")
    return parameter_set(c, cmdlet, given)
