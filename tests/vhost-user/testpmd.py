#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""testpmd.py [FRAMES [CASE...]] - frames of 64 to 1514 bytes through every kind of ring, with DPDK's
driver.

Two cards; testpmd forwards between their virtio-user ports. At the far end of each cable an end
makes numbered frames and looks at those that the other one made: all of them must come through both
rings of both cards, none missing, whole and in the order of their flow. FRAMES is for each way and
case. A CASE is a kind of ring, /, 1 or 4 queues, / and who the driver is on the socket, client or
server; or a pattern for such.
"""
import fnmatch
import sys

from rig import Cards, Failed, Folder, Testpmd, run_tap, wait_for

RINGS = {
    "split": "in_order=0,mrg_rxbuf=0",
    "split-mergeable": "in_order=0,mrg_rxbuf=1",
    "split-in-order": "in_order=1,mrg_rxbuf=0",
    "split-in-order-mergeable": "in_order=1,mrg_rxbuf=1",
    "packed": "packed_vq=1,in_order=0,mrg_rxbuf=0",
    "packed-mergeable": "packed_vq=1,in_order=0,mrg_rxbuf=1",
    "packed-in-order": "packed_vq=1,in_order=1,mrg_rxbuf=0",
    "packed-in-order-mergeable": "packed_vq=1,in_order=1,mrg_rxbuf=1",
    "packed-vectorized": "packed_vq=1,in_order=1,mrg_rxbuf=0,vectorized=1",
}
FLOWS = 8


def check(cards, frames):
    for card in cards:
        for wrong in ("lost", "disorder", "damaged", "rings-broken", "requests-refused"):
            if card.get(wrong):
                raise Failed(f"{wrong}: {card[wrong]} of {frames}: {cards}")


def all_there(cards, frames):
    counters = cards.counters()
    return all(card.get("received", 0) >= frames for card in counters)


def through(rings, queues, frames, server=False):
    end = f"bench-end,size=64,size-max=1514,check=on,flows={FLOWS}"
    with Folder() as folder:
        mode = "connect,reconnect=20" if server else "listen"
        cards = Cards([(f"vhost-user,path={folder / name},mode={mode}+virtio,queues={queues}", end)
                       for name in "ab"], folder / "cards.log")
        vdevs = [f"net_virtio_user{i},path={folder / name},queues={queues},queue_size=256,"
                 f"server={int(server)},{rings}" for i, name in enumerate("ab")]
        pmd = Testpmd(vdevs, folder / "testpmd.log", folder.path,
                      [f"--rxq={queues}", f"--txq={queues}"],
                      commands=["set fwd io retry", "set burst tx delay 1 retry 100000000"])
        try:
            wait_for(f"{frames} frames each way", lambda: all_there(cards, frames),
                     15 + frames / 20000)
            check(cards.counters(), frames)
        except Failed as failed:
            raise Failed(f"{failed}: {cards.counters()}") from failed
        finally:
            pmd.kill()
            cards.stop()


def main():
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    wanted = sys.argv[2:] or ["*/1/client", "*/4/server"]
    cases = [(f"{name}/{queues}/{role}",
              lambda rings=rings, queues=queues, role=role:
              through(rings, queues, frames, role == "server"))
             for name, rings in RINGS.items() for queues in (1, 4)
             for role in ("client", "server")]
    sys.exit(run_tap([case for case in cases
                      if any(fnmatch.fnmatch(case[0], pattern) for pattern in wanted)]))


if __name__ == "__main__":
    main()
