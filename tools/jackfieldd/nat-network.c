/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nat-network.c - the definition of a NAT network. */
#include "nat-network.h"

#include <arpa/inet.h>
#include <string.h>

#include "nearest.h"
#include "text.h"

#define LOOPBACKS_MAX 10u
#define LOOPBACK_DEFAULT 2u
#define LOCALHOST 0x7f000001u
#define PREFIX_MIN 1u
#define PREFIX_MAX 30u

/* ---- Life ---- */

static NatNetwork *
nat_network_new_empty(const char *name)
{
	NatNetwork *net = g_new0(NatNetwork, 1);
	guint i;

	net->name = g_strdup(name);
	for (i = 0; i < G_N_ELEMENTS(net->forwards); i++)
		net->forwards[i] = g_ptr_array_new_with_free_func((GDestroyNotify)forward_free);
	net->loopbacks = g_array_new(FALSE, FALSE, sizeof(NatLoopback));
	return net;
}

NatNetwork *
nat_network_new(const char *name, GError **error)
{
	const NatLoopback loopback = { LOCALHOST, LOOPBACK_DEFAULT };
	NatNetwork *net;

	if (!network_name_check(name, error))
		return NULL;
	net = nat_network_new_empty(name);
	net->enabled = TRUE;
	net->loopback6 = LOOPBACK_DEFAULT;
	g_array_append_val(net->loopbacks, loopback);
	return net;
}

NatNetwork *
nat_network_copy(const NatNetwork *net)
{
	NatNetwork *copy = nat_network_new_empty(net->name);
	guint i, k;

	copy->enabled = net->enabled;
	copy->network = net->network;
	copy->prefix = net->prefix;
	copy->ipv6 = net->ipv6;
	copy->ipv6_default = net->ipv6_default;
	copy->has_prefix6 = net->has_prefix6;
	memcpy(copy->prefix6, net->prefix6, sizeof copy->prefix6);
	copy->loopback6 = net->loopback6;
	copy->started = net->started;
	g_array_append_vals(copy->loopbacks, net->loopbacks->data, net->loopbacks->len);
	for (i = 0; i < G_N_ELEMENTS(net->forwards); i++)
		for (k = 0; k < net->forwards[i]->len; k++) {
			g_autofree char *text =
				nat_forward_format(g_ptr_array_index(net->forwards[i], k));

			g_ptr_array_add(copy->forwards[i], nat_forward_new(text, i == 1, NULL));
		}
	return copy;
}

void
nat_network_free(NatNetwork *net)
{
	guint i;

	if (!net)
		return;
	for (i = 0; i < G_N_ELEMENTS(net->forwards); i++)
		g_ptr_array_unref(net->forwards[i]);
	g_array_unref(net->loopbacks);
	g_free(net->name);
	g_free(net);
}

/* ---- What follows from it ---- */

guint32
nat_network_get_mask(const NatNetwork *net)
{
	return ~0u << (32 - net->prefix);
}

guint32
nat_network_get_gateway(const NatNetwork *net)
{
	return net->network + 1;
}

static gboolean
is_mapped(const NatNetwork *net, guint32 offset)
{
	guint i;

	for (i = 0; i < net->loopbacks->len; i++)
		if (g_array_index(net->loopbacks, NatLoopback, i).offset == offset)
			return TRUE;
	return FALSE;
}

guint32
nat_network_next_host(const NatNetwork *net, guint32 address)
{
	guint32 broadcast = net->network | ~nat_network_get_mask(net);

	while (++address < broadcast)
		if (!is_mapped(net, address - net->network))
			return address;
	return 0;
}

/* The same as in VirtualBox, so that guests' notes stay good: 2nd and 3rd octet of the network. */
void
nat_network_get_prefix6(const NatNetwork *net, guint8 prefix[16])
{
	static const guint8 base[6] = { 0xfd, 0x17, 0x62, 0x5c, 0xf0, 0x37 };

	if (net->has_prefix6) {
		memcpy(prefix, net->prefix6, 16);
		return;
	}
	memset(prefix, 0, 16);
	memcpy(prefix, base, sizeof base);
	prefix[6] = net->network >> 16 & 255;
	prefix[7] = net->network >> 8 & 255;
}

char *
nat_network_dup_cidr(const NatNetwork *net)
{
	g_autofree char *address = address_format(net->network);

	return g_strdup_printf("%s/%u", address, net->prefix);
}

char *
nat_network_dup_prefix6(const NatNetwork *net)
{
	char text[INET6_ADDRSTRLEN];
	guint8 prefix[16];

	nat_network_get_prefix6(net, prefix);
	inet_ntop(AF_INET6, prefix, text, sizeof text);
	return g_strconcat(text, "/64", NULL);
}

