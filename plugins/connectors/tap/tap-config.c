/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tap-config.c - the tap connector's properties, and what people read when they do not work. */
#include "tap.h"

#include <errno.h>
#include <jackfield/card.h>
#include <string.h>
#include <sys/stat.h>

static const JfValue *
config_get(JfInstance *inst, const char *name)
{
	return inst->host->property(inst, name);
}

static gint64
config_get_int(JfInstance *inst, const char *name)
{
	const JfValue *value = config_get(inst, name);

	return value->is_set ? value->v.integer : TAP_KEEP;
}

/* What the kernel calls a name (dev_valid_name), and one "%d" for a number that it chooses. */
static gboolean
ifname_is_valid(const char *name)
{
	const char *percent = strchr(name, '%');

	if (!*name || strlen(name) >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return FALSE;
	for (const char *p = name; *p; p++)
		if (*p == '/' || *p == ':' || g_ascii_isspace(*p))
			return FALSE;
	return !percent || (percent[1] == 'd' && !strchr(percent + 1, '%'));
}

static gboolean
config_check_fd(JfInstance *inst, GError **error)
{
	static const char *const others[] = { "ifname", "netns", "persistent", "send-buffer", "mac",
					      "mtu",    "up",    "address",    "address6" };

	for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
		if (!config_get(inst, others[i])->is_set)
			continue;
		g_set_error(error, JF_ERROR, JF_ERROR_KEY,
			    "%s cannot be given together with fd: the device of an fd is used as "
			    "it is",
			    others[i]);
		return FALSE;
	}
	return TRUE;
}

static gboolean
config_check_mac(JfInstance *inst, GError **error)
{
	const JfValue *mac = config_get(inst, "mac");
	static const guint8 zero[6];

	if (!mac->is_set || (!(mac->v.mac[0] & 1) && memcmp(mac->v.mac, zero, sizeof zero)))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "mac '%s' is no address of an interface: its second digit is odd, or all "
		    "digits are 0",
		    mac->text);
	return FALSE;
}

gboolean
tap_config_check(JfInstance *inst, GError **error)
{
	const char *ifname = jf_property_string(inst, "ifname");
	const JfValue *address6 = config_get(inst, "address6");

	if (config_get(inst, "fd")->is_set)
		return config_check_fd(inst, error);
	if (!ifname) {
		g_set_error(error, JF_ERROR, JF_ERROR_KEY,
			    "tap wants ifname, the name of its device, or fd");
		return FALSE;
	}
	if (!ifname_is_valid(ifname)) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
			    "ifname '%s' is no interface name: at most %u bytes without '/', ':' "
			    "and spaces; %%d stands for a number",
			    ifname, IFNAMSIZ - 1);
		return FALSE;
	}
	if (address6->is_set && address6->v.cidr.family != 6) {
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "address6 '%s' is not an IPv6 address",
			    address6->text);
		return FALSE;
	}
	return config_check_mac(inst, error);
}

static void
request_add_address(TapRequest *request, const JfValue *value)
{
	if (value->is_set)
		request->addresses[request->n_addresses++] = value->v.cidr;
}

void
tap_config_request(JfInstance *inst, TapRequest *request)
{
	const JfCardInfo *card = inst->host->query(inst, JF_CARD_IID);
	const JfValue *mac = config_get(inst, "mac");

	*request = (TapRequest){ .netns = -1,
				 .userns = -1,
				 .vnet_hdr = jf_property_bool(inst, "vnet-hdr"),
				 .persistent = config_get_int(inst, "persistent") == TRUE,
				 .send_buffer = config_get_int(inst, "send-buffer"),
				 .mtu = config_get_int(inst, "mtu"),
				 .up = (int)config_get_int(inst, "up"),
				 .mac_given = mac->is_set };
	g_strlcpy(request->ifname, jf_property_string(inst, "ifname"), IFNAMSIZ);
	if (mac->is_set)
		memcpy(request->mac, mac->v.mac, 6);
	else if (card)
		memcpy(request->mac, card->mac, 6);
	request_add_address(request, config_get(inst, "address"));
	request_add_address(request, config_get(inst, "address6"));
}

static const char *const step_texts[] = {
	[TAP_STEP_NETNS] = "enter the network namespace of",
	[TAP_STEP_OPEN] = "open /dev/net/tun for",
	[TAP_STEP_ATTACH] = "open",
	[TAP_STEP_HEADER] = "set the length of the header of",
	[TAP_STEP_SEND_BUFFER] = "set the send buffer of",
	[TAP_STEP_PERSIST] = "make persistent",
	[TAP_STEP_MAC] = "set the MAC address of",
	[TAP_STEP_MTU] = "set the MTU of",
	[TAP_STEP_ADDRESS] = "add an address to",
	[TAP_STEP_UP] = "set up or down",
};

static char *
hint_open(const TapReply *reply)
{
	struct stat st;

	if (reply->err == ENOENT || reply->err == ENODEV || reply->err == ENXIO)
		return g_strdup("; is the kernel module 'tun' loaded?");
	if ((reply->err == EACCES || reply->err == EPERM) && !stat("/dev/net/tun", &st))
		return g_strdup_printf("; its mode is %04o, its owner uid %u, its group gid %u: "
				       "join that group, or have the mode changed",
				       st.st_mode & 07777, st.st_uid, st.st_gid);
	return g_strdup("");
}

static char *
hint_attach(const TapReply *reply, const char *ifname)
{
	switch (reply->err) {
	case EPERM:
		return g_strdup_printf("; to make it, or to open another user's, needs "
				       "CAP_NET_ADMIN in that network namespace; or have it made "
				       "for this user: ip tuntap add dev %s mode tap user %s",
				       ifname, g_get_user_name());
	case EBUSY:
		return g_strdup("; another program has it open");
	case EINVAL:
		return g_strdup("; an interface of that name is there and is no tap device");
	default:
		return g_strdup("");
	}
}

static char *
hint_dup(const TapReply *reply, const char *ifname)
{
	if (reply->step == TAP_STEP_OPEN)
		return hint_open(reply);
	if (reply->step == TAP_STEP_ATTACH)
		return hint_attach(reply, ifname);
	if (reply->step == TAP_STEP_NETNS && reply->err == EPERM)
		return g_strdup("; that needs CAP_SYS_ADMIN, or to be the user whose container "
				"it is");
	if (reply->step == TAP_STEP_ADDRESS && reply->err == EACCES)
		return g_strdup("; IPv6 is disabled there (net.ipv6.conf)");
	if (reply->err == EPERM)
		return g_strdup("; that needs CAP_NET_ADMIN in that network namespace");
	return g_strdup("");
}

static JfErrorCode
reply_code(const TapReply *reply)
{
	switch (reply->err) {
	case EPERM:
	case EACCES:
		return JF_ERROR_PERMISSION;
	case EBUSY:
		return JF_ERROR_BUSY;
	case EINVAL:
		return JF_ERROR_VALUE;
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return JF_ERROR_UNSUPPORTED;
	default:
		return JF_ERROR_NETWORK;
	}
}

void
tap_config_fail(JfInstance *inst, const TapRequest *request, const TapReply *reply, GError **error)
{
	const char *netns = jf_property_string(inst, "netns");
	g_autofree char *hint = hint_dup(reply, request->ifname);

	g_set_error(error, JF_ERROR, reply_code(reply), "cannot %s tap device '%s'%s%s%s: %s%s",
		    step_texts[reply->step], request->ifname,
		    netns ? " in network namespace '" : "", netns ? netns : "", netns ? "'" : "",
		    g_strerror(reply->err), hint);
}
