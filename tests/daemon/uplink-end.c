/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink-end.c - a program that embeds libjackfield, with one card on a network of a daemon's and
 * nothing behind it: it says what it gets, and sends what it is told.
 *
 *	uplink-end RUNTIME-DIR NETWORK MAC [quiet]
 *
 * On standard input: "send DST COUNT LEN" (plain frames), "gso DST COUNT LEN" (TCP over IPv4, to be
 * segmented), "flood DST MILLISECONDS LEN" (GSO from 1515 on), "promiscuous POLICY", "count". On
 * standard output: "link 0|1", "got SRC DST LEN GSO-SIZE NUMBER good|bad" (not when quiet),
 * "sent COUNT", "count FRAMES BYTES BAD AWAY LOST BROKEN", "log TEXT". It ends with its input.
 */
#include <jackfield/util.h>
#include <jackfield/vmm.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS 54u /* Ethernet, IPv4, TCP */
#define MSS 1448u

typedef struct End {
	JfInstance *inst; /* the connector, once it is started */
	guint8 mac[6];
	gboolean quiet;
	guint64 frames, bytes, bad; /* atomic */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	guint resumes;
} End;

static End end = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void
say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	flockfile(stdout);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	funlockfile(stdout);
	va_end(args);
}

/* ---- Frames ---- */

static void
fill(guint8 *frame, const guint8 *dst, guint len, guint number, gboolean tcp)
{
	guint from = tcp ? HEADERS : 18;

	memcpy(frame, dst, 6);
	memcpy(frame + 6, end.mac, 6);
	jf_put_be16(frame + 12, tcp ? 0x0800 : 0x88b5);
	if (tcp) {
		memset(frame + 14, 0, HEADERS - 14);
		frame[14] = 0x45;
		jf_put_be16(frame + 16, (guint16)(len - 14));
		frame[22] = 64;
		frame[23] = 6;
		frame[26] = frame[30] = 10;
		jf_put_be32(frame + 38, number);
		frame[46] = 0x50;
	} else {
		jf_put_be32(frame + 14, number);
	}
	for (guint i = from; i < len; i++)
		frame[i] = (guint8)(number + i);
}

/* Whether it is what some end's fill made. */
static gboolean
is_good(const guint8 *frame, guint len, guint *number)
{
	gboolean tcp = frame[12] == 0x08;
	guint from = tcp ? HEADERS : 18;

	*number = len >= from ? jf_get_be32(frame + (tcp ? 38 : 14)) : 0;
	for (guint i = from; i < len; i++)
		if (frame[i] != (guint8)(*number + i))
			return FALSE;
	return len >= from;
}

static void
got(const JfFrame *frame)
{
	static __thread guint8 copy[JF_FRAME_MAX_LEN];
	guint number = 0;
	gboolean good;

	jf_frame_copy(frame, 0, copy, frame->len);
	good = is_good(copy, frame->len, &number);
	if (!good)
		jf_count(&end.bad, 1);
	say("got %02x %02x %u %u %u %s", copy[11], copy[5], frame->len, frame->gso_size, number,
	    good ? "good" : "bad");
}

static guint
end_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	guint64 bytes = 0;

	(void)inst;
	(void)port;
	for (guint i = 0; i < n; i++) {
		bytes += frames[i].len;
		if (!end.quiet)
			got(&frames[i]);
	}
	jf_count(&end.bytes, bytes);
	jf_count(&end.frames, n);
	return n;
}

static void
end_resume(JfInstance *inst, guint port)
{
	(void)inst;
	(void)port;
	pthread_mutex_lock(&end.lock);
	end.resumes++;
	pthread_cond_signal(&end.changed);
	pthread_mutex_unlock(&end.lock);
}

/* ---- The driver that the program brings ---- */

static gboolean
end_init(JfInstance *inst, GError **error)
{
	(void)error;
	end.inst = inst;
	return TRUE;
}

static void
end_finish(JfInstance *inst)
{
	(void)inst;
}

static void
end_link(JfInstance *inst, guint port, gboolean up)
{
	(void)inst;
	(void)port;
	say("link %d", up);
}

static const JfDriver end_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_CONNECTOR,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.id = "end",
	.blurb = "The program itself.",
	.init = end_init,
	.finish = end_finish,
	.input = end_input,
	.resume = end_resume,
	.link = end_link,
};

/* ---- Sending ---- */

/* All of them; waits where it is told to. */
static void
put(const JfFrame *frames, guint n)
{
	guint done = 0;

	while (done < n) {
		guint seen;

		pthread_mutex_lock(&end.lock);
		seen = end.resumes;
		pthread_mutex_unlock(&end.lock);
		done += end.inst->host->output(end.inst, 0, frames + done, n - done);
		pthread_mutex_lock(&end.lock);
		while (done < n && end.resumes == seen)
			pthread_cond_wait(&end.changed, &end.lock);
		pthread_mutex_unlock(&end.lock);
	}
}

