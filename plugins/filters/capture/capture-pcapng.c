/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capture-pcapng.c - the blocks of a pcapng file (draft-ietf-opsawg-pcapng).
 *
 * Section header, one interface, a packet block for each frame, and the interface's statistics at
 * the end. All in this machine's byte order, which the section header tells.
 */
#include "capture.h"

#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET 6u

#define OPTION_END 0u
#define OPTION_SECTION_APPLICATION 4u
#define OPTION_INTERFACE_NAME 2u
#define OPTION_INTERFACE_RESOLUTION 9u
#define OPTION_PACKET_FLAGS 2u
#define OPTION_STATISTICS_RECEIVED 4u
#define OPTION_STATISTICS_DROPPED 5u

#define LINK_ETHERNET 1u
#define NAME_MAX_LEN 200u
#define PACKET_BLOCK_LEN 44u
#define APPLICATION "jackfield"

#define PADDED(len) (((len) + 3u) & ~3u)

static guint8 *
put16(guint8 *p, guint16 value)
{
	memcpy(p, &value, sizeof value);
	return p + sizeof value;
}

static guint8 *
put32(guint8 *p, guint32 value)
{
	memcpy(p, &value, sizeof value);
	return p + sizeof value;
}

static guint8 *
put_time(guint8 *p, guint64 ns)
{
	return put32(put32(p, (guint32)(ns >> 32)), (guint32)ns);
}

static guint8 *
put_padding(guint8 *p, guint32 len)
{
	memset(p, 0, PADDED(len) - len);
	return p + (PADDED(len) - len);
}

static guint8 *
put_option(guint8 *p, guint16 code, gconstpointer data, guint16 len)
{
	p = put16(put16(p, code), len);
	memcpy(p, data, len);
	return put_padding(p + len, len);
}

static guint8 *
put_end(guint8 *p, guint32 block_len)
{
	return put32(put16(put16(p, OPTION_END), 0), block_len);
}

static gboolean
write_section(CaptureFile *file)
{
	const guint32 len = 24 + 4 + PADDED(sizeof APPLICATION - 1) + 4 + 4;
	guint8 *p = capture_file_add_block(file, len);

	if (!p)
		return FALSE;
	p = put32(put32(p, BLOCK_SECTION), len);
	p = put32(p, 0x1a2b3c4d);
	p = put16(put16(p, 1), 0);
	/* The section's length: not known. */
	p = put32(put32(p, G_MAXUINT32), G_MAXUINT32);
	p = put_option(p, OPTION_SECTION_APPLICATION, APPLICATION, sizeof APPLICATION - 1);
	put_end(p, len);
	return TRUE;
}

static gboolean
write_interface(CaptureFile *file, const char *name, guint32 snaplen)
{
	const guint8 nanoseconds = 9;
	const guint16 name_len = (guint16)MIN(strlen(name), NAME_MAX_LEN);
	const guint32 len = 16 + 4 + PADDED(name_len) + 8 + 4 + 4;
	guint8 *p = capture_file_add_block(file, len);

	if (!p)
		return FALSE;
	p = put32(put32(p, BLOCK_INTERFACE), len);
	p = put32(put16(put16(p, LINK_ETHERNET), 0), snaplen);
	p = put_option(p, OPTION_INTERFACE_NAME, name, name_len);
	p = put_option(p, OPTION_INTERFACE_RESOLUTION, &nanoseconds, sizeof nanoseconds);
	put_end(p, len);
	return TRUE;
}

gboolean
capture_write_header(CaptureFile *file, const char *interface, guint32 snaplen)
{
	return write_section(file) && write_interface(file, interface, snaplen);
}

typedef struct Packet {
	CaptureFile *file;
	guint32 snaplen;
	guint64 time;
	guint32 direction;
} Packet;

/* A JfSegmentFunc. */
static gboolean
write_packet(const JfFrame *frame, gpointer data)
{
	const Packet *packet = data;
	const guint32 kept = MIN(frame->len, packet->snaplen);
	const guint32 len = PACKET_BLOCK_LEN + PADDED(kept);
	guint8 *p = capture_file_add_frame(packet->file, len);

	if (!p)
		return TRUE;
	p = put32(put32(put32(p, BLOCK_PACKET), len), 0);
	p = put_time(p, packet->time);
	p = put32(put32(p, kept), frame->len);
	jf_frame_copy(frame, 0, p, kept);
	p = put_padding(p + kept, kept);
	p = put_option(p, OPTION_PACKET_FLAGS, &packet->direction, sizeof packet->direction);
	put_end(p, len);
	return TRUE;
}

void
capture_write_frame(CaptureFile *file, const JfFrame *frame, guint32 snaplen, guint64 time,
		    CaptureDirection direction)
{
	Packet packet = { file, snaplen, time, direction };

	/* What cannot be cut, because its headers are not what it says they are, is kept as it is. */
	if (!jf_frame_offloads(frame) || !jf_frame_segment(frame, 0, write_packet, &packet))
		write_packet(frame, &packet);
}

void
capture_write_statistics(CaptureFile *file, guint64 time)
{
	/* What is pending counts as recorded here: it shares its fate with this block. */
	const guint64 dropped = file->lost;
	const guint64 received = file->recorded + file->pending_frames + dropped;
	guint8 *p = capture_file_add_block(file, CAPTURE_STATISTICS_LEN);

	if (!p)
		return;
	p = put32(put32(put32(p, BLOCK_STATISTICS), CAPTURE_STATISTICS_LEN), 0);
	p = put_time(p, time);
	p = put_option(p, OPTION_STATISTICS_RECEIVED, &received, sizeof received);
	p = put_option(p, OPTION_STATISTICS_DROPPED, &dropped, sizeof dropped);
	put_end(p, CAPTURE_STATISTICS_LEN);
}
