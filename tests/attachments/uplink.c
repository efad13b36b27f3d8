/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink.c - a program's card on a network of a daemon's, where the daemon is this test: what it is
 * told, frames both ways, waiting, and a daemon that does everything wrong.
 *
 * The card is on a nested worker, so nothing happens in it but while this test waits.
 */
#include <jackfield/socket.h>
#include <jackfield/vhost-user.h>
#include <jackfield/virtio-spec.h>
#include <jackfield/vmm.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uplink-wire.h"

#define TIMEOUT_US (20 * G_TIME_SPAN_SECOND)
#define RING 256u

static const char *plugin_path;

typedef struct FakeRing {
	guint32 num, base, enabled;
	guint64 desc, avail, used; /* as told */
	int kick, call;
	guint16 done; /* how far we are */
} FakeRing;

/* The daemon, and the program with its card. */
typedef struct Fake {
	char *dir;
	JfSocketFile file;
	int listener, fd, got_fd;
	guint8 *memory;
	VhRegionWire region;
	FakeRing rings[2];

	JfContext *context;
	JfWorker *worker;
	JfCard *card;
	JfInstance *near;
	gint room;         /* frames that the card takes; -1: all */
	GPtrArray *frames; /* GBytes that it took */
	JfFrame last;
	guint resumes;
	gboolean link;
	GString *log;
} Fake;

static Fake fake;

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

static guint64
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

static void
turn(void)
{
	struct pollfd ready = { .fd = jf_worker_get_fd(fake.worker), .events = POLLIN };

	poll(&ready, 1, 1);
	jf_worker_dispatch(fake.worker);
}

#define WAIT(condition)                                                     \
	do {                                                                \
		gint64 until_ = g_get_monotonic_time() + TIMEOUT_US;        \
		while (!(condition)) {                                      \
			g_assert_cmpint(g_get_monotonic_time(), <, until_); \
			turn();                                             \
		}                                                           \
	} while (0)

/* ---- The daemon ---- */

static void
fake_read(gpointer to, gsize len)
{
	gint64 until = g_get_monotonic_time() + TIMEOUT_US;

	while (len > 0) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec iov = { to, len };
		struct msghdr header = { .msg_iov = &iov,
					 .msg_iovlen = 1,
					 .msg_control = control.bytes,
					 .msg_controllen = sizeof control.bytes };
		ssize_t n = recvmsg(fake.fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&header) : NULL;

		g_assert_cmpint(g_get_monotonic_time(), <, until);
		g_assert_cmpint(n, !=, 0);
		if (c) {
			g_assert_cmpint(fake.got_fd, ==, -1);
			memcpy(&fake.got_fd, CMSG_DATA(c), sizeof fake.got_fd);
		}
		if (n < 0) {
			turn();
			continue;
		}
		to = (guint8 *)to + n;
		len -= (gsize)n;
	}
}

static void
fake_write(gconstpointer data, gsize len)
{
	g_assert_cmpint(send(fake.fd, data, len, MSG_NOSIGNAL), ==, (gssize)len);
}

/* The next message is `request` with `len` bytes of body. Returns its flags. */
static guint32
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

static guint64
fake_expect_u64(guint32 request)
{
	guint64 value;

	fake_expect(request, &value, sizeof value);
	return value;
}

static void
fake_answer(guint32 request, guint64 value)
{
	guint32 header[3] = { request, VH_VERSION | VH_FLAG_REPLY, sizeof value };

	fake_write(header, sizeof header);
	fake_write(&value, sizeof value);
}

static int
fake_take_fd(void)
{
	int fd = fake.got_fd;

	g_assert_cmpint(fd, >=, 0);
	fake.got_fd = -1;
	return fd;
}

