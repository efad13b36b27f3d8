/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-uplink.c - a daemon that says anything to a program's card, and writes anything into its rings.
 *
 * The input begins with a byte for each of its answers, the port's, the features and the last
 * acknowledgement: whether it is as it should be, or bytes of the input. What is left are steps: used
 * entries, headers and indices as they come or nearly right ones, and frames the other way.
 */
#include "fuzz.h"

#include <jackfield/switch.h>
#include <jackfield/vhost-user.h>
#include <jackfield/virtio-spec.h>
#include <jackfield/vmm.h>

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../attachments/uplink-daemon.h"
#include "uplink-wire.h"

#define STEPS_MAX 300u
#define TURNS 4u

typedef struct World {
	UplinkDaemon daemon;
	int fds[8];
	guint n_fds;
	guint8 *memory;
	VhRegionWire region;
	const VirtqDesc *desc; /* of the ring to the program */
	VirtqUsed *used[2];
	guint16 at[2]; /* used indices as they should be */
	int call;

	JfContext *context;
	JfWorker *worker;
	JfInstance *near;
	const JfSwitch *sw;
	JfSwitchPort *port;
	guint room;
} World;

static World world;

/* ---- The card ---- */

static gboolean
near_init(JfInstance *inst, GError **error)
{
	(void)error;
	world.near = inst;
	return TRUE;
}

static void
end_finish(JfInstance *inst)
{
	(void)inst;
}

/* Looks at every byte. */
static guint
near_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	static guint8 copy[JF_FRAME_MAX_LEN];
	guint i;

	(void)inst;
	(void)port;
	for (i = 0; i < n && world.room > 0; i++, world.room--)
		g_assert_true(jf_frame_copy(&frames[i], 0, copy, frames[i].len));
	return i;
}

static const JfDriver near_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_CONNECTOR,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.id = "near",
	.blurb = "The card's own side.",
	.init = near_init,
	.finish = end_finish,
	.input = near_input,
};

static gboolean
lan_init(JfInstance *inst, GError **error)
{
	(void)error;
	world.sw = inst->host->query(inst, JF_SWITCH_IID);
	return world.sw != NULL;
}

static guint
lan_deliver(gpointer data, const JfFrame *frames, guint n)
{
	JfInstance *inst = data;

	return inst->host->output(inst, 0, frames, n);
}

static void
lan_room(gpointer data)
{
	JfInstance *inst = data;

	inst->host->resume(inst, 0);
}

static gboolean
lan_start(JfInstance *inst, GError **error)
{
	const JfSwitchJoin join = {
		.struct_size = sizeof join, .deliver = lan_deliver, .resume = lan_room, .data = inst
	};

	world.port = world.sw->join(inst, "lab", &join, error);
	return world.port != NULL;
}

static void
lan_stop(JfInstance *inst)
{
	(void)inst;
	world.sw->leave(world.port);
}

static guint
lan_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	(void)inst;
	(void)port;
	return world.sw->send(world.port, frames, n);
}

static void
lan_resume(JfInstance *inst, guint port)
{
	(void)inst;
	(void)port;
	world.sw->room(world.port);
}

static const JfDriver lan_driver = {
	JF_DRIVER_HEAD,
	.kind = JF_KIND_ATTACHMENT,
	.flags = JF_DRIVER_PARALLEL_INPUT | JF_DRIVER_OFFLOADS(JF_OFFLOAD_ALL),
	.id = "lan",
	.blurb = "A port of a network.",
	.init = lan_init,
	.finish = end_finish,
	.start = lan_start,
	.stop = lan_stop,
	.input = lan_input,
	.resume = lan_resume,
};

/* ---- The daemon ---- */

static void
turn(void)
{
	for (guint i = 0; i < TURNS; i++)
		jf_worker_dispatch(world.worker);
}

/* All that is there, and the descriptors with it. */
static gsize
take(guint8 *to, gsize size)
{
	gsize have = 0;

	for (;;) {
		int got;
		gssize n = uplink_daemon_read(&world.daemon, to + have, size - have, &got);

		if (n <= 0)
			return have;
		have += (gsize)n;
		if (got >= 0 && world.n_fds < G_N_ELEMENTS(world.fds))
			world.fds[world.n_fds++] = got;
	}
}

