/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-config.c - from the attachment's properties and card to the engine's configuration.
 *
 * The layout of the guest's network is VirtualBox's: the gateway is host 2 of the network, the name
 * server host 3, leases begin at host 15; the IPv6 prefix carries the second and third octet of the
 * IPv4 network.
 */
#include <errno.h>
#include <unistd.h>

#include "nat.h"

#define HOST_GATEWAY 2u
#define HOST_NAME_SERVER 3u
#define HOST_FIRST_LEASE 15u
/* The shortest host part that has room for leases from host 15 on. */
#define PREFIX_MAX 27u
#define PREFIX_MIN 8u
#define SLOT_MAX 253u
#define LEASES_MAX 240u
/* The size of the BOOTP file field. */
#define BOOT_FILE_MAX 127

static const guint8 engine_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x35, 0x02 };

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
	static const guint8 prefix[6] = { 0xfd, 0x17, 0x62, 0x5c, 0xf0, 0x37 };
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
	jf_put_be16(config->prefix6 + 6, (guint16)(config->network >> 8));
	return TRUE;
}

static NatAddress
prefix_host(const NatConfig *config, guint host)
{
	NatAddress a = { .q = { 0, 0 } };

	memcpy(a.b, config->prefix6, sizeof config->prefix6);
	jf_put_be16(a.b + 14, (guint16)host);
	return a;
}

void
nat_config_set_hosts(NatConfig *config, guint gateway, guint name_server, guint first_lease)
{
	guint32 last = config->network | (~config->netmask - 1);

	config->gateway4 = nat_address_v4(config->network | gateway);
	config->name_server4 = nat_address_v4(config->network | name_server);
	config->first_lease = config->network | first_lease;
	config->n_leases = MIN(last - config->first_lease + 1, LEASES_MAX);
	if (!config->ipv6)
		return;
	config->gateway6 = prefix_host(config, gateway);
	config->name_server6 = prefix_host(config, name_server);
	config->link_local6 = (NatAddress){ .b = { 0xfe, 0x80 } };
	jf_put_be16(config->link_local6.b + 14, (guint16)gateway);
}

static void
add_loopback(NatConfig *config, const NatAddress *guest, const char *host)
{
	NatLoopback *loopback = &config->loopbacks[config->n_loopbacks++];

	loopback->guest = *guest;
	nat_address_parse(host, &loopback->host);
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
		config->next_server = nat_address_v4(jf_get_be32(server->v.ipv4));
}

static gboolean
read_bind(NatConfig *config, JfInstance *inst, GError **error)
{
	const JfValue *ipv4 = inst->host->property(inst, "bind-ip");
	const JfValue *ipv6 = inst->host->property(inst, "bind-ip6");
	const JfValue *bad = NULL;

	if (ipv4->is_set)
		config->bind4 = nat_address_v4(jf_get_be32(ipv4->v.ipv4));
	if (ipv6->is_set)
		memcpy(config->bind6.b, ipv6->v.ipv6, 16);
	if (nat_address_is_multicast(&config->bind4) || (ipv4->is_set && ipv4->v.ipv4[0] >= 224))
		bad = ipv4;
	if (nat_address_is_multicast(&config->bind6))
		bad = ipv6;
	if (!bad)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "%s: bind address '%s' must be a unicast address of this host", inst->name,
		    bad->text);
	return FALSE;
}

static gboolean
read_alias(NatConfig *config, JfInstance *inst, GError **error)
{
	const JfValue *value = inst->host->property(inst, "alias-mode");

	for (guint i = 0; value->is_set && value->v.list[i]; i++) {
		const char *mode = value->v.list[i];

		if (g_ascii_strcasecmp(mode, "log") == 0) {
			config->alias |= NAT_ALIAS_LOG;
		} else if (g_ascii_strcasecmp(mode, "sameports") == 0) {
			config->alias |= NAT_ALIAS_SAME_PORTS;
		} else if (g_ascii_strcasecmp(mode, "proxyonly") == 0) {
			g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
				    "%s: alias-mode 'proxyonly' would send the guest's own "
				    "addresses into the host's network, which an unprivileged "
				    "process cannot: use a bridged card",
				    inst->name);
			return FALSE;
		} else if (g_ascii_strcasecmp(mode, "default") != 0) {
			g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
				    "%s: alias-mode '%s' is not default, log, sameports or "
				    "proxyonly",
				    inst->name, mode);
			return FALSE;
		}
	}
	return TRUE;
}

