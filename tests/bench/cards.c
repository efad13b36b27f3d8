/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cards.c - a program with nothing but cards, for benchmarks.
 *
 *	bench-cards PLUGIN... -- CONNECTOR[,KEY=VALUE...] ATTACHMENT[,KEY=VALUE...] ...
 *
 * One card for each pair, all on one worker; says "ready" and runs until its input ends. Then it
 * prints the cards' counters.
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
	g_auto(GStrv) left = g_strsplit(connector, ",", -1);
	g_auto(GStrv) right = g_strsplit(attachment, ",", -1);
	g_autofree char *machine = g_strdup_printf("bench%u", i);
	g_autoptr(GError) error = NULL;
	JfCardConfig config = { .struct_size = sizeof config,
				.machine = machine,
				.mac = { 0x08, 0x00, 0x27, 0, 0, (guint8)i },
				.cable_connected = TRUE,
				.connector = left[0],
				.connector_properties = (const char *const *)left + 1,
				.attachment = right[0],
				.attachment_properties = (const char *const *)right + 1,
				.worker = worker };
	JfCard *card = jf_card_new(context, &config, &error);

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

int
main(int argc, char **argv)
{
	static const JfContextEvents events = { .struct_size = sizeof events, .log = log_line };
	g_autoptr(GPtrArray) cards = g_ptr_array_new_with_free_func((GDestroyNotify)jf_card_free);
	g_autoptr(GError) error = NULL;
	JfContext *context = jf_context_new(&events, NULL);
	JfWorker *worker = jf_worker_new(context, &error);
	int i = 1;
	char byte;

	check(error);
	for (; i < argc && strcmp(argv[i], "--"); i++) {
		jf_context_load_plugin(context, argv[i], &error);
		check(error);
	}
	for (i++; i + 1 < argc; i += 2)
		g_ptr_array_add(cards,
				card_start(context, worker, cards->len, argv[i], argv[i + 1]));
	printf("ready\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	for (guint k = 0; k < cards->len; k++)
		card_report(cards->pdata[k]);
	g_ptr_array_set_size(cards, 0);
	jf_worker_free(worker);
	jf_context_free(context);
	return 0;
}
