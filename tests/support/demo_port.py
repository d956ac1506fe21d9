# SPDX-License-Identifier: Apache-2.0
"""A port for deploy/demo: it and those that are counted from it (agents, replication) are nobody's just now. Below the
range from which the kernel gives ports to whoever asks for any, so that none of them is given away meanwhile."""
import random
import socket


def free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose():
    for _ in range(1000):
        port = random.randrange(20000, 30000)
        if all(free(p) for p in (port, *range(port + 100, port + 111))):
            return port
    raise SystemExit("no ports are free")


print(choose())
