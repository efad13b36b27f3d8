/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio-user-message.c - what the client asks, and the answers.
 *
 * Every message is answered in order, at once, and from this process alone: nothing waits for the
 * client, so a client that waits for us cannot be part of a deadlock. A request that makes no sense
 * gets an error reply; only broken framing ends the connection.
 */
#include "vfio-user.h"

#include <errno.h>
#include <string.h>

#define WRITE_MULTI_MAX 200u
/* The reply must not be longer than the request, or the client has no room for it. */
#define VERSION_TEXT                                                            \
	"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576," \
	"\"write_multiple\":true}}"

typedef struct RegionAccess {
	guint64 offset;
	guint32 region, count;
} RegionAccess;

typedef struct WriteOne {
	guint64 offset;
	guint32 region, count;
	guint8 data[8];
} WriteOne;

static guint32
version(VfioUser *vu, VuMessage *message, GByteArray *reply)
{
	static const guint8 head[4] = { 0, 0, 0, 0 }; /* major 0, minor 0 */
	guint16 major;

	if (message->len < sizeof head)
		return EINVAL;
	memcpy(&major, message->body, sizeof major);
	if (vu->welcomed)
		return EALREADY;
	if (major != 0)
		return ENOTSUP;
	vu->welcomed = TRUE;
	g_byte_array_append(reply, head, sizeof head);
	if (message->len >= sizeof head + sizeof VERSION_TEXT)
		g_byte_array_append(reply, (const guint8 *)VERSION_TEXT, sizeof VERSION_TEXT);
	return 0;
}

static guint32
device_info(VuMessage *message, GByteArray *reply)
{
	const guint32 info[4] = { sizeof info, DEVICE_RESET | DEVICE_PCI, REGIONS, IRQS };

	if (message->len < sizeof info)
		return EINVAL;
	g_byte_array_append(reply, (const guint8 *)info, sizeof info);
	return 0;
}

static guint64
region_size(const VfioUser *vu, guint region)
{
	if (region < JF_PCI_BARS)
		return vu->info->bars[region].size;
	if (region == REGION_ROM)
		return vu->rom_size;
	return region == REGION_CONFIG ? JF_PCI_CONFIG_SIZE : 0;
}

static guint32
region_info(VfioUser *vu, VuMessage *message, GByteArray *reply)
{
	struct {
		guint32 argsz, flags, index, cap_offset;
		guint64 size, offset;
	} info;

	if (message->len < sizeof info)
		return EINVAL;
	memcpy(&info, message->body, sizeof info);
	if (info.index >= REGIONS)
		return EINVAL;
	info.argsz = sizeof info;
	info.cap_offset = 0;
	info.offset = 0;
	info.size = region_size(vu, info.index);
	info.flags = info.size == 0 ? 0 : REGION_FLAG_READ;
	if (info.size > 0 && info.index != REGION_ROM)
		info.flags |= REGION_FLAG_WRITE;
	g_byte_array_append(reply, (const guint8 *)&info, sizeof info);
	return 0;
}

static guint32
irq_info(VfioUser *vu, VuMessage *message, GByteArray *reply)
{
	guint32 info[4]; /* argsz, flags, index, count */

	if (message->len < sizeof info)
		return EINVAL;
	memcpy(info, message->body, sizeof info);
	if (info[2] >= IRQS)
		return EINVAL;
	info[0] = sizeof info;
	info[3] = vu_irq_count(vu, info[2]);
	info[1] = info[3] ? IRQ_INFO_EVENTFD : 0;
	if (info[2] == IRQ_INTX)
		info[1] |= IRQ_INFO_MASKABLE | IRQ_INFO_AUTOMASKED;
	else
		info[1] |= IRQ_INFO_NORESIZE;
	g_byte_array_append(reply, (const guint8 *)info, sizeof info);
	return 0;
}

/* The largest access that offset and rest allow. */
static guint
access_size(guint64 offset, guint64 left, guint most)
{
	guint size = most;

	while (size > left || (offset & (size - 1)) != 0)
		size /= 2;
	return size;
}

static guint64
region_read_one(VfioUser *vu, guint region, guint64 offset, guint size)
{
	if (region == REGION_CONFIG)
		return vu->api->config_read(vu->device, (guint)offset, size);
	return vu->api->bar_read(vu->device, region, offset, size);
}

static gboolean
access_is_sane(const VfioUser *vu, const RegionAccess *access)
{
	guint64 size = access->region < REGIONS ? region_size(vu, access->region) : 0;

	return access->count > 0 && access->count <= MSG_MAX_DATA && access->offset < size &&
	       access->count <= size - access->offset;
}

