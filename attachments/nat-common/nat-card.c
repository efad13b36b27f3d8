/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-card.c - from the properties and the card to what "nat" and "slirp" go by. */
#include "nat-card.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The shortest host part that has room for leases from host 15 on. */
#define PREFIX_MAX 27u
#define PREFIX_MIN 8u
#define SLOT_MAX 253u
/* Every IPv6 link carries packets of this size (RFC 8200 5). */
#define MTU_MIN_IPV6 1280u
/* The size of the BOOTP file field. */
#define BOOT_FILE_MAX 127

static gboolean
check_network(const char *name, const JfValue *value, guint32 *network, GError **error)
{
	const JfCidr *cidr = &value->v.cidr;
	guint32 address = jf_get_be32(cidr->address);

	if (cidr->family != 4 || cidr->prefix < PREFIX_MIN || cidr->prefix > PREFIX_MAX) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: network '%s' must be an IPv4 network of prefix length %u..%u",
			    name, value->text, PREFIX_MIN, PREFIX_MAX);
		return FALSE;
	}
	if (address & (G_MAXUINT32 >> cidr->prefix)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: network '%s' has bits set beyond its prefix length", name,
			    value->text);
		return FALSE;
	}
	if (address >> 24 == 0 || address >> 24 == 127 || address >> 24 >= 224) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: network '%s' must be a unicast network other than 127.0.0.0/8",
			    name, value->text);
		return FALSE;
	}
	*network = address;
	return TRUE;
}

static gboolean
read_network(NatCard *card, JfInstance *inst, const JfCardInfo *info, GError **error)
{
	static const guint8 prefix[6] = { 0xfd, 0x17, 0x62, 0x5c, 0xf0, 0x37 };
	const JfValue *value = inst->host->property(inst, "network");
	guint32 slot = info ? info->slot : 0;

	card->netmask = G_MAXUINT32 << 8;
	if (value->is_set) {
		if (!check_network(inst->name, value, &card->network, error))
			return FALSE;
		card->netmask = G_MAXUINT32 << (32 - value->v.cidr.prefix);
	} else if (slot <= SLOT_MAX) {
		card->network = 10u << 24 | (2 + slot) << 8;
	} else {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: slot %u has no default network; set the property 'network'",
			    inst->name, slot);
		return FALSE;
	}
	memcpy(card->prefix6, prefix, sizeof prefix);
	jf_put_be16(card->prefix6 + 6, (guint16)(card->network >> 8));
	return TRUE;
}

static gboolean
read_mtu(NatCard *card, JfInstance *inst, GError **error)
{
	card->mtu = (guint16)jf_property_int(inst, "mtu");
	card->ipv6 = jf_property_bool(inst, "ipv6");
	if (card->ipv6 && card->mtu < MTU_MIN_IPV6) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: mtu %u: IPv6 needs at least %u; set ipv6=off for less", inst->name,
			    card->mtu, MTU_MIN_IPV6);
		return FALSE;
	}
	return TRUE;
}

static gboolean
read_hostname(NatCard *card, JfInstance *inst, GError **error)
{
	const char *hostname = jf_property_string(inst, "hostname");

	for (const char *c = hostname; c && *c; c++) {
		if (g_ascii_isalnum(*c) || *c == '-' || *c == '.')
			continue;
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: hostname '%s' may have letters, digits, '-' and '.' only",
			    inst->name, hostname);
		return FALSE;
	}
	card->hostname = g_strdup(hostname);
	return TRUE;
}

static void
read_boot(NatCard *card, JfInstance *inst, const JfCardInfo *info)
{
	const char *boot_file = jf_property_string(inst, "boot-file");
	const JfValue *server = inst->host->property(inst, "next-server");

	card->tftp_prefix = g_strdup(jf_property_string(inst, "tftp-prefix"));
	if (!card->tftp_prefix && info && info->config_dir) {
		g_autofree char *dir = g_build_filename(info->config_dir, "TFTP", NULL);

		if (g_file_test(dir, G_FILE_TEST_IS_DIR))
			card->tftp_prefix = g_steal_pointer(&dir);
	}
	if (boot_file)
		card->boot_file = g_strdup(boot_file);
	else if (card->tftp_prefix && info && info->machine)
		card->boot_file = g_strdup_printf("%.*s.pxe", BOOT_FILE_MAX - 4, info->machine);
	if (server->is_set)
		card->next_server = jf_get_be32(server->v.ipv4);
}

