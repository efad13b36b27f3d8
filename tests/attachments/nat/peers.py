#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""peers.py - "nat" and a real guest: Linux's own network stack behind the connector tap.

Speaks TAP. Makes network namespaces of its own, so it needs root; with less it is skipped.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "guests"))
import kit  # noqa: E402

HOST, GUEST = f"jfn-host-{os.getpid()}", f"jfn-guest-{os.getpid()}"
BYTES = 8 << 20
SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface && ip route add default via $router
echo "$ip $router $dns $mtu $boot_file" >&2
"""
SERVER = """
import socket, sys, threading
def serve(s):
    while True:
        c, _ = s.accept()
        threading.Thread(target=talk, args=(c,), daemon=True).start()
def talk(c):
    total = 0
    while True:
        data = c.recv(1 << 16)
        if not data:
            break
        total += len(data)
    c.sendall(b"x" * total)
    c.close()
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
print("ready", flush=True)
serve(s)
"""
CLIENT = """
import socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)
n = int(sys.argv[3])
c.sendall(b"y" * n)
c.shutdown(socket.SHUT_WR)
got = 0
while True:
    data = c.recv(1 << 16)
    if not data:
        break
    got += len(data)
print("same" if got == n else f"{got} of {n}")
"""


def sh(line, check=True):
    done = subprocess.run(line, shell=True, text=True, capture_output=True, timeout=30)
    if check and done.returncode:
        raise kit.Failed(f"{line}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def inside(netns, *words, seconds=30):
    done = subprocess.run(["ip", "netns", "exec", netns, *map(str, words)], text=True,
                          capture_output=True, timeout=seconds)
    return done.stdout + done.stderr


class Net:
    def __init__(self, stack):
        self.stack = stack
        for name in (HOST, GUEST):
            sh(f"ip netns add {name} && ip -n {name} link set lo up")
            stack.callback(sh, f"ip netns del {name}", check=False)
        sh(f"ip netns exec {HOST} sysctl -qw net.ipv4.ping_group_range='0 2147483647'")
        sh(f"ip -n {HOST} link add up0 type veth peer name up1 && ip -n {HOST} link set up0 up && "
           f"ip -n {HOST} link set up1 up && ip -n {HOST} addr add 192.0.2.2/24 dev up0 && "
           f"ip -n {HOST} addr add 2001:db8::2/64 dev up0 nodad")

    def server(self, netns, address, port):
        p = subprocess.Popen(["ip", "netns", "exec", netns, sys.executable, "-c", SERVER, address,
                              str(port)], stdout=subprocess.PIPE, text=True)
        self.stack.callback(p.wait)
        self.stack.callback(p.kill)
        assert p.stdout.readline() == "ready\n"


class Card:
    def __init__(self, lab):
        self.daemon = lab.daemon()
        (self.daemon.config / "TFTP").mkdir()
        (self.daemon.config / "TFTP/g.pxe").write_text("boot me\n")
        self("createvm", "--name", "g", "--register")
        self("modifyvm", "g", "--nic1", "nat", "--nat-pf1", "web,tcp,127.0.0.1,8080,,80",
             "--nat-settings1", "1400,0,0,512,512", "--connector1", "tap",
             "--connector-property1=ifname=tap0", f"--connector-property1=netns={GUEST}")
        self("startvm", "g")

    def __call__(self, *words, check=True):
        done = subprocess.run(["ip", "netns", "exec", HOST, kit.CLI, *words], env=self.daemon.env,
                              text=True, capture_output=True, timeout=60)
        if check and done.returncode:
            raise kit.Failed(f"jackfield {' '.join(words)}: {done.stderr}")
        return done.stdout + done.stderr


def check(what, text, wanted):
    if wanted not in text:
        raise kit.Failed(f"{what}: '{wanted}' is not in: {text.strip()}")


def test_dhcp(net, card, home):
    script = home / "udhcpc"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    out = inside(GUEST, "busybox", "udhcpc", "-i", "tap0", "-n", "-q", "-s", script, "-O", "mtu")
    check("udhcpc", out, "10.0.2.15 10.0.2.2 10.0.2.3 1400 g.pxe")


def test_router_advertisement(net, card, home):
    kit.wait_for("an address", lambda: "tentative" not in (
        text := sh(f"ip -n {GUEST} -6 addr show tap0")) and "fd17:625c:f037:2:" in text, 15)
    check("routes", sh(f"ip -n {GUEST} -6 route"), "default via fe80::2")


def talk(netns, address, port, n=BYTES):
    return inside(netns, sys.executable, "-c", CLIENT, address, port, n)


def test_tcp(net, card, home):
    net.server(HOST, "127.0.0.1", 8000)
    net.server(HOST, "::1", 8001)
    net.server(HOST, "192.0.2.2", 8002)
    check("loopback", talk(GUEST, "10.0.2.2", 8000), "same")
    check("IPv6", talk(GUEST, "fd17:625c:f037:2::2", 8001), "same")
    check("the host's own address", talk(GUEST, "192.0.2.2", 8002), "same")


def test_refusals(net, card, home):
    began = time.monotonic()
    check("refused", talk(GUEST, "10.0.2.2", 9), "ConnectionRefusedError")
    check("unreachable", talk(GUEST, "198.51.100.1", 80), "unreachable")
    if time.monotonic() - began > 5:
        raise kit.Failed("refusals took their time")


def test_forward(net, card, home):
    net.server(GUEST, "0.0.0.0", 80)
    check("forward", talk(HOST, "127.0.0.1", 8080), "same")
    card("controlvm", "g", "natpf1", "two,tcp,127.0.0.1,8081,10.0.2.15,80")
    check("a new rule", talk(HOST, "127.0.0.1", 8081), "same")
    check("the same port", card("controlvm", "g", "natpf1", "three,tcp,127.0.0.1,8000,,80",
                                check=False), "in use")
    card("controlvm", "g", "natpf1", "delete", "two")
    check("a removed rule", talk(HOST, "127.0.0.1", 8081), "ConnectionRefusedError")


def test_ping(net, card, home):
    for words in (["10.0.2.2"], ["192.0.2.2"], ["-s", "9000", "192.0.2.2"], ["-6", "2001:db8::2"]):
        out = inside(GUEST, "ping", "-c", "2", "-i", "0.2", "-W", "5", *words)
        check(f"ping {words}", out, " 2 received")


def test_traceroute(net, card, home):
    out = inside(GUEST, "traceroute", "-n", "-w", "3", "-q", "1", "192.0.2.2")
    check("first hop", out, " 1  10.0.2.2 ")
    check("last hop", out, " 2  192.0.2.2 ")


def test_tftp(net, card, home):
    out = inside(GUEST, "busybox", "tftp", "-g", "-r", "g.pxe", "-l", "/dev/stdout", "10.0.2.2")
    check("tftp", out, "boot me")


def test_options(net, card, home):
    card("controlvm", "g", "poweroff")
    check("proxyonly", card("modifyvm", "g", "--nat-alias-mode1", "proxyonly", check=False),
          "not supported")
    for wrong in ("1400", "1400,0,0,0", "1400,0,0,0,2000", "100,0,0,0,0", "a,0,0,0,0"):
        check(wrong, card("modifyvm", "g", "--nat-settings1", wrong, check=False), "error: Card 1")
    card("modifyvm", "g", "--nat-settings1", "0,64,64,0,0", "--nat-alias-mode1", "log,sameports",
         "--nat-bind-ip1", "192.0.2.2", "--nat-localhostreachable1", "off")
    card("startvm", "g")
    sh(f"ip -n {GUEST} addr add 10.0.2.15/24 dev tap0; ip -n {GUEST} route add default via 10.0.2.2")
    check("localhost off", talk(GUEST, "10.0.2.2", 8000), "Refused")
    check("bound", talk(GUEST, "192.0.2.2", 8002), "same")
    card("controlvm", "g", "poweroff")


TESTS = [test_dhcp, test_router_advertisement, test_tcp, test_refusals, test_forward, test_ping,
         test_traceroute, test_tftp, test_options]


def main():
    missing = [x for x in ("ip", "busybox", "ping", "traceroute") if not shutil.which(x)]
    if os.geteuid() != 0 or missing:
        print(f"1..0 # SKIP needs root and {missing or 'nothing else'}")
        return 0
    print(f"1..{len(TESTS)}")
    failed = 0
    with kit.Lab() as lab, contextlib.ExitStack() as stack:
        net = Net(stack)
        card = Card(lab)
        for i, test in enumerate(TESTS, 1):
            try:
                test(net, card, lab.home)
                print(f"ok {i} {test.__name__}", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"not ok {i} {test.__name__}\n# {error!r}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
