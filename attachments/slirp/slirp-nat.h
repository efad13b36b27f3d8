/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slirp-nat.h - what the files of the attachment "slirp" share. */
#ifndef SLIRP_NAT_H
#define SLIRP_NAT_H

#include <jackfield/card.h>
#include <jackfield/driver.h>
#include <jackfield/forward.h>
#include <jackfield/util.h>
#include <netinet/in.h>
#include <signal.h>
#include <slirp/libslirp.h>

#include "nat-card.h"
#include "slirp-mss.h"
#include "slirp-packet.h"
#include "slirp-reassembly.h"

/* libslirp's own largest MTU: it works in packets of this size whatever the guest's MTU is. */
#define NAT_SLIRP_MTU 65521u
#define NAT_MTU_DEFAULT 1500u

/* Frames that the guest has not taken yet. More than that many are dropped and counted. */
#define NAT_QUEUE_FRAMES 256u
#define NAT_QUEUE_BYTES (1024u * 1024u)

/* What the properties and the card say, checked. */
typedef struct NatConfig {
	NatCard card;
	struct sockaddr_in bind4; /* libslirp keeps pointers to these two */
	struct sockaddr_in6 bind6;
} NatConfig;

/* A file descriptor of libslirp's, by its number. Event bits are libslirp's. */
typedef struct NatSocket {
	guint32 round;       /* of the fill that wanted it last */
	guint8 armed;        /* what epoll watches for, 0: not in the set */
	guint8 ready;        /* what epoll reported and libslirp has not been told */
	gboolean listed : 1; /* in JfNat.armed */
	gboolean known : 1;  /* libslirp registered it, or it was seen before */
} NatSocket;

typedef struct NatForward {
	char *name;
	guint16 protocol;
	struct sockaddr_storage host, guest;
} NatForward;

typedef struct JfNat {
	JfInstance *inst;
	NatConfig config;
	Slirp *slirp; /* NULL: stopped */
	gboolean started;

	/* slirp-loop.c */
	int epoll; /* every socket of libslirp's; -1: stopped */
	JfWatch *watch;
	JfTimer *timer;
	guint64 deadline; /* of `timer`, 0: not armed */
	GArray *sockets;  /* NatSocket by fd */
	GArray *armed;    /* int: fds in the epoll set */
	guint32 round;
	guint64 last_round;

	/* slirp-input.c, slirp-output.c */
	NatMss mss;
	NatReassembly reassembly;
	guint32 fragment_id;
	GQueue queue; /* NatQueued */
	gsize queued_bytes;
	gboolean may_ping;
	gboolean told_ping;
	gboolean told_guest_error;
	guint8 input_frame[JF_FRAME_MAX_LEN];

	/* slirp-forward.c */
	GPtrArray *forwards; /* NatForward */

	guint64 *count_malformed, *count_ignored, *count_refused, *count_ping_refused;
	guint64 *count_guest_errors, *count_fragment_drops, *count_queue_drops, *count_gso,
		*count_fragments;
	guint64 *count_unwatched;
} JfNat;

/* What SIGPIPE was before a call into libslirp, which writes to sockets without MSG_NOSIGNAL. */
typedef struct NatGuard {
	sigset_t old;
} NatGuard;

/* slirp-config.c */
gboolean nat_config_init(NatConfig *config, JfInstance *inst, GError **error);
/* NULL with an error. */
Slirp *nat_config_make_slirp(const NatConfig *config, JfNat *nat, const SlirpCb *callbacks,
			     GError **error);

/* slirp-resolv.c: domain and search list of a resolv.conf, as many as fit a DHCP reply. Returns a
 * NULL-terminated array (g_strfreev), the first of which is the domain; NULL: none. */
char **nat_resolv_parse(const char *text);
char **nat_resolv_load(const char *path);

/* slirp-loop.c */
gboolean nat_loop_start(JfNat *nat, GError **error);
void nat_loop_stop(JfNat *nat);
/* Tells libslirp what is ready and asks it what to wait for. Inside a guard. */
void nat_loop_round(JfNat *nat);
/* Brings libslirp's clock up to date after a pause: it stamps new flows with it. Inside a guard. */
void nat_loop_refresh(JfNat *nat);
void nat_loop_set_paused(JfNat *nat, gboolean paused);
const SlirpCb *nat_loop_get_callbacks(void);
void nat_guard_enter(NatGuard *guard);
void nat_guard_leave(const NatGuard *guard);

/* slirp-input.c */
guint nat_input(JfInstance *inst, guint port, const JfFrame *frames, guint n);

/* slirp-output.c */
/* A packet of libslirp's for the guest. */
void nat_output_packet(JfNat *nat, const guint8 *data, gsize len);
void nat_output_resume(JfInstance *inst, guint port);
void nat_output_clear(JfNat *nat);

/* slirp-dhcp.c: an MTU other than the default, and the boot server, told to the guest. `data` has
 * room for `room` bytes; returns the new length. */
guint32 nat_dhcp_edit(const NatConfig *config, guint8 *data, guint32 len);
guint32 nat_ra_edit(const NatConfig *config, guint8 *data, guint32 len, guint32 room);

/* slirp-forward.c */
extern const JfForward nat_forward;
gboolean nat_forward_start(JfNat *nat, GError **error);
void nat_forward_free(gpointer data);

#endif
