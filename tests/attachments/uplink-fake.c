/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uplink-fake.c - the daemon that the test is, and a program's card on its network. */
#include "uplink-fake.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uplink-wire.h"

static const char *plugin_path;

Fake fake;

/* ---- The card ---- */

static gboolean
near_init(JfInstance *inst, GError **error)
{
	(void)error;
	fake.near = inst;
	return TRUE;
}

static void
near_finish(JfInstance *inst)
{
	(void)inst;
}

static guint
near_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	guint i;

	(void)inst;
	(void)port;
	for (i = 0; i < n && fake.room != 0; i++) {
		guint8 *copy = g_malloc(frames[i].len);

		g_assert_true(jf_frame_copy(&frames[i], 0, copy, frames[i].len));
		g_ptr_array_add(fake.frames, g_bytes_new_take(copy, frames[i].len));
		fake.last = frames[i];
		fake.room -= fake.room > 0;
	}
	return i;
}

static void
near_resume(JfInstance *inst, guint port)
{
	(void)inst;
	(void)port;
	fake.resumes++;
}

static void
near_link(JfInstance *inst, guint port, gboolean up)
{
	(void)inst;
	(void)port;
	fake.link = up;
}

static const JfDriver near_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_CONNECTOR,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.id = "near",
	.blurb = "The card's own side.",
	.init = near_init,
	.finish = near_finish,
	.input = near_input,
	.resume = near_resume,
	.link = near_link,
};

static void
logged(GLogLevelFlags level, const char *origin, const char *message, gpointer data)
{
	(void)level;
	(void)origin;
	(void)data;
	g_string_append_printf(fake.log, "%s\n", message);
}

static void
counter_seen(const char *driver, const char *counter, guint64 value, gpointer data)
{
	const char *wanted = *(const char **)data;

	(void)driver;
	if (wanted && strcmp(counter, wanted) == 0) {
		*(guint64 *)((const char **)data + 1) = value;
	}
}

guint64
count(const char *name)
{
	struct {
		const char *name;
		guint64 value;
	} data = { name, 0 };

	jf_card_list_counters(fake.card, counter_seen, &data);
	return data.value;
}

/* ---- Waiting ---- */

void
turn(void)
{
	struct pollfd ready = { .fd = jf_worker_get_fd(fake.worker), .events = POLLIN };

	poll(&ready, 1, 1);
	jf_worker_dispatch(fake.worker);
}

/* ---- The daemon ---- */

void
fake_read(gpointer to, gsize len)
{
	gint64 until = g_get_monotonic_time() + TIMEOUT_US;

	while (len > 0) {
		int got;
		gssize n = uplink_daemon_read(&fake.daemon, to, len, &got);

		g_assert_cmpint(g_get_monotonic_time(), <, until);
		g_assert_cmpint(n, !=, 0);
		if (got >= 0) {
			g_assert_cmpint(fake.got_fd, ==, -1);
			fake.got_fd = got;
		}
		if (n < 0) {
			turn();
			continue;
		}
		to = (guint8 *)to + n;
		len -= (gsize)n;
	}
}

void
fake_write(gconstpointer data, gsize len)
{
	g_assert_cmpint(send(fake.daemon.fd, data, len, MSG_NOSIGNAL), ==, (gssize)len);
}

guint32
fake_expect(guint32 request, gpointer body, guint32 len)
{
	guint32 header[3];

	fake_read(header, sizeof header);
	g_assert_cmpuint(header[0], ==, request);
	g_assert_cmpuint(header[1] & VH_FLAG_VERSION, ==, VH_VERSION);
	g_assert_cmpuint(header[2], ==, len);
	fake_read(body, len);
	return header[1];
}

guint64
fake_expect_u64(guint32 request)
{
	guint64 value;

	fake_expect(request, &value, sizeof value);
	return value;
}

void
fake_answer(guint32 request, guint64 value)
{
	guint32 header[3] = { request, VH_VERSION | VH_FLAG_REPLY, sizeof value };

	fake_write(header, sizeof header);
	fake_write(&value, sizeof value);
}

int
fake_take_fd(void)
{
	int fd = fake.got_fd;

	g_assert_cmpint(fd, >=, 0);
	fake.got_fd = -1;
	return fd;
}

