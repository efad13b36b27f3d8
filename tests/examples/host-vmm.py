#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""host-vmm.py PROGRAM JACKFIELDD - the example VMM over attachments: frames both ways, compared by
itself."""
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

PROGRAM, JACKFIELDD = sys.argv[1:3]


def run(*words, ok=True):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == ok, f"{words}: {done.returncode} {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def received(text):
    return [int(n) for n in re.findall(r"received (\d+) frames", text)]


def free_ports(n):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_null():
    assert received(run("160", "null")) == [0]


def test_intnet():
    assert received(run("4000", "intnet,network=a", "intnet,network=a")) == [4000, 4000]
    assert received(run("160", "intnet,network=a")) == [0]


def test_udp():
    a, b = free_ports(2)
    words = [f"UDPTunnel,bind=127.0.0.1,sport={x},dport={y}" for x, y in ((a, b), (b, a))]
    assert received(run("1600", *words)) == [1600, 1600]


def test_daemon():
    """Both machines' cards are on a network of the daemon's, which has two ports meanwhile."""
    with tempfile.TemporaryDirectory(prefix="jf-host-vmm-") as tmp:
        os.environ["JACKFIELD_RUNTIME_DIR"] = f"{tmp}/run"
        daemon = subprocess.Popen([JACKFIELDD, "--foreground", "--bus=none", "--config-dir", tmp],
                                  stderr=subprocess.PIPE, text=True)
        while not os.path.exists(f"{tmp}/run/networks.sock"):
            assert daemon.poll() is None
            time.sleep(0.01)
        words = ["intnet,network=a", "intnet,network=a"]
        assert received(run("-d", "4000", *words)) == [4000, 4000]
        daemon.terminate()
        log = daemon.communicate(timeout=30)[1]
        assert daemon.returncode == 0 and log.count("is on network a") == 2, log


def test_errors():
    assert "no-such" in run("1", "no-such", ok=False)
    assert "usage" in run("1", ok=False)
    assert "usage" in run("-x", "1", "null", ok=False)
    assert "UDPTunnel" in run("1", "UDPTunnel,sport=0", ok=False)


for number, test in enumerate((test_null, test_intnet, test_udp, test_daemon, test_errors), 1):
    test()
    print(f"ok {number} {test.__name__}", flush=True)
print("1..5")
