# SPDX-License-Identifier: LGPL-2.1-or-later
"""checks.py - what an unmodified Linux driver must find in one of our cards.

A guest has card 1 of the model on NAT and card 2 of the same model on the internal network `intnet`,
where the test's own network stack is at the other end (peer.py).
"""
import os
import re
import signal
import subprocess
import time

import kit
from peer import Servers, echo_request, is_echo_reply

SOAK = bool(os.environ.get("JACKFIELD_SOAK"))
MEGABYTES = 64 if SOAK else 4
TURNS = 50 if SOAK else 3
STOPPED = 10 if SOAK else 2
CARRIER_SECONDS = 6
GUEST, PEER = "192.168.9.2", "192.168.9.1"
GROUP = "01:00:5e:11:22:33"

# nic-type: PCI id, driver, what it says of the chip.
MODELS = {
    "82540EM": ("8086:100e", "e1000", r"e1000 \S+ eth\d: Intel\(R\) PRO/1000 Network Connection"),
    "82543GC": ("8086:1004", "e1000", r"e1000 \S+ eth\d: Intel\(R\) PRO/1000 Network Connection"),
    "82545EM": ("8086:100f", "e1000", r"e1000 \S+ eth\d: Intel\(R\) PRO/1000 Network Connection"),
    "Am79C970A": ("1022:2000", "pcnet32", r"pcnet32: PCnet/PCI II 79C970A at"),
    "Am79C973": ("1022:2000", "pcnet32", r"pcnet32: PCnet/FAST III 79C973 at"),
    "virtio": ("1af4:1000", "virtio_net", r""),
}


class Card:
    """One of the guest's cards. `nat` and `lan`: the names of its interfaces."""

    def __init__(self, daemon, guest, machine, model, peers, servers):
        self.daemon, self.guest, self.machine, self.model = daemon, guest, machine, model
        self.peer, self.other = peers
        self.servers = servers
        self.macs = {}
        self.find()

    def find(self):
        """By address: the order is the guest's business."""
        info = self.daemon("showvminfo", self.machine, "--machinereadable")
        names = {}
        for line in self.guest.run("grep -H . /sys/class/net/*/address").splitlines():
            path, address = line.split(":", 1)
            names[address.strip()] = path.split("/")[4]
        for slot, digits in re.findall(r'macaddress(\d+)="(\w+)"', info):
            address = ":".join(re.findall("..", digits.lower()))
            kit.require(address in names, f"no interface {address} in the guest: {names}")
            self.macs[int(slot)] = (address, names[address])
        self.nat = self.macs[1][1]
        self.mac, self.lan = self.macs[2]

    def run(self, line, seconds=60, check=True):
        return self.guest.run(line, seconds, check)

    def up(self):
        self.run(f"ip addr flush dev {self.lan}; ip link set {self.lan} up; "
                 f"ip addr replace {GUEST}/24 dev {self.lan}")
        self.carrier(self.lan, 1, 10)
        self.guest.poll("a way to the peer", f"ping -c 1 -W 1 {PEER}", "1 packets received")

    def carrier(self, name, value, seconds=CARRIER_SECONDS):
        self.guest.poll(f"carrier {value} at {name}", f"cat /sys/class/net/{name}/carrier",
                        f"^{value}", seconds)

    def watch(self, send, *others):
        """What reaches the guest's stack of the frames that `send` sends, by the peer and `others`.
        Each sends an end of its own: a switch keeps the order of one sender, not that of several."""
        senders = (self.peer, *others)
        self.guest.send(f"/bin/watch-frames {self.lan} {len(senders)}")
        self.guest.expect(rb"watching\r?\n", 10)
        send()
        for sender in senders:
            sender.frame("ff:ff:ff:ff:ff:ff", "end")
        out, status = self.guest.finish(40)
        kit.require(status == 0, f"watch-frames ended with {status}")
        return out.split("\n")[:-1]


def received(out, count):
    kit.require(f" {count} packets received, 0% packet loss" in out or
                f" {count} received, 0% packet loss" in out, out[-300:])


# ---- The chip ----