static void
region_read_data(VfioUser *vu, const RegionAccess *access, guint8 *data)
{
	guint most = access->region == REGION_CONFIG ? 4 : 8;

	if (access->region == REGION_ROM) {
		memcpy(data, vu->rom + access->offset, access->count);
		return;
	}
	for (guint32 done = 0; done < access->count;) {
		guint64 offset = access->offset + done;
		guint size = access_size(offset, access->count - done, most);
		guint64 value = GUINT64_TO_LE(region_read_one(vu, access->region, offset, size));

		memcpy(data + done, &value, size);
		done += size;
	}
}

static guint32
region_read(VfioUser *vu, VuMessage *message, GByteArray *reply)
{
	RegionAccess access;

	if (message->len < sizeof access)
		return EINVAL;
	memcpy(&access, message->body, sizeof access);
	if (!access_is_sane(vu, &access))
		return EINVAL;
	g_byte_array_append(reply, message->body, sizeof access);
	g_byte_array_set_size(reply, (guint)(sizeof access + access.count));
	region_read_data(vu, &access, reply->data + sizeof access);
	return 0;
}

static guint32
region_write_data(VfioUser *vu, const RegionAccess *access, const guint8 *data)
{
	guint most = access->region == REGION_CONFIG ? 4 : 8;

	if (!access_is_sane(vu, access) || access->region == REGION_ROM)
		return EINVAL;
	for (guint32 done = 0; done < access->count;) {
		guint64 offset = access->offset + done, value = 0;
		guint size = access_size(offset, access->count - done, most);

		memcpy(&value, data + done, size);
		value = GUINT64_FROM_LE(value);
		if (access->region == REGION_CONFIG)
			vu->api->config_write(vu->device, (guint)offset, size, (guint32)value);
		else
			vu->api->bar_write(vu->device, access->region, offset, size, value);
		done += size;
	}
	return 0;
}

static guint32
region_write(VfioUser *vu, VuMessage *message, GByteArray *reply)
{
	RegionAccess access;

	if (message->len < sizeof access)
		return EINVAL;
	memcpy(&access, message->body, sizeof access);
	if (access.count > message->len - sizeof access)
		return EINVAL;
	g_byte_array_append(reply, message->body, sizeof access);
	return region_write_data(vu, &access, message->body + sizeof access);
}

/* Writes until one makes no sense. */
static guint32
region_write_multi(VfioUser *vu, VuMessage *message, GByteArray *reply)
{
	guint64 count;
	WriteOne one;

	if (message->len < sizeof count)
		return EINVAL;
	memcpy(&count, message->body, sizeof count);
	if (count > WRITE_MULTI_MAX || message->len - sizeof count < count * sizeof one)
		return EINVAL;
	for (guint i = 0; i < count; i++) {
		RegionAccess access;

		memcpy(&one, message->body + sizeof count + i * sizeof one, sizeof one);
		access = (RegionAccess){ one.offset, one.region, one.count };
		if (one.count > sizeof one.data || region_write_data(vu, &access, one.data) != 0)
			return EINVAL;
	}
	g_byte_array_append(reply, (const guint8 *)&count, sizeof count);
	return 0;
}

static guint32
dispatch(VfioUser *vu, VuMessage *message, GByteArray *reply)
{
	if (vu->is_unshared && message->command != CMD_DMA_UNMAP)
		return EINVAL;
	switch (message->command) {
	case CMD_VERSION:
		return version(vu, message, reply);
	case CMD_DMA_MAP:
		return vu_dma_map(vu, message);
	case CMD_DMA_UNMAP:
		g_byte_array_append(reply, message->body, (guint)MIN(message->len, 24));
		return vu_dma_unmap(vu, message);
	case CMD_DEVICE_GET_INFO:
		return device_info(message, reply);
	case CMD_DEVICE_GET_REGION_INFO:
		return region_info(vu, message, reply);
	case CMD_DEVICE_GET_IRQ_INFO:
		return irq_info(vu, message, reply);
	case CMD_DEVICE_SET_IRQS:
		return vu_irqs_set(vu, message);
	case CMD_REGION_READ:
		return region_read(vu, message, reply);
	case CMD_REGION_WRITE:
		return region_write(vu, message, reply);
	case CMD_REGION_WRITE_MULTI:
		return region_write_multi(vu, message, reply);
	case CMD_DEVICE_RESET:
		vu->api->reset(vu->device);
		return 0;
	default:
		return ENOTSUP;
	}
}

gboolean
vu_message_handle(VfioUser *vu, VuMessage *message, const char **why)
{
	GByteArray *reply = vu->reply;
	guint32 error;

	jf_count(vu->messages, 1);
	if ((message->flags & FLAG_TYPE) != FLAG_COMMAND) {
		*why = "it sent a reply to nothing";
		return FALSE;
	}
	if (!vu->welcomed && message->command != CMD_VERSION) {
		*why = "it did not begin with its version";
		return FALSE;
	}
	g_byte_array_set_size(reply, 0);
	error = dispatch(vu, message, reply);
	if (error)
		jf_count(vu->malformed, 1);
	*why = "it does not take its replies";
	return vu_channel_reply(&vu->channel, message, error, reply->data, reply->len);
}
