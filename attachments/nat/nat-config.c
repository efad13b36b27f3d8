/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-config.c - from the attachment's properties and card to the engine's configuration. */
#include "nat-card.h"
#include "nat.h"

#define LEASES_MAX 240u

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

void
nat_config_set_bind(NatConfig *config, const NatBind *own)
{
	if (own->has4)
		config->bind4 = nat_address_v4(jf_get_be32(own->v4));
	if (own->has6)
		memcpy(config->bind6.b, own->v6, sizeof own->v6);
}

static void
add_loopback(NatConfig *config, const NatAddress *guest, const char *host)
{
	NatLoopback *loopback = &config->loopbacks[config->n_loopbacks++];

	loopback->guest = *guest;
	nat_address_parse(host, &loopback->host);
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
take_card(NatConfig *config, const NatCard *card)
{
	config->network = card->network;
	config->netmask = card->netmask;
	memcpy(config->prefix6, card->prefix6, sizeof config->prefix6);
	config->mtu = card->mtu;
	config->ipv6 = card->ipv6;
	config->restricted = card->restricted;
	config->dhcp = card->dhcp;
	config->dns_pass_domain = card->pass_domain;
	config->hostname = g_strdup(card->hostname);
	config->tftp_prefix = g_strdup(card->tftp_prefix);
	config->boot_file = g_strdup(card->boot_file);
	config->send_buffer = card->send_buffer;
	config->receive_buffer = card->receive_buffer;
	if (card->next_server)
		config->next_server = nat_address_v4(card->next_server);
	nat_config_set_bind(config, &card->bind);
	nat_config_set_hosts(config, NAT_CARD_GATEWAY, NAT_CARD_NAME_SERVER, NAT_CARD_FIRST_LEASE);
	if (!card->localhost)
		return;
	add_loopback(config, &config->gateway4, "127.0.0.1");
	if (config->ipv6)
		add_loopback(config, &config->gateway6, "::1");
}

static void
read_own(NatConfig *config, JfInstance *inst)
{
	const JfValue *mappings = inst->host->property(inst, "dns-mappings");

	config->forward_broadcast = jf_property_bool(inst, "forward-broadcast");
	config->send_window = (guint32)jf_property_int(inst, "send-window");
	config->receive_window = (guint32)jf_property_int(inst, "receive-window");
	config->dns_proxy = jf_property_bool(inst, "dns-proxy");
	config->dns_host_resolver = jf_property_bool(inst, "dns-host-resolver");
	if (mappings->is_set)
		config->dns_mappings = g_strdupv((char **)mappings->v.list);
	config->resolv_conf = g_strdup(jf_property_string(inst, "resolv-conf"));
}

gboolean
nat_config_init(NatConfig *config, JfInstance *inst, const NatCard *card, GError **error)
{
	static const guint8 mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x35, 0x02 };

	config->ipv4 = config->ipv6_default = TRUE;
	memcpy(config->mac, mac, sizeof mac);
	take_card(config, card);
	read_own(config, inst);
	return read_alias(config, inst, error);
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
