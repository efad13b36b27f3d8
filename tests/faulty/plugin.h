/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plugin.h - a plugin in which everything is right; each source around it breaks one rule. */
#ifndef JF_TEST_FAULTY_H
#define JF_TEST_FAULTY_H

#include "jackfield/driver.h"

static inline gboolean
good_init(JfInstance *inst, GError **error)
{
	(void)inst;
	(void)error;
	return TRUE;
}

static inline void
good_finish(JfInstance *inst)
{
	(void)inst;
}

static inline guint
good_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	(void)inst;
	(void)port;
	(void)frames;
	return n;
}

/* The fields of a good driver; a later designated initialiser would be a warning, so each is apart. */
#define GOOD_BLURB .blurb = "A driver for a test."
#define GOOD_CALLS .init = good_init, .finish = good_finish, .input = good_input
#define GOOD_PLUGIN_TEXTS .version = "1.0", .license = "LGPL-2.1-or-later", .blurb = "For a test."

/* A plugin named `plugin_name` with the one driver `driver_symbol`. */
#define PLUGIN(plugin_name, driver_symbol)                                                       \
	static const JfDriver *const drivers[] = { &(driver_symbol), NULL };                     \
	static const JfPlugin plugin = { JF_PLUGIN_HEAD, GOOD_PLUGIN_TEXTS, .name = plugin_name, \
					 .drivers = drivers };                                   \
	const JfPlugin *jf_plugin_query(void)                                                    \
	{                                                                                        \
		return &plugin;                                                                  \
	}

/* A driver that is right but for its table. */
#define PLUGIN_WITH_PROPS(plugin_name, table)                                           \
	static const JfDriver driver = { JF_DRIVER_HEAD,    .kind = JF_KIND_ATTACHMENT, \
					 .id = plugin_name, .props = table,             \
					 GOOD_BLURB,        GOOD_CALLS };               \
	PLUGIN(plugin_name, driver)

#endif
