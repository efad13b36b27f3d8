/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loader.c - plugin files: where they are, who may have written them, and how they open.
 *
 * Owner and mode are read from the opened directory and from the file opened in it, so a link that
 * moves meanwhile cannot pass one file's mode off as another's. What remains between the check and
 * dlopen takes somebody who may write to the directory, and that is what was checked.
 *
 * A module that was opened stays in memory even when it is then refused: its constructors have run,
 * and unmapping code that may have left a thread or an atexit handler behind would crash later.
 */
#include "loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gmodule.h>
#include <grp.h>
#include <link.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "config.h"

#define QUERY_SYMBOL "jf_plugin_query"
#define SUFFIX ".so"
#define NSS_BUFFER 16384u

/* ---- Search path ---- */

static void
dir_clear(gpointer data)
{
	JfLoaderDir *dir = data;

	g_free(dir->path);
}

static void
dirs_add(GArray *dirs, const char *path, gboolean optional)
{
	JfLoaderDir dir = { .path = g_strdup(path), .optional = optional };

	g_array_append_val(dirs, dir);
}

static void
dirs_add_list(GArray *dirs, const char *list, gboolean optional)
{
	g_auto(GStrv) paths = g_strsplit(list, ":", -1);

	for (guint i = 0; paths[i]; i++)
		if (*paths[i])
			dirs_add(dirs, paths[i], optional);
}

/* The file that this code is in: the library, or a program that has it inside. */
static char *
own_file(void)
{
	struct link_map *map = NULL;
	Dl_info info;

	if (!dladdr1((gpointer)jf_error_quark, &info, (void **)&map, RTLD_DL_LINKMAP))
		return NULL;
	/* The program itself has no name in the list. */
	return realpath(map->l_name && *map->l_name ? map->l_name : "/proc/self/exe", NULL);
}

static gboolean
runs_from_build_tree(void)
{
	g_autofree char *file = own_file();
	g_autofree char *root = realpath(JF_BUILD_ROOT, NULL);

	return file && root && g_str_has_prefix(file, root) && file[strlen(root)] == '/';
}

GArray *
jf_loader_search_path(void)
{
	/* Somebody else's environment must not choose what a set-uid program loads. */
	gboolean trusted = getauxval(AT_SECURE) == 0;
	const char *list = trusted ? g_getenv("JACKFIELD_PLUGIN_PATH") : NULL;
	g_autofree char *user =
		g_build_filename(g_get_user_data_dir(), "jackfield", "plugins", NULL);
	GArray *dirs = g_array_new(FALSE, FALSE, sizeof(JfLoaderDir));

	g_array_set_clear_func(dirs, dir_clear);
	if (list)
		dirs_add_list(dirs, list, FALSE);
	if (trusted)
		dirs_add(dirs, user, TRUE);
	dirs_add(dirs, JF_SYSTEM_PLUGIN_DIR, TRUE);
	if (runs_from_build_tree())
		dirs_add_list(dirs, JF_BUILD_PLUGIN_PATH, TRUE);
	else
		dirs_add(dirs, JF_BUILTIN_PLUGIN_DIR, TRUE);
	return dirs;
}

/* ---- Owner and mode ---- */

static gboolean
refuse(GError **error, JfErrorCode code, const char *rule)
{
	g_set_error_literal(error, JF_ERROR, code, rule);
	return FALSE;
}

static gboolean
errno_error(GError **error, int number)
{
	JfErrorCode code = number == ENOENT || number == ENOTDIR ? JF_ERROR_NOT_FOUND
			   : number == EACCES || number == EPERM ? JF_ERROR_PERMISSION
								 : JF_ERROR_PLUGIN;

	return refuse(error, code, g_strerror(number));
}

/*
 * A group that has its owner's name and nobody else in it is the owner: many systems give every
 * user such a group and let it write by default.
 */
static gboolean
group_is_owner(int fd, const struct stat *st)
{
	char user_buffer[NSS_BUFFER], group_buffer[NSS_BUFFER];
	struct passwd user, *user_found = NULL;
	struct group group, *group_found = NULL;

	if (fgetxattr(fd, "system.posix_acl_access", NULL, 0) >= 0)
		return FALSE;
	if (getpwuid_r(st->st_uid, &user, user_buffer, sizeof user_buffer, &user_found) != 0 ||
	    getgrgid_r(st->st_gid, &group, group_buffer, sizeof group_buffer, &group_found) != 0 ||
	    !user_found || !group_found)
		return FALSE;
	if (user.pw_gid != st->st_gid || strcmp(user.pw_name, group.gr_name) != 0)
		return FALSE;
	for (char **member = group.gr_mem; *member; member++)
		if (strcmp(*member, user.pw_name) != 0)
			return FALSE;
	return TRUE;
}

static gboolean
writers_check(int fd, const struct stat *st, GError **error)
{
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION,
			    "is owned by uid %u; only root and uid %u may own plugins",
			    (guint)st->st_uid, (guint)geteuid());
		return FALSE;
	}
	if (st->st_mode & S_IWOTH)
		return refuse(error, JF_ERROR_PERMISSION,
			      "everybody may write to it: plugins need chmod o-w");
	if ((st->st_mode & S_IWGRP) && !group_is_owner(fd, st)) {
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION,
			    "group %u may write to it: plugins need chmod g-w", (guint)st->st_gid);
		return FALSE;
	}
	return TRUE;
}

