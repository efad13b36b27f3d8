/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap-device.c - a tap device is opened and set up in the network namespace of the caller.
 *
 * The caller may be the child of a process with threads, where a lock of the C library may be held
 * for good: nothing here but system calls, no memory but the stack.
 *
 * A device that this call creates gets the card's address and is brought up. One that was there
 * before (made for this user, or part of a bridge) keeps all that the request does not name.
 */
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Since Linux 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static gboolean
step_fail(TapReply *reply, TapStep step)
{
	reply->step = step;
	reply->err = errno;
	return FALSE;
}

/* The namespaces of a container belong to a user namespace, whose owner is root in there only. */
static gboolean
device_enter(const TapRequest *request, TapReply *reply)
{
	if (request->netns < 0 || !setns(request->netns, CLONE_NEWNET))
		return TRUE;
	if (errno == EPERM && request->userns >= 0 && !setns(request->userns, CLONE_NEWUSER) &&
	    !setns(request->netns, CLONE_NEWNET))
		return TRUE;
	return step_fail(reply, TAP_STEP_NETNS);
}

/* One that was made with several queues wants that said again. */
static gboolean
device_attach(const TapRequest *request, TapReply *reply)
{
	struct ifreq req = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	memcpy(req.ifr_name, request->ifname, IFNAMSIZ);
	if (request->vnet_hdr)
		req.ifr_flags |= IFF_VNET_HDR;
	if (ioctl(reply->fd, TUNSETIFF, &req)) {
		req.ifr_flags |= IFF_MULTI_QUEUE;
		if (errno != EINVAL || ioctl(reply->fd, TUNSETIFF, &req))
			return step_fail(reply, TAP_STEP_ATTACH);
	}
	memcpy(reply->ifname, req.ifr_name, IFNAMSIZ);
	return TRUE;
}

gboolean
tap_device_look(int fd, guint *flags, char *ifname)
{
	struct ifreq req = { .ifr_flags = 0 };

	if (ioctl(fd, TUNGETIFF, &req))
		return FALSE;
	*flags = (guint16)req.ifr_flags;
	memcpy(ifname, req.ifr_name, IFNAMSIZ);
	return TRUE;
}

guint32
tap_device_offload(int fd, gboolean on)
{
	const unsigned long base = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (on && !ioctl(fd, TUNSETOFFLOAD, base | TUN_F_USO4 | TUN_F_USO6))
		return TAP_OFFLOADS;
	ioctl(fd, TUNSETOFFLOAD, on ? base : 0ul);
	/* A header takes these in any case. */
	return TAP_OFFLOADS & ~JF_OFFLOAD_USO;
}

static gboolean
device_set_header(const TapRequest *request, TapReply *reply)
{
	int len = sizeof(struct virtio_net_hdr);

	if (!request->vnet_hdr)
		return TRUE;
	if (ioctl(reply->fd, TUNSETVNETHDRSZ, &len))
		return step_fail(reply, TAP_STEP_HEADER);
	reply->offloads = tap_device_offload(reply->fd, TRUE);
	return TRUE;
}

static gboolean
device_set_queue(const TapRequest *request, TapReply *reply)
{
	int size = (int)request->send_buffer;

	if (request->send_buffer != TAP_KEEP && ioctl(reply->fd, TUNSETSNDBUF, &size))
		return step_fail(reply, TAP_STEP_SEND_BUFFER);
	if (request->persistent && ioctl(reply->fd, TUNSETPERSIST, 1))
		return step_fail(reply, TAP_STEP_PERSIST);
	return TRUE;
}

static void
req_init(struct ifreq *req, const TapReply *reply)
{
	memset(req, 0, sizeof *req);
	memcpy(req->ifr_name, reply->ifname, IFNAMSIZ);
}

static gboolean
device_set_mac(const TapRequest *request, TapReply *reply, int sock)
{
	struct ifreq req;

	req_init(&req, reply);
	if (!ioctl(sock, SIOCGIFHWADDR, &req) && !memcmp(req.ifr_hwaddr.sa_data, request->mac, 6))
		return TRUE;
	req.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(req.ifr_hwaddr.sa_data, request->mac, 6);
	return !ioctl(sock, SIOCSIFHWADDR, &req) || step_fail(reply, TAP_STEP_MAC);
}

static gboolean
device_set_mtu(const TapRequest *request, TapReply *reply, int sock)
{
	struct ifreq req;

	req_init(&req, reply);
	if (!ioctl(sock, SIOCGIFMTU, &req) && req.ifr_mtu == request->mtu)
		return TRUE;
	req.ifr_mtu = (int)request->mtu;
	return !ioctl(sock, SIOCSIFMTU, &req) || step_fail(reply, TAP_STEP_MTU);
}