static void
send_frames(const guint8 *dst, guint count, guint len, gboolean tcp)
{
	g_autofree guint8 *bytes = g_malloc(len);
	struct iovec piece = { bytes, len };
	JfFrame frame = jf_frame_plain(&piece);

	if (tcp) {
		frame.flags = JF_FRAME_NEEDS_CSUM;
		frame.gso_type = JF_GSO_TCPV4;
		frame.gso_size = MSS;
		frame.hdr_len = HEADERS;
		frame.csum_start = 34;
		frame.csum_offset = 16;
	}
	for (guint i = 0; i < count; i++) {
		fill(bytes, dst, len, i, tcp);
		put(&frame, 1);
	}
	say("sent %u", count);
}

static void
flood(const guint8 *dst, guint ms, guint len)
{
	gint64 until = g_get_monotonic_time() + (gint64)ms * 1000;
	g_autofree guint8 *bytes = g_malloc(len);
	struct iovec piece = { bytes, len };
	guint64 n = 0, batch = len > 1514 ? 8 : JF_BATCH_MAX;
	JfFrame frames[JF_BATCH_MAX];

	fill(bytes, dst, len, 0, len > 1514);
	for (guint i = 0; i < JF_BATCH_MAX; i++) {
		frames[i] = jf_frame_plain(&piece);
		if (len > 1514)
			frames[i] = (JfFrame){ .iov = &piece,
					       .n_iov = 1,
					       .len = len,
					       .flags = JF_FRAME_NEEDS_CSUM,
					       .gso_type = JF_GSO_TCPV4,
					       .gso_size = MSS,
					       .hdr_len = HEADERS,
					       .csum_start = 34,
					       .csum_offset = 16 };
	}
	for (; g_get_monotonic_time() < until; n += batch)
		put(frames, (guint)batch);
	say("sent %" G_GUINT64_FORMAT, n);
}

/* ---- Commands ---- */

typedef struct Away {
	guint64 away, lost, broken;
} Away;

static void
counter_seen(const char *driver, const char *counter, guint64 value, gpointer data)
{
	Away *away = data;

	if (strcmp(driver, "intnet") != 0)
		return;
	if (strcmp(counter, "daemon-away") == 0)
		away->away = value;
	else if (strcmp(counter, "daemon-lost") == 0)
		away->lost = value;
	else if (strcmp(counter, "daemon-broken") == 0)
		away->broken = value;
}

static void
say_count(JfCard *card)
{
	Away away = { 0 };
	JfCardStats stats = { .struct_size = sizeof stats };

	jf_card_list_counters(card, counter_seen, &away);
	jf_card_get_stats(card, &stats);
	say("count %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
	    " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
	    end.frames, end.bytes, end.bad, away.away + stats.tx.drops, away.lost, away.broken);
}

static gboolean
mac_read(const char *text, guint8 *mac)
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		      &mac[4], &mac[5]) == 6;
}

static gboolean
command(JfCard *card, char *line)
{
	char verb[16] = "", to[32] = "";
	guint a = 0, b = 0;
	guint8 dst[6];

	if (sscanf(line, "%15s %31s %u %u", verb, to, &a, &b) < 1)
		return FALSE;
	if (strcmp(verb, "count") == 0)
		say_count(card);
	else if (strcmp(verb, "promiscuous") == 0)
		return jf_card_set_promiscuous(card, (guint32)strtoul(to, NULL, 10), NULL);
	else if (!mac_read(to, dst) || b > JF_FRAME_MAX_LEN || b < 60)
		return FALSE;
	else if (strcmp(verb, "flood") == 0)
		flood(dst, a, b);
	else
		send_frames(dst, a, b, strcmp(verb, "gso") == 0);
	return TRUE;
}

static void
logged(GLogLevelFlags level, const char *origin, const char *message, gpointer data)
{
	(void)level;
	(void)data;
	say("log %s: %s", origin, message);
}

static void
die(const char *what, const GError *error)
{
	fprintf(stderr, "uplink-end: %s: %s\n", what, error ? error->message : "");
	exit(EXIT_FAILURE);
}

int
main(int argc, char **argv)
{
	static const JfContextEvents events = { .struct_size = sizeof events, .log = logged };
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = "end",
				.cable_connected = TRUE,
				.connector = "end",
				.attachment = "intnet" };
	const char *properties[] = { NULL, NULL };
	g_autoptr(GError) error = NULL;
	g_autofree char *property = NULL;
	JfContext *context;
	JfCard *card;
	char line[128];

	if (argc < 4 || !mac_read(argv[3], end.mac))
		die("usage", NULL);
	end.quiet = argc > 4;
	properties[0] = property = g_strconcat("network=", argv[2], NULL);
	config.attachment_properties = properties;
	memcpy(config.mac, end.mac, sizeof config.mac);
	context = jf_context_new(&events, NULL);
	jf_context_load_plugins(context);
	if (!jf_context_use_daemon(context, argv[1], &error) ||
	    !jf_context_add_driver(context, &end_driver, &error))
		die("context", error);
	config.worker = jf_worker_new(context, &error);
	card = config.worker ? jf_card_new(context, &config, &error) : NULL;
	if (!card || !jf_card_start(card, &error))
		die("card", error);
	while (fgets(line, sizeof line, stdin))
		if (!command(card, line))
			die(line, NULL);
	jf_card_free(card);
	jf_worker_free(config.worker);
	jf_context_free(context);
	return EXIT_SUCCESS;
}
