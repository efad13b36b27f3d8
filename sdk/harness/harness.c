/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* harness.c - the harness's instance: life, properties, state, what the driver said. */
#include "internal.h"

#include <gmodule.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CLOCK_START (1000 * G_GUINT64_CONSTANT(1000000000))

static const JfDriver *
find_driver(const JfPlugin *plugin, const char *id)
{
	for (guint i = 0; plugin->drivers[i]; i++)
		if (!id || g_ascii_strcasecmp(plugin->drivers[i]->id, id) == 0)
			return plugin->drivers[i];
	return NULL;
}

const JfDriver *
jf_harness_load(const char *path, const char *id, GError **error)
{
	const JfDriver *driver;
	const JfPlugin *plugin;
	GModule *module;
	gpointer query;

	if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "no plugin file '%s'", path);
		return NULL;
	}
	module = g_module_open(path, G_MODULE_BIND_LOCAL);
	if (!module || !g_module_symbol(module, "jf_plugin_query", &query)) {
		g_set_error(error, JF_ERROR, JF_ERROR_PLUGIN, "%s is no plugin: %s", path,
			    g_module_error());
		return NULL;
	}
	g_module_make_resident(module);
	plugin = ((JfPluginQueryFunc)query)();
	if (plugin->abi_major != JF_ABI_MAJOR) {
		g_set_error(error, JF_ERROR, JF_ERROR_ABI, "%s has ABI %u, this harness %u", path,
			    plugin->abi_major, JF_ABI_MAJOR);
		return NULL;
	}
	driver = find_driver(plugin, id);
	if (!driver)
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "%s has no driver '%s'", path,
			    id ? id : "");
	return driver;
}

static guint
kind_ports(guint32 kind)
{
	switch (kind) {
	case JF_KIND_MODEL:
	case JF_KIND_CONNECTOR:
	case JF_KIND_ATTACHMENT:
		return 1;
	case JF_KIND_FILTER:
		return 2;
	default:
		return 0;
	}
}

static void
init_poll(JfHarness *h)
{
	struct epoll_event event = { .events = EPOLLIN };

	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->epoll < 0 || h->wake < 0 || epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->wake, &event) < 0)
		g_error("the harness cannot poll: %s", g_strerror(errno));
}

JfHarness *
jf_harness_new(const JfDriver *driver, const char *const *properties, GError **error)
{
	static const guint8 mac[6] = { 0x08, 0x00, 0x27, 0x00, 0x00, 0x01 };
	JfCardInfo card = { .struct_size = sizeof card, .machine = "harness" };
	JfHarness *h = g_new0(JfHarness, 1);

	memcpy(&h->driver, driver, MIN(driver->struct_size, sizeof h->driver));
	h->properties = jf_property_set_new(&h->driver, properties, error);
	if (!h->properties) {
		g_free(h);
		return NULL;
	}
	h->inst = (JfInstance){ .struct_size = sizeof h->inst,
				.host = &harness_host,
				.driver = &h->driver,
				.priv = g_malloc0(MAX(1, h->driver.priv_size)) };
	h->inst.name = h->name = g_strdup_printf("harness/1/%s", h->driver.id);
	h->thread = g_thread_self();
	h->ports = kind_ports(h->driver.kind);
	h->pieces = 1;
	h->now = CLOCK_START;
	g_mutex_init(&h->lock);
	for (guint i = 0; i < HARNESS_MAX_PORTS; i++)
		line_init(&h->lines[i], JF_DRIVER_GET_OFFLOADS(h->driver.flags));
	h->joins = g_ptr_array_new();
	h->counters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	h->log = g_string_new(NULL);
	h->timers = g_ptr_array_new();
	h->watches = g_ptr_array_new();
	h->pollers = g_ptr_array_new();
	h->memory = g_array_new(FALSE, FALSE, sizeof(JfDeviceMemory));
	init_poll(h);
	memcpy(card.mac, mac, sizeof card.mac);
	jf_harness_set_card(h, &card);
	return h;
}

static void
clear_joins(JfHarness *h)
{
	for (guint i = 0; i < h->joins->len; i++) {
		JfSwitchPort *port = g_ptr_array_index(h->joins, i);

		line_clear(&port->line);
		g_free(port->network);
		g_free(port);
	}
	g_ptr_array_unref(h->joins);
}

