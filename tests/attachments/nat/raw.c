/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* raw.c - a guest's end of one connection, segment by segment. */
#include "raw.h"

#include <jackfield/util.h>
#include <netinet/in.h>
#include <string.h>

#define ETH_LEN 14u
#define IP_LEN 20u
#define TCP_LEN 20u
#define OPTIONS_MAX 28u
#define BLOCKS_MAX 3u

static guint32
put_syn_options(const Raw *raw, guint8 *options)
{
	guint32 len = 4;

	memcpy(options, "\2\4\5\xb4", 4);
	if (raw->scale >= 0) {
		memcpy(options + len, "\1\3\3", 3);
		options[len + 3] = (guint8)raw->scale;
		len += 4;
	}
	if (raw->sack) {
		memcpy(options + len, "\1\1\4\2", 4);
		len += 4;
	}
	return len;
}

static guint32
put_sack(const Raw *raw, guint8 *options)
{
	guint n = MIN(raw->n_kept, BLOCKS_MAX);

	if (n == 0)
		return 0;
	memcpy(options, "\1\1\5", 3);
	options[3] = (guint8)(2 + 8 * n);
	for (guint i = 0; i < n; i++) {
		jf_put_be32(options + 4 + 8 * i, raw->kept[raw->n_kept - 1 - i].from);
		jf_put_be32(options + 8 + 8 * i, raw->kept[raw->n_kept - 1 - i].to);
	}
	return 4 + 8 * n;
}

void
raw_send_at(Raw *raw, guint32 seq, guint8 flags, guint64 offset, guint32 bytes, guint16 urgent)
{
	NatGuest *g = raw->g;
	guint8 text[OPTIONS_MAX];
	guint32 options = flags & RAW_SYN ? put_syn_options(raw, text) : put_sack(raw, text);
	guint32 len = TCP_LEN + options + bytes;
	g_autofree guint8 *frame = g_malloc0(ETH_LEN + IP_LEN + len);
	guint32 at = nat_guest_put_ip(g, frame, 4, g->gateway4, IPPROTO_TCP, len);
	guint8 *tcp = frame + at;
	guint16 sum;

	jf_put_be16(tcp, raw->port);
	jf_put_be16(tcp + 2, raw->to_port);
	jf_put_be32(tcp + 4, seq);
	jf_put_be32(tcp + 8, flags & RAW_ACK ? raw->rcv_nxt : 0);
	tcp[12] = (guint8)((TCP_LEN + options) / 4 << 4);
	tcp[13] = flags;
	jf_put_be16(tcp + 14, raw->window);
	jf_put_be16(tcp + 18, urgent);
	memcpy(tcp + TCP_LEN, text, options);
	nat_pattern_fill(tcp + TCP_LEN + options, bytes, offset);
	sum = ~jf_csum_fold(
		jf_csum_add(nat_guest_pseudo_sum(frame + ETH_LEN, IPPROTO_TCP, len), tcp, len));
	memcpy(tcp + 16, &sum, 2);
	nat_guest_send(g, frame, at + len);
}

void
raw_send(Raw *raw, guint8 flags, guint32 bytes)
{
	raw_send_at(raw, raw->snd_nxt, flags, raw->snd_nxt - (RAW_ISN + 1), bytes, 0);
	raw->snd_nxt += bytes + ((flags & (RAW_SYN | RAW_FIN)) ? 1 : 0);
}

static void
take_syn_ack(Raw *raw, const guint8 *tcp)
{
	guint32 at = TCP_LEN, end = (tcp[12] >> 4) * 4u;

	raw->syn_acks++;
	raw->irs = jf_get_be32(tcp + 4);
	raw->rcv_nxt = raw->highest = raw->irs + 1;
	raw->peer_scale = -1;
	while (at < end && tcp[at] != 0) {
		if (tcp[at] == 3)
			raw->peer_scale = tcp[at + 2];
		raw->peer_sack |= tcp[at] == 4;
		at += tcp[at] == 1 ? 1u : tcp[at + 1];
	}
}

/* One range for what lies together, and that the last one. */
static void
keep(Raw *raw, guint32 from, guint32 to)
{
	for (guint i = 0; i < raw->n_kept;) {
		RawRange *k = &raw->kept[i];

		if ((gint32)(k->from - to) > 0 || (gint32)(from - k->to) > 0) {
			i++;
			continue;
		}
		from = (gint32)(k->from - from) < 0 ? k->from : from;
		to = (gint32)(k->to - to) > 0 ? k->to : to;
		memmove(k, k + 1, (--raw->n_kept - i) * sizeof *k);
	}
	g_assert_cmpuint(raw->n_kept, <, RAW_KEPT_MAX);
	raw->kept[raw->n_kept++] = (RawRange){ from, to };
}

