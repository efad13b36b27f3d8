/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture-file.c - a file that grows by whole blocks and survives a full disk. */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pending bytes that are written without waiting for the timer. */
#define FILE_FLUSH_LEN (64u << 10)
#define FILE_PENDING_SPACE (FILE_FLUSH_LEN + CAPTURE_BLOCK_MAX)

static gboolean
file_fail(const char *path, int err, GError **error)
{
	switch (err) {
	case ELOOP:
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION,
			    "will not record through the symbolic link %s", path);
		break;
	case EACCES:
	case EPERM:
	case EROFS:
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION, "cannot write %s: %s", path,
			    g_strerror(err));
		break;
	case ENOENT:
	case ENOTDIR:
		g_set_error(error, JF_ERROR, JF_ERROR_NOT_FOUND, "no directory for %s", path);
		break;
	case EISDIR:
	case ENXIO:
		g_set_error(error, JF_ERROR, JF_ERROR_VALUE, "%s is not a regular file", path);
		break;
	case EWOULDBLOCK:
		g_set_error(error, JF_ERROR, JF_ERROR_BUSY, "somebody else records into %s", path);
		break;
	default:
		g_set_error(error, JF_ERROR, JF_ERROR_STATE, "cannot record into %s: %s", path,
			    g_strerror(err));
	}
	return FALSE;
}

/* Makes `fd` an empty file of ours, or says why it must not be touched. */
static gboolean
file_claim(int fd, const char *path, GError **error)
{
	struct stat st;

	if (fstat(fd, &st))
		return file_fail(path, errno, error);
	if (!S_ISREG(st.st_mode))
		return file_fail(path, EISDIR, error);
	if (st.st_uid != geteuid()) {
		g_set_error(error, JF_ERROR, JF_ERROR_PERMISSION,
			    "%s belongs to another user and is left alone", path);
		return FALSE;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) || ftruncate(fd, 0))
		return file_fail(path, errno, error);
	return TRUE;
}

/* Writing past the process's own limit would end it by a signal. */
static guint64
file_limit(guint64 max_size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return max_size;
	return max_size ? MIN(max_size, limit.rlim_cur) : MAX(limit.rlim_cur, 1);
}

gboolean
capture_file_open(CaptureFile *file, const char *path, guint64 max_size, GError **error)
{
	*file = (CaptureFile){ .fd = -1, .max_size = file_limit(max_size) };
	file->pending = g_try_malloc(FILE_PENDING_SPACE);
	if (!file->pending)
		return file_fail(path, ENOMEM, error);
	file->fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			0600);
	if (file->fd < 0)
		return file_fail(path, errno, error);
	return file_claim(file->fd, path, error);
}

void
capture_file_close(CaptureFile *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	g_clear_pointer(&file->pending, g_free);
	file->n_pending = file->pending_frames = 0;
}

static gboolean
file_write(CaptureFile *file)
{
	guint32 done = 0;

	while (done < file->n_pending) {
		ssize_t n = pwrite(file->fd, file->pending + done, file->n_pending - done,
				   (off_t)(file->size + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return FALSE;
		done += (guint32)n;
	}
	return TRUE;
}

void
capture_file_flush(CaptureFile *file)
{
	if (!file->n_pending)
		return;
	if (file_write(file)) {
		file->error = 0;
		file->size += file->n_pending;
		file->recorded += file->pending_frames;
	} else {
		file->error = errno;
		file->lost += file->pending_frames;
		/* Where even that fails, the next write that works covers what is there. */
		if (ftruncate(file->fd, (off_t)file->size))
			file->error = errno;
	}
	file->n_pending = file->pending_frames = 0;
}

guint8 *
capture_file_add_block(CaptureFile *file, guint32 len)
{
	guint8 *block;

	if (file->max_size && file->size + file->n_pending + len > file->max_size)
		return NULL;
	if (file->n_pending >= FILE_FLUSH_LEN)
		capture_file_flush(file);
	block = file->pending + file->n_pending;
	file->n_pending += len;
	return block;
}

guint8 *
capture_file_add_frame(CaptureFile *file, guint32 len)
{
	guint8 *block = NULL;

	/* The block that ends the file must fit, too. */
	if (!file->max_size ||
	    file->size + file->n_pending + len + CAPTURE_STATISTICS_LEN <= file->max_size)
		block = capture_file_add_block(file, len);
	if (block)
		file->pending_frames++;
	else
		file->lost++;
	return block;
}
