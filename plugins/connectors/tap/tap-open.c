/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap-open.c - where the tap device comes from: a name, a name in another network namespace, or an
 * fd of the program.
 *
 * Another namespace is entered by a child process, so that no thread of this one ever leaves its
 * own. The child shares the table of open files: what it opens is open here. It shares no memory
 * but the page of the reply, and it ends without a signal, so that no handler or wait of the program
 * learns of it.
 */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* As fork does, but for the flags; all other arguments are zero, so their order, which differs
 * between architectures, does not matter. s390 has the stack in front. */
static pid_t
child_new(void)
{
#ifdef __s390__
	return (pid_t)syscall(SYS_clone, 0ul, (unsigned long)CLONE_FILES, 0ul, 0ul, 0ul);
#else
	return (pid_t)syscall(SYS_clone, (unsigned long)CLONE_FILES, 0ul, 0ul, 0ul, 0ul);
#endif
}

static gboolean
open_in_child(const TapRequest *request, TapReply *shared)
{
	pid_t child = child_new();
	int status;

	if (child == 0) {
		tap_device_open(request, shared);
		syscall(SYS_exit_group, 0);
	}
	if (child < 0)
		return FALSE;
	while (waitpid(child, &status, __WALL) < 0)
		if (errno != EINTR)
			return FALSE;
	if (WIFEXITED(status))
		return TRUE;
	errno = EINTR;
	return FALSE;
}

static void
open_elsewhere(const TapRequest *request, TapReply *reply)
{
	TapReply *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	reply->step = TAP_STEP_NETNS;
	if (shared == MAP_FAILED) {
		reply->err = errno;
		return;
	}
	*shared = (TapReply){ .fd = -1 };
	if (open_in_child(request, shared))
		*reply = *shared;
	else
		reply->err = errno;
	munmap(shared, sizeof *shared);
}

/* A name is one of "ip netns". */
static gboolean
netns_open(TapRequest *request, const char *netns, GError **error)
{
	g_autofree char *path = *netns == '/' ? g_strdup(netns)
					      : g_build_filename("/run/netns", netns, NULL);
	gboolean is_name = *netns == '/' || !strchr(netns, '/');

	request->netns = is_name ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (request->netns < 0) {
		g_set_error(
			error, JF_ERROR, errno == EACCES ? JF_ERROR_PERMISSION : JF_ERROR_NOT_FOUND,
			"cannot open network namespace '%s': %s", netns,
			is_name ? g_strerror(errno) : "it is neither a name nor an absolute path");
		return FALSE;
	}
	if (ioctl(request->netns, NS_GET_NSTYPE) == CLONE_NEWNET) {
		request->userns = ioctl(request->netns, NS_GET_USERNS);
		return TRUE;
	}
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s is not a network namespace", path);
	return FALSE;
}

static void
netns_close(TapRequest *request)
{
	if (request->netns >= 0)
		close(request->netns);
	if (request->userns >= 0)
		close(request->userns);
	request->netns = request->userns = -1;
}

static gboolean
open_named(Tap *tap, guint32 *offloads, GError **error)
{
	const char *netns = jf_property_string(tap->inst, "netns");
	TapReply reply = { .fd = -1 };
	TapRequest request;

	tap_config_request(tap->inst, &request);
	if (netns && !netns_open(&request, netns, error)) {
		netns_close(&request);
		return FALSE;
	}
	if (netns)
		open_elsewhere(&request, &reply);
	else
		tap_device_open(&request, &reply);
	netns_close(&request);
	if (reply.step != TAP_STEP_DONE) {
		tap_config_fail(tap->inst, &request, &reply, error);
		return FALSE;
	}
	tap->fd = reply.fd;
	tap->head_len = request.vnet_hdr ? sizeof(struct virtio_net_hdr) : 0;
	*offloads = reply.offloads;
	g_strlcpy(tap->ifname, reply.ifname, sizeof tap->ifname);
	return TRUE;
}

static gboolean
fd_fail(gint64 fd, const char *why, GError **error)
{
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "fd %d cannot be used: %s", (int)fd, why);
	return FALSE;
}

/* The program keeps its own fd. Its device is used as it is; the kernel does not tell whether it was
 * opened with IFF_NO_PI (that bit of TUNGETIFF is also IFF_NOFILTER). */
static gboolean
open_passed(Tap *tap, gint64 fd, guint32 *offloads, GError **error)
{
	int len = sizeof(struct virtio_net_hdr);
	guint flags;

	tap->fd = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
	if (tap->fd < 0)
		return fd_fail(fd, g_strerror(errno), error);
	if (!tap_device_look(tap->fd, &flags, tap->ifname) || !(flags & IFF_TAP))
		return fd_fail(fd, "it is not a tap device", error);
	if (flags & IFF_VNET_HDR) {
		if (ioctl(tap->fd, TUNSETVNETHDRSZ, &len))
			return fd_fail(fd, g_strerror(errno), error);
		tap->head_len = (gsize)len;
		*offloads = tap_device_offload(tap->fd, jf_property_bool(tap->inst, "vnet-hdr"));
	}
	if (fcntl(tap->fd, F_SETFL, O_NONBLOCK | fcntl(tap->fd, F_GETFL)))
		return fd_fail(fd, g_strerror(errno), error);
	return TRUE;
}

gboolean
tap_open(Tap *tap, guint32 *offloads, GError **error)
{
	const JfValue *fd = tap->inst->host->property(tap->inst, "fd");

	*offloads = 0;
	tap->head_len = 0;
	return fd->is_set ? open_passed(tap, fd->v.integer, offloads, error)
			  : open_named(tap, offloads, error);
}

void
tap_close(Tap *tap)
{
	if (tap->fd >= 0)
		close(tap->fd);
	tap->fd = -1;
}
