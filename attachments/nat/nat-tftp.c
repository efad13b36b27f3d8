/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-tftp.c - a TFTP server for guests that boot (RFC 1350): reading only, from one directory.
 *
 * Options (RFC 2347): blksize (2348), timeout and tsize (2349), windowsize (7440). A transfer has a
 * port of its own on the engine's address. Blocks are counted in 64 bits and numbered in 16: the
 * number wraps to 0, so that the length of a file has no limit.
 *
 * A window is sent at once; an acknowledgement moves it on to behind the block that it names, and
 * what lay between that block and the window's end is sent again (RFC 7440 4). One that does not move
 * it on is answered only where there is a window, and once: else each doubled packet would double all
 * that follow (RFC 1123 4.2.3.1). Silence is answered by sending again, RETRIES times.
 *
 * Blocks are no longer than fits the MTU: boot programs put no fragments together.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "nat-services.h"

#define SECOND G_GUINT64_CONSTANT(1000000000)
#define TFTP_PORT 69u
#define PORT_MIN 32768u
#define TRANSFERS_MAX 32u
#define RETRIES 5u
#define TIMEOUT_DEFAULT 1u
#define REQUEST_MAX 512u

#define OP_RRQ 1u
#define OP_WRQ 2u
#define OP_DATA 3u
#define OP_ACK 4u
#define OP_ERROR 5u
#define OP_OACK 6u

#define ERR_UNDEFINED 0u
#define ERR_NOT_FOUND 1u
#define ERR_ACCESS 2u
#define ERR_FULL 3u
#define ERR_ILLEGAL 4u
#define ERR_UNKNOWN_ID 5u
#define ERR_OPTIONS 8u

#define BLKSIZE_DEFAULT 512u
#define BLKSIZE_MIN 8u
#define BLKSIZE_MAX 65464u
#define WINDOW_MAX 64u
#define DATA_HEAD 4u

typedef struct Tftp {
	NatEngine *engine;
	int directory;
	GPtrArray *transfers; /* Transfer */
	JfTimer *timer;
	guint8 *packet; /* DATA_HEAD + BLKSIZE_MAX */
} Tftp;

typedef struct Transfer {
	Tftp *tftp;
	NatEndpoint guest, own;
	guint8 mac[6];
	NatTftpFile file;
	guint blksize, window, timeout;
	guint8 *oack; /* NULL: acknowledged, or no options */
	guint oack_len;

	guint64 acked;                     /* blocks that the guest has */
	guint64 sent;                      /* the last that was sent */
	guint64 last;                      /* the file's last block; 0: not known yet */
	NatTftpMark marks[WINDOW_MAX + 1]; /* where block acked + 1 + i begins, up to sent + 1 */
	gboolean is_repeated; /* for an acknowledgement that did not move the window on */
	guint tries;
	guint64 deadline;
} Transfer;

static const JfHost *
tftp_host(const Tftp *tftp)
{
	return nat_engine_get_instance(tftp->engine)->host;
}

static void
tftp_send(const Tftp *tftp, const NatEndpoint *from, const NatEndpoint *to, const guint8 *mac,
	  const guint8 *data, gsize len)
{
	nat_send_udp(
		tftp->engine,
		&(NatDatagram){
			.from = *from, .to = *to, .mac = mac, .data = data, .len = (guint32)len });
}

static void
tftp_refuse(const Tftp *tftp, const NatDatagram *in, guint16 code, const char *why)
{
	guint8 packet[128];
	gsize len = MIN(strlen(why), sizeof packet - DATA_HEAD - 1);

	jf_count(nat_engine_get_service_counters(tftp->engine)->tftp_errors, 1);
	jf_put_be16(packet, OP_ERROR);
	jf_put_be16(packet + 2, code);
	memcpy(packet + DATA_HEAD, why, len);
	packet[DATA_HEAD + len] = 0;
	tftp_send(tftp, &in->to, &in->from, in->mac, packet, DATA_HEAD + len + 1);
}

/* ---- Transfers ---- */

static void
tftp_plan(Tftp *tftp)
{
	guint64 first = 0;

	for (guint i = 0; i < tftp->transfers->len; i++) {
		const Transfer *t = g_ptr_array_index(tftp->transfers, i);

		first = first ? MIN(first, t->deadline) : t->deadline;
	}
	tftp_host(tftp)->timer_arm(tftp->timer, first);
}

