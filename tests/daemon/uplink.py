#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""uplink.py BUILD PROGRAM - programs that embed libjackfield on a network of a daemon's, with a
machine of the daemon's own; one of them is killed, and then the daemon."""
import os
import queue
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

BUILD, PROGRAM = sys.argv[1:3]
DEADLINE = 30
TMP = tempfile.mkdtemp(prefix="jf-uplink-")
RUN = f"{TMP}/run"
ENV = {**os.environ, "JACKFIELD_RUNTIME_DIR": RUN, "JACKFIELD_HOME": f"{TMP}/home"}
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac(number):
    return f"08:00:27:00:00:{number:02x}"


def raw(text):
    return bytes.fromhex(text.replace(":", ""))


def until(what, condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {DEADLINE} s"
        time.sleep(0.01)


class Daemon:
    def __init__(self):
        self.process = subprocess.Popen([f"{BUILD}/tools/jackfieldd/jackfieldd", "--foreground",
                                         "--bus=none"], env=ENV, stderr=subprocess.DEVNULL)
        until("the daemon", lambda: os.path.exists(f"{RUN}/networks.sock"))

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


def jf(*words):
    done = subprocess.run([f"{BUILD}/tools/jackfield/jackfield", *words], env=ENV, timeout=DEADLINE,
                          capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


class End:
    """A program with a card."""

    def __init__(self, number, network="lab", quiet=False):
        self.mac = mac(number)
        words = [PROGRAM, RUN, network, self.mac] + ["quiet"] * quiet
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self, pattern, nudge=lambda: None):
        """The next line that matches; those before it are passed over. `nudge` asks for one."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                line = self.lines.get(timeout=0.1)
            except queue.Empty:
                assert time.monotonic() < end, f"{self.mac}: no '{pattern}'"
                nudge()
                continue
            if found := re.fullmatch(pattern, line):
                return found

    def count(self):
        self.tell("count")
        return [int(n) for n in self.wait(r"count ([\d ]+)")[1].split()]

    def pass_over(self):
        while not self.lines.empty():
            self.lines.get()

    def finish(self):
        self.process.stdin.close()
        assert self.process.wait(DEADLINE) == 0

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE)


class Machine:
    """A machine of the daemon's; we are its VMM."""

    def __init__(self, number):
        self.mac = mac(number)
        self.path = f"{TMP}/m.sock"
        jf("createvm", "--name", "m")
        jf("modifyvm", "m", "--nic1", "intnet", "--intnet1", "lab", "--connector1", "stream",
           "--connector-property1", f"path={self.path}",
           "--macaddress1", self.mac.replace(":", ""))
        jf("startvm", "m")
        self.connect()

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(self.path)

    def send(self, to, number, length=60):
        body = struct.pack(">I", number) + bytes((number + i) & 255 for i in range(18, length))
        frame = raw(to) + raw(self.mac) + b"\x88\xb5" + body
        self.socket.sendall(struct.pack(">I", len(frame)) + frame)

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            assert more, "the card closed the connection"
            data += more
        return data

    def receive(self):
        return self.read(struct.unpack(">I", self.read(4))[0])


def has_ports(n):
    return f"Ports:       {n}\n" in jf("list", "intnets", "--long")


def test_meet():
    for end in (a, b):
        end.wait("link 1")
    a.tell(f"send {BROADCAST} 1 60")
    b.wait("got 0a ff 60 0 0 good")
    assert m.receive()[:12] == raw(BROADCAST) + raw(a.mac)
    a.tell(f"send {b.mac} 5 1514")
    for number in range(5):
        b.wait(f"got 0a 0b 1514 0 {number} good")
    b.tell(f"send {m.mac} 1 600")
    assert m.receive()[:12] == raw(m.mac) + raw(b.mac)
    m.send(a.mac, 77)
    a.wait("got 01 0a 60 0 77 good")
    m.send(BROADCAST, 78, 1000)
    for end in (a, b):
        end.wait("got 01 ff 1000 0 78 good")


def test_whole():
    """A frame of 60 kB crosses as it is; for the machine's VMM, which takes none, it is cut."""
    a.tell(f"gso {b.mac} 3 60054")
    for number in range(3):
        b.wait(f"got 0a 0b 60054 1448 {number} good")
    a.tell(f"gso {b.mac} 1 65549")
    b.wait("got 0a 0b 65549 1448 0 good")
    b.tell(f"gso {m.mac} 1 60054")
    total = 0
    while total < 60000:
        frame = m.receive()
        assert len(frame) <= 1502, len(frame)
        total += len(frame) - 54
    assert total == 60000


def increasing(end, sender, length, last, nudge=lambda: None):
    """What `end` gets from `sender` until a line matches `last`: nothing twice, nothing late."""
    seen = -1
    while True:
        found = end.wait(rf"got {sender} \w+ {length} 0 (\d+) (good|bad)|({last})", nudge)
        if found[3]:
            return seen
        assert found[2] == "good" and int(found[1]) > seen, (found[0], seen)
        seen = int(found[1])


def test_order():
    """More than the rings hold, at once, both ways: a receiver that is slow loses some, as on any
    switch, and the others come once and in order."""
    for sender, receiver in ((a, b), (b, a)):
        sender.tell(f"send {receiver.mac} 5000 300")
        sender.wait("sent 5000")
        last = f"send {receiver.mac} 1 301"
        assert increasing(receiver, sender.mac[-2:], 300, "got .. .. 301 .*",
                          lambda: sender.tell(last)) > 250
        receiver.pass_over()


def test_promiscuous():
    c = End(0x0c)
    c.wait("link 1")
    c.tell("promiscuous 1")
    c.wait("link 0")
    c.wait("link 1")
    a.tell(f"send {b.mac} 1 64")
    c.wait("got 0a 0b 64 0 0 good")
    c.finish()


def test_killed():
    """One is killed under traffic: its port goes, and the others go on."""
    c = End(0x0c, quiet=True)
    c.wait("link 1")
    c.tell(f"flood {b.mac} 60000 60")
    b.wait("got 0c 0b .*")
    c.kill()
    until("the port to go", lambda: has_ports(3))
    b.pass_over()
    a.tell(f"send {b.mac} 3 100")
    for number in range(3):
        b.wait(f"got 0a 0b 100 0 {number} good")


def test_daemon_killed():
    """Without the daemon the link is down and frames are lost, at once; with the next one all is as
    before."""
    global daemon
    daemon.kill()
    for end in (a, b):
        end.wait("link 0")
    before = a.count()[3]
    a.tell(f"send {b.mac} 500 100")
    a.wait("sent 500")
    assert a.count()[3] == before + 500
    daemon = Daemon()
    for end in (a, b):
        end.wait("link 1")
    a.tell(f"send {b.mac} 2 100")
    for number in range(2):
        b.wait(f"got 0a 0b 100 0 {number} good")
    until("the machine", lambda: os.path.exists(m.path))
    m.connect()
    m.send(b.mac, 5)
    b.wait("got 01 0b 60 0 5 good")


def test_killed_under_load():
    """The daemon is killed while the rings are full: senders do not hang, and nothing comes twice."""
    global daemon
    for _ in range(3):
        b.pass_over()
        a.tell(f"send {b.mac} 20000 200")
        b.wait("got 0a 0b 200 0 0 good")
        daemon.kill()
        a.wait("sent 20000")
        increasing(b, "0a", 200, "link 0")
        daemon = Daemon()
        for end in (a, b):
            end.wait("link 1")
        a.tell(f"send {b.mac} 1 201")
        b.wait("got 0a 0b 201 0 0 good")
    assert a.count()[5] == 0 and b.count()[2] == 0


def ask(driver, network):
    """The daemon's answer: whether it refused, and why."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(DEADLINE)
        s.connect(f"{RUN}/networks.sock")
        s.sendall(struct.pack("8sI6s2s32s128s128s", b"JFUPLK1", 0, raw(mac(9)), b"", driver,
                              network, b"x"))
        reply = s.recv(256)
        return struct.unpack_from("=I", reply, 8)[0], reply[12:].split(b"\0")[0].decode()


def test_refused():
    """What the daemon has against it is in its answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"{RUN}/networks.sock")
        s.sendall(b"\xff" * 308)
        reply = s.recv(256)
        assert struct.unpack_from("=I", reply, 8)[0] == 1 and b"another version" in reply, reply
        assert s.recv(1) == b""
    for driver, network, text in ((b"no-such", b"lab", "no-such"), (b"null", b"lab", "network"),
                                  (b"intnet", b"", "empty"), (b"intnet", b"x" * 128, "its end"),
                                  (b"intnet", b"\xff", "UTF-8"),
                                  (b"intnet", b"a\nb", "control character"),
                                  (b"natnetwork", b"nat1", "no NAT network")):
        refused, why = ask(driver, network)
        assert refused == 1 and text in why, (driver, network, why)
    assert ask(b"intnet", b"x" * 127) == (0, "")