def chip(card):
    pci, driver, says = MODELS[card.model]
    for name in (card.nat, card.lan):
        device = f"/sys/class/net/{name}/device"
        if card.model == "virtio":
            device += "/.."
        got = card.run(f"cat {device}/vendor {device}/device").replace("0x", "").split()
        kit.require(":".join(got) == pci, f"{name} is {got}, not {pci}")
        out = card.run(f"/usr/sbin/ethtool -i {name}")
        kit.require(f"driver: {driver}" in out, out)
    kit.require(re.search(says, card.run("dmesg")), "dmesg does not name the chip")
    return pci


def dhcp(card):
    card.run(f"ip link set {card.nat} up")
    card.carrier(card.nat, 1, 10)
    out = card.run(f"udhcpc -i {card.nat} -n -q -t 20 -T 1")
    kit.require("lease 10.0.2.15" in out, out)
    received(card.run("ping -c 2 -i 0.2 -W 2 10.0.2.2"), 2)


# ---- Bulk ----

def tcp(card, address, servers):
    """Both ways with equal sums."""
    start = time.monotonic()
    # The console never ends: nc would hang up at once with an input that does.
    got = card.run(f"nc {address} {servers.source} </dev/ttyS0 >/tmp/got && md5sum </tmp/got", 120)
    kit.require(servers.sum in got, f"sent {servers.sum}, the guest got {got}")
    down = time.monotonic() - start
    size = int(card.run("wc -c </tmp/got"))
    start, count = time.monotonic(), len(servers.sums)
    card.run(f"nc -w 20 {address} {servers.sink} </tmp/got; rm /tmp/got", 120)
    kit.wait_for("the end of the transfer", lambda: len(servers.sums) > count, 30)
    kit.require(servers.sums[-1] == servers.sum, "what the guest sent is not what came")
    up = time.monotonic() - start
    return f"{size >> 20} MB at {size / down / 1e6:.0f} and {size / up / 1e6:.0f} MB/s"


def tcp_nat(card):
    return tcp(card, "10.0.2.2", card.servers)


def tcp_lan(card):
    return tcp(card, PEER, card.servers)


def ping(card):
    for size in (0, 56, 1472, 1473, 9000, 60000):
        received(card.run(f"ping -c 2 -i 0.2 -W 2 -s {size} {PEER}"), 2)
        received(card.peer.ping(GUEST, "-s", str(size)), 2)


def ipv6(card):
    # The DHCP client's script has flushed what was there: ask again.
    every = f"/proc/sys/net/ipv6/conf/{card.nat}/disable_ipv6"
    card.run(f"echo 1 >{every}; echo 0 >{every}")
    address = card.guest.poll("an IPv6 address by router advertisement",
                              f"ip -6 addr show dev {card.nat} scope global",
                              r"inet6 (fd17:625c:f037:2:\S+)/64 scope global (?!tentative)",
                              20).group(1)
    received(card.run("ping6 -c 2 -i 0.2 -W 2 fd17:625c:f037:2::2"), 2)
    link = card.guest.poll("an address of the link", f"ip -6 addr show dev {card.lan} scope link",
                           r"inet6 (fe80:\S+)/64 scope link *\n").group(1)
    received(card.peer.ping(f"{link}%{card.peer.device}", "-s", "1400"), 2)
    return address


# ---- What the filters let through ----

def multicast(card):
    def send():
        card.peer.frame(GROUP, "group")

    kit.require(card.watch(send) == [], "a group that nobody joined is received")
    card.run(f"/usr/sbin/ip maddr add {GROUP} dev {card.lan}")
    kit.require(card.watch(send) == [f"{GROUP} - group"], "the group that was joined is not")
    card.run(f"/usr/sbin/ip link set {card.lan} allmulticast on")
    all_groups = card.watch(lambda: card.peer.frame("01:00:5e:7f:00:01", "other"))
    kit.require(all_groups == ["01:00:5e:7f:00:01 - other"], "allmulticast receives not all")
    card.run(f"/usr/sbin/ip link set {card.lan} allmulticast off; "
             f"/usr/sbin/ip maddr del {GROUP} dev {card.lan}")
    kit.require(card.watch(send) == [], "the group that was left is received")


