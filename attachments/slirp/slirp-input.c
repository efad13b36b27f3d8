/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slirp-input.c - frames from the guest.
 *
 * Each frame is copied once, out of memory that may change, and only then looked at: libslirp gets
 * nothing but ARP and whole IP packets (slirp-reassembly.c) with whole headers. A frame with checksum or segmentation left
 * to do goes in as it is, with its checksum filled in: libslirp takes TCP segments of 64 KiB.
 *
 * The MSS in the guest's SYN is what keeps libslirp from sending large segments too. It is noted in
 * a table (slirp-mss.c) and replaced by one that is larger than any packet; slirp-output.c cuts, or has
 * somebody cut, by what was noted.
 */
#include "slirp-nat.h"

/* RFC 9293 3.7.1: where a SYN does not say. */
#define MSS_UNSAID_IPV4 536u
#define MSS_UNSAID_IPV6 1220u
#define ICMP_ECHO_REQUEST 8u
#define ICMPV6_ECHO_REQUEST 128u

/* Addresses that mean the host itself to its own kernel. The guest reaches the host's loopback by
 * the gateway's address, where that is allowed, and by no other. */
static gboolean
ipv4_is_local(const guint8 *address)
{
	return address[0] == 0 || address[0] == 127;
}

static gboolean
ipv6_is_local(const guint8 *address)
{
	static const guint8 zeros[15];

	if (memcmp(address, zeros, 10) == 0 && address[10] == 0xff && address[11] == 0xff)
		return TRUE; /* IPv4-mapped */
	return memcmp(address, zeros, 15) == 0 && address[15] <= 1;
}

static gboolean
goes_to_local(const NatPacket *packet)
{
	const guint8 *ip = packet->data + packet->l3;

	return packet->version == 4 ? ipv4_is_local(ip + 16) : ipv6_is_local(ip + 24);
}

static gboolean
is_ipv4_ping_out(const JfNat *nat, const NatPacket *packet)
{
	const guint8 *ip = packet->data + packet->l3;

	return packet->version == 4 && packet->protocol == NAT_IPPROTO_ICMP && !packet->fragment &&
	       packet->data[packet->l4] == ICMP_ECHO_REQUEST &&
	       (jf_get_be32(ip + 16) & nat->config.card.netmask) != nat->config.card.network;
}

/* libslirp answers for its own addresses (interface id 2 or 3, also link-local) and knows no ping
 * sockets for IPv6. */
static gboolean
is_ipv6_ping_out(const JfNat *nat, const NatPacket *packet)
{
	static const guint8 link_local[8] = { 0xfe, 0x80 };
	const guint8 *to = packet->data + packet->l3 + 24;

	if (packet->version != 6 || packet->protocol != NAT_IPPROTO_ICMPV6 ||
	    packet->data[packet->l4] != ICMPV6_ECHO_REQUEST)
		return FALSE;
	if (memcmp(to, nat->config.card.prefix6, 8) != 0 && memcmp(to, link_local, 8) != 0)
		return TRUE;
	return memcmp(to + 8, "\0\0\0\0\0\0\0", 7) != 0 || (to[15] != 2 && to[15] != 3);
}

static void
refuse_ping(JfNat *nat)
{
	jf_count(nat->count_ping_refused, 1);
	if (nat->told_ping)
		return;
	nat->told_ping = TRUE;
	jf_log(nat->inst, G_LOG_LEVEL_MESSAGE,
	       "the guest's ping cannot leave this host: it needs this user's group within the "
	       "range of /proc/sys/net/ipv4/ping_group_range (IPv4; never works for IPv6)");
}

static gboolean
is_allowed(JfNat *nat, const NatPacket *packet)
{
	if (goes_to_local(packet)) {
		jf_count(nat->count_refused, 1);
		return FALSE;
	}
	if ((!nat->may_ping && is_ipv4_ping_out(nat, packet)) || is_ipv6_ping_out(nat, packet)) {
		refuse_ping(nat);
		return FALSE;
	}
	return TRUE;
}

/* Stores `value` at `at` and corrects the checksum by the difference (RFC 1624). */
static void
patch_tcp(const NatPacket *packet, guint8 *data, guint32 at, guint16 value)
{
	guint32 field = packet->l4 + 16;
	guint32 sum;

	/* A word of the checksum's own grid: an odd option spans two of them. */
	if ((at - packet->l4) % 2 != 0) {
		jf_put_be16(data + at, value);
		nat_packet_fill_csum(packet, data);
		return;
	}
	sum = (guint16)~jf_get_be16(data + field);
	sum += (guint16)~jf_get_be16(data + at);
	sum += value;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	jf_put_be16(data + at, value);
	jf_put_be16(data + field, (guint16)~sum);
}

