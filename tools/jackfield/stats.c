/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats.c - traffic of the cards that run and what services on networks did: a table that renews
 * itself, one shot of it, or JSON. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "message.h"

typedef struct Flow {
	guint64 frames, bytes, drops;
} Flow;

typedef struct Sample {
	char *machine;
	guint32 slot;
	char *nic, *connector;
	gboolean link;
	Flow tx, rx;
	GVariant *counters; /* a(sst) */
} Sample;

/* A network that has services. */
typedef struct Network {
	char *name;
	GVariant *counters; /* a(sst) */
} Network;

typedef struct Snapshot {
	gint64 time_us;
	GPtrArray *samples;  /* Sample */
	GPtrArray *networks; /* Network; none where one machine was asked for */
} Snapshot;

typedef struct StatsOptions {
	gboolean once, json;
	double interval;
	const char *machine; /* NULL: all */
} StatsOptions;

static void
sample_free(gpointer data)
{
	Sample *sample = data;

	g_free(sample->machine);
	g_free(sample->nic);
	g_free(sample->connector);
	g_clear_pointer(&sample->counters, g_variant_unref);
	g_free(sample);
}

static void
network_free(gpointer data)
{
	Network *network = data;

	g_free(network->name);
	g_variant_unref(network->counters);
	g_free(network);
}

static void
snapshot_free(Snapshot *snapshot)
{
	g_ptr_array_unref(snapshot->networks);
	g_ptr_array_unref(snapshot->samples);
	g_free(snapshot);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Snapshot, snapshot_free)

/* ---- Taking them ---- */

static gboolean
take_counters(Cli *cli, const char *machine_path, Sample *sample, GError **error)
{
	g_autofree char *path = cli_get_card_path(machine_path, sample->slot);
	g_autoptr(GVariant) reply = NULL;

	reply = cli_call(cli, path, CARD_INTERFACE, "GetStats", NULL, "((ttt)(ttt)a(sst))", error);
	if (!reply)
		return FALSE;
	g_variant_get(reply, "((ttt)(ttt)@a(sst))", &sample->tx.frames, &sample->tx.bytes,
		      &sample->tx.drops, &sample->rx.frames, &sample->rx.bytes, &sample->rx.drops,
		      &sample->counters);
	return TRUE;
}

static Sample *
make_sample(const char *machine, GVariant *card)
{
	g_autoptr(GVariant) settings = NULL;
	Sample *sample = g_new0(Sample, 1);

	sample->machine = g_strdup(machine);
	g_variant_lookup(card, "Slot", "u", &sample->slot);
	g_variant_lookup(card, "Link", "b", &sample->link);
	g_variant_lookup(card, "Connector", "s", &sample->connector);
	settings = g_variant_lookup_value(card, "Settings", G_VARIANT_TYPE("a{ss}"));
	if (settings)
		g_variant_lookup(settings, "nic", "s", &sample->nic);
	return sample;
}