def promiscuous(card):
    def send():
        card.peer.drain()
        card.other.frame(card.peer.mac, "others")
        while b"others" not in card.peer.receive()[0]:
            pass
        card.peer.frame("02:00:00:00:00:77", "nobody")
        card.peer.frame(card.mac, "mine")

    def expect(policy, wanted):
        card.daemon("controlvm", card.machine, "nicpromisc2", policy)
        got = [line.split()[-1] for line in card.watch(send, card.other)]
        kit.require(sorted(got) == sorted(wanted), f"{policy}: {got}, not {wanted}")

    card.peer.frame("ff:ff:ff:ff:ff:ff", "here")
    expect("allow-all", ["mine"])
    card.run(f"ip link set {card.lan} promisc on")
    expect("allow-all", ["others", "nobody", "mine"])
    expect("allow-vms", ["others", "nobody", "mine"])
    expect("deny", ["mine"])
    card.run(f"ip link set {card.lan} promisc off")
    expect("deny", ["mine"])


def vlan(card):
    """Tags of both ways, of frames as long as they get."""
    card.run(f"vconfig add {card.lan} 5 && ip addr add 10.5.0.2/24 dev {card.lan}.5 && "
             f"ip link set {card.lan}.5 up && arp -s 10.5.0.1 {card.peer.mac} -i {card.lan}.5")
    for size in (60, 1500):
        card.peer.drain()
        for tag in (6, 5):
            card.peer.send(card.mac, echo_request("10.5.0.1", "10.5.0.2", size), 0x0800, tag)
        while True:
            data, tag = card.peer.receive()
            if is_echo_reply(data):
                break
        kit.require(tag == 5, f"the reply has tag {tag}")
        kit.require(len(data) >= size + 14, f"the reply has {len(data)} bytes")
    seen = card.watch(lambda: card.peer.frame(card.mac, "tagged", 1514, 5))
    kit.require(f"{card.mac} 5 tagged" in seen, str(seen))
    card.run(f"vconfig rem {card.lan}.5")
    received(card.run(f"ping -c 1 -W 2 {PEER}"), 1)


def jumbo(card):
    """Large frames between cards that can; a PCnet never sees them."""
    card.peer.mtu(9000)
    try:
        if card.model.startswith("Am79"):
            out = card.peer.ping(GUEST, "-W", "1", "-M", "do", "-s", "3000")
            kit.require(" 0 received" in out, "a PCnet received a jumbo frame")
            return "lost"
        card.run(f"ip link set {card.lan} mtu 9000")
        card.carrier(card.lan, 1)
        card.guest.poll("a way to the peer", f"ping -c 1 -W 1 {PEER}", "1 packets received")
        received(card.run(f"ping -c 2 -i 0.2 -W 2 -s 8972 {PEER}"), 2)
        received(card.peer.ping(GUEST, "-M", "do", "-s", "8972"), 2)
        said = tcp(card, PEER, card.servers)
        card.run(f"ip link set {card.lan} mtu 1500")
        return said
    finally:
        card.peer.mtu(1500)
        card.carrier(card.lan, 1)
        card.guest.poll("a way to the peer", f"ping -c 1 -W 1 {PEER}", "1 packets received")


def offloads(card):
    """Off, on, and (where there is time) each alone off, without corruption."""
    servers = Servers(4 if SOAK else 1)
    names = card.run(f"/usr/sbin/ethtool -k {card.lan}")
    short = {"rx-checksumming": "rx", "tx-checksumming": "tx", "scatter-gather": "sg",
             "tcp-segmentation-offload": "tso", "generic-segmentation-offload": "gso",
             "generic-receive-offload": "gro", "rx-vlan-offload": "rxvlan",
             "tx-vlan-offload": "txvlan"}
    can = [word for name, word in short.items()
           if re.search(rf"^{name}: (on|off)$", names, re.M)]
    sets = [" ".join(f"{w} off" for w in can), " ".join(f"{w} on" for w in can),
            *(f"{w} off" for w in can if SOAK)]
    for words in sets:
        card.run(f"/usr/sbin/ethtool -K {card.lan} {' '.join(f'{w} on' for w in can)} "
                 f">/tmp/said 2>&1; /usr/sbin/ethtool -K {card.lan} {words} >/tmp/said 2>&1; true")
        card.carrier(card.lan, 1)
        tcp(card, PEER, servers)
    card.run(f"/usr/sbin/ethtool -K {card.lan} {' '.join(f'{w} on' for w in can)} >/tmp/said 2>&1")
    card.carrier(card.lan, 1)
    return " ".join(can)