void
fake_accept(void)
{
	JfUplinkRequest request;

	WAIT(uplink_daemon_accept(&fake.daemon));
	fake_read(&request, sizeof request);
	g_assert_cmpstr(request.magic, ==, JF_UPLINK_MAGIC);
	g_assert_cmpstr(request.driver, ==, "intnet");
	g_assert_cmpstr(request.network, ==, "lab");
	g_assert_cmpstr(request.name, ==, "tester/1/intnet");
	g_assert_cmpuint(request.promiscuous, ==, JF_PROMISC_ALLOW_VMS);
	g_assert_cmpmem(request.mac, 6, "\x08\x00\x27\x01\x02\x03", 6);
}

void
fake_admit(void)
{
	JfUplinkReply reply = { .magic = JF_UPLINK_MAGIC };

	fake_accept();
	fake_write(&reply, sizeof reply);
	fake_expect(VH_SET_OWNER, NULL, 0);
	fake_expect(VH_GET_FEATURES, NULL, 0);
	fake_expect(VH_GET_PROTOCOL_FEATURES, NULL, 0);
}

static void
fake_learn_ring(guint32 index)
{
	FakeRing *ring = &fake.rings[index];
	VhRingState state;
	VhRingAddress address;

	fake_expect(VH_SET_VRING_NUM, &state, sizeof state);
	g_assert_cmpuint(state.index, ==, index);
	g_assert_cmpuint(state.num, ==, UPLINK_RING);
	fake_expect(VH_SET_VRING_BASE, &state, sizeof state);
	g_assert_cmpuint(state.num, ==, 0);
	fake_expect(VH_SET_VRING_ADDR, &address, sizeof address);
	g_assert_cmpuint(address.index, ==, index);
	ring->desc = address.desc - fake.region.user;
	ring->avail = address.driver - fake.region.user;
	ring->used = address.device - fake.region.user;
	g_assert_cmpuint(fake_expect_u64(VH_SET_VRING_CALL), ==, index);
	ring->call = fake_take_fd();
	g_assert_cmpuint(fake_expect_u64(VH_SET_VRING_KICK), ==, index);
	ring->kick = fake_take_fd();
}

