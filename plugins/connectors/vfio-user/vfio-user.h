/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user.h - the parts of the vfio-user connector, and the protocol's numbers.
 *
 * Source: the vfio-user protocol specification 0.9.1, and what QEMU 11.1's client was seen to send.
 */
#ifndef VFIO_USER_H
#define VFIO_USER_H

#include <jackfield/driver.h>
#include <jackfield/pci.h>
#include <jackfield/socket.h>

#define MSG_HEADER 16u
#define MSG_MAX_FDS 16u
#define MSG_MAX_DATA (1024u * 1024u) /* max_data_xfer_size */
#define MSG_MAX (MSG_HEADER + 16u + MSG_MAX_DATA)
#define OUT_MAX (4u * 1024u * 1024u) /* replies that the client does not read */

#define FLAG_TYPE 0x0fu
#define FLAG_COMMAND 0x0u
#define FLAG_REPLY 0x1u
#define FLAG_NO_REPLY 0x10u
#define FLAG_ERROR 0x20u

enum {
	CMD_VERSION = 1,
	CMD_DMA_MAP = 2,
	CMD_DMA_UNMAP = 3,
	CMD_DEVICE_GET_INFO = 4,
	CMD_DEVICE_GET_REGION_INFO = 5,
	CMD_DEVICE_GET_REGION_IO_FDS = 6,
	CMD_DEVICE_GET_IRQ_INFO = 7,
	CMD_DEVICE_SET_IRQS = 8,
	CMD_REGION_READ = 9,
	CMD_REGION_WRITE = 10,
	CMD_DEVICE_RESET = 13,
	CMD_REGION_WRITE_MULTI = 15,
};

#define MAP_READ 0x1u
#define MAP_WRITE 0x2u

#define DEVICE_RESET 0x1u
#define DEVICE_PCI 0x2u

enum { REGION_ROM = 6, REGION_CONFIG = 7, REGION_VGA = 8, REGIONS = 9 };
#define REGION_FLAG_READ 0x1u
#define REGION_FLAG_WRITE 0x2u

enum { IRQ_INTX = 0, IRQ_MSI = 1, IRQ_MSIX = 2, IRQ_ERR = 3, IRQ_REQ = 4, IRQS = 5 };
#define IRQ_INFO_EVENTFD 0x1u
#define IRQ_INFO_MASKABLE 0x2u
#define IRQ_INFO_AUTOMASKED 0x4u
#define IRQ_INFO_NORESIZE 0x8u

#define IRQ_DATA_NONE 0x01u
#define IRQ_DATA_BOOL 0x02u
#define IRQ_DATA_EVENTFD 0x04u
#define IRQ_DATA 0x07u
#define IRQ_ACTION_MASK 0x08u
#define IRQ_ACTION_UNMASK 0x10u
#define IRQ_ACTION_TRIGGER 0x20u

/* One message from the client. */
typedef struct VuMessage {
	guint16 id, command;
	guint32 flags;
	const guint8 *body;
	gsize len;
	int *fds; /* taken: set to -1 by whoever keeps one */
	guint n_fds;
} VuMessage;

/* Descriptors that came in one read. */
typedef struct VuFds {
	int fds[MSG_MAX_FDS];
	guint n;    /* 0: none */
	guint64 at; /* they belong to the message with this byte of the connection in it */
} VuFds;

/* A connection: bytes in, bytes out, fds that came with them. Worker only. */
typedef struct VuChannel {
	int fd; /* -1: no client */
	GByteArray *in;
	gsize in_start;
	GByteArray *out;
	gsize out_start;
	guint64 received; /* bytes of the connection taken from the socket so far */
	VuFds sets[2];    /* the first is the older one */
} VuChannel;

/* Guest memory, as the client mapped it. */
typedef struct VuRange {
	guint64 address, size;
	gboolean is_added; /* FALSE: it came without a descriptor */
} VuRange;

