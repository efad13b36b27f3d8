/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-fixture.c - two cards with the vhost-user connector, for tests. */
#include "vhost-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

static const char *model_path, *connector_path;

static void
start_card(Fixture *f, guint i, const char *mode)
{
	g_autofree char *path = g_strdup_printf("path=%s", f->path[i]);
	g_autofree char *number = g_strdup_printf("number=%u", i);
	g_autofree char *machine = g_strdup_printf("test%u", i);
	g_autoptr(GError) error = NULL;
	JfCardConfig config = {
		.struct_size = sizeof config,
		.machine = machine,
		.mac = { 2, 0, 0, 0, 0, (guint8)i },
		.cable_connected = TRUE,
		.connector = "vhost-user",
		.connector_properties = (const char *[]){ path, mode, "reconnect=10", NULL },
		.model = "virtio",
		.model_properties = (const char *[]){ "queues=2", NULL },
		.attachment = "test-far",
		.attachment_properties = (const char *[]){ number, NULL },
		.worker = f->worker,
	};

	f->card[i] = jf_card_new(f->context, &config, &error);
	g_assert_no_error(error);
	jf_card_start(f->card[i], &error);
	g_assert_no_error(error);
}

void
fixture_init(Fixture *f, gconstpointer mode)
{
	g_autoptr(GError) error = NULL;

	f->dir = g_dir_make_tmp("jackfield-vhost-XXXXXX", &error);
	g_assert_no_error(error);
	f->context = jf_context_new(NULL, NULL);
	f->worker = jf_worker_new_nested(f->context, &error);
	g_assert_no_error(error);
	jf_context_add_driver(f->context, &far_driver, &error);
	g_assert_no_error(error);
	jf_context_load_plugin(f->context, model_path, &error);
	g_assert_no_error(error);
	jf_context_load_plugin(f->context, connector_path, &error);
	g_assert_no_error(error);
	for (guint i = 0; i < 2; i++) {
		fars[i] = &f->far[i];
		f->path[i] = g_strdup_printf("%s/%u", f->dir, i);
		f->record[i] = g_strconcat(f->path[i], ".rings", NULL);
		start_card(f, i, mode ? mode : "mode=listen");
		front_init(&f->front[i], f->worker);
		if (mode)
			continue;
		g_assert_true(front_connect(&f->front[i], f->path[i]));
		g_assert_cmpuint(front_set_up(&f->front[i], G_MAXUINT), ==, STEPS);
	}
}

void
fixture_finish(Fixture *f, gconstpointer mode)
{
	(void)mode;
	for (guint i = 0; i < 2; i++) {
		jf_card_free(f->card[i]);
		front_finish(&f->front[i]);
		g_unlink(f->path[i]);
		g_unlink(f->record[i]);
		g_free(f->path[i]);
		g_free(f->record[i]);
	}
	jf_worker_free(f->worker);
	jf_context_free(f->context);
	g_assert_cmpint(g_rmdir(f->dir), ==, 0);
	g_free(f->dir);
}

typedef struct Find {
	const char *name;
	guint64 value;
} Find;

static void
find_counter(const char *driver, const char *counter, guint64 value, gpointer data)
{
	Find *find = data;

	(void)driver;
	if (strcmp(counter, find->name) == 0)
		find->value = value;
}

guint64
counter(JfCard *card, const char *name)
{
	Find find = { name, 0 };

	jf_card_list_counters(card, find_counter, &find);
	return find.value;
}

void
fill(guint8 *frame, guint8 number)
{
	memset(frame, number, 60);
	memset(frame, 2, 12);
}

void
check_alive(Fixture *f, guint i)
{
	Front *front = &f->front[i];
	Far *far = &f->far[i];
	guint before = far->n = 0;
	guint8 frame[60];
	struct iovec piece = { frame, sizeof frame };
	JfFrame out = jf_frame_plain(&piece);
	guint16 tx = front->used[1], rx = front->used[0];

	fill(frame, 0x55);
	front_transmit(front, 0, frame, sizeof frame);
	front_kick(front, 1);
	front_wait_used(front, 1, (guint16)(tx + 1));
	g_assert_cmpuint(far->n, ==, before + 1);
	g_assert_cmpmem(far->last[before], 60, frame, 60);
	front_give(front, 0, 1);
	front_kick(front, 0);
	g_assert_cmpuint(far->inst->host->output(far->inst, 0, &out, 1), ==, 1);
	front_wait_used(front, 0, (guint16)(rx + 1));
	g_assert_cmpmem(front->memory + FRONT_BUFFER(0, 0) + FRONT_HDR, 60, frame, 60);
}

void
reconnect(Fixture *f, guint i)
{
	Front *front = &f->front[i];

	front_disconnect(front);
	front_settle(front);
	g_assert_true(front_connect(front, f->path[i]));
	front_set_up(front, G_MAXUINT);
}

void
fixture_main(int *argc, char ***argv)
{
	g_autoptr(GError) error = NULL;

	g_test_init(argc, argv, NULL);
	g_assert_cmpint(*argc, ==, 3);
	model_path = (*argv)[1];
	connector_path = (*argv)[2];
	jf_guard_shared_memory(&error);
	g_assert_no_error(error);
}
