/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user-message.c - what the front end asks for.
 *
 * A table says of each request how long it is, how many descriptors come with it and whether it has
 * an answer of its own. A request that is refused ends the connection, unless the front end asked
 * for an acknowledgement (REPLY_ACK) and can be told.
 */
#include "vhost-user-message.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What a front end keeps to itself: it has the control queue and the configuration space. */
#define NET_F_MTU (1ull << 3)
#define NET_F_CTRL_VQ (1ull << 17)
#define NET_F_CTRL_RX (1ull << 18)
#define NET_F_GUEST_ANNOUNCE (1ull << 21)
#define NET_F_MQ (1ull << 22)
#define FEATURES_OF_FRONT_END \
	(NET_F_MTU | NET_F_CTRL_VQ | NET_F_CTRL_RX | NET_F_GUEST_ANNOUNCE | NET_F_MQ)
#define FEATURES_OF_PROTOCOL (VH_F_LOG_ALL | VH_F_PROTOCOL_FEATURES)

#define MTU_MIN 68u /* RFC 791 */
#define RARP_LEN 60u

typedef struct LogWire {
	guint64 size, offset;
} LogWire;

typedef struct InflightWire {
	guint64 size, offset;
	guint16 n_queues, queue_size;
	guint32 padding; /* may be missing */
} InflightWire;

gboolean
vh_refuse(GError **error, const char *why)
{
	g_set_error_literal(error, JF_ERROR, JF_ERROR_VALUE, why);
	return FALSE;
}

guint64
vh_body_u64(const VhMessage *m)
{
	guint64 value;

	memcpy(&value, m->body, sizeof value);
	return value;
}

static gboolean
answer(VhMessage *m, guint64 value)
{
	memcpy(m->body, &value, sizeof value);
	m->len = sizeof value;
	return TRUE;
}

/* ---- Features ---- */

static gboolean
get_features(Vhost *vh, VhMessage *m, GError **error)
{
	(void)error;
	return answer(m, vh->offered | FEATURES_OF_FRONT_END | FEATURES_OF_PROTOCOL);
}

typedef struct FeaturesCall {
	Vhost *vh;
	guint64 features;
	gboolean ok;
	GError **error;
} FeaturesCall;

static void
call_features(JfInstance *model, gpointer data)
{
	FeaturesCall *call = data;

	call->ok = call->vh->virtio->set_features(model, call->features, call->error);
}

static void
log_update(Vhost *vh)
{
	JfDirtyLog log = { vh->log.data, vh->log_size, 12, 0 };
	gboolean on = vh->log.base && (vh->features & VH_F_LOG_ALL);

	vh->api->set_dirty_log(vh->device, on ? &log : NULL);
}

/* A front end sends them again for each pair of rings, and to switch the log on and off. */
static gboolean
set_features(Vhost *vh, VhMessage *m, GError **error)
{
	const guint64 not_models = FEATURES_OF_FRONT_END | FEATURES_OF_PROTOCOL;
	guint64 features = vh_body_u64(m), old = vh->features;
	FeaturesCall call = { .vh = vh, .features = features & ~not_models, .error = error };

	if (features & ~(vh->offered | not_models)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "features 0x%" G_GINT64_MODIFIER "x were not offered",
			    features & ~(vh->offered | not_models));
		return FALSE;
	}
	if ((features ^ old) & ~not_models) {
		vh_rings_pause(vh);
		vh_call(vh, call_features, &call);
		if (!call.ok)
			return FALSE;
	}
	vh->features = features;
	if ((features ^ old) & VH_F_LOG_ALL)
		log_update(vh);
	return vh_rings_run(vh, error);
}

static gboolean
get_protocol_features(Vhost *vh, VhMessage *m, GError **error)
{
	(void)vh;
	(void)error;
	return answer(m, VH_PROTOCOL);
}

static gboolean
set_protocol_features(Vhost *vh, VhMessage *m, GError **error)
{
	if (vh_body_u64(m) & ~VH_PROTOCOL)
		return vh_refuse(error, "protocol features that were not offered");
	vh->protocol = vh_body_u64(m);
	return TRUE;
}

static gboolean
get_queue_num(Vhost *vh, VhMessage *m, GError **error)
{
	(void)error;
	return answer(m, vh->pairs);
}

