/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ends.c - an attachment that makes frames and looks at frames, for benchmarks and tests of order.
 *
 * With `size` it sends whenever the card takes some. Frames are UDP over IPv4 in `flows` flows, each
 * numbered for itself; with `check` the rest of a frame follows from its number, and a frame that
 * comes in must be whole and later than the one before it in its flow; gaps are counted behind the
 * first. `seen` keeps in a file what came in last, so that a frame which comes again after this
 * process was killed is found out too. Without `check` the same 64 frames are sent over and over,
 * which costs next to nothing.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jackfield/driver.h"
#include "jackfield/util.h"

#define HEAD 42u /* Ethernet, IPv4, UDP */
#define LEN_MIN (HEAD + 16u)
#define LEN_MAX 65549u
#define FLOWS_MAX 64u

typedef struct Numbers {
	guint32 flow, len;
	guint64 seq;
} Numbers;

typedef struct End {
	JfInstance *inst;
	JfPoller *poller;
	guint size, size_max, flows;
	guint64 left;
	gboolean check;
	guint next_flow;
	guint64 next[FLOWS_MAX];
	guint n_ready; /* made and not taken, at the end of the batch */
	guint8 *bytes;
	struct iovec pieces[JF_BATCH_MAX];
	JfFrame frames[JF_BATCH_MAX];

	guint64 *seen; /* FLOWS_MAX, atomic: the last number; 0: none */
	guint64 *received, *lost, *disorder, *damaged;
} End;

static const JfPropSpec end_props[] = {
	{ .name = "size",
	  .type = JF_PROP_INT,
	  .min = LEN_MIN,
	  .max = LEN_MAX,
	  .blurb = "Bytes of each frame to send; unset: sends none." },
	{ .name = "size-max",
	  .type = JF_PROP_INT,
	  .min = LEN_MIN,
	  .max = LEN_MAX,
	  .blurb = "Frames are of size to size-max bytes." },
	{ .name = "flows",
	  .type = JF_PROP_INT,
	  .def = "1",
	  .min = 1,
	  .max = FLOWS_MAX,
	  .blurb = "Flows to send." },
	{ .name = "count",
	  .type = JF_PROP_INT,
	  .def = "0",
	  .max = G_MAXINT64,
	  .blurb = "Frames to send; 0: no end." },
	{ .name = "check",
	  .type = JF_PROP_BOOL,
	  .def = "off",
	  .blurb = "Number the frames, and look at those that come in." },
	{ .name = "seen",
	  .type = JF_PROP_PATH,
	  .blurb = "File that remembers the last number of each flow that came in." },
	{ .name = "to", .type = JF_PROP_MAC, .def = "020000000001", .blurb = "Where frames go." },
	{ .name = NULL },
};

static guint64
mix(guint64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	return x ^ x >> 27;
}

/* ---- Making ---- */

static void
fill_head(End *end, guint8 *p, guint len)
{
	const JfValue *to = end->inst->host->property(end->inst, "to");
	static const guint8 from[] = { 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0 };

	memset(p, 0, HEAD);
	memcpy(p, to->v.mac, 6);
	memcpy(p + 6, from, sizeof from);
	jf_put_be16(p + 16, (guint16)(len - 14));
	p[22] = 64;
	p[23] = IPPROTO_UDP;
	jf_put_be32(p + 26, 0x0a000001);
	jf_put_be32(p + 30, 0x0a000002);
	jf_put_be16(p + 36, 4000);
	jf_put_be16(p + 38, (guint16)(len - 34));
}

static guint
frame_len(const End *end, guint64 seq)
{
	return end->size + (guint)(mix(seq) % (end->size_max - end->size + 1));
}

/* The bytes that follow from a frame's number. */
static void
fill_body(guint8 *p, guint len, const Numbers *numbers)
{
	guint64 word = numbers->seq * 64 + numbers->flow;

	for (; len >= sizeof word;
	     p += sizeof word, len -= (guint)sizeof word, word += 0x0101010101u)
		memcpy(p, &word, sizeof word);
	memcpy(p, &word, len);
}

static void
make_frame(End *end, guint i)
{
	guint flow = end->next_flow++ % end->flows;
	guint8 *p = end->bytes + i * (gsize)end->size_max;
	Numbers numbers = { .flow = flow, .seq = end->next[flow]++ };

	numbers.len = frame_len(end, numbers.seq);
	fill_head(end, p, numbers.len);
	jf_put_be16(p + 34, (guint16)(5000 + flow));
	memcpy(p + HEAD, &numbers, sizeof numbers);
	fill_body(p + LEN_MIN, numbers.len - LEN_MIN, &numbers);
	end->pieces[i] = (struct iovec){ p, numbers.len };
	end->frames[i] = jf_frame_plain(&end->pieces[i]);
}

static void
make_batch(End *end)
{
	gboolean first = end->frames[0].iov == NULL;

	for (guint i = 0; (end->check || first) && i < JF_BATCH_MAX; i++)
		make_frame(end, i);
	end->n_ready = JF_BATCH_MAX;
}

