/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* card-key.c - the table of what can be set on a card. */
#include "card-key.h"

#include <string.h>

#include "card-check.h"
#include "nearest.h"
#include "text.h"

#define OPTION(key, attachment, driver_property, text)                                     \
	{                                                                                  \
		.name = key, .type = CARD_KEY_TEXT, .flags = CARD_KEY_LIVE | CARD_KEY_FAR, \
		.def = "", .values = text, .check = card_check_option, .nic = attachment,  \
		.property = driver_property                                                \
	}

static const CardKey card_keys[] = {
	{ .name = "nic",
	  .flags = CARD_KEY_LIVE | CARD_KEY_FAR,
	  .def = "none",
	  .values = "none, null, nat, bridged, intnet, hostonly, generic, natnetwork or cloud",
	  .set = card_set_nic },
	{ .name = "nic-type",
	  .def = "82540EM",
	  .values = "Am79C970A, Am79C973, 82540EM, 82543GC, 82545EM or virtio",
	  .check = card_check_nic_type },
	{ .name = "mac-address",
	  .def = "",
	  .values = "12 hexadecimal digits, or auto",
	  .check = card_check_mac },
	{ .name = "cable-connected",
	  .type = CARD_KEY_BOOL,
	  .flags = CARD_KEY_LIVE,
	  .def = "on",
	  .values = "on or off",
	  .check = card_check_bool },
	{ .name = "nic-trace",
	  .type = CARD_KEY_BOOL,
	  .flags = CARD_KEY_LIVE,
	  .def = "off",
	  .values = "on or off",
	  .check = card_check_trace },
	{ .name = "nic-trace-file",
	  .flags = CARD_KEY_LIVE,
	  .def = "",
	  .values = "absolute file name",
	  .check = card_check_path },
	{ .name = "nic-boot-prio",
	  .type = CARD_KEY_INT,
	  .def = "0",
	  .values = "0 (last) or 1 (first) to 4",
	  .check = card_check_boot_prio },
	{ .name = "nic-promisc",
	  .flags = CARD_KEY_LIVE,
	  .def = "deny",
	  .values = "deny, allow-vms or allow-all",
	  .check = card_check_promisc },
	{ .name = "nic-speed",
	  .type = CARD_KEY_INT,
	  .def = "0",
	  .values = "kbit/s that Am79C970A and Am79C973 report, 0: not set",
	  .check = card_check_speed },
	{ .name = "nic-generic-drv",
	  .flags = CARD_KEY_LIVE | CARD_KEY_FAR,
	  .def = "",
	  .values = "an attachment driver",
	  .check = card_check_generic_driver },
	{ .name = "nic-property",
	  .type = CARD_KEY_MAP,
	  .flags = CARD_KEY_LIVE | CARD_KEY_FAR,
	  .def = "",
	  .values = "NAME=VALUE of the attachment's driver; empty VALUE: its default",
	  .entry_kind = JF_KIND_ATTACHMENT,
	  .set = card_set_property },
	{ .name = "connector",
	  .def = "auto",
	  .values = "a connector driver, or auto",
	  .check = card_check_connector },
	{ .name = "connector-property",
	  .type = CARD_KEY_MAP,
	  .def = "",
	  .values = "NAME=VALUE of the connector; empty VALUE: its default",
	  .entry_kind = JF_KIND_CONNECTOR,
	  .set = card_set_connector_property },
	{ .name = "model-property",
	  .type = CARD_KEY_MAP,
	  .def = "",
	  .values = "NAME=VALUE of the adapter's model; empty VALUE: its default",
	  .entry_kind = JF_KIND_MODEL,
	  .set = card_set_model_property },
	{ .name = "nat-pf",
	  .type = CARD_KEY_MAP,
	  .flags = CARD_KEY_LIVE,
	  .def = "",
	  .values = "[NAME],tcp|udp,[HOSTIP],HOSTPORT,[GUESTIP],GUESTPORT, or 'delete NAME'",
	  .nic = "nat",
	  .set = card_set_forward },
	OPTION("intnet", "intnet", "network", "network's name"),
	OPTION("bridge-adapter", "bridged", "interface", "host interface"),
	OPTION("host-only-adapter", "hostonly", "interface", "host-only interface"),
	OPTION("nat-network", "natnetwork", "network", "NAT network's name"),
	OPTION("cloud-network", "cloud", "network", "cloud network's name"),
	OPTION("nat-net", "nat", "network", "IPv4 network like 10.0.2.0/24, or default"),
	OPTION("nat-bind-ip", "nat", "bind-ip", "IPv4 address of the host"),
	OPTION("nat-tftp-prefix", "nat", "tftp-prefix", "directory"),
	OPTION("nat-tftp-file", "nat", "boot-file", "boot file's name"),
	OPTION("nat-tftp-server", "nat", "next-server", "IPv4 address"),
	OPTION("nat-dns-pass-domain", "nat", "dns-pass-domain", "on or off"),
	OPTION("nat-dns-proxy", "nat", "dns-proxy", "on or off"),
	OPTION("nat-dns-host-resolver", "nat", "dns-host-resolver", "on or off"),
	OPTION("nat-localhostreachable", "nat", "localhost-reachable", "on or off"),
	OPTION("nat-forward-broadcast", "nat", "forward-broadcast", "on or off"),
	{ .name = "nat-alias-mode",
	  .flags = CARD_KEY_LIVE | CARD_KEY_FAR,
	  .def = "",
	  .values = "default, or log and sameports with a comma between them",
	  .check = card_check_alias_mode,
	  .nic = "nat",
	  .property = "alias-mode" },
	{ .name = "nat-settings",
	  .flags = CARD_KEY_LIVE | CARD_KEY_FAR,
	  .def = "",
	  .values = "MTU,SOCKSND,SOCKRCV,TCPSND,TCPRCV, sizes in KiB, 0: the default",
	  .check = card_check_nat_settings,
	  .nic = "nat" },
};

/* VBoxManage has these too; this program does not do what they ask. */
static const struct {
	const char *name;
	const char *hint;
} unsupported_keys[] = {
	{ "nic-bandwidth-group", "" },
	{ "host-only-net", "" },
};

const CardKey *
card_key_get(guint i)
{
	return i < G_N_ELEMENTS(card_keys) ? &card_keys[i] : NULL;
}

static void
card_key_set_unknown(const char *name, GError **error)
{
	const char *names[G_N_ELEMENTS(card_keys) + 1] = { NULL };
	g_autofree char *shown = jf_text_show(name);
	g_autofree char *hint = NULL;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(unsupported_keys); i++) {
		if (strcmp(unsupported_keys[i].name, name) != 0)
			continue;
		g_set_error(error, JF_ERROR, JF_ERROR_UNSUPPORTED,
			    "Option '%s' is not supported by this version%s", name,
			    unsupported_keys[i].hint);
		return;
	}
	for (i = 0; i < G_N_ELEMENTS(card_keys); i++)
		names[i] = card_keys[i].name;
	hint = jf_nearest_hint(name, names);
	g_set_error(error, JF_ERROR, JF_ERROR_KEY, "Unknown option '%s' of a card%s", shown, hint);
}

const CardKey *
card_key_find(const char *name, GError **error)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(card_keys); i++)
		if (strcmp(card_keys[i].name, name) == 0)
			return &card_keys[i];
	if (error)
		card_key_set_unknown(name, error);
	return NULL;
}
