/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * document.c - JSON documents on disk: read behind the guard, written whole or not at all.
 *
 * A writer makes ".NAME.XXXXXX.tmp" beside the document, holds a lock on it while it lives, and
 * renames it. So a temporary file that nobody has locked is a dead writer's. A sweeper may lock and
 * remove one in the instant between its making and its locking: the writer sees that its file has
 * no name any more and makes another.
 */
#include "document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jackfield/abi.h"
#include "json-guard.h"

#define TEMP_SUFFIX ".tmp"
#define TEMP_TRIES 100u

/* Where a document is, opened once so that all steps happen in one directory. */
typedef struct Place {
	const char *path;
	char *dir, *base;
	char *prefix; /* of the temporary files */
	int dir_fd;
} Place;

/* FALSE, with what errno says about `path`. */
static gboolean
errno_error(GError **error, const char *path, const char *doing)
{
	int number = errno;
	JfErrorCode code = JF_ERROR_STATE;

	if (number == ENOENT || number == ENOTDIR)
		code = JF_ERROR_NOT_FOUND;
	else if (number == EACCES || number == EPERM || number == EROFS)
		code = JF_ERROR_PERMISSION;
	g_set_error(error, JF_ERROR, code, "%s: cannot %s: %s", path, doing, g_strerror(number));
	return FALSE;
}

/* ---- Reading ---- */

JsonNode *
jf_document_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(JsonParser) parser = NULL;
	g_autoptr(GError) reason = NULL;

	if (!jf_json_guard(text, len, error))
		return NULL;
	parser = json_parser_new_immutable();
	if (!json_parser_load_from_data(parser, text, (gssize)len, &reason)) {
		g_set_error_literal(error, JF_ERROR, JF_ERROR_VALUE, reason->message);
		return NULL;
	}
	return json_parser_steal_root(parser);
}

/* Everything behind `fd`, one byte more than is allowed at most. */
static gboolean
read_all(int fd, GByteArray *bytes)
{
	guint8 block[16384];
	gssize n = 1;

	while (n > 0 && bytes->len <= JF_JSON_MAX_BYTES) {
		n = TEMP_FAILURE_RETRY(read(fd, block, sizeof block));
		if (n > 0)
			g_byte_array_append(bytes, block, (guint)n);
	}
	return n >= 0;
}