char *
nat_loopback_format(const NatLoopback *loopback)
{
	g_autofree char *address = address_format(loopback->address);

	return g_strdup_printf("%s=%u", address, loopback->offset);
}

/* ---- Changes ---- */

typedef struct NatKey {
	const char *name;
	gboolean (*set)(NatNetwork *net, const char *key, const char *value, GError **error);
	gboolean deletes; /* takes "delete KEY" */
} NatKey;

static gboolean
net_refuse(const char *key, const char *value, const char *wanted, GError **error)
{
	g_autofree char *shown = jf_text_show(value);

	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s '%s': %s", key, shown, wanted);
	return FALSE;
}

/* "ADDRESS/PREFIX"; the prefix ends the text. */
static char *
split_cidr(const char *value, guint64 *prefix)
{
	const char *slash = strchr(value, '/');

	if (!slash || !g_ascii_string_to_unsigned(slash + 1, 10, 0, 128, prefix, NULL))
		return NULL;
	return g_strndup(value, slash - value);
}

/* 0/8, 127/8, multicast and what is above are no unicast networks (RFC 6890). */
static gboolean
is_unicast(guint32 network)
{
	guint32 first = network >> 24;

	return first != 0 && first != 127 && first < 224;
}

static gboolean
set_network(NatNetwork *net, const char *key, const char *value, GError **error)
{
	guint64 prefix = 0;
	g_autofree char *text = split_cidr(value, &prefix);
	guint32 address, mask;

	if (!text)
		return net_refuse(key, value, "not an IPv4 network like 192.168.15.0/24", error);
	if (!address_parse(key, text, &address, error))
		return FALSE;
	if (prefix < PREFIX_MIN || prefix > PREFIX_MAX)
		return net_refuse(key, value, "the prefix length is not 1 to 30", error);
	mask = ~0u << (32 - prefix);
	if (address & ~mask) {
		g_autofree char *network = address_format(address & mask);
		g_autofree char *hint = g_strdup_printf(
			"there are bits set outside of the prefix; the network is %s/%u", network,
			(guint)prefix);

		return net_refuse(key, value, hint, error);
	}
	if (!is_unicast(address))
		return net_refuse(key, value, "not a network of hosts", error);
	net->network = address;
	net->prefix = (guint)prefix;
	return TRUE;
}

static gboolean
set_enabled(NatNetwork *net, const char *key, const char *value, GError **error)
{
	return on_off_parse(key, value, &net->enabled, error);
}

static gboolean
set_ipv6(NatNetwork *net, const char *key, const char *value, GError **error)
{
	return on_off_parse(key, value, &net->ipv6, error);
}

static gboolean
set_ipv6_default(NatNetwork *net, const char *key, const char *value, GError **error)
{
	return on_off_parse(key, value, &net->ipv6_default, error);
}

static gboolean
set_ipv6_prefix(NatNetwork *net, const char *key, const char *value, GError **error)
{
	static const guint8 zero[16];
	guint64 length = 0;
	g_autofree char *text = split_cidr(value, &length);
	guint8 prefix[16];

	if (!*value) {
		if (net->ipv6)
			return net_refuse(key, value,
					  "an IPv6 network has a prefix; switch ipv6 off first",
					  error);
		net->has_prefix6 = FALSE;
		return TRUE;
	}
	if (!text || inet_pton(AF_INET6, text, prefix) != 1)
		return net_refuse(key, value, "not an IPv6 prefix like fd00:0:0:1::/64", error);
	if (length != 64)
		return net_refuse(key, value, "the prefix length is not 64", error);
	if (memcmp(prefix + 8, zero, 8) != 0)
		return net_refuse(key, value, "there are bits set outside of the prefix", error);
	if (prefix[0] == 0xff || (prefix[0] == 0xfe && (prefix[1] & 0xc0) == 0x80) ||
	    memcmp(prefix, zero, 8) == 0)
		return net_refuse(key, value, "not a prefix of unicast addresses", error);
	net->has_prefix6 = TRUE;
	memcpy(net->prefix6, prefix, sizeof prefix);
	return TRUE;
}

/* ---- Port forwarding ---- */

static guint
forwards_find(const GPtrArray *forwards, const char *name)
{
	guint i;

	for (i = 0; i < forwards->len; i++)
		if (strcmp(((const Forward *)g_ptr_array_index(forwards, i))->name, name) == 0)
			return i;
	return G_MAXUINT;
}

static gboolean
forward_delete(GPtrArray *forwards, const char *key, const char *name, GError **error)
{
	guint i = forwards_find(forwards, name);
	g_autofree char *shown = jf_text_show(name);

	if (i != G_MAXUINT) {
		g_ptr_array_remove_index(forwards, i);
		return TRUE;
	}
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "%s: there is no rule '%s'", key, shown);
	return FALSE;
}

