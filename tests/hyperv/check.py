# SPDX-License-Identifier: Apache-2.0
"""
TAP: what the driver can send, against the data. The scripts' list and the driver's calls are the same; tables of names
in C are the module's; and mistakes that are sown on purpose are all found.
"""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import binder  # pylint: disable=wrong-import-position
import names  # pylint: disable=wrong-import-position
import powershell  # pylint: disable=wrong-import-position

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
DRIVER = os.path.join(ROOT, "agent/drivers/hyperv")
RELEASES = ("2016", "2019", "2022", "2025")


def text(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


SOURCES = {os.path.basename(p): text(p) for p in glob.glob(f"{DRIVER}/*.c")}


def p(name, kind, value=None, **more):
    return {"name": name, "type": kind, **({} if value is None else {"value": value}), **more}


def call(cmdlet, *parameters):
    return {"cmdlet": cmdlet, "parameters": list(parameters), "wanted": {}}


VM = [{"_type": "VirtualMachine"}]
REF = p("VM", "ref", of=0)
NO = p("Confirm", "bool", False)
ENABLE = (REF, p("ReplicaServerName", "string", "b.example.test"), p("ReplicaServerPort", "int", 443),
          p("AuthenticationType", "string", "Certificate"))
SOUND = [
    call("Enable-VMReplication", *ENABLE, p("ReplicationFrequencySec", "int", 30), NO),
    call("Start-VMFailover", REF, p("AsTest", "bool", True), NO),
    call("Get-VM", p("Id", "guid", "6ba7b810-9dad-41d1-80b4-00c04fd430c8")),
]
MISTAKES = {
    "no such cmdlet": call("Import-VMInitialReplica", REF),
    "an alias of a cmdlet": call("Get-VMCheckpoint", REF),
    "no such parameter": call("Set-VMReplication", REF, p("AutoResynchronizedDisabled", "bool", True)),
    "an alias of a parameter": call("Set-VMReplication", REF, p("RepFreq", "int", 30)),
    "wrong case": call("Get-VM", p("id", "guid", "6ba7b810-9dad-41d1-80b4-00c04fd430c8")),
    "a frequency there is not": call("Enable-VMReplication", *ENABLE, p("ReplicationFrequencySec", "int", 60)),
    "a frequency below the range": call("Enable-VMReplication", *ENABLE, p("ReplicationFrequencySec", "int", 5)),
    "too much history": call("Enable-VMReplication", *ENABLE, p("RecoveryHistory", "int", 25)),
    "13 hours": call("Enable-VMReplication", *ENABLE, p("VSSSnapshotFrequencyHour", "int", 13)),
    "port 0": call("Enable-VMReplication", *ENABLE[:2], p("ReplicaServerPort", "int", 0), ENABLE[3]),
    "a method there is not": call("Enable-VMReplication", *ENABLE[:3], p("AuthenticationType", "string", "Negotiate")),
    "no server": call("Enable-VMReplication", ENABLE[0], ENABLE[2], ENABLE[3]),
    "prepare and test": call("Start-VMFailover", REF, p("Prepare", "bool", True), p("AsTest", "bool", True), NO),
    "it would ask": call("Start-VMFailover", REF),
    "completion asks": call("Complete-VMFailover", REF),
    "a number for a name": call("Enable-VMReplication", *ENABLE[:3], p("AuthenticationType", "int", 1)),
    "a name for a number": call("Enable-VMReplication", *ENABLE[:2], p("ReplicaServerPort", "string", "443"), ENABLE[3]),
    "a text for a guid": call("Get-VM", p("Id", "string", "6ba7b810-9dad-41d1-80b4-00c04fd430c8")),
    "a pattern": call("Get-VM", p("Name", "string", "*")),
    "another computer": call("Get-VM", p("ComputerName", "strings", ["b"])),
    "a job": call("Start-VM", REF, p("AsJob", "bool", True)),
    "name and id": call("Get-VM", p("Name", "string", "a"), p("Id", "guid", "6ba7b810-9dad-41d1-80b4-00c04fd430c8")),
    "the wrong object": call("Start-VMFailover", p("VMRecoverySnapshot", "ref", of=0), NO),
    "twice": call("Stop-VM", REF, REF),
    "both kinds of ports": call("Set-VMReplicationServer", p("CertificateAuthenticationPort", "int", 443),
                                p("CertificateAuthenticationPortMapping", "int", 1)),
    "a switch as a text": call("Stop-VM", REF, p("TurnOff", "string", "true")),
    "a test of both": call("Get-VMReplication", REF, p("PrimaryServerName", "string", "a")),
}


def sound_calls_are_taken():
    for one in SOUND:
        for release in RELEASES:
            binder.bind(one, [VM], release)


def sown_mistakes_are_found():
    missed = []
    for name, one in MISTAKES.items():
        try:
            binder.bind(one, [VM], "2016")
            missed.append(name)
        except binder.Refused as e:
            print(f"# {name}: {e}")
    assert not missed, f"not found: {missed}"
    assert len(MISTAKES) >= 20


def the_list_of_the_script_is_what_the_driver_calls():
    called = set()
    for source in SOURCES.values():
        called |= set(re.findall(r'"((?:[A-Z][a-z]+)-[A-Z][A-Za-z]+)"', source))
    assert called == powershell.ALLOWED, f"only one of both has {called ^ powershell.ALLOWED}"


def every_cmdlet_is_in_every_release():
    for cmdlet in powershell.ALLOWED:
        for release in RELEASES:
            binder.find(cmdlet, release)


def names_of(table, source):
    body = re.search(r"\} " + table + r"\[\] = \{\n(.*?)\n\};", SOURCES[source], re.S).group(1)
    return set(re.findall(r'\{ "(\w+)"', body))


def every_state_of_a_relation_has_a_word():
    spelled = {"FailOverWaitingCompletion", "SyncedReplicationComplete", "Critical"}
    have = names_of("states", "status.c") - spelled
    assert have == set(powershell.ENUMS["VMReplicationState"]), have ^ set(powershell.ENUMS["VMReplicationState"])


def the_names_of_the_selftest_are_the_datas():
    assert text(f"{DRIVER}/names.txt") == names.text(), "tests/hyperv/names.py > agent/drivers/hyperv/names.txt"


def every_state_of_a_vm_has_a_word():
    have = names_of("states", "power.c") | {"Other", "ComponentServicing"}  # unknown to us
    assert have == set(powershell.ENUMS["VMState"]), have ^ set(powershell.ENUMS["VMState"])


def scripts_run_nothing_they_read():
    for path in glob.glob(f"{DRIVER}/*.ps1"):
        for word in ("Invoke-Expression", "iex ", "[scriptblock]::Create", "Add-Type", "-EncodedCommand", "Start-Process"):
            assert word not in text(path), f"{path}: {word}"
        assert text(path).isascii(), path


CASES = [sound_calls_are_taken, sown_mistakes_are_found, the_list_of_the_script_is_what_the_driver_calls,
         every_cmdlet_is_in_every_release, every_state_of_a_relation_has_a_word, every_state_of_a_vm_has_a_word,
         the_names_of_the_selftest_are_the_datas, scripts_run_nothing_they_read]


def main():
    bad = False
    print(f"1..{len(CASES)}")
    for n, case in enumerate(CASES, 1):
        name = case.__name__.replace("_", " ")
        try:
            case()
            print(f"ok {n} - {name}")
        except (AssertionError, binder.Refused) as e:
            bad = True
            print(f"# {e}\nnot ok {n} - {name}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
