/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - the options of modifyvm as a table, in both of VBoxManage's spellings. */
#include "options.h"

#include <string.h>

static const char *const on_off[] = { "on", "off", NULL };
static const char *const promisc[] = { "deny", "allow-vms", "allow-all", NULL };

#define ON_OFF .exact = on_off, .value = "on|off"

/* clang-format off */
const Option options[] = {
	{ "name", .machine = TRUE, .value = "NAME" },
	{ "ostype", .alias = "os-type", .machine = TRUE, .value = "TYPE" },
	{ "chipset", .machine = TRUE, .value = "piix3|ich9" },
	{ "nic",
	  .value = "none|null|nat|bridged|intnet|hostonly|hostonlynet|generic|natnetwork|cloud" },
	{ "nic-type", "nictype",
	  .value = "Am79C970A|Am79C973|82540EM|82543GC|82545EM|virtio" },
	{ "cable-connected", "cableconnected", ON_OFF },
	{ "nic-trace", "nictrace", ON_OFF },
	{ "nic-trace-file", "nictracefile", .kind = OPTION_FILE, .value = "FILE" },
	{ "nic-property", "nicproperty", .kind = OPTION_PAIR, .value = "NAME=VALUE" },
	{ "nic-speed", "nicspeed", .value = "KBIT/S" },
	{ "nic-boot-prio", "nicbootprio", .value = "0..4" },
	{ "nic-promisc", "nicpromisc", .exact = promisc,
	  .value = "deny|allow-vms|allow-all" },
	{ "nic-bandwidth-group", "nicbandwidthgroup", .value = "none|GROUP" },
	{ "bridge-adapter", "bridgeadapter", .value = "none|INTERFACE" },
	{ "host-only-adapter", "hostonlyadapter", .value = "none|INTERFACE" },
	{ "host-only-net", "hostonlynet", .value = "none|NETWORK" },
	{ "intnet", .value = "none|NETWORK" },
	{ "nat-network", "natnetwork", .value = "NETWORK" },
	/* The reference manual prints the alias. */
	{ "nic-generic-drv", "nicgenericdrv", "nic-generic-driv", .value = "DRIVER" },
	{ "cloud-network", "cloudnetwork", .value = "none|NETWORK" },
	{ "mac-address", "macaddress", .value = "auto|MAC" },
	{ "nat-net", "natnet", .value = "default|CIDR" },
	{ "nat-bind-ip", "natbindip", .value = "IPV4" },
	{ "nat-settings", "natsettings", .value = "MTU,SOCKSND,SOCKRCV,TCPSND,TCPRCV" },
	{ "nat-pf", "natpf", .kind = OPTION_RULE,
	  .value = "[NAME],tcp|udp,[HOSTIP],HOSTPORT,[GUESTIP],GUESTPORT | delete NAME" },
	{ "nat-tftp-prefix", "nattftpprefix", .kind = OPTION_FILE, .value = "DIRECTORY" },
	{ "nat-tftp-file", "nattftpfile", .value = "FILE" },
	{ "nat-tftp-server", "nattftpserver", .value = "IPV4" },
	{ "nat-dns-pass-domain", "natdnspassdomain", ON_OFF },
	{ "nat-dns-proxy", "natdnsproxy", ON_OFF },
	{ "nat-dns-host-resolver", "natdnshostresolver", ON_OFF },
	{ "nat-alias-mode", "nataliasmode", .value = "default|[log],[proxyonly],[sameports]" },
	{ "nat-localhostreachable", "natlocalhostreachable", ON_OFF },
	{ "nat-forward-broadcast", ON_OFF },
	/* Not VBoxManage's: how the virtual machine monitor reaches the card, and our own adapter. */
	{ "connector", .value = "auto|vfio-user|stream|dgram|tap" },
	{ "connector-property", .kind = OPTION_PAIR, .value = "NAME=VALUE" },
	{ "model-property", .kind = OPTION_PAIR, .value = "NAME=VALUE" },
	{ NULL },
};
/* clang-format on */

const Option *
option_get(const char *key)
{
	const Option *option;

	for (option = options; option->key; option++) {
		if (strcmp(option->key, key) == 0)
			return option;
	}
	g_assert_not_reached();
}

const Option *
option_find(const char *spelling)
{
	const Option *option;

	for (option = options; option->key; option++) {
		if (strcmp(option->key, spelling) == 0 || g_strcmp0(option->old, spelling) == 0 ||
		    g_strcmp0(option->alias, spelling) == 0)
			return option;
	}
	return NULL;
}
