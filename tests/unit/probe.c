/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* probe.c - drivers that do as a test says and write down what happens to them. */
#include "probe.h"

#include <string.h>

#include "jackfield/util.h"

#define FRAME_SENDER 14u
#define FRAME_NUMBER 18u

Probe probes[PROBES_MAX];

/* ---- Writing down ---- */

static Probe *
probe_get(JfInstance *inst)
{
	return &probes[jf_property_int(inst, "probe")];
}

static void
probe_note(Probe *probe, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	pthread_mutex_lock(&probe->lock);
	if (probe->life->len)
		g_string_append_c(probe->life, ' ');
	g_string_append_vprintf(probe->life, format, args);
	pthread_mutex_unlock(&probe->lock);
	va_end(args);
}

static void
probe_enter(Probe *probe)
{
	if (__atomic_fetch_add(&probe->inside, 1, __ATOMIC_SEQ_CST) != 0)
		__atomic_fetch_add(&probe->wrong, 1, __ATOMIC_SEQ_CST);
	if (!pthread_equal(probe->home, pthread_self()))
		__atomic_fetch_add(&probe->wrong, 1, __ATOMIC_SEQ_CST);
}

static void
probe_leave(Probe *probe)
{
	__atomic_fetch_sub(&probe->inside, 1, __ATOMIC_SEQ_CST);
}

static gboolean
probe_refuse(Probe *probe, const char *what, GError **error)
{
	if (!probe->silent)
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "%s refused", what);
	return FALSE;
}

/* ---- The pump ---- */

/* Waits for resume after each refusal: where one is forgotten, the test hangs. */
static void *
probe_pump(void *data)
{
	Probe *probe = data;
	guint seen = 0;

	for (;;) {
		guint taken = probe_send(probe, 0, probe->sender, (guint32)probe->sent + 1, 8);
		gboolean quit;

		probe->sent += taken;
		pthread_mutex_lock(&probe->lock);
		while (taken < 8 && !probe->quit && probe->n_resumes == seen)
			pthread_cond_wait(&probe->resumed, &probe->lock);
		seen = probe->n_resumes;
		quit = probe->quit;
		pthread_mutex_unlock(&probe->lock);
		if (quit)
			return NULL;
	}
}

static void
probe_stop_pump(Probe *probe)
{
	pthread_mutex_lock(&probe->lock);
	probe->quit = TRUE;
	pthread_cond_signal(&probe->resumed);
	pthread_mutex_unlock(&probe->lock);
	pthread_join(probe->thread, NULL);
}

/* ---- Callbacks ---- */

static gboolean
probe_init(JfInstance *inst, GError **error)
{
	Probe *probe = probe_get(inst);

	probe->inst = inst;
	probe->home = pthread_self();
	inst->host->counter(inst, "inits")[0]++;
	probe_note(probe, "init");
	return !probe->fail_init || probe_refuse(probe, "init", error);
}

static void
probe_finish(JfInstance *inst)
{
	Probe *probe = probe_get(inst);

	probe_enter(probe);
	probe->inst = NULL;
	probe_note(probe, "finish");
	probe_leave(probe);
}

static gboolean
probe_start(JfInstance *inst, GError **error)
{
	Probe *probe = probe_get(inst);
	g_autoptr(GError) failure = NULL;

	probe_enter(probe);
	probe_note(probe, "start");
	if (probe->fail_later) {
		probe_refuse(probe, "later", &failure);
		inst->host->fail(inst, failure);
	}
	probe->quit = FALSE;
	if (probe->pump && !probe->fail_start)
		pthread_create(&probe->thread, NULL, probe_pump, probe);
	probe_leave(probe);
	return !probe->fail_start || probe_refuse(probe, "start", error);
}

static void
probe_stop(JfInstance *inst)
{
	Probe *probe = probe_get(inst);

	probe_enter(probe);
	if (probe->pump)
		probe_stop_pump(probe);
	probe_note(probe, "stop");
	probe_leave(probe);
}

static void
probe_count(Probe *probe, const JfFrame *frame)
{
	guint8 mark[8];
	guint32 sender, number;

	__atomic_fetch_add(&probe->frames, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&probe->bytes, frame->len, __ATOMIC_RELAXED);
	if (frame->len != PROBE_FRAME_LEN || !jf_frame_copy(frame, FRAME_SENDER, mark, sizeof mark))
		return;
	sender = jf_get_be32(mark) % PROBE_SENDERS_MAX;
	number = jf_get_be32(mark + 4);
	if (__atomic_exchange_n(&probe->last[sender], number, __ATOMIC_SEQ_CST) >= number)
		__atomic_fetch_add(&probe->wrong, 1, __ATOMIC_SEQ_CST);
}