/* ---- Life of the device ---- */

static gboolean
set_owner(Vhost *vh, VhMessage *m, GError **error)
{
	(void)vh;
	(void)m;
	(void)error;
	return TRUE;
}

/* Memory stays: front ends that send changes only (ADD_MEM_REG) rely on it. */
static gboolean
reset_device(Vhost *vh, VhMessage *m, GError **error)
{
	(void)m;
	(void)error;
	for (guint i = 0; i < vh->n_rings; i++)
		vh_ring_end(&vh->rings[i]);
	vh_rings_reset(vh);
	vh->status = 0;
	return TRUE;
}

static gboolean
set_status(Vhost *vh, VhMessage *m, GError **error)
{
	(void)error;
	if (vh_body_u64(m) == 0) {
		for (guint i = 0; i < vh->n_rings; i++)
			vh_ring_end(&vh->rings[i]);
	}
	vh->status = (guint8)vh_body_u64(m);
	return TRUE;
}

static gboolean
get_status(Vhost *vh, VhMessage *m, GError **error)
{
	(void)error;
	return answer(m, vh->status);
}

/* ---- Memory ---- */

static gboolean
add_table(Vhost *vh, const VhMessage *m, guint n, GError **error)
{
	for (guint i = 0; i < n; i++) {
		VhRegionWire wire;

		memcpy(&wire, m->body + sizeof(VhTableHead) + i * sizeof wire, sizeof wire);
		if (!vh_memory_add(vh, &wire, m->fds[i], error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
set_mem_table(Vhost *vh, VhMessage *m, GError **error)
{
	VhTableHead head;

	memcpy(&head, m->body, sizeof head);
	if (head.n > VH_TABLE_MAX || m->n_fds != head.n ||
	    m->len < sizeof head + head.n * sizeof(VhRegionWire))
		return vh_refuse(error, "a memory table whose length is wrong");
	vh_rings_pause(vh);
	vh_memory_clear(vh);
	return add_table(vh, m, head.n, error) && vh_rings_run(vh, error);
}

static gboolean
get_max_mem_slots(Vhost *vh, VhMessage *m, GError **error)
{
	(void)vh;
	(void)error;
	return answer(m, VH_REGIONS_MAX);
}

static void
body_region(const VhMessage *m, VhRegionWire *wire)
{
	memcpy(wire, m->body + sizeof(guint64), sizeof *wire);
}

static gboolean
add_mem_reg(Vhost *vh, VhMessage *m, GError **error)
{
	VhRegionWire wire;

	body_region(m, &wire);
	return vh_memory_add(vh, &wire, m->fds[0], error) && vh_rings_run(vh, error);
}

/* A ring in memory that is gone stays paused until it is told a new place. */
static gboolean
rem_mem_reg(Vhost *vh, VhMessage *m, GError **error)
{
	VhRegionWire wire;

	(void)error;
	body_region(m, &wire);
	vh_rings_pause(vh);
	vh_memory_remove(vh, &wire);
	for (guint i = 0; i < vh->n_rings; i++)
		vh_ring_run(&vh->rings[i], NULL);
	return TRUE;
}

/* ---- Log of written pages ---- */

static gboolean
set_log_base(Vhost *vh, VhMessage *m, GError **error)
{
	VhMapping log = { 0 };
	LogWire wire;

	if (m->len < sizeof wire || m->n_fds != 1)
		return vh_refuse(error, "a log without a descriptor");
	memcpy(&wire, m->body, sizeof wire);
	if (!vh_map_sealed(&log, m->fds[0], wire.offset, wire.size, error))
		return FALSE;
	vh->api->set_dirty_log(vh->device, NULL);
	vh_unmap(&vh->log);
	vh->log = log;
	vh->log_size = wire.size;
	log_update(vh);
	return answer(m, 0);
}

/* For telling the front end of new bits: it looks without being told. */
static gboolean
set_log_fd(Vhost *vh, VhMessage *m, GError **error)
{
	(void)vh;
	(void)m;
	(void)error;
	return TRUE;
}

/* ---- Network ---- */

static void
call_announce(JfInstance *model, gpointer data)
{
	struct iovec piece = { data, RARP_LEN };
	JfFrame frame = jf_frame_plain(&piece);

	model->host->output(model, 0, &frame, 1);
}

/* A guest has come from elsewhere: its address is said aloud, so that switches learn it (RFC 903). */
static gboolean
send_rarp(Vhost *vh, VhMessage *m, GError **error)
{
	static const guint8 rarp[] = { 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3 };
	guint8 frame[RARP_LEN] = { 0 };

	if (m->body[0] & 1)
		return vh_refuse(error, "a group address to announce");
	memset(frame, 0xff, 6);
	memcpy(frame + 6, m->body, 6);
	memcpy(frame + 12, rarp, sizeof rarp);
	memcpy(frame + 22, m->body, 6);
	memcpy(frame + 32, m->body, 6);
	vh_call(vh, call_announce, frame);
	return TRUE;
}

static gboolean
net_set_mtu(Vhost *vh, VhMessage *m, GError **error)
{
	guint64 mtu = vh_body_u64(m);

	if (mtu >= MTU_MIN && mtu <= vh->mtu)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "an MTU of %" G_GUINT64_FORMAT "; %u to %u is possible", mtu, MTU_MIN, vh->mtu);
	return FALSE;
}

/* ---- Records that outlive us ---- */

static gboolean
get_inflight_fd(Vhost *vh, VhMessage *m, GError **error)
{
	InflightWire wire = { 0 };
	gsize size;

	memcpy(&wire, m->body, MIN(m->len, sizeof wire));
	if (wire.n_queues == 0 || wire.n_queues > vh->n_rings)
		return vh_refuse(error, "records for rings that are not there");
	size = vh_track_size(wire.n_queues);
	if (vh->inflight_fd >= 0)
		close(vh->inflight_fd);
	vh->inflight_fd = memfd_create("jackfield-vhost-user", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (vh->inflight_fd < 0 || ftruncate(vh->inflight_fd, (off_t)size) != 0 ||
	    fcntl(vh->inflight_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return vh_refuse(error, "no memory for records of its rings");
	wire.size = size;
	wire.offset = 0;
	memcpy(m->body, &wire, m->len);
	m->reply_fd = vh->inflight_fd;
	return TRUE;
}

static gboolean
set_inflight_fd(Vhost *vh, VhMessage *m, GError **error)
{
	InflightWire wire = { 0 };
	VhMapping mapping;

	memcpy(&wire, m->body, MIN(m->len, sizeof wire));
	if (wire.n_queues > vh->n_rings || wire.size < vh_track_size(wire.n_queues) ||
	    (wire.offset & 63))
		return vh_refuse(error, "records of a wrong size");
	if (!vh_map_sealed(&mapping, m->fds[0], wire.offset, wire.size, error))
		return FALSE;
	vh_rings_pause(vh);
	vh_unmap(&vh->inflight);
	vh->inflight = mapping;
	vh->n_inflight = wire.n_queues;
	return vh_rings_run(vh, error);
}

/* ---- The table ---- */

typedef struct Request {
	guint16 min, max; /* bytes of the body */
	guint8 fds_min, fds_max;
	gboolean answers;
	gboolean (*handle)(Vhost *vh, VhMessage *m, GError **error);
} Request;

#define NONE 0, 0
#define U64 8, 8
#define STATE sizeof(VhRingState), sizeof(VhRingState)
#define REGION (sizeof(guint64) + sizeof(VhRegionWire)), (sizeof(guint64) + sizeof(VhRegionWire))
#define INFLIGHT 20, sizeof(InflightWire)

static const Request requests[VH_REQUESTS] = {
	[VH_GET_FEATURES] = { NONE, 0, 0, TRUE, get_features },
	[VH_SET_FEATURES] = { U64, 0, 0, FALSE, set_features },
	[VH_SET_OWNER] = { NONE, 0, 0, FALSE, set_owner },
	[VH_RESET_OWNER] = { NONE, 0, 0, FALSE, reset_device },
	[VH_SET_MEM_TABLE] = { sizeof(VhTableHead), VH_BODY_MAX, 0, 8, FALSE, set_mem_table },
	[VH_SET_LOG_BASE] = { 8, sizeof(LogWire), 1, 1, TRUE, set_log_base },
	[VH_SET_LOG_FD] = { 0, 8, 1, 1, FALSE, set_log_fd },
	[VH_SET_VRING_NUM] = { STATE, 0, 0, FALSE, vh_set_vring_num },
	[VH_SET_VRING_ADDR] = { sizeof(VhRingAddress), sizeof(VhRingAddress), 0, 0, FALSE,
				vh_set_vring_addr },
	[VH_SET_VRING_BASE] = { STATE, 0, 0, FALSE, vh_set_vring_base },
	[VH_GET_VRING_BASE] = { STATE, 0, 0, TRUE, vh_get_vring_base },
	[VH_SET_VRING_KICK] = { U64, 0, 1, FALSE, vh_set_vring_kick },
	[VH_SET_VRING_CALL] = { U64, 0, 1, FALSE, vh_set_vring_call },
	[VH_SET_VRING_ERR] = { U64, 0, 1, FALSE, vh_set_vring_err },
	[VH_GET_PROTOCOL_FEATURES] = { NONE, 0, 0, TRUE, get_protocol_features },
	[VH_SET_PROTOCOL_FEATURES] = { U64, 0, 0, FALSE, set_protocol_features },
	[VH_GET_QUEUE_NUM] = { NONE, 0, 0, TRUE, get_queue_num },
	[VH_SET_VRING_ENABLE] = { STATE, 0, 0, FALSE, vh_set_vring_enable },
	[VH_SEND_RARP] = { U64, 0, 0, FALSE, send_rarp },
	[VH_NET_SET_MTU] = { U64, 0, 0, FALSE, net_set_mtu },
	[VH_GET_INFLIGHT_FD] = { INFLIGHT, 0, 0, TRUE, get_inflight_fd },
	[VH_SET_INFLIGHT_FD] = { INFLIGHT, 1, 1, FALSE, set_inflight_fd },
	[VH_RESET_DEVICE] = { NONE, 0, 0, FALSE, reset_device },
	[VH_GET_MAX_MEM_SLOTS] = { NONE, 0, 0, TRUE, get_max_mem_slots },
	[VH_ADD_MEM_REG] = { REGION, 1, 1, FALSE, add_mem_reg },
	/* QEMU 7.2 sends the descriptor along. */
	[VH_REM_MEM_REG] = { REGION, 0, 1, FALSE, rem_mem_reg },
	[VH_SET_STATUS] = { U64, 0, 0, FALSE, set_status },
	[VH_GET_STATUS] = { NONE, 0, 0, TRUE, get_status },
};

static const Request *
find_request(const VhMessage *m, GError **error)
{
	const Request *request = m->request < VH_REQUESTS ? &requests[m->request] : NULL;

	if (!request || !request->handle)
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "request %u is not known",
			    m->request);
	else if (m->len < request->min || m->len > request->max)
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "request %u has %u bytes", m->request,
			    m->len);
	else if (m->n_fds < request->fds_min || m->n_fds > request->fds_max)
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "request %u has %u descriptors",
			    m->request, m->n_fds);
	else
		return request;
	return NULL;
}

static gboolean
reply(Vhost *vh, GError **error)
{
	return vh_channel_reply(&vh->channel) || vh_refuse(error, "it does not read its replies");
}

gboolean
vh_message_handle(Vhost *vh, GError **error)
{
	VhMessage *m = &vh->channel.message;
	gboolean acks = (m->flags & VH_FLAG_NEED_REPLY) && (vh->protocol & VH_P_REPLY_ACK);
	const Request *request = find_request(m, error);
	gboolean ok = request && request->handle(vh, m, error);

	jf_count(vh->messages, 1);
	if (!ok)
		jf_count(vh->bad, 1);
	if (!ok && (!acks || (request && request->answers)))
		return FALSE;
	if (!ok) {
		jf_log(vh->inst, G_LOG_LEVEL_WARNING, "refused what the VMM at %s asked for: %s",
		       vh->path, error && *error ? (*error)->message : "");
		g_clear_error(error);
	}
	if (ok && request->answers)
		return reply(vh, error);
	if (!acks)
		return TRUE;
	answer(m, ok ? 0 : 1);
	return reply(vh, error);
}
