/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c - jackfield-conformance: one plugin, every rule of the contract that can be tried from
 * outside.
 *
 *	jackfield-conformance PLUGIN.so [DRIVER] [key=value...] [--peer key=value...]
 *
 * Without DRIVER all drivers of the plugin are tried. With --peer a second instance is made that is
 * connected to the first through whatever the values say, and frames must pass between the two.
 * Speaks TAP; takes the options of GLib's tests (-p PATH, -s PATH, -l).
 */
#include "conformance.h"

#include <string.h>

static void
add_driver(const JfDriver *driver, const char *const *arguments, const char *const *peer)
{
	Subject *subject = g_new0(Subject, 1);

	*subject = (Subject){ driver, arguments, peer };
	properties_add(subject);
	life_add(subject);
	frames_add(subject);
	passage_add(subject);
	services_add(subject);
	interfaces_add(subject);
}

/* Cuts argv at --peer; NULL: there is none. */
static const char *const *
split_peer(char **argv)
{
	for (; *argv; argv++)
		if (strcmp(*argv, "--peer") == 0) {
			*argv = NULL;
			return (const char *const *)argv + 1;
		}
	return NULL;
}

/* How many drivers were added; 0 with a message for people. */
static guint
add_drivers(JfContext *context, char **argv, const char *const *peer)
{
	const char *path = argv[1], *id = argv[2] && !strchr(argv[2], '=') ? argv[2] : NULL;
	const char *const *arguments = (const char *const *)argv + (id ? 3 : 2);
	g_autoptr(GError) error = NULL;
	const JfDriverInfo *infos;
	guint n, added = 0;

	if (!jf_context_load_plugin(context, path, &error)) {
		g_printerr("%s\n", error->message);
		return 0;
	}
	infos = jf_context_list_drivers(context, &n);
	for (guint i = 0; i < n; i++)
		if (infos[i].path && (!id || g_ascii_strcasecmp(infos[i].driver->id, id) == 0)) {
			add_driver(infos[i].driver, arguments, peer);
			added++;
		}
	if (!added)
		g_printerr("%s has no driver '%s'\n", path, id ? id : "");
	return added;
}

int
main(int argc, char **argv)
{
	JfContext *context;
	const char *const *peer;
	int result;

	g_test_init(&argc, &argv, NULL);
	if (argc < 2) {
		g_printerr("usage: %s PLUGIN.so [DRIVER] [key=value...] [--peer key=value...]\n",
			   argv[0]);
		return 2;
	}
	peer = split_peer(argv);
	context = jf_context_new(NULL, NULL);
	result = add_drivers(context, argv, peer) ? g_test_run() : 1;
	jf_context_free(context);
	return result;
}