static void
fake_accept(void)
{
	JfUplinkRequest request;

	WAIT((fake.fd = accept4(fake.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	fake_read(&request, sizeof request);
	g_assert_cmpstr(request.magic, ==, JF_UPLINK_MAGIC);
	g_assert_cmpstr(request.driver, ==, "intnet");
	g_assert_cmpstr(request.network, ==, "lab");
	g_assert_cmpstr(request.name, ==, "tester/1/intnet");
	g_assert_cmpuint(request.promiscuous, ==, JF_PROMISC_ALLOW_VMS);
	g_assert_cmpmem(request.mac, 6, "\x08\x00\x27\x01\x02\x03", 6);
}

static void
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
	g_assert_cmpuint(state.num, ==, RING);
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

/* Up to the last message, which waits for its answer. */
static void
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

static void
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

static void
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
	if (fake.fd >= 0)
		close(fake.fd);
	fake.fd = -1;
}

/* ---- Rings, as the daemon sees them ---- */

static VirtqDesc *
ring_desc(guint index, guint i)
{
	return (VirtqDesc *)(fake.memory + fake.rings[index].desc) + i % RING;
}

static VirtqAvail *
ring_avail(guint index)
{
	return (VirtqAvail *)(fake.memory + fake.rings[index].avail);
}

static VirtqUsed *
ring_used(guint index)
{
	return (VirtqUsed *)(fake.memory + fake.rings[index].used);
}

static guint
ring_waiting(guint index)
{
	return (guint16)(vn_load16_acquire(&ring_avail(index)->idx) - fake.rings[index].done);
}

static guint8 *
ring_buffer(guint index, guint i)
{
	return fake.memory + (ring_desc(index, i)->addr - fake.region.address);
}

static void
ring_call(guint index)
{
	const guint64 one = 1;

	g_assert_cmpint(write(fake.rings[index].call, &one, sizeof one), ==, sizeof one);
}

/* Uses entries up, with these bytes written into each. */
static void
ring_use(guint index, const guint32 *lens, guint n)
{
	FakeRing *ring = &fake.rings[index];

	for (guint i = 0; i < n; i++)
		ring_used(index)->ring[(ring->done + i) % RING] =
			(VirtqUsedElem){ (ring->done + i) % RING, lens ? lens[i] : 0 };
	ring->done = (guint16)(ring->done + n);
	vn_store16_release(&ring_used(index)->idx, ring->done);
	ring_call(index);
}

/* A frame of `len` bytes to the card, over as many buffers as it needs, of `each` bytes at most. */
static void
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

static void
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
	g_autofree char *path = NULL;

	fake = (Fake){ .room = -1, .fd = -1, .got_fd = -1, .link = TRUE };
	fake.rings[0].kick = fake.rings[0].call = fake.rings[1].kick = fake.rings[1].call = -1;
	fake.frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	fake.log = g_string_new(NULL);
	fake.dir = g_dir_make_tmp("jf-uplink-XXXXXX", &error);
	path = g_build_filename(fake.dir, JF_UPLINK_SOCKET, NULL);
	fake.listener = jf_socket_listen(path, SOCK_STREAM, &fake.file, &error);
	g_assert_no_error(error);
	fake.context = jf_context_new(&events, NULL);
	jf_context_load_plugin(fake.context, plugin_path, &error);
	g_assert_no_error(error);
	jf_context_add_driver(fake.context, &near_driver, &error);
	g_assert_true(jf_context_use_daemon(fake.context, fake.dir, &error));
	fake.worker = config.worker = jf_worker_new_nested(fake.context, &error);
	fake.card = jf_card_new(fake.context, &config, &error);
	g_assert_no_error(error);
	jf_card_start(fake.card, &error);
	g_assert_no_error(error);
	WAIT(!fake.link);
}

static void
finish(void)
{
	jf_card_free(fake.card);
	jf_worker_free(fake.worker);
	jf_context_free(fake.context);
	fake_hang_up();
	jf_socket_unlink(&fake.file);
	close(fake.listener);
	g_rmdir(fake.dir);
	g_free(fake.dir);
	g_ptr_array_unref(fake.frames);
	g_string_free(fake.log, TRUE);
}

/* `n` frames of `len` bytes, numbered from `first` on. Returns how many were taken. */
static guint
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

/* ---- Tests: what goes well ---- */

static void
test_send(void)
{
	guint8 bytes[64] = { 2 };
	struct iovec pieces[2] = { { bytes, 20 }, { bytes + 20, 44 } };
	JfFrame frame = { .iov = pieces,
			  .n_iov = 2,
			  .len = 64,
			  .flags = JF_FRAME_NEEDS_CSUM,
			  .gso_type = JF_GSO_TCPV4,
			  .gso_size = 10,
			  .hdr_len = 54,
			  .csum_start = 34,
			  .csum_offset = 16 };
	VirtioNetHdr hdr;
	guint64 kicks;

	start();
	fake_up();
	for (guint i = 6; i < sizeof bytes; i++)
		bytes[i] = (guint8)(2 * i);
	g_assert_cmpuint(fake.near->host->output(fake.near, 0, &frame, 1), ==, 1);
	g_assert_cmpuint(ring_waiting(1), ==, 1);
	g_assert_cmpint(read(fake.rings[1].kick, &kicks, sizeof kicks), ==, sizeof kicks);
	g_assert_cmpuint(ring_desc(1, 0)->len, ==, VIRTIO_NET_HDR_LEN + 64);
	memcpy(&hdr, ring_buffer(1, 0), sizeof hdr);
	g_assert_cmpuint(hdr.flags, ==, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	g_assert_cmpuint(hdr.gso_type, ==, JF_GSO_TCPV4);
	g_assert_cmpuint(hdr.gso_size, ==, 10);
	g_assert_cmpuint(hdr.csum_start, ==, 34);
	g_assert_cmpuint(hdr.csum_offset, ==, 16);
	g_assert_cmpmem(ring_buffer(1, 0) + VIRTIO_NET_HDR_LEN, 64, bytes, 64);
	/* Nobody asks to be kicked again: avail_event is behind. */
	g_assert_cmpuint(send_frames(0, 10, 60), ==, 10);
	g_assert_cmpint(read(fake.rings[1].kick, &kicks, sizeof kicks), ==, -1);
	g_assert_cmpuint(ring_waiting(1), ==, 11);
	finish();
}

static void
test_receive(void)
{
	const VirtioNetHdr plain = { 0 };
	const VirtioNetHdr gso = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = JF_GSO_TCPV6,
				   .hdr_len = 74,
				   .gso_size = 1000,
				   .csum_start = 54,
				   .csum_offset = 16 };
	guint n = 0;

	start();
	fake_up();
	g_assert_cmpuint(ring_waiting(0), ==, RING);
	/* Several times around the ring, in every number of buffers. */
	for (guint round = 0; round < 200; round++) {
		guint len = 60 + round * 300 % 60000, each = round % 3 ? 4032 : 2000;
		gconstpointer data;
		gsize size;

		ring_put(round % 2 ? &gso : &plain, (guint8)round, len, each);
		n++;
		WAIT(fake.frames->len == n);
		data = g_bytes_get_data(g_ptr_array_index(fake.frames, n - 1), &size);
		g_assert_cmpuint(size, ==, len);
		for (guint i = 7; i < len; i++)
			g_assert_cmpuint(((const guint8 *)data)[i], ==, (guint8)(round + i * 7));
		if (round % 2) {
			g_assert_cmpuint(fake.last.gso_type, ==, JF_GSO_TCPV6);
			g_assert_cmpuint(fake.last.gso_size, ==, 1000);
			g_assert_cmpuint(fake.last.csum_start, ==, 54);
			g_assert_cmpuint(fake.last.flags, ==, JF_FRAME_NEEDS_CSUM);
		}
		g_assert_cmpuint(ring_waiting(0), ==, RING);
	}
	finish();
}

/* The ring is full: the sender is told to wait, and then to go on. */
static void
check_waits(guint len, guint least)
{
	guint taken, more, sent = 0, seen = 0;

	start();
	fake_up();
	for (guint round = 0; round < 20; round++) {
		taken = send_frames(sent, 1000, len);
		g_assert_cmpuint(taken, <, 1000);
		if (round == 0)
			g_assert_cmpuint(taken, >=, least);
		sent += taken;
		more = ring_waiting(1);
		g_assert_cmpuint(more, >, 1);
		more = 1 + (more - 1) * (round % 3 + 1) / 3;
		for (guint i = 0; i < more; i++, seen++)
			g_assert_cmpuint(ring_buffer(1, fake.rings[1].done +
								i)[VIRTIO_NET_HDR_LEN + len - 1],
					 ==, (guint8)seen);
		fake.resumes = 0;
		ring_use(1, NULL, more);
		WAIT(fake.resumes > 0);
	}
	g_assert_cmpuint(sent - seen, ==, ring_waiting(1));
	g_assert_cmpuint(count("daemon-away"), ==, 0);
	finish();
}

static void
test_send_waits(void)
{
	check_waits(60, RING);
	check_waits(9000, 100);
	check_waits(65549, 15);
}

/* What the card refuses stays in the ring. */
static void
test_receive_waits(void)
{
	const VirtioNetHdr plain = { 0 };

	start();
	fake_up();
	fake.room = 3;
	for (guint i = 0; i < 8; i++)
		ring_put(&plain, (guint8)i, 100, 4032);
	WAIT(fake.frames->len == 3);
	for (guint i = 0; i < 5; i++)
		turn();
	g_assert_cmpuint(fake.frames->len, ==, 3);
	g_assert_cmpuint(ring_waiting(0), ==, RING - 5);
	fake.room = -1;
	fake.near->host->resume(fake.near, 0);
	WAIT(fake.frames->len == 8);
	for (guint i = 0; i < 8; i++)
		g_assert_cmpuint(((const guint8 *)g_bytes_get_data(
					 g_ptr_array_index(fake.frames, i), NULL))[7],
				 ==, (guint8)(i + 49));
	finish();
}

/* It goes with frames under way, and comes back: they are counted, and nothing old is sent. */
static void
test_comes_back(void)
{
	start();
	g_assert_cmpuint(send_frames(0, 7, 60), ==, 7);
	fake_up();
	g_assert_cmpuint(ring_waiting(1), ==, 0);
	g_assert_cmpuint(send_frames(0, 300, 60), ==, RING);
	ring_use(1, NULL, 6);
	fake.resumes = 0;
	fake_hang_up();
	WAIT(!fake.link);
	/* Who waited goes on, at nobody's expense. */
	WAIT(fake.resumes > 0);
	g_assert_cmpuint(send_frames(0, 9, 60), ==, 9);
	fake_up();
	g_assert_cmpuint(ring_waiting(1), ==, 0);
	g_assert_cmpuint(ring_waiting(0), ==, RING);
	g_assert_cmpuint(count("daemon-connects"), ==, 2);
	g_assert_cmpuint(count("daemon-broken"), ==, 0);
	g_assert_cmpuint(count("daemon-lost"), ==, RING - 6);
	finish();
}

/* ---- Tests: what goes wrong ---- */

static void
expect_trouble(const char *text)
{
	WAIT(strstr(fake.log->str, text));
	g_assert_false(fake.link);
	g_assert_null(strstr(strstr(fake.log->str, text) + 1, text));
	finish();
}

static void
test_bad_reply(void)
{
	JfUplinkReply reply = { .magic = "JFUPLK9" };

	start();
	fake_accept();
	fake_write(&reply, sizeof reply);
	expect_trouble("of another version");

	reply = (JfUplinkReply){ .magic = JF_UPLINK_MAGIC, .refused = 1, .message = "no, never" };
	start();
	fake_accept();
	fake_write(&reply, sizeof reply);
	expect_trouble("no, never");

	memset(reply.message, 0xff, sizeof reply.message);
	start();
	fake_accept();
	fake_write(&reply, sizeof reply);
	expect_trouble("gave no reason");

	start();
	fake_accept();
	fake_write(&reply, 20);
	shutdown(fake.fd, SHUT_RDWR);
	expect_trouble("closed the connection");
}

static void
check_answers(guint32 request, guint32 flags, guint32 len, guint64 features, guint64 protocol,
	      const char *text)
{
	guint32 header[3] = { request, flags, len };

	start();
	fake_admit();
	fake_write(header, sizeof header);
	fake_write(&features, sizeof features);
	fake_answer(VH_GET_PROTOCOL_FEATURES, protocol);
	expect_trouble(text);
}

static void
test_bad_answer(void)
{
	const guint32 good = VH_VERSION | VH_FLAG_REPLY;

	check_answers(VH_GET_STATUS, good, 8, G_MAXUINT64, G_MAXUINT64, "nobody had asked");
	check_answers(VH_GET_FEATURES, VH_VERSION, 8, G_MAXUINT64, G_MAXUINT64, "nobody had asked");
	check_answers(VH_GET_FEATURES, VH_FLAG_REPLY, 8, G_MAXUINT64, G_MAXUINT64,
		      "nobody had asked");
	check_answers(VH_GET_FEATURES, good, 4, G_MAXUINT64, G_MAXUINT64, "nobody had asked");
	check_answers(VH_GET_FEATURES, good, G_MAXUINT32, G_MAXUINT64, G_MAXUINT64,
		      "nobody had asked");
	check_answers(VH_GET_FEATURES, good, 8, G_MAXUINT64 & ~VIRTIO_F_IN_ORDER, G_MAXUINT64,
		      "lacks a feature");
	check_answers(VH_GET_FEATURES, good, 8, G_MAXUINT64, 0, "does not acknowledge");
}

static void
test_bad_acknowledgement(void)
{
	for (guint64 refused = 1; refused <= 2; refused++) {
		start();
		fake_admit();
		fake_answer(VH_GET_FEATURES, G_MAXUINT64);
		fake_answer(VH_GET_PROTOCOL_FEATURES, G_MAXUINT64);
		fake_learn();
		if (refused == 1)
			fake_answer(VH_SET_VRING_ENABLE, refused);
		else
			shutdown(fake.fd, SHUT_RDWR);
		expect_trouble("refused the rings");
	}
}

static void
test_bad_message(void)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof control.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);

	start();
	fake_up();
	fake_write("x", 1);
	expect_trouble("nobody had asked for");

	start();
	fake_accept();
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fake.listener, sizeof(int));
	g_assert_cmpint(sendmsg(fake.fd, &header, MSG_NOSIGNAL), ==, 1);
	expect_trouble("sent a descriptor");
}

