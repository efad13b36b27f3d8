#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models.py MACHINE [MODEL | CHECK]... - each model in a Debian guest on a recent QEMU's machine (pc, q35), over
vfio-user. JACKFIELD_SOAK=1: with 64 MB instead of 4, 50 turns instead of 3, 10 s instead of 2; and on q35,
too, what is the model's business alone.
"""
import shutil
import sys

import checks
import kit
import qemu
from peer import Peer, Servers

# The neighbour of a card in one guest.
OTHER = {"82540EM": "virtio", "82543GC": "Am79C973", "82545EM": "Am79C970A",
         "Am79C970A": "82545EM", "Am79C973": "82543GC", "virtio": "82540EM"}
# What depends on the machine: interrupts, memory, the bus.
BOTH = [checks.chip, checks.dhcp, checks.ping, checks.tcp_lan, checks.bind]
# What is the model's business alone is seen on one machine, unless there is time.
ONCE = [checks.tcp_nat, checks.ipv6, checks.multicast, checks.promiscuous, checks.vlan, checks.jumbo,
        checks.cable, checks.offloads, checks.up_down, checks.stopped, checks.reset]
ALL = {"pc": BOTH + ONCE, "q35": BOTH + [checks.other_model] + (ONCE if checks.SOAK else [])}


def restarted(lab, daemon, card, start):
    """The VMM is killed in mid-transfer, and another one is run on the same machine."""
    checks.begin_transfers(card)
    card.guest.kill()
    kit.wait_for("the cards' end", lambda: card.machine not in daemon("list", "runningvms"), 10)
    card.guest = start()
    lab.callback(card.guest.kill)
    card.find()
    card.up()
    return checks.tcp_lan(card)


def test_model(tap, lab, daemon, program, machine, model, peers, servers, only):
    name = f"{model}-{machine}"
    types = [model, model] + ([OTHER[model]] if machine == "q35" else [])
    daemon("createvm", "--name", name, "--ostype", "Debian_64")
    daemon("modifyvm", name, "--nic1", "nat", "--nic2", "intnet", "--nic-promisc2", "allow-all")
    for i, nic_type in enumerate(types, 1):
        # virtio would go by vhost-user: this is about the PCI function.
        daemon("modifyvm", name, f"--nic-type{i}", nic_type, f"--mac-address{i}", "auto",
               *([f"--connector{i}", "vfio-user"] if nic_type == "virtio" else []),
               *(["--nic3", "intnet"] if i == 3 else []))

    def start():
        # Once with memory that QEMU shares by the user's word, once by ours.
        return lab.guest(daemon, name, program, board=machine, shared=machine == "pc")

    card = []

    def boot():
        card.append(checks.Card(daemon, start(), name, model, peers, servers))
        kit.require(card[0].guest.errors.read_text() == "", card[0].guest.errors.read_text())

    if not tap.check(f"{name} boots", boot):
        return
    card = card[0]
    lan = tap.check(f"{name} up", card.up)
    for check in ALL[machine] if lan else []:
        if not only or check.__name__ in only:
            tap.check(f"{name} {check.__name__}", check, card)
    if lan and machine == "pc" and (not only or "restarted" in only):
        tap.check(f"{name} restarted", restarted, lab, daemon, card, start)
    card.guest.stop()


def main():
    kit.isolate()
    program = qemu.recent()
    if not program:
        print("1..0 # SKIP no recent QEMU to be had")
        return 0
    machine, words = sys.argv[1], sys.argv[2:]
    models = [word for word in words if word in checks.MODELS] or list(checks.MODELS)
    only = [word for word in words if word not in checks.MODELS]
    tap = kit.Tap()
    with kit.Lab() as lab:
        lab.image([shutil.which("ethtool"), shutil.which("ip")],
                  [("bin/watch-frames", kit.BUILD / "tests/guests/watch-frames")])
        daemon = lab.daemon()
        peers = (Peer(daemon, "peer", "jfpeer0", checks.PEER),
                 Peer(daemon, "other", "jfpeer1", "192.168.10.1"))
        servers = Servers(checks.MEGABYTES)
        for model in models:
            test_model(tap, lab, daemon, program, machine, model, peers, servers, only)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