static void
transfer_free(gpointer data)
{
	Transfer *t = data;

	nat_service_remove(t->tftp->engine, &t->own.address, t->own.port);
	nat_tftp_file_close(&t->file);
	g_free(t->oack);
	g_free(t);
}

static void
transfer_end(Transfer *t)
{
	Tftp *tftp = t->tftp;

	g_ptr_array_remove_fast(tftp->transfers, t);
	tftp_plan(tftp);
}

static void
transfer_wait(Transfer *t)
{
	JfInstance *inst = nat_engine_get_instance(t->tftp->engine);

	t->deadline = inst->host->now(inst, JF_CLOCK_MONOTONIC) + t->timeout * SECOND;
	tftp_plan(t->tftp);
}

/* The block after `sent`. FALSE: it cannot be read. */
static gboolean
transfer_send_block(Transfer *t)
{
	guint8 *packet = t->tftp->packet;
	NatTftpMark mark = t->marks[t->sent - t->acked];
	gssize len = nat_tftp_file_read(&t->file, &mark, packet + DATA_HEAD, t->blksize);

	if (len < 0)
		return FALSE;
	t->sent++;
	t->marks[t->sent - t->acked] = mark;
	if ((gsize)len < t->blksize)
		t->last = t->sent;
	jf_put_be16(packet, OP_DATA);
	jf_put_be16(packet + 2, (guint16)t->sent);
	tftp_send(t->tftp, &t->own, &t->guest, t->mac, packet, DATA_HEAD + (gsize)len);
	return TRUE;
}

static void
transfer_fail(Transfer *t, const char *why)
{
	const NatDatagram as_if = { .from = t->guest, .to = t->own, .mac = t->mac };

	tftp_refuse(t->tftp, &as_if, ERR_UNDEFINED, why);
	transfer_end(t);
}

/* From behind what was acknowledged on. */
static void
transfer_send_window(Transfer *t)
{
	t->sent = t->acked;
	t->last = 0;
	while (t->sent - t->acked < t->window && !t->last) {
		if (transfer_send_block(t))
			continue;
		transfer_fail(t, "read error");
		return;
	}
	transfer_wait(t);
}

static void
transfer_send(Transfer *t)
{
	if (!t->oack) {
		transfer_send_window(t);
		return;
	}
	tftp_send(t->tftp, &t->own, &t->guest, t->mac, t->oack, t->oack_len);
	transfer_wait(t);
}

static void
transfer_acked(Transfer *t, guint16 number)
{
	/* How far behind the last one sent, in numbers that wrap. */
	guint64 behind = (guint16)(t->sent - number), outstanding = t->sent - t->acked;

	if (t->oack) {
		if (number != 0)
			return;
		g_clear_pointer(&t->oack, g_free);
	} else if (behind < outstanding) {
		guint64 more = outstanding - behind;

		memmove(t->marks, t->marks + more, (WINDOW_MAX + 1 - more) * sizeof *t->marks);
		t->acked += more;
		t->is_repeated = FALSE;
	} else if (behind == outstanding && t->window > 1 && !t->is_repeated) {
		t->is_repeated = TRUE;
	} else {
		return;
	}
	t->tries = 0;
	if (t->last && t->acked == t->last)
		transfer_end(t);
	else
		transfer_send_window(t);
}

static void
transfer_input(NatEngine *engine, const NatDatagram *in, gpointer data)
{
	Transfer *t = data;
	guint16 op;

	(void)engine;
	if (in->from.port != t->guest.port ||
	    !nat_address_equal(&in->from.address, &t->guest.address)) {
		tftp_refuse(t->tftp, in, ERR_UNKNOWN_ID, "unknown transfer");
		return;
	}
	if (in->len < DATA_HEAD)
		return;
	op = jf_get_be16(in->data);
	if (op == OP_ACK)
		transfer_acked(t, jf_get_be16(in->data + 2));
	else if (op == OP_ERROR)
		transfer_end(t);
	else
		transfer_fail(t, "illegal operation");
}

static void
tftp_due(JfInstance *inst, gpointer data)
{
	guint64 now = inst->host->now(inst, JF_CLOCK_MONOTONIC);
	Tftp *tftp = data;

	for (guint i = tftp->transfers->len; i-- > 0;) {
		Transfer *t = g_ptr_array_index(tftp->transfers, i);

		if (t->deadline > now)
			continue;
		if (t->tries++ >= RETRIES)
			transfer_end(t);
		else
			transfer_send(t);
	}
	tftp_plan(tftp);
}