static gboolean
forward_add(NatNetwork *net, gboolean ipv6, const char *key, const char *value, GError **error)
{
	GPtrArray *forwards = net->forwards[ipv6];
	g_autoptr(Forward) forward = nat_forward_new(value, ipv6, error);
	guint i;

	if (!forward)
		return FALSE;
	if (forwards_find(net->forwards[0], forward->name) != G_MAXUINT ||
	    forwards_find(net->forwards[1], forward->name) != G_MAXUINT) {
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "%s: there is a rule '%s' already", key,
			    forward->name);
		return FALSE;
	}
	for (i = 0; i < forwards->len; i++) {
		const Forward *other = g_ptr_array_index(forwards, i);

		if (!forward_is_clash(forward, other))
			continue;
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY,
			    "%s: rule '%s' has host port %u already", key, other->name,
			    other->rule.host_port);
		return FALSE;
	}
	g_ptr_array_add(forwards, g_steal_pointer(&forward));
	return TRUE;
}

static const char *
skip_delete(const char *value)
{
	return g_ascii_strncasecmp(value, "delete ", 7) == 0 ? value + 7 : NULL;
}

static gboolean
set_forward(NatNetwork *net, gboolean ipv6, const char *key, const char *value, GError **error)
{
	const char *name = skip_delete(value);

	return name ? forward_delete(net->forwards[ipv6], key, name, error)
		    : forward_add(net, ipv6, key, value, error);
}

static gboolean
set_forward_4(NatNetwork *net, const char *key, const char *value, GError **error)
{
	return set_forward(net, FALSE, key, value, error);
}

static gboolean
set_forward_6(NatNetwork *net, const char *key, const char *value, GError **error)
{
	return set_forward(net, TRUE, key, value, error);
}

/* ---- Loopback mappings ---- */

/* By address, with or without the offset. */
static gboolean
loopback_delete(NatNetwork *net, const char *key, const char *value, GError **error)
{
	g_autofree char *text = g_strndup(value, strcspn(value, "="));
	guint32 address;
	guint i;

	if (!address_parse(key, text, &address, error))
		return FALSE;
	for (i = 0; i < net->loopbacks->len; i++) {
		if (g_array_index(net->loopbacks, NatLoopback, i).address != address)
			continue;
		g_array_remove_index(net->loopbacks, i);
		return TRUE;
	}
	g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "%s: %s is not mapped", key, text);
	return FALSE;
}

static gboolean
loopback_add(NatNetwork *net, const char *key, const char *value, GError **error)
{
	const char *equals = strchr(value, '=');
	g_autofree char *text = g_strndup(value, equals ? (gsize)(equals - value) : 0);
	NatLoopback loopback, *other;
	guint64 offset;
	guint i;

	if (!equals)
		return net_refuse(key, value, "not ADDRESS=OFFSET as in 127.0.0.1=2", error);
	if (!address_parse(key, text, &loopback.address, error) ||
	    !number_parse(key, equals + 1, G_MAXUINT32, &offset, error))
		return FALSE;
	loopback.offset = (guint32)offset;
	if (loopback.address >> 24 != 127)
		return net_refuse(key, value, "the address is not in 127.0.0.0/8", error);
	if (loopback.offset < 2)
		return net_refuse(key, value, "the offset is 2 or more: 1 is the gateway", error);
	for (i = 0; i < net->loopbacks->len; i++) {
		other = &g_array_index(net->loopbacks, NatLoopback, i);
		if (other->address == loopback.address) {
			/* Another offset for the same address takes its place. */
			other->offset = loopback.offset;
			return TRUE;
		}
		if (other->offset == loopback.offset)
			return net_refuse(key, value, "the offset has a mapping already", error);
	}
	if (net->loopbacks->len >= LOOPBACKS_MAX)
		return net_refuse(key, value, "there are 10 mappings, which is the most", error);
	g_array_append_val(net->loopbacks, loopback);
	return TRUE;
}

static gboolean
set_loopback_4(NatNetwork *net, const char *key, const char *value, GError **error)
{
	const char *name = skip_delete(value);

	return name ? loopback_delete(net, key, name, error) : loopback_add(net, key, value, error);
}

static gboolean
set_loopback_6(NatNetwork *net, const char *key, const char *value, GError **error)
{
	const char *name = skip_delete(value);
	guint64 offset;

	if (!number_parse(key, name ? name : value, G_MAXUINT32, &offset, error))
		return FALSE;
	if (name && (offset == 0 || offset != net->loopback6)) {
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "%s: %s is not mapped", key, name);
		return FALSE;
	}
	if (!name && offset == 1)
		return net_refuse(key, value, "the offset is 2 or more, or 0 for none", error);
	net->loopback6 = name ? 0 : (guint32)offset;
	return TRUE;
}

/* ---- The table, in the order of making ---- */