# ---- Life ----

def cable(card):
    card.daemon("controlvm", card.machine, "setlinkstate2", "off")
    start = time.monotonic()
    card.carrier(card.lan, 0)
    off = time.monotonic() - start
    card.daemon("controlvm", card.machine, "setlinkstate2", "on")
    start = time.monotonic()
    card.carrier(card.lan, 1)
    on = time.monotonic() - start
    card.guest.poll("a way to the peer", f"ping -c 1 -W 1 {PEER}", "1 packets received")
    return f"seen after {off:.1f} and {on:.1f} s"


def up_down(card):
    card.run(f"for i in $(seq {TURNS}); do ip link set {card.lan} down; ip link set {card.lan} up; "
             "done", 200)
    card.up()


def bind(card):
    """The driver lets go and takes the card again."""
    device = f"/sys/class/net/{card.lan}/device"
    if card.model == "virtio":
        device += "/.."
    bus = card.run(f"basename $(readlink -f {device})").strip()
    driver = card.run(f"readlink -f {device}/driver").strip()
    card.run(f"for i in $(seq {TURNS}); do echo {bus} >{driver}/unbind; echo {bus} >{driver}/bind; "
             "done", 300)
    kit.wait_for("the interface", lambda: card.mac in card.run("cat /sys/class/net/*/address"), 10)
    card.find()
    card.up()


def stopped(card):
    """The VMM stands still while frames come, and goes on."""
    vmm = card.guest.vmm()
    os.kill(vmm, signal.SIGSTOP)
    try:
        end = time.monotonic() + STOPPED
        while time.monotonic() < end:
            for _ in range(500):
                card.peer.frame(card.mac, "flood", 1000)
            time.sleep(0.02)
    finally:
        os.kill(vmm, signal.SIGCONT)
    card.guest.poll("a way to the peer", f"ping -c 1 -W 1 {PEER}", "1 packets received")
    return tcp_lan(card)


def begin_transfers(card):
    """Both ways, for longer than anybody looks."""
    card.run(f"(nc {PEER} {card.servers.endless} </dev/ttyS0 >/dev/null) 3>&- >/dev/null 2>&1 & "
             f"(nc {PEER} {card.servers.sink} </dev/zero) 3>&- >/dev/null 2>&1 & true")
    before = int(card.run(f"cat /sys/class/net/{card.lan}/statistics/tx_packets"))
    card.guest.poll("the transfer", f"expr $(cat /sys/class/net/{card.lan}/statistics/tx_packets) "
                                    rf"\> {before}", "^1")


def reset(card):
    """The machine is reset in mid-transfer: the firmware and the driver find the card as new."""
    begin_transfers(card)
    card.guest.send("echo b >/proc/sysrq-trigger")
    card.guest.wait_ready()
    card.find()
    card.up()
    return tcp_lan(card)


def other_model(card):
    """Card 3 is another model, on the same internal network."""
    address, name = card.macs[3]
    # Both are on one subnet: what is for one address goes out by that card, and no other answers.
    card.run("for f in arp_ignore arp_announce; do echo 2 >/proc/sys/net/ipv4/conf/all/$f; done; "
             f"ip addr add 192.168.9.3/32 dev {name}; ip link set {name} up; "
             f"ip route add {PEER}/32 dev {name} src 192.168.9.3 table 3; "
             "/usr/sbin/ip rule add from 192.168.9.3 table 3")
    card.carrier(name, 1, 10)
    card.guest.poll("a way by card 3", f"ping -c 1 -W 1 -I 192.168.9.3 {PEER}",
                    "1 packets received")
    received(card.run(f"ping -c 2 -i 0.2 -W 2 -s 9000 -I 192.168.9.3 {PEER}"), 2)
    received(card.peer.ping("192.168.9.3", "-s", "9000"), 2)
    neighbour = subprocess.run(["ip", "neigh", "show", "192.168.9.3"], text=True, check=True,
                               capture_output=True).stdout
    kit.require(address in neighbour, f"another card answered: {neighbour}")
    received(card.run(f"ping -c 2 -i 0.2 -W 2 {PEER}"), 2)
    card.run(f"/usr/sbin/ip rule del from 192.168.9.3 table 3; ip link set {name} down")
