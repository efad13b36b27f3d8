/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cards.c - a program with nothing but cards, for benchmarks.
 *
 *	bench-cards [-w WORKERS] PLUGIN... -- CARD ATTACHMENT[,KEY=VALUE...] ...
 *
 * CARD is CONNECTOR[,KEY=VALUE...][+MODEL[,KEY=VALUE...]].
 *
 * One card for each two, the workers by turns; says "ready" and runs until its input ends. Each line
 * of input prints the cards' counters, and so does the end.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jackfield/vmm.h"

static void
check(const GError *error)
{
	if (!error)
		return;
	fprintf(stderr, "bench-cards: %s\n", error->message);
	_exit(1);
}

static void
log_line(GLogLevelFlags level, const char *origin, const char *message, gpointer data)
{
	(void)level;
	(void)data;
	fprintf(stderr, "%s: %s\n", origin, message);
}

static JfCard *
card_start(JfContext *context, JfWorker *worker, guint i, const char *connector,
	   const char *attachment)
{
	g_auto(GStrv) sides = g_strsplit(connector, "+", 2);
	g_auto(GStrv) left = g_strsplit(sides[0], ",", -1);
	g_auto(GStrv) model = sides[1] ? g_strsplit(sides[1], ",", -1) : NULL;
	g_auto(GStrv) right = g_strsplit(attachment, ",", -1);
	g_autofree char *machine = g_strdup_printf("bench%u", i);
	g_autoptr(GError) error = NULL;
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = machine,
				.mac = { 0x08, 0x00, 0x27, 0, (guint8)(i >> 8), (guint8)i },
				.cable_connected = TRUE,
				.connector = left[0],
				.model = model ? model[0] : NULL,
				.model_properties = model ? (const char *const *)model + 1 : NULL,
				.connector_properties = (const char *const *)left + 1,
				.attachment = right[0],
				.attachment_properties = (const char *const *)right + 1,
				.worker = worker };
	JfCard *card;

	card = jf_card_new(context, &config, &error);
	check(error);
	jf_card_start(card, &error);
	check(error);
	return card;
}

static void
print_counter(const char *driver, const char *counter, guint64 value, gpointer data)
{
	(void)data;
	if (value)
		printf(" %s.%s=%" G_GUINT64_FORMAT, driver, counter, value);
}

static void
card_report(JfCard *card)
{
	JfCardStats stats = { .struct_size = sizeof stats };

	jf_card_get_stats(card, &stats);
	printf("tx %" G_GUINT64_FORMAT " (%" G_GUINT64_FORMAT " lost) rx %" G_GUINT64_FORMAT
	       " (%" G_GUINT64_FORMAT " lost)",
	       stats.tx.frames, stats.tx.drops, stats.rx.frames, stats.rx.drops);
	jf_card_list_counters(card, print_counter, NULL);
	printf("\n");
}

static void
report(const GPtrArray *cards)
{
	for (guint i = 0; i < cards->len; i++)
		card_report(cards->pdata[i]);
	printf("end\n");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	static const JfContextEvents events = { .struct_size = sizeof events, .log = log_line };
	g_autoptr(GPtrArray) cards = g_ptr_array_new_with_free_func((GDestroyNotify)jf_card_free);
	g_autoptr(GPtrArray)
		workers = g_ptr_array_new_with_free_func((GDestroyNotify)jf_worker_free);
	g_autoptr(GError) error = NULL;
	JfContext *context = jf_context_new(&events, NULL);
	guint n_workers = 1;
	int i = 1;
	char byte;

	if (argc > 2 && strcmp(argv[1], "-w") == 0) {
		n_workers = (guint)CLAMP(g_ascii_strtoull(argv[2], NULL, 10), 1, 64);
		i = 3;
	}
	jf_guard_shared_memory(&error);
	check(error);
	while (workers->len < n_workers) {
		g_ptr_array_add(workers, jf_worker_new(context, &error));
		check(error);
	}
	for (; i < argc && strcmp(argv[i], "--"); i++) {
		jf_context_load_plugin(context, argv[i], &error);
		check(error);
	}
	for (i++; i + 1 < argc; i += 2)
		g_ptr_array_add(cards, card_start(context, workers->pdata[cards->len % n_workers],
						  cards->len, argv[i], argv[i + 1]));
	printf("ready\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		if (byte == '\n')
			report(cards);
	report(cards);
	g_ptr_array_set_size(cards, 0);
	g_ptr_array_set_size(workers, 0);
	jf_context_free(context);
	return 0;
}