static guint
probe_take_room(Probe *probe, guint n)
{
	gint room = __atomic_load_n(&probe->room, __ATOMIC_SEQ_CST);
	guint take;

	do {
		if (room < 0)
			return n;
		take = MIN(n, (guint)room);
	} while (!__atomic_compare_exchange_n(&probe->room, &room, room - (gint)take, FALSE,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return take;
}

static guint
probe_input_parallel(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	Probe *probe = probe_get(inst);
	guint taken = probe_take_room(probe, n);

	for (guint i = 0; i < taken; i++)
		probe_count(probe, &frames[i]);
	if (probe->on_input)
		probe->on_input(probe, port, frames, taken);
	return taken;
}

static guint
probe_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	Probe *probe = probe_get(inst);
	guint taken;

	probe_enter(probe);
	taken = probe_input_parallel(inst, port, frames, n);
	probe_leave(probe);
	return taken;
}

static guint
pass_input_parallel(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	guint taken = inst->host->output(inst, 1 - port, frames, n);

	__atomic_fetch_add(&probe_get(inst)->frames, taken, __ATOMIC_RELAXED);
	return taken;
}

static guint
pass_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	Probe *probe = probe_get(inst);
	guint taken;

	probe_enter(probe);
	taken = pass_input_parallel(inst, port, frames, n);
	probe_leave(probe);
	return taken;
}

static void
pass_resume(JfInstance *inst, guint port)
{
	inst->host->resume(inst, 1 - port);
}

static void
probe_resume(JfInstance *inst, guint port)
{
	Probe *probe = probe_get(inst);

	(void)port;
	probe_enter(probe);
	pthread_mutex_lock(&probe->lock);
	probe->n_resumes++;
	pthread_cond_signal(&probe->resumed);
	pthread_mutex_unlock(&probe->lock);
	probe_leave(probe);
}

static void
probe_link(JfInstance *inst, guint port, gboolean up)
{
	Probe *probe = probe_get(inst);

	probe_enter(probe);
	probe_note(probe, "link%u%c", port, up ? '+' : '-');
	probe_leave(probe);
}

static gboolean
probe_changed(JfInstance *inst, const char *prop, GError **error)
{
	Probe *probe = probe_get(inst);

	probe_enter(probe);
	probe_note(probe, "%s=%s", prop, jf_property_string(inst, prop));
	probe_leave(probe);
	return !probe->fail_changed || probe_refuse(probe, "changed", error);
}

/* ---- Forwarding ---- */

static gboolean
probe_forward_add(JfInstance *inst, const JfForwardRule *rule, GError **error)
{
	Probe *probe = probe_get(inst);

	probe_enter(probe);
	probe_note(probe, "+%s:%u", rule->name, rule->host_port);
	probe_leave(probe);
	return !probe->fail_changed || probe_refuse(probe, "forward", error);
}

static gboolean
probe_forward_remove(JfInstance *inst, const char *name, GError **error)
{
	Probe *probe = probe_get(inst);

	probe_enter(probe);
	probe_note(probe, "-%s", name);
	probe_leave(probe);
	return !probe->fail_changed || probe_refuse(probe, "forward", error);
}

static gconstpointer
probe_query(JfInstance *inst, const char *iid)
{
	static const JfForward forward = {
		.struct_size = sizeof forward,
		.add = probe_forward_add,
		.remove = probe_forward_remove,
	};

	(void)inst;
	return strcmp(iid, JF_FORWARD_IID) == 0 ? &forward : NULL;
}

/* ---- Tables ---- */

static const JfPropSpec probe_props[] = {
	{ "probe", JF_PROP_INT, JF_PROP_REQUIRED, NULL, 0, PROBES_MAX - 1, NULL, "Which probe." },
	{ "mood", JF_PROP_STRING, JF_PROP_LIVE, "calm", 0, 0, NULL, "May change at any time." },
	{ "fixed", JF_PROP_STRING, 0, "as-is", 0, 0, NULL, "May not change while it runs." },
	{ 0 },
};

#define PROBE_DRIVER(name, id_, kind_, flags_, input_, resume_)                            \
	static const JfDriver name = {                                                     \
		JF_DRIVER_HEAD,       .kind = kind_,      .flags = flags_,                 \
		.priv_size = 16,      .id = id_,          .blurb = "Does as a test says.", \
		.props = probe_props, .init = probe_init, .finish = probe_finish,          \
		.start = probe_start, .stop = probe_stop, .input = input_,                 \
		.resume = resume_,    .link = probe_link, .changed = probe_changed,        \
	}

