/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-resolv.c - the host's resolvers and search list, followed as they change.
 *
 * The file is often a link into a directory of a resolver's (systemd-resolved, resolvconf) and is
 * replaced as often as it is written: its own directory, the one that it leads to and the file itself
 * are watched, and any event has it read again. Where the kernel gives no more inotify instances it
 * is read again on use, at most once a second.
 *
 * Guests are told the engine's name server. With dns-proxy=off they are told the host's own
 * resolvers, but for loopback addresses, which would be the guest itself to it.
 */
#include <net/if.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "nat-services.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define LISTENERS 4u
#define LABEL_MAX 63u
#define AGE_NS G_GUINT64_CONSTANT(1000000000)
#define DIRECTORY_EVENTS \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ONLYDIR)
#define FILE_EVENTS (IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

typedef struct Listener {
	NatResolvFunc func;
	gpointer data;
} Listener;

typedef struct Resolv {
	NatEngine *engine;
	const char *path;
	NatResolvConf conf;
	char *text; /* what `conf` was read from */
	guint64 read_at;
	int inotify;
	JfWatch *watch;
	Listener listeners[LISTENERS];
} Resolv;

/* ---- The file ---- */

/* Labels of 1..63 letters, digits, '-' and '_' with dots between them. */
static gboolean
domain_copy(char *out, const char *word)
{
	gsize len = strlen(word);
	guint label = 0;

	if (len && word[len - 1] == '.')
		len--;
	if (!len || len > NAT_DOMAIN_MAX)
		return FALSE;
	for (gsize i = 0; i < len; i++) {
		if (word[i] == '.' ? label == 0
				   : !g_ascii_isalnum(word[i]) && word[i] != '-' && word[i] != '_')
			return FALSE;
		label = word[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return FALSE;
		out[i] = g_ascii_tolower(word[i]);
	}
	out[len] = '\0';
	return label > 0;
}

/* The last line of its kind counts. */
static void
conf_set_domains(NatResolvConf *conf, char **words)
{
	conf->n_domains = 0;
	for (guint i = 0; words[i] && conf->n_domains < NAT_DOMAINS_MAX; i++)
		if (domain_copy(conf->domains[conf->n_domains], words[i]))
			conf->n_domains++;
}

static void
conf_add_server(NatResolvConf *conf, char *word)
{
	NatResolver *server = &conf->servers[conf->n_servers];
	char *scope = strchr(word, '%');

	if (conf->n_servers == NAT_RESOLVERS_MAX)
		return;
	if (scope)
		*scope++ = '\0';
	if (!nat_address_parse(word, &server->address))
		return;
	server->scope = scope ? if_nametoindex(scope) : 0;
	if (scope && !server->scope)
		server->scope = (guint32)g_ascii_strtoull(scope, NULL, 10);
	/* 0.0.0.0 is this host (resolv.conf(5) of BIND). */
	if (nat_address_is_v4(&server->address) && !nat_address_get_v4(&server->address))
		server->address = nat_address_v4(INADDR_LOOPBACK);
	conf->n_servers++;
}

static char **
split_words(const char *line)
{
	char **words = g_strsplit_set(line, " \t\r", -1);
	guint n = 0;

	for (guint i = 0; words[i]; i++) {
		if (*words[i])
			words[n++] = words[i];
		else
			g_free(words[i]);
	}
	words[n] = NULL;
	return words;
}

void
nat_resolv_parse(NatResolvConf *conf, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	memset(conf, 0, sizeof *conf);
	for (guint i = 0; lines[i]; i++) {
		g_auto(GStrv) words = split_words(lines[i]);

		if (!words[0] || !words[1])
			continue;
		if (strcmp(words[0], "nameserver") == 0)
			conf_add_server(conf, words[1]);
		else if (strcmp(words[0], "search") == 0 || strcmp(words[0], "domain") == 0)
			conf_set_domains(conf, words + 1);
	}
	if (conf->n_servers == 0)
		conf->servers[conf->n_servers++].address = nat_address_v4(INADDR_LOOPBACK);
}

/* TRUE: it says something else than before. */
static gboolean
resolv_load(Resolv *resolv)
{
	JfInstance *inst = nat_engine_get_instance(resolv->engine);
	g_autofree char *text = NULL;

	resolv->read_at = inst->host->now(inst, JF_CLOCK_MONOTONIC);
	if (!g_file_get_contents(resolv->path, &text, NULL, NULL))
		text = g_strdup("");
	if (g_strcmp0(text, resolv->text) == 0)
		return FALSE;
	g_free(resolv->text);
	resolv->text = g_steal_pointer(&text);
	nat_resolv_parse(&resolv->conf, resolv->text);
	return TRUE;
}

/* ---- Changes ---- */

static void
resolv_tell(Resolv *resolv)
{
	for (guint i = 0; i < LISTENERS; i++)
		if (resolv->listeners[i].func)
			resolv->listeners[i].func(resolv->engine, resolv->listeners[i].data);
}

static void
resolv_add_marks(const Resolv *resolv)
{
	g_autofree char *dir = g_path_get_dirname(resolv->path);
	char *real = realpath(resolv->path, NULL);

	inotify_add_watch(resolv->inotify, dir, DIRECTORY_EVENTS);
	inotify_add_watch(resolv->inotify, resolv->path, FILE_EVENTS);
	if (real) {
		g_autofree char *real_dir = g_path_get_dirname(real);

		inotify_add_watch(resolv->inotify, real_dir, DIRECTORY_EVENTS);
	}
	free(real);
}

/* The marks first: what happens after the file was read is another event. */
static void
resolv_changed(JfInstance *inst, int fd, guint32 events, gpointer data)
{
	Resolv *resolv = data;
	char buf[4096];

	(void)inst;
	(void)events;
	if (read(fd, buf, sizeof buf) <= 0)
		return;
	resolv_add_marks(resolv);
	if (resolv_load(resolv))
		resolv_tell(resolv);
}

static Resolv *
resolv_find(NatEngine *engine)
{
	return nat_service_get_state(engine, &nat_service_resolv);
}

const NatResolvConf *
nat_resolv_get(NatEngine *engine)
{
	Resolv *resolv = resolv_find(engine);
	JfInstance *inst = nat_engine_get_instance(engine);

	if (!resolv->watch &&
	    inst->host->now(inst, JF_CLOCK_MONOTONIC) - resolv->read_at >= AGE_NS &&
	    resolv_load(resolv))
		resolv_tell(resolv);
	return &resolv->conf;
}

void
nat_resolv_listen(NatEngine *engine, NatResolvFunc func, gpointer data)
{
	Resolv *resolv = resolv_find(engine);

	for (guint i = 0; resolv && i < LISTENERS; i++) {
		Listener *listener = &resolv->listeners[i];

		if (func ? listener->func != NULL : listener->data != data)
			continue;
		*listener = (Listener){ func, func ? data : NULL };
		return;
	}
}

/* ---- What guests are told ---- */

/* Mapped names are known to the engine's name server only. */
static gboolean
is_proxy(const NatConfig *config)
{
	return config->dns_proxy || config->dns_host_resolver || config->dns_mappings;
}

void
nat_resolv_list(NatEngine *engine, gboolean ipv6, NatAddress *list, guint *n)
{
	const NatConfig *config = nat_engine_get_config(engine);
	const NatResolvConf *conf = nat_resolv_get(engine);

	*n = 0;
	for (guint i = 0; !is_proxy(config) && i < conf->n_servers; i++) {
		const NatAddress *a = &conf->servers[i].address;

		if (nat_address_is_v4(a) == !ipv6 && !nat_address_is_loopback(a) &&
		    !nat_address_is_link_local(a))
			list[(*n)++] = *a;
	}
	if (*n == 0)
		list[(*n)++] = ipv6 ? config->name_server6 : config->name_server4;
}

gsize
nat_resolv_put_domains(NatEngine *engine, guint8 *out, gsize size)
{
	const NatResolvConf *conf = nat_resolv_get(engine);
	gsize len = 0;

	if (!nat_engine_get_config(engine)->dns_pass_domain)
		return 0;
	for (guint i = 0; i < conf->n_domains; i++) {
		gsize more = nat_dns_put_name(conf->domains[i], out + len, size - len);

		if (!more)
			break;
		len += more;
	}
	return len;
}

/* ---- Life ---- */

static gboolean
resolv_start(NatEngine *engine, gpointer *state, GError **error)
{
	const NatConfig *config = nat_engine_get_config(engine);
	JfInstance *inst = nat_engine_get_instance(engine);
	Resolv *resolv = g_new0(Resolv, 1);

	(void)error;
	resolv->engine = engine;
	resolv->path = config->resolv_conf ? config->resolv_conf : RESOLV_CONF;
	resolv->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (resolv->inotify >= 0) {
		resolv_add_marks(resolv);
		resolv->watch = inst->host->watch_add(inst, resolv->inotify, EPOLLIN,
						      resolv_changed, resolv);
	}
	resolv_load(resolv);
	*state = resolv;
	return TRUE;
}

static void
resolv_stop(NatEngine *engine, gpointer state)
{
	Resolv *resolv = state;

	if (resolv->watch)
		nat_engine_get_instance(engine)->host->watch_remove(resolv->watch);
	if (resolv->inotify >= 0)
		close(resolv->inotify);
	g_free(resolv->text);
	g_free(resolv);
}

const NatService nat_service_resolv = {
	.name = "resolv",
	.start = resolv_start,
	.stop = resolv_stop,
};
