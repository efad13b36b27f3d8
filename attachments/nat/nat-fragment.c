/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-fragment.c - the guests' IP fragments, put together (RFC 791 3.2, RFC 8200 4.5).
 *
 * A few datagrams at a time; the oldest gives way to a new one. A map of 8-byte blocks says what is
 * there. Fragments that overlap end their datagram (RFC 5722).
 */
#include "nat-tcp.h"

#define DATAGRAMS 32u
#define DATA_MAX 65535u
#define BLOCKS (DATA_MAX / 8 + 1)
#define TIMEOUT (30 * NAT_SEC)

typedef struct Datagram {
	NatAddress src, dst;
	guint32 id;
	guint8 protocol, ttl;
	guint64 since;
	guint64 serial; /* in the order in which they began */
	guint32 total;  /* 0: the last fragment has not come */
	guint32 bytes;  /* so far */
	guint8 mac[6];
	guint8 map[BLOCKS / 8 + 1];
	guint8 frame[NAT_ETH_LEN + NAT_IPV6_LEN + DATA_MAX];
} Datagram;

struct NatFragments {
	guint64 serial;
	Datagram *slots[DATAGRAMS];
};

NatFragments *
nat_fragments_new(void)
{
	return g_new0(NatFragments, 1);
}

void
nat_fragments_free(NatFragments *fragments)
{
	if (!fragments)
		return;
	for (guint i = 0; i < DATAGRAMS; i++)
		g_free(fragments->slots[i]);
	g_free(fragments);
}

static gboolean
is_of(const Datagram *d, const NatPacket *p)
{
	return d->id == p->fragment_id && d->protocol == p->protocol &&
	       nat_address_equal(&d->src, &p->src) && nat_address_equal(&d->dst, &p->dst);
}

/* The datagram's slot, a new one in an empty or the oldest slot. */
static Datagram **
find_slot(NatEngine *engine, const NatPacket *p)
{
	Datagram **slots = engine->fragments->slots, **oldest = NULL;

	for (guint i = 0; i < DATAGRAMS; i++) {
		if (slots[i] && engine->now - slots[i]->since > TIMEOUT) {
			jf_count(engine->count.fragment_drops, 1);
			g_clear_pointer(&slots[i], g_free);
		}
		if (slots[i] && is_of(slots[i], p))
			return &slots[i];
		if (!oldest || !slots[i] || (*oldest && slots[i]->serial < (*oldest)->serial))
			oldest = &slots[i];
	}
	if (*oldest) {
		jf_count(engine->count.fragment_drops, 1);
		g_clear_pointer(oldest, g_free);
	}
	*oldest = g_malloc(sizeof(Datagram));
	memset(*oldest, 0, G_STRUCT_OFFSET(Datagram, frame));
	(*oldest)->src = p->src;
	(*oldest)->dst = p->dst;
	(*oldest)->id = p->fragment_id;
	(*oldest)->protocol = p->protocol;
	(*oldest)->since = engine->now;
	(*oldest)->serial = engine->fragments->serial++;
	return oldest;
}

static guint32
headers_len(const NatPacket *p)
{
	return NAT_ETH_LEN + (p->is_v4 ? NAT_IPV4_LEN : NAT_IPV6_LEN);
}

/* FALSE: the datagram cannot be put together. */
static gboolean
add_data(Datagram *d, const NatPacket *p)
{
	guint32 len = p->end - p->l4, end = p->fragment_offset + len;
	guint32 most = p->is_v4 ? DATA_MAX - NAT_IPV4_LEN : DATA_MAX;

	if (len == 0 || end > most || (p->more_fragments && len % 8) ||
	    (!p->more_fragments && d->total && d->total != end) || (d->total && end > d->total))
		return FALSE;
	for (guint32 block = p->fragment_offset / 8; block < (end + 7) / 8; block++) {
		if (d->map[block / 8] >> block % 8 & 1)
			return FALSE;
		d->map[block / 8] |= (guint8)(1u << block % 8);
	}
	if (!jf_frame_copy(p->frame, p->l4, d->frame + headers_len(p) + p->fragment_offset, len))
		return FALSE;
	if (!p->more_fragments)
		d->total = end;
	if (p->fragment_offset == 0) {
		memcpy(d->mac, p->head + 6, 6);
		d->ttl = p->ttl;
	}
	d->bytes += len;
	return TRUE;
}

static void
dispatch(NatEngine *engine, Datagram *d, const NatPacket *p)
{
	guint32 at = nat_output_headers(engine, d->frame, p->head, &d->src, &d->dst, d->protocol,
					MAX(d->ttl, 1), d->total);
	struct iovec piece = { d->frame, at + d->total };
	JfFrame frame = jf_frame_plain(&piece);
	NatPacket whole;

	memcpy(d->frame + 6, d->mac, 6);
	if (!nat_packet_parse(&whole, &frame))
		return;
	whole.is_copy = TRUE;
	if (whole.ttl <= 1 && !nat_is_own(engine, &whole.dst))
		nat_icmp_error(engine, &whole, NAT_UNREACH_TTL, 0);
	else
		nat_ip_dispatch(engine, &whole);
	/* The runs point into the datagram. */
	nat_tcp_flush_run(engine);
	nat_udp_flush(engine);
}

void
nat_fragment_input(NatEngine *engine, const NatPacket *p)
{
	Datagram **slot = find_slot(engine, p), *d = *slot;

	if (!add_data(d, p)) {
		jf_count(engine->count.fragment_drops, 1);
		g_clear_pointer(slot, g_free);
		return;
	}
	if (d->bytes != d->total)
		return;
	*slot = NULL;
	dispatch(engine, d, p);
	g_free(d);
}
