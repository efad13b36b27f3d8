/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-tcp-timer.c - what a connection does when nothing is heard (RFC 6298, RFC 9293 3.8).
 *
 * The round trip is that to the guest: microseconds, or much longer while a machine is paused.
 */
#include "nat-tcp.h"

#define RTO_FIRST NAT_SEC
#define RTO_MIN (200 * NAT_MSEC)
#define RTO_MIN_SACKED (20 * NAT_MSEC)
#define RTO_MAX (60 * NAT_SEC)
#define TRIES_MAX 15u
#define SYN_TRIES_MAX 6u
/* Until the guest's MAC is known the SYN costs nothing but the question for it. */
#define SYN_RETRY_UNRESOLVED (100 * NAT_MSEC)
#define IDLE_PROBE (7200 * NAT_SEC) /* RFC 9293 3.8.4, RFC 5382 REQ-5 */
#define IDLE_PROBE_AGAIN (75 * NAT_SEC)
#define IDLE_PROBES_MAX 9u
#define PERSISTS_MAX 8u

static guint64
rto_base(const NatTcp *tcp)
{
	guint64 rto = tcp->srtt_us ? (tcp->srtt_us + 4 * (guint64)tcp->rttvar_us) * 1000
				   : RTO_FIRST;

	/* A guest does not delay its word of what came out of order (RFC 5681 4.2). */
	return MAX(rto, tcp->sacked && tcp->sacked->n ? RTO_MIN_SACKED : RTO_MIN);
}

void
nat_tcp_start_rto(NatEngine *engine, NatTcp *tcp)
{
	guint64 rto = rto_base(tcp) << MIN(tcp->tries, 10);

	if (tcp->state == NAT_TCP_SYN_SENT && !tcp->flow.has_mac)
		rto = SYN_RETRY_UNRESOLVED << MIN(tcp->tries, 10);
	tcp->rto_deadline = engine->now + MIN(rto, RTO_MAX);
}

void
nat_tcp_measure(NatEngine *engine, NatTcp *tcp)
{
	guint32 r = (guint32)MIN((engine->now - tcp->rtt_start) / 1000, 60000000u);
	guint32 delta = r > tcp->srtt_us ? r - tcp->srtt_us : tcp->srtt_us - r;

	tcp->timing = FALSE;
	if (tcp->srtt_us) {
		tcp->rttvar_us = tcp->rttvar_us - tcp->rttvar_us / 4 + delta / 4;
		tcp->srtt_us = tcp->srtt_us - tcp->srtt_us / 8 + r / 8;
	} else {
		tcp->srtt_us = MAX(r, 1);
		tcp->rttvar_us = r / 2;
	}
}

/* Whether data waits that the guest's window does not let through: it may have lost the word that
 * the window is open again. */
static gboolean
is_stuck(const NatTcp *tcp)
{
	return tcp->readable && tcp->snd_una == tcp->snd_max;
}

void
nat_tcp_arm(NatEngine *engine, NatTcp *tcp)
{
	guint64 deadline = tcp->last_heard + IDLE_PROBE + tcp->probes * IDLE_PROBE_AGAIN;

	if (tcp->state == NAT_TCP_OPEN && !tcp->rto_deadline && is_stuck(tcp) && !engine->blocked) {
		tcp->persisting = TRUE;
		tcp->rto_deadline = engine->now +
				    MIN(rto_base(tcp) << MIN(tcp->persists, PERSISTS_MAX), RTO_MAX);
	}
	if (tcp->rto_deadline)
		deadline = MIN(deadline, tcp->rto_deadline);
	nat_flow_arm(engine, &tcp->flow, deadline);
}

/* RFC 9293 3.8.4 and 3.8.6.1: a segment from before the window, which the guest answers. */
static void
probe(NatEngine *engine, NatTcp *tcp)
{
	tcp->probes += tcp->probes < G_MAXUINT8;
	nat_tcp_send_flags(engine, tcp, tcp->snd_una - 1, NAT_TCP_ACK);
}

static void
syn_timeout(NatEngine *engine, NatTcp *tcp)
{
	if (++tcp->tries > SYN_TRIES_MAX) {
		nat_tcp_abort(engine, tcp);
		return;
	}
	nat_tcp_send_syn(engine, tcp);
	nat_tcp_start_rto(engine, tcp);
}

static void
data_timeout(NatEngine *engine, NatTcp *tcp)
{
	if (++tcp->tries > TRIES_MAX) {
		nat_tcp_abort(engine, tcp);
		return;
	}
	jf_count(engine->count.retransmits, 1);
	tcp->timing = FALSE;
	/* In the end it may have dropped what it said it has (RFC 2018 8). */
	if (tcp->tries > 2 || !nat_tcp_fill_again(tcp)) {
		nat_tcp_forget_sack(tcp);
		tcp->snd_nxt = tcp->snd_una;
	}
	nat_tcp_start_rto(engine, tcp);
	nat_engine_set_ready(engine, &tcp->flow);
	/* A window that has closed over what is on its way lets nothing be sent again. */
	if (tcp->snd_wnd == 0)
		probe(engine, tcp);
}

static void
persist_timeout(NatEngine *engine, NatTcp *tcp)
{
	if (tcp->probes > TRIES_MAX) {
		nat_tcp_abort(engine, tcp);
		return;
	}
	tcp->persisting = FALSE;
	tcp->persists += tcp->persists < PERSISTS_MAX;
	probe(engine, tcp);
}

static void
idle_timeout(NatEngine *engine, NatTcp *tcp)
{
	int one = 1;

	if (tcp->probes >= IDLE_PROBES_MAX) {
		nat_tcp_abort(engine, tcp);
		return;
	}
	if (!tcp->keep_alive)
		setsockopt(tcp->flow.fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	tcp->keep_alive = TRUE;
	probe(engine, tcp);
}

void
nat_tcp_expired(NatEngine *engine, NatTcp *tcp)
{
	gboolean rto = tcp->rto_deadline && tcp->rto_deadline <= engine->now;

	if (rto)
		tcp->rto_deadline = 0;
	if (tcp->state == NAT_TCP_TIME_WAIT) {
		nat_engine_drop_flow(engine, &tcp->flow);
		return;
	}
	if (tcp->state == NAT_TCP_CONNECTING) {
		nat_tcp_abort(engine, tcp);
		return;
	}
	if (tcp->state == NAT_TCP_OPEN) {
		if (rto && tcp->snd_una != tcp->snd_max)
			data_timeout(engine, tcp);
		else if (rto)
			persist_timeout(engine, tcp);
		else if (engine->now >= tcp->last_heard + IDLE_PROBE)
			idle_timeout(engine, tcp);
	} else if (rto) {
		syn_timeout(engine, tcp);
	}
	if (!tcp->flow.is_dead)
		nat_tcp_arm(engine, tcp);
}
