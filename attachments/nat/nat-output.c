/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-output.c - frames to the guests.
 *
 * Small frames collect in slots and leave together. Stream data is not kept here when it is refused:
 * it is still in its socket. What cannot be made again (datagrams, ICMP, ARP) waits in a bounded
 * queue, and while anything waits no socket is read.
 */
#include "nat-engine.h"

#define TTL 64u
#define DONT_FRAGMENT 0x4000u
#define MORE_FRAGMENTS 0x2000u

static void
queue_push(NatEngine *engine, const JfFrame *frame)
{
	NatQueued *queued;

	if (engine->queue.length >= NAT_QUEUE_FRAMES ||
	    frame->len > NAT_QUEUE_BYTES - engine->queued_bytes) {
		jf_count(engine->count.queue_drops, 1);
		return;
	}
	queued = g_malloc(sizeof *queued + frame->len);
	jf_frame_copy(frame, 0, queued->data, frame->len);
	queued->frame = *frame;
	queued->frame.iov = &queued->piece;
	queued->frame.n_iov = 1;
	queued->piece = (struct iovec){ queued->data, frame->len };
	engine->queued_bytes += frame->len;
	g_queue_push_tail(&engine->queue, queued);
}

static void
queue_pop(NatEngine *engine)
{
	NatQueued *queued = g_queue_pop_head(&engine->queue);

	engine->queued_bytes -= queued->frame.len;
	g_free(queued);
}

void
nat_output_clear(NatEngine *engine)
{
	while (!g_queue_is_empty(&engine->queue))
		queue_pop(engine);
	engine->n_slots = 0;
	engine->blocked = FALSE;
}

static guint
side_output(NatEngine *engine, const JfFrame *frames, guint n)
{
	guint taken = engine->blocked ? 0 : engine->side->output(engine->side->data, frames, n);

	if (taken < n)
		engine->blocked = TRUE;
	return taken;
}

gboolean
nat_output_resume(NatEngine *engine)
{
	engine->blocked = FALSE;
	while (!g_queue_is_empty(&engine->queue)) {
		NatQueued *queued = g_queue_peek_head(&engine->queue);

		if (side_output(engine, &queued->frame, 1) == 0)
			return FALSE;
		queue_pop(engine);
	}
	return TRUE;
}

void
nat_output_flush(NatEngine *engine)
{
	guint n = engine->n_slots;

	engine->n_slots = 0;
	if (n == 0)
		return;
	for (guint i = side_output(engine, engine->frames, n); i < n; i++)
		queue_push(engine, &engine->frames[i]);
}

guint
nat_output(NatEngine *engine, const JfFrame *frames, guint n)
{
	nat_output_flush(engine);
	return side_output(engine, frames, n);
}

void
nat_output_send(NatEngine *engine, const JfFrame *frame)
{
	if (nat_output(engine, frame, 1) == 0)
		queue_push(engine, frame);
}

JfFrame *
nat_output_slot(NatEngine *engine, NatSlot **slot)
{
	JfFrame *frame;

	if (engine->n_slots == JF_BATCH_MAX)
		nat_output_flush(engine);
	frame = &engine->frames[engine->n_slots];
	*slot = &engine->slots[engine->n_slots++];
	*frame = (JfFrame){ .iov = (*slot)->iov, .n_iov = 1 };
	return frame;
}

guint64
nat_pseudo_sum(const NatAddress *src, const NatAddress *dst, guint8 protocol, guint32 len)
{
	guint8 tail[8] = { 0 };
	guint32 skip = nat_address_is_v4(src) ? 12 : 0;
	guint64 sum = jf_csum_add(0, src->b + skip, 16 - skip);

	jf_put_be32(tail, len);
	tail[7] = protocol;
	return jf_csum_add(jf_csum_add(sum, dst->b + skip, 16 - skip), tail, sizeof tail);
}

static guint32
headers_v4(NatEngine *engine, guint8 *ip, const NatAddress *src, const NatAddress *dst,
	   guint8 protocol, guint8 ttl, guint32 len)
{
	guint16 sum;

	ip[0] = 0x45;
	ip[1] = 0;
	jf_put_be16(ip + 2, (guint16)(NAT_IPV4_LEN + len));
	jf_put_be16(ip + 4, engine->ip_id++);
	jf_put_be16(ip + 6, protocol == IPPROTO_TCP ? DONT_FRAGMENT : 0);
	ip[8] = ttl;
	ip[9] = protocol;
	jf_put_be16(ip + 10, 0);
	memcpy(ip + 12, src->b + 12, 4);
	memcpy(ip + 16, dst->b + 12, 4);
	sum = (guint16)~jf_csum_fold(jf_csum_add(0, ip, NAT_IPV4_LEN));
	memcpy(ip + 10, &sum, 2);
	return NAT_ETH_LEN + NAT_IPV4_LEN;
}

guint32
nat_output_headers(NatEngine *engine, guint8 *head, const guint8 mac[6], const NatAddress *src,
		   const NatAddress *dst, guint8 protocol, guint8 ttl, guint32 len)
{
	guint8 *ip = head + NAT_ETH_LEN;
	gboolean v4 = nat_address_is_v4(src);

	memcpy(head, mac, 6);
	memcpy(head + 6, engine->config->mac, 6);
	jf_put_be16(head + 12, v4 ? NAT_ETHERTYPE_IPV4 : NAT_ETHERTYPE_IPV6);
	if (v4)
		return headers_v4(engine, ip, src, dst, protocol, ttl, len);
	jf_put_be32(ip, 0x60000000);
	jf_put_be16(ip + 4, (guint16)len);
	ip[6] = protocol;
	ip[7] = ttl;
	memcpy(ip + 8, src->b, 16);
	memcpy(ip + 24, dst->b, 16);
	return NAT_ETH_LEN + NAT_IPV6_LEN;
}