void
jf_harness_free(JfHarness *h)
{
	if (!h)
		return;
	jf_harness_finish(h);
	for (guint i = 0; i < HARNESS_MAX_PORTS; i++)
		line_clear(&h->lines[i]);
	clear_joins(h);
	g_hash_table_unref(h->counters);
	g_string_free(h->log, TRUE);
	g_clear_error(&h->failure);
	g_free(h->violation);
	g_ptr_array_unref(h->timers);
	g_ptr_array_unref(h->watches);
	g_ptr_array_unref(h->pollers);
	while (h->memory->len)
		jf_harness_remove_memory(h, g_array_index(h->memory, JfDeviceMemory, 0).address);
	g_array_unref(h->memory);
	g_queue_clear(&h->msix);
	close(h->epoll);
	close(h->wake);
	jf_harness_set_card(h, NULL);
	jf_property_set_free(h->properties);
	g_mutex_clear(&h->lock);
	g_free(h->inst.priv);
	g_free(h->name);
	g_free(h);
}

/* The driver gives its error exactly when it says FALSE. */
static gboolean
check_result(JfHarness *h, const char *what, gboolean ok, GError *mine, GError **error)
{
	if (ok && mine)
		harness_violate(h, "%s returned TRUE with an error", what);
	if (!ok && !mine)
		harness_violate(h, "%s returned FALSE without an error", what);
	if (mine && mine->domain != JF_ERROR)
		harness_violate(h, "the error of %s is of domain %s, not JF_ERROR", what,
				g_quark_to_string(mine->domain));
	if (ok)
		g_clear_error(&mine);
	else if (mine)
		g_propagate_error(error, mine);
	else
		g_set_error(error, JF_ERROR, JF_ERROR_PLUGIN, "%s failed without an error", what);
	return ok;
}

static void
run_finish(JfHarness *h)
{
	h->driver.finish(&h->inst);
	h->inited = FALSE;
	harness_clear_leftovers(h);
}

gboolean
jf_harness_init(JfHarness *h, GError **error)
{
	GError *mine = NULL;
	gboolean ok;

	g_return_val_if_fail(!h->inited, FALSE);
	h->inited = h->in_init = TRUE;
	ok = h->driver.init(&h->inst, &mine);
	h->in_init = FALSE;
	if (!ok)
		run_finish(h);
	return check_result(h, "init", ok, mine, error);
}

gboolean
jf_harness_start(JfHarness *h, GError **error)
{
	GError *mine = NULL;
	gboolean ok;

	g_return_val_if_fail(h->inited && !h->started, FALSE);
	__atomic_store_n(&h->started, TRUE, __ATOMIC_RELEASE);
	ok = !h->driver.start || h->driver.start(&h->inst, &mine);
	__atomic_store_n(&h->started, ok, __ATOMIC_RELEASE);
	for (guint i = 0; ok && h->driver.link && i < h->ports; i++)
		h->driver.link(&h->inst, i, h->lines[i].far_up);
	return check_result(h, "start", ok, mine, error);
}

void
jf_harness_stop(JfHarness *h)
{
	if (!h->started)
		return;
	if (h->driver.stop)
		h->driver.stop(&h->inst);
	__atomic_store_n(&h->started, FALSE, __ATOMIC_RELEASE);
}

void
jf_harness_finish(JfHarness *h)
{
	jf_harness_stop(h);
	if (h->inited)
		run_finish(h);
}

JfInstance *
jf_harness_get_instance(JfHarness *h)
{
	return &h->inst;
}

guint
jf_harness_get_ports(JfHarness *h)
{
	return h->ports;
}

void
jf_harness_set_card(JfHarness *h, const JfCardInfo *card)
{
	for (guint i = 0; i < G_N_ELEMENTS(h->card_strings); i++)
		g_clear_pointer(&h->card_strings[i], g_free);
	h->has_card = card != NULL;
	h->service = (JfServiceInfo){ .struct_size = sizeof(JfServiceInfo), .name = "harness" };
	if (!card)
		return;
	h->card = *card;
	h->card.machine = h->card_strings[0] = g_strdup(card->machine);
	h->card.config_dir = h->card_strings[1] = g_strdup(card->config_dir);
	h->card.runtime_dir = h->card_strings[2] = g_strdup(card->runtime_dir);
	h->service = (JfServiceInfo){ .struct_size = sizeof(JfServiceInfo),
				      .name = h->card.machine,
				      .config_dir = h->card.config_dir,
				      .runtime_dir = h->card.runtime_dir };
}

static const JfPropSpec *
find_spec(JfHarness *h, const char *name)
{
	const JfPropSpec *spec;

	for (guint i = 0; (spec = jf_driver_get_prop(&h->driver, i)); i++)
		if (g_ascii_strcasecmp(spec->name, name) == 0)
			return spec;
	return NULL;
}