static void
learn_mss(JfNat *nat, const NatPacket *packet, guint8 *data)
{
	guint32 at = nat_packet_find_mss(packet);

	if (!at) {
		nat_mss_learn(&nat->mss, packet,
			      packet->version == 4 ? MSS_UNSAID_IPV4 : MSS_UNSAID_IPV6);
		return;
	}
	nat_mss_learn(&nat->mss, packet, jf_get_be16(data + at));
	patch_tcp(packet, data, at, G_MAXUINT16);
}

/* `data` is a plain packet and no fragment. */
static void
take_whole(JfNat *nat, guint8 *data, guint32 len)
{
	NatPacket packet;

	if (!nat_packet_parse(&packet, data, len)) {
		jf_count(nat->count_malformed, 1);
		return;
	}
	if (!is_allowed(nat, &packet))
		return;
	if (packet.protocol == NAT_IPPROTO_TCP &&
	    (nat_packet_tcp_flags(&packet) & NAT_TCP_FLAG_SYN))
		learn_mss(nat, &packet, data);
	slirp_input(nat->slirp, data, (int)len);
}

static void
take_fragment(JfNat *nat, const NatPacket *fragment)
{
	guint8 *whole;
	guint32 len;

	switch (nat_reassembly_add(&nat->reassembly, fragment, nat->last_round, &whole, &len)) {
	case NAT_REASSEMBLY_WHOLE:
		take_whole(nat, whole, len);
		break;
	case NAT_REASSEMBLY_BROKEN:
		jf_count(nat->count_malformed, 1);
		break;
	case NAT_REASSEMBLY_FULL:
		jf_count(nat->count_fragment_drops, 1);
		break;
	case NAT_REASSEMBLY_WAITS:
		break;
	}
}

static void
take_packet(JfNat *nat, guint8 *data, guint32 len)
{
	NatPacket packet;

	if (nat_packet_parse(&packet, data, len) && packet.fragment)
		take_fragment(nat, &packet);
	else
		take_whole(nat, data, len);
}

static void
fill_csum(const JfFrame *frame, guint8 *data)
{
	NatPacket packet;
	guint16 sum;

	/* What a driver left in the field of a large segment varies: with its length or without. */
	if (nat_packet_parse(&packet, data, frame->len) && !packet.fragment &&
	    packet.l4 == frame->csum_start && nat_packet_csum_field(&packet)) {
		nat_packet_fill_csum(&packet, data);
		return;
	}
	sum = ~jf_csum_fold(
		jf_csum_add(0, data + frame->csum_start, frame->len - frame->csum_start));
	memcpy(data + frame->csum_start + frame->csum_offset, &sum, sizeof sum);
}

/* JfSegmentFunc: a piece of a segment that is too large even for libslirp. */
static gboolean
take_segment(const JfFrame *frame, gpointer data)
{
	JfNat *nat = data;

	if (jf_frame_copy(frame, 0, nat->input_frame, frame->len))
		take_packet(nat, nat->input_frame, frame->len);
	return TRUE;
}

static void
take_frame(JfNat *nat, const JfFrame *frame)
{
	guint8 *data = nat->input_frame;

	if (frame->len > NAT_ETH_LEN + NAT_SLIRP_MTU) {
		if (jf_frame_segment(frame, 0, take_segment, nat) == 0)
			jf_count(nat->count_malformed, 1);
		return;
	}
	if (!jf_frame_copy(frame, 0, data, frame->len))
		return;
	switch (jf_get_be16(data + 12)) {
	case NAT_ETHERTYPE_ARP:
		slirp_input(nat->slirp, data, (int)frame->len);
		break;
	case NAT_ETHERTYPE_IPV4:
	case NAT_ETHERTYPE_IPV6:
		if (frame->flags & JF_FRAME_NEEDS_CSUM)
			fill_csum(frame, data);
		take_packet(nat, data, frame->len);
		break;
	default:
		jf_count(nat->count_ignored, 1);
	}
}

guint
nat_input(JfInstance *inst, guint port, const JfFrame *frames, guint n)
{
	JfNat *nat = inst->priv;
	NatGuard guard;

	(void)port;
	nat_guard_enter(&guard);
	nat_loop_refresh(nat);
	for (guint i = 0; i < n; i++)
		take_frame(nat, &frames[i]);
	nat_loop_round(nat);
	nat_guard_leave(&guard);
	return n;
}
