/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user.h - the parts of the vhost-user connector.
 *
 * Source: the vhost-user protocol (QEMU's docs/interop/vhost-user), and what QEMU 7.2 and 11.1, DPDK
 * 22.11 and cloud-hypervisor were seen to send.
 */
#ifndef VHOST_USER_H
#define VHOST_USER_H

#include <jackfield/driver.h>
#include <jackfield/pci.h>
#include <jackfield/socket.h>
#include <jackfield/vhost-user.h>
#include <jackfield/virtio.h>

#define VH_BODY_MAX 512u /* the longest is a table of 8 regions: 264 bytes */
#define VH_FDS_MAX 8u

#define VH_PROTOCOL                                                             \
	(VH_P_MQ | VH_P_LOG_SHMFD | VH_P_RARP | VH_P_REPLY_ACK | VH_P_NET_MTU | \
	 VH_P_INFLIGHT_SHMFD | VH_P_RESET_DEVICE | VH_P_CONFIGURE_MEM_SLOTS | VH_P_STATUS)

#define VH_TABLE_MAX 8u
#define VH_REGIONS_MAX 509u
#define VH_RINGS_MAX (2u * JF_VIRTIO_PAIRS_MAX)

/* One message. Descriptors are closed with it unless taken (set to -1). */
typedef struct VhMessage {
	guint32 request, flags, len;
	guint8 body[VH_BODY_MAX];
	int fds[VH_FDS_MAX];
	guint n_fds;
	int reply_fd; /* goes with the reply and stays ours; -1: none */
} VhMessage;

/* A connection. Worker only. */
typedef struct VhChannel {
	int fd;     /* -1: no front end */
	guint have; /* bytes of `message`, header included */
	guint8 header[VH_HEADER];
	VhMessage message;
} VhChannel;

typedef struct VhRegion {
	guint64 address, size; /* guest physical */
	guint64 user;          /* where the front end has it */
	guint8 *base;          /* where we have it */
	guint64 dev, ino;      /* the file */
} VhRegion;

/* The record of a ring that outlives this process. */
typedef struct VhTrack {
	guint32 active; /* atomic: the ring was started, and the front end has not stopped it */
	guint32 size;
	guint64 desc, driver, device; /* the front end's addresses */
	guint64 features;
	JfVirtioMark mark;
	guint64 dev, ino;    /* the file that the ring lies in */
	guint8 reserved[64]; /* to 640 bytes */
} VhTrack;

typedef struct Vhost Vhost;

typedef struct VhRing {
	Vhost *vh;
	guint index;
	guint32 size; /* 0: not told yet */
	gboolean has_address;
	guint64 desc, driver, device; /* the front end's addresses */
	guint16 avail, used;          /* where it stands while it does not run */
	gboolean kicked;              /* may run */
	gboolean enabled, started;
	int kick, err;  /* -1: none */
	JfWatch *watch; /* of kick; NULL: is polled */
	VhTrack *track; /* while it runs; NULL: none */

	GMutex lock; /* for the rest */
	int call;    /* -1: the driver polls */
	gboolean broken;
} VhRing;

/* A file of the front end's in our memory. */
typedef struct VhMapping {
	guint8 *base; /* NULL: none */
	gsize len;
	guint8 *data; /* base, at the offset that was asked for */
} VhMapping;

struct Vhost {
	JfInstance *inst;
	const JfHost *host;
	const JfDeviceInterface *api;
	JfDevice *device;
	const JfVirtio *virtio;

	char *path; /* or what to call the connection that was given */
	int given;  /* that connection, until start; -1: none */
	gboolean is_given, connects;
	guint64 retry_ns;
	JfSocketFile file;
	int listener;
	JfWatch *listener_watch, *watch;
	JfTimer *retry;
	gboolean retry_logged, attached;
	gint memory_lost; /* atomic */
	VhChannel channel;

	guint pairs;
	guint mtu;
	guint64 offered;  /* features */
	guint64 features; /* that the front end has taken */
	guint64 protocol;
	guint8 status;
	GArray *regions; /* VhRegion */
	VhRing rings[VH_RINGS_MAX];
	guint n_rings;
	JfPoller *poller; /* while a ring has no kick descriptor */
	VhMapping log;
	gsize log_size;
	VhMapping inflight;
	guint n_inflight;  /* rings that `inflight` has room for */
	int inflight_fd;   /* that we made */
	char *record_path; /* NULL: none */
	VhMapping record;  /* for front ends that keep none: as inflight, with room for all rings */

	guint64 *connects_count, *refused, *messages, *bad, *broken;
};

/* vhost-user-channel.c */
typedef enum { VH_MESSAGE, VH_EMPTY, VH_GONE, VH_BAD } VhRead;
void vh_channel_init(VhChannel *channel);
void vh_channel_open(VhChannel *channel, int fd);
void vh_channel_close(VhChannel *channel);
/* VH_MESSAGE: channel->message is whole, until vh_message_done. VH_BAD: *why says why. */
VhRead vh_channel_read(VhChannel *channel, const char **why);
/* Sends channel->message back as the reply to itself. FALSE: it cannot be sent. */
gboolean vh_channel_reply(VhChannel *channel);
void vh_message_done(VhChannel *channel);

/* vhost-user-message.c: FALSE: the front end must go, `error` says why. */
gboolean vh_message_handle(Vhost *vh, GError **error);

/* vhost-user-memory.c */
gboolean vh_map(VhMapping *mapping, int fd, guint64 offset, guint64 size, GError **error);
gboolean vh_map_sealed(VhMapping *mapping, int fd, guint64 offset, guint64 size, GError **error);
void vh_unmap(VhMapping *mapping);
/* One that is there already stays, and one that is not need not be removed. */
gboolean vh_memory_add(Vhost *vh, const VhRegionWire *wire, int fd, GError **error);
void vh_memory_remove(Vhost *vh, const VhRegionWire *wire);
void vh_memory_clear(Vhost *vh);
/* The region that `len` bytes at the front end's address `user` lie in; NULL: none. */
const VhRegion *vh_memory_find(const Vhost *vh, guint64 user, guint64 len);

/* vhost-user-ring.c */
void vh_rings_init(Vhost *vh);
void vh_rings_finish(Vhost *vh);
/* As after connecting. */
void vh_rings_reset(Vhost *vh);
/* Whether it is an eventfd; makes it non-blocking. */
gboolean vh_fd_is_eventfd(int fd);
/* Takes `fd` over (-1: none). */
gboolean vh_ring_set_kick(VhRing *ring, int fd, GError **error);
void vh_ring_set_call(VhRing *ring, int fd);
void vh_ring_set_err(VhRing *ring, int fd);
gboolean vh_ring_set_enabled(VhRing *ring, gboolean enabled, GError **error);
/* Starts it if it can run now. FALSE: it should have, but is not in order. */
gboolean vh_ring_run(VhRing *ring, GError **error);
/* Keeps its place; vh_ring_run goes on from there. */
void vh_ring_pause(VhRing *ring);
/* Until the next kick. */
void vh_ring_stop(VhRing *ring);
/* The same, because the front end wants it: it says where the ring goes on. */
void vh_ring_end(VhRing *ring);
void vh_rings_pause(Vhost *vh);
gboolean vh_rings_run(Vhost *vh, GError **error);
extern const JfVirtioCallbacks vh_ring_callbacks;

/* vhost-user-track.c */
gsize vh_track_size(guint n_rings);
/* Where a ring goes on after a crash: uses up what its record says, and sets avail and used. Without
 * a record that fits, from the used ring where it is split. */
void vh_track_resume(VhRing *ring);
/* The ring starts. */
void vh_track_begin(VhRing *ring);
/* It stands where it is, and the record says where. */
void vh_track_pause(VhRing *ring);
/* The record does not count any more. */
void vh_track_end(VhRing *ring);

/* vhost-user-record.c: our own record, in a file. Without one, what it is for does not work. */
void vh_record_open(Vhost *vh);
/* Removes it, unless a front end that was connected may come back for it. */
void vh_record_close(Vhost *vh, gboolean connected);

/* vhost-user-link.c */
gboolean vh_link_start(Vhost *vh, GError **error);
void vh_link_stop(Vhost *vh);
/* The front end has to go. */
void vh_link_lost(Vhost *vh, const char *why);

/* Runs `func` as a callback of the model's. */
void vh_call(Vhost *vh, void (*func)(JfInstance *model, gpointer data), gpointer data);

#endif