gboolean
jf_harness_set_property(JfHarness *h, const char *name, const char *value, GError **error)
{
	const JfPropSpec *spec = find_spec(h, name);
	g_autofree char *old = NULL;
	GError *mine = NULL;
	gboolean ok;

	if (spec && h->started && !(spec->flags & JF_PROP_LIVE)) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "property '%s' of %s is not live",
			    name, h->driver.id);
		return FALSE;
	}
	if (spec)
		old = g_strdup(jf_property_set_get(h->properties, spec->name)->text);
	if (!jf_property_set_change(h->properties, name, value, error))
		return FALSE;
	if (!h->inited || !(spec->flags & JF_PROP_LIVE))
		return TRUE;
	ok = h->driver.changed(&h->inst, spec->name, &mine);
	if (!ok && !jf_property_set_change(h->properties, spec->name, old, NULL))
		harness_violate(h, "the old value of '%s' is no longer valid", spec->name);
	return check_result(h, "changed", ok, mine, error);
}

static const JfState *
find_state(JfHarness *h, GError **error)
{
	const JfState *state = h->driver.query ? h->driver.query(&h->inst, JF_STATE_IID) : NULL;

	if (!state)
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED, "%s has no state to save",
			    h->driver.id);
	return state;
}

GVariant *
jf_harness_save(JfHarness *h, GError **error)
{
	const JfState *state = find_state(h, error);
	g_autoptr(GVariant) saved = NULL;
	GError *mine = NULL;

	g_return_val_if_fail(h->inited && !h->started, NULL);
	if (!state)
		return NULL;
	saved = state->save(&h->inst, &mine);
	if (!check_result(h, "save", saved != NULL, mine, error))
		return NULL;
	g_variant_ref_sink(saved);
	if (!g_variant_is_of_type(saved, G_VARIANT_TYPE_VARDICT))
		harness_violate(h, "save gave a %s, not a{sv}", g_variant_get_type_string(saved));
	return g_variant_get_normal_form(saved);
}

gboolean
jf_harness_load_state(JfHarness *h, guint32 version, GVariant *saved, GError **error)
{
	const JfState *state = find_state(h, error);
	GError *mine = NULL;
	gboolean ok;

	g_return_val_if_fail(h->inited && !h->started, FALSE);
	if (!state)
		return FALSE;
	ok = state->load(&h->inst, version, saved, &mine);
	return check_result(h, "load", ok, mine, error);
}

guint64
jf_harness_get_counter(JfHarness *h, const char *name, gboolean *found)
{
	guint64 *counter;
	guint64 value;

	g_mutex_lock(&h->lock);
	counter = g_hash_table_lookup(h->counters, name);
	value = counter ? __atomic_load_n(counter, __ATOMIC_RELAXED) : 0;
	g_mutex_unlock(&h->lock);
	if (found)
		*found = counter != NULL;
	return value;
}

const GError *
jf_harness_get_failure(JfHarness *h)
{
	const GError *failure;

	g_mutex_lock(&h->lock);
	failure = h->failure;
	g_mutex_unlock(&h->lock);
	return failure;
}

char *
jf_harness_get_log(JfHarness *h)
{
	char *text;

	g_mutex_lock(&h->lock);
	text = g_strdup(h->log->str);
	g_mutex_unlock(&h->lock);
	return text;
}

const char *
jf_harness_get_violation(JfHarness *h)
{
	const char *violation;

	g_mutex_lock(&h->lock);
	violation = h->violation;
	g_mutex_unlock(&h->lock);
	return violation;
}

void
harness_violate(JfHarness *h, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_mutex_lock(&h->lock);
	if (!h->violation)
		h->violation = g_strdup_vprintf(format, args);
	g_mutex_unlock(&h->lock);
	va_end(args);
}

void
harness_check_thread(JfHarness *h, const char *service)
{
	if (g_thread_self() != h->thread)
		harness_violate(h, "%s called on another thread than the worker", service);
	else if (!h->inited && !h->in_init)
		harness_violate(h, "%s called before init or after finish", service);
}

gboolean
harness_fails(JfHarness *h, JfHarnessService service)
{
	Break *broken = &h->breaks[service];
	gboolean fails = FALSE;

	g_mutex_lock(&h->lock);
	broken->calls++;
	if (broken->times && broken->after == 0) {
		broken->times--;
		fails = TRUE;
	} else if (broken->times) {
		broken->after--;
	}
	g_mutex_unlock(&h->lock);
	return fails;
}

void
jf_harness_break(JfHarness *h, JfHarnessService service, guint after, guint times)
{
	g_mutex_lock(&h->lock);
	h->breaks[service].after = after;
	h->breaks[service].times = times;
	g_mutex_unlock(&h->lock);
}

guint
jf_harness_get_calls(JfHarness *h, JfHarnessService service)
{
	guint calls;

	g_mutex_lock(&h->lock);
	calls = h->breaks[service].calls;
	g_mutex_unlock(&h->lock);
	return calls;
}
