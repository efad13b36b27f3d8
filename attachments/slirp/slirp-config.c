/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slirp-config.c - from properties and card to libslirp's configuration.
 *
 * The layout of the guest's network is VirtualBox's: the gateway is host 2 of the network, the name
 * server host 3, leases begin at host 15; the IPv6 prefix carries the second and third octet of the
 * IPv4 network.
 */
#include "slirp-nat.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_GATEWAY 2u
#define HOST_NAME_SERVER 3u
#define HOST_FIRST_LEASE 15u
/* The shortest host part that has room for libslirp's 16 leases from host 15 on. */
#define PREFIX_MAX 27u
#define PREFIX_MIN 8u
#define SLOT_MAX 253u
#define RESOLV_CONF "/etc/resolv.conf"
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
read_network(NatConfig *config, JfInstance *inst, const JfCardInfo *card, GError **error)
{
	static const guint8 prefix[4] = { 0xfd, 0x17, 0x62, 0x5c };
	const JfValue *value = inst->host->property(inst, "network");
	guint32 slot = card ? card->slot : 0;

	config->netmask = G_MAXUINT32 << 8;
	if (value->is_set) {
		if (!check_network(inst->name, value, &config->network, error))
			return FALSE;
		config->netmask = G_MAXUINT32 << (32 - value->v.cidr.prefix);
	} else if (slot <= SLOT_MAX) {
		config->network = 10u << 24 | (2 + slot) << 8;
	} else {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: slot %u has no default network; set the property 'network'",
			    inst->name, slot);
		return FALSE;
	}
	memcpy(config->prefix6, prefix, sizeof prefix);
	jf_put_be16(config->prefix6 + 4, 0xf037);
	jf_put_be16(config->prefix6 + 6, (guint16)(config->network >> 8));
	return TRUE;
}

static gboolean
read_mtu(NatConfig *config, JfInstance *inst, GError **error)
{
	config->mtu = (guint16)jf_property_int(inst, "mtu");
	config->ipv6 = jf_property_bool(inst, "ipv6");
	if (config->ipv6 && config->mtu < NAT_MTU_MIN_IPV6) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: mtu %u: IPv6 needs at least %u; set ipv6=off for less", inst->name,
			    config->mtu, NAT_MTU_MIN_IPV6);
		return FALSE;
	}
	return TRUE;
}

static gboolean
read_hostname(NatConfig *config, JfInstance *inst, GError **error)
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
	config->hostname = g_strdup(hostname);
	return TRUE;
}

static void
read_boot(NatConfig *config, JfInstance *inst, const JfCardInfo *card)
{
	const char *boot_file = jf_property_string(inst, "boot-file");
	const JfValue *server = inst->host->property(inst, "next-server");

	config->tftp_prefix = g_strdup(jf_property_string(inst, "tftp-prefix"));
	if (!config->tftp_prefix && card && card->config_dir) {
		g_autofree char *dir = g_build_filename(card->config_dir, "TFTP", NULL);

		if (g_file_test(dir, G_FILE_TEST_IS_DIR))
			config->tftp_prefix = g_steal_pointer(&dir);
	}
	if (boot_file)
		config->boot_file = g_strdup(boot_file);
	else if (config->tftp_prefix && card && card->machine)
		config->boot_file = g_strdup_printf("%.*s.pxe", BOOT_FILE_MAX - 4, card->machine);
	if (server->is_set)
		config->next_server = jf_get_be32(server->v.ipv4);
}

static gboolean
read_bind(NatConfig *config, JfInstance *inst, GError **error)
{
	const JfValue *ipv4 = inst->host->property(inst, "bind-ip");
	const JfValue *ipv6 = inst->host->property(inst, "bind-ip6");

	config->bind4.sin_family = AF_INET;
	config->bind6.sin6_family = AF_INET6;
	config->bind4_set = ipv4->is_set != 0;
	config->bind6_set = ipv6->is_set != 0;
	memcpy(&config->bind4.sin_addr, ipv4->v.ipv4, 4);
	memcpy(&config->bind6.sin6_addr, ipv6->v.ipv6, 16);
	if ((config->bind4_set && ipv4->v.ipv4[0] >= 224) ||
	    (config->bind6_set && ipv6->v.ipv6[0] == 0xff)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "%s: bind address '%s' must be a unicast address of this host",
			    inst->name,
			    config->bind4_set && ipv4->v.ipv4[0] >= 224 ? ipv4->text : ipv6->text);
		return FALSE;
	}
	return TRUE;
}