static gboolean
take_machine(Cli *cli, Snapshot *snapshot, const char *machine, const char *path, GError **error)
{
	g_autoptr(GVariant) cards = cli_list_cards(cli, path, error);
	GVariantIter iter;
	GVariant *child;

	if (!cards)
		return FALSE;
	g_variant_iter_init(&iter, cards);
	while ((child = g_variant_iter_next_value(&iter))) {
		g_autoptr(GVariant) card = child;
		gboolean running = FALSE;
		Sample *sample;

		g_variant_lookup(card, "Running", "b", &running);
		if (!running)
			continue;
		sample = make_sample(machine, card);
		g_ptr_array_add(snapshot->samples, sample);
		if (!take_counters(cli, path, sample, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
take_networks(Cli *cli, Snapshot *snapshot, GError **error)
{
	g_autoptr(GVariant) list = NULL;
	g_autoptr(GVariantIter) iter = NULL;
	const char *name, *path;

	list = cli_call_manager(cli, "ListNetworks", NULL, "(a(souutt))", error);
	if (!list)
		return FALSE;
	g_variant_get(list, "(a(souutt))", &iter);
	while (g_variant_iter_next(iter, "(&s&ouutt)", &name, &path, NULL, NULL, NULL, NULL)) {
		g_autoptr(GVariant) reply = cli_call(cli, path, NETWORK_INTERFACE,
						     "GetServiceCounters", NULL, "(a(sst))", NULL);
		g_autoptr(GVariant) counters = NULL;
		Network *network;

		/* It may have gone since it was listed. */
		if (!reply)
			continue;
		counters = g_variant_get_child_value(reply, 0);
		if (g_variant_n_children(counters) == 0)
			continue;
		network = g_new0(Network, 1);
		network->name = g_strdup(name);
		network->counters = g_steal_pointer(&counters);
		g_ptr_array_add(snapshot->networks, network);
	}
	return TRUE;
}

static Snapshot *
take_snapshot(Cli *cli, const char *only, GError **error)
{
	g_autoptr(Snapshot) snapshot = g_new0(Snapshot, 1);
	g_autofree char *only_path = NULL;
	g_autoptr(GVariant) reply = NULL;
	g_autoptr(GVariantIter) iter = NULL;
	const char *name, *path;
	gboolean running;

	snapshot->samples = g_ptr_array_new_with_free_func(sample_free);
	snapshot->networks = g_ptr_array_new_with_free_func(network_free);
	if (only) {
		only_path = cli_find_machine(cli, only, error);
		if (!only_path)
			return NULL;
	}
	reply = cli_call_manager(cli, "ListMachines", NULL, "(a(ssob))", error);
	if (!reply)
		return NULL;
	snapshot->time_us = g_get_monotonic_time();
	g_variant_get(reply, "(a(ssob))", &iter);
	while (g_variant_iter_next(iter, "(&s&s&ob)", NULL, &name, &path, &running)) {
		if (!running || (only_path && strcmp(only_path, path) != 0))
			continue;
		if (!take_machine(cli, snapshot, name, path, error))
			return NULL;
	}
	if (!only && !take_networks(cli, snapshot, error))
		return NULL;
	return g_steal_pointer(&snapshot);
}

/* ---- Rates ---- */

static const Sample *
find_sample(const Snapshot *snapshot, const Sample *like)
{
	guint i;

	for (i = 0; snapshot && i < snapshot->samples->len; i++) {
		const Sample *sample = snapshot->samples->pdata[i];

		if (sample->slot == like->slot && strcmp(sample->machine, like->machine) == 0)
			return sample;
	}
	return NULL;
}

/* A counter that went back belongs to a card that was started again. */
static double
rate(guint64 now, guint64 before, double seconds)
{
	return now >= before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

/* ---- The table ---- */

static void
print_rates(const Sample *now, const Sample *before, double seconds)
{
	if (!before) {
		printf(" %9s %9s %9s %9s", "-", "-", "-", "-");
		return;
	}
	printf(" %9.1f %9.1f %9.0f %9.0f", rate(now->tx.bytes, before->tx.bytes, seconds) * 8 / 1e6,
	       rate(now->rx.bytes, before->rx.bytes, seconds) * 8 / 1e6,
	       rate(now->tx.frames, before->tx.frames, seconds),
	       rate(now->rx.frames, before->rx.frames, seconds));
}

/* One line a service, with the counters that have counted. */
static void
print_networks(const Snapshot *now)
{
	for (guint i = 0; i < now->networks->len; i++) {
		const Network *network = now->networks->pdata[i];
		g_autofree char *last = NULL;
		const char *driver, *counter;
		GVariantIter iter;
		guint64 value;

		g_variant_iter_init(&iter, network->counters);
		while (g_variant_iter_next(&iter, "(&s&st)", &driver, &counter, &value)) {
			if (g_strcmp0(last, driver) != 0) {
				printf("%s%-16s %-10s",
				       last || i ? "\n" : "\nNETWORK          SERVICE\n",
				       network->name, driver);
				g_free(last);
				last = g_strdup(driver);
			}
			if (value)
				printf(" %s=%" G_GUINT64_FORMAT, counter, value);
		}
	}
	if (now->networks->len)
		putchar('\n');
}

static void
print_table(const Snapshot *now, const Snapshot *before, gboolean rates)
{
	double seconds = before ? (double)(now->time_us - before->time_us) / 1e6 : 0;
	guint i;

	printf("%-16s %3s %-10s %-4s %12s %14s %12s %14s %8s", "MACHINE", "NIC", "ATTACHED", "LINK",
	       "TX FRAMES", "TX BYTES", "RX FRAMES", "RX BYTES", "DROPS");
	if (rates)
		printf(" %9s %9s %9s %9s", "TX Mbit/s", "RX Mbit/s", "TX fr/s", "RX fr/s");
	putchar('\n');
	for (i = 0; i < now->samples->len; i++) {
		const Sample *sample = now->samples->pdata[i];

		printf("%-16s %3u %-10s %-4s %12" G_GUINT64_FORMAT " %14" G_GUINT64_FORMAT
		       " %12" G_GUINT64_FORMAT " %14" G_GUINT64_FORMAT " %8" G_GUINT64_FORMAT,
		       sample->machine, sample->slot, sample->nic ? sample->nic : "-",
		       sample->link ? "up" : "down", sample->tx.frames, sample->tx.bytes,
		       sample->rx.frames, sample->rx.bytes, sample->tx.drops + sample->rx.drops);
		if (rates)
			print_rates(sample, find_sample(before, sample), seconds);
		putchar('\n');
	}
	if (now->samples->len == 0)
		puts("No card runs.");
	print_networks(now);
}

/* ---- JSON: one line a snapshot ---- */

static void
append_flow(GString *json, const char *name, const Flow *flow)
{
	g_string_append_printf(json,
			       ",\"%s\":{\"frames\":%" G_GUINT64_FORMAT
			       ",\"bytes\":%" G_GUINT64_FORMAT ",\"drops\":%" G_GUINT64_FORMAT "}",
			       name, flow->frames, flow->bytes, flow->drops);
}

/* {"DRIVER":{"COUNTER":1}}; the daemon lists each driver's counters in one run. */
static void
append_counters(GString *json, GVariant *counters)
{
	g_autofree char *last = NULL;
	const char *driver, *counter;
	GVariantIter iter;
	guint64 value;

	g_string_append(json, ",\"counters\":{");
	g_variant_iter_init(&iter, counters);
	while (g_variant_iter_next(&iter, "(&s&st)", &driver, &counter, &value)) {
		g_autofree char *name = text_quote_json(counter);

		if (g_strcmp0(last, driver) != 0) {
			g_autofree char *quoted = text_quote_json(driver);

			g_string_append_printf(json, "%s%s:{", last ? "}," : "", quoted);
			g_free(last);
			last = g_strdup(driver);
		} else {
			g_string_append_c(json, ',');
		}
		g_string_append_printf(json, "%s:%" G_GUINT64_FORMAT, name, value);
	}
	g_string_append(json, last ? "}}" : "}");
}

static void
append_sample(GString *json, const Sample *sample)
{
	g_autofree char *machine = text_quote_json(sample->machine);
	g_autofree char *nic = text_quote_json(sample->nic ? sample->nic : "");
	g_autofree char *connector = text_quote_json(sample->connector ? sample->connector : "");

	g_string_append_printf(json,
			       "{\"machine\":%s,\"card\":%u,\"attachment\":%s,\"connector\":%s,"
			       "\"link\":%s",
			       machine, sample->slot, nic, connector,
			       sample->link ? "true" : "false");
	append_flow(json, "tx", &sample->tx);
	append_flow(json, "rx", &sample->rx);
	append_counters(json, sample->counters);
	g_string_append_c(json, '}');
}

static void
append_network(GString *json, const Network *network)
{
	g_autofree char *name = text_quote_json(network->name);

	g_string_append_printf(json, "{\"network\":%s", name);
	append_counters(json, network->counters);
	g_string_append_c(json, '}');
}

static void
print_json(const Snapshot *now)
{
	g_autoptr(GString) json = g_string_new(NULL);
	guint i;

	g_string_append_printf(json, "{\"time_us\":%" G_GINT64_FORMAT ",\"cards\":[", now->time_us);
	for (i = 0; i < now->samples->len; i++) {
		if (i > 0)
			g_string_append_c(json, ',');
		append_sample(json, now->samples->pdata[i]);
	}
	g_string_append(json, "],\"networks\":[");
	for (i = 0; i < now->networks->len; i++) {
		if (i > 0)
			g_string_append_c(json, ',');
		append_network(json, now->networks->pdata[i]);
	}
	printf("%s]}\n", json->str);
}

/* ---- The verb ---- */

static gboolean
show(Cli *cli, const StatsOptions *options, GError **error)
{
	gboolean renew = !options->once && !options->json && isatty(STDOUT_FILENO);
	g_autoptr(Snapshot) before = NULL;

	for (;;) {
		g_autoptr(Snapshot) now = take_snapshot(cli, options->machine, error);

		if (!now)
			return FALSE;
		if (renew)
			fputs("\033[H\033[J", stdout);
		if (options->json)
			print_json(now);
		else
			print_table(now, before, !options->once);
		fflush(stdout);
		if (options->once)
			return TRUE;
		g_clear_pointer(&before, snapshot_free);
		before = g_steal_pointer(&now);
		g_usleep((gulong)(options->interval * G_USEC_PER_SEC));
	}
}

static gboolean
parse_interval(const char *text, double *interval, GError **error)
{
	char *end = NULL;

	if (!text) {
		usage_error(error, "--interval needs a number of seconds");
		return FALSE;
	}
	*interval = g_ascii_strtod(text, &end);
	if (*text && !*end && *interval >= 0.1 && *interval <= 3600)
		return TRUE;
	usage_error(error, "--interval '%s' is not 0.1 to 3600 seconds", text);
	return FALSE;
}

gboolean
verb_stats(Cli *cli, char **args, GError **error)
{
	static const char *const names[] = { "--once", "--json", "--interval", NULL };
	StatsOptions options = { .interval = 1 };

	for (; *args; args++) {
		if (strcmp(*args, "--once") == 0) {
			options.once = TRUE;
		} else if (strcmp(*args, "--json") == 0) {
			options.json = TRUE;
		} else if (strcmp(*args, "--interval") == 0) {
			if (!parse_interval(*++args, &options.interval, error))
				return FALSE;
		} else if ((*args)[0] == '-') {
			usage_error_unknown(error, "option", *args, names);
			return FALSE;
		} else if (options.machine) {
			usage_error(error, "Unexpected '%s': one machine at a time", *args);
			return FALSE;
		} else {
			options.machine = *args;
		}
	}
	return show(cli, &options, error);
}
