# SPDX-License-Identifier: Apache-2.0
"""A test guest (deploy/guest) under plain QEMU, and words with it: console, guest agent, QMP. Every wait is for an
event and has a deadline; nothing sleeps."""
import base64
import json
import os
import select
import socket
import subprocess
import time

DEADLINE = 90  # seconds for one event; a boot under TCG takes about four on an idle machine


class Late(Exception):
    """The event did not come in time."""


class Lines:
    """What a descriptor says, line by line."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.rest = b""

    def next(self, until):
        """The next line without its end; None at the end of all."""
        while b"\n" not in self.rest:
            if not select.select([self.descriptor], [], [], max(0, until - time.monotonic()))[0]:
                raise Late(f"nothing more after {self.rest!r}")
            got = os.read(self.descriptor, 65536)
            if not got:
                return None
            self.rest += got
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")


class Channel:
    """JSON lines over a unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = Lines(self.socket.fileno())

    def ask(self, command, seconds=DEADLINE, **arguments):
        """Send a command; its answer, whatever events come in between."""
        message = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        self.socket.sendall(json.dumps(message).encode() + b"\n")
        return self.answer(time.monotonic() + seconds)

    def answer(self, until):
        while True:
            message = json.loads(self.lines.next(until).lstrip("\xff\ufffd") or "{}")
            if "error" in message:
                raise RuntimeError(message["error"]["desc"])
            if "return" in message:
                return message["return"]

    def event(self, name, seconds=DEADLINE):
        until = time.monotonic() + seconds
        while True:
            line = self.lines.next(until)
            if line is None or json.loads(line).get("event") == name:
                return line is not None


class Guest:
    """One running guest. files: folder with vmlinuz, initrd.img, cmdline; disks: vda, vdb."""

    def __init__(self, files, disks, accel="tcg", words="", memory=128):
        self.console = []
        self.folder = os.path.dirname(disks[0])
        with open(f"{files}/cmdline", encoding="utf-8") as f:
            cmdline = f"{f.read().strip()} ud.disks={len(disks)} {words}"
        command = ["qemu-system-x86_64", "-accel", accel, "-cpu", "max" if accel == "tcg" else "host",
                   "-m", str(memory), "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
                   "-kernel", f"{files}/vmlinuz", "-initrd", f"{files}/initrd.img", "-append", cmdline,
                   "-device", "virtio-serial", "-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0",
                   "-chardev", f"socket,id=qga,path={self.folder}/qga,server=on,wait=off",
                   "-chardev", f"socket,id=qmp,path={self.folder}/qmp,server=on,wait=off", "-mon", "qmp,mode=control"]
        for disk in disks:
            command += ["-drive", f"file={disk},if=virtio,format=qcow2,cache=writeback"]
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.lines = Lines(self.process.stdout.fileno())
        self.agent = None

    def wait_console(self, start, seconds=DEADLINE):
        """The first line from here on that begins so (or with one of several)."""
        until = time.monotonic() + seconds
        while True:
            line = self.lines.next(until)
            if line is None:
                raise Late(f"the guest ended; it did not say {start!r}; console: {self.console[-20:]}")
            self.console.append(line)
            if line.startswith(start):
                return line

    def wait_agent(self):
        """Until the guest agent answers; what was said to it before it listened is kept for it."""
        self.agent = Channel(f"{self.folder}/qga")
        number = os.getpid()
        assert self.agent.ask("guest-sync", id=number) == number
        return time.monotonic() - self.started

    def monitor(self):
        channel = Channel(f"{self.folder}/qmp")
        channel.lines.next(time.monotonic() + DEADLINE)  # the greeting
        channel.ask("qmp_capabilities")
        return channel

    def run(self, *words):
        """Run a program in the guest: (exit status, output). The agent has no event for a program's end; it is asked
        again as soon as it has answered."""
        pid = self.agent.ask("guest-exec", path=words[0], arg=list(words[1:]), **{"capture-output": True})["pid"]
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            status = self.agent.ask("guest-exec-status", pid=pid)
            if status["exited"]:
                text = base64.b64decode(status.get("out-data", "")) + base64.b64decode(status.get("err-data", ""))
                return status.get("exitcode", -status.get("signal", 0)), text.decode("utf-8", "replace").strip()
        raise Late(f"{words} does not end")

    def verify(self):
        """The writer's word on both rings: (exit status, {name: number}, line)."""
        status, line = self.run("/bin/guest", "verify")
        return status, numbers(line), line

    def kill(self):
        """Pull the plug."""
        self.process.kill()
        self.wait_end()

    def wait_end(self, seconds=DEADLINE):
        """The rest of the console, and QEMU's exit status."""
        until = time.monotonic() + seconds
        while True:
            line = self.lines.next(until)
            if line is None:
                break
            self.console.append(line)
        self.process.stdout.close()
        if self.agent:
            self.agent.socket.close()
        return self.process.wait(max(1, until - time.monotonic()))


def numbers(line):
    return {k: int(v) for k, v in (w.split("=") for w in line.split() if "=" in w)}