/* Sends what it should, or bytes of the input instead. */
static gboolean
answer(FuzzInput *input, gconstpointer good, gsize len)
{
	guint8 bytes[256], how = fuzz_byte(input);

	g_assert_cmpuint(len, <=, sizeof bytes);
	memcpy(bytes, good, len);
	for (guint i = 0; i < how % 16u; i++)
		bytes[fuzz_byte(input) % len] = fuzz_byte(input);
	if (how >= 240)
		len = fuzz_byte(input) % len;
	if (send(world.daemon.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return FALSE;
	turn();
	return TRUE;
}

/* Where memory and rings are, from the messages. FALSE: not all came. */
static gboolean
learn(const guint8 *bytes, gsize len)
{
	gsize at = 0;

	while (len - at >= VH_HEADER) {
		guint32 header[3];
		VhRingAddress address;

		memcpy(header, bytes + at, sizeof header);
		at += VH_HEADER;
		if (header[2] > len - at)
			return FALSE;
		if (header[0] == VH_SET_MEM_TABLE)
			memcpy(&world.region, bytes + at + sizeof(VhTableHead),
			       sizeof world.region);
		at += header[2];
		if (header[0] != VH_SET_VRING_ADDR)
			continue;
		memcpy(&address, bytes + at - header[2], sizeof address);
		if (!world.memory)
			world.memory = mmap(NULL, world.region.size, PROT_READ | PROT_WRITE,
					    MAP_SHARED, world.fds[0], 0);
		g_assert_true(world.memory != MAP_FAILED);
		if (address.index == 0)
			world.desc = (const VirtqDesc *)(world.memory +
							 (address.desc - world.region.user));
		world.used[address.index] =
			(VirtqUsed *)(world.memory + (address.device - world.region.user));
	}
	world.call = world.n_fds > 1 ? world.fds[1] : -1;
	return world.used[1] && world.call >= 0;
}

static gboolean
greet(FuzzInput *input)
{
	const JfUplinkReply reply = { .magic = JF_UPLINK_MAGIC };
	const guint32 flags = VH_VERSION | VH_FLAG_REPLY, all = G_MAXUINT32;
	const guint32 features[10] = { VH_GET_FEATURES,          flags, 8, all, all,
				       VH_GET_PROTOCOL_FEATURES, flags, 8, all, all };
	const guint32 done[5] = { VH_SET_VRING_ENABLE, flags, 8, 0, 0 };
	guint8 bytes[2048];
	gsize len;

	turn();
	g_assert_true(uplink_daemon_accept(&world.daemon));
	take(bytes, sizeof bytes);
	if (!answer(input, &reply, sizeof reply))
		return FALSE;
	take(bytes, sizeof bytes);
	if (!answer(input, features, sizeof features))
		return FALSE;
	len = take(bytes, sizeof bytes);
	return learn(bytes, len) && answer(input, done, sizeof done);
}

/* ---- Steps ---- */

static void
step_use(FuzzInput *input, guint index, guint n, gboolean right)
{
	for (guint i = 0; i < n; i++) {
		guint at = (guint16)(world.at[index] + i);
		VirtqUsedElem *elem = &world.used[index]->ring[at % UPLINK_RING];
		guint8 *header =
			world.memory + (world.desc[at % UPLINK_RING].addr - world.region.address);

		elem->id = right ? at % UPLINK_RING : fuzz_byte(input);
		elem->len = right ? 13u + fuzz_word(input) % 4020u : fuzz_word(input);
		for (guint k = 0; k < 10 && !right; k++)
			header[k] = fuzz_byte(input);
		header[10] = right ? 1 : fuzz_byte(input);
		header[11] = 0;
	}
	world.at[index] = (guint16)(world.at[index] + n);
	vn_store16_release(&world.used[index]->idx, world.at[index]);
}

static void
step_send(guint n, guint len)
{
	static guint8 bytes[JF_FRAME_MAX_LEN] = { 2, 0, 0, 0, 0, 0, 2 };
	struct iovec piece = { bytes, MAX(len, JF_FRAME_MIN_LEN) };
	JfFrame frame = jf_frame_plain(&piece);

	for (guint i = 0; i < n; i++)
		world.near->host->output(world.near, 0, &frame, 1);
}

static void
step(FuzzInput *input)
{
	const guint64 one = 1;
	guint8 what = fuzz_byte(input), n = fuzz_byte(input);

	switch (what % 8) {
	case 0:
	case 1:
		step_use(input, 0, n % 16u + 1, what % 8 == 0);
		break;
	case 2:
		step_use(input, 1, n % 4u + 1, TRUE);
		break;
	case 3:
		step_send(n % 16u + 1, fuzz_word(input));
		break;
	case 4:
		world.room += n;
		world.near->host->resume(world.near, 0);
		break;
	case 5:
		vn_store16_release(&world.used[n % 2]->idx, fuzz_word(input));
		break;
	case 6:
		memset((guint8 *)world.used[n % 2] + fuzz_word(input) % 2048, n, 8);
		break;
	default:
		if (n > 250)
			send(world.daemon.fd, &n, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (write(world.call, &one, sizeof one) == sizeof one)
		jf_worker_dispatch(world.worker);
}

/* ---- One input ---- */

static void
world_init(void)
{
	g_autoptr(GError) error = NULL;

	uplink_daemon_init(&world.daemon);
	world.context = jf_context_new(NULL, NULL);
	g_assert_true(jf_context_use_daemon(world.context, world.daemon.dir, &error));
	jf_context_add_driver(world.context, &near_driver, &error);
	jf_context_add_driver(world.context, &lan_driver, &error);
	world.worker = jf_worker_new_nested(world.context, &error);
	g_assert_no_error(error);
}

static void
world_clear(void)
{
	for (guint i = 0; i < world.n_fds; i++)
		close(world.fds[i]);
	if (world.memory)
		munmap(world.memory, world.region.size);
	uplink_daemon_hang_up(&world.daemon);
	/* Who was sent away may have come again. */
	while (uplink_daemon_accept(&world.daemon))
		uplink_daemon_hang_up(&world.daemon);
	world.memory = NULL;
	world.n_fds = world.at[0] = world.at[1] = 0;
	world.used[0] = world.used[1] = NULL;
	world.room = 100;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	FuzzInput input = { data, len };
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = "fuzz",
				.mac = { 2 },
				.cable_connected = TRUE,
				.connector = "near",
				.attachment = "lan" };
	g_autoptr(GError) error = NULL;
	JfCard *card;

	if (!world.context)
		world_init();
	world.room = 100;
	config.worker = world.worker;
	card = jf_card_new(world.context, &config, &error);
	g_assert_no_error(error);
	jf_card_start(card, &error);
	g_assert_no_error(error);
	if (greet(&input)) {
		for (guint i = 0; i < STEPS_MAX && input.left; i++)
			step(&input);
	}
	jf_card_free(card);
	world_clear();
	return 0;
}
