/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* newer-minor.c - built with a later header: every struct is longer than this ABI knows. */
#include "plugin.h"

typedef struct NewerRow {
	JfPropSpec row;
	const char *unit;
	guint64 more;
} NewerRow;

typedef struct NewerDriver {
	JfDriver driver;
	void (*later)(JfInstance *);
} NewerDriver;

typedef struct NewerPlugin {
	JfPlugin plugin;
	const char *homepage;
} NewerPlugin;

static const NewerRow rows[] = {
	{ { .name = "first", .type = JF_PROP_INT, .def = "1", .blurb = "A number." }, "s", 1 },
	{ { .name = "second", .type = JF_PROP_BOOL, .def = "on", .blurb = "A switch." }, "ms", 2 },
	{ { 0 }, NULL, 0 },
};

static const NewerDriver driver = {
	.driver = { .struct_size = sizeof(NewerDriver),
		    .prop_stride = sizeof(NewerRow),
		    .kind = JF_KIND_ATTACHMENT,
		    .id = "newer-minor",
		    .props = &rows[0].row,
		    GOOD_BLURB,
		    GOOD_CALLS },
	.later = good_finish,
};
static const JfDriver *const drivers[] = { &driver.driver, NULL };
static const NewerPlugin plugin = {
	.plugin = { .struct_size = sizeof(NewerPlugin),
		    .abi_major = JF_ABI_MAJOR,
		    .abi_minor = JF_ABI_MINOR + 7,
		    .name = "newer-minor",
		    GOOD_PLUGIN_TEXTS,
		    .drivers = drivers },
	.homepage = "https://example.org/",
};

const JfPlugin *
jf_plugin_query(void)
{
	return &plugin.plugin;
}
