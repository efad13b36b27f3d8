/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nat-card.h - what "nat" and "slirp" have in common: the properties of a card's network of its own,
 * read and checked.
 *
 * The layout of the guest's network is VirtualBox's: the gateway is host 2 of the network, the name
 * server host 3, leases begin at host 15; the IPv6 prefix carries the second and third octet of the
 * IPv4 network.
 */
#ifndef NAT_CARD_H
#define NAT_CARD_H

#include <jackfield/card.h>
#include <jackfield/driver.h>
#include <jackfield/util.h>

#define NAT_CARD_GATEWAY 2u
#define NAT_CARD_NAME_SERVER 3u
#define NAT_CARD_FIRST_LEASE 15u

/* Rows of the table of properties. */
/* clang-format off */
#define NAT_CARD_PROPS                                                                    \
	{ .name = "network",                                                              \
	  .type = JF_PROP_CIDR,                                                           \
	  .blurb = "The guest's IPv4 network, prefix length 8..27; unset: 10.0.(1+N).0/24 for card "\
		   "N" },                                                                 \
	{ .name = "mtu",                                                                  \
	  .type = JF_PROP_INT,                                                            \
	  .def = "1500",                                                                  \
	  .min = 576,                                                                     \
	  .max = 65520,                                                                   \
	  .blurb = "Longest IP packet to the guest; told to it by DHCP and router advertisements "\
		   "when it is not 1500" },                                               \
	{ .name = "ipv6",                                                                 \
	  .type = JF_PROP_BOOL,                                                           \
	  .def = "on",                                                                    \
	  .blurb = "Gives the guest IPv6 by router advertisements" },                     \
	{ .name = "localhost-reachable",                                                  \
	  .type = JF_PROP_BOOL,                                                           \
	  .def = "on",                                                                    \
	  .blurb = "The gateway's address leads to the host's loopback" },                \
	{ .name = "restricted",                                                           \
	  .type = JF_PROP_BOOL,                                                           \
	  .def = "off",                                                                   \
	  .blurb = "The guest can open no connection of its own; port forwards work" },   \
	{ .name = "dhcp",                                                                 \
	  .type = JF_PROP_BOOL,                                                           \
	  .def = "on",                                                                    \
	  .blurb = "Answers the guest's DHCP requests" },                                 \
	{ .name = "dns-pass-domain",                                                      \
	  .type = JF_PROP_BOOL,                                                           \
	  .def = "on",                                                                    \
	  .blurb = "Tells the guest the host's DNS domain and search list" },             \
	{ .name = "hostname",                                                             \
	  .type = JF_PROP_STRING,                                                         \
	  .max = 32,                                                                      \
	  .blurb = "Host name told to the guest by DHCP" },                               \
	{ .name = "tftp-prefix",                                                          \
	  .type = JF_PROP_PATH,                                                           \
	  .blurb = "Directory served by TFTP at the gateway's address; unset: TFTP in the "\
		   "configuration directory, where there is one" },                       \
	{ .name = "boot-file",                                                            \
	  .type = JF_PROP_STRING,                                                         \
	  .max = 127,                                                                     \
	  .blurb = "Boot file told to the guest by DHCP; unset: MACHINE.pxe where there is a "\
		   "TFTP directory" },                                                    \
	{ .name = "next-server",                                                          \
	  .type = JF_PROP_IPV4,                                                           \
	  .blurb = "Boot server told to the guest by DHCP; unset: the gateway" },         \
	{ .name = "bind-ip",                                                              \
	  .type = JF_PROP_IPV4,                                                           \
	  .blurb = "The host's address that the guest's IPv4 flows come from" },          \
	{ .name = "bind-ip6",                                                             \
	  .type = JF_PROP_IPV6,                                                           \
	  .blurb = "The host's address that the guest's IPv6 flows come from" },          \
	{ .name = "send-buffer",                                                          \
	  .type = JF_PROP_SIZE,                                                           \
	  .def = "0",                                                                     \
	  .min = 0,                                                                       \
	  .max = 16 * 1024 * 1024,                                                        \
	  .blurb = "SO_SNDBUF of the host's sockets; 0: the system's own" },              \
	{ .name = "receive-buffer",                                                       \
	  .type = JF_PROP_SIZE,                                                           \
	  .def = "0",                                                                     \
	  .min = 0,                                                                       \
	  .max = 16 * 1024 * 1024,                                                        \
	  .blurb = "SO_RCVBUF of the host's sockets; 0: the system's own" }
/* clang-format on */

/* The properties bind-ip and bind-ip6. */
typedef struct NatBind {
	gboolean has4, has6;
	guint8 v4[4], v6[16];
} NatBind;

/* What the properties and the card say, checked. */
typedef struct NatCard {
	guint32 network, netmask; /* IPv4, host byte order */
	guint8 prefix6[8];        /* the /64 */
	guint16 mtu;
	gboolean ipv6, localhost, restricted, dhcp, pass_domain;
	char *hostname;      /* NULL: none */
	char *tftp_prefix;   /* NULL: no TFTP */
	char *boot_file;     /* NULL: none */
	guint32 next_server; /* host byte order; 0: the gateway */
	NatBind bind;
	guint32 send_buffer, receive_buffer; /* bytes; 0: the system's own */
} NatCard;

/* From init. VALUE: the message names the property. What there is after an error is freed with
 * nat_card_finish, too. */
gboolean nat_card_init(NatCard *card, JfInstance *inst, GError **error);
void nat_card_finish(NatCard *card);
/* From init. VALUE. */
gboolean nat_bind_init(NatBind *own, JfInstance *inst, GError **error);
/* Whether the host has these addresses now. From start. VALUE, NETWORK. */
gboolean nat_bind_check_host(const NatBind *own, JfInstance *inst, GError **error);
/* What only the host of this moment can tell: a directory, addresses of its own. From start.
 * NOT_FOUND, VALUE, NETWORK. */
gboolean nat_card_check_host(const NatCard *card, JfInstance *inst, GError **error);

#endif
