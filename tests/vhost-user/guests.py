#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""guests.py - Linux guests on vhost-user cards of one internal network.

On Debian's QEMU and on a recent one: two guests ping each other and exchange a file; the process with
the cards is killed and started again under both, with split rings and packed ones; a guest moves to
another QEMU while it is pinged. And by `jackfield run`, with four pairs of queues: the daemon is killed
under both guests, and traffic resumes though nobody touches them.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "guests"), str(HERE)]

import image  # noqa: E402
import kit  # noqa: E402
import qemu  # noqa: E402
import rig  # noqa: E402

PACKETS = re.compile(r"(\d+) packets received")


class Qemu:
    """One of the QEMUs, and how it is told things."""

    def __init__(self, program):
        self.program = program
        out = subprocess.run([program, "-version"], text=True, capture_output=True, check=True)
        major, minor = map(int, re.search(r"version (\d+)\.(\d+)", out.stdout).groups())
        self.version = (major, minor)
        self.name = f"{major}.{minor}"

    def words(self, sock, number, extra=(), packed=False):
        reconnect = "reconnect-ms=200" if self.version >= (9, 2) else "reconnect=1"
        # QEMU 7.2 crashes under TCG when a vhost-user card has MSI-X.
        vectors = "vectors=0" if self.version < (8, 0) else "vectors=4"
        return [self.program,
                "-chardev", f"socket,id=vu,path={sock},{reconnect}",
                "-netdev", "vhost-user,id=n0,chardev=vu",
                "-device", f"virtio-net-pci,netdev=n0,{vectors},"
                           f"packed={'on' if packed else 'off'},"
                           f"mac=52:54:00:00:00:{number:02x},romfile=", *extra]


class Net:
    """Cards on one internal network, in one process, that can be killed and come back."""

    def __init__(self, home, cards, packed=False):
        self.home, self.packed, self.names = home, packed, [f"card{i}" for i in range(cards)]
        self.start()

    def sock(self, number):
        return self.home / self.names[number]

    def start(self):
        self.cards = rig.Cards(
            [(f"vhost-user,path={self.home / name}+virtio", "intnet")
             for name in self.names], self.home / "cards.log")

    def kill(self):
        with contextlib.suppress(OSError, ValueError):
            self.cards.kill()


def address(number):
    return f"10.9.0.{number + 1}"


def up(guest, number):
    guest.run(f"ip addr add {address(number)}/24 dev eth0; ip link set eth0 up")
    guest.poll("a carrier", "cat /sys/class/net/eth0/carrier", r"^1")


def ping(guest, number, count=3):
    out = guest.run(f"ping -c {count} -i 0.3 -W 2 {address(number)}", 60, check=False)
    return int(PACKETS.search(out).group(1)) if PACKETS.search(out) else 0


def wait_ping(guest, number, seconds=40):
    kit.wait_for(f"a ping from {guest.name} to guest {number}",
                 lambda: ping(guest, number, 1) == 1, seconds)


def move(sender, receiver, to):
    receiver.send("nc -l -p 5001 </dev/ttyS0 >/tmp/got; md5sum </tmp/got")
    receiver_ready(sender, to)
    sent = sender.run("md5sum </tmp/sent")
    sender.run(f"nc -w 20 {address(to)} 5001 </tmp/sent", 60)
    got, _ = receiver.finish(60)
    if got.split()[:1] != sent.split()[:1]:
        raise kit.Failed(f"a file of {sender.name} arrived as {got!r}, not {sent!r}")


def receiver_ready(sender, to):
    """Until somebody is in the neighbour table, the first segments would wait for ARP."""
    sender.run(f"ping -c 1 -W 2 {address(to)}", check=False)
    time.sleep(0.3)


def exchange(a, b):
    """A file each way."""
    for sender, receiver, to in ((a, b, 1), (b, a, 0)):
        sender.run("dd if=/dev/urandom of=/tmp/sent bs=64k count=64 2>/dev/null")
        move(sender, receiver, to)