/* ---- Requests ---- */

typedef struct Request {
	const char *name;
	gboolean netascii;
	/* 0: not asked for. */
	guint blksize, window, timeout;
	gboolean tsize;
} Request;

static const char *
read_text(JfReader *reader)
{
	const guint8 *end = reader->left ? memchr(reader->data, 0, reader->left) : NULL;

	return end ? (const char *)jf_reader_bytes(reader, (gsize)(end - reader->data) + 1) : NULL;
}

/* One that makes no sense is left out of the answer, as one that is not known (RFC 2347). */
static void
request_take_option(Request *request, const char *name, const char *text)
{
	guint64 value;

	if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &value, NULL))
		return;
	if (!g_ascii_strcasecmp(name, "blksize") && value >= BLKSIZE_MIN)
		request->blksize = (guint)MIN(value, BLKSIZE_MAX);
	else if (!g_ascii_strcasecmp(name, "windowsize") && value >= 1)
		request->window = (guint)MIN(value, WINDOW_MAX);
	else if (!g_ascii_strcasecmp(name, "timeout") && value >= 1 && value <= 255)
		request->timeout = (guint)value;
	else if (!g_ascii_strcasecmp(name, "tsize"))
		request->tsize = TRUE;
}

/* FALSE: no request that can be answered. */
static gboolean
request_parse(Request *request, const guint8 *data, gsize len)
{
	JfReader reader = jf_reader(data, len);
	const char *mode;

	memset(request, 0, sizeof *request);
	jf_reader_be16(&reader);
	request->name = read_text(&reader);
	mode = request->name ? read_text(&reader) : NULL;
	if (!mode || !*request->name)
		return FALSE;
	request->netascii = !g_ascii_strcasecmp(mode, "netascii");
	if (!request->netascii && g_ascii_strcasecmp(mode, "octet"))
		return FALSE;
	while (reader.left) {
		const char *name = read_text(&reader);
		const char *value = name ? read_text(&reader) : NULL;

		if (!value)
			break;
		request_take_option(request, name, value);
	}
	return TRUE;
}

static void
put_option(GByteArray *oack, const char *name, guint64 value)
{
	char text[24];
	int len = g_snprintf(text, sizeof text, "%" G_GUINT64_FORMAT, value);

	g_byte_array_append(oack, (const guint8 *)name, (guint)strlen(name) + 1);
	g_byte_array_append(oack, (const guint8 *)text, (guint)len + 1);
}

/* How long a netascii file is on the wire is not known before it has been sent: tsize is not for
 * those. */
static void
transfer_set_options(Transfer *t, const Request *request)
{
	guint headers = nat_address_is_v4(&t->own.address) ? 28 : 48;
	guint fits = nat_engine_get_config(t->tftp->engine)->mtu - headers - DATA_HEAD;
	GByteArray *oack = g_byte_array_new();

	g_byte_array_append(oack, (const guint8[]){ 0, OP_OACK }, 2);
	t->blksize = request->blksize ? MIN(request->blksize, fits) : BLKSIZE_DEFAULT;
	t->window = MAX(request->window, 1u);
	t->timeout = request->timeout ? request->timeout : TIMEOUT_DEFAULT;
	if (request->blksize)
		put_option(oack, "blksize", t->blksize);
	if (request->window)
		put_option(oack, "windowsize", t->window);
	if (request->timeout)
		put_option(oack, "timeout", t->timeout);
	if (request->tsize && !t->file.netascii)
		put_option(oack, "tsize", t->file.size);
	if (oack->len > 2) {
		t->oack_len = oack->len;
		t->oack = g_byte_array_free(oack, FALSE);
	} else {
		g_byte_array_unref(oack);
	}
}

/* FALSE: none is left. */
static gboolean
transfer_take_port(Transfer *t)
{
	for (guint i = 0; i < 16; i++) {
		t->own.port = (guint16)g_random_int_range(PORT_MIN, 65536);
		if (nat_service_add(t->tftp->engine, &t->own.address, t->own.port, transfer_input,
				    t))
			return TRUE;
	}
	return FALSE;
}

