/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-tftp-file.c - the files that TFTP reads, below one directory and nowhere else.
 *
 * The kernel resolves the name beneath the directory (openat2, RESOLVE_BENEATH): neither "..", nor an
 * absolute name, nor a link leads out of it, whatever is renamed meanwhile. Blocks are read where they
 * are wanted, so that sending one again needs no memory of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nat-services.h"

#define NO_PENDING 0xffu

/* Boot programs of DOS descent write '\\'; many write a '/' in front. */
static char *
make_relative(const char *name)
{
	char *path = g_strdelimit(g_strdup(name), "\\", '/');
	gsize skip = strspn(path, "/");

	memmove(path, path + skip, strlen(path + skip) + 1);
	return path;
}

int
nat_tftp_file_open(NatTftpFile *file, int directory, const char *name, gboolean netascii)
{
	const struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	g_autofree char *path = make_relative(name);
	struct stat st;

	file->netascii = netascii;
	file->fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
	if (file->fd < 0)
		return errno;
	if (fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode)) {
		file->size = (guint64)st.st_size;
		return 0;
	}
	nat_tftp_file_close(file);
	return ENOENT;
}

void
nat_tftp_file_close(NatTftpFile *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

/* All that is asked for, unless the file ends. */
static gssize
read_whole(int fd, guint8 *out, gsize size, guint64 offset)
{
	gsize len = 0;

	while (len < size) {
		gssize got = pread(fd, out + len, size - len, (off_t)(offset + len));

		if (got < 0 && errno != EINTR)
			return -1;
		if (got == 0)
			break;
		len += got > 0 ? (gsize)got : 0;
	}
	return (gssize)len;
}

/* RFC 764: the end of a line is CR LF, a CR alone is CR NUL. `raw` is at most as long as `out`. */
static gsize
encode_netascii(NatTftpMark *mark, const guint8 *raw, gsize raw_len, guint8 *out, gsize size)
{
	gsize at = 0, used = 0;

	if (mark->pending != NO_PENDING && size)
		out[at++] = mark->pending;
	mark->pending = NO_PENDING;
	for (; used < raw_len && at < size; used++) {
		guint8 first = raw[used] == '\n' ? '\r' : raw[used];
		guint8 second = raw[used] == '\n' ? '\n' : raw[used] == '\r' ? 0 : NO_PENDING;

		out[at++] = first;
		if (second == NO_PENDING)
			continue;
		if (at < size)
			out[at++] = second;
		else
			mark->pending = second;
	}
	mark->offset += used;
	return at;
}

gssize
nat_tftp_file_read(const NatTftpFile *file, NatTftpMark *mark, guint8 *out, gsize size)
{
	g_autofree guint8 *raw = NULL;
	gssize got;

	if (!file->netascii) {
		got = read_whole(file->fd, out, size, mark->offset);
		mark->offset += got > 0 ? (guint64)got : 0;
		return got;
	}
	raw = g_malloc(size);
	got = read_whole(file->fd, raw, size, mark->offset);
	return got < 0 ? -1 : (gssize)encode_netascii(mark, raw, (gsize)got, out, size);
}
