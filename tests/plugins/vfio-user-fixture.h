/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user-fixture.h - a card with the vfio-user connector, a client played by the test, and memory
 * that the client shares with it.
 */
#ifndef VFIO_USER_FIXTURE_H
#define VFIO_USER_FIXTURE_H

#include "vfio-user-client.h"

/* Where tests map the shared memory, and how long it is. */
#define RAM 0x100000u
#define RAM_LEN 0x10000u

#define MAP_RW 3u
#define IRQ_INTX 0u
#define IRQ_MSIX 2u
#define SET_EVENTFD 0x24u
#define SET_OFF 0x21u
#define MASK 0x09u
#define UNMASK 0x11u

typedef struct Fixture {
	VuHost host;
	JfCard *card;
	VuClient c;
	int memfd;
	guint8 *ram;
} Fixture;

/* Body of VU_DMA_MAP. */
typedef struct DmaMap {
	guint32 argsz, flags;
	guint64 offset, address, size;
} DmaMap;

/* The connector, from fixture_main on. */
extern const char *plugin;

/* The program's argument is the connector. */
void fixture_main(int *argc, char ***argv);
/* `property` (may be NULL) is another property of the card's connector. The client is connected. */
void fixture_init(Fixture *f, gconstpointer property);
/* The client may be gone: f->c.fd is -1 then. */
void fixture_finish(Fixture *f, gconstpointer property);
#define ADD(name, func) \
	g_test_add("/vfio-user/" name, Fixture, NULL, fixture_init, func, fixture_finish)

/* A register of the probe's. Its address has 8 bytes, the others have 4. */
guint64 reg(Fixture *f, guint offset, guint size);
void reg_set(Fixture *f, guint offset, guint64 value);
/* Lets the card reach memory. */
void master(Fixture *f);
/* The card copies `len` bytes from (PROBE_READ) or to (PROBE_WRITE) the address. FALSE: it cannot. */
gboolean dma(Fixture *f, guint how, guint64 address, guint len);

#endif
