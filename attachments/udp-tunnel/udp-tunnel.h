/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* udp-tunnel.h - the parts of the UDP tunnel. */
#ifndef UDP_TUNNEL_H
#define UDP_TUNNEL_H

#include <jackfield/driver.h>
#include <sys/socket.h>

/* Datagrams of one receive call; each may be a train that the kernel has put together. */
#define UDP_RX_SLOTS 32u

/* To the far end. input runs on any thread: all of this is under `lock`, which is never held while
 * the core is called, but for posts. */
typedef struct UdpTx {
	GMutex lock;
	int fd; /* -1: stopped */
	struct sockaddr_storage dest;
	socklen_t dest_len;
	guint32 train_limit; /* longest frame that the path has not refused in a train */
	gboolean blocked;    /* the socket is full */
	gboolean posted;     /* the worker has been told so */
} UdpTx;

/* A received datagram: frames of `step` bytes, the last one shorter. */
typedef struct UdpTrain {
	guint32 len, step;
} UdpTrain;

/* From the far end. Worker only. */
typedef struct UdpRx {
	guint8 *buf; /* a slot of address space for each datagram, pages come by use */
	UdpTrain trains[UDP_RX_SLOTS];
	guint n, at;      /* trains in `buf`, and the one that is being passed on */
	guint32 offset;   /* of the first frame in it that has not been passed on */
	gboolean paused;  /* output was short: wait for resume */
	guint32 overflow; /* the kernel's count of what the socket had no room for */
	guint64 bytes;    /* since the last look at the pages */
	gboolean look_armed;
} UdpRx;

typedef struct UdpCounters {
	guint64 *tx_errors; /* frames that the host's network would not take */
	guint64 *refused;   /* reports that nobody listens at the far end */
	guint64 *overflow;  /* datagrams or trains that came while the socket was full */
	guint64 *runts;     /* datagrams shorter than an Ethernet header */
} UdpCounters;

typedef struct UdpTunnel {
	JfInstance *inst;
	int fd;
	JfWatch *watch;
	guint32 events;
	JfTimer *look;
	UdpRx rx;
	UdpTx tx;
	UdpCounters count;
} UdpTunnel;

/* udp-tunnel-socket.c */
/* Where the properties say that frames go. */
gboolean udp_socket_get_dest(JfInstance *inst, struct sockaddr_storage *dest, socklen_t *len,
			     GError **error);
/* A bound socket of the family of `dest`, or -1. */
int udp_socket_open(JfInstance *inst, const struct sockaddr_storage *dest, GError **error);

/* udp-tunnel-rx.c */
gboolean udp_rx_start(UdpTunnel *udp, GError **error);
void udp_rx_stop(UdpTunnel *udp);
void udp_rx_run(UdpTunnel *udp);
void udp_rx_look(JfInstance *inst, gpointer data);

/* udp-tunnel-tx.c */
void udp_tx_init(UdpTx *tx);
void udp_tx_finish(UdpTx *tx);
void udp_tx_start(UdpTx *tx, int fd);
void udp_tx_stop(UdpTx *tx);
void udp_tx_set_dest(UdpTx *tx, const struct sockaddr_storage *dest, socklen_t len);
gboolean udp_tx_is_blocked(UdpTx *tx);
/* The socket is writable. TRUE where frames had been refused: resume is owed. */
gboolean udp_tx_unblock(UdpTx *tx);
guint udp_tx_input(UdpTunnel *udp, const JfFrame *frames, guint n);

/* udp-tunnel.c */
void udp_update(UdpTunnel *udp);

#endif
