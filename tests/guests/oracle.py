#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""oracle.py - our models against QEMU's own of the same chips.

One guest has a card of each chip that QEMU has too, by vfio-user; another one the same cards in the same
order as QEMU's own, by stream. A script writes down what the drivers say and do with them; the two
transcripts must agree but for what is listed here, each with a reason.
"""
import difflib
import re
import shutil
import sys

import checks
import kit
import qemu
from peer import Peer

CHIPS = ["82540EM", "82545EM", "Am79C970A", "virtio"]

# Lines that may differ, by chip: (pattern, why).
E1000 = [
    (r"^bars: ", "QEMU's I/O BAR is the second; ours the third, as on the chip with its flash BAR"),
    (r"^pause: .TX:", "our PHY's link partner does pause"),
    (r"^eeprom: ", "words 8 to 11"),
    (r"^settings: .\s*MDI-X", "crossover is not told by ours"),
    (r"^self-test: (-|\+.*(PASS|\s0$))", "QEMU's fails the driver's self-test, ours passes"),
    (r"^speed-100: .\s*Speed: ", "QEMU's stays at 1000 Mb/s"),
]
KNOWN = {
    "82540EM": E1000,
    "82545EM": E1000,
    "Am79C970A": [],
    "virtio": [
        (r"^bars: ", "where the structures lie is the device's business"),
        (r"^settings: .\s*(Speed|Duplex): ", "ours has VIRTIO_NET_F_SPEED_DUPLEX"),
        (r"^features: ", "QEMU's has no offloads on a netdev without virtio_net_hdr"),
    ],
}

# Every line of the guest's script, for interface $i with PCI function $p.
SCRIPT = {
    "identity": "cd $p; cat vendor device class; readlink -f $p/driver | sed s,.*/,,",
    "bars": "head -6 $p/resource | awk '{print $3}'",
    "interface": "/usr/sbin/ip -d link show $i | sed 's/^[0-9]*: //;s/<[^>]*>//;s/state [A-Z]*//'",
    "settings": "/usr/sbin/ethtool $i",
    "driver": "/usr/sbin/ethtool -i $i",
    "features": "/usr/sbin/ethtool -k $i",
    "rings": "/usr/sbin/ethtool -g $i",
    "coalescing": "/usr/sbin/ethtool -c $i",
    "pause": "/usr/sbin/ethtool -a $i",
    "permanent": "/usr/sbin/ethtool -P $i",
    "eeprom": "/usr/sbin/ethtool -e $i length 32",
    "statistics": "/usr/sbin/ethtool -S $i | sed 's/:.*//'",
    "self-test": "/usr/sbin/ethtool -t $i offline",
    "speed-100": "/usr/sbin/ethtool -s $i speed 100 duplex full autoneg off; sleep 3; "
                 "cat /sys/class/net/$i/carrier; /usr/sbin/ethtool $i | grep -i 'speed\\|duplex'",
    "autoneg": "/usr/sbin/ethtool -s $i autoneg on; sleep 4; cat /sys/class/net/$i/carrier; "
               "/usr/sbin/ethtool $i | grep -i 'speed\\|duplex'",
    "lengths": "for n in 0 1 18 46 56 100 1471 1472 1473 8000; do "
               "ping -c 1 -W 2 -s $n 192.168.9.1 | grep -c '1 packets received'; done",
    "mtu": "for n in 68 576 1500 1501 1504 9000 16110 20000; do "
           "/usr/sbin/ip link set $i mtu $n 2>&1 && echo $n; done; ip link set $i mtu 1500",
    "down": "ip link set $i down; cat /sys/class/net/$i/operstate; ip link set $i up; sleep 4; "
            "cat /sys/class/net/$i/operstate; ping -c 1 -W 2 192.168.9.1 | grep -c '1 packets rec'",
    "errors": "for n in rx_errors tx_errors rx_crc_errors rx_length_errors tx_carrier_errors "
              "collisions tx_aborted_errors; do echo $n $(cat /sys/class/net/$i/statistics/$n); done",
}


def normalise(text):
    text = re.sub(r"08:00:27(:[0-9a-f]{2}){3}|08 00 27( [0-9a-f]{2}){3}", "MAC", text)
    text = re.sub(r"0000:[0-9a-f]{2}:[0-9a-f]{2}\.\d", "PCI", text)
    text = re.sub(r"\beth\d\b", "ETH", text)
    return [line.rstrip() for line in text.splitlines()]


def transcript(daemon, guest, name):
    card = checks.Card.__new__(checks.Card)
    card.daemon, card.guest, card.machine, card.macs = daemon, guest, name, {}
    card.find()
    out = {}
    for slot, chip in enumerate(CHIPS, 1):
        interface = card.macs[slot][1]
        device = guest.run(f"readlink -f /sys/class/net/{interface}/device").strip()
        if "/virtio" in device:
            device = device.rsplit("/", 1)[0]
        guest.run(f"i={interface}; p={device}; ip link set $i up; ip addr add 192.168.9.2/24 dev $i")
        card.carrier(interface, 1, 10)
        guest.poll("a way to the peer", "ping -c 1 -W 1 192.168.9.1", "1 packets received")
        for title, line in SCRIPT.items():
            out[chip, title] = normalise(guest.run(f"({line}) 2>&1", 60, check=False))
        guest.run(f"ip addr flush dev {interface}; ip link set {interface} down")
    return out


def compare(chip, ours, theirs):
    said = []
    known = KNOWN[chip]
    wrong = []
    for title in SCRIPT:
        for line in difflib.unified_diff(theirs[chip, title], ours[chip, title], lineterm="", n=0):
            if line.startswith(("---", "+++", "@@")):
                continue
            text = f"{title}: {line}"
            why = next((why for pattern, why in known if re.search(pattern, text)), None)
            (said if why else wrong).append(f"{text} ({why})" if why else text)
    kit.require(not wrong, "QEMU's (-) and ours (+) differ: " + " ; ".join(wrong))
    return "\n#   ".join(["differences:"] + said) if said else "no difference"


def main():
    kit.isolate()
    program = qemu.recent()
    if not program:
        print("1..0 # SKIP no recent QEMU to be had")
        return 0
    tap = kit.Tap()
    found = {}
    with kit.Lab() as lab:
        lab.image([shutil.which("ethtool"), shutil.which("ip")])
        daemon = lab.daemon()
        Peer(daemon, "peer", "jfpeer0", checks.PEER)
        for name, connector in (("theirs", "stream"), ("ours", "vfio-user")):
            daemon("createvm", "--name", name, "--ostype", "Debian_64")
            for slot, chip in enumerate(CHIPS, 1):
                daemon("modifyvm", name, f"--nic{slot}", "intnet", f"--nic-type{slot}", chip)

            def run(name=name, connector=connector):
                guest = lab.guest(daemon, name, program, ["--connector", connector])
                found[name] = transcript(daemon, guest, name)
                guest.stop()

            tap.check(f"transcript of {name}", run)
        for chip in CHIPS if len(found) == 2 else []:
            tap.check(f"{chip} like QEMU's", compare, chip, found["ours"], found["theirs"])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
