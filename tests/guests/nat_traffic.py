#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nat_traffic.py - what NAT's settings do to the traffic of guests.

Two guests, a router and a server beyond it are network namespaces; the host is the test's own. The
way to the server has a smaller MTU behind the router. Run in a user, network and mount namespace of
its own. Speaks TAP.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

import kit
import netns

ROUTER, ROUTER6 = "192.0.2.1", "2001:db8::1"
HOST, HOST_TOO, HOST6, HOST6_TOO = "192.0.2.2", "192.0.2.3", "2001:db8::2", "2001:db8::3"
FAR, FAR6 = "198.51.100.2", "2001:db8:1::2"
SMALL_MTU = 1300
GATEWAY, GATEWAY6 = "10.0.2.2", "fd17:625c:f037:2::2"
GUEST, GUEST6 = "10.0.2.15", "fd17:625c:f037:2::f"


class Traffic:
    def __init__(self, lab):
        self.lab = lab
        self.here = netns.Here()
        self.wire()
        for where in (self.here, self.far):
            netns.serve(lab, where, 8000)
        self.daemon = lab.daemon()
        self.guest = self.machine("one")
        self.start("one")
        self.settings = []

    def wire(self):
        """The host, its router and what is beyond."""
        self.router = netns.Namespace(self.lab)
        self.far = netns.Namespace(self.lab)
        here = self.here
        here("ip", "link", "set", "lo", "up")
        here("sysctl", "-qw", "net.ipv4.ping_group_range=0 0")
        here("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns",
             self.router.process.pid)
        self.router("ip", "link", "add", "r0", "mtu", SMALL_MTU, "type", "veth", "peer", "name",
                    "r1", "mtu", SMALL_MTU, "netns", self.far.process.pid)
        for where, device, *addresses in (
                (here, "up0", HOST + "/24", HOST_TOO + "/24", HOST6 + "/64", HOST6_TOO + "/64"),
                (self.router, "up1", ROUTER + "/24", ROUTER6 + "/64"),
                (self.router, "r0", "198.51.100.1/24", "2001:db8:1::1/64"),
                (self.far, "r1", FAR + "/24", FAR6 + "/64")):
            where("ip", "link", "set", device, "up")
            for address in addresses:
                nodad = ["nodad"] if ":" in address else []
                where("ip", "addr", "add", address, "dev", device, *nodad)
        for family, router, far in (("-4", ROUTER, "198.51.100.1"),
                                    ("-6", ROUTER6, "2001:db8:1::1")):
            here("ip", family, "route", "add", "default", "via", router)
            self.far("ip", family, "route", "add", "default", "via", far)
        self.router("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                    "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        # They hear whoever asks.
        kit.wait_for("the way to the server", lambda: "1 received" in here(
            "ping", "-6", "-c", "1", "-W", "1", FAR6, check=False), 20)

    def machine(self, name):
        guest = netns.Namespace(self.lab)
        guest("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        self.daemon("createvm", "--name", name)
        self.daemon("modifyvm", name, "--nic1", "nat", "--connector1", "tap",
                    "--connector-property1", "ifname=jf0", "--connector-property1",
                    f"netns={guest.path}")
        return guest

    def start(self, name, guest=None, address=GUEST, gateway=GATEWAY):
        """With addresses that nobody has to wait for; DHCP is another test's."""
        guest = guest or self.guest
        self.daemon("startvm", name)
        guest("ip", "addr", "add", address + "/24", "dev", "jf0")
        guest("ip", "addr", "add", GUEST6 + "/64", "dev", "jf0", "nodad")
        guest("ip", "route", "add", "default", "via", gateway)
        guest("ip", "-6", "route", "replace", "default", "via", GATEWAY6, "metric", "1")

    def set(self, *words, **more):
        """Other settings until the next call, which takes them back: the card is started anew."""
        self.daemon("controlvm", "one", "poweroff")
        if self.settings:
            self.daemon("modifyvm", "one", *self.settings)
        self.settings = [w for pair in zip(words[::3], words[2::3]) for w in pair]
        changes = [w for pair in zip(words[::3], words[1::3]) for w in pair]
        if changes:
            self.daemon("modifyvm", "one", *changes)
        self.start("one", **more)

    def restore(self):
        """Takes back what a case has set."""
        if self.settings:
            self.set()

    def fetch(self, url, *words, where=None, check=True):
        return (where or self.guest)("curl", "-sSg", "--max-time", "10", *words, url,
                                     check=check).strip()

    def expect(self, what, text, wanted):
        if wanted not in text:
            raise kit.Failed(f"{what}: no {wanted!r} in: {text.strip()[-800:]}")

    def from_address(self, what, url, wanted):
        self.expect(what, self.fetch(url) + " ", wanted + " ")

    def refused(self, what, url, wanted="Connection refused", where=None):
        self.expect(what, self.fetch(url, "-v", where=where, check=False), wanted)

    # ---- The chapter's table: who reaches whom ----

    def test_table(self):
        self.set("--nat-pf1", "web,tcp,,8080,,8000", "delete web")
        netns.serve(self.lab, self.guest, 8000)
        for what, url in (("the host", GATEWAY), ("the host by IPv6", f"[{GATEWAY6}]"),
                          ("the host's own address", HOST), ("beyond", FAR),
                          ("beyond by IPv6", f"[{FAR6}]")):
            if len(self.fetch(f"http://{url}:8000/3000000")) != 3000000:
                raise kit.Failed(f"{what} was not reached")
        for what, where, address in (("the host", self.here, "127.0.0.1"),
                                     ("who is beyond", self.far, HOST)):
            said = self.fetch(f"http://{address}:8080/100", where=where)
            if said != "x" * 100:
                raise kit.Failed(f"by the forwarded port {what} got: {said}")
            self.expect(f"{what} without a forward", self.fetch(
                f"http://{GUEST}:8000/", "--max-time", "0.5", where=where, check=False), "curl:")
        # Another machine with NAT is in a network of its own.
        other = self.machine("two")
        self.start("two", other, "10.0.2.16")
        netns.serve(self.lab, other, 8000)
        self.expect("the other machine", self.fetch("http://10.0.2.16:8000/", "--max-time", "0.5",
                                                    check=False), "curl:")
        self.daemon("controlvm", "two", "poweroff")

    # ---- TCP and UDP by their programs ----

    def test_upload(self):
        data = self.lab.home / "data"
        data.write_bytes(os.urandom(5_000_000))
        for address in (GATEWAY, f"[{GATEWAY6}]", FAR):
            self.expect(f"upload to {address}", self.fetch(
                f"http://{address}:8000/", "--data-binary", f"@{data}"), "5000000")

    def test_refusals(self):
        began = time.monotonic()
        self.refused("refused", f"http://{GATEWAY}:9/")
        self.here("ip", "route", "add", "unreachable", "203.0.113.0/24")
        self.refused("unreachable", "http://203.0.113.1/", "No route to host")
        self.refused("refused beyond", f"http://{FAR}:9/")
        self.refused("refused beyond by IPv6", f"http://[{FAR6}]:9/")
        kit.require(time.monotonic() - began < 5, "refusals took their time")

    def test_forwards_change(self):
        netns.serve(self.lab, self.guest, 8001)
        self.daemon("controlvm", "one", "natpf1", "two,tcp,127.0.0.1,8081,10.0.2.15,8001")
        self.expect("a new rule", self.fetch("http://127.0.0.1:8081/10", where=self.here), "x" * 10)
        done = self.daemon("controlvm", "one", "natpf1", "three,tcp,127.0.0.1,8000,,80", check=False)
        self.expect("the same port", done.stderr, "in use")
        self.daemon("controlvm", "one", "natpf1", f"six,tcp,::1,8082,{GUEST6},8001")
        self.expect("by IPv6", self.fetch("http://[::1]:8082/10", where=self.here), "x" * 10)
        for rule in ("two", "six"):
            self.daemon("controlvm", "one", "natpf1", "delete", rule)
        self.refused("a removed rule", "http://127.0.0.1:8081/", where=self.here)

    def test_iperf3(self):
        netns.background(self.lab, self.here.start("iperf3", "-s"))
        kit.wait_for("iperf3", lambda: self.here("ss", "-Hltn", "sport = 5201"), 10)
        for more in (["-n", "50M"], ["-n", "50M", "-R"], ["-n", "50M", "-P", "4"],
                     ["-u", "-n", "4M", "-b", "100M", "-l", "1200"], ["-6", "-n", "50M", "-R"]):
            address = GATEWAY6 if "-6" in more else GATEWAY
            out = self.guest("iperf3", "-J", "-c", address, *more)
            end = json.loads(out)["end"]
            got = end.get("sum_received") or end["sum"]
            kit.require(got["bytes"] > 3_000_000, f"iperf3 {more}: {got}")

    def test_wrk(self):
        out = self.guest("wrk", "-t", "1", "-c", "32", "-d", "1s", f"http://{GATEWAY}:8000/")
        count = int(re.search(r"(\d+) requests in", out)[1])
        kit.require(count > 50 and "Socket errors" not in out, out)

    def sshd(self, where, port):
        """As a user without privileges, whoever the test is."""
        home = self.lab.home
        key = home / "key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            shutil.copy(home / "key.pub", home / "authorized")
            passwd = home / "passwd"
            users = [line for line in open("/etc/passwd") if line.split(":")[2] != "1000"]
            passwd.write_text("".join(users) + f"guest:x:1000:1000::{home}:/bin/sh\n")
            subprocess.run(["mount", "--bind", passwd, "/etc/passwd"], check=True)
            self.lab.callback(subprocess.run, ["umount", "/etc/passwd"], check=False)
        log = open(home / f"sshd-{port}.log", "wb")
        netns.background(self.lab, where.start(
            "unshare", "--user", "--map-user=1000", "--map-group=1000", "/usr/sbin/sshd", "-D",
            "-e", "-f", "/dev/null", "-p", port, "-h", key, "-o", "StrictModes=no", "-o",
            f"AuthorizedKeysFile={home}/authorized", "-o", "PidFile=none", "-o", "UsePAM=no",
            out=log))
        kit.wait_for("sshd", lambda: where("ss", "-Hltn", f"sport = {port}"), 10)

    def ssh(self, where, address, port, forward):
        log = open(self.lab.home / "ssh.log", "wb")
        netns.background(self.lab, where.start(
            "ssh", "-N", "-F", "/dev/null", "-i", self.lab.home / "key", "-p", port, "-o",
            "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
            "ExitOnForwardFailure=yes", "-L", forward, f"guest@{address}", out=log))
        local = forward.split(":")[0]
        try:
            kit.wait_for("ssh's port", lambda: where("ss", "-Hltn", f"sport = {local}"), 15)
        except kit.Failed as failed:
            raise kit.Failed(f"{failed}: {(self.lab.home / 'ssh.log').read_text()}") from failed

    def test_ssh(self):
        """A tunnel from the guest to the host, and one to the guest by a forwarded port."""
        self.sshd(self.here, 2022)
        self.ssh(self.guest, GATEWAY, 2022, f"9000:{FAR}:8000")
        if len(self.fetch("http://127.0.0.1:9000/4000000")) != 4000000:
            raise kit.Failed("the tunnel out lost something")
        netns.serve(self.lab, self.guest, 8002)
        self.sshd(self.guest, 2200)
        self.daemon("controlvm", "one", "natpf1", "ssh,tcp,127.0.0.1,2222,,2200")
        self.ssh(self.here, "127.0.0.1", 2222, "9001:127.0.0.1:8002")
        if len(self.fetch("http://127.0.0.1:9001/4000000", where=self.here)) != 4000000:
            raise kit.Failed("the tunnel in lost something")

    # ---- ICMP ----

    def test_ping(self):
        for words in ([GATEWAY], [HOST], ["-s", "9000", HOST], [FAR], ["-6", GATEWAY6],
                      ["-6", HOST6], ["-6", FAR6]):
            out = self.guest("ping", "-c", "2", "-i", "0.1", "-W", "5", *words)
            self.expect(f"ping {words}", out, " 2 received")

    def test_traceroute(self):
        for address, hops in ((FAR, (GATEWAY, ROUTER, FAR)), (FAR6, (GATEWAY6, ROUTER6, FAR6))):
            out = self.guest("traceroute", "-n", "-w", "3", "-q", "1", "-N", "1", address)
            for number, hop in enumerate(hops, 1):
                self.expect(f"hop {number}", out, f" {number}  {hop} ")
        out = self.guest("traceroute", "-I", "-n", "-w", "3", "-q", "1", "-N", "1", FAR)
        self.expect("by echo", out, f" 2  {ROUTER} ")
        self.expect("by echo", out, f" 3  {FAR} ")

    def test_path_mtu(self):
        """What the router says about packets that are too long reaches the guest."""
        self.here("ip", "route", "flush", "cache")
        self.here("ip", "-6", "route", "flush", "cache")
        out = self.guest("ping", "-M", "do", "-s", "1400", "-c", "2", "-i", "0.2", "-W", "2", FAR,
                         check=False)
        self.expect("IPv4", out, f"mtu = {SMALL_MTU}")
        out = self.guest("ping", "-6", "-M", "do", "-s", "1400", "-c", "2", "-i", "0.2", "-W", "2",
                         FAR6, check=False)
        self.expect("IPv6", out, f"mtu: {SMALL_MTU}")
        self.here("ip", "route", "flush", "cache")
        self.here("ip", "-6", "route", "flush", "cache")
        script = ("import socket, sys, time\n"
                  "six = ':' in sys.argv[1]\n"
                  "s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)\n"
                  "s.connect((sys.argv[1], 9999))\n"
                  "s.setsockopt(41 if six else 0, 23 if six else 10, 2)\n"  # MTU_DISCOVER: DO
                  "for i in range(20):\n"
                  "    try: s.send(b'x' * 1400)\n"
                  "    except OSError as e:\n"
                  "        if e.errno == 90: break\n"  # EMSGSIZE
                  "    time.sleep(0.1)\n"
                  "print('mtu', s.getsockopt(41 if six else 0, 24 if six else 14))\n")
        for address in (FAR, FAR6):
            self.guest("ip", "route", "flush", "cache")
            self.guest("ip", "-6", "route", "flush", "cache")
            out = self.guest(sys.executable, "-c", script, address)
            self.expect(f"UDP to {address}", out, f"mtu {SMALL_MTU}")

    # ---- Settings ----

    def test_forward_broadcast(self):
        script = ("import socket\n"
                  "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                  "s.bind(('', 7777))\n"
                  "print('ready', flush=True)\n"
                  "print(*s.recvfrom(100), flush=True)\n")
        send = ("import socket\n"
                "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)\n"
                "for to in '255.255.255.255', '10.0.2.255': s.sendto(b'anybody', (to, 7777))\n")
        listener = netns.background(self.lab, self.router.start(sys.executable, "-c", script,
                                                                out=subprocess.PIPE))
        kit.require(listener.stdout.readline() == b"ready\n", "no listener")
        self.guest("python3", "-c", send)
        time.sleep(0.2)
        os.set_blocking(listener.stdout.fileno(), False)
        kit.require(listener.stdout.read() is None, "a broadcast left though it should not")
        os.set_blocking(listener.stdout.fileno(), True)
        self.set("--nat-forward-broadcast1", "on", "off")
        self.guest("python3", "-c", send)
        self.expect("a broadcast", listener.stdout.readline().decode(), f"b'anybody' ('{HOST}'")

    def test_bind_ip(self):
        self.from_address("by itself", f"http://{FAR}:8000/", HOST)
        self.set("--nat-bind-ip1", HOST_TOO, "", "--nic-property1", f"bind-ip6={HOST6_TOO}",
                 "bind-ip6=")
        self.from_address("bound", f"http://{FAR}:8000/", HOST_TOO)
        self.from_address("bound by IPv6", f"http://[{FAR6}]:8000/", HOST6_TOO)
        self.from_address("the loopback all the same", f"http://{GATEWAY}:8000/", "127.0.0.1")
        self.from_address("and by IPv6", f"http://[{GATEWAY6}]:8000/", "::1")
        self.expect("ping", self.guest("ping", "-c", "1", "-W", "5", FAR), " 1 received")

    def test_alias_mode(self):
        self.set("--nat-alias-mode1", "log,sameports", "default")
        for address, port in ((FAR, 40123), (f"[{FAR6}]", 40124)):
            said = self.fetch(f"http://{address}:8000/", "--local-port", port)
            self.expect("the guest's own port", said + " ", f" {port} ")
        self.daemon("createvm", "--name", "four")
        done = self.daemon("modifyvm", "four", "--nic1", "nat", "--nat-alias-mode1", "proxyonly",
                           check=False)
        self.expect("proxyonly", done.stderr, "not supported")

    def test_localhost(self):
        self.set("--nat-localhostreachable1", "off", "on")
        self.refused("localhost off", f"http://{GATEWAY}:8000/")
        self.refused("localhost off by IPv6", f"http://[{GATEWAY6}]:8000/")
        self.from_address("others", f"http://{FAR}:8000/", HOST)

    def test_nat_net(self):
        self.set("--nat-net1", "172.20.5.0/24", "default", address="172.20.5.15",
                 gateway="172.20.5.2")
        self.from_address("the gateway", "http://172.20.5.2:8000/", "127.0.0.1")
        self.from_address("beyond", f"http://{FAR}:8000/", HOST)
        self.expect("the other network's gateway", self.fetch(
            f"http://{GATEWAY}:8000/", "--max-time", "0.5", check=False), "curl:")

    def connection(self):
        """What `ss` says of a connection: of the host's socket, and of the guest's."""
        script = ("import socket, sys, time\n"
                  f"s = socket.create_connection(('{FAR}', 8000))\n"
                  "print('ready', flush=True)\n"
                  "time.sleep(60)\n")
        client = netns.background(self.lab, self.guest.start(sys.executable, "-c", script,
                                                             out=subprocess.PIPE))
        kit.require(client.stdout.readline() == b"ready\n", "no connection")
        out = self.here("ss", "-Htnm", "dst", FAR) + self.guest("ss", "-Htni", "dst", FAR)
        client.kill()
        return tuple(int(re.search(rf"\b{side}:?(\d+)", out)[1]) for side in ("tb", "rb", "snd_wnd",
                                                                              "mss"))

    def test_nat_settings(self):
        before = self.connection()
        self.set("--nat-settings1", "1400,64,80,0,16", "0,0,0,0,0")
        after = self.connection()
        # The kernel doubles what it is told.
        kit.require(after[:2] == (128 * 1024, 160 * 1024), f"buffers: {before} {after}")
        kit.require(12 * 1024 < after[2] <= 16 * 1024 < before[2], f"window: {before} {after}")
        kit.require((before[3], after[3]) == (1460, 1360), f"MSS: {before} {after}")
        out = self.guest("ping", "-M", "do", "-s", "1372", "-c", "1", "-W", "5", GATEWAY)
        self.expect("a packet of the MTU", out, " 1 received")
        self.daemon("createvm", "--name", "three")
        self.daemon("modifyvm", "three", "--nic1", "nat")
        for wrong in ("1400", "1400,0,0,0", "1400,0,0,0,2000", "100,0,0,0,0", "a,0,0,0,0"):
            done = self.daemon("modifyvm", "three", "--nat-settings1", wrong, check=False)
            self.expect(wrong, done.stderr, "error: Card 1")


PROGRAMS = {"iperf3": "iperf3", "wrk": "wrk", "ssh": "/usr/sbin/sshd", "traceroute": "traceroute"}


if __name__ == "__main__":
    sys.exit(kit.run_cases(Traffic, PROGRAMS, Traffic.restore))