void
fake_learn(void)
{
	struct {
		VhTableHead head;
		VhRegionWire region;
	} table;
	VhRingState state;
	int fd;

	g_assert_cmpuint(fake_expect_u64(VH_SET_PROTOCOL_FEATURES), ==, VH_P_REPLY_ACK);
	g_assert_cmpuint(fake_expect_u64(VH_SET_FEATURES) & VIRTIO_F_RING_PACKED, ==, 0);
	fake_expect(VH_SET_MEM_TABLE, &table, sizeof table);
	g_assert_cmpuint(table.head.n, ==, 1);
	fake.region = table.region;
	fd = fake_take_fd();
	g_assert_cmpint(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK, !=, 0);
	fake.memory = mmap(NULL, fake.region.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	g_assert_true(fake.memory != MAP_FAILED);
	close(fd);
	fake_learn_ring(0);
	fake_learn_ring(1);
	g_assert_cmpuint(fake_expect(VH_SET_VRING_ENABLE, &state, sizeof state), ==, VH_VERSION);
	g_assert_cmpuint(fake_expect(VH_SET_VRING_ENABLE, &state, sizeof state), ==,
			 VH_VERSION | VH_FLAG_NEED_REPLY);
	g_assert_cmpuint(state.index, ==, 1);
}

void
fake_up(void)
{
	fake_admit();
	fake_answer(VH_GET_FEATURES, G_MAXUINT64);
	fake_answer(VH_GET_PROTOCOL_FEATURES, G_MAXUINT64);
	fake_learn();
	g_assert_false(fake.link);
	fake_answer(VH_SET_VRING_ENABLE, 0);
	WAIT(fake.link);
}

void
fake_hang_up(void)
{
	for (guint i = 0; i < 2; i++) {
		if (fake.rings[i].kick >= 0)
			close(fake.rings[i].kick);
		if (fake.rings[i].call >= 0)
			close(fake.rings[i].call);
		fake.rings[i] = (FakeRing){ .kick = -1, .call = -1 };
	}
	if (fake.memory)
		munmap(fake.memory, fake.region.size);
	fake.memory = NULL;
	uplink_daemon_hang_up(&fake.daemon);
}

/* ---- Rings, as the daemon sees them ---- */

VirtqDesc *
ring_desc(guint index, guint i)
{
	return (VirtqDesc *)(fake.memory + fake.rings[index].desc) + i % UPLINK_RING;
}

VirtqAvail *
ring_avail(guint index)
{
	return (VirtqAvail *)(fake.memory + fake.rings[index].avail);
}

VirtqUsed *
ring_used(guint index)
{
	return (VirtqUsed *)(fake.memory + fake.rings[index].used);
}

guint
ring_waiting(guint index)
{
	return (guint16)(vn_load16_acquire(&ring_avail(index)->idx) - fake.rings[index].done);
}

guint8 *
ring_buffer(guint index, guint i)
{
	return fake.memory + (ring_desc(index, i)->addr - fake.region.address);
}

void
ring_call(guint index)
{
	const guint64 one = 1;

	g_assert_cmpint(write(fake.rings[index].call, &one, sizeof one), ==, sizeof one);
}

void
ring_use(guint index, const guint32 *lens, guint n)
{
	FakeRing *ring = &fake.rings[index];

	for (guint i = 0; i < n; i++)
		ring_used(index)->ring[(ring->done + i) % UPLINK_RING] =
			(VirtqUsedElem){ (ring->done + i) % UPLINK_RING, lens ? lens[i] : 0 };
	ring->done = (guint16)(ring->done + n);
	vn_store16_release(&ring_used(index)->idx, ring->done);
	ring_call(index);
}

void
ring_put(const VirtioNetHdr *hdr, guint8 first, guint len, guint each)
{
	guint total = len + VIRTIO_NET_HDR_LEN, n = (total + each - 1) / each, at = 0;
	g_autofree guint8 *bytes = g_malloc(total);
	guint32 lens[64];
	VirtioNetHdr head = *hdr;

	head.num_buffers = (guint16)n;
	memcpy(bytes, &head, VIRTIO_NET_HDR_LEN);
	for (guint i = 0; i < len; i++)
		bytes[VIRTIO_NET_HDR_LEN + i] = (guint8)(first + i * 7);
	bytes[VIRTIO_NET_HDR_LEN] = bytes[VIRTIO_NET_HDR_LEN + 6] = 2; /* no group */
	g_assert_cmpuint(n, <=, G_N_ELEMENTS(lens));
	for (guint i = 0; i < n; i++, at += each) {
		lens[i] = MIN(each, total - at);
		memcpy(ring_buffer(0, fake.rings[0].done + i), bytes + at, lens[i]);
	}
	ring_use(0, lens, n);
}

/* ---- Life ---- */

void
start(void)
{
	static const JfContextEvents events = { .struct_size = sizeof events, .log = logged };
	static const char *const properties[] = { "network=lab", NULL };
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = "tester",
				.mac = { 0x08, 0x00, 0x27, 1, 2, 3 },
				.promiscuous = JF_PROMISC_ALLOW_VMS,
				.cable_connected = TRUE,
				.connector = "near",
				.attachment = "intnet",
				.attachment_properties = properties };
	g_autoptr(GError) error = NULL;

	fake = (Fake){ .room = -1, .got_fd = -1, .link = TRUE };
	fake.rings[0].kick = fake.rings[0].call = fake.rings[1].kick = fake.rings[1].call = -1;
	fake.frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	fake.log = g_string_new(NULL);
	uplink_daemon_init(&fake.daemon);
	fake.context = jf_context_new(&events, NULL);
	jf_context_load_plugin(fake.context, plugin_path, &error);
	g_assert_no_error(error);
	jf_context_add_driver(fake.context, &near_driver, &error);
	g_assert_true(jf_context_use_daemon(fake.context, fake.daemon.dir, &error));
	fake.worker = config.worker = jf_worker_new_nested(fake.context, &error);
	fake.card = jf_card_new(fake.context, &config, &error);
	g_assert_no_error(error);
	jf_card_start(fake.card, &error);
	g_assert_no_error(error);
	WAIT(!fake.link);
}

void
finish(void)
{
	jf_card_free(fake.card);
	jf_worker_free(fake.worker);
	jf_context_free(fake.context);
	fake_hang_up();
	uplink_daemon_finish(&fake.daemon);
	g_ptr_array_unref(fake.frames);
	g_string_free(fake.log, TRUE);
}

guint
send_frames(guint first, guint n, guint len)
{
	g_autofree guint8 *bytes = g_malloc0(len);
	struct iovec piece = { bytes, len };
	JfFrame frame = jf_frame_plain(&piece);
	guint taken = 0;

	bytes[0] = bytes[6] = 2;
	for (; taken < n; taken++) {
		bytes[len - 1] = (guint8)(first + taken);
		if (fake.near->host->output(fake.near, 0, &frame, 1) == 0)
			break;
	}
	return taken;
}

void
fixture_main(int *argc, char ***argv)
{
	g_test_init(argc, argv, NULL);
	g_assert_cmpint(*argc, >, 1);
	plugin_path = (*argv)[1];
}
