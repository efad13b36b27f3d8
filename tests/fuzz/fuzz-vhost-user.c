/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz-vhost-user.c - a front end that says anything and a guest that writes anything into its rings.
 *
 * The input is a list of steps: messages as they come or nearly right ones, kicks, bytes written into
 * the guest's memory, frames from the network, new connections. Whatever happens, a second card on
 * the same worker moves its frames.
 */
#include "fuzz.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../plugins/vhost-far.h"
#include "../plugins/vhost-front.h"

#define STEPS_MAX 200u

typedef struct World {
	char *dir, *path[2];
	JfContext *context;
	JfWorker *worker;
	JfCard *card[2];
	Front front[2];
	Far far[2];
} World;

static void
start_card(World *w, guint i)
{
	g_autofree char *path = g_strdup_printf("path=%s", w->path[i]);
	const char *number = i ? "number=1" : "number=0";
	g_autoptr(GError) error = NULL;
	JfCardConfig config = {
		.struct_size = sizeof config,
		.machine = "fuzz",
		.slot = i,
		.mac = { 2, 0, 0, 0, 0, (guint8)i },
		.cable_connected = TRUE,
		.connector = "vhost-user",
		.connector_properties = (const char *[]){ path, NULL },
		.model = "virtio",
		.attachment = "test-far",
		.attachment_properties = (const char *[]){ number, NULL },
		.worker = w->worker,
	};

	w->card[i] = jf_card_new(w->context, &config, &error);
	g_assert_no_error(error);
	jf_card_start(w->card[i], &error);
	g_assert_no_error(error);
}

static void
connect_front(World *w, guint i)
{
	front_disconnect(&w->front[i]);
	front_settle(&w->front[i]);
	g_assert_true(front_connect(&w->front[i], w->path[i]));
}

static void
begin(World *w)
{
	g_autoptr(GError) error = NULL;

	w->dir = g_dir_make_tmp("jackfield-fuzz-XXXXXX", NULL);
	w->context = jf_context_new(NULL, NULL);
	w->worker = jf_worker_new_nested(w->context, &error);
	g_assert_no_error(error);
	g_assert_true(jf_context_add_driver(w->context, &far_driver, NULL));
	jf_context_load_plugin(w->context, MODEL_PLUGIN, &error);
	g_assert_no_error(error);
	jf_context_load_plugin(w->context, CONNECTOR_PLUGIN, &error);
	g_assert_no_error(error);
	for (guint i = 0; i < 2; i++) {
		fars[i] = &w->far[i];
		w->path[i] = g_strdup_printf("%s/%u", w->dir, i);
		start_card(w, i);
		front_init(&w->front[i], w->worker);
		connect_front(w, i);
	}
	front_set_up(&w->front[1], G_MAXUINT);
}

static void
end(World *w)
{
	for (guint i = 0; i < 2; i++) {
		g_autofree char *record = g_strconcat(w->path[i], ".rings", NULL);

		jf_card_free(w->card[i]);
		front_finish(&w->front[i]);
		g_unlink(w->path[i]);
		g_unlink(record);
		g_free(w->path[i]);
	}
	jf_worker_free(w->worker);
	jf_context_free(w->context);
	g_rmdir(w->dir);
	g_free(w->dir);
}

/* ---- Steps ---- */

static guint
pick_fds(const Front *front, guint8 choice, int *fds)
{
	guint n = choice & 7;

	for (guint i = 0; i < n; i++)
		fds[i] = choice & 8 ? front->memfd : i % 2 ? front->call[0] : front->kick[1];
	return choice & 16 ? MIN(n, 1) : n;
}

static void
step_message(World *w, FuzzInput *input)
{
	guint32 request = fuzz_byte(input) % 48, flags = 1u | (fuzz_byte(input) & 0x8);
	guint8 choice = fuzz_byte(input);
	gsize want = fuzz_word(input) % 528, len;
	const guint8 *body = fuzz_bytes(input, want, &len);
	guint8 copy[528] = { 0 };
	int fds[8];

	memcpy(copy, body, len);
	front_send(&w->front[0], request, flags, copy, (guint32)want, fds,
		   pick_fds(&w->front[0], choice, fds));
}

