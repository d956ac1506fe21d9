# SPDX-License-Identifier: Apache-2.0
"""TAP: the test guest from its packages to its end. See guest_test.sh."""
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

from guest_vm import Guest, numbers

SOURCE = os.environ.get("UD_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = f"{SOURCE}/deploy/guest"
KILLS = 25 if os.environ.get("UD_TEST_LONG") else 3
BLOCK = 4096
SLOTS = 256  # few, so that the ring is gone around within the story


class Story:
    def __init__(self, folder):
        self.folder = folder
        self.files = f"{folder}/files"
        self.disks = [f"{folder}/x-vda.qcow2", f"{folder}/x-vdb.qcow2"]
        self.guest = None
        self.accel = "tcg"

    def boot(self, running=True):
        """Start the guest, wait for the writer's verdict and for the agent; the verdict's numbers."""
        self.guest = Guest(self.files, self.disks, self.accel, f"ud.slots={SLOTS}")
        verdict = numbers(self.guest.wait_console("verify: "))
        if running:
            line = self.guest.wait_console(("writer: running", "guest: writer ended"))
            assert line.startswith("writer: running"), (verdict, line)
        self.guest.wait_agent()
        return verdict

    def end(self):
        if self.guest and self.guest.process.poll() is None:
            self.guest.kill()


def run(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def expect(what, have, want):
    if have != want:
        raise AssertionError(f"{what}: {have!r}, not {want!r}")


def expect_whole(verdict):
    expect("bad and gaps", (verdict["bad"], verdict["gaps"]), (0, 0))
    if verdict["a"] - verdict["b"] not in (0, 1):
        raise AssertionError(f"the first ring leads by {verdict['a'] - verdict['b']}")


def it_is_built_from_packages(s):
    run(f"{TOOLS}/build", s.files)
    for name in ("vmlinuz", "initrd.img", "cmdline"):
        assert os.path.getsize(f"{s.files}/{name}") > 0, name
    print(f"# kernel {os.path.getsize(s.files + '/vmlinuz') >> 10} KiB, "
          f"initrd {os.path.getsize(s.files + '/initrd.img') >> 10} KiB")


def building_again_changes_nothing(s):
    before = {n: os.stat(f"{s.files}/{n}").st_mtime_ns for n in os.listdir(s.files)}
    began = time.monotonic()
    run(f"{TOOLS}/build", s.files)
    print(f"# again: {time.monotonic() - began:.2f} s")
    expect("times of the files", {n: os.stat(f"{s.files}/{n}").st_mtime_ns for n in os.listdir(s.files)}, before)


def disks_are_made_once(s):
    run(f"{TOOLS}/disks", s.folder, "x", "64", "32")
    before = [os.stat(d).st_mtime_ns for d in s.disks]
    run(f"{TOOLS}/disks", s.folder, "x", "64", "32")
    expect("times of the disks", [os.stat(d).st_mtime_ns for d in s.disks], before)


def new_disks_are_clean(s):
    s.accel = run(f"{TOOLS}/accel", f"{s.files}/vmlinuz").strip()
    verdict = s.boot()
    expect("the verdict", verdict, dict(slots=SLOTS, a=0, b=0, lead=0, bad=0, gaps=0))
    print(f"# {s.accel}, 128 MiB: writer and agent after {time.monotonic() - s.guest.started:.1f} s")


def the_agent_sees_what_the_writer_writes(s):
    first = s.guest.verify()
    second = s.guest.verify()
    for status, verdict, _ in (first, second):
        expect("exit status", status, 0)
        expect_whole(verdict)
    assert second[1]["b"] > first[1]["a"] - 2 and second[1]["a"] > first[1]["a"], (first, second)


def it_freezes_and_thaws(s):
    began = time.monotonic()
    expect("file systems frozen", s.guest.agent.ask("guest-fsfreeze-freeze"), 1)
    expect("status", s.guest.agent.ask("guest-fsfreeze-status"), "frozen")
    expect("file systems thawed", s.guest.agent.ask("guest-fsfreeze-thaw"), 1)
    print(f"# freeze and thaw: {(time.monotonic() - began) * 1000:.0f} ms")
    before = s.guest.verify()[1]["b"]
    after = s.guest.verify()[1]["a"]
    assert after > before, "the writer does not go on"


def tests_write_beside_the_rings(s):
    expect("dirty", s.guest.run("/bin/guest", "dirty", "/data/file", "2", "7", "1")[0], 0)
    expect("same", s.guest.run("/bin/guest", "same", "/data/file", "2", "7", "1"), (0, "same: 0 of 512 blocks differ"))
    expect("other seed", s.guest.run("/bin/guest", "same", "/data/file", "2", "8", "1")[0], 1)
    expect("rand4k", s.guest.run("/bin/guest", "rand4k", "/dev/vdb", "500", str(1 << 40), "3")[0], 0)
    for words in (("dirty", "/data/ring", "1", "1", "0"), ("dirty", "/dev/vdb", "1", "1", "0"),
                  ("dirty", "/dev/vda", "1", "1", "0"), ("rand4k", "/data/ring", "1", "4096", "1")):
        expect(f"{words} exit status", s.guest.run("/bin/guest", *words)[0], 2)
    status, verdict, line = s.guest.verify()
    expect("exit status", (status, line), (0, line))
    expect_whole(verdict)


def go_round(s):
    """Until the ring was filled and begun again."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        verdict = s.guest.verify()[1]
        if verdict["b"] > SLOTS + 8:
            return verdict
    raise AssertionError(f"the writer is too slow: {verdict}")


def a_pulled_plug_loses_nothing(s):
    leads, rate = [], []
    for _ in range(KILLS):
        before = go_round(s)
        s.guest.kill()
        verdict = s.boot()
        expect_whole(verdict)
        assert verdict["b"] >= before["b"], f"lost: {before} then {verdict}"
        leads.append(verdict["lead"])
        rate.append(verdict["a"])
    print(f"# {KILLS} kills, the first ring led by {leads}, last records {rate}")


def the_power_button_ends_it_cleanly(s):
    monitor = s.guest.monitor()
    before = s.guest.verify()[1]
    began = time.monotonic()
    monitor.ask("system_powerdown")
    assert monitor.event("SHUTDOWN"), "no event of a shutdown"
    expect("QEMU's exit status", s.guest.wait_end(), 0)
    print(f"# power button to end: {time.monotonic() - began:.1f} s")
    ended = [line for line in s.guest.console if line.startswith("writer: ended after ")]
    assert len(ended) == 1 and "guest: down" in s.guest.console, s.guest.console[-10:]
    verdict = s.boot()
    expect_whole(verdict)
    expect("the last record", (verdict["a"], verdict["b"]), (int(ended[0].split()[-1]),) * 2)
    assert verdict["b"] >= before["b"]


def the_agent_shuts_it_down_too(s):
    s.guest.agent.socket.sendall(b'{"execute":"guest-shutdown","arguments":{"mode":"powerdown"}}\n')
    expect("QEMU's exit status", s.guest.wait_end(), 0)
    assert "guest: down" in s.guest.console, s.guest.console[-10:]


def its_file_system_is_clean(s):
    raw = f"{s.folder}/vda.raw"
    run("qemu-img", "convert", "-O", "raw", s.disks[0], raw)
    run("/sbin/e2fsck", "-f", "-n", raw)
    os.unlink(raw)


def flip(disk, at):
    """Change one byte of what the guest sees on the disk."""
    said = run("qemu-io", "-f", "qcow2", "-c", f"read -v {at} 1", disk)
    byte = int(re.search(r"^[0-9a-f]{8}:\s+([0-9a-f]{2})", said, re.M).group(1), 16)
    run("qemu-io", "-f", "qcow2", "-c", f"write -P {byte ^ 1} {at} 1", disk)


def one_flipped_bit_is_found(s):
    for place in (5 * BLOCK + 2048, 9 * BLOCK + 8, 200 * BLOCK + 4095):
        flip(s.disks[1], place)
        verdict = s.boot(running=False)
        expect("bad", verdict["bad"], 1)
        s.guest.wait_console("guest: writer ended (1)")
        status, verdict, line = s.guest.verify()
        expect("the agent's verdict", (status, verdict["bad"], line.split()[-1]), (1, 1, "BROKEN"))
        s.guest.kill()
        flip(s.disks[1], place)


def a_lost_or_old_record_is_found(s):
    verdict = s.boot()
    s.guest.kill()
    old = f"{s.folder}/old.qcow2"
    slot = (verdict["b"] - 20) % SLOTS
    shutil.copy(s.disks[1], old)
    run("qemu-io", "-f", "qcow2", "-c", f"write -P 0 {slot * BLOCK} {BLOCK}", s.disks[1])
    verdict = s.boot(running=False)
    expect("bad, gaps", (verdict["bad"], verdict["gaps"]), (0, 1))
    s.guest.kill()
    assert not filecmp.cmp(old, s.disks[1], shallow=False)
    os.replace(old, s.disks[1])


def two_disks_of_different_moments_are_found(s):
    old = f"{s.folder}/old.qcow2"
    shutil.copy(s.disks[1], old)
    s.boot()
    before = s.guest.verify()[1]["b"]
    while s.guest.verify()[1]["b"] < before + 3:
        pass
    s.guest.kill()
    newer = f"{s.folder}/newer.qcow2"
    os.replace(s.disks[1], newer)
    os.replace(old, s.disks[1])
    verdict = s.boot(running=False)
    expect("bad, gaps", (verdict["bad"], verdict["gaps"]), (0, 0))
    assert verdict["lead"] > 1, verdict
    s.guest.wait_console("guest: writer ended (1)")
    s.guest.kill()
    os.replace(newer, s.disks[1])
    expect_whole(s.boot())


CASES = (it_is_built_from_packages, building_again_changes_nothing, disks_are_made_once, new_disks_are_clean,
         the_agent_sees_what_the_writer_writes, it_freezes_and_thaws, tests_write_beside_the_rings,
         a_pulled_plug_loses_nothing, the_power_button_ends_it_cleanly, the_agent_shuts_it_down_too,
         its_file_system_is_clean, one_flipped_bit_is_found, a_lost_or_old_record_is_found,
         two_disks_of_different_moments_are_found)


def main():
    print(f"1..{len(CASES)}")
    with tempfile.TemporaryDirectory(prefix="ud-guest.", dir="/tmp") as folder:
        s = Story(folder)
        failed = False
        for number, case in enumerate(CASES, 1):
            name = case.__name__.replace("_", " ")
            if failed:
                print(f"not ok {number} - {name} (a case before it failed)")
                continue
            try:
                case(s)
                print(f"ok {number} - {name}", flush=True)
            except Exception as e:  # pylint: disable=broad-except
                failed = True
                print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="")
                if isinstance(e, subprocess.CalledProcessError):
                    print(f"# {e.output}")
                print(f"not ok {number} - {name}", flush=True)
        s.end()
    return 1 if failed else 0


sys.exit(main())
