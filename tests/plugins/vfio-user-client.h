/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vfio-user-client.h - a small client of the vfio-user protocol, with a card to talk to. */
#ifndef VFIO_USER_CLIENT_H
#define VFIO_USER_CLIENT_H

#include "jackfield/vmm.h"

/* Real time that anything may take before a test fails. */
#define VU_TIMEOUT_US (20 * G_USEC_PER_SEC)

enum {
	VU_VERSION = 1,
	VU_DMA_MAP = 2,
	VU_DMA_UNMAP = 3,
	VU_GET_INFO = 4,
	VU_GET_REGION_INFO = 5,
	VU_GET_IRQ_INFO = 7,
	VU_SET_IRQS = 8,
	VU_REGION_READ = 9,
	VU_REGION_WRITE = 10,
	VU_RESET = 13,
	VU_WRITE_MULTI = 15,
};

#define VU_NO_REPLY 0x10u

#define VU_CONFIG 7u /* region */

/* A nested worker with cards of model "probe", each at its own socket. */
typedef struct VuHost {
	JfContext *context;
	JfWorker *worker;
	char *dir;
	GString *log;
} VuHost;

typedef struct VuClient {
	VuHost *host;
	int fd;
	guint16 id; /* of the last message */
} VuClient;

void vu_host_init(VuHost *host, const char *plugin);
void vu_host_finish(VuHost *host);
/* Started, at the socket that vu_host_path gives; `more` is another property or NULL. */
JfCard *vu_host_card(VuHost *host, guint slot, const char *more);
char *vu_host_path(const VuHost *host, guint slot);
/* Lets the cards run once. */
void vu_host_turn(VuHost *host);
guint64 vu_host_counter(JfCard *card, const char *name);

void vu_client_connect(VuClient *client, VuHost *host, guint slot);
void vu_client_close(VuClient *client);
/* Connects and says hello. */
void vu_client_open(VuClient *client, VuHost *host, guint slot);

/* Sends bytes as they are. FALSE: the other end is gone. */
gboolean vu_client_send_raw(VuClient *client, gconstpointer data, gsize len, const int *fds,
			    guint n_fds);
/* Sends a message with a new id. */
void vu_client_send(VuClient *client, guint16 command, guint32 flags, gconstpointer body, gsize len,
		    const int *fds, guint n_fds);
/* Waits for the reply to message `id`, which must come next: its error, 0: none; the first `len`
 * bytes of its body go to `body` and its length to *got (both may be NULL). */
guint32 vu_client_wait(VuClient *client, guint16 id, guint16 command, gpointer body, gsize len,
		       gsize *got);
/* Send and wait. */
guint32 vu_client_call(VuClient *client, guint16 command, gconstpointer body, gsize len,
		       const int *fds, guint n_fds);
/* Waits until the connector has hung up. */
void vu_client_expect_gone(VuClient *client);

/* Bodies. `fd` -1: none. */
guint32 vu_client_map(VuClient *client, guint64 address, guint64 size, guint32 flags, int fd,
		      guint64 offset);
guint32 vu_client_unmap(VuClient *client, guint64 address, guint64 size, guint32 flags);
guint64 vu_client_read(VuClient *client, guint32 region, guint64 offset, guint32 size);
guint32 vu_client_write(VuClient *client, guint32 region, guint64 offset, guint32 size,
			guint64 value);
void vu_client_post(VuClient *client, guint32 region, guint64 offset, guint32 size, guint64 value);
guint32 vu_client_irqs(VuClient *client, guint32 index, guint32 flags, guint32 start, guint32 count,
		       const int *fds, guint n_fds);

#endif