/* One datagram or train that needs no further cutting by us. */
static void
put_udp(NatEngine *engine, const guint8 mac[6], const NatEndpoint *from, const NatEndpoint *to,
	const guint8 *data, guint32 len, guint8 gso_type, guint16 size)
{
	guint32 udp_len = NAT_UDP_LEN + len;
	NatSlot *slot;
	JfFrame *frame = nat_output_slot(engine, &slot);
	guint32 at = nat_output_headers(engine, slot->head, mac, &from->address, &to->address,
					IPPROTO_UDP, TTL, udp_len);
	guint8 *udp = slot->head + at;
	guint16 sum =
		jf_csum_fold(nat_pseudo_sum(&from->address, &to->address, IPPROTO_UDP, udp_len));

	jf_put_be16(udp, from->port);
	jf_put_be16(udp + 2, to->port);
	jf_put_be16(udp + 4, (guint16)udp_len);
	memcpy(udp + 6, &sum, 2);
	slot->iov[0] = (struct iovec){ slot->head, at + NAT_UDP_LEN };
	slot->iov[1] = (struct iovec){ (void *)(guintptr)data, len };
	frame->n_iov = len ? 2 : 1;
	frame->len = at + udp_len;
	frame->flags = JF_FRAME_NEEDS_CSUM;
	frame->gso_type = gso_type;
	frame->gso_size = size;
	frame->hdr_len = (guint16)(at + NAT_UDP_LEN);
	frame->csum_start = (guint16)at;
	frame->csum_offset = 6;
}

void
nat_output_udp(NatEngine *engine, const guint8 mac[6], const NatEndpoint *from,
	       const NatEndpoint *to, const guint8 *data, guint32 len, guint16 size)
{
	gboolean v4 = nat_address_is_v4(&from->address);
	guint32 room = engine->config->mtu - (v4 ? NAT_IPV4_LEN : NAT_IPV6_LEN);

	if (size && size < len && NAT_UDP_LEN + size <= room) {
		put_udp(engine, mac, from, to, data, len, JF_GSO_UDP_L4, size);
		return;
	}
	if (!size)
		size = (guint16)len;
	do {
		guint32 n = MIN(len, size);

		/* What is longer than the MTU is cut into fragments behind a header of its own. */
		if (NAT_UDP_LEN + n <= room)
			put_udp(engine, mac, from, to, data, n, JF_GSO_NONE, 0);
		else
			put_udp(engine, mac, from, to, data, n, JF_GSO_UDP,
				(guint16)((room - (v4 ? 0 : 8)) & ~7u));
		data += n;
		len -= n;
	} while (len);
}

/* ---- Whole payloads, and fragments of them ---- */

static void
put_fragment(NatEngine *engine, guint8 *head, guint32 at, const guint8 *data, guint32 len)
{
	struct iovec iov[2] = { { head, at }, { (void *)(guintptr)data, len } };
	JfFrame frame = { .iov = iov, .n_iov = 2, .len = at + len };

	nat_output_send(engine, &frame);
}

/* RFC 791 3.2. */
static void
fragment_v4(NatEngine *engine, guint8 *head, guint32 at, const guint8 *data, guint32 len)
{
	guint32 step = (engine->config->mtu - NAT_IPV4_LEN) & ~7u;
	guint8 *ip = head + NAT_ETH_LEN;

	for (guint32 done = 0; done < len; done += step) {
		guint32 n = MIN(step, len - done);
		guint16 sum;

		jf_put_be16(ip + 2, (guint16)(NAT_IPV4_LEN + n));
		jf_put_be16(ip + 6, (guint16)(done / 8 | (done + n < len ? MORE_FRAGMENTS : 0)));
		jf_put_be16(ip + 10, 0);
		sum = (guint16)~jf_csum_fold(jf_csum_add(0, ip, NAT_IPV4_LEN));
		memcpy(ip + 10, &sum, 2);
		put_fragment(engine, head, at, data + done, n);
	}
}

/* RFC 8200 4.5. */
static void
fragment_v6(NatEngine *engine, guint8 *head, guint32 at, const guint8 *data, guint32 len)
{
	guint32 step = (engine->config->mtu - NAT_IPV6_LEN - 8) & ~7u;
	guint8 *ip = head + NAT_ETH_LEN, *ext = head + at;

	ext[0] = ip[6];
	ext[1] = 0;
	ip[6] = IPPROTO_FRAGMENT;
	jf_put_be32(ext + 4, ++engine->fragment_id);
	for (guint32 done = 0; done < len; done += step) {
		guint32 n = MIN(step, len - done);

		jf_put_be16(ip + 4, (guint16)(8 + n));
		jf_put_be16(ext + 2, (guint16)(done | (done + n < len ? 1u : 0)));
		put_fragment(engine, head, at + 8, data + done, n);
	}
}

void
nat_output_ip(NatEngine *engine, const guint8 mac[6], const NatAddress *src, const NatAddress *dst,
	      guint8 protocol, const guint8 *data, guint32 len)
{
	guint8 head[NAT_ETH_LEN + NAT_IPV6_LEN + 8];
	guint32 at = nat_output_headers(engine, head, mac, src, dst, protocol, TTL, len);

	if (at - NAT_ETH_LEN + len <= engine->config->mtu)
		put_fragment(engine, head, at, data, len);
	else if (nat_address_is_v4(src))
		fragment_v4(engine, head, at, data, len);
	else
		fragment_v6(engine, head, at, data, len);
}
