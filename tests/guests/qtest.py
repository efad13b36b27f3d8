#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qtest.py - the vfio-user connector and a PCnet card under the real QEMU, without a guest.

QEMU's qtest accelerator executes no code: this program is firmware and driver, by reads and writes of
ports and memory that take the same way as a guest's.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

import kit
import qemu

RUN_CARD = kit.BUILD / "tests/guests/run-card"
IO, MMIO, ROM = 0xc000, 0xfebf0000, 0xfec80000 - 0x100000
RX_RING, TX_RING, RX_BUFFERS, TX_BUFFERS = 0x100000, 0x110000, 0x120000, 0x140000
OWN, STP, ENP = 0x8000, 0x0200, 0x0100
IDON, RINT, TINT, TDMD, IENA, STRT, STOP = 0x100, 0x400, 0x200, 8, 0x40, 2, 4


class Card:
    """A card in a process of its own."""

    def __init__(self, home, name, attachment, connector=""):
        self.path = home / f"{name}.sock"
        self.log = home / f"{name}.log"
        self.process = subprocess.Popen(
            [RUN_CARD, f"vfio-user,path={self.path}{connector}", "Am79C970A", attachment],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log.open("a"), text=True)
        assert self.process.stdout.readline() == "ready\n", self.log.read_text()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        lines = []
        while not lines or lines[-1] != "ready":
            lines.append(self.process.stdout.readline().strip())
            assert lines[-1], self.log.read_text()
        return lines[:-1]

    def counter(self, name):
        return next(int(line.split()[-1]) for line in self.ask("stats") if f" {name} " in line)

    def stop(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        return self.process.wait(20)


class Machine:
    """QEMU with the card, at the prompt of its qtest protocol."""

    SHARED = ("pc,memory-backend=mem", "64",
              "-object", "memory-backend-memfd,id=mem,size=64M,share=on")

    def __init__(self, card, machine=SHARED, more=()):
        argv = [qemu.recent(), "-accel", "qtest", "-qtest", "stdio", "-qtest-log", "/dev/null",
                "-nodefaults", "-display", "none", "-machine", machine[0], "-m", *machine[1:],
                *more, "-device",
                '{"driver":"vfio-user-pci","addr":"04.0","socket":'
                '{"type":"unix","path":"%s"}}' % card.path]
        self.process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.interrupts = []

    def route_interrupts(self):
        """All four PCI lines to IRQ 11 (PIIX3, 60h to 63h), and those of the I/O APIC to us."""
        self("irq_intercept_in ioapic")
        self(f"outl 0xcf8 {0x80000000 | 1 << 11 | 0x60:#x}")
        self("outl 0xcfc 0x0b0b0b0b")

    def raised(self):
        return self.interrupts.count(["raise", "11"])

    def __call__(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        while True:
            answer = self.process.stdout.readline().split()
            assert answer, "QEMU is gone: " + self.process.stderr.read()
            if answer[0] == "IRQ":
                self.interrupts.append(answer[1:])
            else:
                assert answer[0] == "OK", f"{line}: {answer}"
                return int(answer[1], 0) if len(answer) > 1 else None

    def read(self, address, size):
        self.process.stdin.write(f"read {address:#x} {size:#x}\n")
        self.process.stdin.flush()
        while True:
            answer = self.process.stdout.readline().split()
            if answer[0] == "OK":
                return bytes.fromhex(answer[1][2:])
            self.interrupts.append(answer[1:])

    def write(self, address, data):
        self(f"write {address:#x} {len(data):#x} 0x{data.hex()}")

    def config(self, offset, value=None, size="l"):
        self(f"outl 0xcf8 {0x80000000 | 4 << 11 | offset & ~3:#x}")
        port = 0xcfc + (offset & 3)
        return self(f"in{size} {port:#x}") if value is None else \
            self(f"out{size} {port:#x} {value:#x}")

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Driver:
    """Of the card, 32-bit descriptors; registers by I/O ports, or by memory, whose writes QEMU posts."""

    def __init__(self, machine, by_memory, mode=0x8044):
        self.m = machine
        self.by_memory = by_memory
        self.rx = self.tx = 0
        machine.config(0x10, IO)
        machine.config(0x14, MMIO)
        machine.config(0x04, 7, "w")
        self.csr(0, STOP)
        self.bcr(20, 2)
        for i in range(16):
            machine.write(RX_RING + 16 * i,
                          struct.pack("<IHHII", RX_BUFFERS + 2048 * i, 0xf800, OWN, 0, 0))
            machine.write(TX_RING + 16 * i, bytes(16))
        for reg, value in ((15, mode), (24, RX_RING & 0xffff), (25, RX_RING >> 16),
                           (30, TX_RING & 0xffff), (31, TX_RING >> 16), (76, 0xfff0), (78, 0xfff0)):
            self.csr(reg, value)
        self.csr(0, STRT | IENA)

    def register(self, offset, value=None):
        if self.by_memory:
            return self.m(f"readw {MMIO + offset:#x}") if value is None else \
                self.m(f"writew {MMIO + offset:#x} {value:#x}")
        return self.m(f"inw {IO + offset:#x}") if value is None else \
            self.m(f"outw {IO + offset:#x} {value:#x}")

    def csr(self, reg, value=None):
        self.register(0x12, reg)
        return self.register(0x10, value)

    def bcr(self, reg, value=None):
        self.register(0x12, reg)
        return self.register(0x16, value)

    def send(self, frame):
        buffer = TX_BUFFERS + 2048 * self.tx
        self.m.write(buffer, frame)
        self.m.write(TX_RING + 16 * self.tx,
                     struct.pack("<IHHII", buffer, 0x10000 - len(frame), OWN | STP | ENP, 0, 0))
        self.tx = (self.tx + 1) % 16
        self.csr(0, TDMD | IENA)

    def take(self):
        """The next frame received, without its FCS; None: none yet."""
        raw = self.m.read(RX_RING + 16 * self.rx, 16)
        _, _, status, length, _ = struct.unpack("<IHHII", raw)
        if status & OWN:
            return None
        data = self.m.read(RX_BUFFERS + 2048 * self.rx, length - 4)
        self.m.write(RX_RING + 16 * self.rx + 6, struct.pack("<H", OWN))
        self.rx = (self.rx + 1) % 16
        return data


def frame(number, length):
    return b"\x02" * 12 + b"\x88\xb5" + bytes((number + i) & 0xff for i in range(length - 14))


def exchange(driver, n):
    for number in range(n):
        wanted = frame(number, 60 + number * 83 % 1400)
        driver.send(wanted)
        got = kit.wait_for("a frame", driver.take, 10)
        assert got == wanted, (got[:32], wanted[:32])


def test_configuration(home):
    card = Card(home, "a", "null")
    machine = Machine(card)
    assert machine.config(0) == 0x20001022
    assert machine.config(8) >> 24 == 2
    assert machine.config(0x2c) == 0x20001022
    machine.config(0x10, 0xffffffff)
    assert machine.config(0x10) == 0xffffffe1
    machine.config(0x14, 0xffffffff)
    assert machine.config(0x14) == 0xffffffe0
    machine.config(0x10, IO)
    machine.config(4, 1, "w")
    prom = bytes(machine(f"inb {IO + i:#x}") for i in range(16))
    assert prom[:6] == bytes.fromhex("525400123456") and prom[14:] == b"WW"
    machine.kill()
    assert card.stop() == 0


def test_frames(home):
    """Internal loopback: all that a driver does, over QEMU's own client."""
    card = Card(home, "a", "null")
    for by_memory in (False, True):
        machine = Machine(card)
        machine.route_interrupts()
        driver = Driver(machine, by_memory)
        exchange(driver, 40)
        kit.wait_for("an interrupt", lambda: driver.csr(0) and machine.raised(), 10)
        for _ in range(3):
            assert driver.csr(0) & (RINT | TINT) == RINT | TINT
            driver.csr(0, RINT | TINT | IENA)
            raised = machine.raised()
            exchange(driver, 1)
            kit.wait_for("another interrupt",
                         lambda: driver.csr(0) and machine.raised() > raised, 10)
        machine.kill()
    assert card.counter("clients") == 2
    assert card.counter("requests-refused") == 0
    assert card.stop() == 0


def test_client_gone(home):
    """QEMU killed in the middle of it, and started again: the card is as after power-on."""
    card = Card(home, "a", "null")
    for round_ in range(5):
        machine = Machine(card)
        driver = Driver(machine, round_ % 2 == 1)
        exchange(driver, 3)
        driver.send(frame(1, 100))
        os.kill(machine.process.pid, signal.SIGKILL)
        machine.kill()
    machine = Machine(card)
    machine.config(0x10, IO)
    machine.config(4, 1, "w")
    assert machine(f"inw {IO + 0x10:#x}") == STOP
    machine.kill()
    assert card.stop() == 0


def test_other_memory(home):
    """A display adapter's frame buffer comes without a descriptor; the guest's memory has one."""
    card = Card(home, "a", "null")
    machine = Machine(card, more=("-device", "VGA"))
    exchange(Driver(machine, False), 10)
    assert card.counter("unshared-memory") > 0
    machine.kill()
    assert card.stop() == 0


def test_unshared(home):
    """Memory that is not shared, with a descriptor or without: QEMU ends, and we say why."""
    card = Card(home, "a", "null")
    for words in (("pc", "64"), ("pc,memory-backend=mem", "64", "-object",
                                 "memory-backend-memfd,id=mem,size=64M,share=off")):
        machine = Machine(card, machine=words)
        _, errors = machine.process.communicate(timeout=30)
        assert machine.process.returncode not in (0, -signal.SIGABRT, -signal.SIGSEGV), errors
        assert card.log.read_text().count("share=on") > 0
        card.log.write_text("")
    machine = Machine(card)
    exchange(Driver(machine, False), 3)
    machine.kill()
    assert card.stop() == 0


def test_rom(home):
    """The expansion ROM's BAR and contents, as firmware reads them."""
    rom = b"\x55\xaa\x04" + bytes(i & 0xff for i in range(2045 - 32)) + b"end"
    (home / "rom").write_bytes(rom)
    card = Card(home, "a", "null", f",rom={home}/rom")
    machine = Machine(card)
    machine.config(0x30, 0xfffff800)
    assert machine.config(0x30) == 0xfffff800
    machine.config(0x30, 0xfe800001)
    machine.config(4, 2, "w")
    assert machine.read(0xfe800000, len(rom)) == rom
    machine.kill()
    assert card.stop() == 0


def test_two_cards(home):
    """Two machines on a wire, and one of them is killed: the other goes on."""
    import socket
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for end in ends:
        end.bind(("127.0.0.1", 0))
    ports = [end.getsockname()[1] for end in ends]
    for end in ends:
        end.close()
    cards = [Card(home, "ab"[i], f"UDPTunnel,bind=127.0.0.1,sport={ports[i]},dport={ports[1 - i]}")
             for i in range(2)]
    machines = [Machine(card) for card in cards]
    drivers = [Driver(machine, i == 1, mode=0x8000) for i, machine in enumerate(machines)]
    for number in range(20):
        wanted = frame(number, 60 + 70 * number)
        drivers[number % 2].send(wanted)
        assert kit.wait_for("a frame", drivers[1 - number % 2].take, 10) == wanted
    machines[1].kill()
    drivers[0].send(frame(1, 60))
    assert drivers[0].csr(88) == 0x1003
    machines[0].kill()
    assert [card.stop() for card in cards] == [0, 0]


TESTS = [test_configuration, test_frames, test_client_gone, test_other_memory, test_unshared,
         test_rom, test_two_cards]


def main():
    if not qemu.recent():
        print("1..0 # SKIP a QEMU with vfio-user is not to be had from this machine's package mirror")
        return 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        home = pathlib.Path(tempfile.mkdtemp(prefix="jf-"))
        try:
            test(home)
            print(f"ok {number} {test.__name__[5:]}", flush=True)
        except Exception:
            print(f"not ok {number} {test.__name__[5:]}", flush=True)
            raise
        finally:
            shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
