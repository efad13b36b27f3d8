#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nat_many.py - as many guests on one NAT network as a /24 has room for.

Seven machines with 36 cards each, by the connector tap; this program is the guests, frame by frame.
Run in a user and network namespace of its own. Speaks TAP.
"""
import ctypes
import fcntl
import select
import socket
import struct
import subprocess
import sys
import time

import kit

MACHINES, CARDS = 7, 36
# Of 10.20.0.0/24: without the router, the loopback, the DHCP server.
GUESTS = 251
SO_ATTACH_FILTER = 26
COOKIE = b"\x63\x82\x53\x63"


class Wire:
    """All taps by one socket, with only what comes for somebody's own address."""

    def __init__(self):
        self.line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        # Load the first byte; drop what is for a group.
        program = ((0x30, 0, 0, 0), (0x45, 0, 1, 1), (0x06, 0, 0, 0), (0x06, 0, 0, 0xffff))
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in program))
        self.line.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                             struct.pack("HL", len(program), ctypes.addressof(code)))
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def mac(self, name):
        request = struct.pack("16s24x", name.encode())
        return fcntl.ioctl(self.line, 0x8927, request)[18:24]  # SIOCGIFHWADDR

    def receive(self, seconds):
        """The name of a tap and a frame that came to it; None: nothing came."""
        end = time.monotonic() + seconds
        while select.select([self.line], [], [], max(0, end - time.monotonic()))[0]:
            frame, (name, _, kind, *_) = self.line.recvfrom(2048)
            if kind != socket.PACKET_OUTGOING:
                return name, frame
        return None


class Guest:
    def __init__(self, wire, name):
        self.wire = wire
        self.name = name
        self.mac = wire.mac(name)
        self.address = None

    def send(self, to, kind, payload):
        self.wire.line.sendto(to + self.mac + struct.pack(">H", kind) + payload, (self.name, kind))

    def dhcp(self, kind, options=b""):
        message = struct.pack(">4BIHH16s", 1, 1, 6, 0, 1, 0, 0, b"") + self.mac.ljust(208, b"\0")
        message += COOKIE + bytes((53, 1, kind)) + options + b"\xff"
        udp = struct.pack(">4H", 68, 67, 8 + len(message), 0) + message
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"", b"\xff" * 4)
        total = sum(struct.unpack(">10H", ip))
        total = (total & 0xffff) + (total >> 16)
        ip = ip[:10] + struct.pack(">H", ~total & 0xffff) + ip[12:]
        self.send(b"\xff" * 6, 0x0800, ip + udp)


def every(guests, take, again, what):
    """`take` gets each frame of each guest until it has said that it is done with all; `again` is
    called for those who wait, as clients do."""
    waiting = {g.name: g for g in guests}
    end = time.monotonic() + 20
    while waiting:
        got = guests[0].wire.receive(2)
        if time.monotonic() > end:
            raise kit.Failed(f"{what}: nothing for {len(waiting)} guests")
        for guest in waiting.values() if not got else ():
            again(guest)
        if got and got[0] in waiting and take(waiting[got[0]], got[1]):
            del waiting[got[0]]


def dhcp_answer(frame, kind):
    """The address in an answer of this kind; None: it is something else."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[34:36] != b"\0\x43":
        return None
    options, found = frame[42 + 240:], {}
    while options and options[0] != 255:
        found[options[0]] = options[2:2 + options[1]]
        options = options[2 + options[1]:]
    return (frame[42 + 16:42 + 20], found[54]) if found[53] == bytes((kind,)) else None


def leases(guests):
    offers = {}

    def discover(guest):
        guest.dhcp(1)

    def request(guest):
        address, server = offers[guest]
        guest.dhcp(3, b"\x32\x04" + address + b"\x36\x04" + server)

    def offered(guest, frame):
        offers[guest] = dhcp_answer(frame, 2)
        return offers[guest]

    def bound(guest, frame):
        answer = dhcp_answer(frame, 5)
        if answer:
            guest.address = answer[0]
        return answer

    for step, take, what in ((discover, offered, "offers"), (request, bound, "leases")):
        for guest in guests:
            step(guest)
        every(guests, take, step, what)
    addresses = {g.address for g in guests}
    kit.require(len(addresses) == len(guests), f"only {len(addresses)} addresses for all")
    wanted = {bytes((10, 20, 0, n)) for n in range(4, 255)}
    kit.require(addresses <= wanted, f"odd addresses: {sorted(addresses - wanted)}")


def exhausted(guest, guests):
    """The pool has had its last; the guest is told nothing, and the others keep theirs."""
    def confirm(old):
        old.dhcp(3, b"\x32\x04" + old.address)

    guest.dhcp(1)
    kit.require(not guest.wire.receive(0.5), "somebody's address twice")
    confirm(guests[7])
    every(guests[7:8], lambda _, frame: dhcp_answer(frame, 5), confirm, "what was leased")


def arp(guest, op, to, address):
    guest.send(to, 0x0806, struct.pack(">HHBBH", 1, 0x800, 6, 4, op) + guest.mac + guest.address +
               (to if op == 2 else bytes(6)) + address)


def neighbours(guests):
    """Each answers the one before, through the switch and nothing else."""
    following = dict(zip(guests, guests[1:] + guests[:1]))

    def ask(guest):
        arp(guest, 1, b"\xff" * 6, following[guest].address)
        # The taps have no addresses, so no kernel answers.
        arp(following[guest], 2, guest.mac, guest.address)

    for guest in guests:
        ask(guest)
    every(guests, lambda g, f: f[12:14] == b"\x08\x06" and f[28:32] == following[g].address, ask,
          "neighbours")


def router(guests):
    gateway = bytes((10, 20, 0, 1))

    def ask(guest):
        arp(guest, 1, b"\xff" * 6, gateway)

    for guest in guests:
        ask(guest)
    every(guests, lambda _, f: f[12:14] == b"\x08\x06" and f[28:32] == gateway, ask, "the router")


def setup(daemon):
    # What kernels say by themselves on so many taps goes to all of them.
    subprocess.run(["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"], check=True)
    daemon("natnetwork", "add", "--netname", "many", "--network", "10.20.0.0/24")
    for m in range(MACHINES):
        name = f"m{m}"
        daemon("createvm", "--name", name)
        daemon("modifyvm", name, "--chipset", "ich9")
        words = []
        for n in range(1, CARDS + 1):
            words += [f"--nic{n}", "natnetwork", f"--nat-network{n}", "many", f"--connector{n}",
                      "tap", f"--connector-property{n}", f"ifname=t{m}-{n}"]
        daemon("modifyvm", name, *words)
        daemon("startvm", name)
    wire = Wire()
    return [Guest(wire, f"t{m}-{n}") for m in range(MACHINES) for n in range(1, CARDS + 1)]


def main():
    tap = kit.Tap()
    with kit.Lab() as lab:
        daemon = lab.daemon()
        everybody = setup(daemon)
        guests = everybody[:GUESTS]
        if tap.check(f"{GUESTS} leases, all different", leases, guests):
            tap.check("then none", exhausted, everybody[GUESTS], guests)
            tap.check("each reaches the next", neighbours, guests)
            tap.check("and the router", router, guests)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
