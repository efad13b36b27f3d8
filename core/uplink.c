/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uplink.c - how a driver of a program with a daemon gets onto a named network: the calls of
 * "jf.switch/1".
 *
 * The switch is the daemon's, so that cards of several programs meet. A join never waits: where the
 * daemon does not answer, or goes, the line is down, frames are dropped and counted, and the uplink
 * tries again. A sender is told to wait when the ring to the daemon is full.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "context.h"
#include "instance.h"
#include "uplink-private.h"

struct JfUplinks {
	char *path; /* the daemon's socket */
	pthread_mutex_t lock;
	Uplink *first;
};

/* ---- All uplinks ---- */

JfUplinks *
jf_uplinks_new(const char *runtime_dir, GError **error)
{
	g_autofree char *path = g_build_filename(runtime_dir, JF_UPLINK_SOCKET, NULL);
	JfUplinks *uplinks;

	if (!g_path_is_absolute(path) ||
	    strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "runtime directory %s: wanted is an absolute name short enough for a "
			    "socket in it",
			    runtime_dir);
		return NULL;
	}
	uplinks = g_new0(JfUplinks, 1);
	uplinks->path = g_steal_pointer(&path);
	pthread_mutex_init(&uplinks->lock, NULL);
	return uplinks;
}

void
jf_uplinks_free(JfUplinks *uplinks)
{
	if (!uplinks)
		return;
	pthread_mutex_destroy(&uplinks->lock);
	g_free(uplinks->path);
	g_free(uplinks);
}

const char *
uplinks_get_path(const JfUplinks *uplinks)
{
	return uplinks->path;
}

static void
uplinks_add(JfUplinks *uplinks, Uplink *uplink)
{
	pthread_mutex_lock(&uplinks->lock);
	uplink->next = uplinks->first;
	uplinks->first = uplink;
	pthread_mutex_unlock(&uplinks->lock);
}

static void
uplinks_remove(JfUplinks *uplinks, const Uplink *uplink)
{
	pthread_mutex_lock(&uplinks->lock);
	for (Uplink **at = &uplinks->first; *at; at = &(*at)->next) {
		if (*at == uplink) {
			*at = uplink->next;
			break;
		}
	}
	pthread_mutex_unlock(&uplinks->lock);
}

static Uplink *
uplinks_find(JfUplinks *uplinks, const JfInstance *inst)
{
	Uplink *found;

	pthread_mutex_lock(&uplinks->lock);
	for (found = uplinks->first; found && found->inst != inst; found = found->next)
		;
	pthread_mutex_unlock(&uplinks->lock);
	return found;
}

/* ---- One uplink ---- */

static void
uplink_free(Uplink *uplink)
{
	if (uplink->event >= 0)
		close(uplink->event);
	pthread_mutex_destroy(&uplink->lock);
	g_free(uplink->said);
	g_free(uplink);
}

static gboolean
copy_text(char *to, gsize size, const char *from, const char *what, GError **error)
{
	if (g_strlcpy(to, from, size) < size && *from)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s \"%.160s\": valid are 1 to %u bytes", what,
		    from, (guint)size - 1);
	return FALSE;
}

static gboolean
uplink_fill_request(Uplink *uplink, const char *network, GError **error)
{
	JfUplinkRequest *request = &uplink->request;

	memcpy(request->magic, JF_UPLINK_MAGIC, sizeof request->magic);
	memcpy(request->mac, uplink->join.mac, sizeof request->mac);
	g_strlcpy(request->name, uplink->inst->name, sizeof request->name);
	return copy_text(request->driver, sizeof request->driver, uplink->inst->driver->id,
			 "driver", error) &&
	       copy_text(request->network, sizeof request->network, network, "network name", error);
}

