/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhost-user-record.c - our own record of the rings, for front ends that keep none (INFLIGHT_SHMFD).
 *
 * QEMU and DPDK keep none for network cards. It is a file of our user's, mapped, so it outlives this
 * process however that ends; after a boot of the host it means nothing, for the memory that it speaks
 * of is gone too.
 */
#include "vhost-user.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of another form is not looked at. */
#define RECORD_SIZE (vh_track_size(VH_RINGS_MAX) + sizeof record_form)

static const char record_form[64] = "Jackfield vhost-user rings 1";

/* A new file has holes for the records, which are zero: none counts. */
static gboolean
record_fill(int fd, GError **error)
{
	char form[sizeof record_form];
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		g_set_error_literal(error, JF_ERROR, JF_ERROR_PERMISSION, "it is not our file");
		return FALSE;
	}
	if ((gsize)st.st_size == RECORD_SIZE &&
	    pread(fd, form, sizeof form, (off_t)vh_track_size(VH_RINGS_MAX)) == sizeof form &&
	    memcmp(form, record_form, sizeof form) == 0)
		return TRUE;
	if (ftruncate(fd, 0) == 0 && ftruncate(fd, (off_t)vh_track_size(VH_RINGS_MAX)) == 0 &&
	    pwrite(fd, record_form, sizeof record_form, (off_t)vh_track_size(VH_RINGS_MAX)) ==
		    sizeof record_form)
		return TRUE;
	g_set_error_literal(error, JF_ERROR, JF_ERROR_PERMISSION, g_strerror(errno));
	return FALSE;
}

void
vh_record_open(Vhost *vh)
{
	g_autoptr(GError) error = NULL;
	gboolean ok;
	int fd;

	if (!vh->record_path)
		return;
	fd = open(vh->record_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0) {
		jf_log(vh->inst, G_LOG_LEVEL_WARNING, "no record of the rings at %s: %s",
		       vh->record_path, g_strerror(errno));
		return;
	}
	ok = record_fill(fd, &error) && vh_map(&vh->record, fd, 0, RECORD_SIZE, &error);
	close(fd);
	if (!ok)
		jf_log(vh->inst, G_LOG_LEVEL_WARNING, "no record of the rings at %s: %s",
		       vh->record_path, error->message);
}

static gboolean
record_counts(const Vhost *vh)
{
	const VhTrack *tracks = (const VhTrack *)vh->record.data;

	for (guint i = 0; i < VH_RINGS_MAX; i++) {
		if (tracks[i].active)
			return TRUE;
	}
	return FALSE;
}

void
vh_record_close(Vhost *vh, gboolean connected)
{
	if (!vh->record.data)
		return;
	if (!connected || !record_counts(vh))
		unlink(vh->record_path);
	vh_unmap(&vh->record);
}