/* An fd of a directory that only root and the user may write to. -1 with an error. */
static int
dir_open(const char *path, GError **error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		errno_error(error, errno);
	} else if (writers_check(fd, &st, error)) {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- Directories ---- */

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
jf_loader_list_dir(const char *path, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GDir) dir = NULL;
	const char *name;
	int fd = -1;

	if (!g_path_is_absolute(path))
		refuse(error, JF_ERROR_NOT_FOUND, "a plugin directory needs an absolute name");
	else
		fd = dir_open(path, error);
	if (fd < 0) {
		g_prefix_error(error, "%s: ", path);
		return NULL;
	}
	close(fd);
	dir = g_dir_open(path, 0, NULL);
	while (dir && (name = g_dir_read_name(dir)))
		if (g_str_has_suffix(name, SUFFIX))
			g_ptr_array_add(names, g_build_filename(path, name, NULL));
	g_ptr_array_sort(names, compare_names);
	return g_steal_pointer(&names);
}

char *
jf_loader_resolve(const char *path, GError **error)
{
	char *real = realpath(path, NULL);

	if (!real)
		errno_error(error, errno);
	return real;
}

/* ---- Modules ---- */

static gboolean
read_at(int fd, gpointer data, gsize len, guint64 offset)
{
	return pread(fd, data, len, (off_t)offset) == (gssize)len;
}

/* dlopen maps what the headers promise; in a file that was cut short the first touch is SIGBUS. */
static gboolean
module_is_whole(int fd, guint64 size)
{
	ElfW(Ehdr) head;
	ElfW(Phdr) segment;

	if (!read_at(fd, &head, sizeof head, 0) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		return FALSE;
	if (head.e_phentsize != sizeof segment || head.e_phoff > size)
		return FALSE;
	/* The section headers come last: without them something is missing, needed or not. */
	if (head.e_shoff > size || (guint64)head.e_shnum * head.e_shentsize > size - head.e_shoff)
		return FALSE;
	for (guint i = 0; i < head.e_phnum; i++) {
		if (!read_at(fd, &segment, sizeof segment, head.e_phoff + i * sizeof segment))
			return FALSE;
		if (segment.p_type != PT_NULL && segment.p_filesz > 0 &&
		    (segment.p_offset > size || segment.p_filesz > size - segment.p_offset))
			return FALSE;
	}
	return TRUE;
}

static gboolean
file_check(int fd, GError **error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return errno_error(error, errno);
	if (!S_ISREG(st.st_mode))
		return refuse(error, JF_ERROR_PLUGIN, "is not a regular file");
	if (!writers_check(fd, &st, error))
		return FALSE;
	if (!module_is_whole(fd, (guint64)st.st_size))
		return refuse(error, JF_ERROR_PLUGIN, "is not a whole ELF module");
	return TRUE;
}

/* The file, opened in its directory, and both checked. */
static gboolean
path_check(const char *real, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(real), *base = g_path_get_basename(real);
	int dir_fd = dir_open(dir, error), fd;
	gboolean ok;

	if (dir_fd < 0) {
		g_prefix_error(error, "its directory %s: ", dir);
		return FALSE;
	}
	fd = openat(dir_fd, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ok = fd >= 0 ? file_check(fd, error) : errno_error(error, errno);
	if (fd >= 0)
		close(fd);
	close(dir_fd);
	return ok;
}

/* Why the module did not open, without the file's name that dlopen puts in front. */
static const char *
module_reason(const char *real)
{
	const char *reason = g_module_error();
	gsize len = strlen(real);

	if (reason && strncmp(reason, real, len) == 0 && g_str_has_prefix(reason + len, ": "))
		return reason + len + 2;
	return reason ? reason : "does not open";
}

const JfPlugin *
jf_loader_open(const char *real, GError **error)
{
	const JfPlugin *plugin;
	gpointer symbol = NULL;
	GModule *module;

	/* GModule takes other suffixes for something else to open. */
	if (!g_str_has_suffix(real, SUFFIX)) {
		refuse(error, JF_ERROR_PLUGIN, "a plugin's name ends in " SUFFIX);
		return NULL;
	}
	if (!path_check(real, error))
		return NULL;
	module = g_module_open(real, G_MODULE_BIND_LOCAL);
	if (!module) {
		refuse(error, JF_ERROR_PLUGIN, module_reason(real));
		return NULL;
	}
	g_module_make_resident(module);
	if (!g_module_symbol(module, QUERY_SYMBOL, &symbol) || !symbol) {
		refuse(error, JF_ERROR_PLUGIN, "exports no " QUERY_SYMBOL "()");
		return NULL;
	}
	plugin = ((JfPluginQueryFunc)symbol)();
	if (!plugin)
		refuse(error, JF_ERROR_PLUGIN, QUERY_SYMBOL "() returned NULL");
	return plugin;
}