static void
step_address(World *w, FuzzInput *input)
{
	struct {
		guint32 index, flags;
		guint64 at[3], log;
	} body = { fuzz_byte(input) % 4, 0, { 0 }, 0 };

	for (guint i = 0; i < 3; i++)
		body.at[i] = FRONT_USER + fuzz_word(input) * 16ull;
	front_send(&w->front[0], FRONT_SET_VRING_ADDR, 1, &body, sizeof body, NULL, 0);
}

static void
step_number(World *w, FuzzInput *input)
{
	static const guint32 requests[] = { FRONT_SET_VRING_NUM, FRONT_SET_VRING_BASE,
					    FRONT_GET_VRING_BASE, FRONT_SET_VRING_ENABLE };
	guint32 request = requests[fuzz_byte(input) % G_N_ELEMENTS(requests)];
	guint32 body[2] = { fuzz_byte(input) % 3, fuzz_word(input) };

	front_send(&w->front[0], request, 1, body, sizeof body, NULL, 0);
}

static void
step_memory(World *w, FuzzInput *input)
{
	guint32 at = fuzz_word(input) * 16u;
	gsize want = fuzz_byte(input), len;
	const guint8 *bytes = fuzz_bytes(input, want, &len);

	if (at < FRONT_MEMORY - 256)
		memcpy(w->front[0].memory + at, bytes, len);
}

static void
step_output(World *w, FuzzInput *input)
{
	static guint8 bytes[9000];
	struct iovec piece = { bytes, 14 + fuzz_word(input) % (sizeof bytes - 14) };
	JfFrame frame = jf_frame_plain(&piece);

	w->far[0].inst->host->output(w->far[0].inst, 0, &frame, 1);
}

static void
step_features(World *w, FuzzInput *input)
{
	static const guint64 some[] = { FRONT_F_VERSION_1, FRONT_F_PROTOCOL, FRONT_F_MRG_RXBUF,
					FRONT_F_PACKED,    1ull << 28,       1ull << 29,
					1ull << 35,        1ull << 0 };
	guint8 bits = fuzz_byte(input);
	guint64 features = 0;

	for (guint i = 0; i < G_N_ELEMENTS(some); i++)
		features |= bits >> i & 1 ? some[i] : 0;
	front_send(&w->front[0], FRONT_SET_FEATURES, 1, &features, sizeof features, NULL, 0);
}

/* A set-up from the book; the far end may have hung up meanwhile. */
static void
step_set_up(World *w, FuzzInput *input)
{
	guint8 bits = fuzz_byte(input);

	connect_front(w, 0);
	w->front[0].features = FRONT_F_VERSION_1 | FRONT_F_PROTOCOL |
			       (bits & 1 ? FRONT_F_PACKED : 0) |
			       (bits & 2 ? FRONT_F_MRG_RXBUF : 0) | (bits & 4 ? 1ull << 28 : 0) |
			       (bits & 8 ? 1ull << 29 : 0) | (bits & 16 ? 1ull << 35 : 0);
	w->front[0].used[0] = w->front[0].used[1] = bits & 1 ? 0x8000 : 0;
	front_set_up(&w->front[0], bits & 0x80 ? (bits & 15) : G_MAXUINT);
}

static void
step(World *w, FuzzInput *input)
{
	switch (fuzz_byte(input) % 9) {
	case 0:
		step_message(w, input);
		break;
	case 1:
		step_address(w, input);
		break;
	case 2:
		step_number(w, input);
		break;
	case 3:
	case 4:
		step_memory(w, input);
		break;
	case 5:
		step_output(w, input);
		break;
	case 6:
		step_features(w, input);
		break;
	case 7:
		step_set_up(w, input);
		break;
	default:
		eventfd_write(w->front[0].kick[fuzz_byte(input) % 2], 1);
		break;
	}
	front_settle(&w->front[0]);
}

static void
check_other(World *w)
{
	Front *front = &w->front[1];
	static const guint8 frame[60] = { 2 };
	guint64 before = w->far[1].arrived;

	front_transmit(front, 0, frame, sizeof frame);
	front_kick(front, 1);
	front_wait_used(front, 1, (guint16)(front->used[1] + 1));
	g_assert_cmpuint(w->far[1].arrived, ==, before + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	FuzzInput input = { data, len };
	World w = { 0 };

	begin(&w);
	for (guint i = 0; i < STEPS_MAX && input.left; i++)
		step(&w, &input);
	check_other(&w);
	end(&w);
	return 0;
}