static void
expect_broken(const char *text)
{
	WAIT(!fake.link);
	g_assert_cmpuint(count("daemon-broken"), ==, 1);
	expect_trouble(text);
}

/* One used buffer that says it is `id`, with `len` bytes and a header of `n` buffers. */
static void
check_used(guint32 id, guint32 len, guint16 n, const char *text)
{
	VirtioNetHdr hdr = { .num_buffers = n };

	start();
	fake_up();
	memcpy(ring_buffer(0, 0), &hdr, sizeof hdr);
	ring_used(0)->ring[0] = (VirtqUsedElem){ id, len };
	vn_store16_release(&ring_used(0)->idx, 1);
	ring_call(0);
	expect_broken(text);
}

static void
test_bad_ring(void)
{
	check_used(1, 100, 1, "out of order");
	check_used(G_MAXUINT32, 100, 1, "out of order");
	check_used(0, 4033, 1, "past its end");
	check_used(0, G_MAXUINT32, 1, "past its end");
	check_used(0, 0, 1, "past its end");
	check_used(0, VIRTIO_NET_HDR_LEN, 1, "without a header");
	check_used(0, 3, 1, "without a header");
	check_used(0, 100, 0, "impossibly many buffers");
	check_used(0, 100, RING + 1, "impossibly many buffers");

	start();
	fake_up();
	vn_store16_release(&ring_used(0)->idx, RING + 1);
	ring_call(0);
	expect_broken("more buffers than there are");

	start();
	fake_up();
	g_assert_cmpuint(send_frames(0, 3, 60), ==, 3);
	vn_store16_release(&ring_used(1)->idx, 4);
	g_assert_cmpuint(send_frames(0, 1, 60), ==, 1);
	WAIT(!fake.link);
	g_assert_cmpuint(count("daemon-lost"), ==, 4);
	expect_broken("frames that were not sent");
}

