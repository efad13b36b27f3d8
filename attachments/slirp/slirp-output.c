/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slirp-output.c - packets for the guest.
 *
 * libslirp makes packets of up to 64 KiB here, whatever the guest's MTU. A TCP segment longer than
 * the guest's MSS leaves as one frame with segmentation to do, so a virtio guest gets it whole and
 * the core cuts it in front of any other. Everything else that is longer than the MTU is cut into
 * IP fragments.
 *
 * A frame that the cable does not take is copied into a queue; while it holds any, the sockets of
 * the host are not read (slirp-loop.c).
 */
#include "slirp-nat.h"

#define MSS_DEFAULT_IPV4 1460u
#define MSS_DEFAULT_IPV6 1440u
#define IPV6_FRAGMENT_LEN 8u
#define IPV4_MORE_FRAGMENTS 0x2000u
#define IPV4_OFFSET_BITS 0x1fffu
/* Ethernet, IPv6 and fragment header; or IPv4 with all options, and TCP with all of its. */
#define HEADER_MAX 160u
/* A DHCP reply or a router advertisement, with what is added to it. */
#define EDIT_MAX 1600u
#define DHCP_SERVER_PORT 67u

typedef struct NatQueued {
	JfFrame frame;
	struct iovec piece;
	guint8 data[];
} NatQueued;

static void
queue_push(JfNat *nat, const JfFrame *frame)
{
	NatQueued *queued;

	if (nat->queue.length >= NAT_QUEUE_FRAMES ||
	    frame->len > NAT_QUEUE_BYTES - nat->queued_bytes) {
		jf_count(nat->count_queue_drops, 1);
		return;
	}
	queued = g_malloc(sizeof *queued + frame->len);
	jf_frame_copy(frame, 0, queued->data, frame->len);
	queued->frame = *frame;
	queued->frame.iov = &queued->piece;
	queued->frame.n_iov = 1;
	queued->piece = (struct iovec){ queued->data, frame->len };
	if (g_queue_is_empty(&nat->queue))
		nat_loop_set_paused(nat, TRUE);
	nat->queued_bytes += frame->len;
	g_queue_push_tail(&nat->queue, queued);
}

static void
queue_pop(JfNat *nat)
{
	NatQueued *queued = g_queue_pop_head(&nat->queue);

	nat->queued_bytes -= queued->frame.len;
	g_free(queued);
}

void
nat_output_clear(JfNat *nat)
{
	while (!g_queue_is_empty(&nat->queue))
		queue_pop(nat);
}

void
nat_output_resume(JfInstance *inst, guint port)
{
	JfNat *nat = inst->priv;

	if (!nat->started)
		return;
	while (!g_queue_is_empty(&nat->queue)) {
		NatQueued *queued = g_queue_peek_head(&nat->queue);

		if (inst->host->output(inst, port, &queued->frame, 1) == 0)
			return;
		queue_pop(nat);
	}
	nat_loop_set_paused(nat, FALSE);
}

static void
send_frame(JfNat *nat, const JfFrame *frame)
{
	if (g_queue_is_empty(&nat->queue) && nat->inst->host->output(nat->inst, 0, frame, 1) == 1)
		return;
	queue_push(nat, frame);
}

/* The largest segment of this connection that is within the guest's word and the MTU. */
static guint16
packet_mss(JfNat *nat, const NatPacket *packet)
{
	guint headers = (packet->l4 - packet->l3) + NAT_TCP_LEN;
	guint16 limit = (guint16)(nat->config.card.mtu - headers);
	guint16 mss = nat_mss_find(&nat->mss, packet);

	if (mss == 0)
		mss = packet->version == 4 ? MSS_DEFAULT_IPV4 : MSS_DEFAULT_IPV6;
	return MIN(mss, limit);
}

/* libslirp offers the guest segments of its own size; a guest without segmentation offload would
 * be told too much. `data` is a copy. */
static void
clamp_mss(const NatConfig *config, const NatPacket *packet, guint8 *data)
{
	guint32 at = nat_packet_find_mss(packet);
	guint limit = config->card.mtu - (packet->l4 - packet->l3) - NAT_TCP_LEN;

	if (!at || jf_get_be16(data + at) <= limit)
		return;
	jf_put_be16(data + at, (guint16)limit);
	nat_packet_fill_csum(packet, data);
}

static void
send_whole(JfNat *nat, const guint8 *data, guint32 len, guint8 flags)
{
	struct iovec piece = { (void *)(guintptr)data, len };
	JfFrame frame = jf_frame_plain(&piece);

	frame.flags = flags;
	send_frame(nat, &frame);
}

/* One frame with segmentation to do: the headers are copied, the payload is not. */
static void
send_gso(JfNat *nat, const NatPacket *packet, guint16 mss)
{
	guint8 header[HEADER_MAX];
	struct iovec pieces[2] = {
		{ header, packet->payload },
		{ (void *)(guintptr)(packet->data + packet->payload),
		  packet->end - packet->payload },
	};
	JfFrame frame = {
		.iov = pieces,
		.n_iov = 2,
		.len = packet->end,
		.flags = JF_FRAME_NEEDS_CSUM,
		.gso_type = packet->version == 4 ? JF_GSO_TCPV4 : JF_GSO_TCPV6,
		.gso_size = mss,
		.hdr_len = (guint16)packet->payload,
		.csum_start = (guint16)packet->l4,
		.csum_offset = 16,
	};
	guint16 sum = jf_csum_fold(nat_packet_pseudo_sum(packet, packet->end - packet->l4));

	memcpy(header, packet->data, packet->payload);
	memcpy(header + packet->l4 + 16, &sum, sizeof sum);
	jf_count(nat->count_gso, 1);
	send_frame(nat, &frame);
}