#define PARALLEL JF_DRIVER_PARALLEL_INPUT
#define OFFLOADS JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL)

PROBE_DRIVER(side, "side", JF_KIND_CONNECTOR, 0, probe_input, probe_resume);
PROBE_DRIVER(side_p, "side-p", JF_KIND_CONNECTOR, PARALLEL, probe_input_parallel, probe_resume);
PROBE_DRIVER(far, "far", JF_KIND_ATTACHMENT, 0, probe_input, probe_resume);
PROBE_DRIVER(far_p, "far-p", JF_KIND_ATTACHMENT, PARALLEL, probe_input_parallel, probe_resume);
PROBE_DRIVER(far_gso, "far-gso", JF_KIND_ATTACHMENT, PARALLEL | OFFLOADS, probe_input_parallel,
	     probe_resume);
PROBE_DRIVER(null, "null", JF_KIND_ATTACHMENT, 0, probe_input, probe_resume);
PROBE_DRIVER(pass, "pass", JF_KIND_FILTER, OFFLOADS, pass_input, pass_resume);
PROBE_DRIVER(pass_p, "pass-p", JF_KIND_FILTER, PARALLEL | OFFLOADS, pass_input_parallel,
	     pass_resume);

static const JfDriver serve = {
	JF_DRIVER_HEAD,         .kind = JF_KIND_SERVICE,
	.id = "serve",          .blurb = "Does as a test says.",
	.props = probe_props,   .init = probe_init,
	.finish = probe_finish, .start = probe_start,
	.stop = probe_stop,     .changed = probe_changed,
	.query = probe_query,
};

static const JfDriver *const drivers[] = { &side, &side_p, &far,    &far_p, &far_gso,
					   &null, &pass,   &pass_p, &serve };

/* ---- For tests ---- */

void
probes_add(JfContext *context)
{
	for (guint i = 0; i < G_N_ELEMENTS(drivers); i++) {
		g_autoptr(GError) error = NULL;

		jf_context_add_driver(context, drivers[i], &error);
		g_assert_no_error(error);
	}
}

void
probes_reset(void)
{
	for (guint i = 0; i < PROBES_MAX; i++) {
		Probe *probe = &probes[i];

		if (probe->life)
			g_string_free(probe->life, TRUE);
		memset(probe, 0, sizeof *probe);
		probe->room = -1;
		probe->life = g_string_new(NULL);
		pthread_mutex_init(&probe->lock, NULL);
		pthread_cond_init(&probe->resumed, NULL);
	}
}

void
probes_check(void)
{
	for (guint i = 0; i < PROBES_MAX; i++)
		g_assert_cmpint(__atomic_load_n(&probes[i].wrong, __ATOMIC_SEQ_CST), ==, 0);
}

const char *const *
probe_properties(guint probe)
{
	static char text[PROBES_MAX][16];
	static const char *list[PROBES_MAX][2];

	g_snprintf(text[probe], sizeof text[probe], "probe=%u", probe);
	list[probe][0] = text[probe];
	return list[probe];
}

void
probe_assert_life(Probe *probe, const char *life)
{
	pthread_mutex_lock(&probe->lock);
	g_assert_cmpstr(probe->life->str, ==, life);
	g_string_truncate(probe->life, 0);
	pthread_mutex_unlock(&probe->lock);
}

void
probe_fill(guint8 *bytes, guint32 sender, guint32 number)
{
	memset(bytes, 0, PROBE_FRAME_LEN);
	bytes[0] = 2;
	bytes[6] = 2;
	jf_put_be32(bytes + FRAME_SENDER, sender);
	jf_put_be32(bytes + FRAME_NUMBER, number);
}

guint
probe_send(Probe *probe, guint port, guint32 sender, guint32 first, guint n)
{
	guint8 bytes[JF_BATCH_MAX][PROBE_FRAME_LEN];
	struct iovec pieces[JF_BATCH_MAX];
	JfFrame frames[JF_BATCH_MAX];

	g_assert_cmpuint(n, <=, JF_BATCH_MAX);
	for (guint i = 0; i < n; i++) {
		probe_fill(bytes[i], sender, first + i);
		pieces[i] = (struct iovec){ bytes[i], PROBE_FRAME_LEN };
		frames[i] = jf_frame_plain(&pieces[i]);
	}
	return probe->inst->host->output(probe->inst, port, frames, n);
}