static guint
send_batch(JfInstance *inst, gpointer data)
{
	End *end = inst->priv;
	guint n, taken;

	(void)data;
	if (end->left == 0 || !end->size)
		return 0;
	if (end->n_ready == 0)
		make_batch(end);
	n = (guint)MIN(end->n_ready, end->left);
	taken = inst->host->output(inst, 0, &end->frames[JF_BATCH_MAX - end->n_ready], n);
	end->n_ready -= taken;
	end->left -= taken;
	return taken;
}

static void
end_resume(JfInstance *inst, guint port)
{
	(void)port;
	send_batch(inst, NULL);
}

/* ---- Looking ---- */

static gboolean
body_is(const guint8 *p, guint len, const Numbers *numbers)
{
	guint64 word = numbers->seq * 64 + numbers->flow;

	for (; len >= sizeof word;
	     p += sizeof word, len -= (guint)sizeof word, word += 0x0101010101u)
		if (memcmp(p, &word, sizeof word) != 0)
			return FALSE;
	return memcmp(p, &word, len) == 0;
}

static void
look_at(End *end, const JfFrame *frame, guint8 *copy)
{
	Numbers numbers;
	guint64 before;

	if (frame->len < LEN_MIN || frame->len > LEN_MAX ||
	    !jf_frame_copy(frame, 0, copy, frame->len))
		return;
	memcpy(&numbers, copy + HEAD, sizeof numbers);
	if (numbers.len != frame->len || numbers.flow >= FLOWS_MAX ||
	    !body_is(copy + LEN_MIN, frame->len - LEN_MIN, &numbers)) {
		jf_count(end->damaged, 1);
		return;
	}
	before = __atomic_exchange_n(&end->seen[numbers.flow], numbers.seq, __ATOMIC_RELAXED);
	if (numbers.seq <= before)
		jf_count(end->disorder, 1);
	else if (before > 0)
		jf_count(end->lost, numbers.seq - before - 1);
}

static guint
end_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	End *end = inst->priv;
	guint8 copy[LEN_MAX];

	(void)port;
	for (guint i = 0; end->check && i < n; i++)
		look_at(end, &frames[i], copy);
	jf_count(end->received, n);
	return n;
}

/* ---- Life ---- */

/* Shared memory of a file, or of nobody else's. */
static gboolean
seen_open(End *end, GError **error)
{
	const JfValue *path = end->inst->host->property(end->inst, "seen");
	const gsize size = FLOWS_MAX * sizeof *end->seen;
	int fd = path->is_set ? open(jf_property_string(end->inst, "seen"),
				     O_RDWR | O_CREAT | O_CLOEXEC, 0600)
			      : -1;
	gboolean ok = !path->is_set || (fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	gpointer base = MAP_FAILED;

	if (ok)
		base = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	if (fd >= 0)
		close(fd);
	if (base == MAP_FAILED)
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "no memory for what was seen");
	else
		end->seen = base;
	return base != MAP_FAILED;
}

static gboolean
end_init(JfInstance *inst, GError **error)
{
	End *end = inst->priv;
	const JfValue *max = inst->host->property(inst, "size-max");

	end->inst = inst;
	end->size = (guint)jf_property_int(inst, "size");
	end->size_max = max->is_set ? MAX((guint)max->v.integer, end->size) : end->size;
	end->flows = (guint)jf_property_int(inst, "flows");
	end->left = (guint64)jf_property_int(inst, "count");
	if (end->left == 0)
		end->left = G_MAXUINT64;
	end->check = jf_property_bool(inst, "check");
	/* Ahead of what one before this may still have on its way. */
	for (guint i = 0; i < FLOWS_MAX; i++)
		end->next[i] = inst->host->now(inst, JF_CLOCK_REALTIME) / 16;
	if (end->size)
		end->bytes = g_malloc(JF_BATCH_MAX * (gsize)end->size_max);
	end->received = inst->host->counter(inst, "received");
	end->lost = inst->host->counter(inst, "lost");
	end->disorder = inst->host->counter(inst, "disorder");
	end->damaged = inst->host->counter(inst, "damaged");
	return seen_open(end, error);
}

static void
end_finish(JfInstance *inst)
{
	End *end = inst->priv;

	if (end->seen)
		munmap(end->seen, FLOWS_MAX * sizeof *end->seen);
	g_free(end->bytes);
}

static gboolean
end_start(JfInstance *inst, GError **error)
{
	End *end = inst->priv;

	(void)error;
	if (end->size)
		end->poller = inst->host->poller_add(inst, send_batch, NULL);
	return TRUE;
}

static void
end_stop(JfInstance *inst)
{
	End *end = inst->priv;

	g_clear_pointer(&end->poller, inst->host->poller_remove);
}

static const JfDriver end_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(End),
	.id = "bench-end",
	.blurb = "Makes frames as fast as they are taken, and looks at those that come in.",
	.props = end_props,
	.init = end_init,
	.finish = end_finish,
	.start = end_start,
	.stop = end_stop,
	.input = end_input,
	.resume = end_resume,
};

static const JfDriver *const end_drivers[] = { &end_driver, NULL };

const JfPlugin *
jf_plugin_query(void)
{
	static const JfPlugin plugin = {
		JF_PLUGIN_HEAD,
		.name = "bench-ends",
		.version = "1.0",
		.license = "LGPL-2.1-or-later",
		.blurb = "Ends of a cable, for benchmarks.",
		.drivers = end_drivers,
	};

	return &plugin;
}
