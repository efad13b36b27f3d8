# SPDX-License-Identifier: LGPL-2.1-or-later
"""peer.py - what is at the other end for a guest: the test's own network stack, by a tap card on the
guest's internal network, and servers on the loopback that NAT leads to."""
import contextlib
import hashlib
import os
import re
import socket
import struct
import subprocess
import threading

import kit

TEST_TYPE = 0x88b5
PACKET_AUXDATA = 8
DATA = os.urandom(1 << 20)


def pattern(megabytes):
    return DATA * megabytes


class Servers:
    """TCP on every address: `source` sends a pattern and closes, `endless` does not close, `sink` takes
    all and keeps its sum."""

    def __init__(self, megabytes):
        self.data = pattern(megabytes)
        self.sum = hashlib.md5(self.data).hexdigest()
        self.sums = []
        self.source = self.listen(lambda line: line.sendall(self.data))
        self.endless = self.listen(self.flow)
        self.sink = self.listen(self.take)

    def listen(self, serve):
        server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)

        def one(line):
            with line, contextlib.suppress(OSError):
                serve(line)

        # A guest that was reset leaves a connection behind that nobody ends.
        def loop():
            while True:
                threading.Thread(target=one, args=server.accept()[:1], daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()
        return server.getsockname()[1]

    def flow(self, line):
        while True:
            line.sendall(DATA)

    def take(self, line):
        got = hashlib.md5()
        while data := line.recv(1 << 20):
            got.update(data)
        self.sums.append(got.hexdigest())


class Peer:
    """A card of the test's own: machine `name` with a tap device on the internal network."""

    def __init__(self, daemon, name, device, address, network="intnet"):
        self.daemon, self.name, self.device = daemon, name, device
        daemon("createvm", "--name", name, "--ostype", "Debian_64")
        daemon("modifyvm", name, "--nic1", "intnet", "--intnet1", network, "--connector1", "tap")
        daemon("modifyvm", name, "--connector-property1", f"ifname={device}",
               "--connector-property1", f"address={address}/24", "--connector-property1", "mtu=1500")
        daemon("startvm", name)
        link = subprocess.run(["ip", "-o", "link", "show", device], text=True, check=True,
                              capture_output=True).stdout
        self.mac = re.search(r"link/ether (\S+)", link).group(1)
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.raw.setsockopt(263, PACKET_AUXDATA, 1)
        self.raw.bind((device, 0))

    def mtu(self, value):
        subprocess.run(["ip", "link", "set", self.device, "mtu", str(value)], check=True)

    def frame(self, to, word, size=60, vlan=None):
        """Sends a test frame; watch-frames in a guest shows it."""
        tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
        head = mac(to) + mac(self.mac) + tag + struct.pack("!H", TEST_TYPE) + word.encode() + b" "
        self.raw.send(head.ljust(size, b"."))

    def send(self, to, payload, type_, vlan=None):
        tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
        self.raw.send(mac(to) + mac(self.mac) + tag + struct.pack("!H", type_) + payload)

    def receive(self, seconds=5):
        """The next frame as (bytes, vlan or None)."""
        self.raw.settimeout(seconds)
        data, control, _, _ = self.raw.recvmsg(65600, 256)
        for _, kind, value in control:
            if kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", value)
                if status & 0x10:
                    return data, tci & 0xfff
        return data, None

    def drain(self):
        """Forgets what was received."""
        self.raw.settimeout(0)
        try:
            while True:
                self.raw.recv(65600)
        except BlockingIOError:
            pass

    def ping(self, address, *words):
        """Two requests; what was said, and how many were answered. One by one: ping gives the last of
        several only two round trips of the others, and a guest may be slower than before."""
        done = [subprocess.run(["ping", "-c", "1", "-W", "2", *words, address], text=True, check=False,
                               capture_output=True, timeout=30) for _ in range(2)]
        good = sum(one.returncode == 0 for one in done)
        return "".join(one.stdout for one in done) + f" {good} received, {50 * (2 - good)}% packet loss"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def echo_request(source, to, size):
    """An ICMP echo request in an IPv4 packet of `size` bytes (RFC 791, 792)."""
    body = struct.pack("!BBHHH", 8, 0, 0, 0x4a46, 1).ljust(size - 20, b"j")
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, 1, 0, 64, 1, 0, socket.inet_aton(source),
                       socket.inet_aton(to))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return head + body


def is_echo_reply(frame):
    kit.require(len(frame) >= 34, "a frame is too short")
    return frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 0