static void
uplink_init(Uplink *uplink, JfInstance *inst, const JfSwitchJoin *join)
{
	JfInstanceFull *full = jf_instance_full(inst);

	uplink->inst = inst;
	uplink->host = inst->host;
	uplink->uplinks = full->context->uplinks;
	memcpy(&uplink->join, join, MIN(join->struct_size, sizeof uplink->join));
	uplink->policy = (gint)uplink->join.promiscuous;
	uplink->fd = uplink->memory_fd = uplink->rx.kick = uplink->tx.kick = -1;
	uplink->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_mutex_init(&uplink->lock, NULL);
	uplink->connects = jf_instance_get_counter(full, "daemon-connects");
	uplink->away = jf_instance_get_counter(full, "daemon-away");
	uplink->lost = jf_instance_get_counter(full, "daemon-lost");
	uplink->broken = jf_instance_get_counter(full, "daemon-broken");
}

static gboolean
uplink_check_join(const Uplink *uplink, GError **error)
{
	const JfSwitchJoin *join = &uplink->join;

	if (join->role != JF_PORT_CARD)
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s: networks are the daemon's, and so are their services",
			    uplink->inst->name);
	else if (!join->deliver || join->promiscuous > JF_PROMISC_ALLOW_ALL)
		g_set_error(error, JF_ERROR, JF_ERROR_PLUGIN,
			    "%s: JfSwitchJoin: deliver is missing, or promiscuous is none of "
			    "JfPromiscuous",
			    uplink->inst->name);
	else
		return TRUE;
	return FALSE;
}

/* ---- The interface ---- */

static JfSwitchPort *
uplink_join(JfInstance *inst, const char *name, const JfSwitchJoin *join, GError **error)
{
	Uplink *uplink = g_new0(Uplink, 1);

	uplink_init(uplink, inst, join);
	if (!uplink_check_join(uplink, error) || !uplink_fill_request(uplink, name, error) ||
	    !uplink_link_start(uplink, error)) {
		uplink_free(uplink);
		return NULL;
	}
	uplinks_add(uplink->uplinks, uplink);
	return (JfSwitchPort *)uplink;
}

static void
uplink_leave(JfSwitchPort *port)
{
	Uplink *uplink = (Uplink *)port;

	if (!uplink)
		return;
	uplinks_remove(uplink->uplinks, uplink);
	uplink_link_stop(uplink);
	uplink_free(uplink);
}

static guint
uplink_send(JfSwitchPort *port, const JfFrame *frames, guint n)
{
	return uplink_rings_send((Uplink *)port, frames, n);
}

static void
uplink_room(JfSwitchPort *port)
{
	Uplink *uplink = (Uplink *)port;

	if (g_atomic_int_compare_and_exchange(&uplink->blocked, TRUE, FALSE))
		uplink_wake(uplink);
}

static void
uplink_set_promiscuous(JfSwitchPort *port, guint32 policy)
{
	Uplink *uplink = (Uplink *)port;

	g_atomic_int_set(&uplink->policy,
			 (gint)(policy > JF_PROMISC_ALLOW_ALL ? JF_PROMISC_DENY : policy));
	uplink_wake(uplink);
}

void
jf_uplinks_leave_all(JfUplinks *uplinks, JfInstance *inst)
{
	Uplink *uplink;

	while (uplinks && (uplink = uplinks_find(uplinks, inst)))
		uplink_leave((JfSwitchPort *)uplink);
}

void
jf_uplinks_set_promiscuous(JfUplinks *uplinks, JfInstance *inst, guint32 policy)
{
	if (!uplinks)
		return;
	pthread_mutex_lock(&uplinks->lock);
	for (Uplink *uplink = uplinks->first; uplink; uplink = uplink->next) {
		if (uplink->inst == inst)
			uplink_set_promiscuous((JfSwitchPort *)uplink, policy);
	}
	pthread_mutex_unlock(&uplinks->lock);
}

const JfSwitch *
jf_uplink_get_interface(void)
{
	static const JfSwitch iface = {
		.struct_size = sizeof(JfSwitch),
		.join = uplink_join,
		.leave = uplink_leave,
		.send = uplink_send,
		.room = uplink_room,
		.set_promiscuous = uplink_set_promiscuous,
	};

	return &iface;
}
