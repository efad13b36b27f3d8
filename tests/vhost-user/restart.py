#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""restart.py [ROUNDS [CASE...]] - either side of vhost-user dies under traffic, again and again.

"driver": testpmd, which forwards between two cards, is killed at a random moment and started again.
The ends of the cables go on; no frame may come twice, out of order or damaged, and traffic resumes.
"cards": the process with the cards is killed and started again under a testpmd that keeps its rings
(server=1), likewise; what the ends have seen is kept in files, so a frame that comes a second time
from the rings of before is found out. DPDK sets packed rings up anew then, and gives its own
forwarding 1 ms to keep away meanwhile, which is not enough where processors are scarce; so it does not
forward at that moment. guests.py kills the cards under packed rings that go on.

A CASE is kill_driver or kill_cards, / and a kind of ring; or a pattern for such.
"""
import fnmatch
import random
import sys
import time

from rig import Cards, Failed, Folder, Testpmd, run_tap, wait_for
from testpmd import FLOWS, RINGS

END = f"bench-end,size=64,size-max=1514,check=on,flows={FLOWS}"


def check(counters):
    for card in counters:
        for wrong in ("disorder", "damaged", "rings-broken"):
            if card.get(wrong):
                raise Failed(f"{wrong}: {counters}")


def received(cards):
    return min(card.get("received", 0) for card in cards.counters())


def traffic(cards, what):
    before = received(cards)
    try:
        wait_for(f"traffic {what}", lambda: received(cards) > before + 2000, 30)
    except Failed as failed:
        raise Failed(f"{failed}: {cards.counters()}") from failed


def start_cards(folder, mode):
    return Cards([(f"vhost-user,path={folder / name},mode={mode},reconnect=20,"
                   f"record={folder / name}.rings+virtio", f"{END},seen={folder / name}.seen")
                  for name in "ab"], folder / "cards.log")


def start_driver(folder, rings, server):
    vdevs = [f"net_virtio_user{i},path={folder / name},queue_size=256,server={server},{rings}"
             for i, name in enumerate("ab")]
    return Testpmd(vdevs, folder / "testpmd.log", folder.path)


def kill_driver(rings, rounds):
    with Folder() as folder:
        cards = start_cards(folder, "listen")
        try:
            for number in range(rounds):
                driver = start_driver(folder, rings, 0)
                try:
                    traffic(cards, f"in round {number}")
                    time.sleep(random.uniform(0, 0.2))
                finally:
                    driver.kill()
                check(cards.counters())
        finally:
            cards.stop()


def connected(cards):
    return all(card.get("vmm-connects") for card in cards.counters())


def kill_cards(rings, rounds):
    pauses = "packed_vq" in rings
    with Folder() as folder:
        cards = start_cards(folder, "connect")
        driver = start_driver(folder, rings, 1)
        try:
            for number in range(rounds):
                traffic(cards, f"in round {number}")
                check(cards.counters())
                time.sleep(random.uniform(0, 0.2))
                if pauses:
                    driver.stop_forwarding()
                cards.kill()
                cards = start_cards(folder, "connect")
                if pauses:
                    wait_for("the driver", lambda now=cards: connected(now), 30)
                    driver.say("start")
            traffic(cards, "at the end")
            check(cards.counters())
        finally:
            driver.kill()
            cards.stop()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    random.seed(rounds)
    cases = [(f"{what.__name__}/{name}",
              lambda what=what, name=name: what(RINGS[name], rounds))
             for what in (kill_driver, kill_cards) for name in ("split-mergeable", "packed-in-order")]
    wanted = sys.argv[2:] or ["*"]
    sys.exit(run_tap([case for case in cases
                      if any(fnmatch.fnmatch(case[0], pattern) for pattern in wanted)]))


if __name__ == "__main__":
    main()