gboolean
nat_bind_init(NatBind *own, JfInstance *inst, GError **error)
{
	const JfValue *ipv4 = inst->host->property(inst, "bind-ip");
	const JfValue *ipv6 = inst->host->property(inst, "bind-ip6");
	const JfValue *bad = NULL;

	own->has4 = ipv4->is_set != 0;
	own->has6 = ipv6->is_set != 0;
	memcpy(own->v4, ipv4->v.ipv4, sizeof own->v4);
	memcpy(own->v6, ipv6->v.ipv6, sizeof own->v6);
	if (own->has4 && own->v4[0] >= 224)
		bad = ipv4;
	else if (own->has6 && own->v6[0] == 0xff)
		bad = ipv6;
	if (!bad)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "%s: bind address '%s' must be a unicast address of this host", inst->name,
		    bad->text);
	return FALSE;
}

gboolean
nat_card_init(NatCard *card, JfInstance *inst, GError **error)
{
	const JfCardInfo *info = inst->host->query(inst, JF_CARD_IID);

	card->localhost = jf_property_bool(inst, "localhost-reachable");
	card->dhcp = jf_property_bool(inst, "dhcp");
	card->restricted = jf_property_bool(inst, "restricted");
	card->pass_domain = jf_property_bool(inst, "dns-pass-domain");
	card->send_buffer = (guint32)jf_property_int(inst, "send-buffer");
	card->receive_buffer = (guint32)jf_property_int(inst, "receive-buffer");
	if (!read_network(card, inst, info, error) || !read_mtu(card, inst, error) ||
	    !read_hostname(card, inst, error) || !nat_bind_init(&card->bind, inst, error))
		return FALSE;
	read_boot(card, inst, info);
	return TRUE;
}

void
nat_card_finish(NatCard *card)
{
	g_clear_pointer(&card->hostname, g_free);
	g_clear_pointer(&card->tftp_prefix, g_free);
	g_clear_pointer(&card->boot_file, g_free);
}

static gboolean
check_bind(JfInstance *inst, const struct sockaddr *address, socklen_t len, const char *property,
	   GError **error)
{
	int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int code = 0;

	if (fd < 0 || bind(fd, address, len) < 0)
		code = errno;
	if (fd >= 0)
		close(fd);
	if (code == 0)
		return TRUE;
	g_set_error(error, JF_ERROR, code == EADDRNOTAVAIL ? JF_ERROR_VALUE : JF_ERROR_NETWORK,
		    "%s: %s '%s' cannot be bound to (%s): it must be an address of this host",
		    inst->name, property, inst->host->property(inst, property)->text,
		    g_strerror(code));
	return FALSE;
}

gboolean
nat_bind_check_host(const NatBind *own, JfInstance *inst, GError **error)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };

	memcpy(&ipv4.sin_addr, own->v4, sizeof own->v4);
	memcpy(&ipv6.sin6_addr, own->v6, sizeof own->v6);
	if (own->has4 &&
	    !check_bind(inst, (const struct sockaddr *)&ipv4, sizeof ipv4, "bind-ip", error))
		return FALSE;
	return !own->has6 ||
	       check_bind(inst, (const struct sockaddr *)&ipv6, sizeof ipv6, "bind-ip6", error);
}

gboolean
nat_card_check_host(const NatCard *card, JfInstance *inst, GError **error)
{
	if (!card->tftp_prefix || g_file_test(card->tftp_prefix, G_FILE_TEST_IS_DIR))
		return nat_bind_check_host(&card->bind, inst, error);
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "%s: tftp-prefix '%s' is no directory",
		    inst->name, card->tftp_prefix);
	return FALSE;
}