static void
read_switches(NatConfig *config, JfInstance *inst)
{
	config->restricted = jf_property_bool(inst, "restricted");
	config->forward_broadcast = jf_property_bool(inst, "forward-broadcast");
	config->send_buffer = (guint32)jf_property_int(inst, "send-buffer");
	config->receive_buffer = (guint32)jf_property_int(inst, "receive-buffer");
	config->send_window = (guint32)jf_property_int(inst, "send-window");
	config->receive_window = (guint32)jf_property_int(inst, "receive-window");
	config->dhcp = jf_property_bool(inst, "dhcp");
	config->dns_pass_domain = jf_property_bool(inst, "dns-pass-domain");
	config->dns_proxy = jf_property_bool(inst, "dns-proxy");
	config->dns_host_resolver = jf_property_bool(inst, "dns-host-resolver");
}

gboolean
nat_config_init(NatConfig *config, JfInstance *inst, GError **error)
{
	const JfCardInfo *card = inst->host->query(inst, JF_CARD_IID);
	const JfValue *mappings = inst->host->property(inst, "dns-mappings");

	config->ipv4 = config->ipv6_default = TRUE;
	memcpy(config->mac, engine_mac, sizeof engine_mac);
	read_switches(config, inst);
	if (!read_network(config, inst, card, error) || !read_mtu(config, inst, error) ||
	    !read_hostname(config, inst, error) || !read_bind(config, inst, error) ||
	    !read_alias(config, inst, error))
		return FALSE;
	nat_config_set_hosts(config, HOST_GATEWAY, HOST_NAME_SERVER, HOST_FIRST_LEASE);
	if (jf_property_bool(inst, "localhost-reachable")) {
		add_loopback(config, &config->gateway4, "127.0.0.1");
		if (config->ipv6)
			add_loopback(config, &config->gateway6, "::1");
	}
	if (mappings->is_set)
		config->dns_mappings = g_strdupv((char **)mappings->v.list);
	config->resolv_conf = g_strdup(jf_property_string(inst, "resolv-conf"));
	read_boot(config, inst, card);
	return TRUE;
}

void
nat_config_finish(NatConfig *config)
{
	g_clear_pointer(&config->dns_mappings, g_strfreev);
	g_clear_pointer(&config->hostname, g_free);
	g_clear_pointer(&config->tftp_prefix, g_free);
	g_clear_pointer(&config->boot_file, g_free);
	g_clear_pointer(&config->resolv_conf, g_free);
}

static gboolean
check_bind(JfInstance *inst, const NatAddress *a, const char *what, GError **error)
{
	struct sockaddr_storage address;
	socklen_t len = nat_address_to_socket(a, 0, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[NAT_ADDRESS_TEXT_MAX];
	int code = 0;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0)
		code = errno;
	if (fd >= 0)
		close(fd);
	if (code == 0)
		return TRUE;
	nat_address_format(a, text);
	g_set_error(error, JF_ERROR, code == EADDRNOTAVAIL ? JF_ERROR_VALUE : JF_ERROR_NETWORK,
		    "%s: %s '%s' cannot be bound to (%s): it must be an address of this host",
		    inst->name, what, text, g_strerror(code));
	return FALSE;
}

gboolean
nat_config_check_host(const NatConfig *config, JfInstance *inst, GError **error)
{
	static const NatAddress any;

	if (config->tftp_prefix && !g_file_test(config->tftp_prefix, G_FILE_TEST_IS_DIR)) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND,
			    "%s: tftp-prefix '%s' is no directory", inst->name,
			    config->tftp_prefix);
		return FALSE;
	}
	if (!nat_address_equal(&config->bind4, &any) &&
	    !check_bind(inst, &config->bind4, "bind-ip", error))
		return FALSE;
	return nat_address_equal(&config->bind6, &any) ||
	       check_bind(inst, &config->bind6, "bind-ip6", error);
}