static gboolean
device_set_up(TapReply *reply, int sock, gboolean up)
{
	struct ifreq req;

	req_init(&req, reply);
	if (ioctl(sock, SIOCGIFFLAGS, &req))
		return step_fail(reply, TAP_STEP_UP);
	if (!(req.ifr_flags & IFF_UP) == !up)
		return TRUE;
	req.ifr_flags ^= IFF_UP;
	return !ioctl(sock, SIOCSIFFLAGS, &req) || step_fail(reply, TAP_STEP_UP);
}

/* An RTM_NEWADDR with one address in two attributes (rtnetlink(7)). */
typedef struct AddressMessage {
	struct nlmsghdr head;
	struct ifaddrmsg addr;
	guint8 attributes[2 * RTA_SPACE(16)];
} AddressMessage;

static void
address_add(AddressMessage *message, guint16 type, const JfCidr *cidr)
{
	guint16 len = cidr->family == 4 ? 4 : 16;
	struct rtattr *attr = (struct rtattr *)((guint8 *)message + message->head.nlmsg_len);

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(attr), cidr->address, len);
	message->head.nlmsg_len += RTA_SPACE(len);
}

static int
address_ask(int sock, const AddressMessage *message)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		guint8 more[256];
	} answer;
	ssize_t got;

	if (send(sock, message, message->head.nlmsg_len, 0) < 0)
		return errno;
	got = recv(sock, &answer, sizeof answer, 0);
	if (got < (ssize_t)(sizeof answer.head + sizeof answer.err) ||
	    answer.head.nlmsg_type != NLMSG_ERROR)
		return got < 0 ? errno : EPROTO;
	/* There already. */
	return answer.err.error == -EEXIST ? 0 : -answer.err.error;
}

static gboolean
device_add_address(TapReply *reply, int netlink, guint index, const JfCidr *cidr)
{
	AddressMessage message = { .head = { .nlmsg_len = offsetof(AddressMessage, attributes),
					     .nlmsg_type = RTM_NEWADDR,
					     .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK |
							    NLM_F_CREATE | NLM_F_EXCL },
				   .addr = { .ifa_family = cidr->family == 4 ? AF_INET : AF_INET6,
					     .ifa_prefixlen = cidr->prefix,
					     .ifa_index = index } };

	address_add(&message, IFA_LOCAL, cidr);
	address_add(&message, IFA_ADDRESS, cidr);
	errno = address_ask(netlink, &message);
	return !errno || step_fail(reply, TAP_STEP_ADDRESS);
}

static gboolean
device_add_addresses(const TapRequest *request, TapReply *reply, int sock)
{
	gboolean good = TRUE;
	struct ifreq req;
	int netlink;

	if (!request->n_addresses)
		return TRUE;
	req_init(&req, reply);
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (netlink < 0 || ioctl(sock, SIOCGIFINDEX, &req))
		good = step_fail(reply, TAP_STEP_ADDRESS);
	for (guint i = 0; good && i < request->n_addresses; i++)
		good = device_add_address(reply, netlink, (guint)req.ifr_ifindex,
					  &request->addresses[i]);
	if (netlink >= 0)
		close(netlink);
	return good;
}

static gboolean
device_configure(const TapRequest *request, TapReply *reply, int sock, gboolean is_new)
{
	int up = request->up == TAP_KEEP && is_new ? TRUE : request->up;

	if ((request->mac_given || is_new) && !device_set_mac(request, reply, sock))
		return FALSE;
	if (request->mtu != TAP_KEEP && !device_set_mtu(request, reply, sock))
		return FALSE;
	/* IPv6 addresses want an interface that is up. */
	return (up == TAP_KEEP || device_set_up(reply, sock, up)) &&
	       device_add_addresses(request, reply, sock);
}

static gboolean
device_is_there(const TapRequest *request, int sock)
{
	struct ifreq req = { .ifr_flags = 0 };

	memcpy(req.ifr_name, request->ifname, IFNAMSIZ);
	return !ioctl(sock, SIOCGIFINDEX, &req);
}

static gboolean
device_open(const TapRequest *request, TapReply *reply, int sock)
{
	gboolean is_new = !device_is_there(request, sock);

	reply->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (reply->fd < 0)
		return step_fail(reply, TAP_STEP_OPEN);
	return device_attach(request, reply) && device_set_header(request, reply) &&
	       device_set_queue(request, reply) && device_configure(request, reply, sock, is_new);
}

void
tap_device_open(const TapRequest *request, TapReply *reply)
{
	gboolean good;
	int sock;

	if (!device_enter(request, reply))
		return;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	good = sock >= 0 ? device_open(request, reply, sock) : step_fail(reply, TAP_STEP_OPEN);
	if (sock >= 0)
		close(sock);
	if (good || reply->fd < 0)
		return;
	close(reply->fd);
	reply->fd = -1;
}
