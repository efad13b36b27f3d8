/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capture.c - filter: records what goes through the cable in a pcapng file.
 *
 * Frames are passed on first, and those that were taken are recorded: one that is refused comes
 * again. Both directions may do that at once on any threads; the file is under one lock, which is
 * never held while frames are passed on. Large frames stay whole on the cable, the file has the
 * segments that the wire would have. What goes wrong with the file is counted and never holds up a
 * frame.
 */
#include "capture.h"

#define CAPTURE_FLUSH_NS G_GUINT64_CONSTANT(100000000)

typedef struct Capture {
	JfInstance *inst;
	GMutex lock; /* guards file, armed */
	CaptureFile file;
	gboolean armed; /* a flush is due, or the worker has been told to arm it */
	int told;       /* the file's last error that people know of */
	guint32 snaplen;
	JfTimer *timer;
	guint64 recorded_before, lost_before; /* of the file's counts, what the counters have */
	guint64 *recorded, *lost;
} Capture;

static const JfPropSpec capture_props[] = {
	{ .name = "file",
	  .type = JF_PROP_PATH,
	  .flags = JF_PROP_REQUIRED,
	  .blurb = "File to record into; an old one is overwritten." },
	{ .name = "snaplen",
	  .type = JF_PROP_INT,
	  .def = "65553",
	  .min = 14,
	  .max = 65553,
	  .blurb = "Bytes of each frame to record." },
	{ .name = "max-size",
	  .type = JF_PROP_SIZE,
	  .def = "0",
	  .max = G_MAXINT64,
	  .blurb = "Recording ends before the file gets larger; 0 for no limit." },
	{ .name = NULL },
};

static gboolean
capture_init(JfInstance *inst, GError **error)
{
	Capture *capture = inst->priv;

	(void)error;
	capture->inst = inst;
	capture->file.fd = -1;
	g_mutex_init(&capture->lock);
	capture->recorded = inst->host->counter(inst, "recorded");
	capture->lost = inst->host->counter(inst, "not-recorded");
	return TRUE;
}

static void
capture_finish(JfInstance *inst)
{
	Capture *capture = inst->priv;

	g_mutex_clear(&capture->lock);
}

/* Brings the instance's counters up to the file's counts. Under the lock. */
static void
capture_account(Capture *capture)
{
	const CaptureFile *file = &capture->file;

	jf_count(capture->recorded, file->recorded - capture->recorded_before);
	jf_count(capture->lost, file->lost - capture->lost_before);
	capture->recorded_before = file->recorded;
	capture->lost_before = file->lost;
}

/* Says so when writing ceases to work or works again. On the worker. */
static void
capture_tell(Capture *capture, int err)
{
	const char *path = jf_property_string(capture->inst, "file");

	if (err == capture->told)
		return;
	capture->told = err;
	if (err)
		jf_log(capture->inst, G_LOG_LEVEL_WARNING,
		       "cannot record into %s: %s; frames pass unrecorded", path, g_strerror(err));
	else
		jf_log(capture->inst, G_LOG_LEVEL_INFO, "recording into %s goes on", path);
}

static void
capture_flush_due(JfInstance *inst, gpointer data)
{
	Capture *capture = data;
	int err;

	(void)inst;
	g_mutex_lock(&capture->lock);
	capture->armed = FALSE;
	capture_file_flush(&capture->file);
	capture_account(capture);
	err = capture->file.error;
	g_mutex_unlock(&capture->lock);
	capture_tell(capture, err);
}

static void
capture_arm(JfInstance *inst, gpointer data)
{
	Capture *capture = data;
	guint64 now = inst->host->now(inst, JF_CLOCK_MONOTONIC);

	if (capture->timer)
		inst->host->timer_arm(capture->timer, now + CAPTURE_FLUSH_NS);
}

static gboolean
capture_open(Capture *capture, GError **error)
{
	JfInstance *inst = capture->inst;
	const char *path = jf_property_string(inst, "file");
	CaptureFile *file = &capture->file;

	if (!capture_file_open(file, path, (guint64)jf_property_int(inst, "max-size"), error))
		return FALSE;
	if (!capture_write_header(file, inst->name, capture->snaplen)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "max-size (or the process's file size limit) leaves no room in %s",
			    path);
		return FALSE;
	}
	capture_file_flush(file);
	if (!file->error)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_NETWORK, "cannot record into %s: %s", path,
		    g_strerror(file->error));
	return FALSE;
}

static gboolean
capture_start(JfInstance *inst, GError **error)
{
	Capture *capture = inst->priv;

	capture->snaplen = (guint32)jf_property_int(inst, "snaplen");
	capture->armed = FALSE;
	capture->told = 0;
	capture->recorded_before = capture->lost_before = 0;
	if (!capture_open(capture, error)) {
		capture_file_close(&capture->file);
		return FALSE;
	}
	capture->timer = inst->host->timer_add(inst, capture_flush_due, capture);
	return TRUE;
}

static void
capture_stop(JfInstance *inst)
{
	Capture *capture = inst->priv;

	inst->host->timer_remove(capture->timer);
	capture->timer = NULL;
	g_mutex_lock(&capture->lock);
	capture_write_statistics(&capture->file, inst->host->now(inst, JF_CLOCK_REALTIME));
	capture_file_flush(&capture->file);
	capture_account(capture);
	capture_file_close(&capture->file);
	g_mutex_unlock(&capture->lock);
}

static void
capture_record(Capture *capture, CaptureDirection direction, const JfFrame *frames, guint n,
	       guint64 time)
{
	gboolean arm = FALSE;

	g_mutex_lock(&capture->lock);
	for (guint i = 0; i < n && capture->file.fd >= 0; i++)
		capture_write_frame(&capture->file, &frames[i], capture->snaplen, time, direction);
	capture_account(capture);
	if (capture->file.n_pending && !capture->armed)
		arm = capture->armed = TRUE;
	g_mutex_unlock(&capture->lock);
	if (arm)
		capture->inst->host->post(capture->inst, capture_arm, capture);
}

static guint
capture_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	Capture *capture = inst->priv;
	guint64 time = inst->host->now(inst, JF_CLOCK_REALTIME);
	guint taken = inst->host->output(inst, 1 - port, frames, n);

	if (taken)
		capture_record(capture, port == 0 ? CAPTURE_OUT : CAPTURE_IN, frames, taken, time);
	return taken;
}

static void
capture_resume(JfInstance *inst, guint port)
{
	inst->host->resume(inst, 1 - port);
}

static const JfDriver capture_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_FILTER,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.priv_size = sizeof(Capture),
	.id = "capture",
	.blurb = "Records the cable's frames in a pcapng file.",
	.props = capture_props,
	.init = capture_init,
	.finish = capture_finish,
	.start = capture_start,
	.stop = capture_stop,
	.input = capture_input,
	.resume = capture_resume,
};

static const JfDriver *const capture_drivers[] = { &capture_driver, NULL };

static const JfPlugin capture_plugin = {
	JF_PLUGIN_HEAD,
	.name = "capture",
	.version = "1.0",
	.license = "LGPL-2.1-or-later",
	.blurb = "Filter that records frames.",
	.drivers = capture_drivers,
};

const JfPlugin *
jf_plugin_query(void)
{
	return &capture_plugin;
}