/* The gap in front of a range that is kept has been filled. */
static void
take_kept(Raw *raw)
{
	for (guint i = 0; i < raw->n_kept; i++) {
		RawRange k = raw->kept[i];

		if ((gint32)(k.from - raw->rcv_nxt) > 0)
			continue;
		memmove(&raw->kept[i], &raw->kept[i + 1], (--raw->n_kept - i) * sizeof k);
		raw->received += k.to - raw->rcv_nxt;
		raw->rcv_nxt = k.to;
		return;
	}
}

static void
take_blocks(Raw *raw, const guint8 *tcp)
{
	guint32 at = TCP_LEN, end = (tcp[12] >> 4) * 4u;

	raw->n_blocks = 0;
	while (at < end && tcp[at] != 5)
		at += tcp[at] == 1 ? 1u : tcp[at + 1];
	for (guint32 b = at + 2; at < end && b < at + tcp[at + 1]; b += 8)
		raw->blocks[raw->n_blocks++] =
			(RawRange){ jf_get_be32(tcp + b), jf_get_be32(tcp + b + 4) };
}

static gboolean
loses(Raw *raw, guint32 seq)
{
	if (raw->lose && raw->data_segments % raw->lose == 0)
		return TRUE;
	if (!raw->lose_first || seq != raw->irs + 1)
		return FALSE;
	raw->lose_first--;
	return TRUE;
}

static void
take_data(Raw *raw, guint32 seq, const guint8 *data, guint32 bytes, gboolean fin)
{
	if (bytes) {
		raw->data_segments++;
		raw->bytes += bytes;
		if ((gint32)(seq + bytes - raw->highest) > 0)
			raw->highest = seq + bytes;
		if (loses(raw, seq))
			return;
	}
	g_assert_true(nat_pattern_check(data, bytes, seq - (raw->irs + 1)));
	if (!raw->answers)
		return;
	if (seq == raw->rcv_nxt) {
		raw->received += bytes;
		raw->rcv_nxt += bytes + fin;
		raw->fin |= fin;
		take_kept(raw);
	} else if (raw->sack && bytes && (gint32)(seq - raw->rcv_nxt) > 0) {
		keep(raw, seq, seq + bytes);
	}
	raw_send(raw, RAW_ACK, 0);
}

static void
take_icmp(Raw *raw, const guint8 *icmp)
{
	raw->icmp_errors += icmp[0] == 3 || icmp[0] == 11;
	raw->icmp_type = icmp[0];
	raw->icmp_code = icmp[1];
}

static void
raw_take(NatGuest *g, const guint8 *frame, guint32 len, gpointer data)
{
	Raw *raw = data;
	const guint8 *tcp = frame + ETH_LEN + IP_LEN;
	guint32 seq, header_len, bytes;

	(void)g;
	if (jf_get_be16(frame + 12) == 0x0800 && frame[23] == IPPROTO_ICMP)
		take_icmp(raw, tcp);
	if (jf_get_be16(frame + 12) != 0x0800 || frame[23] != IPPROTO_TCP ||
	    jf_get_be16(tcp + 2) != raw->port)
		return;
	raw->segments++;
	raw->from_port = jf_get_be16(tcp);
	raw->urgent += (tcp[13] & RAW_URG) != 0;
	seq = jf_get_be32(tcp + 4);
	header_len = (tcp[12] >> 4) * 4u;
	bytes = len - ETH_LEN - IP_LEN - header_len;
	raw->last_ack = jf_get_be32(tcp + 8);
	raw->last_window = (guint32)jf_get_be16(tcp + 14)
			   << (tcp[13] & RAW_SYN || raw->peer_scale < 0 ? 0 : raw->peer_scale);
	if (tcp[13] & RAW_RST)
		raw->resets++;
	else if (tcp[13] & RAW_SYN)
		take_syn_ack(raw, tcp);
	else if (bytes || (tcp[13] & RAW_FIN))
		take_data(raw, seq, tcp + header_len, bytes, (tcp[13] & RAW_FIN) != 0);
	else {
		raw->acks++;
		take_blocks(raw, tcp);
	}
	if (!(tcp[13] & (RAW_RST | RAW_SYN)) && raw->irs && bytes == 0 && seq == raw->rcv_nxt - 1 &&
	    !(tcp[13] & RAW_FIN)) {
		raw->probes++;
		if (raw->answers)
			raw_send(raw, RAW_ACK, 0);
	}
}

void
raw_init(Raw *raw, NatGuest *g, guint16 to_port)
{
	*raw = (Raw){ .g = g,
		      .port = g->next_port++,
		      .to_port = to_port,
		      .window = 65535,
		      .scale = 7,
		      .peer_scale = -1,
		      .snd_nxt = RAW_ISN };
	g->func = raw_take;
	g->func_data = raw;
}

void
raw_open(Raw *raw)
{
	raw_send(raw, RAW_SYN, 0);
	nat_guest_wait(raw->g, raw->syn_acks == 1);
	raw_send(raw, RAW_ACK, 0);
}