static gboolean
load_bytes(const char *path, GByteArray *bytes, GError **error)
{
	/* Never waits for the other end of a FIFO, never becomes a terminal's session. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	gboolean ok;

	if (fd < 0)
		return errno_error(error, path, "open");
	ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	if (!ok)
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s: is not a regular file", path);
	else if (!read_all(fd, bytes))
		ok = errno_error(error, path, "read");
	close(fd);
	return ok;
}

JsonNode *
jf_document_load(const char *path, GError **error)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	JsonNode *root;

	if (!load_bytes(path, bytes, error))
		return NULL;
	root = jf_document_parse((const char *)bytes->data, bytes->len, error);
	if (!root)
		g_prefix_error(error, "%s: ", path);
	return root;
}

/* ---- Writing ---- */

static gboolean
place_init(Place *place, const char *path, GError **error)
{
	place->path = path;
	place->dir = g_path_get_dirname(path);
	place->base = g_path_get_basename(path);
	place->prefix = g_strdup_printf(".%s.", place->base);
	place->dir_fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return place->dir_fd >= 0 || errno_error(error, place->dir, "open");
}

static void
place_finish(Place *place)
{
	if (place->dir_fd >= 0)
		close(place->dir_fd);
	g_free(place->dir);
	g_free(place->base);
	g_free(place->prefix);
}

static void
sweep_one(const Place *place, const char *name)
{
	int fd = openat(place->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(place->dir_fd, name, 0);
	close(fd);
}

static void
sweep(const Place *place)
{
	g_autoptr(GDir) dir = g_dir_open(place->dir, 0, NULL);
	gsize temp_len = strlen(place->prefix) + 6 + strlen(TEMP_SUFFIX);
	const char *name;

	while (dir && (name = g_dir_read_name(dir)))
		if (strlen(name) == temp_len && g_str_has_prefix(name, place->prefix) &&
		    g_str_has_suffix(name, TEMP_SUFFIX))
			sweep_one(place, name);
}

/* Where a file system has no locks nothing is ever swept, and all else works. */
static gboolean
temp_lock(int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return FALSE;
	return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* A locked temporary file that has a name. -1 with errno. */
static int
temp_open(const Place *place, char **name)
{
	for (guint i = 0; i < TEMP_TRIES; i++) {
		int fd;

		g_free(*name);
		*name = g_strdup_printf("%s%06x%s", place->prefix, g_random_int() & 0xffffff,
					TEMP_SUFFIX);
		fd = openat(place->dir_fd, *name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if ((fd < 0 && errno != EEXIST) || (fd >= 0 && temp_lock(fd)))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	errno = EBUSY;
	return -1;
}

static gboolean
write_all(int fd, const char *text, gsize len)
{
	while (len > 0) {
		gssize n = TEMP_FAILURE_RETRY(write(fd, text, len));

		if (n < 0)
			return FALSE;
		text += n;
		len -= (gsize)n;
	}
	return TRUE;
}

/* fchmod: an umask may take bits away from 0600, too. */
static gboolean
temp_commit(const Place *place, int fd, const char *name, const GString *text)
{
	return fchmod(fd, 0600) == 0 && write_all(fd, text->str, text->len) && fsync(fd) == 0 &&
	       renameat(place->dir_fd, name, place->dir_fd, place->base) == 0 &&
	       fsync(place->dir_fd) == 0;
}

static gboolean
place_write(const Place *place, const GString *text, GError **error)
{
	g_autofree char *name = NULL;
	int fd;
	gboolean ok;

	sweep(place);
	fd = temp_open(place, &name);
	if (fd < 0)
		return errno_error(error, place->path, "make a file beside it");
	ok = temp_commit(place, fd, name, text) || errno_error(error, place->path, "write");
	if (!ok)
		unlinkat(place->dir_fd, name, 0);
	close(fd);
	return ok;
}

/* json-glib 1.6 writes U+001F as it is, which JSON forbids; it can only stand inside a string. */
static void
escape_unit_separators(GString *text)
{
	if (strchr(text->str, 0x1f))
		g_string_replace(text, "\x1f", "\\u001f", 0);
}

/* NULL for what could not be loaded again. */
static GString *
document_format(const char *path, JsonNode *root, GError **error)
{
	g_autoptr(JsonGenerator) generator = json_generator_new();
	g_autoptr(GString) text = g_string_new(NULL);

	json_generator_set_pretty(generator, TRUE);
	json_generator_set_root(generator, root);
	json_generator_to_gstring(generator, text);
	escape_unit_separators(text);
	g_string_append_c(text, '\n');
	if (jf_json_guard(text->str, text->len, error))
		return g_steal_pointer(&text);
	g_prefix_error(error, "%s: not written: ", path);
	return NULL;
}

gboolean
jf_document_save(const char *path, JsonNode *root, GError **error)
{
	Place place = { 0 };
	g_autoptr(GString) text = document_format(path, root, error);
	gboolean ok;

	if (!text)
		return FALSE;
	ok = place_init(&place, path, error) && place_write(&place, text, error);
	place_finish(&place);
	return ok;
}

gboolean
jf_document_remove(const char *path, GError **error)
{
	Place place = { 0 };
	gboolean ok = place_init(&place, path, error);

	if (ok) {
		sweep(&place);
		ok = (unlinkat(place.dir_fd, place.base, 0) == 0 && fsync(place.dir_fd) == 0) ||
		     errno_error(error, path, "remove");
	}
	place_finish(&place);
	return ok;
}
