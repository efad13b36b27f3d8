/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run-card.c - one card, without the daemon: for tests that want a VMM and a model and nothing else.
 *
 *	run-card CONNECTOR[,KEY=VALUE...] MODEL[,KEY=VALUE...] ATTACHMENT[,KEY=VALUE...]
 *
 * Says "ready", takes "link 0", "link 1" and "stats" from its standard input, and ends with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jackfield/vmm.h"

static void
on_log(GLogLevelFlags level, const char *origin, const char *message, gpointer data)
{
	(void)level;
	(void)data;
	fprintf(stderr, "%s: %s\n", origin, message);
}

static void
on_counter(const char *driver, const char *counter, guint64 value, gpointer data)
{
	(void)data;
	printf("%s %s %" G_GUINT64_FORMAT "\n", driver, counter, value);
}

static JfCard *
make_card(JfContext *context, JfWorker *worker, char **argv, GError **error)
{
	g_auto(GStrv) connector = g_strsplit(argv[1], ",", 0);
	g_auto(GStrv) model = g_strsplit(argv[2], ",", 0);
	g_auto(GStrv) attachment = g_strsplit(argv[3], ",", 0);
	JfCardConfig config = {
		.struct_size = sizeof config,
		.machine = "test",
		.mac = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 },
		.cable_connected = TRUE,
		.connector = connector[0],
		.connector_properties = (const char *const *)connector + 1,
		.model = model[0],
		.model_properties = (const char *const *)model + 1,
		.attachment = attachment[0],
		.attachment_properties = (const char *const *)attachment + 1,
		.worker = worker,
	};
	JfCard *card = jf_card_new(context, &config, error);

	if (card && jf_card_start(card, error))
		return card;
	jf_card_free(card);
	return NULL;
}

static void
obey(JfCard *card, const char *line)
{
	if (strcmp(line, "stats\n") == 0)
		jf_card_list_counters(card, on_counter, NULL);
	else if (strncmp(line, "link ", 5) == 0)
		jf_card_set_cable(card, line[5] == '1');
	printf("ready\n");
}

int
main(int argc, char **argv)
{
	static const JfContextEvents events = { .struct_size = sizeof events, .log = on_log };
	JfContext *context = jf_context_new(&events, NULL);
	g_autoptr(GError) error = NULL;
	JfWorker *worker;
	JfCard *card;
	char line[64];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 4 || !jf_guard_shared_memory(&error))
		return EXIT_FAILURE;
	jf_context_load_plugins(context);
	worker = jf_worker_new(context, &error);
	card = worker ? make_card(context, worker, argv, &error) : NULL;
	if (!card) {
		fprintf(stderr, "run-card: %s\n", error->message);
		return EXIT_FAILURE;
	}
	printf("ready\n");
	while (fgets(line, sizeof line, stdin))
		obey(card, line);
	jf_card_free(card);
	jf_worker_free(worker);
	jf_context_free(context);
	return EXIT_SUCCESS;
}