def boot(stack, lab, net, which, numbers):
    guests = []
    for number in numbers:
        guest = kit.Guest(which.words(net.sock(number), number + 1, packed=net.packed),
                          os.environ, lab.home, f"guest{number}", lab.root)
        stack.callback(guest.kill)
        up(guest, number)
        guests.append(guest)
    return guests


def talk(which):
    with kit.Lab() as lab:
        lab.image()
        net = Net(lab.home, 2)
        lab.callback(net.kill)
        a, b = boot(lab, lab, net, which, (0, 1))
        wait_ping(a, 1)
        if ping(a, 1) != 3 or ping(b, 0) != 3:
            raise kit.Failed("pings are lost")
        exchange(a, b)
        lost = [card for card in net.cards.counters() if card.get("rings-broken")]
        if lost:
            raise kit.Failed(f"rings broke: {lost}")


def served(which):
    with kit.Lab() as lab:
        lab.image()
        daemon = lab.daemon()
        guests = []
        for number, name in enumerate(("east", "west")):
            daemon("createvm", "--name", name, "--register")
            daemon("modifyvm", name, "--nic1", "intnet", "--nictype1", "virtio",
                   "--model-property1", "queues=4")
            guests.append(lab.guest(daemon, name, which.program, run=("--connector", "vhost-user"),
                                    more=("-smp", "4")))
            up(guests[-1], number)
        a, b = guests
        wait_ping(a, 1)
        found = a.run("ls /sys/class/net/eth0/queues | grep -c rx").strip()
        if found != "4":
            raise kit.Failed(f"the guest has {found} queues")
        exchange(a, b)
        for _ in range(2):
            killed_pid = daemon.pid()
            a.send(f"ping -i 0.05 -c 60 -W 1 {address(1)} >/dev/null; true")
            time.sleep(0.5)
            os.kill(killed_pid, signal.SIGKILL)
            a.finish(90)
            wait_ping(a, 1)
            if daemon.pid() == killed_pid or ping(a, 1) != 3 or ping(b, 0) != 3:
                raise kit.Failed("traffic did not resume")
        exchange(a, b)


def killed(which, packed):
    with kit.Lab() as lab:
        lab.image()
        net = Net(lab.home, 2, packed)
        lab.callback(net.kill)
        a, b = boot(lab, lab, net, which, (0, 1))
        wait_ping(a, 1)
        for _ in range(3):
            a.send(f"ping -i 0.05 -c 40 -W 1 {address(1)} >/dev/null; true")
            time.sleep(0.5)
            net.kill()
            net.start()
            a.finish(90)
            wait_ping(a, 1)
            wait_ping(b, 0)
        if ping(a, 1) != 3:
            raise kit.Failed("pings are lost after the last restart")


class Monitor:
    """QEMU's monitor."""

    def __init__(self, path):
        self.line = kit.wait_for(path.name, lambda: self.connect(path), 30).makefile("rw")
        self.read("QMP")
        self("qmp_capabilities")

    @staticmethod
    def connect(path):
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(path))
            return line
        except OSError:
            line.close()
            return None

    def read(self, key):
        while True:
            text = self.line.readline()
            if not text:
                raise kit.Failed("the monitor is gone")
            message = json.loads(text)
            if "error" in message:
                raise kit.Failed(str(message["error"]))
            if key in message:
                return message[key]

    def __call__(self, command, **arguments):
        self.line.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.line.flush()
        return self.read("return")


def monitor_words(path):
    return ["-qmp", f"unix:{path},server=on,wait=off"]