/* A frame that is none is dropped, and the next one comes. */
static void
test_bad_frame(void)
{
	const VirtioNetHdr bad = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = 77,
				   .gso_size = 0,
				   .csum_start = 65535,
				   .csum_offset = 65535 };
	const VirtioNetHdr plain = { 0 };
	JfCardStats stats = { .struct_size = sizeof stats };

	start();
	fake_up();
	ring_put(&bad, 1, 100, 4032);
	ring_put(&plain, 2, 13, 4032);
	ring_put(&plain, 3, 100, 4032);
	WAIT(fake.frames->len == 1);
	jf_card_get_stats(fake.card, &stats);
	g_assert_cmpuint(stats.rx.drops, ==, 2);
	g_assert_true(fake.link);
	finish();
}

/* Anything in the memory that is the daemon's to write, while frames are sent. */
static void
test_garbage(void)
{
	for (guint seed = 0; seed < 60; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

		start();
		fake_up();
		for (guint i = 0; i < 40 && fake.link; i++) {
			guint index = g_rand_boolean(rand),
			      n = (guint)g_rand_int_range(rand, 1, 20);
			guint16 *idx = &ring_used(index)->idx;

			for (guint k = 0; k < n; k++) {
				VirtqUsedElem *elem = &ring_used(index)->ring[k + i];

				*elem = (VirtqUsedElem){ (k + i) % RING,
							 (guint32)g_rand_int_range(rand, 0, 4100) };
				ring_buffer(0, k + i)[10] = (guint8)g_rand_int_range(rand, 0, 4);
				ring_buffer(0, k + i)[g_rand_int_range(rand, 0, 12)] =
					(guint8)g_rand_int(rand);
			}
			vn_store16_release(idx, *idx + n);
			ring_call(index);
			send_frames(i, n, (guint)g_rand_int_range(rand, 60, 65000));
			turn();
		}
		finish();
	}
}