/* Interrupts: eventfds of the client. Any thread, under `lock`. */
typedef struct VuIrqs {
	GMutex lock;
	int intx; /* -1: none */
	gboolean level, masked;
	gboolean same; /* the level has not fallen since it was signalled */
	gboolean held; /* unmasked with the same level: signalled when the timer fires */
	int *msix;     /* n of them, -1: none */
	guint n_msix;
	int err, req;
} VuIrqs;

typedef struct VfioUser {
	JfInstance *inst;
	const JfHost *host;
	const JfDeviceInterface *api;
	JfDevice *device;
	const JfPciInfo *info;

	char *path;
	JfSocketFile file;
	int listener;
	JfWatch *listener_watch;
	JfWatch *watch;
	guint32 events;
	gboolean welcomed; /* the client has sent its version */
	JfTimer *again;    /* more to handle, or a listener to look at again */
	JfTimer *hold;     /* a level that is still high after UNMASK */

	VuChannel channel;
	VuIrqs irqs;
	GArray *maps; /* VuRange, what the client has mapped, with a descriptor or without */
	gboolean is_unshared; /* the guest's memory is out of reach */
	gboolean has_ram;     /* some of it is there */
	gint memory_lost;     /* atomic: some of it is no more */
	GByteArray *reply;    /* of the message at hand */
	const guint8 *rom;
	gsize rom_size; /* a power of two, 0: none */

	guint64 *clients, *refused, *malformed, *messages, *no_memory_fd;
} VfioUser;

/* vfio-user-channel.c */
void vu_channel_init(VuChannel *channel);
void vu_channel_finish(VuChannel *channel);
void vu_channel_open(VuChannel *channel, int fd);
void vu_channel_close(VuChannel *channel);
/* Takes what the socket has, at most one buffer full; all whole messages were handled before. FALSE,
 * with the reason: the client is gone, or has to go. */
gboolean vu_channel_read(VuChannel *channel, const char **why);
/* Whether a whole message is here, or bytes that are none. */
gboolean vu_channel_has_message(const VuChannel *channel);
/* Whether the client has closed its end, whatever may still be unread. */
gboolean vu_channel_is_hung_up(const VuChannel *channel);
/* The next whole message; FALSE with *bad where the client broke the framing. Its body is good until
 * the next vu_channel_read. Its fds are closed by vu_message_done unless taken. */
gboolean vu_channel_next(VuChannel *channel, VuMessage *message, const char **bad);
void vu_message_done(VuChannel *channel, VuMessage *message);
/* Queues a reply and sends what the socket takes. FALSE: the client is gone, or reads nothing. */
gboolean vu_channel_reply(VuChannel *channel, const VuMessage *to, guint32 error,
			  gconstpointer body, gsize len);
gboolean vu_channel_flush(VuChannel *channel);
gboolean vu_channel_is_blocked(const VuChannel *channel);

/* vfio-user-message.c: FALSE: the client must go, `why` says so. */
gboolean vu_message_handle(VfioUser *vu, VuMessage *message, const char **why);

/* vfio-user-dma.c: 0 or an errno for the client. */
guint32 vu_dma_map(VfioUser *vu, VuMessage *message);
guint32 vu_dma_unmap(VfioUser *vu, const VuMessage *message);
/* vfio-user-share.c: whether the client at the other end of that socket has mapped this file, and only
 * so that nobody else sees what it writes there. */
gboolean vu_memory_is_private(int client, int fd);

/* Forgets all maps; the device has. */
void vu_dma_reset(VfioUser *vu);

/* vfio-user-irq.c */
void vu_irqs_init(VuIrqs *irqs, guint n_msix);
void vu_irqs_finish(VuIrqs *irqs);
void vu_irqs_reset(VuIrqs *irqs); /* forgets every eventfd */
guint32 vu_irqs_set(VfioUser *vu, VuMessage *message);
void vu_irqs_release(JfInstance *inst, gpointer data); /* `hold` has fired */
guint vu_irq_count(const VfioUser *vu, guint index);
extern const JfDeviceCallbacks vu_callbacks;

/* vfio-user.c: drops the client if its memory is lost. */
void vu_memory_lost(JfInstance *inst, gpointer data);

#endif
