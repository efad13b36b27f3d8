#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""demo.py - two Debian guests on an internal network, behind NAT and over a UDP tunnel.

In a network and mount namespace of its own.
"""
import functools
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time

import kit

NAME = "web.jackfield.test"
MB = 1 << 20
results = []


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def shown(guest, line, seconds=90):
    """Runs a line in a guest and shows it as a person would see it."""
    print(f"  {guest.name}# {line}", flush=True)
    out = guest.run(line, seconds)
    for text in out.strip().splitlines()[-4:]:
        print(f"    {text}", flush=True)
    return out


def check(what, passed, detail=""):
    results.append((what, passed, detail))
    print(f"  {'ok' if passed else 'FAILED'}: {what} {detail}", flush=True)
    if not passed:
        raise kit.Failed(what)


def jackfield(daemon, *words):
    print(f"  $ jackfield {' '.join(words)}", flush=True)
    return daemon(*words)


def private_host(home):
    """A loopback with a name server and a web server on it. Returns (server, checksum)."""
    resolv = home / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", resolv, os.path.realpath("/etc/resolv.conf")], check=True)
    dns = subprocess.Popen(["dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts",
                            "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root",
                            "--pid-file=", "--conf-file=/dev/null",
                            f"--address=/{NAME}/10.0.2.2", f"--local=/{NAME}/"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (home / "www").mkdir()
    data = os.urandom(16 * MB)
    (home / "www" / "file").write_bytes(data)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 8080), functools.partial(Quiet, directory=home / "www"))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    return dns, hashlib.md5(data).hexdigest()


def ping(guest, address, what):
    out = shown(guest, f"ping -c 3 -i 0.3 -W 2 {address}")
    check(what, " 0% packet loss" in out)


def move(sender, receiver, address, what):
    """64 MB by TCP with equal checksums at both ends."""
    # The console never ends: nc would hang up at once with an input that does.
    receiver.send("nc -l -p 5001 </dev/ttyS0 >/tmp/got; md5sum </tmp/got")
    sent = sender.run(f"head -c {64 * MB} /dev/urandom >/tmp/sent; md5sum </tmp/sent", 60).split()[0]
    start = time.monotonic()
    shown(sender, f"nc -w 20 {address} 5001 </tmp/sent")
    got = receiver.finish(90)[0].split()[0]
    seconds = time.monotonic() - start
    sender.run("rm /tmp/sent")
    receiver.run("rm /tmp/got")
    check(what, sent == got, f"md5 {got}, {64 * MB / seconds / 1e6:.0f} MB/s")


def nat(a, checksum):
    say("Guest A behind NAT")
    a.run("ip link set eth0 up")
    lease = shown(a, "udhcpc -i eth0 -n -q -t 20 -T 1")
    check("NAT: DHCP lease", "lease 10.0.2.15" in lease)
    name = shown(a, f"nslookup {NAME}")
    check("NAT: a name resolved", "10.0.2.2" in name.split("Name:")[-1])
    ping(a, "10.0.2.2", "NAT: ping to the gateway")
    out = shown(a, f"wget -q -O - http://{NAME}:8080/file | md5sum")
    check("NAT: 16 MB from the host's loopback", checksum in out, f"md5 {checksum}")


def carrier(guest, card):
    return guest.run(f"cat /sys/class/net/{card}/carrier").strip()


def cable(daemon, a):
    say("The cable of guest A's NAT card is pulled, and put back")
    jackfield(daemon, "controlvm", "A", "setlinkstate1", "off")
    a.poll("carrier 0 in guest A", "cat /sys/class/net/eth0/carrier", r"^0")
    check("cable pulled: the guest sees carrier 0", carrier(a, "eth0") == "0")
    jackfield(daemon, "controlvm", "A", "setlinkstate1", "on")
    a.poll("carrier 1 in guest A", "cat /sys/class/net/eth0/carrier", r"^1")
    check("cable back: the guest sees carrier 1", carrier(a, "eth0") == "1")
    ping(a, "10.0.2.2", "cable back: ping goes again")


def intnet(daemon, a, b):
    say("Guests A and B on internal network intnet")
    a.run("ip addr add 192.168.9.1/24 dev eth1; ip link set eth1 up")
    b.run("ip addr add 192.168.9.2/24 dev eth0; ip link set eth0 up")
    print(daemon("list", "intnets"), end="")
    a.poll("A's way to B", "ping -c 1 -W 1 192.168.9.2", "1 packets received")
    ping(a, "192.168.9.2", "intnet: A pings B")
    ping(b, "192.168.9.1", "intnet: B pings A")
    move(a, b, "192.168.9.2", "intnet: 64 MB from A to B")


def tunnel(lab, first, a, qemu):
    say("The same guests over UDPTunnel between two daemons")
    second = lab.daemon("second")
    jackfield(second, "createvm", "--name", "B", "--ostype", "Debian_64", "--register")
    for words in (["--nic1", "generic"], ["--nic-generic-drv1", "UDPTunnel"],
                  ["--nic-property1", "dest=127.0.0.1"], ["--nic-property1", "sport=10002"],
                  ["--nic-property1", "dport=10001"]):
        jackfield(second, "modifyvm", "B", *words)
    jackfield(first, "controlvm", "A", "nic2", "generic", "UDPTunnel")
    for word in ("dest=127.0.0.1", "sport=10001", "dport=10002"):
        jackfield(first, "controlvm", "A", "nicproperty2", word)
    b = lab.guest(second, "B", qemu)
    b.run("ip addr add 192.168.9.2/24 dev eth0; ip link set eth0 up")
    a.run("ip neigh flush dev eth1")  # the other B had another address
    a.poll("A's way to B", "ping -c 1 -W 1 192.168.9.2", "1 packets received", 40)
    ping(a, "192.168.9.2", "UDPTunnel: A pings B")
    move(b, a, "192.168.9.1", "UDPTunnel: 64 MB from B to A")
    return second, b


def table(daemons):
    say("Counters")
    for daemon in daemons:
        print(daemon("stats", "--once"))
    say("Results")
    for what, passed, detail in results:
        print(f"  {'PASS' if passed else 'FAIL'}  {what:<45} {detail}")
    return all(passed for _, passed, _ in results)


def main():
    kit.isolate(recent=False)
    qemu = "qemu-system-x86_64"
    start = time.monotonic()
    with kit.Lab() as lab:
        dns, checksum = private_host(lab.home)
        lab.callback(dns.wait)
        lab.callback(dns.kill)
        lab.image()
        first = lab.daemon("first")
        say("Two machines")
        jackfield(first, "createvm", "--name", "A", "--ostype", "Debian_64", "--register")
        jackfield(first, "modifyvm", "A", "--nic1", "nat", "--nic2", "intnet",
                  "--nic-type2", "virtio")
        jackfield(first, "createvm", "--name", "B", "--ostype", "Debian_64", "--register")
        jackfield(first, "modifyvm", "B", "--nic1", "intnet", "--nic-type1", "virtio")
        print(f"  $ jackfield run A -- {qemu} ...\n  $ jackfield run B -- {qemu} ...", flush=True)
        a = lab.guest(first, "A", qemu)
        b = lab.guest(first, "B", qemu)
        shown(a, "uname -rv")
        intnet(first, a, b)
        nat(a, checksum)
        cable(first, a)
        b.stop()
        second, b = tunnel(lab, first, a, qemu)
        ok = table([first, second])
        b.stop()
        a.stop()
    print(f"\n{len(results)} checks in {time.monotonic() - start:.0f} s")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