static void
transfer_begin(Tftp *tftp, const NatDatagram *in, const Request *request, NatTftpFile file)
{
	Transfer *t = g_new0(Transfer, 1);

	t->tftp = tftp;
	t->guest = in->from;
	t->own.address = in->to.address;
	memcpy(t->mac, in->mac, 6);
	t->file = file;
	t->marks[0].pending = 0xff;
	transfer_set_options(t, request);
	if (!transfer_take_port(t)) {
		tftp_refuse(tftp, in, ERR_UNDEFINED, "too many transfers");
		t->own.port = 0;
		transfer_free(t);
		return;
	}
	g_ptr_array_add(tftp->transfers, t);
	jf_count(nat_engine_get_service_counters(tftp->engine)->tftp_transfers, 1);
	transfer_send(t);
}

/* A guest that asks again has not heard of the first answer, or has been reset. */
static void
tftp_drop_same(Tftp *tftp, const NatDatagram *in)
{
	for (guint i = 0; i < tftp->transfers->len; i++) {
		Transfer *t = g_ptr_array_index(tftp->transfers, i);

		if (t->guest.port != in->from.port ||
		    !nat_address_equal(&t->guest.address, &in->from.address))
			continue;
		transfer_end(t);
		return;
	}
}

static void
tftp_read(Tftp *tftp, const NatDatagram *in)
{
	NatTftpFile file = { .fd = -1 };
	Request request;
	int error;

	if (!request_parse(&request, in->data, in->len)) {
		tftp_refuse(tftp, in, ERR_ILLEGAL, "not a request in mode octet or netascii");
		return;
	}
	tftp_drop_same(tftp, in);
	if (tftp->transfers->len >= TRANSFERS_MAX) {
		tftp_refuse(tftp, in, ERR_UNDEFINED, "too many transfers");
		return;
	}
	error = nat_tftp_file_open(&file, tftp->directory, request.name, request.netascii);
	if (error == 0)
		transfer_begin(tftp, in, &request, file);
	else if (error == EXDEV || error == EACCES || error == EPERM || error == ELOOP)
		tftp_refuse(tftp, in, ERR_ACCESS, "access denied");
	else
		tftp_refuse(tftp, in, ERR_NOT_FOUND, g_strerror(error));
}

static void
tftp_input(NatEngine *engine, const NatDatagram *in, gpointer data)
{
	Tftp *tftp = data;
	guint16 op = in->len >= 2 ? jf_get_be16(in->data) : 0;

	(void)engine;
	if (in->len > REQUEST_MAX || op == OP_ERROR)
		return;
	if (op == OP_RRQ)
		tftp_read(tftp, in);
	else if (op == OP_WRQ)
		tftp_refuse(tftp, in, ERR_ACCESS, "this server is read-only");
	else
		tftp_refuse(tftp, in, ERR_ILLEGAL, "illegal operation");
}

/* ---- Life ---- */

static void
tftp_stop(NatEngine *engine, gpointer state)
{
	const NatConfig *config = nat_engine_get_config(engine);
	Tftp *tftp = state;

	nat_service_remove(engine, &config->gateway4, TFTP_PORT);
	nat_service_remove(engine, &config->gateway6, TFTP_PORT);
	g_ptr_array_unref(tftp->transfers);
	tftp_host(tftp)->timer_remove(tftp->timer);
	close(tftp->directory);
	g_free(tftp->packet);
	g_free(tftp);
}

static gboolean
tftp_start(NatEngine *engine, gpointer *state, GError **error)
{
	const NatConfig *config = nat_engine_get_config(engine);
	JfInstance *inst = nat_engine_get_instance(engine);
	int directory;
	Tftp *tftp;

	if (!config->tftp_prefix)
		return TRUE;
	directory = open(config->tftp_prefix, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
			    "%s: cannot open tftp-prefix '%s': %s", inst->name, config->tftp_prefix,
			    g_strerror(errno));
		return FALSE;
	}
	tftp = *state = g_new0(Tftp, 1);
	tftp->engine = engine;
	tftp->directory = directory;
	tftp->packet = g_malloc(DATA_HEAD + BLKSIZE_MAX);
	tftp->transfers = g_ptr_array_new_with_free_func(transfer_free);
	tftp->timer = inst->host->timer_add(inst, tftp_due, tftp);
	if (config->ipv4)
		nat_service_add(engine, &config->gateway4, TFTP_PORT, tftp_input, tftp);
	if (config->ipv6)
		nat_service_add(engine, &config->gateway6, TFTP_PORT, tftp_input, tftp);
	return TRUE;
}

const NatService nat_service_tftp = {
	.name = "tftp",
	.start = tftp_start,
	.stop = tftp_stop,
};
