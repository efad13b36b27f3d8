/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture.h - the parts of the capture filter. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <jackfield/driver.h>

/*
 * A file that grows by whole blocks. A write that fails half-way is taken back, so that no reader
 * finds half a block that stays.
 */
typedef struct CaptureFile {
	int fd; /* -1: closed */
	guint64 size;
	guint64 max_size; /* 0: no limit */
	guint8 *pending;  /* blocks that wait to be written */
	guint32 n_pending;
	guint pending_frames;
	guint64 recorded; /* frames in the file */
	guint64 lost;     /* frames that are not, for want of room or because a write failed */
	int error;        /* errno of the last write, 0 when it worked */
} CaptureFile;

/* Direction of a frame as pcapng's epb_flags has it, seen from the card. */
typedef enum { CAPTURE_IN = 1, CAPTURE_OUT = 2 } CaptureDirection;

/* capture-file.c */
gboolean capture_file_open(CaptureFile *file, const char *path, guint64 max_size, GError **error);
void capture_file_close(CaptureFile *file);
/* Where to put a frame's block of `len` bytes, at most CAPTURE_BLOCK_MAX, right after this call;
 * NULL: the file is at its max_size, the frame is counted as lost. */
guint8 *capture_file_add_frame(CaptureFile *file, guint32 len);
/* The same for a block about the file. */
guint8 *capture_file_add_block(CaptureFile *file, guint32 len);
/* Writes what is pending; what cannot be written is lost. */
void capture_file_flush(CaptureFile *file);

/* capture-pcapng.c */
/* Longest block: the longest frame, its header, its options. */
#define CAPTURE_BLOCK_MAX (64u + 65556u)
/* The block that ends a file. */
#define CAPTURE_STATISTICS_LEN 52u
gboolean capture_write_header(CaptureFile *file, const char *interface, guint32 snaplen);
void capture_write_frame(CaptureFile *file, const JfFrame *frame, guint32 snaplen, guint64 time,
			 CaptureDirection direction);
void capture_write_statistics(CaptureFile *file, guint64 time);

#endif