/* ---- Tests: the functions ---- */

static void
test_use_daemon(void)
{
	g_autofree char *long_name = g_strnfill(100, 'x');
	g_autofree char *path = g_strconcat("/", long_name, NULL);
	JfContext *context = jf_context_new(NULL, NULL);
	g_autoptr(GError) error = NULL;

	g_assert_false(jf_context_use_daemon(context, path, &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	g_assert_false(jf_context_use_daemon(context, "relative", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_VALUE);
	g_clear_error(&error);
	g_assert_true(jf_context_use_daemon(context, "/nowhere", &error));
	g_assert_false(jf_context_use_daemon(context, "/nowhere", &error));
	g_assert_error(error, JF_ERROR, JF_ERROR_STATE);
	jf_context_free(context);
}

/* No daemon: the card is there, with its link down, says why once, and is gone at once when told. */
static void
test_absent(void)
{
	start();
	close(fake.listener);
	fake.listener = -1;
	WAIT(strstr(fake.log->str, "Connection refused") ||
	     strstr(fake.log->str, "closed the connection"));
	g_assert_cmpuint(send_frames(0, 5, 60), ==, 5);
	finish();
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(argc, >, 1);
	plugin_path = argv[1];
	g_test_add_func("/uplink/send", test_send);
	g_test_add_func("/uplink/receive", test_receive);
	g_test_add_func("/uplink/send-waits", test_send_waits);
	g_test_add_func("/uplink/receive-waits", test_receive_waits);
	g_test_add_func("/uplink/comes-back", test_comes_back);
	g_test_add_func("/uplink/bad-reply", test_bad_reply);
	g_test_add_func("/uplink/bad-answer", test_bad_answer);
	g_test_add_func("/uplink/bad-acknowledgement", test_bad_acknowledgement);
	g_test_add_func("/uplink/bad-message", test_bad_message);
	g_test_add_func("/uplink/bad-ring", test_bad_ring);
	g_test_add_func("/uplink/bad-frame", test_bad_frame);
	g_test_add_func("/uplink/garbage", test_garbage);
	g_test_add_func("/uplink/use-daemon", test_use_daemon);
	g_test_add_func("/uplink/absent", test_absent);
	return g_test_run();
}