static void
send_tcp(JfNat *nat, const NatPacket *packet)
{
	guint32 payload = packet->end - packet->payload;
	guint8 syn[HEADER_MAX];
	guint16 mss;

	if ((nat_packet_tcp_flags(packet) & NAT_TCP_FLAG_SYN) && packet->end <= sizeof syn) {
		NatPacket copy = *packet;

		memcpy(syn, packet->data, packet->end);
		copy.data = syn;
		clamp_mss(&nat->config, &copy, syn);
		send_whole(nat, syn, packet->end, 0);
		return;
	}
	mss = packet_mss(nat, packet);
	if (payload > mss && mss > 0)
		send_gso(nat, packet, mss);
	else
		send_whole(nat, packet->data, packet->end, JF_FRAME_CSUM_VALID);
}

static void
send_piece(JfNat *nat, const guint8 *header, guint32 header_len, const guint8 *data, guint32 len)
{
	struct iovec pieces[2] = {
		{ (void *)(guintptr)header, header_len },
		{ (void *)(guintptr)data, len },
	};
	JfFrame frame = { .iov = pieces, .n_iov = 2, .len = header_len + len };

	jf_count(nat->count_fragments, 1);
	send_frame(nat, &frame);
}

/* RFC 791 3.2. The packet may be a fragment itself. */
static void
fragment_ipv4(JfNat *nat, const NatPacket *packet)
{
	guint32 step = (nat->config.card.mtu - (packet->l4 - packet->l3)) & ~7u;
	guint8 header[HEADER_MAX];
	guint8 *ip = header + packet->l3;
	guint16 field = jf_get_be16(packet->data + packet->l3 + 6);
	guint16 more = field & IPV4_MORE_FRAGMENTS;

	memcpy(header, packet->data, packet->l4);
	for (guint32 at = packet->l4; at < packet->end; at += step) {
		guint32 len = MIN(step, packet->end - at);
		guint32 offset = (field & IPV4_OFFSET_BITS) + (at - packet->l4) / 8;
		gboolean last = at + len == packet->end;

		jf_put_be16(ip + 2, (guint16)(packet->l4 - packet->l3 + len));
		jf_put_be16(ip + 6, (guint16)((last ? more : IPV4_MORE_FRAGMENTS) | offset));
		nat_ipv4_fill_csum(ip, packet->l4 - packet->l3);
		send_piece(nat, header, packet->l4, packet->data + at, len);
	}
}

/* RFC 8200 4.5. libslirp writes no extension headers. */
static void
fragment_ipv6(JfNat *nat, const NatPacket *packet)
{
	guint32 step = (nat->config.card.mtu - NAT_IPV6_LEN - IPV6_FRAGMENT_LEN) & ~7u;
	guint32 header_len = packet->l4 + IPV6_FRAGMENT_LEN;
	guint8 header[HEADER_MAX];
	guint8 *extension = header + packet->l4;

	memcpy(header, packet->data, packet->l4);
	header[packet->l3 + 6] = NAT_IPPROTO_FRAGMENT;
	extension[0] = packet->protocol;
	extension[1] = 0;
	jf_put_be32(extension + 4, ++nat->fragment_id);
	for (guint32 at = packet->l4; at < packet->end; at += step) {
		guint32 len = MIN(step, packet->end - at);
		gboolean more = at + len < packet->end;

		jf_put_be16(header + packet->l3 + 4, (guint16)(IPV6_FRAGMENT_LEN + len));
		jf_put_be16(extension + 2, (guint16)((at - packet->l4) | (more ? 1u : 0u)));
		send_piece(nat, header, header_len, packet->data + at, len);
	}
}

static gboolean
is_editable(const NatPacket *packet)
{
	if (packet->protocol == NAT_IPPROTO_UDP && !packet->fragment)
		return jf_get_be16(packet->data + packet->l4) == DHCP_SERVER_PORT;
	return packet->protocol == NAT_IPPROTO_ICMPV6;
}

static void
send_edited(JfNat *nat, const NatPacket *packet)
{
	guint8 copy[EDIT_MAX];
	guint32 len = packet->end;

	memcpy(copy, packet->data, len);
	len = nat_dhcp_edit(&nat->config, copy, len);
	len = nat_ra_edit(&nat->config, copy, len, sizeof copy);
	send_whole(nat, copy, len, 0);
}

void
nat_output_packet(JfNat *nat, const guint8 *data, gsize len)
{
	NatPacket packet;

	if (len > JF_FRAME_MAX_LEN)
		return;
	if (!nat_packet_parse(&packet, data, (guint32)len)) {
		send_whole(nat, data, (guint32)len, 0);
	} else if (packet.protocol == NAT_IPPROTO_TCP && !packet.fragment) {
		send_tcp(nat, &packet);
	} else if (packet.end - packet.l3 > nat->config.card.mtu) {
		if (packet.version == 4)
			fragment_ipv4(nat, &packet);
		else
			fragment_ipv6(nat, &packet);
	} else if (is_editable(&packet) && packet.end <= EDIT_MAX) {
		send_edited(nat, &packet);
	} else {
		send_whole(nat, data, packet.end, 0);
	}
}
