/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* slirp-config.c - from what the properties say to libslirp's configuration. */
#include "slirp-nat.h"

#define RESOLV_CONF "/etc/resolv.conf"

gboolean
nat_config_init(NatConfig *config, JfInstance *inst, GError **error)
{
	config->bind4.sin_family = AF_INET;
	config->bind6.sin6_family = AF_INET6;
	if (!nat_card_init(&config->card, inst, error))
		return FALSE;
	memcpy(&config->bind4.sin_addr, config->card.bind.v4, sizeof config->card.bind.v4);
	memcpy(&config->bind6.sin6_addr, config->card.bind.v6, sizeof config->card.bind.v6);
	return TRUE;
}

static struct in_addr
network_host(const NatConfig *config, guint32 host)
{
	return (struct in_addr){ .s_addr = g_htonl(config->card.network | host) };
}

static struct in6_addr
prefix_host(const NatConfig *config, guint8 host)
{
	struct in6_addr address = { 0 };

	memcpy(&address, config->card.prefix6, sizeof config->card.prefix6);
	address.s6_addr[15] = host;
	return address;
}

Slirp *
nat_config_make_slirp(const NatConfig *config, JfNat *nat, const SlirpCb *callbacks, GError **error)
{
	g_auto(GStrv) domains = config->card.pass_domain ? nat_resolv_load(RESOLV_CONF) : NULL;
	const SlirpConfig slirp = {
		.version = 4,
		.restricted = config->card.restricted,
		.in_enabled = true,
		.vnetwork = network_host(config, 0),
		.vnetmask = { .s_addr = g_htonl(config->card.netmask) },
		.vhost = network_host(config, NAT_CARD_GATEWAY),
		.in6_enabled = config->card.ipv6,
		.vprefix_addr6 = prefix_host(config, 0),
		.vprefix_len = 64,
		.vhost6 = prefix_host(config, NAT_CARD_GATEWAY),
		.vhostname = config->card.hostname,
		.tftp_path = config->card.tftp_prefix,
		.bootfile = config->card.boot_file,
		.vdhcp_start = network_host(config, NAT_CARD_FIRST_LEASE),
		.vnameserver = network_host(config, NAT_CARD_NAME_SERVER),
		.vnameserver6 = prefix_host(config, NAT_CARD_NAME_SERVER),
		.vdnssearch = (const char **)domains,
		.vdomainname = domains ? domains[0] : NULL,
		.if_mtu = NAT_SLIRP_MTU,
		.if_mru = NAT_SLIRP_MTU,
		.disable_host_loopback = !config->card.localhost,
		.outbound_addr = config->card.bind.has4 ? &nat->config.bind4 : NULL,
		.outbound_addr6 = config->card.bind.has6 ? &nat->config.bind6 : NULL,
		.disable_dhcp = !config->card.dhcp,
	};
	Slirp *made = slirp_new(&slirp, callbacks, nat);

	if (!made)
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "%s: libslirp %s refuses this configuration", nat->inst->name,
			    slirp_version_string());
	return made;
}
