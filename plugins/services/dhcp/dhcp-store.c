/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dhcp-store.c - bindings on disk, as a key file that people and other programs may read:
 *
 *	[192.168.56.101]
 *	state=acked
 *	mac=0800271122ff
 *	id=010800271122ff
 *	issued=1764230400
 *	end=1764231000
 *
 * The file is replaced whole by rename, so whoever reads it sees one moment's leases, and a process
 * that is killed leaves the old ones or the new. "id" is option 61; a client without one has no line.
 * "end" of a lease without end is 0.
 */
#include "dhcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (16u << 20)

static const char *const state_names[] = {
	[BINDING_ACKED] = "acked",
	[BINDING_RELEASED] = "released",
	[BINDING_EXPIRED] = "expired",
	[BINDING_DECLINED] = "declined",
};

static const char *
state_name(BindingState state)
{
	return state < G_N_ELEMENTS(state_names) ? state_names[state] : NULL;
}

/* ---- Reading ---- */

static gboolean
read_state(GKeyFile *file, const char *section, BindingState *state)
{
	g_autofree char *name = g_key_file_get_string(file, section, "state", NULL);

	for (guint i = 0; name && i < G_N_ELEMENTS(state_names); i++) {
		if (!state_names[i] || strcmp(state_names[i], name) != 0)
			continue;
		*state = i;
		return TRUE;
	}
	return FALSE;
}

static gboolean
read_id(GKeyFile *file, const char *section, Binding *binding)
{
	g_autofree char *text = g_key_file_get_string(file, section, "id", NULL);
	gsize len = text ? strlen(text) : 0;

	if (!text) {
		/* As request_read makes it: hardware type and address. */
		binding->id.len = 7;
		binding->id.bytes[0] = 1;
		memcpy(binding->id.bytes + 1, binding->mac, 6);
		return TRUE;
	}
	if (len % 2 || len > 2 * CLIENT_ID_MAX)
		return FALSE;
	binding->id.is_given = TRUE;
	binding->id.len = (guint8)(len / 2);
	for (gsize i = 0; i < len / 2; i++) {
		gint high = g_ascii_xdigit_value(text[2 * i]);
		gint low = g_ascii_xdigit_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return FALSE;
		binding->id.bytes[i] = (guint8)(high << 4 | low);
	}
	return TRUE;
}

static gboolean
read_binding(GKeyFile *file, const char *section, Binding *binding)
{
	g_autofree char *mac = g_key_file_get_string(file, section, "mac", NULL);
	guint8 bytes[4];

	if (inet_pton(AF_INET, section, bytes) != 1 || !mac || !jf_mac_parse(mac, binding->mac) ||
	    !read_state(file, section, &binding->state) || !read_id(file, section, binding))
		return FALSE;
	binding->address = jf_get_be32(bytes);
	binding->issued = g_key_file_get_uint64(file, section, "issued", NULL);
	binding->end = g_key_file_get_uint64(file, section, "end", NULL);
	if (binding->end == 0)
		binding->end = G_MAXUINT64;
	return TRUE;
}

static void
load_sections(Leases *leases, GKeyFile *file, guint32 mask)
{
	g_auto(GStrv) sections = g_key_file_get_groups(file, NULL);

	for (char **section = sections; *section; section++) {
		Binding read = { 0 };
		Binding *binding;

		if (!read_binding(file, *section, &read) ||
		    (read.address & mask) != (leases->own & mask))
			continue;
		binding = leases_get(leases, read.address);
		if (binding)
			*binding = read;
	}
}

gboolean
leases_load(Leases *leases, const char *path, guint32 mask, GError **error)
{
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autoptr(GError) local = NULL;
	g_autofree char *text = NULL;
	gsize len;

	if (!g_file_get_contents(path, &text, &len, &local)) {
		if (g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
			return TRUE;
	} else if (len <= FILE_MAX &&
		   g_key_file_load_from_data(file, text, len, G_KEY_FILE_NONE, &local)) {
		load_sections(leases, file, mask);
		return TRUE;
	}
	g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: %s", path,
		    local ? local->message : "too long for a lease file");
	return FALSE;
}

/* ---- Writing ---- */

static gint
compare_bindings(gconstpointer a, gconstpointer b)
{
	const Binding *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void
write_binding(GString *text, const Binding *binding)
{
	guint32 a = binding->address;
	char mac[13];

	jf_mac_format(binding->mac, mac);
	g_string_append_printf(text, "[%u.%u.%u.%u]\nstate=%s\nmac=%s\n", a >> 24, a >> 16 & 255,
			       a >> 8 & 255, a & 255, state_name(binding->state), mac);
	if (binding->id.is_given) {
		g_string_append(text, "id=");
		for (guint i = 0; i < binding->id.len; i++)
			g_string_append_printf(text, "%02x", binding->id.bytes[i]);
		g_string_append_c(text, '\n');
	}
	g_string_append_printf(text, "issued=%" G_GUINT64_FORMAT "\nend=%" G_GUINT64_FORMAT "\n",
			       binding->issued, binding->end == G_MAXUINT64 ? 0 : binding->end);
}

/* Offers are forgotten by a restart: their clients ask again. */
static GString *
leases_format(const Leases *leases)
{
	g_autoptr(GList) list = g_hash_table_get_values(leases->table);
	GString *text = g_string_new("# Written by Jackfield's DHCP service.\n");

	list = g_list_sort(list, compare_bindings);
	for (GList *l = list; l; l = l->next)
		if (state_name(((const Binding *)l->data)->state))
			write_binding(text, l->data);
	return text;
}

static gboolean
write_file(const char *path, const char *text, gsize len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	gboolean ok = fd >= 0;

	while (ok && len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		ok = n > 0;
		text += ok ? n : 0;
		len -= ok ? (gsize)n : 0;
	}
	if (fd >= 0 && close(fd) != 0)
		ok = FALSE;
	return ok;
}

gboolean
leases_save(const Leases *leases, const char *path, GError **error)
{
	g_autoptr(GString) text = leases_format(leases);
	g_autofree char *temporary = g_strconcat(path, ".tmp", NULL);

	if (write_file(temporary, text->str, text->len) && g_rename(temporary, path) == 0)
		return TRUE;
	g_set_error(error, JF_ERROR,
		    errno == EACCES || errno == EPERM || errno == EROFS ? JF_ERROR_PERMISSION
									: JF_ERROR_STATE,
		    "%s: %s", temporary, g_strerror(errno));
	return FALSE;
}