def test_nat_network():
    """A NAT network is for programs as well, with the daemon's services."""
    jf("natnetwork", "add", "--netname", "nat1", "--network", "192.168.15.0/24", "--enable")
    assert ask(b"natnetwork", b"nat1") == (0, "")


def test_end():
    """Ports hold a daemon back from ending for want of work, and go with their programs."""
    for end in (a, b):
        end.finish()
    until("the ports to go", lambda: has_ports(1))
    assert daemon.kill(signal.SIGTERM) == 0


TESTS = (test_meet, test_whole, test_order, test_promiscuous, test_killed, test_daemon_killed,
         test_killed_under_load, test_refused, test_nat_network, test_end)
failed = False
os.makedirs(RUN, 0o700)
# Programs come before their daemon: they wait for it.
a, b = End(0x0a), End(0x0b)
a.wait("link 0")
daemon = Daemon()
m = Machine(1)
try:
    for number, test in enumerate(TESTS, 1):
        test()
        print(f"ok {number} {test.__name__}", flush=True)
except AssertionError as error:
    print(f"not ok {number} {test.__name__}: {error}", flush=True)
    failed = True
finally:
    for process in (a.process, b.process, daemon.process):
        if process.poll() is None:
            process.kill()
    shutil.rmtree(TMP, ignore_errors=True)
print(f"1..{len(TESTS)}")
sys.exit(failed)