def migrated(which):
    with kit.Lab() as lab:
        lab.image()
        net = Net(lab.home, 3)
        lab.callback(net.kill)
        (peer,) = boot(lab, lab, net, which, (1,))
        source = kit.Guest(which.words(net.sock(0), 1, monitor_words(lab.home / "source.qmp")),
                           os.environ, lab.home, "source", lab.root)
        lab.callback(source.kill)
        up(source, 0)
        wait_ping(peer, 0)
        # Pages keep changing while they are copied, by frames alone too.
        source.run("(while :; do dd if=/dev/urandom of=/tmp/noise bs=64k count=8 2>/dev/null; done) &")
        target = start_target(lab, which, net)
        ours = Monitor(lab.home / "source.qmp")
        ours("migrate-set-parameters", **{"max-bandwidth": 1 << 30, "downtime-limit": 1000})
        peer.send(f"ping -i 0.1 -c 150 -W 1 -s 1000 {address(0)}")
        ours("migrate", uri=f"unix:{lab.home / 'migrate'}")
        kit.wait_for("the migration", lambda: finished(ours), 90)
        source.kill()
        out, _ = peer.finish(120)
        if int(PACKETS.search(out).group(1)) < 100:
            raise kit.Failed(f"too few answers: {out[-300:]}")
        if ping(peer, 0) != 3:
            raise kit.Failed("pings are lost after the migration")
        if target.poll() is not None:
            raise kit.Failed("the target is gone")
        move_to_target(lab, peer)


def finished(monitor):
    status = monitor("query-migrate")
    if status.get("status") == "failed":
        raise kit.Failed(f"migration failed: {status}")
    return status.get("status") == "completed"


def start_target(lab, which, net):
    vmlinux, _ = image.kernel()
    words = [*map(str, which.words(net.sock(2), 1)), "-accel", "tcg", "-nodefaults", "-no-reboot",
             "-display", "none", "-vga", "none", "-machine", "pc,memory-backend=mem", "-m", "256",
             "-object", "memory-backend-memfd,id=mem,share=on,size=256M",
             "-serial", "null", "-chardev", f"socket,id=agent,path={lab.home / 'target.agent'},"
             "server=on,wait=off", "-serial", "chardev:agent", "-kernel", str(vmlinux),
             "-initrd", str(lab.root), "-append", "console=ttyS0",
             *monitor_words(lab.home / "target.qmp"),
             "-incoming", f"unix:{lab.home / 'migrate'}"]
    target = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True,
                              stdout=(lab.home / "target.log").open("wb"), stderr=subprocess.STDOUT)
    lab.callback(target.wait)
    lab.callback(target.kill)
    kit.wait_for("the target", lambda: (lab.home / "migrate").exists(), 30)
    return target


def move_to_target(lab, peer):
    """The guest that has moved still receives whole what it is sent."""
    line = Monitor.connect(lab.home / "target.agent")
    line.sendall(b"killall dd 2>/dev/null; nc -l -p 5001 </dev/ttyS0 >/tmp/got; md5sum </tmp/got\n")
    receiver_ready(peer, 0)
    peer.run("dd if=/dev/urandom of=/tmp/sent bs=64k count=32 2>/dev/null")
    sent = peer.run("md5sum </tmp/sent").split()[0]
    peer.run(f"nc -w 20 {address(0)} 5001 </tmp/sent", 60)
    line.settimeout(60)
    got = b""
    while b"@end" not in got:
        data = line.recv(4096)
        if not data:
            break
        got += data
    if sent.encode() not in got:
        raise kit.Failed(f"what the moved guest got is {got!r}, not {sent}")


def main():
    found = [Qemu("qemu-system-x86_64")]
    recent = qemu.recent()
    if recent:
        found.append(Qemu(str(recent)))
    cases = []
    for which in found:
        cases += [(f"{which.name}/talk", lambda w=which: talk(w)),
                  (f"{which.name}/served", lambda w=which: served(w)),
                  # One kind of ring with each.
                  (f"{which.name}/killed", lambda w=which, p=len(cases) > 0: killed(w, p)),
                  (f"{which.name}/migrated", lambda w=which: migrated(w))]
    wanted = sys.argv[1:]
    cases = [case for case in cases if not wanted or case[0] in wanted]
    failed = 0
    print(f"1..{len(cases)}", flush=True)
    for number, (name, case) in enumerate(cases, 1):
        try:
            case()
            print(f"ok {number} {name}", flush=True)
        except (kit.Failed, rig.Failed, OSError) as error:
            failed += 1
            text = str(error).replace("\n", "\n# ")
            print(f"not ok {number} {name}\n# {text}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