gboolean
nat_config_init(NatConfig *config, JfInstance *inst, GError **error)
{
	const JfCardInfo *card = inst->host->query(inst, JF_CARD_IID);

	config->localhost = jf_property_bool(inst, "localhost-reachable");
	config->dhcp = jf_property_bool(inst, "dhcp");
	config->restricted = jf_property_bool(inst, "restricted");
	config->pass_domain = jf_property_bool(inst, "dns-pass-domain");
	config->send_buffer = (guint32)jf_property_int(inst, "send-buffer");
	config->receive_buffer = (guint32)jf_property_int(inst, "receive-buffer");
	if (!read_network(config, inst, card, error) || !read_mtu(config, inst, error) ||
	    !read_hostname(config, inst, error) || !read_bind(config, inst, error))
		return FALSE;
	read_boot(config, inst, card);
	return TRUE;
}

void
nat_config_finish(NatConfig *config)
{
	g_clear_pointer(&config->hostname, g_free);
	g_clear_pointer(&config->tftp_prefix, g_free);
	g_clear_pointer(&config->boot_file, g_free);
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
nat_config_check_host(const NatConfig *config, JfInstance *inst, GError **error)
{
	if (config->tftp_prefix && !g_file_test(config->tftp_prefix, G_FILE_TEST_IS_DIR)) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
			    "%s: tftp-prefix '%s' is no directory", inst->name,
			    config->tftp_prefix);
		return FALSE;
	}
	if (config->bind4_set && !check_bind(inst, (const struct sockaddr *)&config->bind4,
					     sizeof config->bind4, "bind-ip", error))
		return FALSE;
	return !config->bind6_set || check_bind(inst, (const struct sockaddr *)&config->bind6,
						sizeof config->bind6, "bind-ip6", error);
}

static struct in_addr
network_host(const NatConfig *config, guint32 host)
{
	return (struct in_addr){ .s_addr = g_htonl(config->network | host) };
}

static struct in6_addr
prefix_host(const NatConfig *config, guint8 host)
{
	struct in6_addr address = { 0 };

	memcpy(&address, config->prefix6, sizeof config->prefix6);
	address.s6_addr[15] = host;
	return address;
}

Slirp *
nat_config_make_slirp(const NatConfig *config, JfNat *nat, const SlirpCb *callbacks, GError **error)
{
	g_auto(GStrv) domains = config->pass_domain ? nat_resolv_load(RESOLV_CONF) : NULL;
	const SlirpConfig slirp = {
		.version = 4,
		.restricted = config->restricted,
		.in_enabled = true,
		.vnetwork = network_host(config, 0),
		.vnetmask = { .s_addr = g_htonl(config->netmask) },
		.vhost = network_host(config, HOST_GATEWAY),
		.in6_enabled = config->ipv6,
		.vprefix_addr6 = prefix_host(config, 0),
		.vprefix_len = 64,
		.vhost6 = prefix_host(config, HOST_GATEWAY),
		.vhostname = config->hostname,
		.tftp_path = config->tftp_prefix,
		.bootfile = config->boot_file,
		.vdhcp_start = network_host(config, HOST_FIRST_LEASE),
		.vnameserver = network_host(config, HOST_NAME_SERVER),
		.vnameserver6 = prefix_host(config, HOST_NAME_SERVER),
		.vdnssearch = (const char **)domains,
		.vdomainname = domains ? domains[0] : NULL,
		.if_mtu = NAT_SLIRP_MTU,
		.if_mru = NAT_SLIRP_MTU,
		.disable_host_loopback = !config->localhost,
		.outbound_addr = config->bind4_set ? &nat->config.bind4 : NULL,
		.outbound_addr6 = config->bind6_set ? &nat->config.bind6 : NULL,
		.disable_dhcp = !config->dhcp,
	};
	Slirp *made = slirp_new(&slirp, callbacks, nat);

	if (!made)
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s: libslirp %s refuses this configuration", nat->inst->name,
			    slirp_version_string());
	return made;
}