static const NatKey nat_keys[] = {
	{ "network", set_network, FALSE },
	{ "ipv6-prefix", set_ipv6_prefix, FALSE },
	{ "ipv6", set_ipv6, FALSE },
	{ "ipv6-default", set_ipv6_default, FALSE },
	{ "port-forward-4", set_forward_4, TRUE },
	{ "port-forward-6", set_forward_6, TRUE },
	{ "loopback-4", set_loopback_4, TRUE },
	{ "loopback-6", set_loopback_6, TRUE },
	{ "enabled", set_enabled, FALSE },
};

static guint
key_index(const char *name)
{
	guint i;

	for (i = 0; i < G_N_ELEMENTS(nat_keys); i++)
		if (strcmp(nat_keys[i].name, name) == 0)
			break;
	return i;
}

gboolean
nat_network_change(NatNetwork *net, const NetworkChange *change, GError **error)
{
	const char *names[G_N_ELEMENTS(nat_keys) + 1] = { NULL };
	guint i = key_index(change->key);
	g_autofree char *shown = NULL;
	g_autofree char *hint = NULL;

	if (i < G_N_ELEMENTS(nat_keys))
		return nat_keys[i].set(net, change->key, change->value, error);
	for (i = 0; i < G_N_ELEMENTS(nat_keys); i++)
		names[i] = nat_keys[i].name;
	shown = jf_text_show(change->key);
	hint = jf_nearest_hint(change->key, names);
	g_set_error(error, JF_ERROR, JF_ERROR_KEY, "Unknown option '%s' of a NAT network%s", shown,
		    hint);
	return FALSE;
}

/* ipv6 off comes before the prefix, on after it; deleting comes before adding. */
static int
change_rank(const NetworkChange *change)
{
	int rank = (int)key_index(change->key) * 2 + 2;
	gboolean on = FALSE;

	if (strcmp(change->key, "ipv6") == 0 &&
	    on_off_parse(change->key, change->value, &on, NULL) && !on)
		return (int)key_index("ipv6-prefix") * 2 + 1;
	if (g_ascii_strncasecmp(change->value, "delete ", 7) == 0)
		rank--;
	return rank;
}

int
nat_network_compare_changes(const NetworkChange *a, const NetworkChange *b)
{
	return change_rank(a) - change_rank(b);
}

static gboolean
check_loopback(const NatNetwork *net, const NatLoopback *loopback, GError **error)
{
	g_autofree char *text = nat_loopback_format(loopback);
	g_autofree char *cidr = nat_network_dup_cidr(net);

	if (loopback->offset < ~nat_network_get_mask(net))
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "loopback-4 '%s': network %s has hosts 1 to %u", text, cidr,
		    ~nat_network_get_mask(net) - 1);
	return FALSE;
}

static gboolean
check_forward(const NatNetwork *net, const Forward *forward, GError **error)
{
	g_autofree char *cidr = nat_network_dup_cidr(net);
	guint32 address;

	if (!address_parse("guest address", forward->guest_address, &address, error))
		return FALSE;
	if ((address & nat_network_get_mask(net)) == net->network)
		return TRUE;
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE,
		    "Rule '%s': guest address %s is not on network %s", forward->name,
		    forward->guest_address, cidr);
	return FALSE;
}

gboolean
nat_network_check(const NatNetwork *net, GError **error)
{
	guint i;

	if (!net->prefix) {
		g_set_error(error, JF_ERROR, JF_ERROR_STATE,
			    "NAT network '%s' needs --network, as in --network 192.168.15.0/24",
			    net->name);
		return FALSE;
	}
	for (i = 0; i < net->loopbacks->len; i++)
		if (!check_loopback(net, &g_array_index(net->loopbacks, NatLoopback, i), error))
			return FALSE;
	for (i = 0; i < net->forwards[0]->len; i++)
		if (!check_forward(net, g_ptr_array_index(net->forwards[0], i), error))
			return FALSE;
	return TRUE;
}

const char *
nat_network_find_fixed(const NatNetwork *from, const NatNetwork *to)
{
	guint8 a[16], b[16];

	if (from->network != to->network || from->prefix != to->prefix)
		return "network";
	if (from->ipv6 != to->ipv6)
		return "ipv6";
	nat_network_get_prefix6(from, a);
	nat_network_get_prefix6(to, b);
	if (memcmp(a, b, sizeof a) != 0)
		return "ipv6-prefix";
	if (from->ipv6_default != to->ipv6_default)
		return "ipv6-default";
	if (from->loopbacks->len != to->loopbacks->len ||
	    (from->loopbacks->len && memcmp(from->loopbacks->data, to->loopbacks->data,
					    from->loopbacks->len * sizeof(NatLoopback)) != 0))
		return "loopback-4";
	return from->loopback6 != to->loopback6 ? "loopback-6" : NULL;
}
