/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hostif.c - list bridgedifs: the host's Ethernet interfaces, under VBoxManage's field names.
 *
 * Links come from sysfs, addresses from rtnetlink (rtnetlink(7)), which also says whether one was
 * given for a time only: that is what "DHCP: Enabled" means here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"
#include "jackfield/abi.h"

#define SYSFS_NET "/sys/class/net"

typedef struct HostAddress {
	guint index; /* of the interface */
	guint8 family, prefix, scope;
	gboolean dynamic;
	guint8 bytes[16];
} HostAddress;

/* ---- Addresses ---- */

static void
add_address(GArray *addresses, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *message = NLMSG_DATA(header);
	HostAddress address = {
		.index = message->ifa_index,
		.family = message->ifa_family,
		.prefix = message->ifa_prefixlen,
		.scope = message->ifa_scope,
		.dynamic = !(message->ifa_flags & IFA_F_PERMANENT),
	};
	const struct rtattr *attr = IFA_RTA(message);
	int left = (int)IFA_PAYLOAD(header);
	gsize size = address.family == AF_INET ? 4 : 16;
	gboolean found = FALSE;

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		/* IFA_LOCAL is ours where a point-to-point link has two. */
		if (RTA_PAYLOAD(attr) != size ||
		    (attr->rta_type != IFA_LOCAL && (attr->rta_type != IFA_ADDRESS || found)))
			continue;
		memcpy(address.bytes, RTA_DATA(attr), size);
		found = TRUE;
	}
	if (found)
		g_array_append_val(addresses, address);
}

/* FALSE at the end of the dump. */
static gboolean
read_addresses(int fd, GArray *addresses)
{
	union {
		struct nlmsghdr header;
		guint8 bytes[32768];
	} buffer;
	ssize_t len = recv(fd, &buffer, sizeof buffer, 0);
	struct nlmsghdr *header = &buffer.header;

	if (len <= 0)
		return len < 0 && errno == EINTR;
	for (; NLMSG_OK(header, (guint32)len); header = NLMSG_NEXT(header, len)) {
		if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
			return FALSE;
		if (header->nlmsg_type == RTM_NEWADDR &&
		    header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
			add_address(addresses, header);
	}
	return TRUE;
}

static GArray *
list_addresses(GError **error)
{
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg message;
	} request = {
		.header = { .nlmsg_len = sizeof request,
			    .nlmsg_type = RTM_GETADDR,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.message = { .ifa_family = AF_UNSPEC },
	};
	GArray *addresses = g_array_new(FALSE, TRUE, sizeof(HostAddress));
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || send(fd, &request, sizeof request, 0) < 0) {
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "Cannot ask the kernel for the host's addresses: %s",
			    g_strerror(errno));
		g_array_unref(addresses);
		addresses = NULL;
	} else {
		while (read_addresses(fd, addresses))
			continue;
	}
	if (fd >= 0)
		close(fd);
	return addresses;
}

static const HostAddress *
find_address(const GArray *addresses, guint index, guint8 family)
{
	guint i;

	for (i = 0; i < addresses->len; i++) {
		const HostAddress *address = &g_array_index(addresses, HostAddress, i);

		if (address->index == index && address->family == family)
			return address;
	}
	return NULL;
}

/* ---- Links ---- */

static char *
read_link_file(const char *name, const char *file)
{
	g_autofree char *path = g_build_filename(SYSFS_NET, name, file, NULL);
	char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return g_strdup("");
	return g_strchomp(text);
}

static gboolean
link_has(const char *name, const char *file)
{
	g_autofree char *path = g_build_filename(SYSFS_NET, name, file, NULL);

	return access(path, F_OK) == 0;
}

/* Ethernet, and not the loopback. */
static gboolean
link_is_usable(const char *name)
{
	g_autofree char *type = read_link_file(name, "type");

	return g_ascii_strtoull(type, NULL, 10) == ARPHRD_ETHER;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
compare_indexes(gconstpointer a, gconstpointer b)
{
	guint ia = if_nametoindex(*(const char *const *)a);
	guint ib = if_nametoindex(*(const char *const *)b);

	return ia < ib ? -1 : ia > ib;
}

static GPtrArray *
list_links(gboolean sorted, GError **error)
{
	g_autoptr(GDir) dir = g_dir_open(SYSFS_NET, 0, error);
	GPtrArray *links;
	const char *name;

	if (!dir)
		return NULL;
	links = g_ptr_array_new_with_free_func(g_free);
	while ((name = g_dir_read_name(dir))) {
		if (link_is_usable(name))
			g_ptr_array_add(links, g_strdup(name));
	}
	g_ptr_array_sort(links, sorted ? compare_names : compare_indexes);
	return links;
}

/* ---- Output ---- */

/* The same for the same interface at any time: its name, in a UUID's little-endian fields, and its
 * hardware address. */
static char *
make_guid(const char *name, const char *mac)
{
	g_auto(GStrv) pairs = g_strsplit(mac, ":", -1);
	g_autofree char *digits = g_strjoinv("", pairs);
	guint8 b[8] = { 0 };

	memcpy(b, name, MIN(strlen(name), sizeof b));
	return g_strdup_printf("%02x%02x%02x%02x-%02x%02x-4%x%02x-8000-%s", b[3], b[2], b[1], b[0],
			       b[5], b[4], b[7] & 0xfu, b[6], digits);
}

static void
print_ipv4(const HostAddress *address)
{
	char text[INET_ADDRSTRLEN] = "0.0.0.0", mask[INET_ADDRSTRLEN] = "0.0.0.0";
	guint32 bits;

	if (address) {
		bits = address->prefix ? htonl(~0u << (32 - address->prefix)) : 0;
		inet_ntop(AF_INET, address->bytes, text, sizeof text);
		inet_ntop(AF_INET, &bits, mask, sizeof mask);
	}
	printf("DHCP:            %s\n", address && address->dynamic ? "Enabled" : "Disabled");
	printf("IPAddress:       %s\nNetworkMask:     %s\n", text, mask);
}

static void
print_ipv6(const HostAddress *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address)
		inet_ntop(AF_INET6, address->bytes, text, sizeof text);
	printf("IPV6Address:     %s\nIPV6NetworkMaskPrefixLength: %u\n", text,
	       address ? address->prefix : 0u);
}

static void
print_link(const char *name, const GArray *addresses)
{
	guint index = if_nametoindex(name);
	g_autofree char *mac = read_link_file(name, "address");
	g_autofree char *flags = read_link_file(name, "flags");
	g_autofree char *guid = make_guid(name, mac);
	gboolean up = (g_ascii_strtoull(flags, NULL, 16) & IFF_UP) != 0;
	gboolean wireless = link_has(name, "wireless") || link_has(name, "phy80211");

	printf("Name:            %s\nGUID:            %s\n", name, guid);
	print_ipv4(find_address(addresses, index, AF_INET));
	print_ipv6(find_address(addresses, index, AF_INET6));
	printf("HardwareAddress: %s\nMediumType:      Ethernet\n", mac);
	printf("Wireless:        %s\nStatus:          %s\n", wireless ? "Yes" : "No",
	       up ? "Up" : "Down");
	printf("VBoxNetworkName: HostInterfaceNetworking-%s\n\n", name);
}

gboolean
hostif_print_all(gboolean sorted, GError **error)
{
	g_autoptr(GPtrArray) links = list_links(sorted, error);
	g_autoptr(GArray) addresses = links ? list_addresses(error) : NULL;
	guint i;

	if (!addresses)
		return FALSE;
	for (i = 0; i < links->len; i++)
		print_link(links->pdata[i], addresses);
	return TRUE;
}
