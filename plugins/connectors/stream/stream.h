/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream.h - the parts of the stream connector. */
#ifndef STREAM_H
#define STREAM_H

#include <jackfield/driver.h>
#include <jackfield/socket.h>
#include <sys/socket.h>
#include <sys/types.h>

/* A frame on the wire: its length, 32 bits big-endian, then the frame without FCS. */
#define STREAM_HEAD_LEN 4u
/* Ethernet's shortest frame without FCS; some VMMs' cards drop what is shorter. */
#define STREAM_PAD_LEN 60u

/*
 * Towards the VMM. input runs on any thread: all of this is under `lock`, which is never held
 * while the core is called, but for posts.
 */
typedef struct StreamTx {
	GMutex lock;
	int fd;           /* -1: no VMM */
	gboolean blocked; /* the socket is full: nothing goes in before it is writable */
	gboolean posted;  /* the worker has been told so */
	guint8 *tail;     /* what the socket has not taken of a frame that it took the start of */
	guint32 tail_start, tail_end;
} StreamTx;

/* From the VMM. Worker only. */
typedef struct StreamRx {
	guint8 *buf;         /* NULL: no VMM */
	gsize start, end;    /* received and not passed on yet */
	gsize window;        /* bytes to ask for in one call: grows under load */
	guint64 bytes;       /* since the last look at the window */
	gboolean look_armed; /* a look is due */
	gboolean paused;     /* output was short: wait for resume */
} StreamRx;

typedef struct StreamCounters {
	guint64 *connects; /* VMMs that came */
	guint64 *refused;  /* connections turned away: taken, or another user's */
	guint64 *bad;      /* disconnects for a length that no frame has */
	guint64 *runts;    /* frames from the VMM shorter than an Ethernet header */
	guint64 *unheard;  /* frames for a VMM that was not there */
} StreamCounters;

/* How to reach the VMM: from the properties, constant after init. */
typedef struct StreamAddress {
	struct sockaddr_storage sockaddr;
	socklen_t len;
	gboolean listen;
	const char *path;                  /* NULL: TCP */
	char *text;                        /* for messages */
	gsize send_buffer, receive_buffer; /* 0: the system's */
} StreamAddress;

typedef struct Stream {
	JfInstance *inst;
	StreamAddress address;

	/* The connection. Worker only. */
	int fd;              /* -1: none */
	gboolean connecting; /* `fd` is on its way */
	JfWatch *watch;      /* NULL also once the VMM hung up while rx is paused */
	guint32 events;      /* of `watch` */
	gboolean refusing;   /* a refusal has been logged during this connection */

	/* The listener, or the next attempt to connect. Worker only. */
	int listener;
	JfWatch *listener_watch;
	JfSocketFile socket_file;
	JfTimer *retry;
	guint64 retry_ns;
	gboolean retry_logged;

	JfTimer *look;
	StreamRx rx;
	StreamTx tx;
	StreamCounters count;
} Stream;

/* stream-address.c */
gboolean stream_address_init(StreamAddress *address, JfInstance *inst, GError **error);
void stream_address_finish(StreamAddress *address);
/* A listening socket; a Unix one's file is noted in `file`. */
int stream_address_listen(const StreamAddress *address, JfSocketFile *file, GError **error);
/* A connected socket, or one that is on its way; -1 with errno. */
int stream_address_connect(const StreamAddress *address);
/* Sets a new connection's options; FALSE where its other end is not ours to talk to. */
gboolean stream_address_admit(const StreamAddress *address, int fd);

/* stream-link.c: who is connected */
gboolean stream_link_start(Stream *stream, GError **error);
void stream_link_stop(Stream *stream);
void stream_link_lost(Stream *stream, const char *why);
void stream_link_update(Stream *stream);

/* stream-rx.c */
/* FALSE: no memory. */
gboolean stream_rx_start(Stream *stream);
void stream_rx_stop(Stream *stream);
void stream_rx_run(Stream *stream);
void stream_rx_look(Stream *stream);

/* stream-tx.c */
void stream_tx_init(StreamTx *tx);
void stream_tx_finish(StreamTx *tx);
/* FALSE: no memory. */
gboolean stream_tx_start(StreamTx *tx, int fd);
/* TRUE where frames had been refused: resume is owed. */
gboolean stream_tx_stop(StreamTx *tx);
gboolean stream_tx_is_blocked(StreamTx *tx);
/* The socket is writable. TRUE where there is room again: resume is owed. */
gboolean stream_tx_flush(StreamTx *tx);
guint stream_tx_input(Stream *stream, const JfFrame *frames, guint n);

#endif
